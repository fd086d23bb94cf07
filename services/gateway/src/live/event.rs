//! Events and their names.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_wire::reason_of;
use vision_wire::rest::{Encoded, api};

use crate::views::to_json;

/// What kind of event it is, as `event:` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EventName {
    /// How the node stands.
    Status,
    /// A block joined the head's chain.
    Block,
    /// This node claimed a height.
    Claim,
    /// A producer let its slot pass.
    MissedSlot,
    /// A producer was suspended.
    Suspended,
    /// A suspended producer is active again.
    Returned,
    /// The head moved to another branch.
    Reorg,
    /// A block became final.
    Finalized,
    /// The connection with a node ended.
    ContactLost,
    /// There is a connection with a node.
    ContactFound,
    /// The node fetched blocks that others had before it.
    CaughtUp,
    /// Something was missed.
    Gap,
}

impl EventName {
    pub(crate) const ALL: [Self; 12] = [
        Self::Status,
        Self::Block,
        Self::Claim,
        Self::MissedSlot,
        Self::Suspended,
        Self::Returned,
        Self::Reorg,
        Self::Finalized,
        Self::ContactLost,
        Self::ContactFound,
        Self::CaughtUp,
        Self::Gap,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Block => "block",
            Self::Claim => "claim",
            Self::MissedSlot => "missed_slot",
            Self::Suspended => "suspended",
            Self::Returned => "returned",
            Self::Reorg => "reorg",
            Self::Finalized => "finalized",
            Self::ContactLost => "contact_lost",
            Self::ContactFound => "contact_found",
            Self::CaughtUp => "caught_up",
            Self::Gap => "gap",
        }
    }

    /// Whether one comes with every block, or nearly.
    pub(super) const fn comes_with_every_block(self) -> bool {
        matches!(self, Self::Block | Self::Claim | Self::Finalized)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A text that names no event.
#[derive(Debug, thiserror::Error)]
#[error("there is no such event; known: {}", EventName::ALL.map(EventName::as_str).join(", "))]
pub(crate) struct NoEvent;

impl FromStr for EventName {
    type Err = NoEvent;

    fn from_str(text: &str) -> Result<Self, NoEvent> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(NoEvent)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which events a listener wants; a gap is always sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted(u16);

impl Wanted {
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) fn only(names: impl IntoIterator<Item = EventName>) -> Self {
        Self(names.into_iter().fold(EventName::Gap.bit(), |bits, name| bits | name.bit()))
    }

    pub(crate) const fn includes(self, name: EventName) -> bool {
        self.0 & name.bit() != 0
    }
}

impl FromStr for Wanted {
    type Err = NoEvent;

    /// Names with commas between them.
    fn from_str(text: &str) -> Result<Self, NoEvent> {
        text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().map(Self::only)
    }
}

/// Something that happened, rendered once for all listeners, and not before one of them needs it: most events
/// of a node that nobody watches are never read.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) name: EventName,
    source: Source,
    data: OnceLock<Bytes>,
    /// As server-sent events have it.
    text: OnceLock<Bytes>,
}

/// What an event is rendered from.
#[derive(Debug)]
enum Source {
    /// Its data.
    Json(Bytes),
    /// A message of the protocol files.
    Message { at_ms: u64, fields: Encoded },
}

impl Happened {
    /// An event with this JSON object as its data, on one line.
    pub(crate) const fn new(name: EventName, data: Bytes) -> Self {
        Self::of_source(name, Source::Json(data))
    }

    /// An event whose data are the fields of a message, with the time of the event before them.
    pub(crate) const fn of_message(name: EventName, at_ms: u64, fields: Encoded) -> Self {
        Self::of_source(name, Source::Message { at_ms, fields })
    }

    const fn of_source(name: EventName, source: Source) -> Self {
        Self { name, source, data: OnceLock::new(), text: OnceLock::new() }
    }

