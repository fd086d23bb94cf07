//! What new blocks and transactions are sent to whom.

use core::ops::Range;

use vision_primitives::{Block, Hash, NodeId};

use crate::{ConnectionId, Message, Output, Peering};

/// Blocks up to this size are sent whole; of larger ones only the header is announced, bytes.
const WHOLE_BLOCK_BYTES: u64 = 64 << 10;
/// A peer to which the queue stays full so long is dropped, milliseconds.
const SEND_DEADLINE_MS: u64 = 5_000;
/// Most transactions in a message.
pub const MAX_TRANSACTIONS_IN_MESSAGE: usize = 1024;
/// Bytes of transactions in a message, unless a single one has more.
pub const TRANSACTIONS_BYTES: usize = 256 << 10;

/// As what a new block travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// With its transactions.
    Whole,
    /// Only its header: who lacks it asks for it.
    Header,
}

impl Form {
    /// The form for this block.
    #[must_use]
    pub fn of(block: &Block) -> Self {
        if block.size_bytes() <= WHOLE_BLOCK_BYTES { Self::Whole } else { Self::Header }
    }
}

/// Cuts transactions of these sizes into messages that any peer takes: which of them are in each.
pub fn parts<T>(transactions: &[T], size: impl Fn(&T) -> usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    core::iter::from_fn(move || {
        let rest = transactions.get(start..).filter(|rest| !rest.is_empty())?;
        let mut bytes = 0;
        let fits = |transaction: &&T| {
            bytes += size(transaction);
            bytes <= TRANSACTIONS_BYTES
        };
        let count = rest.iter().take(MAX_TRANSACTIONS_IN_MESSAGE).take_while(fits).count().max(1);
        let part = start..start + count;
        start = part.end;
        Some(part)
    })
}

impl Peering {
    /// A new block goes to every peer that is not known to have it. Each counts as having it from now on,
    /// unless its queue turns out to have no room.
    pub(crate) fn gossip_block(&mut self, hash: Hash, form: Form) {
        let lacking = self.peers.iter_mut().filter(|(_, peer)| !peer.has(&hash));
        let to: Vec<NodeId> = lacking
            .map(|(id, peer)| {
                peer.note(hash);
                *id
            })
            .collect();
        if !to.is_empty() {
            self.out.push(Output::Send { to, message: Message::Block { hash, form } });
        }
    }

    /// Transactions go to every peer but the one they came from.
    pub(crate) fn gossip_transactions(&mut self, from: Option<NodeId>) {
        let to: Vec<NodeId> = self.peers.keys().filter(|id| from != Some(**id)).copied().collect();
        if !to.is_empty() {
            self.out.push(Output::SendTransactions { to });
        }
    }

    pub(crate) fn no_room(&mut self, id: NodeId, message: &Message, now_ms: u64) {
        if let Message::Question { request_id, .. } = message {
            self.not_asked(&id, *request_id);
        }
        // It may have gone meanwhile.
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Message::Block { hash, .. } = message {
            peer.unnote(hash);
        }
        let since = *peer.full_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) > SEND_DEADLINE_MS {
            self.out.push(Output::Close { peer: id, connection: peer.connection, refusal: None });
        }
    }

    pub(crate) fn room_again(&mut self, id: &NodeId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.full_since_ms = None;
        }
    }

    pub(crate) fn transactions_missed(&mut self, id: &NodeId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.missed_transactions = true;
        }
    }

    pub(crate) fn pending_sent(&mut self, id: &NodeId, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.connection == connection) {
            peer.sending_pending = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hold_what_any_peer_takes_and_lose_nothing() {
        let half = TRANSACTIONS_BYTES / 2;
        let cases: [(&str, Vec<usize>, &[usize]); 7] = [
            ("none", vec![], &[]),
            ("one", vec![200], &[1]),
            ("as many as fit", vec![1; 1024], &[1024]),
            ("one more", vec![1; 1025], &[1024, 1]),
            ("as many bytes as fit", vec![half, half, 1], &[2, 1]),
            ("one byte too many", vec![half, half + 1, 1], &[1, 2]),
            ("too large for itself", vec![TRANSACTIONS_BYTES + 1, 1, 1], &[1, 2]),
        ];
        for (desc, sizes, expect) in cases {
            let parts: Vec<_> = parts(&sizes, |size| *size).collect();
            assert_eq!(parts.iter().map(Range::len).collect::<Vec<_>>(), expect, "{desc}");
            assert_eq!(
                parts.into_iter().flatten().collect::<Vec<_>>(),
                Vec::from_iter(0..sizes.len()),
                "{desc}"
            );
        }
    }
}
