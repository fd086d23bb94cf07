//! What nodes send each other. Signatures of statuses and introductions are taken for right; those of blocks
//! and transactions are real.

use std::collections::VecDeque;
use std::sync::Arc;

use vision_importer::TipClaim;
use vision_peering::{ConnectionId, Query, StatusTimes};
use vision_primitives::{Block, SignedTransaction};

/// A message on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// The caller has proven itself: the callee looks whether it has a place.
    Introduction,
    /// The callee has a place for the caller.
    Welcome,
    Status {
        times: StatusTimes,
        tip: TipClaim,
    },
    Block(Arc<Block>),
    Header {
        header: Vec<u8>,
        signature: Vec<u8>,
    },
    Question {
        request_id: u64,
        query: Query,
    },
    Part {
        request_id: u64,
        block: Arc<Block>,
    },
    End {
        request_id: u64,
        reason: String,
    },
    Addresses(Vec<String>),
    Transactions(Arc<[SignedTransaction]>),
}

/// An answer that comes one block at a time.
pub(crate) struct Trickle {
    pub connection: ConnectionId,
    pub end: usize,
    pub request_id: u64,
    pub left: VecDeque<Arc<Block>>,
}

/// Why a connection ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ending {
    /// In words.
    pub why: String,
    /// The other side has another connection of this pair.
    pub connected_already: bool,
    /// The other side is this node itself.
    pub itself: bool,
}

impl Ending {
    pub(crate) fn broken(why: &str) -> Self {
        Self { why: why.to_owned(), connected_already: false, itself: false }
    }
}

impl Message {
    /// About how many bytes it has on the wire.
    pub(crate) fn size_bytes(&self) -> u64 {
        const FRAME: u64 = 40;
        let content = match self {
            Self::Introduction | Self::Welcome => 400,
            // Header, signatures, hashes and a report.
            Self::Status { .. } => 700,
            Self::Block(block) | Self::Part { block, .. } => block.size_bytes() + 400,
            Self::Header { header, signature } => (header.len() + signature.len()) as u64,
            Self::Question { query: Query::After { locator, .. }, .. } => 36 * locator.len() as u64,
            Self::Question { .. } => 40,
            Self::End { reason, .. } => reason.len() as u64,
            Self::Addresses(list) => list.iter().map(|address| address.len() as u64 + 2).sum(),
            Self::Transactions(list) => list.iter().map(|one| one.bytes().len() as u64 + 2).sum(),
        };
        content + FRAME
    }

    /// A letter for the audit.
    pub(crate) const fn letter(&self) -> u8 {
        match self {
            Self::Introduction => b'i',
            Self::Welcome => b'w',
            Self::Status { .. } => b's',
            Self::Block(_) => b'b',
            Self::Header { .. } => b'h',
            Self::Question { .. } => b'q',
            Self::Part { .. } => b'p',
            Self::End { .. } => b'e',
            Self::Addresses(_) => b'a',
            Self::Transactions(_) => b't',
        }
    }
}
