//! What goes into the machine and what comes out.

use std::sync::Arc;

use vision_primitives::{Hash, Height, NodeId, Slot, TimestampMs};
use vision_schedule::SlotWindow;

/// An instant on both clocks. Slots are of the wall clock, which may jump; pauses and ages of the
/// monotonic one, which does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Milliseconds since the Unix epoch, by this node's clock.
    pub wall: TimestampMs,
    /// Milliseconds since some fixed instant.
    pub mono_ms: u64,
}

/// The block to build on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Its time stamp.
    pub timestamp_ms: TimestampMs,
    /// Who made it; none for block 0.
    pub producer: Option<NodeId>,
    /// Entropy of the height above it.
    pub entropy: Hash,
    /// Commitment to the active pool of the height above it.
    pub pool_root: Hash,
    /// The same for the registered pool.
    pub registered_root: Hash,
}

/// Number of something asked for; its answer bears the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Op(pub u64);

/// A block wanted from the chain service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// What it builds on.
    pub parent: Head,
    /// The slot used, with its owner and window.
    pub window: SlotWindow,
    /// Its time stamp.
    pub stamp: TimestampMs,
}

/// A block prepared by the chain service and verified against the [`Ask`]; not yet signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Height.
    pub height: Height,
    /// What it builds on.
    pub parent: Hash,
    /// The slot used.
    pub slot: Slot,
    /// Its hash, which is what gets signed.
    pub hash: Hash,
    /// Canonical bytes of the header.
    pub header: Vec<u8>,
    /// Signed bytes of its transactions, in order.
    pub transactions: Vec<Vec<u8>>,
    /// When it was claimed, by this node's clock.
    pub claimed_at: TimestampMs,
}

/// Where this node's producer stands in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Not registered, or left.
    None,
    /// Owns slots of the active pool.
    Active,
    /// Suspended, or registered and never active: a sync proof makes it active.
    Waiting,
}

/// This node's record in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnRecord {
    /// Where it stands.
    pub standing: Standing,
    /// First height whose block may carry its sync proof.
    pub may_return_at: Height,
}

/// A block that bears a valid signature of this node's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OwnBlock {
    /// Its height.
    pub height: Height,
    /// Its parent.
    pub parent: Hash,
    /// Its hash.
    pub hash: Hash,
}

