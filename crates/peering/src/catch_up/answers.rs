//! Answers on their way, whoever waits for them.

use std::collections::{BTreeMap, VecDeque};

use vision_primitives::{Block, NodeId};

use crate::peer::Peer;
use crate::questions::{MAX_BLOCKS, Part};
use crate::{FetchId, Message, Output, Peering, Query, RoundId};

/// An answer waited for. No number comes twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct AnswerId(pub(crate) u64);

/// Who waits for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Owner {
    Round(RoundId),
    Fetch(FetchId),
}

/// How an answer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// All of it has come.
    Whole,
    /// The peer breaks off, for this reason.
    Broken(String),
    /// The connection has ended, or the peer has sent more than it may.
    Gone,
    /// The queue to the peer had no room for the question.
    NotAsked,
}

#[derive(Debug)]
struct Answer {
    owner: Owner,
    blocks: VecDeque<Block>,
    end: Option<End>,
}

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    open: BTreeMap<AnswerId, Answer>,
    next: u64,
}

impl Answers {
    fn expect(&mut self, owner: Owner) -> AnswerId {
        let id = AnswerId(self.next);
        self.next += 1;
        self.open.insert(id, Answer { owner, blocks: VecDeque::new(), end: None });
        id
    }

    /// What comes next of an answer, if it has come: a block, or the end.
    ///
    /// # Panics
    /// If nobody waits for that answer.
    pub(crate) fn next(&mut self, id: AnswerId) -> Option<Result<Block, End>> {
        let answer = self.open.get_mut(&id);
        assert!(answer.is_some(), "nobody waits for {id:?}");
        let answer = answer?;
        answer.blocks.pop_front().map(Ok).or_else(|| answer.end.clone().map(Err))
    }

    /// Whether the queue had no room for the question.
    pub(crate) fn is_not_asked(&self, id: AnswerId) -> bool {
        self.open.get(&id).is_some_and(|answer| answer.end == Some(End::NotAsked))
    }
}

impl Peering {
    /// Asks a peer for blocks; `None` if it is not connected or cannot be asked now.
    pub(crate) fn ask(&mut self, id: NodeId, query: Query, owner: Owner, now_ms: u64) -> Option<AnswerId> {
        let peer = self.peers.get_mut(&id)?;
        let max_blocks = match &query {
            Query::One(_) => 1,
            Query::After { max_blocks, .. } | Query::Stretch { max_blocks, .. } => *max_blocks,
        };
        let answer = self.answers.expect(owner);
        let Some(request_id) = peer.questions.open(max_blocks.min(MAX_BLOCKS), answer) else {
            self.answers.open.remove(&answer);
            return None;
        };
        if let Some(claim) = &mut peer.claim {
            claim.asked_ms.get_or_insert(now_ms);
        }
        self.out.push(Output::Send { to: vec![id], message: Message::Question { request_id, query } });
        Some(answer)
    }

    /// Takes a block of an answer.
    pub(crate) fn part(&mut self, id: NodeId, request_id: u64, block: Block, now_ms: u64) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.questions.part(request_id, block.size_bytes()) {
            Part::Of(answer) => self.put(answer, |open| open.blocks.push_back(block)),
            Part::Unwanted => {}
            Part::TooMuch(answer) => {
                self.end_with(answer, End::Gone);
                self.charge(id, 50, "more blocks than asked for", now_ms);
            }
        }
    }

    /// Takes the end of an answer: empty reason if the answer is whole.
    pub(crate) fn end(&mut self, id: &NodeId, request_id: u64, reason: String) {
        let answer = self.peers.get_mut(id).and_then(|peer| peer.questions.end(request_id));
        self.end_with(answer, if reason.is_empty() { End::Whole } else { End::Broken(reason) });
    }

    /// The queue had no room for a question.
    pub(crate) fn not_asked(&mut self, id: &NodeId, request_id: u64) {
        let answer = self.peers.get_mut(id).and_then(|peer| peer.questions.end(request_id));
        self.end_with(answer, End::NotAsked);
    }

    /// A connection is gone, and with it the rest of its answers.
    pub(crate) fn answers_gone(&mut self, peer: &Peer) {
        for answer in peer.questions.awaited() {
            self.end_with(Some(answer), End::Gone);
        }
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn forget(&mut self, from: NodeId, answer: AnswerId) {
        self.answers.open.remove(&answer);
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.questions.forget(answer);
        }
    }

    fn end_with(&mut self, answer: Option<AnswerId>, end: End) {
        if let Some(answer) = answer {
            self.put(answer, |open| {
                open.end.get_or_insert(end);
            });
        }
    }

    fn put(&mut self, answer: AnswerId, what: impl FnOnce(&mut Answer)) {
        let open = self.answers.open.get_mut(&answer);
        assert!(open.is_some(), "{answer:?} is awaited by a question and by nobody else");
        if let Some(open) = open {
            what(open);
            self.ready.insert(open.owner);
        }
    }
}
