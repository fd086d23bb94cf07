use vision_primitives::{ConsensusParams, Hash, Height, TimestampMs};

use crate::*;

mod clocks;

const PARAMS: SyncParams = SyncParams {
    max_desync_blocks: 2,
    min_ready_peers: 1,
    eligible_streak_required: 3,
    max_clock_drift_ms: 500,
    status_max_age_ms: STATUS_MAX_AGE_MS,
};

/// A ready peer with this tip.
fn peer(tip: u64) -> PeerView {
    PeerView {
        id: Hash::ZERO,
        delivers: true,
        producer: true,
        tip_height: Height(tip),
        status_age_ms: 100,
        clock_offset_ms: Some(0),
    }
}

fn tips(tips: &[u64]) -> Vec<PeerView> {
    tips.iter().map(|tip| peer(*tip)).collect()
}

fn input(second: u64, local: u64, peers: Vec<PeerView>) -> TickInput {
    TickInput {
        now_ms: TimestampMs(second * 1000),
        monotonic_ms: second * 1000,
        local_height: Height(local),
        head_at: TimestampMs(0),
        registered: 3,
        peers,
    }
}

/// A machine that has been at the tip at height 10 with two peers for three ticks, seconds 1 to 3.
fn settled() -> SyncMachine {
    let mut machine = SyncMachine::new(PARAMS);
    for second in 1..=3 {
        machine.tick(&input(second, 10, tips(&[10, 10])));
    }
    assert!(machine.snapshot().eligible);
    machine
}

fn code(machine: &SyncMachine) -> &'static str {
    machine.snapshot().because.as_ref().map_or("", NotEligible::code)
}

#[test]
fn which_peers_count() {
    let cases = [
        ("fresh", PeerView { status_age_ms: 0, ..peer(9) }, 1),
        ("just fresh enough", PeerView { status_age_ms: 4_999, ..peer(9) }, 1),
        ("just too old", PeerView { status_age_ms: 5_000, ..peer(9) }, 0),
        ("of another chain, or does not deliver", PeerView { delivers: false, ..peer(9) }, 0),
        ("clock not measured", PeerView { clock_offset_ms: None, ..peer(9) }, 1),
    ];
    for (desc, peer, expect) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        assert_eq!(machine.tick(&input(1, 9, vec![peer])).ready_peers, expect, "{desc}");
    }
}

#[test]
fn strangers_do_not_outvote_producers() {
    let stranger = PeerView { producer: false, clock_offset_ms: Some(60_000), ..peer(1_000) };
    let among = |producers: &[u64]| [tips(producers), vec![stranger.clone(); 9]].concat();
    let cases = [
        ("one producer among strangers", among(&[9]), 1, 9, ""),
        ("two producers among strangers", among(&[9, 9]), 2, 9, ""),
        ("strangers alone are better than nobody", among(&[]), 9, 1_000, "CLOCK_SKEW"),
    ];
    for (desc, peers, ready, height, obstacle) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        for second in 1..=3 {
            machine.tick(&input(second, 9, peers.clone()));
        }
        let snapshot = machine.snapshot();
        assert_eq!((snapshot.ready_peers, snapshot.network_height), (ready, Height(height)), "{desc}");
        assert_eq!(code(&machine), obstacle, "{desc}");
    }
}

#[test]
fn the_network_height_is_the_upper_middle_tip() {
    let cases: [(&str, &[u64], u64); 7] = [
        ("alone: the local height", &[], 7),
        ("one", &[3], 3),
        ("two: the higher", &[3, 9], 9),
        ("three: the middle", &[3, 9, 5], 5),
        ("four: the second", &[1, 9, 5, 7], 7),
        ("five: the third", &[1, 2, 3, 4, 5], 3),
        ("one liar of three moves nothing", &[10, 10, 1_000_000], 10),
    ];
    for (desc, peers, expect) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        assert_eq!(machine.tick(&input(1, 7, tips(peers))).network_height, Height(expect), "{desc}");
    }
}

