//! What was found in a range of blocks.

use serde_json::{Map, Value, json};
use vision_light::{Audit, Verdict};
use vision_primitives::Hash;

use super::fault;
use vision_terminal::output::properties_within;

/// Faulty blocks that the JSON lists; more are counted. The table has a line for each as it is met.
const MAX_LISTED: usize = 1000;

/// What is the node's word when no state is computed.
const NOT_RECOMPUTED: [&str; 4] = [
    "state_root",
    "whether transactions apply",
    "the registry after each block",
    "genesis hash and parameters",
];

/// Counts, and the faulty blocks.
pub(super) struct Report {
    from: u64,
    /// The last height asked for, which may be above the head; none if that was asked for.
    asked_to: Option<u64>,
    /// Hash of the last block, if it is one.
    tip: Option<Hash>,
    blocks: u64,
    transactions: u64,
    /// How many of these are sync proofs.
    sync_proofs: u64,
    /// How often each of the first m slots was used.
    slots: Vec<u64>,
    tail: u64,
    faulty: u64,
    listed: Vec<Value>,
    /// Height of the last block whose state was computed.
    states_to: Option<u64>,
}

impl Report {
    /// Nothing found yet in a range that begins here.
    pub(super) fn new(from: u64, asked_to: Option<u64>, audit: &Audit) -> Self {
        let main_slots = usize::try_from(audit.rules().params.main_slots()).unwrap_or(0);
        let states_to = audit.computes_states().then(|| from.saturating_sub(1));
        let slots = vec![0; main_slots];
        Self {
            from,
            asked_to,
            tip: None,
            blocks: 0,
            transactions: 0,
            sync_proofs: 0,
            slots,
            tail: 0,
            faulty: 0,
            listed: Vec::new(),
            states_to,
        }
    }

    /// Notes a block; a line if it is wrong.
    pub(super) fn add(&mut self, verdict: &Verdict, state_computed: bool) -> Option<String> {
        self.blocks += 1;
        self.transactions += verdict.transactions as u64;
        self.sync_proofs += verdict.sync_proofs as u64;
        self.tip = verdict.hash;
        if state_computed {
            self.states_to = Some(verdict.height.get());
        }
        if let Some(slot) = verdict.slot {
            let main = usize::try_from(slot.get()).ok().and_then(|slot| self.slots.get_mut(slot));
            *main.unwrap_or(&mut self.tail) += 1;
        }
        if verdict.faults.is_empty() {
            return None;
        }
        self.faulty += 1;
        if self.listed.len() < MAX_LISTED {
            let faults: Vec<Value> = verdict.faults.iter().map(fault::to_json).collect();
            self.listed.push(json!({ "height": verdict.height, "hash": verdict.hash, "faults": faults }));
        }
        let hash = verdict.hash.map_or("-".into(), |hash| hash.short());
        let faults: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
        Some(format!("block {:>7}  {hash}  {}", verdict.height, faults.join("; ")))
    }

    /// How many blocks are wrong, of how many.
    pub(super) const fn faulty(&self) -> (u64, u64) {
        (self.faulty, self.blocks)
    }

    fn to(&self) -> u64 {
        (self.from + self.blocks).saturating_sub(1)
    }

    /// Where the chain ends and the height asked for, if the end comes first.
    pub(super) fn ends_early(&self) -> Option<(u64, u64)> {
        Some(self.to()).zip(self.asked_to).filter(|(to, asked_to)| to < asked_to)
    }

    /// What is the node's word.
    fn not_recomputed(&self) -> Vec<String> {
        match self.states_to {
            Some(height) if height == self.to() => Vec::new(),
            Some(height) => {
                let after = NOT_RECOMPUTED[..3].iter();
                after.map(|what| format!("{what}, after block {height}")).collect()
            }
            None => {
                let base = self.from - 1;
                let base =
                    (base > 0).then(|| format!("that block {base}, the parent of the range, is right"));
                NOT_RECOMPUTED.iter().map(ToString::to_string).chain(base).collect()
            }
        }
    }

    /// Slot and how often it was used, those that were.
    fn slots(&self) -> Vec<(String, u64)> {
        let main = self.slots.iter().enumerate().map(|(slot, count)| (slot.to_string(), *count));
        main.chain([("tail".to_owned(), self.tail)]).filter(|(_, count)| *count > 0).collect()
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let slots: Map<String, Value> =
            self.slots().into_iter().map(|(slot, count)| (slot, json!(count))).collect();
        json!({
            "holds": self.faulty == 0,
            "from": self.from,
            "to": self.to(),
            "asked_to": self.asked_to,
            "tip_hash": self.tip,
            "blocks": self.blocks,
            "transactions": self.transactions,
            "sync_proofs": self.sync_proofs,
            "slots": slots,
            "faulty_blocks": self.faulty,
            "faulty": self.listed,
            "states_recomputed_to": self.states_to,
            "not_recomputed": self.not_recomputed(),
        })
    }

    fn range(&self) -> String {
        let range = format!("{} to {}", self.from, self.to());
        match (self.asked_to, self.ends_early()) {
            (_, Some((_, asked_to))) => format!("{range}, the head; {asked_to} was asked for"),
            (None, None) => format!("{range}, the head"),
            (Some(_), None) => range,
        }
    }

    /// For people.
    pub(super) fn to_text(&self, width: Option<usize>) -> String {
        let slots: Vec<String> =
            self.slots().iter().map(|(slot, count)| format!("{slot}: {count}")).collect();
        let open = self.not_recomputed();
        let open = if open.is_empty() { "nothing".into() } else { open.join("; ") };
        let rows = [
            ("holds", (self.faulty == 0).to_string()),
            ("range", self.range()),
            ("tip", self.tip.map_or_else(|| "-".into(), |hash| hash.to_string())),
            ("blocks", self.blocks.to_string()),
            ("transactions", (self.transactions - self.sync_proofs).to_string()),
            ("sync proofs", self.sync_proofs.to_string()),
            ("by slot", slots.join(", ")),
            ("wrong blocks", self.faulty.to_string()),
            ("not recomputed", open),
        ];
        properties_within(width, &rows)
    }
}
