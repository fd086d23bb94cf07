//! The `config.toml` of a node, as written first and as edited when its ports change.

use vision_host::server::MAX_CONNECTIONS_PER_ADDRESS;

use super::ports::NodePorts;
use crate::args::Profile;
use vision_terminal::service::Service;

/// Introductions under way that a node of a test network takes from one address.
const MAX_INTRODUCTIONS_PER_ADDRESS: usize = 64;
/// Namespace of the manifests in deploy/k8s.
const NAMESPACE: &str = "vision";

/// Names and ports of all nodes, in order: what any node's configuration may need.
#[derive(Clone, Debug)]
pub(crate) struct Neighbours {
    profile: Profile,
    nodes: Vec<(String, NodePorts)>,
}

/// One value of one section, as TOML.
type Setting = (&'static str, &'static str, String);

impl Neighbours {
    /// The nodes of a network.
    pub(crate) const fn new(profile: Profile, nodes: Vec<(String, NodePorts)>) -> Self {
        Self { profile, nodes }
    }

    /// A node's name.
    pub(crate) fn name(&self, index: usize) -> &str {
        self.nodes.get(index).map_or("", |(name, _)| name)
    }

    /// The ports where a node listens. Containers have addresses of their own, so there all nodes have the
    /// same.
    fn inner<'a>(&'a self, ports: &'a NodePorts) -> &'a NodePorts {
        match self.profile {
            Profile::Local => ports,
            Profile::Compose | Profile::Kubernetes => self.nodes.first().map_or(ports, |(_, first)| first),
        }
    }

    /// Where a service of a node listens. Only chain has a foot in a second network, that of the peers; its
    /// gRPC must not be reached from there.
    fn listen(&self, node: &str, service: Service, port: u16) -> String {
        match (self.profile, service) {
            (Profile::Local, _) => quoted(&format!("127.0.0.1:{port}")),
            (Profile::Compose, Service::Chain) => quoted(&format!("{node}-chain.private:{port}")),
            (Profile::Compose | Profile::Kubernetes, _) => quoted(&format!("0.0.0.0:{port}")),
        }
    }

    /// Where the other services of a node call a service.
    fn url(&self, node: &str, service: Service, port: u16) -> String {
        match self.profile {
            Profile::Local | Profile::Kubernetes => quoted(&format!("http://127.0.0.1:{port}")),
            Profile::Compose => quoted(&format!("http://{node}-{}:{port}", service.name())),
        }
    }

    /// Where other nodes call a node.
    fn p2p(&self, node: &str, ports: &NodePorts) -> String {
        let port = self.inner(ports).p2p;
        quoted(&match self.profile {
            Profile::Local => format!("127.0.0.1:{port}"),
            Profile::Compose => format!("{node}-chain:{port}"),
            Profile::Kubernetes => format!("{node}-vision-0.vision-p2p:{port}"),
        })
    }

    /// Everything in a node's configuration that depends on ports.
    fn settings(&self, index: usize) -> Vec<Setting> {
        let Some((name, own)) = self.nodes.get(index) else { return Vec::new() };
        let ports = self.inner(own);
        let listen = |service: Service, port: u16| self.listen(name, service, port);
        let url = |service: Service, port: u16| self.url(name, service, port);
        let p2p_listen = match self.profile {
            Profile::Local => format!("127.0.0.1:{}", ports.p2p),
            Profile::Compose | Profile::Kubernetes => format!("0.0.0.0:{}", ports.p2p),
        };
        let others = self.nodes.iter().filter(|(other, _)| other != name);
        let seeds: Vec<String> = others.map(|(other, ports)| self.p2p(other, ports)).collect();
        let mut settings = vec![
            ("chain", "grpc_listen", listen(Service::Chain, ports.chain)),
            ("chain", "p2p_listen", quoted(&p2p_listen)),
            ("chain", "p2p_advertise", self.p2p(name, own)),
            ("chain", "seeds", format!("[{}]", seeds.join(", "))),
            // The nodes report to each other names or loopback addresses, and many may share one address.
            ("chain", "accept_addresses", quoted("any")),
            ("chain", "max_introductions_per_address", MAX_INTRODUCTIONS_PER_ADDRESS.to_string()),
            ("sync_oracle", "grpc_listen", listen(Service::SyncOracle, ports.sync_oracle)),
            ("sync_oracle", "chain", url(Service::Chain, ports.chain)),
            ("selection", "grpc_listen", listen(Service::Selection, ports.selection)),
            ("producer", "grpc_listen", listen(Service::Producer, ports.producer)),
            ("gateway", "listen", listen(Service::Gateway, ports.rest)),
        ];
        for section in ["producer", "gateway"] {
            settings.extend([
                (section, "chain", url(Service::Chain, ports.chain)),
                (section, "sync_oracle", url(Service::SyncOracle, ports.sync_oracle)),
                (section, "selection", url(Service::Selection, ports.selection)),
            ]);
        }
        match self.profile {
            // All nodes share one address, and so does whoever tests them.
            Profile::Local => settings.extend(["chain", "gateway"].map(|section| {
                (section, "max_connections_per_address", MAX_CONNECTIONS_PER_ADDRESS.to_string())
            })),
            Profile::Kubernetes => {
                let outside = ["", ".svc", ".svc.cluster.local"];
                let hosts = outside.map(|end| quoted(&format!("{name}-gateway.{NAMESPACE}{end}")));
                settings.push(("gateway", "allowed_hosts", format!("[{}]", hosts.join(", "))));
            }
            Profile::Compose => {}
        }
        if self.profile != Profile::Kubernetes {
            // As seen from this machine, where the gateways of containers have the same ports.
            let pages = self.nodes.iter().map(|(name, ports)| {
                format!("{name} = {}", quoted(&format!("http://127.0.0.1:{}", ports.rest)))
            });
            let pages: Vec<String> = pages.collect();
            settings.push(("gateway", "pages", format!("{{ {} }}", pages.join(", "))));
        }
        settings.push(("gateway", "producer", url(Service::Producer, ports.producer)));
        settings
    }

