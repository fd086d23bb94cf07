//! One listener.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;
use vision_host::Clock;
use vision_wire::{EventKind, LogEvent, Subscription};

use super::event::{EventName, Happened, Wanted};
use super::status::Frame;

/// A listener that wants none of what happens is sent how far it has read after this: it sees that the
/// connection lives, and if it comes back it has missed nothing.
const QUIET: Duration = Duration::from_secs(10);

/// What a listener hears next.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An event.
    Event { cursor: String, event: Arc<Happened> },
    /// How the node stands: all of it if the listener does not know the version before.
    Status { frame: Arc<Frame>, whole: bool },
    /// Nothing happened, up to this cursor.
    Quiet { cursor: String },
    /// The listener is too slow: it missed events, and hears no more.
    TooSlow,
}

/// A listener's place in the events, and what it knows of the status.
pub(crate) struct Listener {
    events: Subscription<Arc<Happened>>,
    status: watch::Receiver<Arc<Frame>>,
    wanted: Wanted,
    /// Version of the status sent last.
    known: u64,
    /// How far it has heard.
    cursor: String,
    /// When it was last sent that.
    sent_at: Instant,
    clock: Clock,
}

impl Listener {
    pub(super) fn new(
        events: Subscription<Arc<Happened>>,
        mut status: watch::Receiver<Arc<Frame>>,
        wanted: Wanted,
        clock: Clock,
    ) -> Self {
        let sent_at = clock.instant();
        // What is there already is news to this one.
        status.mark_changed();
        Self { events, status, wanted, known: 0, cursor: String::new(), sent_at, clock }
    }

    /// In the place of another, whose client knows that status already.
    pub(crate) fn instead_of(self, other: &Self) -> Self {
        Self { known: other.known, ..self }
    }

