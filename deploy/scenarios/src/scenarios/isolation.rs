//! Who reaches whom, who holds what, and what a container may do.

use std::collections::BTreeMap;
use std::fs;

use futures::future::try_join_all;

use crate::container::Container;
use crate::failure::{Failure, Outcome, check};
use crate::net::Net;
use crate::node::{Node, Service};

pub(super) async fn run(net: &Net) -> Outcome {
    let containers = net.docker.containers().await?;
    reach(net, &containers).await?;
    locked_up(net, &containers)?;
    holdings(net, &containers)
}

fn find<'a>(containers: &'a BTreeMap<String, Container>, name: &str) -> Outcome<&'a Container> {
    containers.get(name).ok_or_else(|| Failure::new(format!("a container {name}"), "none"))
}

/// Every pair of nodes: P2P can be reached, and nothing else; by no name and by no address.
async fn reach(net: &Net, containers: &BTreeMap<String, Container>) -> Outcome {
    // Nodes at once, as a way that is closed takes seconds to say so; within a container one at a time, as
    // each takes memory.
    let closed = try_join_all(net.nodes.iter().map(|from| reach_from(net, from, containers))).await?;
    let refused: usize = closed.into_iter().sum();
    net.say(format!(
        "chains reach one another's port 7072 and nothing else: {refused} other ways are closed"
    ));
    Ok(())
}

/// Number of ways from a node to the others that are closed.
async fn reach_from(net: &Net, from: &Node, containers: &BTreeMap<String, Container>) -> Outcome<usize> {
    let chain = find(containers, &from.container(Service::Chain))?;
    let gateway = find(containers, &from.container(Service::Gateway))?;
    asks(net, gateway, "127.0.0.1:8080", true).await?;
    asks(net, gateway, &format!("{}:50051", from.container(Service::Chain)), true).await?;
    let mut closed = Vec::new();
    for to in net.others(from) {
        let host = to.container(Service::Chain);
        asks(net, chain, &format!("{host}:7072"), true).await?;
        closed.push((chain, format!("{host}:50051")));
        closed.push((chain, format!("{host}.private:50051")));
        closed.push((gateway, format!("{host}:7072")));
        closed.push((gateway, format!("{}:50054", to.container(Service::Producer))));
        for network in find(containers, &host)?.network_settings.networks.values() {
            closed.push((chain, format!("{}:50051", network.ip_address)));
            closed.push((gateway, format!("{}:7072", network.ip_address)));
        }
    }
    for (container, address) in &closed {
        asks(net, container, address, false).await?;
    }
    Ok(closed.len())
}

/// Whether a health check from inside a container reaches an address.
async fn asks(net: &Net, from: &Container, address: &str, answers: bool) -> Outcome {
    let (code, said) = net.docker.exec(&from.id, &["/vision", "healthcheck", "--addr", address]).await?;
    // 3: not healthy, or not there.
    let expect = if answers { 0 } else { 3 };
    let what = if answers { "an answer" } else { "no answer" };
    check(code == Some(expect), format!("{what} for {} from {address}", from.service()), || {
        format!("exit code {code:?}: {said}")
    })
}

fn locked_up(net: &Net, containers: &BTreeMap<String, Container>) -> Outcome {
    let mut seen_from_host = 0;
    for (name, container) in containers {
        let mut loose = container.looseness();
        // What the kernel says of the process counts more than what docker was asked for.
        if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", container.state.pid)) {
            loose.extend(freedoms(&status));
            seen_from_host += 1;
        }
        check(loose.is_empty(), format!("{name} locked up"), || loose.join("; "))?;
    }
    net.say(format!(
        "{} containers: no root, no writable root, no capabilities, no new privileges, a memory limit \
        ({seen_from_host} checked in /proc too)",
        containers.len()
    ));
    Ok(())
}

/// What a process may do that it should not, from its `/proc/PID/status`.
fn freedoms(status: &str) -> Vec<String> {
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let mut found = Vec::new();
    for capabilities in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"] {
        let mask = field(capabilities);
        if mask.is_empty() || mask.contains(|digit| digit != '0') {
            found.push(format!("{capabilities} {mask}"));
        }
    }
    if field("Uid:").split_whitespace().any(|uid| uid == "0") {
        found.push("Uid: 0".into());
    }
    if field("NoNewPrivs:") != "1" {
        found.push(format!("NoNewPrivs: {}", field("NoNewPrivs:")));
    }
    found
}

/// Keys and settings are where they are needed and nowhere else, and no port is open to the network.
fn holdings(net: &Net, containers: &BTreeMap<String, Container>) -> Outcome {
    for node in &net.nodes {
        for (volume, holders) in volumes(node) {
            let volume = net.docker.name_of(&volume);
            for (name, container) in containers.iter().filter(|(name, _)| *name != "init") {
                let found =
                    container.mounts.iter().find(|mount| mount.name == volume).map(|mount| mount.writable);
                let expect = holders.iter().find(|(holder, _)| holder == name).map(|(_, writable)| *writable);
                check(found == expect, format!("{name} to hold {volume} (writable): {expect:?}"), || {
                    format!("{found:?}")
                })?;
            }
        }
    }
    net.say("each node's key and claims are mounted by its producer alone, its settings read-only");
    let mut published = 0;
    for (name, container) in containers {
        for port in container.published() {
            published += 1;
            check(port.host_ip == "127.0.0.1", format!("{name} published on 127.0.0.1 only"), || {
                format!("{port:?}")
            })?;
        }
    }
    check(published == 18, "18 published ports", || published.to_string())?;
    net.say("18 ports are published, all on 127.0.0.1");
    Ok(())
}

/// Volumes of a node, with the containers that mount them and whether they may write.
fn volumes(node: &Node) -> [(String, Vec<(String, bool)>); 3] {
    let readers = [Service::SyncOracle, Service::Selection, Service::Gateway];
    [
        (format!("{}-chain", node.name), vec![(node.container(Service::Chain), true)]),
        (format!("{}-producer", node.name), vec![(node.container(Service::Producer), true)]),
        (format!("{}-config", node.name), readers.map(|service| (node.container(service), false)).to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::freedoms;

    #[test]
    fn freedoms_of_a_process() {
        let status = |cap: &str, uid: &str, privs: &str| {
            format!(
                "Name:\tvision\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapPrm:\t{cap}\nCapEff:\t{cap}\n\
                CapBnd:\t{cap}\nCapAmb:\t{cap}\nNoNewPrivs:\t{privs}\n"
            )
        };
        let none = "0000000000000000";
        let cases = [
            ("locked up", status(none, "65532", "1"), 0),
            ("root", status(none, "0", "1"), 1),
            ("capabilities", status("00000000a80425fb", "65532", "1"), 4),
            ("privileges", status(none, "65532", "0"), 1),
            ("no status", String::new(), 5),
        ];
        for (desc, status, expect) in cases {
            assert_eq!(freedoms(&status).len(), expect, "{desc}: {:?}", freedoms(&status));
        }
    }
}
