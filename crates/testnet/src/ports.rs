//! Which node listens where.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::args::PortArgs;
use vision_terminal::exit::{Failure, Outcome};

/// Distance between the gRPC ports of two neighbouring nodes.
const GRPC_STEP: u32 = 10;

/// Distance from ports that are taken to the next that are tried in their place.
const BASE_STEP: u16 = 100;
/// Places tried for ports that are all free.
const MAX_BASES_TRIED: u16 = 200;

/// The ports of node 1, from which the others' follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BasePorts {
    p2p: u16,
    rest: u16,
    grpc: u16,
}

impl BasePorts {
    /// What the caller gave, the defaults for the rest.
    pub(crate) fn new(args: &PortArgs) -> Self {
        Self {
            p2p: args.base_p2p_port.unwrap_or(7072),
            rest: args.base_api_port.unwrap_or(8080),
            grpc: args.base_grpc_port.unwrap_or(50051),
        }
    }

    /// What the caller gave, for the rest what node 1 has.
    pub(crate) fn over(args: &PortArgs, first: &NodePorts) -> Self {
        Self {
            p2p: args.base_p2p_port.unwrap_or(first.p2p),
            rest: args.base_api_port.unwrap_or(first.rest),
            grpc: args.base_grpc_port.unwrap_or(first.chain),
        }
    }

    /// The ports of `count` nodes, all different.
    pub(crate) fn assign(&self, count: u16) -> Outcome<Vec<NodePorts>> {
        let nodes = (0..u32::from(count)).map(|i| self.node(i)).collect::<Outcome<Vec<_>>>()?;
        let mut all: Vec<u16> = nodes.iter().flat_map(|node| node.named().map(|(_, port)| port)).collect();
        all.sort_unstable();
        if let Some(twin) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Failure::usage(format!(
                "port {} would be used twice; choose base ports further apart",
                twin[0]
            )));
        }
        Ok(nodes)
    }

    /// Ports for one more node: those of the next number, or of the first after it that are all free.
    pub(crate) fn one_more(&self, taken: &[NodePorts]) -> Outcome<NodePorts> {
        let of_others: Vec<u16> = taken.iter().flat_map(|node| node.named().map(|(_, port)| port)).collect();
        let mut index = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        loop {
            let ports = self.node(index)?;
            let own = ports.named().map(|(_, port)| port);
            if own.iter().all(|port| !of_others.contains(port)) && ports.taken().is_none() {
                return Ok(ports);
            }
            index += 1;
        }
    }

    fn node(&self, index: u32) -> Outcome<NodePorts> {
        let port = |base: u16, offset: u32| {
            let port = u32::from(base) + offset;
            u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| {
                Failure::usage(format!("node{} would need port {port}; choose a lower base port", index + 1))
            })
        };
        let grpc = |service: u32| port(self.grpc, index * GRPC_STEP + service);
        Ok(NodePorts {
            p2p: port(self.p2p, index)?,
            rest: port(self.rest, index)?,
            chain: grpc(0)?,
            sync_oracle: grpc(1)?,
            selection: grpc(2)?,
            producer: grpc(3)?,
        })
    }
}

/// The ports of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct NodePorts {
    /// Peers and `/api/status`.
    pub p2p: u16,
    /// REST gateway.
    pub rest: u16,
    /// gRPC of the chain service.
    pub chain: u16,
    /// gRPC of the sync-oracle service.
    pub sync_oracle: u16,
    /// gRPC of the selection service.
    pub selection: u16,
    /// gRPC of the producer service.
    pub producer: u16,
}

impl NodePorts {
    /// Every port with what it is for.
    pub(crate) const fn named(&self) -> [(Use, u16); 6] {
        [
            (Use::P2p, self.p2p),
            (Use::Rest, self.rest),
            (Use::Grpc("chain"), self.chain),
            (Use::Grpc("sync-oracle"), self.sync_oracle),
            (Use::Grpc("selection"), self.selection),
            (Use::Grpc("producer"), self.producer),
        ]
    }

    /// The first of them that cannot be listened on.
    fn taken(&self) -> Option<(Use, u16, Error)> {
        self.named().into_iter().find_map(|(what, port)| Some((what, port, listen(port).err()?)))
    }
}

fn listen(port: u16) -> Result<(), Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

/// What a port is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// Peers.
    P2p,
    /// The gateway.
    Rest,
    /// The gRPC of a service.
    Grpc(&'static str),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P2p => f.write_str("P2P"),
            Self::Rest => f.write_str("REST"),
            Self::Grpc(service) => write!(f, "gRPC of {service}"),
        }
    }
}

/// Checks that nobody listens on any port of the nodes that are to start. `all` are those of the whole
/// network, and `up` is the command that gives it others.
pub(crate) fn check_free(start: &[(&str, &NodePorts)], all: &[NodePorts], up: &str) -> Outcome {
    let taken = start.iter().find_map(|(name, ports)| Some((name, ports.taken()?)));
    let Some((name, (what, port, error))) = taken else { return Ok(()) };
    let why = match error.kind() {
        ErrorKind::AddrInUse => "is taken".to_owned(),
        ErrorKind::PermissionDenied => "needs privileges".to_owned(),
        _ => format!("cannot be used ({error})"),
    };
    let others = free_bases(start, all);
    Err(Failure::failed(format!(
        "port {port} on 127.0.0.1 ({what} of {name}) {why}; stop what listens there or choose others with \
        `{up}{others}`"
    )))
}

