//! The sync-oracle: what it hears of the chain, and whom it reports its verdict to.

use std::sync::Arc;

use vision_authoring as authoring;
use vision_block_tree::Entry;
use vision_primitives::{ConsensusParams, TimestampMs};
use vision_sync_status::{PeerView, Question, Readiness, SyncMachine, SyncParams, TickInput};

use super::Node;
use crate::event::What;
use crate::shared::Shared;

/// Between two ticks, microseconds.
const TICK_US: u64 = 1_000_000;
/// What a question to the chain service takes, microseconds.
const ASK_US: u64 = 300;
/// What a message to a service of the same node takes, microseconds.
const TELL_US: u64 = 200;
/// A verdict counts so long, milliseconds.
const VERDICT_MAX_AGE_MS: u64 = 5_000;

/// The machine and what it has heard.
pub(crate) struct OracleShell {
    pub machine: SyncMachine,
    readiness: Readiness,
    head: Option<Arc<Entry>>,
    /// Commitments of the pools that are known.
    pools: Option<[vision_primitives::Hash; 2]>,
    registered: u64,
    /// What was last reported to the chain.
    reported: Option<(vision_sync_status::SyncState, bool)>,
}

impl OracleShell {
    pub(crate) fn new(params: &ConsensusParams) -> Self {
        Self {
            machine: SyncMachine::new(SyncParams::from(params)),
            readiness: Readiness::default(),
            head: None,
            pools: None,
            registered: 0,
            reported: None,
        }
    }

    fn look_up_pools(&mut self) {
        let Some(head) = &self.head else { return };
        let wanted = [head.state().active().root(), head.state().registered().root()];
        self.readiness.pools_fit(self.pools == Some(wanted));
    }
}

impl Node {
    /// The head has moved, or the watches have begun.
    pub(crate) fn oracle_head(&mut self, shared: &mut Shared) {
        let view = self.running().chain.view.clone();
        let oracle = &mut self.running().oracle;
        oracle.readiness.head_heard();
        oracle.readiness.peers_heard();
        let height = view.height();
        oracle.head = Some(view);
        oracle.look_up_pools();
        oracle.machine.local_height_moved(height);
        self.ask_chain(shared);
        self.report(false, shared);
        self.become_ready(shared);
    }

    fn ask_chain(&mut self, shared: &mut Shared) {
        if let Some(question) = self.running().oracle.readiness.next_question() {
            self.plan(ASK_US, What::OracleAnswer(question), shared);
        }
    }

    pub(crate) fn oracle_answer(&mut self, question: Question, shared: &mut Shared) {
        let oracle = &mut self.running().oracle;
        oracle.readiness.answered(question);
        if let (Question::Pools, Some(head)) = (question, &oracle.head) {
            oracle.pools = Some([head.state().active().root(), head.state().registered().root()]);
            oracle.registered = head.state().registered().len() as u64;
        }
        oracle.look_up_pools();
        self.ask_chain(shared);
        self.become_ready(shared);
    }

    fn become_ready(&mut self, shared: &mut Shared) {
        if self.running().oracle.readiness.becomes_ready() {
            self.judge(shared);
        }
    }

    /// The clock ticks.
    pub(crate) fn oracle_tick(&mut self, shared: &mut Shared) {
        if self.running().oracle.readiness.ticked() {
            self.judge(shared);
        }
        self.ask_chain(shared);
        self.plan(TICK_US, What::OracleTick, shared);
    }

    fn judge(&mut self, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        let (now_ms, monotonic_ms) = (self.wall_ms(now_us), self.mono_ms(now_us));
        let Some(head) = self.running().oracle.head.clone() else { return };
        let now = self.peering_now(shared);
        let peers = self.running().peers.machine.list(now);
        let view = |peer: vision_peering::PeerView| PeerView {
            id: peer.node_id,
            producer: peer.producer,
            delivers: peer.delivers,
            tip_height: peer.height,
            status_age_ms: now_ms.saturating_sub(peer.last_status_at_ms),
            clock_offset_ms: peer.clock_offset_ms.filter(|ms| ms.is_finite()).map(rounded),
        };
        let input = TickInput {
            now_ms: TimestampMs(now_ms),
            monotonic_ms,
            local_height: head.height(),
            head_at: head.timestamp_ms(),
            registered: self.running().oracle.registered,
            peers: peers.into_iter().map(view).collect(),
        };
        self.running().oracle.machine.tick(&input);
        self.report(true, shared);
    }

    /// Reports to the producer, and to the chain if it is a tick or the verdict has changed.
    fn report(&mut self, ticked: bool, shared: &mut Shared) {
        let now_ms = self.wall_ms(shared.queue.now_us());
        let mono_ms = self.mono_ms(shared.queue.now_us());
        let oracle = &mut self.running().oracle;
        let found = oracle.machine.snapshot();
        let (eligible, age_ms) = (found.eligible, now_ms.saturating_sub(found.taken_at_ms.get()));
        let verdict = (found.state, eligible);
        let counts_for_ms = VERDICT_MAX_AGE_MS.checked_sub(age_ms);
        let in_sync = found.state.is_at_tip() && found.ready_peers > 0;
        let changed = oracle.reported.replace(verdict) != Some(verdict);
        if ticked || changed {
            let until_ms = counts_for_ms.filter(|_| in_sync).map(|ms| mono_ms + TELL_US / 1000 + ms);
            self.plan(TELL_US, What::Verdict(until_ms), shared);
        }
        if self.running().producer.is_some() {
            self.later(TELL_US, authoring::Input::Snapshot { eligible, age_ms }, None, shared);
        }
    }
}

/// As the oracle rounds; a fraction of a millisecond does not matter.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn rounded(ms: f64) -> i64 {
    ms.round() as i64
}
