//! One round of catching up: from the last block in common with its leader to the leader's tip.

use std::collections::VecDeque;

use vision_primitives::{Hash, Height, NodeId};

use super::taking::{Brought, Step, Taking};
use super::{AnswerId, Owner};
use crate::claims::Source;
use crate::questions::MAX_BLOCKS;
use crate::{Output, Peering, Query, RoundId, Task};

/// Ranges asked for at once.
const MAX_RANGES: usize = 3;

/// How a round ended: an error names the source at which it ended before its time.
type RoundEnd = Result<(), NodeId>;

/// A range asked for.
#[derive(Debug)]
struct Range {
    from: NodeId,
    start: Height,
    until: Height,
    answer: AnswerId,
}

/// What the answer that is being taken was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// The leader's chain after the last block in common.
    First,
    /// A range up to this height.
    Range(Height),
    /// The rest of a range whose answer was cut short.
    Rest(Height),
}

#[derive(Debug)]
enum Stage {
    /// The chain is asked for a locator.
    Locating,
    /// An answer is taken, while others are on their way.
    Taking(Taking, Asked),
    /// The chain is asked whether it knows the leader's tip.
    LookingUp,
}

/// One round and what came of it.
#[derive(Debug)]
pub(crate) struct Round {
    /// Whose chain it follows.
    pub(super) leader: Source,
    /// Who can help, the leader among them.
    sources: Vec<Source>,
    stage: Stage,
    /// Where the next range starts.
    next: Height,
    /// Whose turn it is.
    turn: usize,
    /// Ranges asked for after the one being taken.
    ranges: VecDeque<Range>,
    /// Height of the last final block after the last import.
    finalized: Height,
    /// Weight of our head when it began.
    pub(super) weight_before: u64,
    /// When something last came, or it began.
    pub(super) progress_ms: u64,
    /// Sources that brought new ones.
    pub(super) delivered: Vec<NodeId>,
    /// Sources that were slow or did not answer as they should.
    pub(super) failed: Vec<NodeId>,
    /// Sources that had none of what they claim, and the tip they claimed.
    pub(super) nothing: Vec<(NodeId, Hash)>,
}

impl Round {
    pub(super) const fn new(leader: Source, sources: Vec<Source>, weight_before: u64, now_ms: u64) -> Self {
        Self {
            leader,
            sources,
            stage: Stage::Locating,
            next: Height::GENESIS,
            turn: 0,
            ranges: VecDeque::new(),
            finalized: Height::GENESIS,
            weight_before,
            progress_ms: now_ms,
            delivered: Vec::new(),
            failed: Vec::new(),
            nothing: Vec::new(),
        }
    }

    /// Until when something is waited for.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        match &self.stage {
            Stage::Taking(taking, _) => taking.deadline_ms(),
            Stage::Locating | Stage::LookingUp => None,
        }
    }

    /// Forgets the ranges that are still on their way.
    pub(super) fn abandon(&mut self, of: &mut Peering) {
        self.ranges.drain(..).for_each(|range| of.forget(range.from, range.answer));
    }

    /// Takes note of what an answer brought: its last height, or where the round ends.
    fn note(&mut self, brought: &Brought) -> Result<Option<Height>, NodeId> {
        if brought.new > 0 {
            self.delivered.push(brought.from);
        }
        if brought.slow {
            self.failed.push(brought.from);
        }
        brought.last
    }

    /// What to ask next, and whom.
    fn next_range(&self) -> Option<(NodeId, Height)> {
        if self.ranges.len() >= MAX_RANGES || self.next > self.leader.height {
            return None;
        }
        let until = Height(self.next.get().saturating_add(u64::from(MAX_BLOCKS) - 1)).min(self.leader.height);
        let able: Vec<&Source> = self.sources.iter().filter(|source| source.height >= until).collect();
        let source = able.get(self.turn % able.len().max(1))?;
        Some((source.node_id, until))
    }

    fn tip_claimed_by(&self, id: NodeId) -> Option<Hash> {
        let sources = self.sources.iter().chain([&self.leader]);
        sources.filter(|source| source.node_id == id).map(|source| source.hash).next()
    }
}

fn stretch(from: Height, count: u64) -> Query {
    let max_blocks = u32::try_from(count).unwrap_or(MAX_BLOCKS).min(MAX_BLOCKS);
    Query::Stretch { from, max_blocks }
}

impl Peering {
    /// Takes a round out to change it; it goes back with [`Peering::put_back`] or ends.
    ///
    /// # Panics
    /// If there is none: whoever performs a round's task has reported its end twice.
    fn take_round(&mut self, id: RoundId) -> Round {
        match self.rounds.remove(&id) {
            Some(round) => round,
            None => unreachable!("{id:?} is not under way"),
        }
    }

    fn put_back(&mut self, id: RoundId, round: Round, end: Option<RoundEnd>, now_ms: u64) {
        match end {
            None => {
                self.rounds.insert(id, round);
            }
            Some(end) => self.end_round(round, end, now_ms),
        }
    }

    pub(crate) fn located(&mut self, id: RoundId, locator: Vec<Hash>, now_ms: u64) {
        let mut round = self.take_round(id);
        assert!(matches!(round.stage, Stage::Locating), "{id:?} has its locator already");
        let leader = round.leader.node_id;
        let query = Query::After { locator, max_blocks: MAX_BLOCKS };
        let end = match self.ask(leader, query, Owner::Round(id), now_ms) {
            None => Some(Err(leader)),
            Some(answer) => {
                round.stage = Stage::Taking(Taking::new(leader, answer, None), Asked::First);
                // Time runs from now.
                self.ready.insert(Owner::Round(id));
                None
            }
        };
        self.put_back(id, round, end, now_ms);
    }

