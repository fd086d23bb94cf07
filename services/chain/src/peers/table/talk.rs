//! What goes out to peers.

use bytes::Bytes;
use vision_primitives::{Block, NodeId};
use vision_wire::p2p::{
    BlockAnnouncement, BlocksRequest, GetBlocksRequest, NewBlock, PeerMessage, Transactions, peer_message,
};

use super::super::questions::Answer;
use super::{PeerTable, WHOLE_BLOCK_BYTES};
use vision_wire::MAX_TRANSACTIONS_IN_MESSAGE;

/// Bytes of transactions in a message, unless a single one has more.
pub const TRANSACTIONS_BYTES: usize = 256 << 10;

/// Transactions in messages of a size that any peer takes.
pub fn messages_of(transactions: &[Bytes]) -> impl Iterator<Item = PeerMessage> {
    let mut rest = transactions;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |transaction: &&Bytes| {
            bytes += transaction.len();
            bytes <= TRANSACTIONS_BYTES
        };
        let count = rest.iter().take(MAX_TRANSACTIONS_IN_MESSAGE).take_while(fits).count().max(1);
        let (now, later) = rest.split_at_checked(count)?;
        rest = later;
        let kind = peer_message::Kind::Transactions(Transactions { transactions: now.to_vec() });
        Some(PeerMessage { kind: Some(kind) })
    })
}

impl PeerTable {
    /// Asks a peer for blocks; `None` if it is not connected or cannot be asked now.
    pub fn ask(&self, id: &NodeId, query: GetBlocksRequest) -> Option<Answer> {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        let peer = inner.peers.get_mut(id)?;
        let (request_id, answer) = peer.questions.open(query.max_blocks)?;
        if let Some(claim) = &mut peer.claim {
            claim.asked_ms.get_or_insert(now);
        }
        let kind = peer_message::Kind::BlocksRequest(BlocksRequest { request_id, query: Some(query) });
        peer.send(PeerMessage { kind: Some(kind) }, now).then_some(answer)
    }

    /// Takes a block of an answer.
    pub fn answer_part(&self, id: &NodeId, request_id: u64, block: Block) -> Result<(), &'static str> {
        let mut inner = self.lock();
        inner.peers.get_mut(id).map_or(Ok(()), |peer| peer.questions.part(request_id, block))
    }

    /// Takes the end of an answer.
    pub fn answer_end(&self, id: &NodeId, request_id: u64, reason: &str) {
        if let Some(peer) = self.lock().peers.get_mut(id) {
            peer.questions.end(request_id, reason);
        }
    }

    /// Queues a message for one peer.
    pub fn send(&self, id: &NodeId, message: PeerMessage) -> bool {
        let now = self.clock.monotonic_ms();
        self.lock().peers.get_mut(id).is_some_and(|peer| peer.send(message, now))
    }

    /// Queues a new block, or its announcement, for every peer that is not known to have it; gives how
    /// many took it and how many had no room.
    pub fn broadcast_block(&self, block: &Block, traceparent: &str) -> (u32, u32) {
        let kind = if block.size_bytes() <= WHOLE_BLOCK_BYTES {
            peer_message::Kind::NewBlock(NewBlock {
                block: Some(vision_wire::block_to_proto(block)),
                traceparent: traceparent.to_owned(),
            })
        } else {
            peer_message::Kind::Announcement(BlockAnnouncement {
                header: block.header_bytes().to_vec().into(),
                signature: block.signature().0.to_vec().into(),
                traceparent: traceparent.to_owned(),
            })
        };
        let message = PeerMessage { kind: Some(kind) };
        let now = self.clock.monotonic_ms();
        let (mut sent, mut failed) = (0, 0);
        for peer in self.lock().peers.values_mut() {
            if peer.known_set.contains(&block.hash()) {
                continue;
            }
            if peer.send(message.clone(), now) {
                peer.note(block.hash());
                sent += 1;
            } else {
                failed += 1;
            }
        }
        (sent, failed)
    }

    /// Queues transactions for every peer but the one they came from.
    pub fn broadcast_transactions(&self, transactions: &[Bytes], except: Option<&NodeId>) {
        for message in messages_of(transactions) {
            for (_, peer) in self.lock().peers.iter().filter(|(id, _)| except != Some(*id)) {
                peer.gossip.send(message.clone());
            }
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
            let all: Vec<_> =
                (0_u8..=250).cycle().zip(&sizes).map(|(n, size)| Bytes::from(vec![n; *size])).collect();
            let messages: Vec<_> = messages_of(&all)
                .map(|message| match message.kind {
                    Some(peer_message::Kind::Transactions(message)) => message.transactions,
                    other => panic!("{desc}: {other:?}"),
                })
                .collect();
            assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), expect, "{desc}");
            assert_eq!(messages.concat(), all, "{desc}");
        }
    }
}
