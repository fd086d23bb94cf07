//! Whatever peers say and whatever clocks do: a node is eligible only at the tip, among enough peers, with a
//! streak, and exactly when nothing is named that keeps it from it.

use arbitrary::Arbitrary;
use vision_primitives::{Height, NodeId, TimestampMs, hash};
use vision_sync_status::{
    Loss, PeerView, Question, QuestionFailed, Readiness, Snapshot, SyncMachine, SyncParams, TickInput,
    code_of, makes_no_block_because, sentence_of,
};

use crate::{All, Few, input};

const MAX_STEPS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    params: Option<[u64; 4]>,
    steps: All<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Tick {
        passed_ms: u16,
        jump_ms: i64,
        head_ahead_ms: i16,
        registered: u8,
        peers: Few<Peer>,
    },
    /// The peers of the last tick again, after a usual pause.
    Same,
    Height(Number),
    ChainLost(&'a str),
    Readiness(u8),
}

#[derive(Arbitrary, Debug, Clone)]
struct Peer {
    producer: bool,
    lies: bool,
    tip: Number,
    status_age_ms: u16,
    offset_ms: Option<Offset>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Number {
    Near(i8),
    Any(u64),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Offset {
    Small(i8),
    Any(i64),
}

struct Run {
    machine: SyncMachine,
    params: SyncParams,
    last: TickInput,
    readiness: Readiness,
    open: Option<Question>,
}

impl Run {
    fn near(&self, number: Number) -> Height {
        Height(match number {
            Number::Near(by) => self.last.local_height.get().saturating_add_signed(i64::from(by)),
            Number::Any(height) => height,
        })
    }

    fn peer(&self, at: usize, peer: &Peer) -> PeerView {
        let id: NodeId = hash(&[&at.to_le_bytes()]);
        let clock_offset_ms = peer.offset_ms.map(|offset| match offset {
            Offset::Small(ms) => i64::from(ms),
            Offset::Any(ms) => ms,
        });
        PeerView {
            id,
            producer: peer.producer,
            delivers: !peer.lies,
            tip_height: self.near(peer.tip),
            status_age_ms: u64::from(peer.status_age_ms),
            clock_offset_ms,
        }
    }

    fn tick(&mut self) {
        let before = self.machine.snapshot().clone();
        let after = self.machine.tick(&self.last).clone();
        assert_eq!(after.tick, before.tick + 1);
        assert!(after.streak <= before.streak + 1);
        assert!(after.ready_producers <= after.ready_peers);
        assert!(after.ready_peers <= self.last.peers.len() as u64);
        self.check(&after);
    }

    fn check(&self, snapshot: &Snapshot) {
        assert_eq!(snapshot.eligible, snapshot.because.is_none());
        assert_eq!(self.machine.snapshot(), snapshot);
        if let Some(because) = &snapshot.because {
            assert!(!because.to_string().is_empty() && !because.code().is_empty());
        }
        if snapshot.eligible {
            assert!(snapshot.state.is_at_tip() && snapshot.lag == 0);
            assert!(snapshot.streak >= self.params.eligible_streak_required);
            assert!(snapshot.ready_peers >= self.params.required_peers(self.last.registered));
        }
    }

    fn readiness(&mut self, what: u8) {
        match what % 9 {
            0 => self.readiness.head_heard(),
            1 => self.readiness.peers_heard(),
            2 => drop_loss(self.readiness.head_lost()),
            3 => drop_loss(self.readiness.peers_lost()),
            4 => self.readiness.pools_fit(what >= 128),
            5 => {
                let asked = self.readiness.next_question();
                assert!(asked.is_none() || self.open.is_none(), "one question at a time");
                self.open = asked.or(self.open);
            }
            6 => {
                if let Some(open) = self.open.take() {
                    self.readiness.answered(open);
                }
            }
            7 if self.open.take().is_some() => {
                let failed = self.readiness.question_failed();
                assert!(matches!(failed, QuestionFailed::StillReady | QuestionFailed::Lost(_)));
                assert_eq!(self.readiness.next_question(), None, "not before the next tick");
            }
            _ => {
                let was_ready = self.readiness.ticked();
                assert!(!was_ready || !self.readiness.becomes_ready(), "it is ready already");
                let becomes_ready = self.readiness.becomes_ready();
                assert_eq!(self.readiness.ticked(), was_ready || becomes_ready);
            }
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Tick { passed_ms, jump_ms, head_ahead_ms, registered, peers } => {
                let passed_ms = u64::from(*passed_ms);
                let now = self.last.now_ms.plus_ms(passed_ms).get().saturating_add_signed(*jump_ms);
                self.last.now_ms = TimestampMs(now);
                self.last.monotonic_ms += passed_ms;
                self.last.head_at = TimestampMs(now.saturating_add_signed(i64::from(*head_ahead_ms)));
                self.last.registered = u64::from(*registered);
                let peers = peers.0.iter().enumerate();
                self.last.peers = peers.map(|(at, peer)| self.peer(at, peer)).collect();
                self.tick();
            }
            Step::Same => {
                self.last.now_ms = self.last.now_ms.plus_ms(1_000);
                self.last.monotonic_ms += 1_000;
                self.tick();
            }
            Step::Height(number) => {
                self.last.local_height = self.near(*number);
                let moved = self.machine.local_height_moved(self.last.local_height).clone();
                assert_eq!(moved.local_height, self.last.local_height);
                self.check(&moved);
            }
            Step::ChainLost(why) => {
                let lost = self.machine.chain_unavailable(*why).clone();
                assert!(!lost.eligible && lost.streak == 0);
                let because = makes_no_block_because(why, Err(why));
                assert!(code_of(&because).len() <= because.len());
                assert!(sentence_of(code_of(&because)).len() < 1_000);
                self.check(&lost);
            }
            Step::Readiness(what) => self.readiness(*what),
        }
    }
}

/// A loss is new or was reported; both are fine.
fn drop_loss(loss: Loss) {
    assert!(matches!(loss, Loss::New | Loss::Reported));
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(Input { params, steps: All(steps) }) = input::<Input<'_>>(bytes) else { return };
    let [max_desync_blocks, min_ready_peers, eligible_streak_required, max_clock_drift_ms] =
        params.unwrap_or([10, 2, 2, 250]);
    let params = SyncParams {
        max_desync_blocks,
        min_ready_peers,
        eligible_streak_required,
        max_clock_drift_ms,
        status_max_age_ms: 5_000,
    };
    let last = TickInput {
        now_ms: TimestampMs(1_700_000_000_000),
        monotonic_ms: 0,
        local_height: Height(100),
        head_at: TimestampMs(1_700_000_000_000),
        registered: 3,
        peers: Vec::new(),
    };
    let machine = SyncMachine::new(params);
    let mut run = Run { machine, params, last, readiness: Readiness::default(), open: None };
    steps.iter().take(MAX_STEPS).for_each(|step| run.step(step));
}
