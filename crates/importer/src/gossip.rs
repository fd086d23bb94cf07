//! What peers say: whole blocks, headers and tips, none of it trusted before it is checked.

use std::sync::Arc;

use vision_block_tree::Refusal;
use vision_primitives::{Block, Header, Height, NodeId, Signature, TimestampMs};

use crate::answers::ImportEnd;
use crate::batch::Draft;
use crate::blocks::{Coming, Declined};
use crate::held::Waiting;
use crate::messages::{Origin, Output, PeerClock, TipClaim};
use crate::{Importer, Outside};

/// A block further ahead of the clock than this is dropped, milliseconds (section 5).
const FAR_AHEAD_MS: u64 = 10_000;

impl Importer {
    fn charge(&mut self, peer: NodeId, points: u32, why: &'static str) {
        self.out.push(Output::Charge { peer, points, why });
    }

    /// Now by a peer's clock if that is ahead of ours: between clocks far apart nobody can say whose is
    /// wrong, and the oracle can see CLOCK_SKEW only while the peer counts.
    fn now_of(&self, clock: PeerClock) -> TimestampMs {
        self.now.wall.plus_ms(clock.ahead_ms)
    }

    pub(crate) fn announced(
        &mut self,
        peer: NodeId,
        clock: PeerClock,
        block: Arc<Block>,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) {
        let (hash, height) = (block.hash(), block.header().height);
        if self.is_behind() {
            return;
        }
        if self.tree.get(&hash).is_some() {
            return self.out.push(Output::TipKnown { peer, height, hash });
        }
        if self.faulty.contains(&hash) {
            return self.charge(peer, 20, "a block already refused");
        }
        let (now, stamp) = (self.now.wall, block.header().timestamp_ms);
        let drift = self.tree.rules().params().max_clock_drift_ms;
        if stamp > now.plus_ms(FAR_AHEAD_MS) {
            if stamp > self.now_of(clock).plus_ms(FAR_AHEAD_MS) {
                // A clock that was just set back is no fault of the peer's.
                let points = if clock.measured { 20 } else { 1 };
                self.charge(peer, points, "a block more than 10 s ahead of this clock");
            }
            return;
        }
        if stamp > now.plus_ms(drift) {
            let due = TimestampMs(stamp.get() - drift);
            if self.vouched(&peer, clock, &block).is_none() {
                return;
            }
            return self.early.hold(due, Waiting { peer, clock, block, arrived: now });
        }
        let coming = Coming { block, origin: Origin::Announced(peer), clock, arrived: now, reply: None };
        // What is refused is dealt with where it is refused.
        let _ = self.take_all(coming, draft, outside);
    }

    pub(crate) fn import_chunk(
        &mut self,
        peer: NodeId,
        clock: PeerClock,
        blocks: Vec<Block>,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) -> ImportEnd {
        let mut new = 0;
        for block in blocks {
            let known = self.tree.get(&block.hash()).is_some();
            if known || block.header().height <= self.tree.final_entry().height() {
                continue;
            }
            let drift = self.tree.rules().params().max_clock_drift_ms;
            let stamp = block.header().timestamp_ms;
            if stamp > self.now.wall.plus_ms(drift) {
                // The announcement of this block, or the next status, brings it again when it is time.
                if stamp <= self.now_of(clock).plus_ms(drift) {
                    self.out.push(Output::Excuse { peer });
                }
                return ImportEnd::Stopped(new);
            }
            match self.take(Arc::new(block), Origin::Fetched(peer), None, draft, outside) {
                Ok(()) => new += 1,
                Err(Declined::Refused(Refusal::AlreadyKnown)) => {}
                // What there is no room for is not new: to come and go again for it would never end.
                Err(_) => return ImportEnd::Stopped(new),
            }
        }
        ImportEnd::Imported(new)
    }

