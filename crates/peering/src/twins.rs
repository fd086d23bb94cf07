//! Signs that one identity is in use by two processes.
//!
//! One sign alone may be an old connection that nobody has noticed is dead; signs that go on are not.

use std::collections::BTreeMap;

use vision_primitives::NodeId;

/// Signs that go on for so long are trusted, milliseconds: longer than a dead connection is kept.
const TRUSTED_AFTER_MS: u64 = 12_000;
/// So many signs are needed besides.
const MIN_SIGNS: u32 = 3;
/// Without a sign for so long there is no suspicion any more, milliseconds.
const FORGOTTEN_AFTER_MS: u64 = 60_000;
/// It is said again after this time, milliseconds.
const SAID_EVERY_MS: u64 = 60_000;
/// Identities watched at once.
const MAX_WATCHED: usize = 64;

#[derive(Debug, Default)]
struct Suspicion {
    first_ms: u64,
    last_ms: u64,
    signs: u32,
    said_ms: Option<u64>,
}

/// The identities under suspicion.
#[derive(Debug, Default)]
pub(crate) struct Twins(BTreeMap<NodeId, Suspicion>);

impl Twins {
    /// Notes a sign; whether it is time to say so.
    pub(crate) fn sign(&mut self, id: NodeId, now_ms: u64) -> bool {
        self.0.retain(|_, known| now_ms.saturating_sub(known.last_ms) < FORGOTTEN_AFTER_MS);
        if self.0.len() >= MAX_WATCHED && !self.0.contains_key(&id) {
            return false;
        }
        let known = self.0.entry(id).or_insert(Suspicion { first_ms: now_ms, ..Suspicion::default() });
        known.last_ms = now_ms;
        known.signs = known.signs.saturating_add(1);
        known.signs >= MIN_SIGNS
            && now_ms.saturating_sub(known.first_ms) >= TRUSTED_AFTER_MS
            && known.say(now_ms)
    }

    /// Notes a proof; whether it is time to say so.
    pub(crate) fn proof(&mut self, id: NodeId, now_ms: u64) -> bool {
        if self.0.len() >= MAX_WATCHED && !self.0.contains_key(&id) {
            self.0.pop_first();
        }
        let known = self.0.entry(id).or_insert(Suspicion { first_ms: now_ms, ..Suspicion::default() });
        known.last_ms = now_ms;
        known.say(now_ms)
    }
}

impl Suspicion {
    fn say(&mut self, now_ms: u64) -> bool {
        let due = self.said_ms.is_none_or(|said| now_ms.saturating_sub(said) >= SAID_EVERY_MS);
        if due {
            self.said_ms = Some(now_ms);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_primitives::Hash;

    #[test]
    fn signs_that_go_on_are_trusted_and_reported_once_a_minute() {
        let mut twins = Twins::default();
        let id = Hash([1; 32]);
        let signs = [0, 1_000, 11_999, 12_000, 30_000, 71_999, 72_000];
        let said = signs.map(|now| twins.sign(id, now));
        assert_eq!(said, [false, false, false, true, false, false, true]);
        assert!(!twins.sign(id, 200_000), "after a pause it begins anew");
        assert!(
            !twins.sign(Hash([2; 32]), 200_000) && !twins.sign(Hash([2; 32]), 220_000),
            "two are too few"
        );
    }

    #[test]
    fn a_proof_needs_no_second_one() {
        let mut twins = Twins::default();
        let said = [0, 59_999, 60_000].map(|now| twins.proof(Hash([1; 32]), now));
        assert_eq!(said, [true, false, true]);
    }
}
