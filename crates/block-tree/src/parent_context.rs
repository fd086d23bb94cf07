//! The rules that need no execution (`docs/protocol.md`, section 6): a header's on its parent, and those of a
//! body's form.

use std::collections::BTreeSet;

use vision_primitives::{
    BatchVerifier, Block, ConsensusParams, HEADER_VERSION, Hash, Header, Height, NodeId, PublicKey,
    SignedTransaction, Slot, Tag, TimestampMs,
};
use vision_schedule::Schedule;

use crate::Refusal;

/// What a header is judged on: its parent, and what the state after the parent says of the producers.
#[derive(Clone, Copy)]
pub struct ParentContext<'a> {
    /// Hash of block 0.
    pub genesis_hash: &'a Hash,
    /// Hash of the parent.
    pub parent: Hash,
    /// Height of the parent.
    pub height: Height,
    /// Weight of the parent's chain.
    pub weight: u64,
    /// Slots and owners of the height above the parent.
    pub schedule: &'a Schedule,
    /// Root of the active pool after the parent.
    pub pool_root: Hash,
    /// Key of a producer by the registry after the parent, whatever its status.
    pub key_of: &'a dyn Fn(&NodeId) -> Option<PublicKey>,
}

type HeaderRule = fn(&ParentContext<'_>, &Block) -> Result<(), Refusal>;
type BodyRule = fn(&ConsensusParams, &Block) -> Result<(), Refusal>;

/// In the order they are tested: cheap ones first, and the owner behind the signature, because a tail slot's
/// costs up to one hash per producer.
const HEADER_RULES: [HeaderRule; 11] = [
    |_, block| check_version(block.header()),
    check_parent,
    check_height,
    |_, block| absent(&block.header().certificate_hash, Refusal::Certificate),
    |_, block| absent(&block.header().reveal, Refusal::Reveal),
    |_, block| absent(&block.header().mix, Refusal::Mix),
    check_pool_root,
    check_weight,
    check_bounds,
    check_signature,
    check_owner,
];
const BODY_RULES: [BodyRule; 4] = [check_count, check_size, check_tx_root, check_distinct];

impl ParentContext<'_> {
    /// Every rule of the header that the block breaks, each reason once; none if the header is right but for
    /// its `state_root`, which takes execution. Whoever only wants to know whether to refuse stops at the
    /// first:
    /// [`crate::BlockTree::check`].
    #[must_use]
    pub fn header_faults(&self, block: &Block) -> Vec<Refusal> {
        let mut faults: Vec<Refusal> = Vec::new();
        for refusal in HEADER_RULES.iter().filter_map(|rule| rule(self, block).err()) {
            // A stamp outside of the slot is outside of the owner's window too.
            if faults.iter().all(|known| known.reason() != refusal.reason()) {
                faults.push(refusal);
            }
        }
        faults
    }

    pub(crate) fn check(&self, block: &Block) -> Result<(), Refusal> {
        HEADER_RULES.iter().try_for_each(|rule| rule(self, block))
    }
}

/// Every rule that the block's body breaks by itself, the signatures of its transactions included; of these
/// the first that is wrong. Whether a transaction applies takes the state.
#[must_use]
pub fn body_faults(params: &ConsensusParams, genesis_hash: &Hash, block: &Block) -> Vec<Refusal> {
    let all: Vec<(usize, &SignedTransaction)> = block.transactions().iter().enumerate().collect();
    let signatures = check_transaction_signatures(genesis_hash, &all);
    BODY_RULES.iter().map(|rule| rule(params, block)).chain([signatures]).filter_map(Result::err).collect()
}

pub(crate) fn check_body(params: &ConsensusParams, block: &Block) -> Result<(), Refusal> {
    BODY_RULES.iter().try_for_each(|rule| rule(params, block))
}

/// Weight of a child that uses `slot`; `None` past the range, which no chain reaches.
pub(crate) fn child_weight(parent_weight: u64, schedule: &Schedule, slot: Slot) -> Option<u64> {
    parent_weight.checked_add(schedule.timing().main_slots.saturating_sub(slot.get()).max(1))
}

pub(crate) fn slot_end(schedule: &Schedule, slot: Slot) -> TimestampMs {
    slot.get().checked_add(1).map_or(TimestampMs(u64::MAX), |next| schedule.start(Slot(next)))
}

