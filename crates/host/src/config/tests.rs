use serde::Deserialize;

use super::*;
use crate::server::ListenAddress;
use crate::telemetry::LogFormat;

#[derive(Deserialize, Debug, PartialEq)]
#[serde(default)]
struct Node {
    listen: ListenAddress,
    seeds: Vec<String>,
    max_peers: u16,
    offset_ms: i64,
    rate: f64,
    verbose: bool,
    format: LogFormat,
    advertise: Option<String>,
    data: PathBuf,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 1).into(),
            seeds: vec![],
            max_peers: 32,
            offset_ms: 0,
            rate: 1.0,
            verbose: false,
            format: LogFormat::Text,
            advertise: None,
            data: PathBuf::from("data"),
        }
    }
}

fn load(text: &str, variables: &[(&str, &str)]) -> (tempfile::TempDir, Result<Settings, ConfigError>) {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join("config.toml"), text).expect("written");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::load_with(home.path(), variables);
    (home, settings)
}

#[test]
fn a_file_that_sets_nothing_is_not_the_same_as_none() {
    for (text, empty) in [("", true), ("# all gone\n", true), ("[node]\n", false)] {
        let (_home, settings) = load(text, &[]);
        assert_eq!(settings.expect("it parses").is_empty_file(), empty, "{text:?}");
    }
    let home = tempfile::tempdir().expect("a directory");
    assert!(!Settings::load_with(home.path(), []).expect("nothing to read").is_empty_file());
}

#[test]
fn without_a_file_everything_has_its_default() {
    let home = tempfile::tempdir().expect("a directory");
    let settings = Settings::load_with(home.path(), []).expect("nothing to read");
    assert_eq!(settings.section::<Node>("node").expect("defaults"), Node::default());
    settings.check_sections(&[]).expect("no sections");
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file = "[node]\nlisten = \"127.0.0.1:2\"\nseeds = [\"a:1\"]\nmax_peers = 7\nformat = \"json\"\n\
        offset_ms = -5";
    let variables = [
        ("VISION_NODE_MAX_PEERS", "8"),
        ("VISION_NODE_OFFSET_MS", "-6"),
        ("VISION_NODE_SEEDS", "b:1, c:2"),
        ("VISION_NODE_VERBOSE", "true"),
        ("VISION_NODE_ADVERTISE", "here:1"),
        ("VISION_NODE_RATE", "0.5"),
        ("VISION_NODE_FORMAT", "text"),
        ("VISION_NODE_DATA", "/var/x"),
        ("VISION_OTHER_THING", "not of this section"),
        ("PATH", "/bin"),
    ];
    let (_home, settings) = load(file, &variables);
    let mut settings = settings.expect("loads");
    settings.set("node", "max_peers", "--max-peers", "9");
    settings.set("other", "max_peers", "--other", "1");
    let expect = Node {
        listen: ([127, 0, 0, 1], 2).into(),
        seeds: vec!["b:1".into(), "c:2".into()],
        max_peers: 9,
        offset_ms: -6,
        rate: 0.5,
        verbose: true,
        format: LogFormat::Text,
        advertise: Some("here:1".into()),
        data: "/var/x".into(),
    };
    assert_eq!(settings.section::<Node>("node").expect("reads"), expect);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let file = "[node]\nseeds = [\"a:1\"]\nadvertise = \"x\"\nmax_peers = 7";
    let empty = ["SEEDS", "ADVERTISE", "MAX_PEERS", "NO_SUCH_KEY"].map(|key| format!("VISION_NODE_{key}"));
    let variables: Vec<(&str, &str)> = empty.iter().map(|name| (name.as_str(), "")).collect();
    let (_home, settings) = load(file, &variables);
    let node: Node = settings.expect("loads").section("node").expect("reads");
    assert_eq!((node.seeds, node.advertise), (vec!["a:1".to_owned()], Some("x".to_owned())));
    assert_eq!(node.max_peers, 7);
}

