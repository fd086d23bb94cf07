//! What the routes of the gateway answer, as far as it is looked at here.

use std::collections::BTreeSet;

use serde::Deserialize;

/// A block of `/api/chain/blocks`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Block {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: String,
    /// Its parent's hash.
    pub parent: String,
    /// Its time stamp, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// The slot it used.
    pub slot: u64,
    /// Its producer's id.
    pub producer: String,
}

/// A page of `/api/chain/blocks`.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// Ascending.
    pub blocks: Vec<Block>,
}

/// `/api/status`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    /// Id of the node that answers.
    pub node_id: String,
    /// Hash of block 0.
    pub genesis_hash: String,
    /// Height of its head.
    pub height: u64,
    /// How it stands to the network.
    pub sync_state: Option<String>,
    /// Whether it may produce.
    pub eligible: bool,
    /// Why not.
    pub not_eligible_because: Option<String>,
}

/// `/api/mining/status`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mining {
    /// Height to be produced.
    pub next_height: u64,
    /// Owner of its slot 0.
    pub current_winner: String,
    /// Whether the node may produce.
    pub eligible: bool,
}

/// `/api/mining/schedule`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Schedule {
    /// The height dealt.
    pub height: u64,
    /// The block below.
    pub parent: String,
    /// Its time stamp.
    pub parent_timestamp_ms: u64,
    /// Active pool.
    pub active: Vec<String>,
    /// Registered pool.
    pub registered: Vec<String>,
    /// The slots, from 0 on.
    pub slots: Vec<Slot>,
}

/// A slot of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Slot {
    /// Its number.
    pub slot: u64,
    /// Its owner.
    pub node_id: String,
    /// First time stamp allowed.
    pub opens_at_ms: u64,
    /// First time stamp too late.
    pub closes_at_ms: u64,
}

/// `/api/chain/producers`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Producers {
    /// After the block of this height.
    pub height: u64,
    /// Ids that own slots.
    pub active: Vec<String>,
    /// Everybody registered.
    pub registered: Vec<Record>,
}

/// A producer's record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    /// Whose.
    pub node_id: String,
    /// `active`, `suspended` …
    pub status: String,
    /// Slots missed in a row.
    pub missed: u32,
    /// Height of the last suspension.
    pub suspended_at: u64,
    /// First height that may carry its sync proof.
    pub may_return_at: u64,
}

impl Producers {
    /// Somebody's record.
    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.registered.iter().find(|record| record.node_id == id)
    }

    /// Whether somebody owns slots.
    pub(crate) fn is_active(&self, id: &str) -> bool {
        self.active.iter().any(|active| active == id)
    }
}

impl Schedule {
    /// The owner of a slot; empty for a slot that was not asked for.
    pub(crate) fn owner(&self, slot: u64) -> &str {
        self.slots.iter().find(|entry| entry.slot == slot).map_or("", |entry| &entry.node_id)
    }

    /// Why a block cannot be of this schedule; `None` if it can.
    pub(crate) fn objection(&self, block: &Block) -> Option<String> {
        if (block.height, &block.parent) != (self.height, &self.parent) {
            return Some(format!("block {} on {} is not of this schedule", block.height, block.parent));
        }
        let Some(slot) = self.slots.iter().find(|slot| slot.slot == block.slot) else {
            return Some(format!("slot {} was not asked for", block.slot));
        };
        if slot.node_id != block.producer {
            return Some(format!(
                "slot {} belongs to {}, not to {}",
                block.slot, slot.node_id, block.producer
            ));
        }
        let window = slot.opens_at_ms..slot.closes_at_ms;
        (!window.contains(&block.timestamp_ms))
            .then(|| format!("stamp {} is not in {window:?}", block.timestamp_ms))
    }
}

/// The newest run of blocks that all used slot 0; blocks ascending, block 0 never part of it.
pub(crate) fn calm_run(blocks: &[Block]) -> &[Block] {
    let calm = blocks.iter().rev().take_while(|block| block.slot == 0 && block.height > 0).count();
    &blocks[blocks.len() - calm..]
}

/// Who produced these.
pub(crate) fn producers_of(blocks: &[Block]) -> BTreeSet<&str> {
    blocks.iter().map(|block| block.producer.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(height: u64, slot: u64, producer: &str, timestamp_ms: u64) -> Block {
        let (hash, parent) = (format!("h{height}"), format!("h{}", height - 1));
        Block { height, hash, parent, timestamp_ms, slot, producer: producer.into() }
    }

    #[test]
    fn a_block_fits_its_schedule_or_there_is_an_objection() {
        let slot = |slot, id: &str, opens_at_ms, closes_at_ms| Slot {
            slot,
            node_id: id.into(),
            opens_at_ms,
            closes_at_ms,
        };
        let schedule = Schedule {
            height: 5,
            parent: "h4".into(),
            parent_timestamp_ms: 0,
            active: vec![],
            registered: vec![],
            slots: vec![slot(0, "a", 110, 200), slot(1, "b", 205, 300)],
        };
        let cases = [
            ("the primary", block(5, 0, "a", 110), None),
            ("a backup", block(5, 1, "b", 299), None),
            ("not the owner", block(5, 0, "b", 150), Some("belongs to a")),
            ("too early", block(5, 0, "a", 109), Some("not in 110..200")),
            ("too late", block(5, 0, "a", 200), Some("not in 110..200")),
            ("a slot not asked for", block(5, 2, "a", 310), Some("slot 2")),
            ("another height", block(6, 0, "a", 110), Some("not of this schedule")),
            ("another parent", Block { parent: "x".into(), ..block(5, 0, "a", 110) }, Some("on x")),
        ];
        for (desc, block, expect) in cases {
            let got = schedule.objection(&block);
            match expect {
                None => assert_eq!(got, None, "{desc}"),
                Some(part) => {
                    assert!(got.as_deref().is_some_and(|text| text.contains(part)), "{desc}: {got:?}")
                }
            }
        }
        assert_eq!((schedule.owner(1), schedule.owner(9)), ("b", ""));
    }

    #[test]
    fn only_the_newest_run_in_slot_0_counts() {
        let cases: [(&str, &[u64], usize); 5] = [
            ("all", &[0, 0, 0], 3),
            ("after a backup", &[0, 1, 0, 0], 2),
            ("a backup at last", &[0, 0, 2], 0),
            ("none", &[], 0),
            ("one", &[0], 1),
        ];
        for (desc, slots, expect) in cases {
            let blocks: Vec<Block> =
                (1..).zip(slots).map(|(height, slot)| block(height, *slot, "a", 0)).collect();
            assert_eq!(calm_run(&blocks).len(), expect, "{desc}");
        }
        let genesis = Block { height: 0, ..block(1, 0, "", 0) };
        assert_eq!(calm_run(&[genesis, block(1, 0, "a", 0)]).len(), 1);
        assert_eq!(producers_of(&[block(1, 0, "a", 0), block(2, 0, "b", 0), block(3, 0, "a", 0)]).len(), 2);
    }
}