    pub(crate) fn header(&mut self, peer: NodeId, header: &[u8], signature: &[u8]) {
        let hash = Header::hash_bytes(&self.tree.rules().genesis_hash, header);
        if let Some(entry) = self.tree.get(&hash) {
            let height = entry.height();
            return self.out.push(Output::TipKnown { peer, height, hash });
        }
        self.out.push(Output::PeerHas { peer, hash });
        let Some(signature) = Signature::from_slice(signature) else {
            return self.charge(peer, 20, "an announcement without a signature");
        };
        match self.tree.check_claim(header, &signature, self.now.wall) {
            // A block that can no longer matter is not worth a fetch.
            Ok((_, height)) if height <= self.tree.final_entry().height() => {}
            Ok(_) if self.is_one_too_many(header) => {}
            Ok(_) => self.out.push(Output::Fetch { peer, hash }),
            // Registered, it may be, by a block that this node lacks.
            Err(Refusal::UnknownProducer(_)) => {}
            Err(refusal) if refusal.is_header_fault() || refusal == Refusal::Signature => {
                self.charge(peer, 20, refusal.reason());
            }
            Err(_) => {}
        }
    }

    /// Whether an announced block would be refused for its siblings, so that it need not be fetched.
    fn is_one_too_many(&self, header: &[u8]) -> bool {
        Header::from_bytes(header).is_ok_and(|header| self.tree.check_siblings(&header).is_err())
    }

    pub(crate) fn tip(&mut self, peer: NodeId, clock: PeerClock, tip: &TipClaim) {
        let (genesis_hash, hash) = (self.tree.rules().genesis_hash, tip.hash);
        if tip.height == 0 {
            return match hash == genesis_hash {
                true => self.out.push(Output::TipKnown { peer, height: Height::GENESIS, hash }),
                false => self.charge(peer, 50, "another block 0"),
            };
        }
        // Most statuses show a block that is here, and most of them the same one as before.
        let known = self.tree.get(&hash).filter(|entry| entry.header_bytes() == tip.header);
        if let Some(entry) = known.filter(|entry| entry.height().get() == tip.height) {
            return self.out.push(Output::TipKnown { peer, height: entry.height(), hash });
        }
        let shown = Header::from_bytes(&tip.header);
        let fits = Header::hash_bytes(&genesis_hash, &tip.header) == hash;
        let Some(header) = shown.ok().filter(|header| fits && header.height.get() == tip.height) else {
            return self.charge(peer, 50, "a status whose header is not its tip");
        };
        let height = header.height;
        if height <= self.tree.final_entry().height() {
            return self.out.push(Output::TipKnown { peer, height, hash });
        }
        let signature = Signature::from_slice(&tip.signature);
        let verified = signature.is_some_and(|signature| {
            self.tree.check_claim(&tip.header, &signature, self.now_of(clock)).is_ok()
        });
        let weight = self.possible_weight(&header);
        self.out.push(Output::TipClaimed { peer, height, hash, weight, verified });
        if self.is_behind() {
            // What it delivers cannot be stored, and that is this node's fault.
            self.out.push(Output::Excuse { peer });
        }
    }

    /// The weight a header says, but no more than a chain of its height can have.
    pub(crate) fn possible_weight(&self, header: &Header) -> u64 {
        header.weight.min(self.tree.rules().most_weight(header.height))
    }

    /// Whether the header of a block that is to wait is signed by a producer we know; `None` if the block is
    /// not worth waiting, because another copy of it would have to be kept out for a bad one.
    pub(crate) fn vouched(&mut self, peer: &NodeId, clock: PeerClock, block: &Block) -> Option<bool> {
        let claim = self.tree.check_claim(block.header_bytes(), block.signature(), self.now_of(clock));
        let whole = block.computed_tx_root() == block.header().tx_root;
        if !whole || claim == Err(Refusal::Signature) {
            let refusal = if whole { "BAD_BLOCK_SIGNATURE" } else { "BAD_TX_ROOT" };
            self.charge(*peer, 50, refusal);
            return None;
        }
        Some(claim.is_ok())
    }
}
