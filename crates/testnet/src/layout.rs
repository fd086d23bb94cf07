//! Where everything of a test network lies, and the facts that `testnet.json` holds for programs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vision_host::files;
use vision_host::shell::word;
use vision_primitives::PublicKey;

use super::ports::NodePorts;
use crate::args::Profile;
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::names::{DEFAULT_TESTNET_DIR, FACTS_FILE};

/// Becomes [`FACTS_FILE`] by being renamed. Without that one it says that a network was being made here.
const NEW_FACTS_FILE: &str = ".testnet.json.new";

/// The commands that end processes, as shown to those who watch them.
pub(crate) const UP: &str = "vision testnet up";
/// The same.
pub(crate) const DOWN: &str = "vision testnet down";

/// Paths inside a test network's directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
    /// As the caller named it.
    given: PathBuf,
}

impl Layout {
    /// The layout of a directory, which need not exist yet.
    pub(crate) fn new(given: &Path) -> Outcome<Self> {
        let dir = std::path::absolute(given).map_err(|error| Failure::io("use", given, &error))?;
        Ok(Self { dir: canonical(&dir), given: given.to_owned() })
    }

    /// The flag that names this network, with a blank before it; nothing where it goes without saying.
    pub(crate) fn flag(&self) -> String {
        if self.given == Path::new(DEFAULT_TESTNET_DIR) {
            return String::new();
        }
        format!(" --dir {}", word(&self.given))
    }

    /// A command about this network, as it can be typed where the caller stands.
    pub(crate) fn command(&self, words: &str) -> String {
        format!("vision testnet {words}{}", self.flag())
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The chain's genesis; every home has a copy.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.dir.join("genesis.json")
    }

    /// The facts for programs.
    pub(crate) fn facts(&self) -> PathBuf {
        self.dir.join(FACTS_FILE)
    }

    /// Keys of the funded accounts.
    pub(crate) fn accounts(&self) -> PathBuf {
        self.dir.join("accounts")
    }

    /// A node's home.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A node's log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.home(name).join("node.log")
    }

    /// Whether there is a network.
    pub(crate) fn exists(&self) -> bool {
        self.facts().exists()
    }

    fn new_facts(&self) -> PathBuf {
        self.dir.join(NEW_FACTS_FILE)
    }

    /// Keeps other commands from changing the network until dropped.
    pub(crate) fn lock(&self) -> Outcome<File> {
        let path = self.dir.join(".lock");
        let lock = File::create(&path).map_err(|error| Failure::io("write", &path, &error))?;
        lock.lock().map_err(|error| Failure::io("lock", &path, &error))?;
        Ok(lock)
    }

    /// Whether a network was being made here and is not complete.
    pub(crate) fn is_half_made(&self) -> bool {
        self.new_facts().exists() && !self.exists()
    }

    /// Leaves the mark that a network is being made, to be gone when its facts are saved.
    pub(crate) fn begin_making(&self) -> Outcome {
        files::write_atomic(&self.new_facts(), b"").map_err(|error| Failure::failed(error.to_string()))
    }

    /// Takes the mark away: nothing is being made any more.
    pub(crate) fn end_making(&self) -> Outcome {
        let mark = self.new_facts();
        fs::remove_file(&mark).map_err(|error| Failure::io("remove", &mark, &error))
    }
}

/// One spelling for one directory, since processes are known by the path in their command line: what
/// exists of the path is resolved, the rest is kept.
fn canonical(dir: &Path) -> PathBuf {
    let resolved = |part: &Path| Some(part.canonicalize().ok()?.join(dir.strip_prefix(part).ok()?));
    dir.ancestors().find_map(resolved).map_or_else(|| dir.to_owned(), |path| path.components().collect())
}

/// One node of the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeFacts {
    /// `node1`, `node2`, …
    pub name: String,
    /// Its id, hex.
    pub id: String,
    /// Its public key, hex.
    pub public_key: String,
    /// Its directory, absolute.
    pub home: PathBuf,
    /// Its log file, absolute.
    pub log: PathBuf,
    /// The process last started for it, if it has not been stopped since.
    pub pid: Option<u32>,
    /// The last of its processes that a command has ended, and which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Its ports.
    pub ports: NodePorts,
    /// Its URLs as seen from this machine.
    pub urls: Urls,
}

/// Why a process of a node is gone, for other commands that watch it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The process.
    pub pid: u32,
    /// What ended it, such as `vision testnet kill`.
    pub by: String,
}

impl NodeFacts {
    /// A node that does not run.
    pub(crate) fn new(layout: &Layout, name: &str, key: &PublicKey, ports: &NodePorts) -> Self {
        Self {
            name: name.to_owned(),
            id: key.id().to_string(),
            public_key: key.to_string(),
            home: layout.home(name),
            log: layout.log(name),
            pid: None,
            ended: None,
            ports: ports.clone(),
            urls: Urls::new(ports),
        }
    }
}

/// Where to reach a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Urls {
    /// REST gateway.
    pub rest: String,
    /// gRPC of the chain service.
    pub chain: String,
    /// gRPC of the sync-oracle service.
    pub sync_oracle: String,
    /// gRPC of the selection service.
    pub selection: String,
    /// gRPC of the producer service.
    pub producer: String,
}

