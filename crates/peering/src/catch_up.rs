//! Getting blocks that others have and this node lacks.
//!
//! A round starts at the best source, by what it has delivered and then by what it claims, whose chain it
//! follows from the last block in common. What is still missing is cut into ranges asked for from several
//! sources at once and imported in order. Every answer is bounded, so memory is, too. A round that is stuck
//! does not hold up the next source's.

mod answers;
mod reputation;
mod round;
mod taking;
#[cfg(test)]
mod tests;

use vision_primitives::NodeId;

use crate::claims::Source;
use crate::{Output, Peering, RoundId, Task};
pub(crate) use answers::{AnswerId, Answers, End, Owner};
pub(crate) use reputation::Reputation;
pub(crate) use round::Round;
pub(crate) use taking::BLOCK_DEADLINE_MS;

/// How often claims are looked through even if nothing happens, milliseconds.
pub(crate) const LOOK_EVERY_MS: u64 = 1_000;
/// A round that has brought nothing for so long lets others begin, milliseconds.
const STUCK_MS: u64 = 3_000;
/// Rounds at once.
pub(crate) const MAX_ROUNDS: usize = 4;
/// Those of them that a peer leads which is no registered producer.
const MAX_ROUNDS_OF_STRANGERS: usize = 3;

/// A round that has not ended.
struct UnderWay {
    producer: bool,
    /// When it last brought something, or began.
    progress_ms: u64,
}

/// Whether it is time for one more round: only when those under way are stuck.
fn may_begin(under_way: &[UnderWay], now_ms: u64) -> bool {
    let stuck = |round: &UnderWay| now_ms.saturating_sub(round.progress_ms) >= STUCK_MS;
    under_way.len() < MAX_ROUNDS && under_way.iter().all(stuck)
}

/// Who leads one more round, if it is time for one, with a place kept for a producer.
fn next_leader(sources: &[Source], under_way: &[UnderWay], now_ms: u64) -> Option<Source> {
    if !may_begin(under_way, now_ms) {
        return None;
    }
    let strangers = under_way.iter().filter(|round| !round.producer).count();
    sources.iter().find(|source| source.producer || strangers < MAX_ROUNDS_OF_STRANGERS).cloned()
}

impl Peering {
    /// Begins a round if it is time for one. Claims are looked through only then: many come while a round is
    /// under way.
    pub(crate) fn look_for_rounds(&mut self, now_ms: u64) {
        let under_way: Vec<UnderWay> = self
            .rounds
            .values()
            .map(|round| UnderWay { producer: round.leader.producer, progress_ms: round.progress_ms })
            .collect();
        if !may_begin(&under_way, now_ms) {
            return;
        }
        let mut sources = self.reputation.order(self.sources(), now_ms);
        // A leader that brings nothing is no help to others.
        sources.retain(|source| self.rounds.values().all(|round| round.leader.node_id != source.node_id));
        let Some(leader) = next_leader(&sources, &under_way, now_ms) else { return };
        let id = RoundId(self.next_round);
        self.next_round += 1;
        self.rounds.insert(id, Round::new(leader, sources, self.own_head.1, now_ms));
        self.out.push(Output::Begin(Task::Locate { round: id }));
    }

    /// Draws the lessons of a round, which ended well or at one of its sources.
    fn end_round(&mut self, mut round: Round, end: Result<(), NodeId>, now_ms: u64) {
        round.abandon(self);
        let leader = round.leader.node_id;
        match end {
            Err(failed) => round.failed.push(failed),
            Ok(()) => {
                // Nothing that helps, and yet it goes on claiming more than we have: side blocks that make
                // room for each other could be sent for ever.
                let no_heavier = self.own_head.1 <= round.weight_before;
                if no_heavier && self.sources().iter().any(|source| source.node_id == leader) {
                    round.delivered.clear();
                    round.failed.push(leader);
                }
            }
        }
        round.delivered.iter().for_each(|id| self.reputation.delivered(*id, now_ms));
        round.failed.iter().for_each(|id| self.reputation.failed(*id, now_ms));
        for (id, hash) in &round.nothing {
            if self.refuted(id, *hash) {
                self.charge_broken_claim(id, "claims blocks but has none when asked", now_ms);
            }
        }
        // There may be more; a look that finds nothing costs nothing.
        self.look_now = true;
    }
}
