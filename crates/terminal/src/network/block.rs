//! One block, as far as people ask who made it and when.

use serde_json::Value;

use crate::answers::entries;

/// As what a producer made a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// In slot 0.
    Primary,
    /// In one of the slots after it.
    Backup(u64),
    /// After all these.
    Tail(u64),
}

impl Kind {
    fn of(slot: u64, backup_slots: u64) -> Self {
        match slot {
            0 => Self::Primary,
            slot if slot <= backup_slots => Self::Backup(slot),
            slot => Self::Tail(slot),
        }
    }
}

/// A block of the head's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its hash, hex.
    pub hash: String,
    /// Whose slot it was.
    pub kind: Kind,
    /// Id of the node that made it, hex.
    pub producer: String,
    /// Its stamp, milliseconds since the epoch.
    pub stamp_ms: u64,
    /// Transactions in it.
    pub transactions: u64,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
    /// Ids of the nodes whose slots passed before it, where the node reports them.
    pub missed: Vec<String>,
}

impl Block {
    /// Of a block in JSON; none if that lacks what every block has.
    pub fn read(value: &Value, backup_slots: u64) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let missed = entries(value, "missed").iter().filter_map(|slot| slot["node_id"].as_str());
        Some(Self {
            height: value["height"].as_u64()?,
            hash: text("hash")?,
            kind: Kind::of(value["slot"].as_u64()?, backup_slots),
            producer: text("producer")?,
            stamp_ms: value["timestamp_ms"].as_u64()?,
            transactions: value["tx_count"].as_u64().unwrap_or(0),
            is_final: value["finalized"] == true,
            missed: missed.map(str::to_owned).collect(),
        })
    }

    /// How many slots passed before it: those that are reported, or else all below its own.
    pub fn missed_slots(&self) -> u64 {
        match self.kind {
            Kind::Primary => 0,
            Kind::Backup(slot) | Kind::Tail(slot) if self.missed.is_empty() => slot,
            Kind::Backup(_) | Kind::Tail(_) => self.missed.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_follow_from_the_slot_and_the_chains_parameters() {
        let block = |slot: u64, missed: Value| {
            let value = json!({ "height": 7, "hash": "ab", "slot": slot, "producer": "cd",
            "timestamp_ms": 5, "missed": missed });
            let block = Block::read(&value, 6).expect("a block");
            (block.kind, block.missed_slots())
        };
        let owners = json!([{ "slot": 0, "node_id": "aa" }, { "slot": 1, "node_id": "bb" }]);
        let cases = [
            (0, Value::Null, (Kind::Primary, 0)),
            (2, Value::Null, (Kind::Backup(2), 2)),
            (6, json!([]), (Kind::Backup(6), 6)),
            (9, owners, (Kind::Tail(9), 2)),
        ];
        for (slot, missed, expect) in cases {
            assert_eq!(block(slot, missed), expect, "{slot}");
        }
        assert_eq!(Block::read(&json!({ "height": 1 }), 6), None);
    }
}
