//! Misbehaviour: what it costs, and how often the log says so.

use vision_primitives::NodeId;

use crate::{Log, Output, Peering, Refusal};

/// Charge at which a peer is dropped and banned.
pub const MAX_CHARGE: u32 = 100;
/// How long a ban lasts, milliseconds.
const BAN_MS: u64 = 60_000;
/// Bans, charges and claims remembered of nodes, connected or gone: more than there can be peers.
pub(crate) const MAX_RECORDS: usize = 2048;

/// What no honest peer sends, by its form alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A message that does not decode.
    Undecodable,
    /// A message without content, or with too long a list.
    Empty,
    /// Another introduction on a connection that stands.
    SecondIntroduction,
    /// A status that the peer has not signed.
    StatusSignature,
    /// A report that does not decode.
    Report,
    /// A report that the peer has not signed.
    ReportSignature,
    /// A new block without a block.
    NoNewBlock,
    /// A part of an answer without a block.
    NoPart,
    /// A block that does not decode, and what is wrong with it.
    Block(String),
    /// Transactions that are none, and what is wrong with them.
    Transactions(String),
    /// A question that makes no sense, and the code of what is wrong with it.
    Question(String),
}

impl Fault {
    /// What it costs.
    #[must_use]
    pub const fn points(&self) -> u32 {
        match self {
            Self::Empty | Self::NoNewBlock | Self::NoPart | Self::Question(_) => 20,
            Self::Undecodable | Self::Report | Self::Block(_) | Self::Transactions(_) => 50,
            Self::SecondIntroduction | Self::StatusSignature | Self::ReportSignature => 100,
        }
    }

    /// What it is, for the log and for the peer.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Undecodable => "a message that does not decode",
            Self::Empty => "an empty message, or one with too long a list",
            Self::SecondIntroduction => "a second handshake message",
            Self::StatusSignature => "a status with a wrong signature",
            Self::Report => "a report that does not decode",
            Self::ReportSignature => "a report with a wrong signature",
            Self::NoNewBlock => "a new block without a block",
            Self::NoPart => "a part without a block",
            Self::Block(why) | Self::Transactions(why) | Self::Question(why) => why,
        }
    }
}

impl Peering {
    /// Whether a line about a node's misbehaviour may be written now, and how many were left out since the
    /// last one.
    pub fn may_log(&mut self, id: &NodeId, what: &str, now_ms: u64) -> Option<u64> {
        self.charges_logged.pass(&format!("{what} {}", id.short()), now_ms)
    }

    /// Charges misbehaviour to a node; at [`MAX_CHARGE`] it is dropped and banned for a while.
    pub(crate) fn charge(&mut self, id: NodeId, points: u32, why: &str, now_ms: u64) {
        if self.charges.len() >= MAX_RECORDS && !self.charges.contains_key(&id) {
            self.charges.retain(|_, (charge, at)| decayed(*charge, *at, now_ms) > 0);
            if self.charges.len() >= MAX_RECORDS {
                self.charges.pop_first();
            }
        }
        let record = self.charges.entry(id).or_insert((0, now_ms));
        let charge = decayed(record.0, record.1, now_ms).saturating_add(points);
        *record = (charge, now_ms);
        if let Some(left_out) = self.may_log(&id, "charge", now_ms) {
            let why = why.to_owned();
            self.out.push(Output::Log(Log::Charged { peer: id, points, charge, why, left_out }));
        }
        if charge >= MAX_CHARGE {
            self.charges.remove(&id);
            if self.bans.len() >= MAX_RECORDS {
                self.bans.pop_first();
            }
            self.bans.insert(id, now_ms + BAN_MS);
            if let Some(peer) = self.peers.get(&id) {
                let refusal = Some(Refusal::Misbehaved { why: why.to_owned() });
                self.out.push(Output::Close { peer: id, connection: peer.connection, refusal });
            }
        }
        self.out.push(Output::Changed);
    }
}

/// A charge loses a point every second.
pub(crate) fn decayed(charge: u32, at_ms: u64, now_ms: u64) -> u32 {
    let seconds = u32::try_from(now_ms.saturating_sub(at_ms) / 1000).unwrap_or(u32::MAX);
    charge.saturating_sub(seconds)
}