#[test]
fn lag_is_measured_against_what_was_known_a_tick_ago() {
    use SyncState::{AtTip, Behind, CatchingUp, TooFarAhead};
    /// Description, tips a tick ago, tips now, local height now, and the lag, state and streak expected.
    type Case = (&'static str, &'static [u64], &'static [u64], u64, u64, SyncState, u64);
    let cases: [Case; 10] = [
        ("nothing moved", &[10, 10], &[10, 10], 10, 0, AtTip, 4),
        ("a block in flight is no lag", &[10, 10], &[11, 11], 10, 0, AtTip, 4),
        ("nor are many", &[10, 10], &[99, 99], 10, 0, AtTip, 4),
        ("one missing since a tick", &[11, 11], &[11, 11], 10, 1, CatchingUp, 0),
        ("two", &[12, 12], &[12, 12], 10, 2, CatchingUp, 0),
        ("three", &[13, 13], &[13, 13], 10, 3, Behind, 0),
        ("delivered within the tick", &[13, 13], &[13, 13], 13, 0, AtTip, 4),
        ("two ahead is at the tip", &[10, 10], &[10, 10], 12, 0, AtTip, 4),
        ("three ahead is too far, and counts as at the tip", &[10, 10], &[10, 10], 13, 0, TooFarAhead, 4),
        (
            "peers lost: the local height is the network's, and no streak grows",
            &[10, 10],
            &[],
            10,
            0,
            AtTip,
            0,
        ),
    ];
    for (desc, before, now, local, lag, state, streak) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        for second in 1..=2 {
            machine.tick(&input(second, 10, tips(&[10, 10])));
        }
        machine.tick(&input(3, 10, tips(before)));
        let found = machine.tick(&input(4, local, tips(now)));
        assert_eq!((found.lag, found.state, found.streak), (lag, state, streak), "{desc}");
    }
}

#[test]
fn the_first_sight_of_a_network_is_measured_against_its_present_height() {
    let mut fresh = SyncMachine::new(PARAMS);
    assert_eq!(fresh.tick(&input(1, 0, tips(&[100]))).state, SyncState::Behind, "first tick");

    let mut lonely = SyncMachine::new(PARAMS);
    for second in 1..=9 {
        lonely.tick(&input(second, 10, vec![]));
    }
    let found = lonely.tick(&input(10, 10, tips(&[100])));
    assert_eq!(
        (found.state, found.streak, found.eligible),
        (SyncState::Behind, 0, false),
        "peers found again"
    );

    let mut paused = settled();
    let found = paused.tick(&input(60, 10, tips(&[100, 100])));
    assert_eq!(
        (found.state, found.streak, found.eligible),
        (SyncState::Behind, 0, false),
        "woken after a pause"
    );
    let mut paused = settled();
    let found = paused.tick(&input(60, 10, tips(&[10, 10])));
    assert_eq!(
        (found.state, found.streak, found.eligible),
        (SyncState::AtTip, 1, false),
        "nothing missed, still"
    );
    let mut late = settled();
    assert!(late.tick(&input(8, 10, tips(&[11, 11]))).eligible, "a tick five seconds late is no pause");
}

#[test]
fn a_streak_needs_the_peers_it_rests_on() {
    // Ticks before, tips then; what the next tick sees, at local height 10; state, streak and reason
    // expected.
    type Case = (&'static str, u64, &'static [u64], &'static [u64], SyncState, u64, &'static str);
    let cases: [Case; 4] = [
        ("restarted, peers there at once", 0, &[], &[10], SyncState::AtTip, 1, "STREAK"),
        ("restarted, peers found later", 5, &[], &[10], SyncState::AtTip, 1, "STREAK"),
        ("restarted on an old tip", 5, &[], &[20], SyncState::Behind, 0, "BEHIND"),
        ("peers lost", 5, &[10], &[], SyncState::AtTip, 0, "TOO_FEW_PEERS"),
    ];
    for (desc, ticks, before, now, state, streak, because) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        for second in 1..=ticks {
            machine.tick(&input(second, 10, tips(before)));
        }
        let found = machine.tick(&input(ticks + 1, 10, tips(now))).clone();
        assert_eq!((found.state, found.streak, code(&machine)), (state, streak, because), "{desc}");
    }
}

#[test]
fn eligible_after_three_ticks_at_the_tip_and_never_before_the_first() {
    let mut machine = SyncMachine::new(PARAMS);
    assert_eq!((machine.snapshot().eligible, code(&machine)), (false, "NO_TICK_YET"));
    machine.local_height_moved(Height(10));
    assert_eq!((machine.snapshot().eligible, code(&machine)), (false, "NO_TICK_YET"));
    for (second, expect) in [(1, "STREAK"), (2, "STREAK"), (3, ""), (4, "")] {
        machine.tick(&input(second, 10, tips(&[10])));
        assert_eq!((machine.snapshot().eligible, code(&machine)), (expect.is_empty(), expect), "{second}");
    }
}

