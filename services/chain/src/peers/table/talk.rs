//! What goes out to peers.

use vision_primitives::{Block, NodeId};
use vision_wire::p2p::{
    BlockAnnouncement, BlocksRequest, GetBlocksRequest, NewBlock, PeerMessage, Transactions, peer_message,
};

use super::super::questions::Answer;
use super::{PeerTable, WHOLE_BLOCK_BYTES};

impl PeerTable {
    /// Asks a peer for blocks; `None` if it is not connected or cannot be asked now.
    pub fn ask(&self, id: &NodeId, query: GetBlocksRequest) -> Option<Answer> {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        let peer = inner.peers.get_mut(id)?;
        let (request_id, answer) = peer.questions.open(query.max_blocks)?;
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
    pub fn broadcast_block(&self, block: &Block) -> (u32, u32) {
        let kind = if block.size_bytes() <= WHOLE_BLOCK_BYTES {
            peer_message::Kind::NewBlock(NewBlock {
                block: Some(vision_wire::block_to_proto(block)),
                traceparent: String::new(),
            })
        } else {
            peer_message::Kind::Announcement(BlockAnnouncement {
                header: block.header_bytes().to_vec().into(),
                signature: block.signature().0.to_vec().into(),
                traceparent: String::new(),
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
    pub fn broadcast_transactions(&self, transactions: Vec<bytes::Bytes>, except: Option<&NodeId>) {
        let kind = peer_message::Kind::Transactions(Transactions { transactions });
        let message = PeerMessage { kind: Some(kind) };
        let now = self.clock.monotonic_ms();
        for (id, peer) in &mut self.lock().peers {
            if except != Some(id) {
                // A full outbox only delays a transaction: its sender sends it again.
                let _ = peer.send(message.clone(), now);
            }
        }
    }
}
