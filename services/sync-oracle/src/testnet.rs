//! Whether this node is one of a test network on this machine, where `vision testnet` starts nodes.

use std::path::Path;

use serde::Deserialize;
use vision_host::shell::word;
use vision_sync_status::Operator;

/// A larger file describes no test network, bytes.
const MAX_FACTS_BYTES: u64 = 1 << 20;
/// Where `vision testnet` looks if nothing else is set.
const DEFAULT_DIR: &str = ".vision/testnet";

#[derive(Deserialize)]
struct Facts {
    profile: String,
    nodes: Vec<NodeFacts>,
}

#[derive(Deserialize)]
struct NodeFacts {
    name: String,
    id: String,
}

/// How nodes are started where this home is.
pub(crate) fn operator(home: &Path) -> Operator {
    let Ok(home) = home.canonicalize() else { return Operator::Unknown };
    let Some(dir) = home.parent() else { return Operator::Unknown };
    let Ok(bytes) = vision_host::files::read(&dir.join("testnet.json"), MAX_FACTS_BYTES) else {
        return Operator::Unknown;
    };
    let facts = serde_json::from_slice::<Facts>(&bytes).ok().filter(|facts| facts.profile == "local");
    let Some(facts) = facts else { return Operator::Unknown };
    let named = facts.nodes.into_iter().filter_map(|node| Some((node.id.parse().ok()?, node.name)));
    // Whoever reads the command most likely stands where this process was started.
    let is_default = Path::new(DEFAULT_DIR).canonicalize().is_ok_and(|default| default == dir);
    let flag = if is_default { String::new() } else { format!(" --dir {}", word(dir)) };
    Operator::Testnet { flag, names: named.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_home_beside_its_networks_facts_is_of_a_test_network() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("node1");
        std::fs::create_dir(&home).unwrap();
        assert_eq!(operator(&home), Operator::Unknown);
        let facts = |profile: &str| {
            let id = "ab".repeat(32);
            let text =
                format!(r#"{{"profile":"{profile}","nodes":[{{"name":"node1","id":"{id}","pid":1}}]}}"#);
            std::fs::write(dir.path().join("testnet.json"), text).unwrap();
        };
        facts("compose");
        assert_eq!(operator(&home), Operator::Unknown);
        facts("local");
        let Operator::Testnet { flag, names } = operator(&home) else { panic!("it is of one") };
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(flag, format!(" --dir {}", real.display()));
        assert_eq!(names.into_values().collect::<Vec<_>>(), ["node1"]);
        std::fs::write(dir.path().join("testnet.json"), "{").unwrap();
        assert_eq!(operator(&home), Operator::Unknown);
    }
}
