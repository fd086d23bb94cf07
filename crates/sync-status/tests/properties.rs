//! What holds for every sequence of ticks, head moves and losses of the chain service.

use proptest::prelude::*;
use vision_primitives::{Hash, Height, TimestampMs};
use vision_sync_status::{NotEligible, PeerView, Snapshot, SyncMachine, SyncParams, SyncState, TickInput};

#[derive(Clone, Debug)]
enum Step {
    Tick { gap_ms: u64, local: u64, registered: u64, peers: Vec<PeerView> },
    Moved(u64),
    Lost,
}

fn peer() -> impl Strategy<Value = PeerView> {
    (any::<bool>(), 0_u64..40, 0_u64..8_000, prop::option::of(-3_000_i64..3_000)).prop_map(
        |(delivers, tip, status_age_ms, clock_offset_ms)| PeerView {
            id: Hash::ZERO,
            producer: true,
            delivers,
            tip_height: Height(tip),
            status_age_ms,
            clock_offset_ms,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..7_000, 0_u64..40, 0_u64..6, prop::collection::vec(peer(), 0..6)).prop_map(
            |(gap_ms, local, registered, peers)| Step::Tick { gap_ms, local, registered, peers }
        ),
        3 => (0_u64..40).prop_map(Step::Moved),
        1 => Just(Step::Lost),
    ]
}

fn params() -> impl Strategy<Value = SyncParams> {
    (0_u64..5, 0_u64..4, 0_u64..5, 10_u64..1_000).prop_map(
        |(max_desync_blocks, min_ready_peers, eligible_streak_required, max_clock_drift_ms)| SyncParams {
            max_desync_blocks,
            min_ready_peers,
            eligible_streak_required,
            max_clock_drift_ms,
            status_max_age_ms: 5_000,
        },
    )
}

fn tick(now_ms: u64, local: u64, registered: u64, peers: Vec<PeerView>) -> TickInput {
    TickInput {
        now_ms: TimestampMs(now_ms),
        monotonic_ms: now_ms,
        local_height: Height(local),
        head_at: TimestampMs(0),
        registered,
        peers,
    }
}

/// The rules of section 8a that can be read off a snapshot alone.
fn check(params: &SyncParams, s: &Snapshot) {
    assert_eq!(s.eligible, s.because.is_none(), "a reason exactly when not eligible");
    if s.eligible {
        assert!(s.state.is_at_tip() && s.lag == 0 && s.streak >= params.eligible_streak_required, "{s:?}");
    }
    if s.tick > 0 {
        let expect = match s.lag {
            0 => s.state.is_at_tip(),
            lag if lag <= params.max_desync_blocks => s.state == SyncState::CatchingUp,
            _ => s.state == SyncState::Behind,
        };
        assert!(expect, "{s:?}");
    }
    if s.state == SyncState::TooFarAhead {
        assert!(s.local_height.above(s.network_height) > params.max_desync_blocks, "{s:?}");
    }
}

proptest! {
    #[test]
    fn every_snapshot_obeys_the_rules(params in params(), steps in prop::collection::vec(step(), 1..40)) {
        let (mut machine, mut now) = (SyncMachine::new(params), 1_000_000_u64);
        for step in steps {
            let before = machine.snapshot().clone();
            match step {
                Step::Tick { gap_ms, local, registered, peers } => {
                    now += gap_ms;
                    let input = tick(now, local, registered, peers);
                    let after = machine.tick(&input).clone();
                    let ready = input.peers.iter().filter(|p| p.delivers && p.status_age_ms < 5_000);
                    let mut tips: Vec<u64> = ready.map(|p| p.tip_height.get()).collect();
                    prop_assert_eq!(after.ready_peers, tips.len() as u64);
                    tips.sort_unstable();
                    let half = tips.len().div_ceil(2);
                    if half > 0 {
                        // At least half stand there or higher, and fewer than that stand higher.
                        let at = after.network_height.get();
                        prop_assert!(tips.iter().filter(|t| **t >= at).count() >= half);
                        prop_assert!(tips.iter().filter(|t| **t > at).count() < half);
                    } else {
                        prop_assert_eq!(after.network_height.get(), local);
                    }
                    prop_assert!(after.streak == 0 || after.streak == 1 || after.streak == before.streak + 1);
                    let needed = params.min_ready_peers.min(registered.saturating_sub(1));
                    let enough = after.ready_peers >= needed;
                    prop_assert_eq!(after.streak > 0, after.state.is_at_tip() && enough);
                    prop_assert!(enough || !after.eligible);
                }
                Step::Moved(height) => {
                    let after = machine.local_height_moved(Height(height)).clone();
                    prop_assert_eq!(after.local_height, Height(height));
                    prop_assert_eq!((after.streak, after.tick), (before.streak, before.tick));
                    prop_assert_eq!(after.network_height, before.network_height);
                }
                Step::Lost => {
                    let after = machine.chain_unavailable("gone");
                    let reported = matches!(after.because, Some(NotEligible::ChainUnavailable { .. }));
                    prop_assert!(reported && !after.eligible && after.streak == 0);
                }
            }
            check(&params, machine.snapshot());
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_snapshots(
        params in params(),
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let run = || {
            let (mut machine, mut now) = (SyncMachine::new(params), 0);
            let mut seen = Vec::new();
            for step in steps.clone() {
                seen.push(match step {
                    Step::Tick { gap_ms, local, registered, peers } => {
                        now += gap_ms;
                        machine.tick(&tick(now, local, registered, peers)).clone()
                    }
                    Step::Moved(height) => machine.local_height_moved(Height(height)).clone(),
                    Step::Lost => machine.chain_unavailable("gone").clone(),
                });
            }
            seen
        };
        prop_assert_eq!(run(), run());
    }

    /// Less than half of the ready peers, whatever they say, cannot move the network height past the honest
    /// ones.
    #[test]
    fn a_minority_of_liars_moves_nothing(
        honest in 1_usize..6,
        lies in prop::collection::vec(0_u64..1_000_000, 0..5),
    ) {
        let liars = &lies[..lies.len().min(honest - 1)];
        let view = |tip: u64| PeerView {
            id: Hash::ZERO, producer: true, delivers: true, tip_height: Height(tip), status_age_ms: 0,
            clock_offset_ms: None,
        };
        let mut peers: Vec<_> = (0..honest).map(|_| view(500)).collect();
        peers.extend(liars.iter().map(|tip| view(*tip)));
        let params = SyncParams {
            max_desync_blocks: 2, min_ready_peers: 1, eligible_streak_required: 3, max_clock_drift_ms: 500,
            status_max_age_ms: 5_000,
        };
        let mut machine = SyncMachine::new(params);
        let input = tick(0, 500, 3, peers);
        prop_assert_eq!(machine.tick(&input).network_height, Height(500));
    }
}
