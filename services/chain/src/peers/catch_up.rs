//! Getting blocks that others have and this node lacks.
//!
//! A round starts at the best source, by what it has delivered and then by what it claims, whose chain it follows from the last block in
//! common. What is still missing is cut into ranges asked for from several sources at once and imported in
//! order. Every answer is bounded, so memory is, too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use vision_primitives::{Block, Hash, Height, NodeId};
use vision_wire::p2p::GetBlocksRequest;

use super::Context;
use super::questions::{Answer, MAX_BLOCKS};
use super::table::{Fetch, Source};
use crate::actor::{Command, ImportEnd};

/// How often claims are looked through even if nobody asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A source must send the next block in this time.
const BLOCK_DEADLINE: Duration = Duration::from_secs(10);
/// A source whose answer was waited for longer than this is no longer the first choice.
const SLOW_ANSWER: Duration = Duration::from_secs(5);
/// So long an answer is waited for altogether; else a source that lets each block drip just in time would
/// keep this node behind for ever.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// What is known of a source is forgotten after this time, milliseconds.
const REMEMBER_MS: u64 = 60_000;
/// Sources remembered.
const MAX_REMEMBERED: usize = 1024;
/// Ranges asked for at once.
const MAX_RANGES: usize = 3;
/// Most blocks imported with one sync to disk.
const CHUNK_BLOCKS: usize = 64;
/// Most transactions imported with one sync to disk, past the first block.
const CHUNK_TRANSACTIONS: usize = 1000;
/// Pause of a source after a round without success, milliseconds; doubles up to five times.
const FIRST_PAUSE_MS: u64 = 250;
/// Announced blocks fetched at once.
const MAX_SINGLE_FETCHES: usize = 8;

/// Runs until the node stops.
pub async fn run(context: Arc<Context>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reputation = Reputation::default();
    loop {
        tokio::select! {
            () = context.drain.begun() => return,
            () = context.table.wanted.notified() => {}
            _ = look.tick() => {}
        }
        for late in context.table.overdue() {
            context.table.charge(&late, 10, "claims blocks and does not deliver them");
        }
        let sources = reputation.order(context.table.sources(), context.clock.monotonic_ms());
        if sources.is_empty() {
            continue;
        }
        let mut round = Round::default();
        tokio::select! {
            () = context.drain.begun() => return,
            () = round.run(&context, &sources) => {}
        }
        let now = context.clock.monotonic_ms();
        round.delivered.iter().for_each(|id| reputation.delivered(*id, now));
        round.failed.iter().for_each(|id| reputation.failed(*id, now));
        if round.imported > 0 {
            // There may be more; a look that finds nothing costs nothing.
            context.table.wanted.notify_one();
        }
    }
}

/// How the sources have done lately. It outlives connections and claims: whoever stalls a round must not be
/// the first choice again by connecting anew.
#[derive(Default)]
struct Reputation(BTreeMap<NodeId, Record>);

#[derive(Default)]
struct Record {
    /// Rounds in a row that this source has spoilt.
    failures: u32,
    /// Whether it has ever brought something new.
    delivered: bool,
    not_before_ms: u64,
    noted_at_ms: u64,
}

