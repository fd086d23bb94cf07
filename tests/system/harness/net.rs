//! A network of nodes.

use std::fs;
use std::ops::{Index, IndexMut};
use std::path::Path;
use std::sync::MutexGuard;

use serde_json::Value;
use tempfile::TempDir;

use super::node::Node;
use super::proxy::Proxy;
use super::{free_block, machine, stderr, vision, wait_until};

/// What a network shall be.
pub struct Plan {
    pub nodes: u16,
    pub params: Vec<(&'static str, u64)>,
    /// Between each two nodes a cable that can be cut.
    pub cables: bool,
}

impl Plan {
    /// A network made for short tests: a block about every 200 ms.
    pub fn fast(nodes: u16) -> Self {
        let params = vec![
            ("block_interval_ms", 200),
            ("claim_timeout_ms", 800),
            ("jitter_min_ms", 0),
            ("jitter_max_ms", 50),
        ];
        Self { nodes, params, cables: false }
    }

    /// Sets a consensus parameter.
    pub fn param(mut self, name: &'static str, value: u64) -> Self {
        self.params.retain(|(other, _)| *other != name);
        self.params.push((name, value));
        self
    }

    /// With cables that can be cut.
    pub fn cables(mut self) -> Self {
        self.cables = true;
        self
    }
}

/// A network in a temporary directory, with the machine for itself. When dropped all its processes
/// and files are gone; if the test failed, the ends of the logs are shown first.
pub struct Net {
    // Dropped in this order: processes, cables, files, machine.
    nodes: Vec<Node>,
    cables: Vec<(usize, usize, Proxy)>,
    dir: TempDir,
    _machine: MutexGuard<'static, ()>,
}

impl Net {
    /// Makes the network; starts nothing.
    pub fn new(plan: &Plan) -> Self {
        let machine = machine();
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("net");
        let facts = init(plan, &path);
        let nodes: Vec<Node> = facts["nodes"].as_array().expect("nodes").iter().map(Node::new).collect();
        let mut net = Self { nodes, cables: Vec::new(), dir, _machine: machine };
        for index in 0..net.nodes.len() {
            // The document's second and quarter of a second, shortened like the blocks.
            net.set(index, "sync_oracle", "snapshot_interval_ms", 200);
            net.set(index, "producer", "mining_tick_ms", 50);
        }
        if plan.cables {
            net.lay_cables();
        }
        net
    }

    /// Makes the network and starts all nodes.
    pub fn started(plan: &Plan) -> Self {
        let mut net = Self::new(plan);
        net.start_all();
        net
    }

    fn lay_cables(&mut self) {
        let count = self.nodes.len();
        for from in 0..count {
            let others: Vec<usize> = (0..count).filter(|to| *to != from).collect();
            self.connect(from, &others);
        }
    }

    /// Lays cables from one node to others: its only seeds. It reports to nobody where it listens itself.
    pub fn connect(&mut self, from: usize, others: &[usize]) {
        let mut seeds = Vec::new();
        for to in others {
            let cable = Proxy::new(&self.nodes[from].process, self.nodes[*to].p2p);
            seeds.push(toml::Value::from(format!("127.0.0.1:{}", cable.port())));
            self.cables.push((from, *to, cable));
        }
        self.set(from, "chain", "seeds", seeds);
        // Nobody listens there.
        self.set(from, "chain", "p2p_advertise", "127.0.0.1:9");
    }

    /// Cuts every cable between two groups of nodes, and mends those within a group.
    pub fn partition(&self, groups: &[&[usize]]) {
        let group = |node: usize| groups.iter().position(|group| group.contains(&node));
        for (from, to, cable) in &self.cables {
            cable.set_cut(group(*from) != group(*to));
        }
    }

    /// Mends every cable.
    pub fn heal(&self) {
        self.cables.iter().for_each(|(_, _, cable)| cable.set_cut(false));
    }

