//! Whether a peer's claimed tip can be real, from its header alone.

use vision_ledger::ProducerStatus;
use vision_primitives::{HEADER_VERSION, Hash, Header, Height, Signature, Tag, TimestampMs};

use crate::{BlockTree, Refusal};

/// How far ahead of the own clock a claimed block's stamp may be, milliseconds.
pub const MAX_CLAIM_AHEAD_MS: u64 = 10_000;

impl BlockTree {
    /// Whether the tip that a peer claims is plausible: its header is signed with the key of a producer
    /// that is registered in the head's state (active or suspended), is not from the future, its height is
    /// one that a chain on the last final block can have reached by its stamp, and its weight one that a
    /// chain of that height can have. Returns its hash and height. A node far behind may not know the
    /// producer yet:
    /// [`Refusal::UnknownProducer`] is no proof of bad faith here.
    ///
    /// # Errors
    /// [`Refusal`] saying what is implausible.
    pub fn check_claim(
        &self,
        header_bytes: &[u8],
        signature: &Signature,
        now: TimestampMs,
    ) -> Result<(Hash, Height), Refusal> {
        let header = Header::from_bytes(header_bytes)?;
        if header.version != HEADER_VERSION {
            return Err(Refusal::Version { expected: HEADER_VERSION, got: header.version });
        }
        let stamp = header.timestamp_ms;
        if stamp > now.plus_ms(MAX_CLAIM_AHEAD_MS) {
            return Err(Refusal::FromTheFuture { stamp });
        }
        let elapsed_ms = stamp.since_ms(self.last_final.timestamp_ms());
        if let Some(blocks) = elapsed_ms.checked_div(self.rules.params().block_interval_ms) {
            let highest = Height(self.last_final.height().get().saturating_add(blocks));
            if header.height > highest {
                return Err(Refusal::ImplausibleHeight { highest, got: header.height });
            }
        }
        let heaviest = self.heaviest_at(header.height);
        if header.weight > heaviest {
            let (height, got) = (header.height, header.weight);
            return Err(Refusal::ImplausibleWeight { height, highest: heaviest, got });
        }
        let hash = Header::hash_bytes(&self.rules.genesis_hash, header_bytes);
        if let Some(known) = self.get(&hash).filter(|known| known.signature() == signature) {
            return Ok((hash, known.height()));
        }
        let producer = self.head.state().producer(&header.producer);
        // A key that has not proven itself yet, or has left, makes no blocks whose weight counts.
        let producer = producer
            .filter(|producer| matches!(producer.status, ProducerStatus::Active | ProducerStatus::Suspended));
        let key = producer.ok_or(Refusal::UnknownProducer(header.producer))?.public_key;
        key.verify(Tag::Block, &self.rules.genesis_hash, hash.as_bytes(), signature)
            .map_err(|_| Refusal::Signature)?;
        Ok((hash, header.height))
    }

    /// Most weight of a chain of this height that has the last final block, if that is not above it.
    fn heaviest_at(&self, height: Height) -> u64 {
        let (base, weight) = (self.last_final.height(), self.last_final.weight());
        if height < base {
            return self.rules.most_weight(height);
        }
        weight.saturating_add(self.rules.most_weight(Height(height.above(base))))
    }
}
