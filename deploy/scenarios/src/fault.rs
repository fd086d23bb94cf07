//! How to break a network of containers, and how to heal it again.

use std::fmt;

use rustix::process::{Pid, Signal, kill_process};

use crate::dice::Dice;
use crate::docker::Docker;
use crate::failure::{Failure, Outcome, check};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::wait;

/// Longest until docker has restarted what crashed, seconds.
const RESTART_S: u64 = 90;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `docker kill`: SIGKILL, and docker leaves it dead.
    Kill,
    /// `docker stop`: SIGTERM, and time to end in good order.
    Stop,
    /// `docker pause`: frozen.
    Pause,
    /// `docker network disconnect` from the network of the nodes.
    Disconnect,
    /// SIGKILL behind docker's back: docker restarts it.
    Crash,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Kill, Self::Stop, Self::Pause, Self::Disconnect, Self::Crash];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Disconnect => "disconnect",
            Self::Crash => "crash",
        }
    }
}

/// A fault of some containers of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What happens to them.
    pub kind: Kind,
    /// The node's name.
    pub node: String,
    /// Compose names.
    pub services: Vec<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.services.as_slice() {
            [one] => write!(f, "{} {one}", self.kind.name()),
            _ => write!(f, "{} all of {}", self.kind.name(), self.node),
        }
    }
}

impl Fault {
    /// A fault of every service of a node. Only its chain can be disconnected: the others are not in that
    /// network.
    pub(crate) fn of_node(kind: Kind, node: &Node) -> Self {
        match kind {
            Kind::Disconnect => Self::of_service(kind, node, Service::Chain),
            _ => Self { kind, node: node.name.clone(), services: node.containers() },
        }
    }

    /// A fault of one service.
    pub(crate) fn of_service(kind: Kind, node: &Node, service: Service) -> Self {
        Self { kind, node: node.name.clone(), services: vec![node.container(service)] }
    }

    /// Any fault of any node, of one service twice as often as of a whole node.
    pub(crate) fn random(dice: &mut Dice, nodes: &[Node]) -> Option<Self> {
        let kind = *dice.one_of(&Kind::ALL)?;
        let node = dice.one_of(nodes)?;
        let service = *dice.one_of(&Service::ALL)?;
        Some(match dice.below(3) {
            0 => Self::of_node(kind, node),
            _ if kind == Kind::Disconnect => Self::of_node(kind, node),
            _ => Self::of_service(kind, node, service),
        })
    }

    /// Breaks.
    pub(crate) async fn inflict(&self, net: &Net) -> Outcome {
        let docker = &net.docker;
        match self.kind {
            Kind::Kill => docker.each(&["kill"], &self.services).await,
            Kind::Stop => docker.each(&["stop", "-t", "10"], &self.services).await,
            Kind::Pause => docker.each(&["pause"], &self.services).await,
            Kind::Disconnect => {
                docker.each(&["network", "disconnect", &docker.name_of("p2p")], &self.services).await
            }
            Kind::Crash => crash(docker, &self.services).await,
        }
    }

    /// Heals; what crashed, docker itself restarts.
    pub(crate) async fn heal(&self, net: &Net) -> Outcome {
        let docker = &net.docker;
        match self.kind {
            Kind::Kill | Kind::Stop => docker.each(&["start"], &self.services).await,
            Kind::Pause => docker.each(&["unpause"], &self.services).await,
            Kind::Disconnect => {
                // Its name there is what the others call it by.
                let alias = self.services.first().map_or("", String::as_str);
                let connect = ["network", "connect", "--alias", alias, &docker.name_of("p2p")];
                docker.each(&connect, &self.services).await
            }
            Kind::Crash => Ok(()),
        }
    }
}

/// Kills the process of each container, without docker's knowing, and waits until docker has restarted it by
/// itself.
async fn crash(docker: &Docker, services: &[String]) -> Outcome {
    let before = docker.containers().await?;
    for service in services {
        let pid = before.get(service).and_then(|container| Pid::from_raw(container.state.pid));
        let pid = pid.ok_or_else(|| Failure::new(format!("{service} to run"), "no process"))?;
        kill_process(pid, Signal::KILL).map_err(|error| {
            let hint =
                "a crash needs the right to kill processes of containers: run as root, on docker's machine";
            Failure::new(format!("SIGKILL for process {pid:?} of {service}"), format!("{error}; {hint}"))
        })?;
    }
    wait::until("docker to restart by itself what crashed", RESTART_S, async || {
        let now = docker.containers().await?;
        for service in services {
            let (Some(was), Some(is)) = (before.get(service), now.get(service)) else {
                return Err(Failure::seen(format!("no container {service}")));
            };
            let restarted = is.state.status == "running" && is.restart_count > was.restart_count;
            check(restarted, "", || {
                format!("{service} is {}, {} restarts", is.condition(), is.restart_count)
            })
            .map_err(|failure| failure.about([service.clone()]))?;
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_seed_gives_faults_of_every_kind_that_can_be() {
        let nodes = Node::first(3);
        let mut dice = Dice::new(5);
        let faults: Vec<Fault> = (0..300).filter_map(|_| Fault::random(&mut dice, &nodes)).collect();
        assert_eq!(faults.len(), 300);
        for kind in Kind::ALL {
            assert!(faults.iter().any(|fault| fault.kind == kind), "{}", kind.name());
        }
        for fault in &faults {
            assert!(fault.services.iter().all(|service| service.starts_with(&fault.node)), "{fault:?}");
            let cut_off =
                fault.kind != Kind::Disconnect || fault.services == [format!("{}-chain", fault.node)];
            assert!(cut_off && matches!(fault.services.len(), 1 | 5), "{fault:?}");
        }
        let whole = Fault::of_node(Kind::Stop, &nodes[1]).to_string();
        assert_eq!(whole, "stop all of node2");
        let one = Fault::of_service(Kind::Kill, &nodes[0], Service::Gateway);
        assert_eq!(one.to_string(), "kill node1-gateway");
    }
}