/// Why something asked for was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The head is no longer the parent.
    TipChanged,
    /// Nobody answered, or not in time. The same may work later.
    Unavailable(String),
    /// It was refused, and would be again.
    Refused(String),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The 250 ms tick, or a wake-up asked for.
    Tick,
    /// The head now.
    Head(Head),
    /// The chain service no longer reports the head.
    HeadLost,
    /// The oracle's verdict.
    Snapshot {
        /// Whether this node may produce.
        eligible: bool,
        /// Milliseconds since the oracle looked. One that came late, as after this process was frozen, is old
        /// however new it is to us.
        age_ms: u64,
    },
    /// The oracle no longer reports its verdict.
    SnapshotLost,
    /// Answer to [`Output::AskSchedule`].
    Scheduled {
        /// Of what was asked.
        op: Op,
        /// The slots asked for, ascending.
        slots: Vec<SlotWindow>,
        /// Whether this node is in the active pool.
        active: bool,
        /// Size of the active pool.
        active_pool_size: u64,
    },
    /// No answer to [`Output::AskSchedule`].
    ScheduleFailed {
        /// Of what was asked.
        op: Op,
    },
    /// Answer to [`Output::Prepare`], verified by [`crate::verify_prepared`].
    Prepared {
        /// Of what was asked.
        op: Op,
        /// The block.
        proposal: Arc<Proposal>,
    },
    /// No answer to [`Output::Prepare`].
    PrepareFailed {
        /// Of what was asked.
        op: Op,
        /// Why.
        failure: Failure,
    },
    /// [`Output::Commit`] is on disk.
    Committed {
        /// Of what was asked.
        op: Op,
    },
    /// [`Output::Commit`] may or may not be on disk.
    CommitFailed {
        /// Of what was asked.
        op: Op,
    },
    /// [`Output::Submit`] went through: the block is stored.
    Submitted {
        /// Of what was asked.
        op: Op,
        /// The block.
        proposal: Arc<Proposal>,
        /// Whether it became the head.
        became_head: bool,
        /// Peers it was sent to.
        sent_to: u32,
        /// Peers it could not be sent to.
        send_failed: u32,
    },
    /// [`Output::Submit`] did not go through.
    SubmitFailed {
        /// Of what was asked.
        op: Op,
        /// The block.
        proposal: Arc<Proposal>,
        /// Why.
        failure: Failure,
    },
    /// Answer to [`Output::AskRecord`]; none when nobody answered.
    Record {
        /// Of what was asked.
        op: Op,
        /// The record.
        record: Option<OwnRecord>,
    },
    /// [`Output::SendSyncProof`] is over, one way or the other.
    SyncProofSent {
        /// Of what was asked.
        op: Op,
    },
    /// Answer to [`Output::Audit`].
    Audited {
        /// Of what was asked.
        op: Op,
        /// The blocks of this key among the latest of the chain, any order.
        own: Vec<OwnBlock>,
    },
    /// A block of this key was stored, on the head's chain or beside it; perhaps one that this producer made.
    OwnBlock(OwnBlock),
    /// Blocks may have been stored that nobody reported.
    BlocksMissed,
    /// No answer to [`Output::Audit`].
    AuditFailed {
        /// Of what was asked.
        op: Op,
    },
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Ask for owners and windows of these slots on this head.
    AskSchedule {
        /// For the answer.
        op: Op,
        /// The parent.
        head: Head,
        /// Slots wanted, ascending.
        slots: Vec<Slot>,
    },
    /// Ask for this node's record in the state after this head.
    AskRecord {
        /// For the answer.
        op: Op,
        /// The head.
        head: Hash,
    },
    /// Look through the latest blocks for those of this key.
    Audit {
        /// For the answer.
        op: Op,
    },
    /// Ask for a block to sign.
    Prepare {
        /// For the answer.
        op: Op,
        /// Which.
        ask: Ask,
    },
    /// Store durably, in one commit: the claim, the promise of the guard, the proposal and the floor.
    Commit {
        /// For the answer.
        op: Op,
        /// The block promised.
        proposal: Arc<Proposal>,
        /// The guard's floor after it.
        floor: Height,
    },
    /// Sign the block's hash and submit it.
    Submit {
        /// For the answer.
        op: Op,
        /// The block.
        proposal: Arc<Proposal>,
    },
    /// Store durably that nothing is signed at or below this height any more.
    SaveFloor {
        /// The floor.
        floor: Height,
    },
    /// The block of this claim is stored.
    MarkDone {
        /// Its hash.
        block: Hash,
    },
    /// Sign a sync proof naming this block and submit it.
    SendSyncProof {
        /// For the answer.
        op: Op,
        /// Height of the head.
        height: Height,
        /// Its hash.
        hash: Hash,
    },
    /// Stop: the claims are older than the key's last use.
    Refuse {
        /// Highest block of this key on the chain.
        highest_own: Height,
        /// Highest height the claims know of.
        highest_claimed: Height,
    },
    /// Something people may want to read.
    Log(Event),
}

/// What is logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// This node owns a slot and waits for it.
    Waiting {
        /// The height to be produced.
        height: Height,
        /// The slot.
        slot: Slot,
        /// How long, milliseconds.
        wait_ms: u64,
    },
    /// A block is being made.
    Proposing {
        /// Its height.
        height: Height,
        /// Its slot.
        slot: Slot,
    },
    /// It is claimed and gets signed.
    Created(Arc<Proposal>),
    /// It is stored, and was sent to peers.
    Broadcast {
        /// Its height.
        height: Height,
        /// Peers it was sent to.
        sent_to: u32,
        /// Peers it could not be sent to.
        send_failed: u32,
    },
    /// It became the head.
    Produced(Arc<Proposal>),
    /// This node waited for its slot, and another block came first.
    AlreadyProduced {
        /// The height.
        height: Height,
    },
    /// The head moved while the block was made.
    TipChanged {
        /// Its height.
        height: Height,
    },
    /// The block was refused.
    Failed {
        /// Its height.
        height: Height,
        /// Why.
        why: String,
    },
    /// Blocks of this key are stored that this producer did not sign.
    KeyUsedElsewhere {
        /// Height of the highest.
        height: Height,
        /// Its hash.
        hash: Hash,
        /// How many they are.
        blocks: u64,
    },
}

/// Why this node does not produce, as far as the machine knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// The chain service does not report the head.
    NoHead,
    /// The oracle does not report its verdict, or its last one is old.
    NoSnapshot,
    /// This node's clock was set since the oracle's last verdict.
    ClockSet,
    /// The oracle says no.
    NotEligible,
    /// The claims are older than the key's last use.
    Refused,
}
