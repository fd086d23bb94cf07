#![expect(clippy::disallowed_methods, reason = "it measures on the clock that the tests pause")]
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use super::*;
use crate::reason_of;

fn log_of(events: u64, capacity: usize) -> EventLog<u64> {
    let log = EventLog::new(7, capacity);
    for event in 0..events {
        log.publish(event);
    }
    log
}

fn cursor(sequence: u64) -> String {
    Cursor { start_id: 7, sequence }.to_string()
}

async fn next<T: 'static>(watch: &mut Subscription<T>) -> LogEvent<T> {
    watch.next().await.expect("goes on").expect("an event")
}

#[tokio::test(start_paused = true)]
async fn a_fresh_watch_starts_with_the_last_event_and_gets_all_that_follow() {
    let log = log_of(3, 10);
    let mut watch = log.subscribe("").expect("there are events");
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(2), kind: EventKind::Current, event: 2 });
    log.publish(30);
    log.publish(40);
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(3), kind: EventKind::New, event: 30 });
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(4), kind: EventKind::New, event: 40 });
    assert_eq!(log.latest(), Some(40));
}

#[tokio::test(start_paused = true)]
async fn a_resumed_watch_gets_exactly_what_it_missed() {
    let log = log_of(6, 4);
    // Kept are 2 to 5.
    for seen in 1..5 {
        let mut watch = log.subscribe(&cursor(seen)).expect("still kept");
        for expect in seen + 1..6 {
            assert_eq!(
                next(&mut watch).await,
                LogEvent { cursor: cursor(expect), kind: EventKind::New, event: expect }
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumed_with_nothing_missed_hears_so_at_once() {
    let log = log_of(3, 10);
    let before = Instant::now();
    let mut watch = log.subscribe(&cursor(2)).expect("known");
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(2), kind: EventKind::Heartbeat, event: 2 });
    assert_eq!(before.elapsed(), Duration::ZERO);
    log.publish(3);
    assert_eq!(next(&mut watch).await.kind, EventKind::New);
}

#[tokio::test(start_paused = true)]
async fn an_event_between_resuming_and_reading_is_no_heartbeat() {
    let log = log_of(3, 10);
    let mut watch = log.subscribe(&cursor(2)).expect("known");
    log.publish(3);
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(3), kind: EventKind::New, event: 3 });
    let mut fresh = log.subscribe("").expect("known");
    log.publish(4);
    assert_eq!(next(&mut fresh).await, LogEvent { cursor: cursor(4), kind: EventKind::Current, event: 4 });
    assert_eq!(next(&mut watch).await.event, 4);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_heartbeats_that_repeat_the_last_event() {
    let log = log_of(1, 10);
    let mut watch = log.subscribe("").expect("known");
    next(&mut watch).await;
    let before = Instant::now();
    for beats in 1..=3 {
        assert_eq!(
            next(&mut watch).await,
            LogEvent { cursor: cursor(0), kind: EventKind::Heartbeat, event: 0 }
        );
        assert_eq!(before.elapsed(), HEARTBEAT * beats);
    }
    log.publish(1);
    assert_eq!(next(&mut watch).await, LogEvent { cursor: cursor(1), kind: EventKind::New, event: 1 });
}

#[tokio::test(start_paused = true)]
async fn refused_cursors() {
    let log = log_of(6, 4);
    let earlier_start = Cursor { start_id: 6, sequence: 5 }.to_string();
    let cases = [
        ("fallen out of the ring", cursor(0), "CURSOR_TOO_OLD"),
        ("of an earlier start", earlier_start, "CURSOR_TOO_OLD"),
        ("not given out yet", cursor(6), "CURSOR_TOO_OLD"),
        ("far ahead", cursor(u64::MAX), "CURSOR_TOO_OLD"),
        ("no cursor", "yesterday".into(), "INVALID_CURSOR"),
    ];
    for (desc, text, expect) in cases {
        let error = log.subscribe(&text).err().expect(desc);
        assert_eq!(reason_of(&error).as_deref(), Some(expect), "{desc}");
    }
    let error = EventLog::<u64>::new(7, 4).subscribe("").err().expect("empty");
    assert_eq!(reason_of(&error).as_deref(), Some("NOT_READY"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_watch_that_falls_out_of_the_ring_is_sent_an_end() {
    let log = log_of(1, 4);
    let mut watch = log.subscribe("").expect("known");
    next(&mut watch).await;
    for event in 1..=5 {
        log.publish(event);
    }
    let error = watch.next().await.expect("an item").expect_err("event 1 is gone");
    assert_eq!(error.code(), tonic::Code::OutOfRange);
    assert_eq!(reason_of(&error).as_deref(), Some("CURSOR_TOO_OLD"));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn many_watches_of_a_busy_log_see_every_event_once_and_in_order() {
    const EVENTS: u64 = 2000;
    let log = log_of(1, 4096);
    let watches: Vec<_> = (0..8)
        .map(|_| {
            let mut watch = log.subscribe("").expect("known");
            tokio::spawn(async move {
                let mut last = next(&mut watch).await.event;
                while last < EVENTS {
                    let item = next(&mut watch).await;
                    assert_eq!((item.kind, item.event), (EventKind::New, last + 1));
                    last = item.event;
                }
            })
        })
        .collect();
    for event in 1..=EVENTS {
        log.publish(event);
        if event % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for watch in watches {
        watch.await.expect("saw everything");
    }
}
