use super::*;

#[test]
fn a_clock_that_was_set_makes_the_machine_begin_anew() {
    for (desc, step_ms, streak) in [
        ("not set", 0, 4),
        ("slewed", 500, 4),
        ("forward", 501, 1),
        ("back", -501, 1),
        ("an hour", 3_600_000, 1),
    ] {
        let mut machine = settled();
        let next = input(4, 10, tips(&[10, 10]));
        let now_ms = TimestampMs(next.now_ms.get().saturating_add_signed(step_ms));
        let found = machine.tick(&TickInput { now_ms, ..next });
        assert_eq!((found.streak, found.eligible), (streak, streak == 4), "{desc}");
    }
}

#[test]
fn a_head_stamped_ahead_of_the_clock_is_no_tip_to_build_on() {
    let stamped = |ahead_ms: u64, local: u64, peers: Vec<PeerView>| {
        let now = input(4, local, peers);
        TickInput { head_at: now.now_ms.plus_ms(ahead_ms), ..now }
    };
    let apart = || vec![PeerView { clock_offset_ms: Some(9_000), ..peer(10) }];
    let cases = [
        ("as far as a clock may be apart", stamped(1_000, 10, tips(&[10, 10])), ""),
        (
            "all clocks were set back",
            stamped(3_600_000, 10, tips(&[10, 10])),
            "HEAD_AHEAD: the timestamp of the head, block 10, is 3600 s ahead of this clock, and the \
             next block must be later: set the clock by NTP if it is wrong, otherwise wait",
        ),
        (
            "without peers too",
            stamped(1_001, 10, vec![]),
            "HEAD_AHEAD: the timestamp of the head, block 10, is 2 s ahead of this clock, and the \
             next block must be later: set the clock by NTP if it is wrong, otherwise wait",
        ),
        (
            "the genesis is to come",
            stamped(90_000, 0, tips(&[0, 0])),
            "HEAD_AHEAD: the genesis begins 90 s from now by this clock: wait until then, or set the clock \
             by NTP if it is wrong",
        ),
        (
            "this clock alone was set back",
            stamped(9_000, 10, apart()),
            "CLOCK_SKEW: this clock is 9000 ms behind the only ready peer's (limit 1000 ms): one of the \
             two is wrong, so set both by NTP",
        ),
    ];
    for (desc, input, expect) in cases {
        let mut machine = SyncMachine::new(SyncParams { eligible_streak_required: 1, ..PARAMS });
        let found = machine.tick(&input);
        let said = found.because.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!((said.as_str(), found.eligible), (expect, expect.is_empty()), "{desc}");
        assert_eq!(found.head_ahead_ms, input.head_at.since_ms(input.now_ms), "{desc}");
    }
}

/// Looks for three seconds at ready peers with these offsets: theirs less ours.
fn say(cases: &[(&str, &[Option<i64>], &str)]) {
    for (desc, offsets, expect) in cases {
        let mut machine = SyncMachine::new(PARAMS);
        let peers: Vec<_> =
            offsets.iter().map(|offset| PeerView { clock_offset_ms: *offset, ..peer(10) }).collect();
        for second in 1..=3 {
            machine.tick(&input(second, 10, peers.clone()));
        }
        let said = machine.snapshot().because.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!((said.as_str(), machine.snapshot().eligible), (*expect, expect.is_empty()), "{desc}");
    }
}

#[test]
fn a_clock_apart_from_most_ready_peers() {
    say(&[
        (
            "5 s fast",
            &[Some(-5003), Some(-5003)],
            "CLOCK_SKEW: this clock is 5003 ms ahead of 2 of 2 ready peers (limit 1000 ms): set it by NTP",
        ),
        (
            "5 s slow",
            &[Some(5003), Some(5001), Some(0)],
            "CLOCK_SKEW: this clock is 5003 ms behind 2 of 3 ready peers (limit 1000 ms): set it by NTP",
        ),
        ("just inside", &[Some(1000), Some(1000)], ""),
        (
            "just outside",
            &[Some(1001), Some(1001)],
            "CLOCK_SKEW: this clock is 1001 ms behind 2 of 2 ready peers (limit 1000 ms): set it by NTP",
        ),
        (
            "one peer, and either may be wrong",
            &[Some(-9000)],
            "CLOCK_SKEW: this clock is 9000 ms ahead of the only ready peer's (limit 1000 ms): one of the \
             two is wrong, so set both by NTP",
        ),
        ("one peer, inside", &[Some(-1000)], ""),
        (
            "one peer, not compared yet",
            &[None],
            "CLOCK_UNKNOWN: clock of 1 of 1 peer not compared yet; wait 2 s",
        ),
        ("half is not more than half", &[Some(-9000), Some(0)], ""),
        (
            "the unmeasured count as peers, and may still decide",
            &[Some(-9000), None, None],
            "CLOCK_UNKNOWN: clocks of 2 of 3 peers not compared yet; wait 2 s",
        ),
        ("one unmeasured of two cannot decide", &[Some(0), None], ""),
        (
            "one unmeasured beside one that is apart can",
            &[Some(9000), None],
            "CLOCK_UNKNOWN: clock of 1 of 2 peers not compared yet; wait 2 s",
        ),
        ("a minority that cannot be measured holds up nobody", &[Some(0), Some(0), Some(0), None, None], ""),
        ("nor do its members beside one that is apart", &[Some(9000), Some(0), Some(0), None], ""),
        (
            "two against one unmeasured",
            &[Some(-9000), Some(-9000), None],
            "CLOCK_SKEW: this clock is 9000 ms ahead of 2 of 3 ready peers (limit 1000 ms): set it by NTP",
        ),
        (
            "absurd numbers",
            &[Some(i64::MIN), Some(i64::MIN)],
            "CLOCK_SKEW: this clock is 9223372036854775808 ms ahead of 2 of 2 ready peers (limit 1000 ms): \
             set it by NTP",
        ),
    ]);
}

#[test]
fn a_clock_between_others_that_differ() {
    say(&[
        (
            "between two clocks: of three that differ nobody can say which is right",
            &[Some(-2_644_133), Some(6_265_571)],
            "CLOCK_SKEW: this clock is ahead of 1 and behind 1 of 2 ready peers (limit 1000 ms): nobody can \
             know which clock is right, so set all of them by NTP",
        ),
        (
            "one that agrees is no majority of four",
            &[Some(-9000), Some(9000), Some(0)],
            "CLOCK_SKEW: this clock is ahead of 1 and behind 1 of 3 ready peers (limit 1000 ms): nobody can \
             know which clock is right, so set all of them by NTP",
        ),
        (
            "the unmeasured agree with nobody",
            &[Some(-9000), Some(9000), None],
            "CLOCK_SKEW: this clock is ahead of 1 and behind 1 of 3 ready peers (limit 1000 ms): nobody can \
             know which clock is right, so set all of them by NTP",
        ),
        (
            "with two that agree, three of five clocks do",
            &[Some(-9000), Some(9000), Some(0), Some(-1000)],
            "",
        ),
        (
            "one that agrees and one unmeasured may be too few",
            &[Some(-9000), Some(9000), Some(0), None],
            "CLOCK_UNKNOWN: clock of 1 of 4 peers not compared yet; wait 2 s",
        ),
    ]);
}
