//! What the machine is given.

use vision_primitives::{Block, Hash, Height, NodeId, Pool};

use crate::{Fault, Form, Message};

/// An instant by both clocks, milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// By the clock of the wall, which may jump: for what is compared with a peer's clock.
    pub wall_ms: u64,
    /// By the clock that never jumps: for everything else.
    pub mono_ms: u64,
}

/// A connection. Whoever runs it numbers it; no number comes twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConnectionId(pub u64);

/// A fetch of one announced block. Whoever reports the announcement numbers it; no number comes twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FetchId(pub u64);

/// A round of catching up, numbered by the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RoundId(pub(crate) u64);

/// A connection whose other side has proven its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proven {
    /// The connection.
    pub connection: ConnectionId,
    /// Who is at its other end.
    pub peer: NodeId,
    /// Where the peer can be called, host:port. It is the address that was called if this node called.
    pub address: String,
    /// Whether the peer called.
    pub inbound: bool,
    /// Where the connection leads: the address called, or the socket of the caller.
    pub remote: String,
    /// Whom the address book counts as the source of what this peer sends: ids cost nothing, hosts do.
    pub source: String,
    /// The peer's software version, fit to be shown.
    pub version: String,
}

/// What a signed status says of times, milliseconds since 1970. 0 stands for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatusTimes {
    /// When the peer sent it, by its clock.
    pub sent_at_ms: u64,
    /// `sent_at_ms` of the status that the peer received last.
    pub echo_sent_at_ms: u64,
    /// When that one came, by the peer's clock.
    pub echo_received_at_ms: u64,
}

/// A message of a peer, as far as it is this machine's to judge: form and signatures are checked before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A status whose signature is right. Its tip is judged by the chain, and comes back as another input.
    Status(StatusTimes),
    /// The peer has this block: it has sent or announced it.
    Has(Hash),
    /// A block of the answer to a question.
    Part {
        /// The question.
        request_id: u64,
        /// The block.
        block: Box<Block>,
    },
    /// The end of such an answer.
    End {
        /// The question.
        request_id: u64,
        /// Empty if the answer is whole, else why it broke off, fit to be shown.
        reason: String,
    },
    /// Addresses of other nodes.
    Addresses(Vec<String>),
    /// Something that no honest peer sends.
    Faulty(Fault),
}

/// How a call was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedCall {
    /// This node itself answered.
    Itself,
    /// A node of another chain, or with another protocol.
    OtherChain,
    /// For another reason.
    Other,
}

/// What came of a call. Texts are fit to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallOutcome {
    /// There is a connection with this node already.
    Known(NodeId),
    /// A connection stood and has ended.
    Stood {
        /// With this node.
        peer: NodeId,
        /// For so long, milliseconds.
        stood_ms: u64,
        /// Why it ended.
        why: String,
        /// Whether the other side ended it because it has another connection of this pair.
        connected_already: bool,
    },
    /// One of the two sides refused it.
    Refused {
        /// How.
        refused: RefusedCall,
        /// Why.
        why: String,
    },
    /// It broke before it stood.
    Broken {
        /// Why.
        why: String,
    },
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The time of an [`Output::WakeAt`](crate::Output::WakeAt) has come.
    Tick,

    /// The other side of a connection has proven who it is.
    Proven(Proven),
    /// A connection that had been admitted has ended.
    Ended {
        /// Whose.
        peer: NodeId,
        /// Which.
        connection: ConnectionId,
        /// Why, fit to be shown.
        why: String,
        /// How long it stood, milliseconds.
        stood_ms: u64,
    },
    /// A call has ended, and with it the connection that came of it, if any.
    CallEnded {
        /// Where.
        address: String,
        /// How.
        outcome: CallOutcome,
    },
    /// Another process has proven this node's identity.
    OwnTwin {
        /// Where it says it listens, fit to be shown.
        address: String,
    },

    /// A peer sent something.
    Received {
        /// Who.
        peer: NodeId,
        /// What.
        message: Received,
    },
    /// The time of an [`Output::WakePeerAt`](crate::Output::WakePeerAt) has come.
    PeerDue {
        /// Whose.
        peer: NodeId,
        /// Of which connection.
        connection: ConnectionId,
    },
    /// The queue to a peer had no room for a message.
    NoRoom {
        /// Whose.
        peer: NodeId,
        /// What it missed.
        message: Message,
    },
    /// The queue to a peer took a message after it had had no room.
    RoomAgain {
        /// Whose.
        peer: NodeId,
    },
    /// A peer has missed some of the transactions that were gossiped.
    TransactionsMissed {
        /// Who.
        peer: NodeId,
    },
    /// Everything pending has been sent, or the connection has ended meanwhile.
    PendingSent {
        /// To whom.
        peer: NodeId,
        /// On which connection.
        connection: ConnectionId,
    },

    /// A peer's tip is a block this node has.
    TipKnown {
        /// Whose.
        peer: NodeId,
        /// Its height.
        height: Height,
        /// Its hash.
        hash: Hash,
    },
    /// A peer claims a tip this node does not have.
    TipClaimed {
        /// Who.
        peer: NodeId,
        /// Its height.
        height: Height,
        /// Its hash.
        hash: Hash,
        /// The weight it says, as far as it is possible.
        weight: u64,
        /// Whether the header it shows is signed by a producer the chain knows.
        verified: bool,
    },
    /// Only this node's clock or disk keeps it from taking what the peer claims or has delivered.
    Excused {
        /// Who.
        peer: NodeId,
    },
    /// The chain found fault with a node.
    Charged {
        /// With whom.
        peer: NodeId,
        /// How bad it is.
        points: u32,
        /// What it is.
        why: String,
    },
    /// This node's head is now this one.
    HeadMoved {
        /// Its height.
        height: Height,
        /// Its weight.
        weight: u64,
        /// Registered producers in the state after it.
        registered: Pool,
    },
    /// Blocks are stored.
    Stored {
        /// Which.
        blocks: Vec<(Height, Hash)>,
        /// The peer they came from, if one did.
        from: Option<NodeId>,
    },
    /// A stored block is to be gossiped.
    GossipBlock {
        /// Its hash.
        hash: Hash,
        /// As what it travels.
        form: Form,
    },
    /// Transactions are to be gossiped.
    GossipTransactions {
        /// The peer they came from, if one did.
        from: Option<NodeId>,
    },

    /// A peer announced a block that this node lacks and wants.
    Wanted {
        /// The number of this fetch.
        fetch: FetchId,
        /// Who announced it.
        peer: NodeId,
        /// Its hash.
        hash: Hash,
    },
    /// The chain has taken over a fetched block.
    Delivered {
        /// The fetch.
        fetch: FetchId,
    },
    /// Hashes by which a peer can find the last block in common.
    Located {
        /// The round that asked for them.
        round: RoundId,
        /// The hashes, the highest first, the last one final.
        locator: Vec<Hash>,
    },
    /// The import of a round's blocks is over, and all inputs it caused have been given before.
    Imported {
        /// The round.
        round: RoundId,
        /// How many of them were new.
        new: usize,
        /// Whether the rest cannot be taken.
        stopped: bool,
        /// Height of the last final block after it.
        finalized: Height,
    },
    /// Whether the chain knows the block that a round asked about.
    LookedUp {
        /// The round.
        round: RoundId,
        /// The answer.
        known: bool,
    },
}