impl Urls {
    /// The URLs on loopback that go with some ports.
    pub(crate) fn new(ports: &NodePorts) -> Self {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            rest: url(ports.rest),
            chain: url(ports.chain),
            sync_oracle: url(ports.sync_oracle),
            selection: url(ports.selection),
            producer: url(ports.producer),
        }
    }
}

/// What `testnet.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Name of the chain.
    pub chain_id: String,
    /// Hash of block 0, hex.
    pub genesis_hash: String,
    /// The genesis parameter.
    pub block_interval_ms: u64,
    /// Where the nodes run.
    pub profile: Profile,
    /// Directory on the host of the clone that it belongs to, where that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone: Option<String>,
    /// Directory of the funded accounts' keys, absolute.
    pub accounts_dir: PathBuf,
    /// The nodes in order.
    pub nodes: Vec<NodeFacts>,
}

impl Facts {
    /// Reads the facts. Paths are those of where the directory is now, however it was moved.
    pub(crate) fn load(layout: &Layout) -> Outcome<Self> {
        let file = layout.facts();
        let text = fs::read_to_string(&file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::not_found(format!(
                "no test network in {}; create one with `{}` or use another --dir",
                layout.dir().display(),
                layout.command("up")
            )),
            _ => Failure::io("read", &file, &error),
        })?;
        let mut facts: Self = serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!(
                "{} is damaged: {error}; restore or remove the directory",
                file.display()
            ))
        })?;
        facts.accounts_dir = layout.accounts();
        for node in &mut facts.nodes {
            node.home = layout.home(&node.name);
            node.log = layout.log(&node.name);
        }
        Ok(facts)
    }

    /// Changes the facts while no other command does, and returns them.
    pub(crate) fn update(layout: &Layout, change: impl FnOnce(&mut Self) -> Outcome) -> Outcome<Self> {
        let _lock = layout.lock()?;
        let mut facts = Self::load(layout)?;
        change(&mut facts)?;
        facts.save(layout)?;
        Ok(facts)
    }

    /// Writes the facts so that a reader sees either the old or the new ones.
    pub(crate) fn save(&self, layout: &Layout) -> Outcome {
        let (file, new) = (layout.facts(), layout.new_facts());
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        let failed = |error: files::FileError| Failure::failed(error.to_string());
        files::write_atomic(&new, text.as_bytes()).map_err(failed)?;
        fs::rename(&new, &file).map_err(|error| Failure::io("write", &file, &error))?;
        files::sync_folder(layout.dir()).map_err(failed)
    }

    /// Finds a node by `node2` or `2`.
    pub(crate) fn node(&self, wanted: &str) -> Outcome<&NodeFacts> {
        let name = if wanted.bytes().all(|b| b.is_ascii_digit()) {
            format!("node{wanted}")
        } else {
            wanted.to_owned()
        };
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            let there_is = match self.nodes.len() {
                1 => "there is node1 alone".to_owned(),
                last => format!("there are node1 to node{last}"),
            };
            Failure::new(Exit::NotFound, format!("no node {wanted:?}; {there_is}"))
        })
    }

    /// Remembers which process runs a node.
    pub(crate) fn set_pid(&mut self, name: &str, pid: Option<u32>) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            node.pid = pid;
        }
    }

    /// Notes who is about to end the processes of these nodes, if nobody has begun to already.
    pub(crate) fn note_end(&mut self, processes: &[(String, u32)], by: &str) {
        for (name, pid) in processes {
            if let Some(node) = self.nodes.iter_mut().find(|node| node.name == *name)
                && node.ended.as_ref().is_none_or(|ended| ended.pid != *pid)
            {
                node.ended = Some(Ended { pid: *pid, by: by.to_owned() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_spelling() {
        let dir = tempfile::tempdir().expect("temp dir");
        let real = dir.path().canonicalize().expect("there");
        fs::create_dir(real.join("a")).expect("made");
        std::os::unix::fs::symlink(real.join("a"), real.join("link")).expect("made");
        let cases = [
            ("plain", "a", "a"),
            ("dots", "a/../a/.", "a"),
            ("link", "link", "a"),
            ("not yet there", "link/net", "a/net"),
            ("nor its parent", "a/x/y", "a/x/y"),
        ];
        for (desc, input, expect) in cases {
            let layout = Layout::new(&real.join(input)).expect("a path");
            assert_eq!(layout.dir(), real.join(expect), "{desc}");
        }
    }

    #[test]
    fn commands_name_the_network_as_the_caller_did() {
        let cases = [
            ("the default", DEFAULT_TESTNET_DIR, "vision testnet down"),
            ("another", "nets/a", "vision testnet down --dir nets/a"),
            ("one that a shell takes apart", "my $net", "vision testnet down --dir 'my $net'"),
        ];
        for (desc, dir, expect) in cases {
            assert_eq!(Layout::new(Path::new(dir)).expect("a path").command("down"), expect, "{desc}");
        }
    }
}
