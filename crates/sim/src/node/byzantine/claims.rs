//! Tips that are not there.

use vision_importer::TipClaim;
use vision_primitives::{Hash, Header, Height, Slot};

use crate::node::Node;
use crate::shared::Shared;

/// Most blocks by which a plausible claim is too high: about what could be made in the time that a clock may
/// be ahead.
const MAX_AHEAD: u64 = 5;

/// So long it says the truth, and then so long it lies, microseconds.
const HONEST_US: u64 = 30_000_000;

impl Node {
    /// A tip that its own header contradicts, now and then: nobody believes it, and that costs the peer.
    pub(super) fn too_high(&self, tip: TipClaim, shared: &mut Shared) -> TipClaim {
        let height = tip.height + 1 + shared.chance.below(50);
        if shared.chance.per_mille(20) {
            return TipClaim { height, hash: random_hash(shared), ..tip };
        }
        // The header fits, and was signed by somebody else than its producer.
        let Ok(mut header) = Header::from_bytes(&tip.header) else { return tip };
        header.height = Height(height);
        header.parent = random_hash(shared);
        self.claim_of(&header, shared)
    }

    /// A header that a peer has to believe until it has asked for the block.
    pub(super) fn too_heavy(&self, tip: TipClaim, shared: &mut Shared) -> TipClaim {
        let Ok(mut header) = Header::from_bytes(&tip.header) else { return tip };
        // Between lies it says the truth, so that it stays connected.
        if (shared.queue.now_us() / HONEST_US).is_multiple_of(2) {
            return tip;
        }
        let params = shared.rules.params();
        let blocks = shared.chance.below(MAX_AHEAD);
        header.height = Height(header.height.get() + blocks);
        header.weight += params.main_slots() * (blocks + 1);
        header.timestamp_ms = header.timestamp_ms.plus_ms(params.block_interval_ms * blocks);
        (header.slot, header.producer) = (Slot(0), self.who.id);
        if blocks > 0 {
            header.parent = random_hash(shared);
        }
        self.claim_of(&header, shared)
    }

    /// The last tip below everything that is withheld.
    pub(super) fn without_withheld(&self, tip: TipClaim, shared: &mut Shared) -> TipClaim {
        let withheld: Vec<Hash> =
            shared.evil(self.who.index).withheld.iter().map(|block| block.hash()).collect();
        let Some(running) = &self.running else { return tip };
        let tree = running.chain.importer.tree();
        let mut at = tree.get(&tip.hash);
        // The lowest one that is withheld decides.
        let mut shown = at;
        while let Some(entry) = at.filter(|entry| entry.height() > tree.final_entry().height()) {
            at = tree.get(&entry.parent());
            if withheld.contains(&entry.hash()) {
                shown = at;
            }
        }
        let Some(shown) = shown.filter(|shown| shown.header().is_some()) else { return tip };
        TipClaim {
            height: shown.height().get(),
            hash: shown.hash(),
            header: shown.header_bytes().to_vec(),
            signature: shown.signature().0.to_vec(),
        }
    }

    fn claim_of(&self, header: &Header, shared: &Shared) -> TipClaim {
        let bytes = header.to_bytes();
        let hash = Header::hash_bytes(&shared.rules.genesis_hash, &bytes);
        let signature = self.signature_of(&hash, shared);
        TipClaim { height: header.height.get(), hash, header: bytes, signature: signature.0.to_vec() }
    }
}

pub(super) fn random_hash(shared: &mut Shared) -> Hash {
    vision_primitives::hash(&[&shared.chance.any().to_le_bytes()])
}
