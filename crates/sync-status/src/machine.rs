//! The machine: one tick in, one snapshot out.

use vision_primitives::{Height, NodeId, TimestampMs};

use crate::{MAX_CLOCK_STEP_MS, NotEligible, Snapshot, SyncParams, SyncState, clock_skew};

/// A peer as the chain service sees it at a tick.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerView {
    /// Its id.
    pub id: NodeId,
    /// Whether it is a registered producer.
    pub producer: bool,
    /// Whether it is connected, of the same genesis, and delivers what it claims.
    pub delivers: bool,
    /// Its tip as far as its headers have been checked.
    pub tip_height: Height,
    /// Age of its last status, milliseconds.
    pub status_age_ms: u64,
    /// Its clock less ours, milliseconds; `None` until measured.
    pub clock_offset_ms: Option<i64>,
}

/// Everything a tick looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TickInput {
    /// Now, by this node's clock.
    pub now_ms: TimestampMs,
    /// The same instant by the clock that never jumps, milliseconds.
    pub monotonic_ms: u64,
    /// Height of the local head.
    pub local_height: Height,
    /// Time stamp of the local head.
    pub head_at: TimestampMs,
    /// n: registered producers, suspended ones included.
    pub registered: u64,
    /// All connected peers.
    pub peers: Vec<PeerView>,
}

/// What the machine remembers of a tick that saw the network.
#[derive(Clone, Copy)]
struct Seen {
    at: TimestampMs,
    monotonic_ms: u64,
    network_height: Height,
    ready_peers: u64,
}

impl Seen {
    /// Whether it says nothing about now: it is long ago, as after a pause, or the clock was set since.
    fn is_void(&self, input: &TickInput, max_age_ms: u64) -> bool {
        let passed_ms = input.monotonic_ms.saturating_sub(self.monotonic_ms);
        let expected = self.at.plus_ms(passed_ms);
        let step_ms = input.now_ms.since_ms(expected).max(expected.since_ms(input.now_ms));
        passed_ms > max_age_ms || step_ms > MAX_CLOCK_STEP_MS
    }
}

/// What a tick fixes until the next one, whatever the local height does meanwhile.
struct Verdict {
    /// The height that lag is measured against.
    known_height: Height,
    /// What keeps the node from producing whatever its height.
    obstacle: Option<NotEligible>,
}

/// The Proof-of-Sync machine of one node.
pub struct SyncMachine {
    params: SyncParams,
    before: Option<Seen>,
    verdict: Verdict,
    snapshot: Snapshot,
}

impl SyncMachine {
    /// A machine that has seen nothing: not eligible.
    #[must_use]
    pub const fn new(params: SyncParams) -> Self {
        let snapshot = Snapshot {
            tick: 0,
            taken_at_ms: TimestampMs(0),
            local_height: Height::GENESIS,
            network_height: Height::GENESIS,
            lag: 0,
            state: SyncState::Behind,
            streak: 0,
            ready_peers: 0,
            ready_producers: 0,
            head_ahead_ms: 0,
            eligible: false,
            because: Some(NotEligible::NoTickYet),
        };
        let verdict = Verdict { known_height: Height::GENESIS, obstacle: Some(NotEligible::NoTickYet) };
        Self { params, before: None, verdict, snapshot }
    }

    /// The last snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// One tick.
    pub fn tick(&mut self, input: &TickInput) -> &Snapshot {
        let mut ready: Vec<&PeerView> = input
            .peers
            .iter()
            .filter(|peer| peer.delivers && peer.status_age_ms < self.params.status_max_age_ms)
            .collect();
        // Ids cost nothing: whoever makes many must not outvote the producers' heights and clocks.
        if ready.iter().any(|peer| peer.producer) {
            ready.retain(|peer| peer.producer);
        }
        let ready_peers = ready.len() as u64;
        let ready_producers = ready.iter().filter(|peer| peer.producer).count() as u64;
        let network_height = network_height(&ready).unwrap_or(input.local_height);

        let before = self.before.filter(|seen| !seen.is_void(input, self.params.status_max_age_ms));
        // A tick without peers knew no network height: what it took for it was the local one.
        let known = before.filter(|seen| seen.ready_peers > 0 || ready_peers == 0);
        self.verdict.known_height = known.map_or(network_height, |seen| seen.network_height);

        let required = self.params.required_peers(input.registered);
        self.verdict.obstacle = self.obstacle(input, &ready, required);

        self.snapshot.tick = self.snapshot.tick.saturating_add(1);
        self.snapshot.taken_at_ms = input.now_ms;
        self.snapshot.network_height = network_height;
        self.snapshot.ready_peers = ready_peers;
        self.snapshot.ready_producers = ready_producers;
        self.snapshot.head_ahead_ms = input.head_at.since_ms(input.now_ms);
        self.measure(input.local_height);
        let streak = if before.is_some() { self.snapshot.streak } else { 0 };
        // Without the peers it needs a node cannot know that it is at the tip.
        let counts = self.snapshot.state.is_at_tip() && ready_peers >= required;
        self.snapshot.streak = if counts { streak.saturating_add(1) } else { 0 };
        let (at, monotonic_ms) = (input.now_ms, input.monotonic_ms);
        self.before = Some(Seen { at, monotonic_ms, network_height, ready_peers });
        self.judge()
    }