    /// None when the hub is gone.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            let wants_status = self.wanted.includes(EventName::Status);
            tokio::select! {
                biased;
                item = self.events.next() => match item? {
                    Ok(item) => {
                        if let Some(heard) = self.event(item) {
                            return Some(heard);
                        }
                    }
                    Err(_) => return Some(Heard::TooSlow),
                },
                changed = self.status.changed(), if wants_status => {
                    changed.ok()?;
                    let frame = Arc::clone(&self.status.borrow_and_update());
                    if frame.version > self.known {
                        let whole = frame.version != self.known + 1 || self.known == 0;
                        self.known = frame.version;
                        return Some(Heard::Status { frame, whole });
                    }
                }
                // A status, which has no cursor, does not put it off.
                () = tokio::time::sleep_until(self.sent_at + QUIET) => {
                    self.sent_at = self.clock.instant();
                    return Some(Heard::Quiet { cursor: self.cursor.clone() });
                }
            }
        }
    }

    fn event(&mut self, item: LogEvent<Arc<Happened>>) -> Option<Heard> {
        self.cursor.clone_from(&item.cursor);
        let heard = self.of_interest(item);
        if heard.is_some() {
            self.sent_at = self.clock.instant();
        }
        heard
    }

    fn of_interest(&self, item: LogEvent<Arc<Happened>>) -> Option<Heard> {
        match item.kind {
            EventKind::New if self.wanted.includes(item.event.name) => {
                Some(Heard::Event { cursor: item.cursor, event: item.event })
            }
            EventKind::New => None,
            EventKind::Current | EventKind::Heartbeat => Some(Heard::Quiet { cursor: item.cursor }),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vision_wire::reason_of;

    use super::super::status::{Parts, Urgency};
    use super::super::{KEPT_EVENTS, Live, Part};
    use super::*;

    fn block(number: usize) -> Happened {
        Happened::new(EventName::Block, Bytes::from(number.to_string()))
    }

    async fn text(listener: &mut Listener) -> String {
        match listener.next().await.expect("the hub lives") {
            Heard::Event { event, .. } => String::from_utf8_lossy(event.data()).into_owned(),
            Heard::Status { frame, whole } => {
                let text = &frame.written(whole).text;
                String::from_utf8_lossy(text).trim_start_matches("event: status\ndata: ").trim().to_owned()
            }
            Heard::Quiet { .. } => "quiet".into(),
            Heard::TooSlow => "too slow".into(),
        }
    }

    /// Changes a part of the status, and shows it at this time.
    fn show(live: &Live, parts: &mut Parts, part: Part, json: &'static str, now_ms: u64) {
        parts.set(part, Ok(Bytes::from_static(json.as_bytes())), Urgency::CanWait);
        live.show(parts.take(Urgency::CanWait, now_ms).expect("changed"));
    }

    #[tokio::test]
    async fn events_and_status_come_to_those_who_want_them() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let mut parts = Parts::default();
        let mut show = |json| show(&live, &mut parts, Part::Services, json, 1);
        show("1");
        let mut all = live.listen("", Wanted::ALL).expect("listens");
        let mut claims = live.listen("", Wanted::only([EventName::Claim])).expect("listens");
        assert_eq!((text(&mut all).await, text(&mut claims).await), ("quiet".into(), "quiet".into()));
        assert_eq!(text(&mut all).await, "{\"now_ms\":1,\"services\":1}");
        live.publish(block(7));
        live.publish(Happened::new(EventName::Claim, Bytes::from_static(b"mine")));
        assert_eq!((text(&mut all).await, text(&mut all).await), ("7".into(), "mine".into()));
        assert_eq!(text(&mut claims).await, "mine");
        show("2");
        assert_eq!(text(&mut all).await, "{\"now_ms\":1,\"services\":2}");
    }

    #[tokio::test]
    async fn who_chooses_anew_is_not_sent_the_same_status_again() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let mut parts = Parts::default();
        let mut show = |json| show(&live, &mut parts, Part::Services, json, 1);
        show("1");
        let mut first = live.listen("", Wanted::ALL).expect("listens");
        assert_eq!(text(&mut first).await, "quiet");
        assert_eq!(text(&mut first).await, "{\"now_ms\":1,\"services\":1}");
        let mut second = live.listen("", Wanted::ALL).expect("listens").instead_of(&first);
        assert_eq!(text(&mut second).await, "quiet");
        live.publish(block(7));
        assert_eq!(text(&mut second).await, "7");
        show("2");
        assert_eq!(text(&mut second).await, "{\"now_ms\":1,\"services\":2}");
    }

    #[tokio::test]
    async fn who_misses_a_version_gets_the_whole_status() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let mut listener = live.listen("", Wanted::only([EventName::Status])).expect("listens");
        assert_eq!(text(&mut listener).await, "quiet");
        let mut parts = Parts::default();
        for (part, json) in [(Part::Services, "1"), (Part::Mining, "2"), (Part::Mining, "3")] {
            show(&live, &mut parts, part, json, 1);
        }
        assert_eq!(text(&mut listener).await, "{\"now_ms\":1,\"services\":1,\"mining\":3}");
        show(&live, &mut parts, Part::Mining, "4", 2);
        assert_eq!(text(&mut listener).await, "{\"now_ms\":2,\"mining\":4}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_none_of_what_happens_is_sent_how_far_it_has_heard() {
        let live = Live::new(1, vision_host::Clock::system(0));
        // A status is no sign of how far the listener has heard.
        for names in [&[EventName::Claim][..], &[EventName::Claim, EventName::Status]] {
            let mut listener = live.listen("", Wanted::only(names.iter().copied())).expect("listens");
            assert_eq!(text(&mut listener).await, "quiet");
            let publisher = live.clone();
            let publishing = tokio::spawn(async move {
                let mut parts = Parts::default();
                for number in 0.. {
                    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                    publisher.publish(block(number));
                    parts.set(Part::Mining, Ok(Bytes::from(number.to_string())), Urgency::CanWait);
                    publisher.show(parts.take(Urgency::CanWait, 1).expect("changed"));
                }
            });
            let begin = live.clock().instant();
            let heard = async {
                loop {
                    if let Heard::Quiet { cursor } = listener.next().await.expect("the hub lives") {
                        break cursor;
                    }
                }
            };
            let heard = tokio::time::timeout(super::QUIET * 3, heard).await;
            let cursor = heard.expect("within a time that proxies bear");
            let waited = live.clock().instant() - begin;
            assert!(waited <= super::QUIET, "{waited:?}");
            publishing.abort();
            assert_eq!(cursor, live.cursor(), "{names:?}");
        }
    }

    #[tokio::test]
    async fn who_is_too_slow_hears_no_more() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let mut listener = live.listen("", Wanted::ALL).expect("listens");
        assert_eq!(text(&mut listener).await, "quiet");
        for number in 0..=KEPT_EVENTS + 1 {
            live.publish(block(number));
        }
        assert_eq!(text(&mut listener).await, "too slow");
        assert!(listener.next().await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_missed_after_a_cursor() {
        let live = Live::new(1, vision_host::Clock::system(0));
        live.publish(block(1));
        let cursor = live.cursor();
        live.publish(block(2));
        live.publish(block(3));
        let mut listener = live.listen(&cursor, Wanted::ALL).expect("known");
        assert_eq!((text(&mut listener).await, text(&mut listener).await), ("2".into(), "3".into()));
        let noted: Vec<_> = live.noted().into_iter().map(|(_, event)| event.data().clone()).collect();
        assert_eq!(noted, ["3"], "the newest block");
        assert_eq!(
            Live::new(2, vision_host::Clock::system(0))
                .listen(&cursor, Wanted::ALL)
                .err()
                .and_then(|error| reason_of(&error)),
            Some("CURSOR_TOO_OLD".into())
        );
    }
}