impl Reputation {
    /// The sources that do not pause: fewest failures first, then those that have delivered, then as they come.
    fn order(&mut self, mut sources: Vec<Source>, now_ms: u64) -> Vec<Source> {
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

    fn delivered(&mut self, id: NodeId, now_ms: u64) {
        let record = self.note(id, now_ms);
        (record.failures, record.delivered, record.not_before_ms) = (0, true, 0);
    }

    fn failed(&mut self, id: NodeId, now_ms: u64) {
        let record = self.note(id, now_ms);
        record.not_before_ms = now_ms + (FIRST_PAUSE_MS << record.failures.min(5));
        record.failures += 1;
    }
}

/// What an answer brought.
struct Brought {
    imported: usize,
    last: Option<Height>,
    /// Whether the answer came to its end and all of it could be imported.
    whole: bool,
    /// What is left of [`ANSWER_PATIENCE`].
    patience: Duration,
}

/// What comes next of an answer.
enum Next {
    Block(Box<Block>),
    End,
    Broken,
    /// Nothing yet.
    Later,
}

/// Takes the next part of an answer, waiting for at most `patience`, which what it waits is taken from.
async fn next(answer: &mut Answer, patience: Option<&mut Duration>, from: &NodeId) -> Next {
    let received = if let Some(patience) = patience {
        let began = Instant::now();
        let received = timeout(BLOCK_DEADLINE.min(*patience), answer.recv()).await;
        *patience = patience.saturating_sub(began.elapsed());
        received.unwrap_or_else(|_| Some(Err("no further block in time".into())))
    } else {
        match answer.try_recv() {
            Ok(received) => Some(received),
            Err(mpsc::error::TryRecvError::Empty) => return Next::Later,
            Err(mpsc::error::TryRecvError::Disconnected) => None,
        }
    };
    match received {
        Some(Ok(Some(block))) => Next::Block(Box::new(block)),
        Some(Ok(None)) => Next::End,
        Some(Err(why)) => {
            tracing::debug!(peer = %from.short(), why, "an answer broke off");
            Next::Broken
        }
        None => Next::Broken,
    }
}

/// Imports an answer in order, chunk by chunk. It must go up without gap, from `start` if one was asked for.
async fn import_answer(
    context: &Context,
    from: NodeId,
    mut answer: Answer,
    start: Option<Height>,
) -> Brought {
    let mut brought = Brought { imported: 0, last: None, whole: false, patience: ANSWER_PATIENCE };
    let (mut ended, mut expected) = (false, start);
    while !ended {
        let (mut chunk, mut transactions) = (Vec::new(), 0);
        while chunk.len() < CHUNK_BLOCKS && (chunk.is_empty() || transactions < CHUNK_TRANSACTIONS) {
            match next(&mut answer, chunk.is_empty().then_some(&mut brought.patience), &from).await {
                Next::Block(block) if expected.is_none_or(|expected| expected == block.header().height) => {
                    transactions += block.transactions().len();
                    brought.last = Some(block.header().height);
                    expected = brought.last.map(|last| last.next());
                    chunk.push(*block);
                }
                Next::Block(_) => {
                    context.table.charge(&from, 20, "blocks of other heights than asked for");
                    ended = true;
                    break;
                }
                Next::Later => break,
                end @ (Next::End | Next::Broken) => {
                    ended = true;
                    brought.whole = matches!(end, Next::End);
                    break;
                }
            }
        }
        if chunk.is_empty() {
            break;
        }
        match context.core.import(from, chunk).await {
            ImportEnd::Imported(count) => brought.imported += count,
            ImportEnd::Stopped(count) => {
                brought.imported += count;
                brought.whole = false;
                return brought;
            }
        }
    }
    brought
}

fn stretch(from: Height, count: u64) -> GetBlocksRequest {
    let max_blocks = u32::try_from(count).unwrap_or(MAX_BLOCKS).min(MAX_BLOCKS);
    GetBlocksRequest { from_height: from.get(), max_blocks, ..GetBlocksRequest::default() }
}

/// A range asked for.
struct Range {
    from: NodeId,
    start: Height,
    until: Height,
    answer: Answer,
}

/// One round and what came of it.
#[derive(Default)]
struct Round {
    /// Blocks that were new.
    imported: usize,
    /// Sources that brought new ones.
    delivered: Vec<NodeId>,
    /// Sources that were slow or did not answer as they should.
    failed: Vec<NodeId>,
}

impl Round {
    /// Follows the first source, and then as many as can help.
    async fn run(&mut self, context: &Context, sources: &[Source]) {
        let Some(first) = sources.first() else { return };
        let weight = || context.head.borrow().weight;
        let before = weight();
        if let Err(failed) = self.follow(context, first, sources).await {
            self.failed.push(failed);
        } else if weight() <= before && context.table.sources().iter().any(|s| s.node_id == first.node_id) {
            // Nothing that helps, and yet it goes on claiming more than we have: side blocks that make room for each
            // other could be sent for ever.
            self.delivered.clear();
            self.failed.push(first.node_id);
        }
    }