    /// One JSON object, on one line.
    pub(crate) fn data(&self) -> &Bytes {
        match &self.source {
            Source::Json(data) => data,
            Source::Message { at_ms, fields } => self.data.get_or_init(|| {
                let json = api().json_of(fields).expect("the protocol files have every event's message");
                stamped(*at_ms, &json)
            }),
        }
    }

    /// Stands for all before the start.
    pub(crate) const fn nothing() -> Self {
        Self::new(EventName::Gap, Bytes::from_static(b"{}"))
    }

    /// The event as text of a stream. An event has one cursor, so that the text is the same for all.
    pub(crate) fn text(&self, cursor: &str) -> Bytes {
        self.text.get_or_init(|| event_text(self.name.as_str(), cursor, self.data())).clone()
    }
}

/// An object with the time of the event before its fields.
fn stamped(at_ms: u64, object: &[u8]) -> Bytes {
    let head = format!("{{\"at_ms\":{at_ms}");
    let fields = object.strip_prefix(b"{").unwrap_or_default();
    let comma: &[u8] = if fields == b"}" { b"" } else { b"," };
    [head.as_bytes(), comma, fields].concat().into()
}

/// An event as text of a stream; without a cursor if that is empty.
pub(crate) fn event_text(name: &str, cursor: &str, data: &[u8]) -> Bytes {
    let id = if cursor.is_empty() { String::new() } else { format!("id: {cursor}\n") };
    [format!("event: {name}\n{id}data: ").as_bytes(), data, b"\n\n"].concat().into()
}

/// The data of a gap.
pub(crate) fn gap_json(cause: &Status) -> Bytes {
    #[derive(Serialize)]
    struct Gap<'a> {
        reason: String,
        detail: &'a str,
    }
    to_json(&Gap { reason: reason_of(cause).unwrap_or_default(), detail: cause.message() })
}

#[cfg(test)]
mod tests {
    use vision_wire::chain::Finalized;

    use super::*;

    #[test]
    fn names() {
        for name in EventName::ALL {
            assert_eq!(name.as_str().parse::<EventName>().ok(), Some(name));
        }
        for text in ["", "Block", "block ", "blocks"] {
            assert!(text.parse::<EventName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn wishes() {
        use EventName::{Block, Claim, Gap, Status};
        let cases: [(&str, Option<&[EventName]>); 5] = [
            ("block", Some(&[Block, Gap])),
            ("block,claim", Some(&[Block, Claim, Gap])),
            ("status,status", Some(&[Status, Gap])),
            ("", None),
            ("block,", None),
        ];
        for (text, expect) in cases {
            let got = text.parse::<Wanted>().ok();
            assert_eq!(got, expect.map(|names| Wanted::only(names.iter().copied())), "{text:?}");
            let includes = |name| got.is_some_and(|wanted| wanted.includes(name));
            let expected = |name| expect.is_some_and(|names| names.contains(&name));
            assert!(EventName::ALL.iter().all(|name| includes(*name) == expected(*name)), "{text:?}");
        }
        assert!(EventName::ALL.iter().all(|name| Wanted::ALL.includes(*name)));
    }

    #[test]
    fn an_event_has_its_time_before_its_fields() {
        assert_eq!(stamped(7, b"{\"height\":1}"), "{\"at_ms\":7,\"height\":1}");
        assert_eq!(stamped(7, b"{}"), "{\"at_ms\":7}");
        let hash = "ab".repeat(32);
        let finalized = Finalized { height: 9, hash: hash.clone() };
        let event = Happened::of_message(EventName::Finalized, 7, Encoded::of(&finalized));
        assert!(event.data.get().is_none(), "nobody has read it");
        assert_eq!(*event.data(), format!("{{\"at_ms\":7,\"height\":9,\"hash\":\"{hash}\"}}"));
    }

    #[test]
    fn text_of_a_stream() {
        let event = Happened::new(EventName::Block, Bytes::from_static(b"{\"height\":1}"));
        assert_eq!(event.text("a-1"), "event: block\nid: a-1\ndata: {\"height\":1}\n\n");
        assert_eq!(event_text(EventName::Status.as_str(), "", b"{}"), "event: status\ndata: {}\n\n");
    }
}