    pub(crate) fn imported(
        &mut self,
        id: RoundId,
        new: usize,
        stopped: bool,
        finalized: Height,
        now_ms: u64,
    ) {
        let mut round = self.take_round(id);
        let Stage::Taking(taking, _) = &mut round.stage else { unreachable!("{id:?} imports nothing") };
        taking.imported(new, stopped);
        round.finalized = finalized;
        if new > 0 {
            round.progress_ms = now_ms;
        }
        self.ready.insert(Owner::Round(id));
        self.put_back(id, round, None, now_ms);
    }

    pub(crate) fn looked_up(&mut self, id: RoundId, known: bool, now_ms: u64) {
        let mut round = self.take_round(id);
        assert!(matches!(round.stage, Stage::LookingUp), "{id:?} looks nothing up");
        if !known {
            round.nothing.push((round.leader.node_id, round.leader.hash));
        }
        self.put_back(id, round, Some(Ok(())), now_ms);
    }

    pub(crate) fn advance_round(&mut self, id: RoundId, now_ms: u64) {
        // It may have ended before this part of an answer.
        if !self.rounds.contains_key(&id) {
            return;
        }
        let mut round = self.take_round(id);
        let end = self.follow(id, &mut round, now_ms);
        self.put_back(id, round, end, now_ms);
    }

    fn follow(&mut self, id: RoundId, round: &mut Round, now_ms: u64) -> Option<RoundEnd> {
        self.drop_unasked(round);
        loop {
            let Stage::Taking(taking, asked) = &mut round.stage else { return None };
            let (from, asked) = (taking.from, *asked);
            if self.answers.is_not_asked(taking.answer) {
                self.forget(from, taking.answer);
                // A range is asked for early, and may be again in the next round.
                return Some(if matches!(asked, Asked::Range(_)) { Ok(()) } else { Err(from) });
            }
            let brought = match self.take_answer(taking, now_ms) {
                Step::Wait => return None,
                Step::Import(blocks) => {
                    self.out.push(Output::Begin(Task::Import { round: id, from, blocks }));
                    return None;
                }
                Step::Over(brought) => brought,
            };
            let last = match round.note(&brought) {
                Ok(last) => last,
                Err(from) => return Some(Err(from)),
            };
            if let Some(end) = self.answered(id, round, (from, asked, last), now_ms) {
                return Some(end);
            }
        }
    }

    /// An answer is over and whole, up to this height if it brought anything: asks for more.
    fn answered(
        &mut self,
        id: RoundId,
        round: &mut Round,
        (from, asked, last): (NodeId, Asked, Option<Height>),
        now_ms: u64,
    ) -> Option<RoundEnd> {
        match (asked, last) {
            (Asked::First, None) => {
                // The locator may have named the very block: it is taken before it is stored and the table
                // hears of it.
                round.stage = Stage::LookingUp;
                self.out.push(Output::Begin(Task::LookUp { round: id, hash: round.leader.hash }));
                None
            }
            // The locator ends with the last final block: whoever starts below it has another chain.
            (Asked::First, Some(last)) if last <= round.finalized => Some(Err(from)),
            (Asked::First, Some(last)) => {
                round.next = last.next();
                self.take_next_range(id, round, now_ms)
            }
            (Asked::Range(_) | Asked::Rest(_), None) => {
                round.nothing.extend(round.tip_claimed_by(from).map(|hash| (from, hash)));
                Some(Err(from))
            }
            (Asked::Range(until) | Asked::Rest(until), Some(last)) if last >= until => {
                self.take_next_range(id, round, now_ms)
            }
            // An answer may be cut short by its size; then the rest is asked for.
            (Asked::Range(until) | Asked::Rest(until), Some(last)) => {
                let query = stretch(last.next(), until.above(last));
                let Some(answer) = self.ask(from, query, Owner::Round(id), now_ms) else {
                    return Some(Err(from));
                };
                round.stage = Stage::Taking(Taking::new(from, answer, Some(last.next())), Asked::Rest(until));
                None
            }
        }
    }

    /// Asks for as many ranges as may be, and takes the first of them.
    fn take_next_range(&mut self, id: RoundId, round: &mut Round, now_ms: u64) -> Option<RoundEnd> {
        while let Some((from, until)) = round.next_range() {
            let start = round.next;
            let query = stretch(start, until.above(start) + 1);
            let Some(answer) = self.ask(from, query, Owner::Round(id), now_ms) else { break };
            round.ranges.push_back(Range { from, start, until, answer });
            round.next = until.next();
            round.turn += 1;
        }
        let Some(Range { from, start, until, answer }) = round.ranges.pop_front() else {
            return Some(Ok(()));
        };
        round.stage = Stage::Taking(Taking::new(from, answer, Some(start)), Asked::Range(until));
        None
    }

    /// Takes back the first range that could not be asked for, and what comes after it.
    fn drop_unasked(&mut self, round: &mut Round) {
        let unasked = round.ranges.iter().position(|range| self.answers.is_not_asked(range.answer));
        let Some(at) = unasked else { return };
        let dropped = round.ranges.split_off(at);
        if let Some(first) = dropped.front() {
            round.next = first.start;
        }
        dropped.into_iter().for_each(|range| self.forget(range.from, range.answer));
    }
}
