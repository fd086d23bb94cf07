//! What happens in a run.

use vision_authoring as authoring;
use vision_peering as peering;
use vision_peering::ConnectionId;
use vision_primitives::{Hash, NodeId};
use vision_sync_status::Question;

use crate::disk::{ChainStore, SignerStore};
use crate::message::{Message, Trickle};

/// A step of a fault.
pub(crate) enum Step {
    /// The next fault is drawn.
    Draw,
    /// A node is killed, and starts again after so many microseconds.
    Crash { node: usize, down_us: u64 },
    /// A node is killed soon after each of so many more starts.
    CrashAgain { node: usize, times: u64 },
    /// A node starts again.
    Start(usize),
    /// A disk takes writes again, and as fast as ever.
    DiskWell(usize),
    /// A machine is as fast as ever.
    Fast(usize),
    /// A clock is right again.
    ClockRight(usize),
    /// A cut begins or ends; flapping ones do so again, so many times.
    Cut { pairs: Vec<(usize, usize)>, cut: bool, again: u32 },
    /// Older copies of what a node has stored take its place.
    Restore { node: usize, chain: Option<Box<ChainStore>>, signer: Option<Box<SignerStore>>, copied_us: u64 },
    /// The operator of a producer that refuses to sign says from which height on it may.
    ResetClaims(usize),
    /// All faults are over.
    Calm,
}

/// Something that happens.
pub(crate) enum Event {
    /// A message arrives.
    Arrive {
        connection: ConnectionId,
        /// Which end has sent it.
        from: usize,
        message: Box<Message>,
    },
    /// Something happens in a node, if it has not been started again since.
    In { node: usize, life: u32, what: What },
    /// A connection on which nothing passed is looked at.
    Silence(ConnectionId),
    /// A call that nobody has answered is given up.
    CallOver(ConnectionId),
    /// A fault begins, ends, or the next one is drawn.
    Fault(Step),
    /// A client submits something.
    Submit,
    /// The invariants are looked at.
    Check,
    /// After the faults: are all well again?
    Settle { since_us: u64 },
    /// A standby node registers or leaves.
    Members,
}

/// Something that happens in a node.
pub(crate) enum What {
    /// The chain's loop goes on.
    Turn,
    /// The disk is done with the batch of a turn.
    Written,
    /// The machine of peers is due.
    PeersDue,
    /// It is due for one peer.
    PeerDue(NodeId, ConnectionId),
    /// It is given something.
    Peers(Box<peering::Input>),
    /// The oracle hears of the head.
    OracleHead,
    /// Its clock ticks.
    OracleTick,
    /// It is answered.
    OracleAnswer(Question),
    /// The chain hears of the oracle's verdict.
    Verdict(Option<u64>),
    /// The producer hears of the head.
    ProducerHead,
    /// It is due.
    ProducerDue,
    /// It is given something; an answer about a head that is gone is lost.
    Producer { input: Box<authoring::Input>, about: Option<Hash> },
    /// The disk is done with a promise.
    Promised {
        op: authoring::Op,
        proposal: std::sync::Arc<authoring::Proposal>,
        floor: vision_primitives::Height,
    },
    /// The disk is done with the signing floor.
    FloorSaved(vision_primitives::Height),
    /// A misbehaving node does something.
    Misbehave,
    /// It releases a block that it has withheld.
    Release,
    /// It sends the next block of an answer.
    Trickle(Box<Trickle>),
}

impl What {
    /// The machine of peers is given this.
    pub(crate) fn peers(input: peering::Input) -> Self {
        Self::Peers(Box::new(input))
    }

    /// A letter for the audit.
    pub(crate) const fn letter(&self) -> u8 {
        match self {
            Self::Turn => b'T',
            Self::Written => b'W',
            Self::PeersDue => b'D',
            Self::PeerDue(..) => b'd',
            Self::Peers(_) => b'P',
            Self::OracleHead => b'O',
            Self::OracleTick => b'o',
            Self::OracleAnswer(_) => b'q',
            Self::Verdict(_) => b'V',
            Self::ProducerHead => b'H',
            Self::ProducerDue => b'h',
            Self::Producer { .. } => b'p',
            Self::Promised { .. } => b'S',
            Self::FloorSaved(_) => b's',
            Self::Misbehave => b'B',
            Self::Release => b'r',
            Self::Trickle(_) => b'k',
        }
    }
}

/// An instant at which something is due once.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<u64>);

impl Alarm {
    /// Sets it unless it goes off before; whether it has to be planned.
    pub(crate) fn set(&mut self, at_us: u64) -> bool {
        let sooner = self.0.is_none_or(|set| at_us < set);
        if sooner {
            self.0 = Some(at_us);
        }
        sooner
    }

    /// Sets it anew; whether it has to be planned.
    pub(crate) fn reset(&mut self, at_us: u64) -> bool {
        self.0.replace(at_us) != Some(at_us)
    }

    /// Whether it goes off now. Once.
    pub(crate) fn rings(&mut self, now_us: u64) -> bool {
        let rings = self.0.is_some_and(|at_us| at_us <= now_us);
        if rings {
            self.0 = None;
        }
        rings
    }
}
