//! Settings from a file and from variables: an error or a value, and the variable is the one that counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use arbitrary::Arbitrary;
use serde::Deserialize;
use tempfile::TempDir;
use vision_host::config::Settings;
use vision_host::server::ListenAddress;

use crate::input;

const MAX_VARIABLES: usize = 8;
/// A key of the section, and what others write.
const NAMES: [&str; 10] = [
    "VISION_NODE_LISTEN",
    "VISION_NODE_SEEDS",
    "VISION_NODE_MAX_PEERS",
    "VISION_NODE_OFFSET_MS",
    "VISION_NODE_RATE",
    "VISION_NODE_VERBOSE",
    "VISION_NODE_ADVERTISE",
    "VISION_NODE_DATA",
    "VISION_NODE_NO_SUCH_KEY",
    "VISION_OTHER",
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    variables: Vec<(u8, &'a str)>,
    file: &'a [u8],
}

/// A field of every kind that a section of the services has.
#[derive(Deserialize, Debug)]
#[serde(default)]
struct Node {
    listen: ListenAddress,
    seeds: Vec<String>,
    max_peers: u16,
    offset_ms: i64,
    rate: f64,
    verbose: bool,
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
            advertise: None,
            data: PathBuf::from("data"),
        }
    }
}

thread_local! {
    static HOME: TempDir = tempfile::tempdir().expect("a folder");
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(Input { variables, file }) = input::<Input<'_>>(bytes) else { return };
    let variables: BTreeMap<&str, &str> = variables
        .into_iter()
        .take(MAX_VARIABLES)
        .map(|(name, value)| (NAMES[usize::from(name) % NAMES.len()], value))
        .collect();
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = HOME.with(|home| {
        fs::write(home.path().join("config.toml"), file).expect("written");
        Settings::load_with(home.path(), owned)
    });
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    if let Err(error) = settings.check_sections(&["node"]) {
        assert!(error.to_string().contains("unknown section"));
    }
    match settings.section::<Node>("node") {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(node) => {
            let given = |name: &str| variables.get(name).copied().filter(|value| !value.is_empty());
            assert_eq!(given("VISION_NODE_NO_SUCH_KEY"), None, "a key that there is not is an error");
            if let Some(text) = given("VISION_NODE_MAX_PEERS") {
                assert_eq!(text.parse(), Ok(node.max_peers));
            }
            if let Some(text) = given("VISION_NODE_VERBOSE") {
                assert_eq!(text.parse(), Ok(node.verbose));
            }
            if let Some(text) = given("VISION_NODE_ADVERTISE") {
                assert_eq!(node.advertise.as_deref(), Some(text));
            }
            if let Some(text) = given("VISION_NODE_SEEDS") {
                assert_eq!(node.seeds.len(), text.split(',').count());
            }
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let files = [
        "[node]\nlisten = \"127.0.0.1:2\"\nseeds = [\"a:1\"]\nmax_peers = 7\noffset_ms = -5",
        "[node]\nrate = 0.5\nverbose = true\nadvertise = \"here:1\"\ndata = \"/var/x\"\n[other]\nx = 1",
    ];
    files.map(|file| [&[0], file.as_bytes()].concat()).into()
}