#[test]
fn how_many_peers_are_needed() {
    // (min_ready_peers, n, ready, eligible)
    let cases = [
        (1, 1, 0, true),
        (1, 0, 0, true),
        (1, 2, 0, false),
        (1, 2, 1, true),
        (3, 3, 1, false),
        (3, 3, 2, true),
        (3, 9, 2, false),
        (3, 9, 3, true),
        (0, 9, 0, true),
    ];
    for (min_ready_peers, registered, ready, expect) in cases {
        let mut machine = SyncMachine::new(SyncParams { min_ready_peers, ..PARAMS });
        for second in 1..=3 {
            machine.tick(&TickInput { registered, ..input(second, 10, tips(&vec![10; ready])) });
        }
        let desc = format!("min {min_ready_peers}, n {registered}, ready {ready}");
        assert_eq!(machine.snapshot().eligible, expect, "{desc}");
        assert_eq!(code(&machine), if expect { "" } else { "TOO_FEW_PEERS" }, "{desc}");
    }
}

#[test]
fn the_gravest_reason_is_reported_and_its_sentence_has_the_numbers() {
    let skewed = |tip: u64| PeerView { clock_offset_ms: Some(-5003), ..peer(tip) };
    let many = SyncParams { min_ready_peers: 2, ..PARAMS };
    let cases = [
        (
            "skew before too few and lag",
            many,
            vec![skewed(90), skewed(90)],
            "CLOCK_SKEW: this clock is 5003 ms ahead of 2 of 2 ready peers (limit 1000 ms): set it by NTP",
        ),
        (
            "too few before lag",
            many,
            vec![peer(90)],
            "TOO_FEW_PEERS: 1 ready peer of 1 connected, 2 needed: start more nodes, or check [chain] seeds \
             and that their P2P ports can be reached",
        ),
        (
            "behind before streak",
            PARAMS,
            tips(&[90]),
            "BEHIND: local height 10 is 80 behind the network's 90: wait while blocks are fetched; if the \
             local height stands still, look at the chain service's log",
        ),
        (
            "catching up before streak",
            PARAMS,
            tips(&[12]),
            "CATCHING_UP: local height 10 is 2 behind the network's 12: wait until it has caught up",
        ),
        ("streak", PARAMS, tips(&[10]), "STREAK: at the tip for 1 tick in a row, 3 needed: wait 2 more"),
    ];
    for (desc, params, peers, expect) in cases {
        let mut machine = SyncMachine::new(params);
        let found = machine.tick(&TickInput { registered: 9, ..input(1, 10, peers) });
        assert_eq!(found.because.as_ref().map(ToString::to_string).as_deref(), Some(expect), "{desc}");
    }
}

#[test]
fn a_moved_head_shows_at_once_and_leaves_the_streak_alone() {
    let mut machine = settled();
    let found = machine.local_height_moved(Height(11)).clone();
    assert_eq!(
        (found.local_height, found.lag, found.streak, found.eligible),
        (Height(11), 0, 3, true),
        "forward"
    );
    let found = machine.local_height_moved(Height(8)).clone();
    assert_eq!(
        (found.lag, found.state, found.streak, found.eligible),
        (2, SyncState::CatchingUp, 3, false),
        "back"
    );
    let found = machine.local_height_moved(Height(10)).clone();
    assert_eq!((found.lag, found.streak, found.eligible), (0, 3, true), "and forward again");

    let mut behind = settled();
    behind.tick(&input(4, 10, tips(&[50, 50])));
    behind.tick(&input(5, 10, tips(&[50, 50])));
    assert_eq!(code(&behind), "BEHIND");
    behind.local_height_moved(Height(50));
    assert_eq!(code(&behind), "STREAK", "caught up between two ticks is no streak");
}

#[test]
fn a_lost_chain_service_begins_anew() {
    let mut machine = settled();
    machine.chain_unavailable("connection refused");
    let said = machine.snapshot().because.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        said,
        "CHAIN_UNAVAILABLE: the node's own chain service does not answer (connection refused): start it, or \
         read its log"
    );
    assert_eq!(
        (machine.snapshot().eligible, machine.snapshot().streak, machine.snapshot().tick),
        (false, 0, 3)
    );
    machine.local_height_moved(Height(11));
    assert_eq!(code(&machine), "CHAIN_UNAVAILABLE", "until the next tick");
    for (second, expect) in [(5, "STREAK"), (6, "STREAK"), (7, "")] {
        machine.tick(&input(second, 11, tips(&[11, 11])));
        assert_eq!(code(&machine), expect, "second {second}");
    }
}

#[test]
fn the_numbers_come_from_the_chains_parameters() {
    let params = ConsensusParams { max_clock_drift_ms: 700, max_desync_blocks: 4, ..Default::default() };
    let found = SyncParams::from(&params);
    let expect = SyncParams { max_clock_drift_ms: 700, max_desync_blocks: 4, ..PARAMS };
    assert_eq!((found, found.clock_limit_ms()), (expect, 1400));
}
