//! How the sources have done lately, so that who stalls is not asked first again.

use std::collections::BTreeMap;

use vision_primitives::NodeId;

use crate::claims::Source;

/// What is known of a source is forgotten after this time, milliseconds.
const REMEMBER_MS: u64 = 60_000;
/// Sources remembered: more than there can be peers.
const MAX_REMEMBERED: usize = 2048;
/// Pause of a source after a round without success, milliseconds; doubles up to five times.
const FIRST_PAUSE_MS: u64 = 250;

/// How the sources have done lately. It outlives connections and claims: whoever stalls a round must not be
/// the first choice again by connecting anew.
#[derive(Debug, Default)]
pub(crate) struct Reputation(BTreeMap<NodeId, Record>);

#[derive(Debug, Default)]
struct Record {
    /// Rounds in a row that this source has spoilt.
    failures: u32,
    /// Whether it has ever brought something new.
    delivered: bool,
    not_before_ms: u64,
    noted_at_ms: u64,
}

impl Reputation {
    /// The sources that do not pause: fewest failures first, then those that have delivered, then as they
    /// come.
    pub(crate) fn order(&mut self, mut sources: Vec<Source>, now_ms: u64) -> Vec<Source> {
        self.0.retain(|_, record| now_ms.saturating_sub(record.noted_at_ms) < REMEMBER_MS);
        let of = |source: &Source| self.0.get(&source.node_id);
        sources.retain(|source| of(source).is_none_or(|record| record.not_before_ms <= now_ms));
        sources.sort_by_key(|source| of(source).map_or((0, true), |rec| (rec.failures, !rec.delivered)));
        sources
    }

    fn note(&mut self, id: NodeId, now_ms: u64) -> &mut Record {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&id) {
            self.0.pop_first();
        }
        let record = self.0.entry(id).or_default();
        record.noted_at_ms = now_ms;
        record
    }

    pub(crate) fn delivered(&mut self, id: NodeId, now_ms: u64) {
        let record = self.note(id, now_ms);
        (record.failures, record.delivered, record.not_before_ms) = (0, true, 0);
    }

    pub(crate) fn failed(&mut self, id: NodeId, now_ms: u64) {
        let record = self.note(id, now_ms);
        record.not_before_ms = now_ms + (FIRST_PAUSE_MS << record.failures.min(5));
        record.failures += 1;
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::Hash;

    use super::super::tests::source;
    use super::*;

    fn first(reputation: &mut Reputation, now_ms: u64) -> Option<u8> {
        let order = reputation.order(vec![source(1), source(2), source(3)], now_ms);
        order.first().map(|source| source.node_id.0[0])
    }

    #[test]
    fn sources_that_stall_stand_behind_those_that_deliver_however_heavy_their_claim() {
        let mut reputation = Reputation::default();
        let mut now_ms = 0;
        // Each failed round takes longer than the longest pause.
        for stalls in [1, 2] {
            assert_eq!(first(&mut reputation, now_ms), Some(stalls));
            now_ms += 10_000;
            reputation.failed(Hash([stalls; 32]), now_ms);
        }
        assert_eq!(first(&mut reputation, now_ms + 9_000), Some(3), "nobody is waited for for ever");
        reputation.delivered(Hash([3; 32]), now_ms + 9_000);
        assert_eq!(first(&mut reputation, now_ms + 9_000), Some(3));
        now_ms += 9_000 + REMEMBER_MS;
        assert_eq!(first(&mut reputation, now_ms), Some(1), "everybody gets another chance");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_success() {
        let mut reputation = Reputation::default();
        let id = Hash([1; 32]);
        let mut paused = |expect: u64| {
            reputation.failed(id, 0);
            let due = |reputation: &mut Reputation, now| !reputation.order(vec![source(1)], now).is_empty();
            assert!(!due(&mut reputation, expect - 1) && due(&mut reputation, expect), "{expect}");
        };
        [250, 500, 1000, 2000, 4000, 8000, 8000].into_iter().for_each(&mut paused);
        reputation.delivered(id, 0);
        assert_eq!(reputation.order(vec![source(1)], 0).len(), 1);
        for n in 0..2 * MAX_REMEMBERED as u64 {
            reputation.failed(vision_primitives::hash(&[&n.to_le_bytes()]), 0);
        }
        assert_eq!(reputation.0.len(), MAX_REMEMBERED);
    }
}
