//! What a block is judged on when there is no state: the chain's parameters, the block before, and the registry after
//! it, all as the node tells them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use vision_block_tree::{Footing, Refusal};
use vision_primitives::{
    Block, ConsensusParams, Genesis, Hash, Height, NodeId, Pool, PublicKey, TimestampMs,
};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};

use super::told::field;
use crate::cli::values::decimal;

/// What all blocks of a chain have in common.
pub struct Rules {
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// Time stamp of block 0.
    pub genesis_time: TimestampMs,
    /// The consensus parameters.
    pub params: ConsensusParams,
    epoch_salt: Hash,
}

impl Rules {
    /// Of `GET /api/chain/params`; every parameter must be there and within its range.
    pub fn read(told: &Value) -> Result<Self, String> {
        let mut params = Map::new();
        for (name, _) in ConsensusParams::default().table() {
            let value = &told[name];
            // Amounts are decimal text.
            let number = value.as_u64().or_else(|| decimal(value.as_str()?));
            params.insert(name.into(), json!(number.ok_or_else(|| format!("{name} is missing"))?));
        }
        let params: ConsensusParams =
            serde_json::from_value(params.into()).map_err(|error| error.to_string())?;
        params.check().map_err(|error| error.to_string())?;
        let time = told["genesis_time_ms"].as_u64().ok_or("genesis_time_ms is missing")?;
        let chain_id = told["chain_id"].as_str().ok_or("chain_id is missing")?;
        if told["entropy"] != "prev_hash" {
            return Err(format!("its entropy is {}; only prev_hash is supported", told["entropy"]));
        }
        Ok(Self {
            genesis_hash: field(told, "genesis_hash")?,
            genesis_time: TimestampMs(time),
            params,
            epoch_salt: epoch_salt(chain_id),
        })
    }
}

impl From<&Genesis> for Rules {
    fn from(genesis: &Genesis) -> Self {
        Self {
            genesis_hash: genesis.hash(),
            genesis_time: genesis.time_ms,
            params: genesis.params.clone(),
            epoch_salt: epoch_salt(&genesis.chain_id),
        }
    }
}

impl Rules {
    /// Block 0, which has no header.
    pub const fn block_0(&self) -> Parent {
        Parent { hash: self.genesis_hash, height: Height::GENESIS, stamp: self.genesis_time, weight: 0 }
    }
}

/// The block before, as far as the next one depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// Hash of its header's bytes.
    pub hash: Hash,
    /// Where it stands in the chain.
    pub height: Height,
    /// Its time stamp.
    pub stamp: TimestampMs,
    /// Weight of its chain.
    pub weight: u64,
}

/// Pools and keys after a block, of `GET /api/chain/producers?height=`.
#[derive(Debug)]
pub struct Registry {
    active: Pool,
    registered: Pool,
    keys: BTreeMap<NodeId, PublicKey>,
}

impl Registry {
    /// Ids and pools are made from keys and statuses; the answer must agree with itself, and be of this block.
    pub fn read(told: &Value, parent: &Parent) -> Result<Self, String> {
        let (mut active, mut registered, mut keys) = (Vec::new(), Vec::new(), BTreeMap::new());
        for list in ["registered", "candidates"] {
            for entry in told[list].as_array().ok_or_else(|| format!("{list} is not a list"))? {
                let key = PublicKey(field(entry, "public_key")?.0);
                let id = key.id();
                if entry["node_id"] != json!(id) {
                    return Err(format!("key {key} has the id {id}, not {}", entry["node_id"]));
                }
                match (list, entry["status"].as_str()) {
                    ("registered", Some("active")) => active.push(id),
                    ("registered", Some("suspended")) | ("candidates", Some("candidate")) => {}
                    (_, status) => return Err(format!("{id} is {status:?} among the {list}")),
                }
                if list == "registered" {
                    registered.push(id);
                }
                if keys.insert(id, key).is_some() {
                    return Err(format!("{id} is listed twice"));
                }
            }
        }
        let (active, registered) = (Pool::new(active), Pool::new(registered));
        for (name, recomputed) in [
            ("height", json!(parent.height.get())),
            ("hash", json!(parent.hash)),
            ("active", json!(active.ids())),
            ("pool_root", json!(active.root())),
            ("registered_root", json!(registered.root())),
        ] {
            if told[name] != recomputed {
                return Err(format!("its {name} is {}, it must be {recomputed}", told[name]));
            }
        }
        Ok(Self { active, registered, keys })
    }

    /// Every rule of the header that the block breaks on this parent.
    pub fn header_faults(&self, rules: &Rules, parent: &Parent, block: &Block) -> Vec<Refusal> {
        // `prev_hash`: the entropy of a height is the parent's hash.
        let seed = seed(&parent.hash, parent.height.next(), &rules.epoch_salt);
        let (active, registered) = (self.active.clone(), self.registered.clone());
        let timing = SlotTiming::from(&rules.params);
        match Schedule::new(seed, active, registered, parent.stamp, timing) {
            Err(error) => vec![error.into()],
            Ok(schedule) => Footing {
                genesis_hash: &rules.genesis_hash,
                parent: parent.hash,
                height: parent.height,
                weight: parent.weight,
                schedule: &schedule,
                pool_root: self.active.root(),
                key_of: &|id| self.keys.get(id).copied(),
            }
            .header_faults(block),
        }
    }
}
