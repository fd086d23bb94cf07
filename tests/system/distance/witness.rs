//! Looks at the nodes while they work: what one of them has called final stays so, everywhere.

use std::collections::BTreeMap;

use crate::harness::Net;

/// What was seen.
pub struct Witness {
    /// Hashes of blocks that some node has called final, by height.
    finals: BTreeMap<u64, String>,
    /// The highest final height that each node has named.
    finalized: Vec<u64>,
}

impl Witness {
    /// Of so many nodes; has seen nothing.
    pub fn new(nodes: usize) -> Self {
        Self { finals: BTreeMap::new(), finalized: vec![0; nodes] }
    }

    /// Looks at a node, if it answers.
    pub fn look(&mut self, net: &Net, node: usize) {
        let (seen, name) = (&mut self.finalized[node], &net[node].name);
        let Some(status) = net[node].status() else { return };
        let finalized = status["finalized_height"].as_u64().expect("finalized_height");
        assert!(finalized >= *seen, "{name} has taken back that {seen} is final: {status}");
        if finalized == *seen {
            return;
        }
        *seen = finalized;
        let hash = net[node].hash_at(finalized).unwrap_or_else(|| panic!("{name} has no block {finalized}"));
        let known = self.finals.entry(finalized).or_insert_with(|| hash.clone());
        assert_eq!(*known, hash, "two final blocks of height {finalized}; this one at {name}");
    }

    /// The final height that every node has reached.
    pub fn finalized(&self) -> u64 {
        self.finalized.iter().copied().min().unwrap_or(0)
    }

    /// Checks that a chain, from block 0 on, has all that was ever final.
    pub fn check(&self, hashes: &[String]) {
        for (height, hash) in &self.finals {
            let now = usize::try_from(*height).ok().and_then(|height| hashes.get(height));
            assert_eq!(now, Some(hash), "the final block {height} was undone");
        }
    }
}
