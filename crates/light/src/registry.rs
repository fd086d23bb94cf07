//! The producers after a block, as somebody reports them.

use std::collections::BTreeMap;

use vision_block_tree::{ParentContext, Refusal};
use vision_primitives::{Block, Hash, Height, NodeId, Pool, PublicKey};
use vision_schedule::{Schedule, SlotTiming, seed};

use crate::{Parent, Rules};

/// What a producer is to the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Registered, and slots are drawn for it.
    Active,
    /// Registered, and without slots until it returns.
    Suspended,
    /// Not registered yet.
    Candidate,
}

/// A producer in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The id it is said to have.
    pub id: NodeId,
    /// Its key, of which the id is the hash.
    pub key: PublicKey,
    /// What it is said to be.
    pub standing: Standing,
}

/// What somebody says of the producers after a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistryAnswer {
    /// Height of that block.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// All producers.
    pub producers: Vec<Listed>,
    /// Ids of the active pool, in order.
    pub active: Vec<NodeId>,
    /// Root of the active pool.
    pub pool_root: Hash,
    /// Root of the registered pool.
    pub registered_root: Hash,
}

/// Pools and keys after a block.
#[derive(Clone, Debug)]
pub struct Registry {
    active: Pool,
    registered: Pool,
    keys: BTreeMap<NodeId, PublicKey>,
}

impl Registry {
    /// Ids and pools are made from keys and standings; the answer must agree with itself, and be of this
    /// block.
    ///
    /// # Errors
    /// What contradicts what.
    pub fn new(answer: &RegistryAnswer, parent: &Parent) -> Result<Self, String> {
        let (mut active, mut registered, mut keys) = (Vec::new(), Vec::new(), BTreeMap::new());
        for Listed { id, key, standing } in &answer.producers {
            if key.id() != *id {
                return Err(format!("key {key} has the id {}, not {id}", key.id()));
            }
            if *standing == Standing::Active {
                active.push(*id);
            }
            if *standing != Standing::Candidate {
                registered.push(*id);
            }
            if keys.insert(*id, *key).is_some() {
                return Err(format!("{id} is listed twice"));
            }
        }
        let (active, registered) = (Pool::new(active), Pool::new(registered));
        let must = |name: &str, reported: &dyn ToString, is: &dyn ToString| {
            let (reported, is) = (reported.to_string(), is.to_string());
            if reported == is { Ok(()) } else { Err(format!("its {name} is {reported}, it must be {is}")) }
        };
        must("height", &answer.height, &parent.height)?;
        must("hash", &answer.hash, &parent.hash)?;
        if answer.active != active.ids() {
            return Err("its active pool is not that of its active producers".into());
        }
        must("pool_root", &answer.pool_root, &active.root())?;
        must("registered_root", &answer.registered_root, &registered.root())?;
        Ok(Self { active, registered, keys })
    }

    /// Every rule of the header that the block breaks on this parent.
    #[must_use]
    pub fn header_faults(&self, rules: &Rules, parent: &Parent, block: &Block) -> Vec<Refusal> {
        // `prev_hash`: the entropy of a height is the parent's hash.
        let seed = seed(&parent.hash, parent.height.next(), &rules.epoch_salt);
        let (active, registered) = (self.active.clone(), self.registered.clone());
        let timing = SlotTiming::from(&rules.params);
        match Schedule::new(seed, active, registered, parent.stamp, timing) {
            Err(error) => vec![error.into()],
            Ok(schedule) => ParentContext {
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
