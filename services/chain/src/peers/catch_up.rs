//! Getting blocks that others have and this node lacks.
//!
//! A round starts at the best source, by what it has delivered and then by what it claims, whose chain it follows from
//! the last block in common. What is still missing is cut into ranges asked for from several sources at once and
//! imported in order. Every answer is bounded, so memory is, too. A round that is stuck does not hold up the next
//! source's.

mod reputation;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use vision_importer::ImportEnd;
use vision_primitives::{Block, Hash, Height, NodeId};
use vision_wire::p2p::GetBlocksRequest;

use super::Context;
use super::questions::{Answer, MAX_BLOCKS};
use super::table::{Fetch, Source};
use crate::mailbox::Command;
use reputation::Reputation;

/// How often claims are looked through even if nobody asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A source must send the next block in this time.
const BLOCK_DEADLINE: Duration = Duration::from_secs(10);
/// A source whose answer was waited for longer than this is no longer the first choice.
const SLOW_ANSWER: Duration = Duration::from_secs(5);
/// So long an answer is waited for altogether; else a source that lets each block drip just in time would
/// keep this node behind for ever.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Ranges asked for at once.
const MAX_RANGES: usize = 3;
/// Most blocks imported with one sync to disk.
const CHUNK_BLOCKS: usize = 64;
/// Most transactions imported with one sync to disk, past the first block.
const CHUNK_TRANSACTIONS: usize = 1000;
/// Announced blocks fetched at once.
const MAX_SINGLE_FETCHES: usize = 8;

/// A round that has brought nothing for so long lets others begin, milliseconds.
const STUCK_MS: u64 = 3_000;
/// Rounds at once.
const MAX_ROUNDS: usize = 4;
/// Those of them that a peer leads which is no registered producer.
const MAX_ROUNDS_OF_STRANGERS: usize = 3;

/// Runs until the node stops.
pub async fn run(context: Arc<Context>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reputation = Reputation::default();
    let mut under_way: Vec<UnderWay> = Vec::new();
    let mut rounds = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = context.drain.begun() => return,
            () = context.table.wanted.notified() => {}
            _ = look.tick() => {}
            Some(round) = rounds.next() => {
                let round: Round = round;
                under_way.retain(|leader| leader.id != round.leader);
                settle(&context, &mut reputation, &round);
            }
        }
        for late in context.table.overdue() {
            context.table.charge_broken_claim(&late, "claims blocks and does not deliver them");
        }
        let now_ms = context.clock.monotonic_ms();
        let mut sources = reputation.order(context.table.sources(), now_ms);
        // A leader that brings nothing is no help to others.
        sources.retain(|source| under_way.iter().all(|leader| leader.id != source.node_id));
        let Some(first) = next_leader(&sources, &under_way, now_ms) else { continue };
        let progress = Arc::new(AtomicU64::new(now_ms));
        under_way.push(UnderWay { id: first.node_id, producer: first.producer, progress: progress.clone() });
        rounds.push(Round::new(first.node_id, progress).run(context.clone(), first, sources));
    }
}

/// A round that has not ended.
struct UnderWay {
    id: NodeId,
    producer: bool,
    /// When it last brought something, or began.
    progress: Arc<AtomicU64>,
}

/// Who leads one more round, if it is time for one: only when those under way are stuck, and with a place kept for a
/// producer.
fn next_leader(sources: &[Source], under_way: &[UnderWay], now_ms: u64) -> Option<Source> {
    let stuck = |round: &UnderWay| now_ms.saturating_sub(round.progress.load(Ordering::Relaxed)) >= STUCK_MS;
    if under_way.len() >= MAX_ROUNDS || !under_way.iter().all(stuck) {
        return None;
    }
    let strangers = under_way.iter().filter(|round| !round.producer).count();
    sources.iter().find(|source| source.producer || strangers < MAX_ROUNDS_OF_STRANGERS).cloned()
}

/// Draws the lessons of a round.
fn settle(context: &Context, reputation: &mut Reputation, round: &Round) {
    let now_ms = context.clock.monotonic_ms();
    round.delivered.iter().for_each(|id| reputation.delivered(*id, now_ms));
    round.failed.iter().for_each(|id| reputation.failed(*id, now_ms));
    for (id, hash) in &round.nothing {
        if context.table.refuted(id, *hash) {
            context.table.charge_broken_claim(id, "claims blocks and has none when asked");
        }
    }
    if round.imported > 0 {
        // There may be more; a look that finds nothing costs nothing.
        context.table.wanted.notify_one();
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
    progress: &AtomicU64,
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
        let (count, stopped) = match context.core.import(from, chunk).await {
            ImportEnd::Imported(count) => (count, false),
            ImportEnd::Stopped(count) => (count, true),
        };
        brought.imported += count;
        if count > 0 {
            progress.store(context.clock.monotonic_ms(), Ordering::Relaxed);
        }
        if stopped {
            brought.whole = false;
            return brought;
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
struct Round {
    /// Whose chain it follows.
    leader: NodeId,
    /// Blocks that were new.
    imported: usize,
    /// Sources that brought new ones.
    delivered: Vec<NodeId>,
    /// Sources that were slow or did not answer as they should.
    failed: Vec<NodeId>,
    /// Sources that had none of what they claim, and the tip they claimed.
    nothing: Vec<(NodeId, Hash)>,
    /// When something last came.
    progress: Arc<AtomicU64>,
}

impl Round {
    const fn new(leader: NodeId, progress: Arc<AtomicU64>) -> Self {
        Self { leader, imported: 0, delivered: Vec::new(), failed: Vec::new(), nothing: Vec::new(), progress }
    }

    /// Follows the first source, and then as many as can help.
    async fn run(mut self, context: Arc<Context>, first: Source, sources: Vec<Source>) -> Self {
        let weight = || context.head.borrow().weight;
        let before = weight();
        if let Err(failed) = self.follow(&context, &first, &sources).await {
            self.failed.push(failed);
        } else if weight() <= before && context.table.sources().iter().any(|s| s.node_id == first.node_id) {
            // Nothing that helps, and yet it goes on claiming more than we have: side blocks that make room for each
            // other could be sent for ever.
            self.delivered.clear();
            self.failed.push(first.node_id);
        }
        self
    }

    /// Imports an answer up to its last block; an error if the round must end there.
    async fn import(
        &mut self,
        context: &Context,
        from: NodeId,
        answer: Answer,
        start: Option<Height>,
    ) -> Result<Option<Height>, NodeId> {
        let brought = import_answer(context, from, answer, start, &self.progress).await;
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
        let Some(last) = self.import(context, first.node_id, answer, None).await? else {
            // The locator may have named the very block: it is taken before it is stored and the table hears of it.
            if !context.core.knows(first.hash).await {
                self.nothing.push((first.node_id, first.hash));
            }
            return Ok(());
        };
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
                let Some(last) = self.import(context, from, range.answer, Some(range.start)).await? else {
                    let claimed = sources.iter().chain([first]).find(|source| source.node_id == from);
                    self.nothing.extend(claimed.map(|source| (from, source.hash)));
                    return Err(from);
                };
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
mod tests;
