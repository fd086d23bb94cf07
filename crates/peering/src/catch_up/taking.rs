//! Taking an answer in order, chunk by chunk.

use vision_primitives::{Block, Height, NodeId};

use super::{AnswerId, End};
use crate::Peering;

/// A source must send the next block in this time, milliseconds.
pub(crate) const BLOCK_DEADLINE_MS: u64 = 10_000;
/// A source whose answer was waited for longer than this is no longer the first choice, milliseconds.
const SLOW_ANSWER_MS: u64 = 5_000;
/// So long an answer is waited for altogether; else a source that lets each block drip just in time would
/// keep this node behind for ever. Milliseconds.
const ANSWER_PATIENCE_MS: u64 = 30_000;
/// Most blocks imported with one sync to disk.
const CHUNK_BLOCKS: usize = 64;
/// Most transactions imported with one sync to disk, past the first block.
const CHUNK_TRANSACTIONS: usize = 1000;

/// An answer that is being taken. Its blocks must go up without gap.
#[derive(Debug)]
pub(crate) struct Taking {
    pub(super) from: NodeId,
    pub(super) answer: AnswerId,
    /// Height of the next block; `None` if the first one may have any.
    expected: Option<Height>,
    /// Height of the last block taken.
    last: Option<Height>,
    /// Blocks that were new.
    new: usize,
    /// What was taken is being imported.
    importing: bool,
    /// Nothing more is taken.
    ended: bool,
    /// Whether the answer came to its end and all of it could be imported.
    whole: bool,
    /// What is left of [`ANSWER_PATIENCE_MS`].
    patience_ms: u64,
    /// Since when nothing has come.
    waiting_since_ms: Option<u64>,
}

/// What an answer brought.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) from: NodeId,
    /// Blocks that were new.
    pub(super) new: usize,
    /// Whether it was waited for too long.
    pub(super) slow: bool,
    /// Height of its last block, if it has any; an error if the answer was not whole, or not all of it could
    /// be imported.
    pub(super) last: Result<Option<Height>, NodeId>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing yet.
    Wait,
    /// These blocks.
    Import(Vec<Block>),
    /// The end.
    Over(Brought),
}

impl Taking {
    /// An answer that must start at a height if one was asked for.
    pub(super) const fn new(from: NodeId, answer: AnswerId, start: Option<Height>) -> Self {
        Self {
            from,
            answer,
            expected: start,
            last: None,
            new: 0,
            importing: false,
            ended: false,
            whole: false,
            patience_ms: ANSWER_PATIENCE_MS,
            waiting_since_ms: None,
        }
    }

    /// Until when the next block is waited for.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        Some(self.waiting_since_ms? + BLOCK_DEADLINE_MS.min(self.patience_ms))
    }

    /// The import of the last chunk is over.
    pub(super) fn imported(&mut self, new: usize, stopped: bool) {
        assert!(self.importing, "nothing of {:?} was being imported", self.answer);
        self.importing = false;
        self.new += new;
        if stopped {
            (self.ended, self.whole) = (true, false);
        }
    }

    fn brought(&self) -> Brought {
        let last = if self.whole { Ok(self.last) } else { Err(self.from) };
        let slow = self.patience_ms < ANSWER_PATIENCE_MS - SLOW_ANSWER_MS;
        Brought { from: self.from, new: self.new, slow, last }
    }

    fn waited(&mut self, now_ms: u64) {
        if let Some(since_ms) = self.waiting_since_ms.take() {
            self.patience_ms = self.patience_ms.saturating_sub(now_ms.saturating_sub(since_ms));
        }
    }
}

impl Peering {
    /// Goes on taking an answer.
    pub(super) fn take_answer(&mut self, taking: &mut Taking, now_ms: u64) -> Step {
        if taking.importing {
            return Step::Wait;
        }
        let chunk = self.chunk(taking, now_ms);
        if !chunk.is_empty() {
            taking.importing = true;
            return Step::Import(chunk);
        }
        if !taking.ended {
            return Step::Wait;
        }
        self.forget(taking.from, taking.answer);
        Step::Over(taking.brought())
    }

    /// What has come, up to the bounds of a chunk. Only the first block is waited for.
    fn chunk(&mut self, taking: &mut Taking, now_ms: u64) -> Vec<Block> {
        let (mut chunk, mut transactions) = (Vec::new(), 0);
        while !taking.ended
            && chunk.len() < CHUNK_BLOCKS
            && (chunk.is_empty() || transactions < CHUNK_TRANSACTIONS)
        {
            let Some(next) = self.answers.next(taking.answer) else {
                if chunk.is_empty() {
                    self.wait(taking, now_ms);
                }
                break;
            };
            taking.waited(now_ms);
            match next {
                Ok(block) if taking.expected.is_none_or(|height| height == block.header().height) => {
                    let height = block.header().height;
                    (taking.last, taking.expected) = (Some(height), Some(height.next()));
                    transactions += block.transactions().len();
                    chunk.push(block);
                }
                Ok(_) => {
                    self.charge(taking.from, 20, "blocks of other heights than asked for", now_ms);
                    taking.ended = true;
                }
                Err(end) => {
                    (taking.ended, taking.whole) = (true, end == End::Whole);
                    if let End::Broken(why) = end {
                        self.log_broken(taking.from, why);
                    }
                }
            }
        }
        chunk
    }

    /// Nothing has come: waits on, or no longer.
    fn wait(&mut self, taking: &mut Taking, now_ms: u64) {
        taking.waiting_since_ms.get_or_insert(now_ms);
        if taking.deadline_ms().is_some_and(|deadline_ms| now_ms >= deadline_ms) {
            taking.waited(now_ms);
            taking.ended = true;
            self.log_broken(taking.from, "no further block in time".into());
        }
    }
}