    /// The local head moved between two ticks: height, lag and verdict follow at once, the streak does not.
    pub fn local_height_moved(&mut self, height: Height) -> &Snapshot {
        if self.snapshot.tick == 0 {
            self.snapshot.local_height = height;
            return &self.snapshot;
        }
        self.measure(height);
        self.judge()
    }

    /// The node's own chain service does not answer: not eligible, and the next tick begins anew.
    pub fn chain_unavailable(&mut self, why: impl Into<String>) -> &Snapshot {
        self.before = None;
        self.verdict.obstacle = Some(NotEligible::ChainUnavailable { why: why.into() });
        self.snapshot.ready_peers = 0;
        self.snapshot.ready_producers = 0;
        self.snapshot.streak = 0;
        self.judge()
    }

    /// What keeps the node from producing whatever its height, the gravest first.
    fn obstacle(&self, input: &TickInput, ready: &[&PeerView], required: u64) -> Option<NotEligible> {
        let offsets: Vec<Option<i64>> = ready.iter().map(|peer| peer.clock_offset_ms).collect();
        let ahead_ms = input.head_at.since_ms(input.now_ms);
        let (ready, connected) = (ready.len() as u64, input.peers.len() as u64);
        clock_skew::judge(&offsets, &self.params)
            .or_else(|| {
                (ahead_ms > self.params.clock_limit_ms())
                    .then_some(NotEligible::HeadAhead { height: input.local_height.get(), ahead_ms })
            })
            .or_else(|| (ready < required).then_some(NotEligible::TooFewPeers { ready, required, connected }))
            .or_else(|| clock_skew::unknown(&offsets, &self.params))
    }

    fn measure(&mut self, local: Height) {
        let (network, max) = (self.snapshot.network_height, self.params.max_desync_blocks);
        let lag = self.verdict.known_height.above(local);
        self.snapshot.local_height = local;
        self.snapshot.lag = lag;
        self.snapshot.state = if lag > max {
            SyncState::Behind
        } else if lag > 0 {
            SyncState::CatchingUp
        } else if self.snapshot.ready_peers > 0 && local.above(network) > max {
            SyncState::TooFarAhead
        } else {
            SyncState::AtTip
        };
    }

    fn judge(&mut self) -> &Snapshot {
        let because = self.verdict.obstacle.clone().or_else(|| self.height_obstacle());
        self.snapshot.eligible = because.is_none();
        self.snapshot.because = because;
        &self.snapshot
    }

    fn height_obstacle(&self) -> Option<NotEligible> {
        let Snapshot { lag, streak, .. } = self.snapshot;
        let local_height = self.snapshot.local_height.get();
        let network_height = self.verdict.known_height.get();
        let required = self.params.eligible_streak_required;
        match self.snapshot.state {
            SyncState::CatchingUp => Some(NotEligible::CatchingUp { lag, local_height, network_height }),
            SyncState::Behind => Some(NotEligible::Behind { lag, local_height, network_height }),
            SyncState::AtTip | SyncState::TooFarAhead => {
                (streak < required).then_some(NotEligible::Streak { streak, required })
            }
        }
    }
}

/// The ceil(r/2)-th highest tip: half of the ready peers, rounded up, stand at least there.
fn network_height(ready: &[&PeerView]) -> Option<Height> {
    let mut tips: Vec<Height> = ready.iter().map(|peer| peer.tip_height).collect();
    tips.sort_unstable_by(|a, b| b.cmp(a));
    tips.get(tips.len().div_ceil(2).checked_sub(1)?).copied()
}