    /// Imports an answer up to its last block; an error if the round must end there.
    async fn import(
        &mut self,
        context: &Context,
        from: NodeId,
        answer: Answer,
        start: Option<Height>,
    ) -> Result<Option<Height>, NodeId> {
        let brought = import_answer(context, from, answer, start).await;
        self.imported += brought.imported;
        if brought.imported > 0 {
            self.delivered.push(from);
        }
        if brought.patience < ANSWER_PATIENCE.saturating_sub(SLOW_ANSWER) {
            self.failed.push(from);
        }
        if brought.whole { Ok(brought.last) } else { Err(from) }
    }

    /// An error names the source at which it ended before its time.
    async fn follow(&mut self, context: &Context, first: &Source, sources: &[Source]) -> Result<(), NodeId> {
        let locator = context.core.locator().await;
        let request = GetBlocksRequest {
            locator: locator.iter().map(|hash| hash.0.to_vec().into()).collect(),
            max_blocks: MAX_BLOCKS,
            ..GetBlocksRequest::default()
        };
        let answer = context.table.ask(&first.node_id, request).ok_or(first.node_id)?;
        let Some(last) = self.import(context, first.node_id, answer, None).await? else { return Ok(()) };
        // The locator ends with the last final block: whoever starts below it has another chain.
        if last <= context.head.borrow().finalized_height {
            return Err(first.node_id);
        }
        let (mut next, mut turn) = (last.next(), 0);
        let mut ranges: VecDeque<Range> = VecDeque::new();
        loop {
            while ranges.len() < MAX_RANGES && next <= first.height {
                let until = Height(next.get().saturating_add(u64::from(MAX_BLOCKS) - 1)).min(first.height);
                let able: Vec<&Source> = sources.iter().filter(|source| source.height >= until).collect();
                let Some(source) = able.get(turn % able.len().max(1)) else { break };
                let request = stretch(next, until.above(next) + 1);
                let Some(answer) = context.table.ask(&source.node_id, request) else { break };
                ranges.push_back(Range { from: source.node_id, start: next, until, answer });
                next = until.next();
                turn += 1;
            }
            let Some(mut range) = ranges.pop_front() else { return Ok(()) };
            // An answer may be cut short by its size; then the rest is asked for.
            loop {
                let from = range.from;
                let last = self.import(context, from, range.answer, Some(range.start)).await?.ok_or(from)?;
                if last >= range.until {
                    break;
                }
                range.start = last.next();
                let request = stretch(range.start, range.until.above(last));
                range.answer = context.table.ask(&from, request).ok_or(from)?;
            }
        }
    }
}

/// Fetches single blocks that were announced by their header only.
pub async fn fetch_announced(context: Arc<Context>, mut wanted: mpsc::Receiver<Fetch>) {
    let room = Arc::new(Semaphore::new(MAX_SINGLE_FETCHES));
    loop {
        let Fetch { peer, hash, span } = tokio::select! {
            () = context.drain.begun() => return,
            next = wanted.recv() => match next {
                Some(fetch) => fetch,
                None => return,
            },
        };
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let context = context.clone();
        tokio::spawn(async move {
            let _permit = permit;
            fetch_one(&context, peer, hash).instrument(span).await;
        });
    }
}

async fn fetch_one(context: &Context, peer: NodeId, hash: Hash) {
    let request = GetBlocksRequest { block_hash: hash.0.to_vec().into(), ..GetBlocksRequest::default() };
    let Some(mut answer) = context.table.ask(&peer, request) else { return };
    let mut patience = BLOCK_DEADLINE;
    match next(&mut answer, Some(&mut patience), &peer).await {
        Next::Block(block) if block.hash() == hash => {
            context.core.tell(Command::Announced { peer, block }).await;
        }
        Next::Block(_) => context.table.charge(&peer, 50, "sent another block than the one asked for"),
        Next::End | Next::Broken | Next::Later => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: u8) -> Source {
        Source { node_id: Hash([id; 32]), height: Height(9), weight: 9, verified: true }
    }

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
