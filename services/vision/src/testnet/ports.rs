//! Which node listens where.

use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::cli::PortArgs;
use crate::exit::{Failure, Outcome};

/// Distance between the gRPC ports of two neighbouring nodes.
const GRPC_STEP: u32 = 10;

/// The ports of node 1, from which the others' follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasePorts {
    p2p: u16,
    rest: u16,
    grpc: u16,
}

impl BasePorts {
    /// What the caller gave, the defaults for the rest.
    pub fn new(args: &PortArgs) -> Self {
        Self {
            p2p: args.base_p2p_port.unwrap_or(7072),
            rest: args.base_api_port.unwrap_or(8080),
            grpc: args.base_grpc_port.unwrap_or(50051),
        }
    }

    /// What the caller gave, for the rest what node 1 has.
    pub fn over(args: &PortArgs, first: &NodePorts) -> Self {
        Self {
            p2p: args.base_p2p_port.unwrap_or(first.p2p),
            rest: args.base_api_port.unwrap_or(first.rest),
            grpc: args.base_grpc_port.unwrap_or(first.chain),
        }
    }

    /// The ports of `count` nodes, all different.
    pub fn assign(&self, count: u16) -> Outcome<Vec<NodePorts>> {
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
    pub fn one_more(&self, taken: &[NodePorts]) -> Outcome<NodePorts> {
        let of_others: Vec<u16> = taken.iter().flat_map(|node| node.named().map(|(_, port)| port)).collect();
        let mut index = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        loop {
            let ports = self.node(index)?;
            let own = ports.named().map(|(_, port)| port);
            if own.iter().all(|port| !of_others.contains(port))
                && ports.check_free("it", "vision testnet up").is_ok()
            {
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
pub struct NodePorts {
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
    /// Every port with the words for it.
    pub const fn named(&self) -> [(&'static str, u16); 6] {
        [
            ("P2P", self.p2p),
            ("REST", self.rest),
            ("gRPC of chain", self.chain),
            ("gRPC of sync-oracle", self.sync_oracle),
            ("gRPC of selection", self.selection),
            ("gRPC of producer", self.producer),
        ]
    }

    /// Checks that nobody listens on any of them; `up` is the command that gives the network others.
    pub fn check_free(&self, node: &str, up: &str) -> Outcome {
        for (what, port) in self.named() {
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                let flag = match what {
                    "P2P" => "--base-p2p-port",
                    "REST" => "--base-api-port",
                    _ => "--base-grpc-port",
                };
                let why = match error.kind() {
                    std::io::ErrorKind::AddrInUse => "is taken".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "needs privileges".to_owned(),
                    _ => format!("cannot be used ({error})"),
                };
                return Err(Failure::failed(format!(
                    "port {port} on 127.0.0.1 ({what} of {node}) {why}; stop what listens there or \
                     choose others with `{up} {flag} PORT`"
                )));
            }
        }
        Ok(())
    }
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
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let ports = NodePorts {
            p2p: port,
            rest: port,
            chain: port,
            sync_oracle: port,
            selection: port,
            producer: port,
        };
        let failure = ports.check_free("node1", "vision testnet up").expect_err("taken").to_string();
        assert!(failure.contains(&format!("port {port}")) && failure.contains("is taken"), "{failure}");
    }
}
