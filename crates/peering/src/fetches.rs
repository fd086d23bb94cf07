//! Single blocks that were announced by their header only.

use std::collections::{BTreeMap, VecDeque};

use vision_primitives::{Hash, NodeId};

use crate::catch_up::{AnswerId, BLOCK_DEADLINE_MS, End, Owner};
use crate::{FetchId, Log, Output, Peering, Query, Task};

/// Announced blocks that may wait for being fetched.
const MAX_FETCHES: usize = 64;
/// Announced blocks fetched at once.
pub(crate) const MAX_SINGLE_FETCHES: usize = 8;

#[derive(Debug)]
struct Fetch {
    peer: NodeId,
    hash: Hash,
    /// The answer waited for, and until when; `None` once the block has been given to the chain.
    waiting: Option<(AnswerId, u64)>,
}

/// The fetches.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    queue: VecDeque<(FetchId, NodeId, Hash)>,
    under_way: BTreeMap<FetchId, Fetch>,
}

impl Fetches {
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (u64, Owner)> {
        let waiting = self.under_way.iter().filter_map(|(id, fetch)| Some((id, fetch.waiting?)));
        waiting.map(|(id, (_, until_ms))| (until_ms, Owner::Fetch(*id)))
    }
}

impl Peering {
    pub(crate) fn wanted(&mut self, fetch: FetchId, peer: NodeId, hash: Hash, now_ms: u64) {
        if self.fetches.queue.len() >= MAX_FETCHES {
            // The block comes with the next catch-up.
            return self.out.push(Output::FetchOver(fetch));
        }
        self.fetches.queue.push_back((fetch, peer, hash));
        self.begin_fetches(now_ms);
    }

    fn begin_fetches(&mut self, now_ms: u64) {
        while self.fetches.under_way.len() < MAX_SINGLE_FETCHES
            && let Some((id, peer, hash)) = self.fetches.queue.pop_front()
        {
            match self.ask(peer, Query::One(hash), Owner::Fetch(id), now_ms) {
                None => self.out.push(Output::FetchOver(id)),
                Some(answer) => {
                    let waiting = Some((answer, now_ms + BLOCK_DEADLINE_MS));
                    self.fetches.under_way.insert(id, Fetch { peer, hash, waiting });
                }
            }
        }
    }

    pub(crate) fn advance_fetch(&mut self, id: FetchId, now_ms: u64) {
        // It may have been over before this part of its answer.
        let Some(fetch) = self.fetches.under_way.get_mut(&id) else { return };
        let Some((answer, until_ms)) = fetch.waiting else { return };
        let (peer, hash) = (fetch.peer, fetch.hash);
        match self.answers.next(answer) {
            Some(Ok(block)) if block.hash() == hash => {
                fetch.waiting = None;
                self.forget(peer, answer);
                let task = Task::Deliver { fetch: id, peer, block: Box::new(block) };
                return self.out.push(Output::Begin(task));
            }
            Some(Ok(_)) => {
                self.charge(peer, 50, "sent another block than the one asked for", now_ms);
            }
            Some(Err(End::Broken(why))) => self.log_broken(peer, why),
            Some(Err(End::Whole | End::Gone | End::NotAsked)) => {}
            None if now_ms < until_ms => return,
            None => self.log_broken(peer, "no further block in time".into()),
        }
        self.forget(peer, answer);
        self.fetches.under_way.remove(&id);
        self.out.push(Output::FetchOver(id));
        self.begin_fetches(now_ms);
    }

    pub(crate) fn delivered(&mut self, id: FetchId, now_ms: u64) {
        let fetch = self.fetches.under_way.remove(&id);
        assert!(fetch.is_some_and(|fetch| fetch.waiting.is_none()), "{id:?} has delivered nothing");
        self.begin_fetches(now_ms);
    }

    pub(crate) fn log_broken(&mut self, peer: NodeId, why: String) {
        self.out.push(Output::Log(Log::BrokeOff { peer, why }));
    }
}