    /// A directory for other things of the test.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Adds a node that is not of the network's making.
    pub fn adopt(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Sets a value in a node's configuration.
    pub fn set(&self, index: usize, section: &str, key: &str, value: impl Into<toml::Value>) {
        let file = self.nodes[index].home.join("config.toml");
        let text = fs::read_to_string(&file).expect("configuration");
        let mut table: toml::Table = text.parse().expect("TOML");
        let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        section.as_table_mut().expect("section").insert(key.into(), value.into());
        fs::write(&file, toml::to_string(&table).expect("TOML")).expect("configuration");
    }

    /// Sets a variable in the environment of all nodes that are started from now on.
    pub fn variable(&mut self, name: &'static str, value: &str) {
        self.nodes.iter_mut().for_each(|node| node.variables.push((name, value.to_owned())));
    }

    /// Starts every node that does not run, and waits until all answer.
    pub fn start_all(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.runs()) {
            node.start();
        }
        self.nodes.iter_mut().for_each(Node::wait_ready);
    }

    /// Ends every node in good order.
    pub fn stop_all(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.runs()) {
            node.stop();
        }
    }

    /// Index of the node with this id.
    pub fn by_id(&self, id: &str) -> usize {
        self.nodes.iter().position(|node| node.id == id).expect("a node of the network")
    }

    /// Waits until all of these nodes have reached a height.
    pub fn wait_height(&self, nodes: &[usize], height: u64, seconds: u64) {
        wait_until(&format!("nodes {nodes:?} at height {height}"), seconds, || {
            nodes.iter().all(|node| self.nodes[*node].height() >= height)
        });
    }

    /// Waits until all of these nodes have `more` blocks more than the highest of them has now.
    pub fn wait_blocks(&self, nodes: &[usize], more: u64, seconds: u64) -> u64 {
        let now = nodes.iter().map(|node| self.nodes[*node].height()).max().unwrap_or(0);
        self.wait_height(nodes, now + more, seconds);
        now + more
    }

    /// Waits until these nodes have one and the same block at the lowest of their heights, and at least at
    /// `from`. Then every block below is the same too, as each names its parent.
    pub fn wait_agree(&self, nodes: &[usize], from: u64, seconds: u64) -> u64 {
        let mut agreed = 0;
        wait_until(&format!("nodes {nodes:?} agree at {from} or higher"), seconds, || {
            agreed = nodes.iter().map(|node| self.nodes[*node].height()).min().unwrap_or(0);
            if agreed < from || agreed == 0 {
                return false;
            }
            let first = self.nodes[nodes[0]].hash_at(agreed);
            first.is_some() && nodes.iter().all(|node| self.nodes[*node].hash_at(agreed) == first)
        });
        agreed
    }
}

/// `vision testnet init`; gives what `testnet.json` says.
pub fn init(plan: &Plan, dir: &Path) -> Value {
    let count = plan.nodes;
    let base = free_block(12 * count);
    let mut arguments = vec![
        "testnet".to_owned(),
        "init".into(),
        "--dir".into(),
        dir.to_str().expect("UTF-8").into(),
        format!("--nodes={count}"),
        format!("--base-grpc-port={base}"),
        format!("--base-p2p-port={}", base + 10 * count),
        format!("--base-api-port={}", base + 11 * count),
    ];
    arguments.extend(plan.params.iter().map(|(name, value)| format!("--param={name}={value}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = vision(&arguments);
    assert!(output.status.success(), "testnet init: {}", stderr(&output));
    let text = fs::read_to_string(dir.join("testnet.json")).expect("facts");
    serde_json::from_str(&text).expect("JSON")
}

impl Index<usize> for Net {
    type Output = Node;

    fn index(&self, index: usize) -> &Node {
        &self.nodes[index]
    }
}

impl IndexMut<usize> for Net {
    fn index_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- {} ({}), end of {} log lines", node.name, node.home.display(), lines.len());
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("{line}");
            }
        }
        if std::env::var_os("KEEP_TEST_DIRS").is_some() {
            self.dir.disable_cleanup(true);
        }
    }
}
