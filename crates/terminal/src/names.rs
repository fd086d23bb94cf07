//! What nodes are called. Whoever has no name, or one that nobody reported, is the first eight digits of the
//! id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::output::short;

/// Where a test network lives unless another is given.
pub const DEFAULT_TESTNET_DIR: &str = ".vision/testnet";
/// What is known of a test network, in its directory.
pub const FACTS_FILE: &str = "testnet.json";

/// Names the directory of the test network.
const DIR_VARIABLE: &str = "VISION_TESTNET_DIR";

/// A node of a test network of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its id, hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// URL of its gateway.
    pub url: String,
}

/// The nodes of the test network in a directory; none if none is there.
pub fn known_in(dir: &Path) -> Vec<Known> {
    #[derive(Deserialize)]
    struct Facts {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        id: String,
        name: String,
        urls: Urls,
    }
    #[derive(Deserialize)]
    struct Urls {
        rest: String,
    }
    let facts = std::fs::read_to_string(dir.join(FACTS_FILE)).ok();
    let facts: Option<Facts> = facts.and_then(|text| serde_json::from_str(&text).ok());
    let known = |node: Node| Known { id: node.id, name: node.name, url: node.urls.rest };
    facts.map(|facts| facts.nodes.into_iter().map(known).collect()).unwrap_or_default()
}

/// The nodes of the test network of this machine, if there is one where the test network commands look for
/// it.
pub fn of_this_machine() -> Vec<Known> {
    let dir = std::env::var_os(DIR_VARIABLE).filter(|value| !value.is_empty());
    known_in(&dir.map_or_else(|| PathBuf::from(DEFAULT_TESTNET_DIR), PathBuf::from))
}

/// Names by id.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Those of the test network of this machine, if there is one. A node's id is like no other, so that they
    /// fit or are of no use.
    pub fn of_this_machine() -> Self {
        Self(of_this_machine().into_iter().map(|known| (known.id, known.name)).collect())
    }

    /// Adds one.
    pub fn learn(&mut self, id: &str, name: &str) {
        self.0.entry(id.to_owned()).or_insert_with(|| name.to_owned());
    }

    /// The name, if there is one.
    pub fn get(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// The name, else the first digits of the id.
    pub fn of(&self, id: &str) -> String {
        self.get(id).map_or_else(|| short(&id.into()), str::to_owned)
    }

    /// The same for an id in JSON.
    pub fn of_value(&self, id: &Value) -> String {
        id.as_str().map_or_else(|| "-".into(), |id| self.of(id))
    }

    /// Puts the name before the id where there is one.
    pub fn beside(&self, id: &Value) -> String {
        let text = id.as_str().unwrap_or("-");
        self.get(text).map_or_else(|| text.to_owned(), |name| format!("{name} {text}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_called_by_its_name_or_by_its_first_digits() {
        let (known, unknown) = ("ab".repeat(32), "cd".repeat(32));
        let mut names = Names::default();
        names.learn(&known, "node1");
        names.learn(&known, "another");
        assert_eq!((names.of(&known).as_str(), names.of(&unknown).as_str()), ("node1", "cdcdcdcd"));
        assert_eq!(names.beside(&json!(known)), format!("node1 {known}"));
        assert_eq!((names.beside(&json!(unknown)), names.of_value(&Value::Null)), (unknown, "-".to_owned()));
    }
}
