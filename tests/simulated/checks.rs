//! What was seen of the nodes, and which promises it breaks. The rules are those of docs/simulation.md, "What
//! is checked".

use std::collections::BTreeMap;
use std::time::Duration;

use vision_primitives::{Hash, hash};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// When, since the simulation began.
    pub at: Duration,
    pub node: usize,
    pub rule: &'static str,
    pub what: String,
}

/// A block that a node has shown.
#[derive(Clone, Debug)]
pub struct Seen {
    pub height: u64,
    pub hash: String,
    pub parent: String,
    pub producer: String,
    pub state_root: String,
}

/// What was seen so far.
#[derive(Default)]
pub struct Checks {
    pub broken: Vec<Broken>,
    /// The highest head.
    pub height: u64,
    /// The first block that any node showed as final, by height.
    finals: BTreeMap<u64, String>,
    /// The highest final height that a node has shown.
    last_final: BTreeMap<usize, u64>,
    /// The state after each block.
    roots: BTreeMap<String, String>,
    /// What a producer made on a parent.
    made: BTreeMap<(String, String), String>,
    /// Transactions that a node has accepted.
    pub acknowledged: BTreeMap<Hash, usize>,
}

impl Checks {
    /// Notes that a promise was broken.
    pub fn broken(&mut self, node: usize, rule: &'static str, what: String) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        self.broken.push(Broken { at, node, rule, what });
    }

    /// A hash over all blocks: two runs with the same one were the same run.
    pub fn audit(&self) -> String {
        let blocks: Vec<&str> = self.made.values().map(String::as_str).collect();
        hash(&[blocks.concat().as_bytes()]).to_string()[..16].to_owned()
    }

    /// How many heights are final.
    pub fn finalized(&self) -> usize {
        self.finals.len()
    }

    /// A node shows its head.
    pub fn head(&mut self, node: usize, height: u64, finalized: u64) {
        self.height = self.height.max(height);
        let last = self.last_final.insert(node, finalized).unwrap_or_default();
        if finalized < last {
            self.broken(node, "final-undone", format!("its final height is {finalized}, and was {last}"));
        }
    }

    /// A node shows a block of its chain that is final.
    pub fn is_final(&mut self, node: usize, block: &Seen) {
        self.block(node, block);
        let first = self.finals.entry(block.height).or_insert_with(|| block.hash.clone()).clone();
        if first != block.hash {
            let what =
                format!("height {}: {} is final here, {first} was elsewhere", block.height, block.hash);
            self.broken(node, "finality", what);
        }
    }

    /// A node shows a block that it has stored.
    pub fn block(&mut self, node: usize, block: &Seen) {
        let root = self.roots.entry(block.hash.clone()).or_insert_with(|| block.state_root.clone()).clone();
        if root != block.state_root {
            let what = format!("block {}: state {}, elsewhere {root}", block.hash, block.state_root);
            self.broken(node, "state-root", what);
        }
        let by = (block.producer.clone(), block.parent.clone());
        let first = self.made.entry(by).or_insert_with(|| block.hash.clone()).clone();
        if first != block.hash {
            let what = format!("{} made {} and {first} on one parent", block.producer, block.hash);
            self.broken(node, "double-sign", what);
        }
    }

    /// The highest final height that a node has shown.
    pub fn last_final(&self, node: usize) -> u64 {
        self.last_final.get(&node).copied().unwrap_or_default()
    }

    /// At the end a node shows its chain up to this height, which it has shown as final.
    pub fn chain(&mut self, node: usize, finalized: u64, chain: &[Seen]) {
        let shown: BTreeMap<u64, &str> =
            chain.iter().map(|block| (block.height, block.hash.as_str())).collect();
        let undone =
            self.finals.range(..=finalized).find(|(height, hash)| shown.get(height) != Some(&hash.as_str()));
        if let Some((height, hash)) = undone {
            let what = format!("height {height}: {hash} was final, now {:?}", shown.get(height));
            self.broken(node, "final-undone", what);
        }
    }

    /// What all accounts hold on a node after a height, by its own words.
    pub fn supply(&mut self, node: usize, (height, holdings): (u64, &[u64]), genesis: u64, reward: u64) {
        let (sum, expected) = (holdings.iter().sum::<u64>(), genesis + reward * height);
        if sum != expected {
            self.broken(node, "supply", format!("the accounts hold {sum} at {height}, not {expected}"));
        }
    }
}

#[test]
fn what_breaks_a_promise_is_noticed() {
    let block = |height: u64, hash: &str, parent: &str, producer: &str, root: &str| {
        let [hash, parent, producer, state_root] = [hash, parent, producer, root].map(str::to_owned);
        Seen { height, hash, parent, producer, state_root }
    };
    let first = block(1, "a", "genesis", "anna", "r");
    let on_another = |hash| block(1, hash, "genesis", "bert", "s");
    type Look<'a> = &'a dyn Fn(&mut Checks);
    let cases: [(&str, Look<'_>, &[&str]); 10] = [
        ("nothing", &|_| {}, &[]),
        ("the same on two nodes", &|checks| (0..2).for_each(|node| checks.is_final(node, &first)), &[]),
        ("two final blocks", &|checks| checks.is_final(1, &on_another("b")), &["finality"]),
        ("two blocks, one final", &|checks| checks.block(1, &on_another("b")), &[]),
        ("two by one", &|checks| checks.block(1, &block(1, "b", "genesis", "anna", "r")), &["double-sign"]),
        ("two states", &|checks| checks.block(1, &block(1, "a", "genesis", "anna", "s")), &["state-root"]),
        ("less is final", &|checks| checks.head(0, 9, 0), &["final-undone"]),
        ("a final block is gone", &|checks| checks.chain(0, 1, &[]), &["final-undone"]),
        ("another one is there", &|checks| checks.chain(0, 1, &[on_another("b")]), &["final-undone"]),
        ("a coin is lost", &|checks| checks.supply(0, (2, &[100, 109]), 200, 5), &["supply"]),
    ];
    for (desc, look, expect) in cases {
        let mut checks = Checks::default();
        checks.is_final(0, &first);
        checks.head(0, 70, 1);
        look(&mut checks);
        let rules: Vec<_> = checks.broken.iter().map(|broken| broken.rule).collect();
        assert_eq!(rules, expect, "{desc}");
    }
}
