//! What peers say: whole blocks, headers and claims, none of it believed before it is checked.

use vision_block_tree::Refusal;
use vision_primitives::{Block, Hash, Header, Height, NodeId, Signature, TimestampMs};
use vision_wire::p2p::Status as PeerStatus;

use super::Core;
use crate::actor::ImportEnd;
use crate::actor::held::Waiting;
use crate::actor::turn::{Origin, Turn};

/// A block further ahead of the clock than this is dropped, milliseconds (section 5).
const FAR_AHEAD_MS: u64 = 10_000;
/// Header hashes remembered as faulty.
const MAX_FAULTY_HEADERS: usize = 1024;

impl Core {
    pub(super) fn announced(&mut self, peer: NodeId, block: Block, turn: &mut Turn) {
        let (hash, height) = (block.hash(), block.header().height);
        if self.unwritten.is_some() {
            return;
        }
        if self.parts.tree.get(&hash).is_some() {
            return self.parts.peers.tip_known(&peer, height, hash);
        }
        if self.faulty.contains(&hash) {
            return self.parts.peers.charge(&peer, 20, "a block already refused");
        }
        let (now, stamp) = (self.now(), block.header().timestamp_ms);
        let drift = self.parts.rules.genesis.params.max_clock_drift_ms;
        if stamp > now.plus_ms(FAR_AHEAD_MS) {
            if stamp > self.now_of(&peer).plus_ms(FAR_AHEAD_MS) {
                // A clock that was just set back is no fault of the peer's.
                let measured = self.parts.peers.clock_offset_ms(&peer).is_some();
                let points = if measured { 20 } else { 1 };
                self.parts.peers.charge(&peer, points, "a block more than 10 s ahead of this clock");
            }
            return;
        }
        if stamp > now.plus_ms(drift) {
            let due = TimestampMs(stamp.get() - drift);
            if self.vouched(&peer, &block).is_none() {
                return;
            }
            return self.early.hold(due, Waiting { peer, block, arrived: now });
        }
        // What is refused is dealt with where it is refused.
        let _ = self.take(block, Origin::Announced(peer), None, turn);
    }

    pub(super) fn import_chunk(&mut self, peer: NodeId, blocks: Vec<Block>, turn: &mut Turn) -> ImportEnd {
        let mut new = 0;
        for block in blocks {
            if self.unwritten.is_some() {
                return ImportEnd::Stopped(new);
            }
            let known = self.parts.tree.get(&block.hash()).is_some();
            if known || block.header().height <= self.parts.tree.final_entry().height() {
                continue;
            }
            let drift = self.parts.rules.genesis.params.max_clock_drift_ms;
            let stamp = block.header().timestamp_ms;
            if stamp > self.now().plus_ms(drift) {
                // The announcement of this block, or the next status, brings it again when it is time.
                if stamp <= self.now_of(&peer).plus_ms(drift) {
                    self.parts.peers.excuse(&peer);
                }
                return ImportEnd::Stopped(new);
            }
            match self.take(block, Origin::Fetched(peer), None, turn) {
                Ok(()) => new += 1,
                Err(Some(Refusal::AlreadyKnown)) => {}
                // What there is no room for is not new: to come and go again for it would never end.
                Err(_) => return ImportEnd::Stopped(new),
            }
        }
        ImportEnd::Imported(new)
    }

    pub(super) fn header(&mut self, peer: NodeId, header: &[u8], signature: &[u8]) {
        let hash = Header::hash_bytes(&self.parts.rules.genesis_hash, header);
        if let Some(entry) = self.parts.tree.get(&hash) {
            return self.parts.peers.tip_known(&peer, entry.height(), hash);
        }
        self.parts.peers.note_known(&peer, hash);
        let Some(signature) = Signature::from_slice(signature) else {
            return self.parts.peers.charge(&peer, 20, "an announcement without a signature");
        };
        match self.parts.tree.check_claim(header, &signature, self.now()) {
            // A block that can no longer matter is not worth a fetch.
            Ok((_, height)) if height <= self.parts.tree.final_entry().height() => {}
            Ok(_) if self.is_one_too_many(header) => {}
            Ok(_) => self.parts.peers.fetch(&peer, hash),
            // Registered, it may be, by a block that this node lacks.
            Err(Refusal::UnknownProducer(_)) => {}
            Err(refusal) if refusal.is_header_fault() || refusal == Refusal::Signature => {
                self.parts.peers.charge(&peer, 20, refusal.reason());
            }
            Err(_) => {}
        }
    }

    /// Whether an announced block would be refused for its siblings, so that it need not be fetched.
    fn is_one_too_many(&self, header: &[u8]) -> bool {
        Header::from_bytes(header).is_ok_and(|header| self.parts.tree.check_siblings(&header).is_err())
    }

    pub(super) fn claim(&mut self, peer: NodeId, status: &PeerStatus) {
        let genesis_hash = self.parts.rules.genesis_hash;
        let Ok(hash) = <[u8; 32]>::try_from(status.tip_hash.as_ref()).map(Hash) else {
            return self.parts.peers.charge(&peer, 20, "a tip hash that has not 32 bytes");
        };
        if status.height == 0 {
            if hash == genesis_hash {
                self.parts.peers.tip_known(&peer, Height::GENESIS, hash);
            } else {
                self.parts.peers.charge(&peer, 50, "another block 0");
            }
            return;
        }
        let shown = Header::from_bytes(&status.header);
        let fits = Header::hash_bytes(&genesis_hash, &status.header) == hash;
        let Some(header) = shown.ok().filter(|header| fits && header.height.get() == status.height) else {
            return self.parts.peers.charge(&peer, 50, "a status whose header is not its tip");
        };
        let below_final = header.height <= self.parts.tree.final_entry().height();
        if self.parts.tree.get(&hash).is_some() || below_final {
            return self.parts.peers.tip_known(&peer, header.height, hash);
        }
        let verified = Signature::from_slice(&status.header_signature).is_some_and(|signature| {
            self.parts.tree.check_claim(&status.header, &signature, self.now_of(&peer)).is_ok()
        });
        self.parts.peers.tip_claimed(&peer, header.height, hash, self.possible_weight(&header), verified);
    }

    /// The weight a header says, but no more than a chain of its height can have.
    pub(super) fn possible_weight(&self, header: &Header) -> u64 {
        header.weight.min(self.parts.rules.most_weight(header.height))
    }

    /// Whether the header of a block that is to wait is signed by a producer we know; `None` if the block is
    /// not worth waiting, because another copy of it would have to be kept out for a bad one.
    pub(super) fn vouched(&self, peer: &NodeId, block: &Block) -> Option<bool> {
        let claim = self.parts.tree.check_claim(block.header_bytes(), block.signature(), self.now_of(peer));
        let whole = block.computed_tx_root() == block.header().tx_root;
        if !whole || claim == Err(Refusal::Signature) {
            let refusal = if whole { "BAD_BLOCK_SIGNATURE" } else { "BAD_TX_ROOT" };
            self.parts.peers.charge(peer, 50, refusal);
            return None;
        }
        Some(claim.is_ok())
    }

    pub(super) fn remember_faulty(&mut self, hash: Hash) {
        if self.faulty.insert(hash) {
            self.faulty_order.push_back(hash);
            if self.faulty_order.len() > MAX_FAULTY_HEADERS
                && let Some(old) = self.faulty_order.pop_front()
            {
                self.faulty.remove(&old);
            }
        }
    }
}