/// A kind of ports that have a base in common: its flag, its base, and which uses are of it.
type Kind = (&'static str, fn(&mut BasePorts) -> &mut u16, fn(Use) -> bool);

/// The flags that move every kind of port of which one is taken to where all are free, so that one try is
/// enough.
fn free_bases(start: &[(&str, &NodePorts)], all: &[NodePorts]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let mut base = BasePorts { p2p: first.p2p, rest: first.rest, grpc: first.chain };
    let count = u16::try_from(all.len()).unwrap_or(u16::MAX);
    let kinds: [Kind; 3] = [
        ("--base-p2p-port", |base| &mut base.p2p, |what| what == Use::P2p),
        ("--base-api-port", |base| &mut base.rest, |what| what == Use::Rest),
        ("--base-grpc-port", |base| &mut base.grpc, |what| matches!(what, Use::Grpc(_))),
    ];
    let mut flags = String::new();
    for (flag, port_of, is_of_kind) in kinds {
        let of_kind =
            |ports: &NodePorts| ports.named().into_iter().filter(move |(what, _)| is_of_kind(*what));
        let is_free = |ports: &NodePorts| of_kind(ports).all(|(_, port)| listen(port).is_ok());
        if start.iter().all(|(_, ports)| is_free(ports)) {
            continue;
        }
        let old = *port_of(&mut base);
        let free = (1..MAX_BASES_TRIED).find_map(|step| {
            *port_of(&mut base) = old.checked_add(step * BASE_STEP)?;
            base.assign(count).is_ok_and(|nodes| nodes.iter().all(is_free)).then_some(*port_of(&mut base))
        });
        let shown = free.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
        *port_of(&mut base) = free.unwrap_or(old);
        flags += &format!(" {flag} {shown}");
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_ports() {
        let nodes = BasePorts::new(&PortArgs::default()).assign(3).expect("the defaults fit");
        let grpc = |node: &NodePorts| [node.chain, node.sync_oracle, node.selection, node.producer];
        let got: Vec<_> = nodes.iter().map(|node| (node.p2p, node.rest, grpc(node))).collect();
        let expect = vec![
            (7072, 8080, [50051, 50052, 50053, 50054]),
            (7073, 8081, [50061, 50062, 50063, 50064]),
            (7074, 8082, [50071, 50072, 50073, 50074]),
        ];
        assert_eq!(got, expect);
    }

    #[test]
    fn impossible_ports_are_refused() {
        let with = |p2p, rest, grpc| BasePorts { p2p, rest, grpc };
        let cases = [
            ("overlap", with(7072, 7074, 50051), 3, Some("used twice")),
            ("end of range", with(7072, 8080, 65530), 1, None),
            ("past the range", with(7072, 8080, 65530), 2, Some("lower base port")),
            ("zero", with(0, 8080, 50051), 1, Some("port 0")),
        ];
        for (desc, base, count, expect) in cases {
            let got = base.assign(count).err().map(|failure| failure.to_string());
            match expect {
                None => assert_eq!(got, None, "{desc}"),
                Some(part) => assert!(got.as_deref().is_some_and(|g| g.contains(part)), "{desc}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_taken_port_is_named_and_free_ones_in_the_place_of_its_kind() {
        let listeners: Vec<_> =
            (0..2).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
        let taken: Vec<u16> = listeners.iter().map(|l| l.local_addr().expect("bound").port()).collect();
        // Ports that the system does not give to others; of node 1 those of REST, of node 2 those of gRPC are
        // taken.
        let mut all = BasePorts { p2p: 15_000, rest: 16_000, grpc: 17_000 }.assign(2).expect("they fit");
        (all[0].rest, all[1].selection) = (taken[0], taken[1]);
        let start: Vec<_> = ["node1", "node2"].into_iter().zip(&all).collect();
        let up = "vision testnet up";
        let failure = check_free(&start, &all, up).expect_err("taken").to_string();
        assert!(
            failure.contains(&format!("port {} on 127.0.0.1 (REST of node1) is taken", taken[0])),
            "{failure}"
        );
        let command = failure.split('`').nth(1).expect("a command");
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(
            (&words[..3], words[3], words[5]),
            (&["vision", "testnet", "up"][..], "--base-api-port", "--base-grpc-port")
        );
        let bases: Vec<u16> = [words[4], words[6]].map(|port| port.parse().expect("a port")).to_vec();
        let base = BasePorts { p2p: 15_000, rest: bases[0], grpc: bases[1] };
        let moved = base.assign(2).expect("they fit");
        assert!(moved.iter().all(|ports| ports.taken().is_none()), "{moved:?}");
        let free: Vec<_> = ["node1", "node2"].into_iter().zip(&moved).collect();
        assert!(check_free(&free, &moved, up).is_ok());
    }
}