    /// The text of a new configuration for some services of a node.
    pub(crate) fn config(&self, index: usize, services: &[Service]) -> String {
        let mut text = format!(
            "# Settings of one node. A VISION_<SECTION>_<KEY> variable overrides a value here,\n\
             # a flag overrides both. Missing keys have their defaults; unknown keys are refused.\n\n\
             [node]\nname = {}\nlog = \"info\"\nlog_format = \"text\"\n",
            quoted(self.name(index))
        );
        let settings = self.settings(index);
        for section in services.iter().map(|service| service.section()) {
            text.push_str(&format!("\n[{section}]\n"));
            for (_, key, value) in settings.iter().filter(|(of, _, _)| *of == section) {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    /// An existing configuration with the values that depend on ports set anew and everything else,
    /// comments included, as it was.
    pub(crate) fn edited(&self, index: usize, text: &str) -> String {
        let settings = self.settings(index);
        let mut section = String::new();
        let lines = text.lines().map(|line| {
            let trimmed = line.trim();
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim().to_owned();
            }
            let key = trimmed.split('=').next().unwrap_or_default().trim();
            let setting = settings.iter().find(|(of, name, _)| *of == section && *name == key);
            match setting {
                Some((_, key, value)) => format!("{key} = {value}\n"),
                None => format!("{line}\n"),
            }
        });
        lines.collect()
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::super::ports::BasePorts;
    use super::*;
    use crate::args::PortArgs;

    fn neighbours(profile: Profile, p2p: u16) -> Neighbours {
        let ports = BasePorts::new(&PortArgs { base_p2p_port: Some(p2p), ..PortArgs::default() });
        let nodes = ports.assign(3).expect("they fit");
        let named = nodes.into_iter().enumerate().map(|(i, ports)| (format!("node{}", i + 1), ports));
        Neighbours::new(profile, named.collect())
    }

    #[test]
    fn each_profile_has_its_addresses() {
        let cases = [
            (
                "local",
                Profile::Local,
                ["127.0.0.1:50061", "127.0.0.1:7073", "127.0.0.1:7072", "http://127.0.0.1:50061"],
            ),
            (
                "compose",
                Profile::Compose,
                ["node2-chain.private:50051", "0.0.0.0:7072", "node1-chain:7072", "http://node2-chain:50051"],
            ),
            (
                "kubernetes",
                Profile::Kubernetes,
                ["0.0.0.0:50051", "0.0.0.0:7072", "node1-vision-0.vision-p2p:7072", "http://127.0.0.1:50051"],
            ),
        ];
        for (desc, profile, [grpc, p2p, seed, chain]) in cases {
            let text = neighbours(profile, 7072).config(1, &Service::ALL);
            let parsed: toml::Table = text.parse().expect("TOML");
            assert_eq!(parsed["chain"]["grpc_listen"].as_str(), Some(grpc), "{desc}");
            assert_eq!(parsed["chain"]["p2p_listen"].as_str(), Some(p2p), "{desc}");
            assert_eq!(parsed["chain"]["seeds"][0].as_str(), Some(seed), "{desc}");
            assert_eq!(parsed["chain"]["seeds"].as_array().map(Vec::len), Some(2), "{desc}");
            assert_eq!(parsed["gateway"]["chain"].as_str(), Some(chain), "{desc}");
            assert_eq!(parsed["node"]["name"].as_str(), Some("node2"), "{desc}");
        }
    }

    #[test]
    fn nodes_on_one_address_may_hold_many_connections_and_others_have_the_defaults() {
        let many = Some(MAX_CONNECTIONS_PER_ADDRESS as i64);
        let cases = [(Profile::Local, many), (Profile::Compose, None), (Profile::Kubernetes, None)];
        for (profile, expect) in cases {
            let text = neighbours(profile, 7072).config(0, &Service::ALL);
            let parsed: toml::Table = text.parse().expect("TOML");
            for section in ["chain", "gateway"] {
                let set =
                    parsed[section].get("max_connections_per_address").and_then(toml::Value::as_integer);
                assert_eq!(set, expect, "{profile} {section}");
            }
            let hosts = parsed["gateway"].get("allowed_hosts").and_then(toml::Value::as_array);
            let first = hosts.and_then(|hosts| hosts[0].as_str());
            let expect = (profile == Profile::Kubernetes).then_some("node1-gateway.vision");
            assert_eq!(first, expect, "{profile}");
        }
    }

    #[test]
    fn a_home_has_the_sections_of_its_services() {
        let text = neighbours(Profile::Compose, 7072).config(0, &[Service::Producer]);
        let parsed: toml::Table = text.parse().expect("TOML");
        assert_eq!(parsed.keys().collect::<Vec<_>>(), ["node", "producer"]);
    }

    #[test]
    fn an_edit_keeps_what_the_owner_wrote() {
        let before = neighbours(Profile::Local, 7072).config(0, &Service::ALL) + "snapshot = 5 # mine\n";
        let after = neighbours(Profile::Local, 9072).edited(0, &before);
        assert!(after.contains("p2p_listen = \"127.0.0.1:9072\"") && after.contains("127.0.0.1:9073"));
        assert!(!after.contains("7072") && after.contains("snapshot = 5 # mine"));
        assert_eq!(neighbours(Profile::Local, 7072).edited(0, &after), before);
    }
}