/// What is wrong, the file, the variables, and what the error holds.
type Fault = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const FAULTS: [Fault; 13] = [
    (
        "unknown key",
        "[node]\nmax_peer = 1",
        &[],
        "config.toml: section [node] has no key max_peer; known: listen, seeds",
    ),
    (
        "unknown variable",
        "",
        &[("VISION_NODE_MAX_PEER", "1")],
        "VISION_NODE_MAX_PEER: section [node] has no key max_peer; known:",
    ),
    (
        "type in the file",
        "[node]\nmax_peers = \"x\"",
        &[],
        "config.toml: node.max_peers: invalid type: string \"x\", expected u16",
    ),
    (
        "range in the file",
        "[node]\nmax_peers = 65536",
        &[],
        "config.toml: node.max_peers: invalid value: integer `65536`, expected u16",
    ),
    (
        "range in a variable",
        "",
        &[("VISION_NODE_MAX_PEERS", "65536")],
        "VISION_NODE_MAX_PEERS: node.max_peers: invalid value: string \"65536\", expected a whole number \
         from 0 to 65535",
    ),
    (
        "address",
        "[node]\nlisten = \"localhost\"",
        &[],
        "config.toml: node.listen: \"localhost\" is not HOST:PORT",
    ),
    (
        "enum",
        "",
        &[("VISION_NODE_FORMAT", "xml")],
        "VISION_NODE_FORMAT: node.format: unknown variant `xml`, expected `text` or `json`",
    ),
    (
        "bool",
        "",
        &[("VISION_NODE_VERBOSE", "yes")],
        "VISION_NODE_VERBOSE: node.verbose: invalid value: string \"yes\", expected true or false",
    ),
    (
        "a sign",
        "",
        &[("VISION_NODE_MAX_PEERS", "+8")],
        "invalid value: string \"+8\", expected a whole number from 0 to 65535",
    ),
    ("a space", "", &[("VISION_NODE_MAX_PEERS", " 8")], "invalid value: string \" 8\""),
    ("a sign and a space", "", &[("VISION_NODE_OFFSET_MS", "- 8")], "invalid value: string \"- 8\""),
    (
        "nothing between commas",
        "",
        &[("VISION_NODE_SEEDS", "a:1,,b:1")],
        "VISION_NODE_SEEDS: node.seeds: an entry between two commas, or after the last one, is empty",
    ),
    ("no section", "node = 1", &[], "config.toml: section [node]: it is a value, not a section"),
];

#[test]
fn faults_name_the_place_the_key_and_what_is_wrong() {
    for (desc, file, variables, expect) in FAULTS {
        let (_home, settings) = load(file, variables);
        let error = settings.expect("loads").section::<Node>("node").expect_err(desc).to_string();
        assert!(error.contains(expect), "{desc}: {error}");
    }
}

#[test]
fn bad_files_and_sections_are_refused() {
    let (home, settings) = load("[node\nx", &[]);
    let error = settings.expect_err("no TOML").to_string();
    assert!(error.contains("config.toml is not TOML") && error.contains("line 1"), "{error}");
    std::fs::write(home.path().join("config.toml"), [0xff, 0xfe]).expect("written");
    assert!(matches!(Settings::load_with(home.path(), []), Err(ConfigError::Syntax { .. })));
    let (_home, settings) = load("[node]\n[chian]", &[]);
    let error = settings.expect("loads").check_sections(&["node", "chain"]).expect_err("unknown").to_string();
    assert!(error.ends_with("unknown section [chian]; known: node, chain"), "{error}");
}

#[test]
fn a_missing_value_names_its_section() {
    #[derive(Deserialize, Debug)]
    struct Needs {
        #[expect(dead_code, reason = "only read by serde")]
        key: u64,
    }
    let (_home, settings) = load("", &[]);
    let error = settings.expect("loads").section::<Needs>("keys").expect_err("missing").to_string();
    assert!(error.contains("section [keys]: missing field `key`"), "{error}");
}