pub(crate) fn check_version(header: &Header) -> Result<(), Refusal> {
    if header.version != HEADER_VERSION {
        return Err(Refusal::Version { expected: HEADER_VERSION, got: header.version });
    }
    Ok(())
}

fn check_parent(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let parent = block.header().parent;
    if parent == context.parent { Ok(()) } else { Err(Refusal::UnknownParent(parent)) }
}

fn check_height(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let (expected, got) = (context.height.next(), block.header().height);
    if got == expected { Ok(()) } else { Err(Refusal::Height { expected, got }) }
}

fn absent(field: &Hash, refusal: Refusal) -> Result<(), Refusal> {
    if field.is_zero() { Ok(()) } else { Err(refusal) }
}

fn check_pool_root(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let (expected, got) = (context.pool_root, block.header().pool_root);
    if got == expected { Ok(()) } else { Err(Refusal::PoolRoot { expected, got }) }
}

fn check_weight(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let (slot, got) = (block.header().slot, block.header().weight);
    let expected = child_weight(context.weight, context.schedule, slot).unwrap_or(u64::MAX);
    if got == expected { Ok(()) } else { Err(Refusal::Weight { expected, got }) }
}

/// The bounds without jitter, which need no owner. They tie the slot to the stamp, whose distance from now
/// the caller bounds: nobody makes us deal a lap of a far slot for nothing.
fn check_bounds(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let (slot, stamp) = (block.header().slot, block.header().timestamp_ms);
    let (opens_at, closes_at) = (context.schedule.start(slot), slot_end(context.schedule, slot));
    if stamp < opens_at {
        return Err(Refusal::TooEarly { slot, stamp, opens_at });
    }
    if stamp >= closes_at {
        return Err(Refusal::TooLate { slot, stamp, closes_at });
    }
    Ok(())
}

fn check_signature(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let producer = block.header().producer;
    let key = (context.key_of)(&producer).ok_or(Refusal::UnknownProducer(producer))?;
    key.verify(Tag::Block, context.genesis_hash, block.hash().as_bytes(), block.signature())
        .map_err(|_| Refusal::Signature)
}

fn check_owner(context: &ParentContext<'_>, block: &Block) -> Result<(), Refusal> {
    let header = block.header();
    Ok(context.schedule.check(header.slot, &header.producer, header.timestamp_ms)?)
}

fn check_count(params: &ConsensusParams, block: &Block) -> Result<(), Refusal> {
    let (max, got) = (params.max_block_txs, block.transactions().len() as u64);
    if got > max { Err(Refusal::TooManyTransactions { max, got }) } else { Ok(()) }
}

fn check_size(params: &ConsensusParams, block: &Block) -> Result<(), Refusal> {
    let (max, got) = (params.max_block_bytes, block.size_bytes());
    if got > max { Err(Refusal::TooLarge { max, got }) } else { Ok(()) }
}

fn check_tx_root(_: &ConsensusParams, block: &Block) -> Result<(), Refusal> {
    let (expected, got) = (block.header().tx_root, block.computed_tx_root());
    if expected == got { Ok(()) } else { Err(Refusal::TxRoot { expected, got }) }
}

fn check_distinct(_: &ConsensusParams, block: &Block) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    match block.transactions().iter().position(|transaction| !seen.insert(transaction.hash())) {
        Some(index) => Err(Refusal::DuplicateTransaction { index }),
        None => Ok(()),
    }
}

pub(crate) fn check_transaction_signatures(
    genesis_hash: &Hash,
    unverified: &[(usize, &SignedTransaction)],
) -> Result<(), Refusal> {
    let mut batch = BatchVerifier::new();
    for (_, transaction) in unverified {
        let (sender, signature) = (&transaction.transaction().sender, transaction.signature());
        batch.queue(sender, Tag::Transaction, genesis_hash, transaction.payload(), signature);
    }
    if batch.verify().is_ok() {
        return Ok(());
    }
    // A batch does not say which one is bad.
    match unverified.iter().find(|(_, transaction)| transaction.verify(genesis_hash).is_err()) {
        Some((index, _)) => Err(Refusal::TransactionSignature { index: *index }),
        None => Ok(()),
    }
}
