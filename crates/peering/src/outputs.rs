//! What the machine wants done.

use vision_primitives::{Block, Hash, Height, NodeId};

use crate::{CallEnd, ConnectionId, FetchId, Form, Refusal, RoundId};

/// What a status to a peer echoes of the peer's last one. 0 stands for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Echo {
    /// Its `sent_at_ms`.
    pub sent_at_ms: u64,
    /// When it came, by this node's clock.
    pub received_at_ms: u64,
}

/// A question for blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// One block.
    One(Hash),
    /// The peer's chain after the first of these hashes that is on it.
    After {
        /// The highest first.
        locator: Vec<Hash>,
        /// Most blocks.
        max_blocks: u32,
    },
    /// A stretch of the peer's chain.
    Stretch {
        /// Its first block.
        from: Height,
        /// Most blocks.
        max_blocks: u32,
    },
}

/// A message for peers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A status as [`Output::SendStatus`] asked for it: the signed head of the moment.
    Status,
    /// A new block.
    Block {
        /// Its hash.
        hash: Hash,
        /// As what it travels.
        form: Form,
    },
    /// A question for blocks.
    Question {
        /// Its number on this connection.
        request_id: u64,
        /// The question.
        query: Query,
    },
    /// Addresses of nodes that have answered.
    Addresses(Vec<String>),
}

/// Something that takes time and whose end is an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// Call this address; ends with [`Input::CallEnded`](crate::Input::CallEnded).
    Call {
        /// Where.
        address: String,
    },
    /// Read a locator from the chain; ends with [`Input::Located`](crate::Input::Located).
    Locate {
        /// For this round.
        round: RoundId,
    },
    /// Import blocks; ends with [`Input::Imported`](crate::Input::Imported).
    Import {
        /// For this round.
        round: RoundId,
        /// Whose they are.
        from: NodeId,
        /// The blocks, ascending without gap.
        blocks: Vec<Block>,
    },
    /// Look whether the chain knows a block; ends with [`Input::LookedUp`](crate::Input::LookedUp).
    LookUp {
        /// For this round.
        round: RoundId,
        /// The block.
        hash: Hash,
    },
    /// Give the chain a block that was announced and fetched; ends with
    /// [`Input::Delivered`](crate::Input::Delivered).
    Deliver {
        /// For this fetch.
        fetch: FetchId,
        /// Who announced it.
        peer: NodeId,
        /// The block.
        block: Box<Block>,
    },
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Give [`Input::Tick`](crate::Input::Tick) at this instant of the clock that never jumps, instead of the
    /// last one asked for, milliseconds.
    WakeAt(u64),
    /// Give [`Input::PeerDue`](crate::Input::PeerDue) at this instant, instead of the last one asked for.
    WakePeerAt {
        /// For this peer.
        peer: NodeId,
        /// For this connection.
        connection: ConnectionId,
        /// When, milliseconds.
        at_ms: u64,
    },
    /// What [`Peering::list`](crate::Peering::list) gives may have changed.
    Changed,
    /// Write a line.
    Log(Log),

    /// A proven connection has its place in the table.
    Admitted {
        /// Whose.
        peer: NodeId,
        /// Which.
        connection: ConnectionId,
    },
    /// A proven connection has none.
    Refused {
        /// Whose.
        peer: NodeId,
        /// Which.
        connection: ConnectionId,
        /// Why; the peer is sent the reason.
        refusal: Refusal,
    },
    /// End an admitted connection.
    Close {
        /// Whose.
        peer: NodeId,
        /// Which.
        connection: ConnectionId,
        /// Why; the peer is sent the reason. `None` if it takes no message any more.
        refusal: Option<Refusal>,
    },

    /// Send a message to these peers, as far as there is room.
    Send {
        /// To whom.
        to: Vec<NodeId>,
        /// What.
        message: Message,
    },
    /// Send a peer the signed head of the moment.
    SendStatus {
        /// To whom.
        peer: NodeId,
        /// What it echoes.
        echo: Echo,
    },
    /// Send these peers the transactions being gossiped, in [`parts`](crate::parts).
    SendTransactions {
        /// To whom.
        to: Vec<NodeId>,
    },
    /// Send a peer every pending transaction, as fast as it takes them; ends with
    /// [`Input::PendingSent`](crate::Input::PendingSent).
    SendPending {
        /// To whom.
        peer: NodeId,
        /// On which connection.
        connection: ConnectionId,
    },

    /// Begin something that takes time.
    Begin(Task),
    /// A fetch is over and brought nothing.
    FetchOver(FetchId),
}

/// A line of the log, by its values. Texts are fit to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Log {
    /// A connection stands.
    Connected {
        /// With whom.
        peer: NodeId,
        /// The peer's software version.
        version: String,
        /// Whether the peer called.
        inbound: bool,
    },
    /// A connection has ended.
    Disconnected {
        /// With whom.
        peer: NodeId,
        /// Why.
        why: String,
        /// How long it stood, milliseconds.
        stood_ms: u64,
    },
    /// Misbehaviour was charged.
    Charged {
        /// To whom.
        peer: NodeId,
        /// How much.
        points: u32,
        /// How much it is with what was charged before.
        charge: u32,
        /// For what.
        why: String,
        /// Such lines about this node that were left out since the last one.
        left_out: u64,
    },
    /// An answer broke off.
    BrokeOff {
        /// Whose.
        peer: NodeId,
        /// Why.
        why: String,
    },
    /// A call is over.
    CallOver {
        /// Where.
        address: String,
        /// How the address book takes it.
        end: CallEnd,
        /// Why.
        why: String,
    },
    /// A call found a node of another chain.
    OtherChain {
        /// Where.
        address: String,
        /// How it or this node refused.
        refused: String,
        /// Such lines about this address that were left out.
        left_out: u64,
    },
    /// A seed has failed several times in a row.
    SeedFailed {
        /// Which.
        address: String,
        /// Why this time.
        why: String,
        /// How often in a row.
        failures: u32,
        /// Such lines about this address that were left out.
        left_out: u64,
    },
    /// Another process has proven this node's identity.
    OwnTwin {
        /// The identity.
        identity: NodeId,
        /// Where it says it listens.
        address: String,
    },
    /// Another process seems to use this node's identity: a peer refuses this one as already connected.
    RefusedTwin {
        /// The identity.
        identity: NodeId,
        /// Where the peer was called.
        address: String,
        /// In what words it refused.
        why: String,
    },
    /// A peer's identity is in use by two processes.
    Twin {
        /// The identity.
        identity: NodeId,
        /// Where the one is.
        first: String,
        /// Where the other one is.
        second: String,
    },
}
