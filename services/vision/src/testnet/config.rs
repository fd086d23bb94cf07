//! The `config.toml` of a node, as written first and as edited when its ports change.

use super::ports::NodePorts;
use crate::cli::Profile;

/// Names and ports of all nodes, in order: what any node's configuration may need.
#[derive(Clone, Debug)]
pub struct Neighbours {
    profile: Profile,
    nodes: Vec<(String, NodePorts)>,
}

/// One value of one section, as TOML.
type Setting = (&'static str, &'static str, String);

impl Neighbours {
    /// The nodes of a network.
    pub const fn new(profile: Profile, nodes: Vec<(String, NodePorts)>) -> Self {
        Self { profile, nodes }
    }

    fn host(&self, node: &str, service: &str) -> String {
        match self.profile {
            Profile::Local => "127.0.0.1".into(),
            Profile::Compose => format!("{node}-{service}"),
        }
    }

    /// Everything in a node's configuration that depends on ports.
    fn settings(&self, index: usize) -> Vec<Setting> {
        let Some((name, ports)) = self.nodes.get(index) else { return Vec::new() };
        let listen = |port: u16| match self.profile {
            Profile::Local => quoted(&format!("127.0.0.1:{port}")),
            Profile::Compose => quoted(&format!("0.0.0.0:{port}")),
        };
        let url = |service: &str, port: u16| quoted(&format!("http://{}:{port}", self.host(name, service)));
        let p2p = |node: &str, ports: &NodePorts| format!("{}:{}", self.host(node, "chain"), ports.p2p);
        let others = self.nodes.iter().filter(|(other, _)| other != name);
        let seeds: Vec<String> = others.map(|(other, ports)| quoted(&p2p(other, ports))).collect();
        let mut settings = vec![
            ("chain", "grpc_listen", listen(ports.chain)),
            ("chain", "p2p_listen", listen(ports.p2p)),
            ("chain", "p2p_advertise", quoted(&p2p(name, ports))),
            ("chain", "seeds", format!("[{}]", seeds.join(", "))),
            ("sync_oracle", "grpc_listen", listen(ports.sync_oracle)),
            ("sync_oracle", "chain", url("chain", ports.chain)),
            ("selection", "grpc_listen", listen(ports.selection)),
            ("producer", "grpc_listen", listen(ports.producer)),
            ("gateway", "listen", listen(ports.rest)),
        ];
        for section in ["producer", "gateway"] {
            settings.extend([
                (section, "chain", url("chain", ports.chain)),
                (section, "sync_oracle", url("sync-oracle", ports.sync_oracle)),
                (section, "selection", url("selection", ports.selection)),
            ]);
        }
        settings.push(("gateway", "producer", url("producer", ports.producer)));
        settings
    }

    /// The text of a new configuration.
    pub fn config(&self, index: usize) -> String {
        let mut text = String::from(
            "# Settings of one node. A VISION_<SECTION>_<KEY> variable goes before a value here,\n\
             # a flag before both. Keys left out have their defaults; unknown ones are refused.\n\n\
             [node]\nlog = \"info\"\nlog_format = \"text\"\n",
        );
        let settings = self.settings(index);
        for section in ["chain", "sync_oracle", "selection", "producer", "gateway"] {
            text.push_str(&format!("\n[{section}]\n"));
            for (_, key, value) in settings.iter().filter(|(of, _, _)| *of == section) {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    /// An existing configuration with the values that depend on ports set anew and everything else,
    /// comments included, as it was.
    pub fn edited(&self, index: usize, text: &str) -> String {
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
    use crate::cli::PortArgs;

    fn neighbours(profile: Profile, p2p: u16) -> Neighbours {
        let ports = BasePorts::new(&PortArgs { base_p2p_port: Some(p2p), ..PortArgs::default() });
        let nodes = ports.assign(3).expect("they fit");
        let named = nodes.into_iter().enumerate().map(|(i, ports)| (format!("node{}", i + 1), ports));
        Neighbours::new(profile, named.collect())
    }

    #[test]
    fn each_profile_has_its_addresses() {
        let cases = [
            ("local", Profile::Local, "127.0.0.1:7073", "127.0.0.1:7072", "http://127.0.0.1:50061"),
            ("compose", Profile::Compose, "0.0.0.0:7073", "node1-chain:7072", "http://node2-chain:50061"),
        ];
        for (desc, profile, listen, seed, chain) in cases {
            let text = neighbours(profile, 7072).config(1);
            let parsed: toml::Table = text.parse().expect("TOML");
            assert_eq!(parsed["chain"]["p2p_listen"].as_str(), Some(listen), "{desc}");
            assert_eq!(parsed["chain"]["seeds"][0].as_str(), Some(seed), "{desc}");
            assert_eq!(parsed["chain"]["seeds"].as_array().map(Vec::len), Some(2), "{desc}");
            assert_eq!(parsed["gateway"]["chain"].as_str(), Some(chain), "{desc}");
        }
    }

    #[test]
    fn an_edit_keeps_what_the_owner_wrote() {
        let before = neighbours(Profile::Local, 7072).config(0) + "snapshot = 5 # mine\n";
        let after = neighbours(Profile::Local, 9072).edited(0, &before);
        assert!(after.contains("p2p_listen = \"127.0.0.1:9072\"") && after.contains("127.0.0.1:9073"));
        assert!(!after.contains("7072") && after.contains("snapshot = 5 # mine"));
        assert_eq!(neighbours(Profile::Local, 7072).edited(0, &after), before);
    }
}
