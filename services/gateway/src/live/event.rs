//! Events and their names.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_wire::reason_of;

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

/// Which events a listener wants; a gap is always told.
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

/// Something that happened, rendered once for all listeners.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) name: EventName,
    /// One JSON object, on one line.
    pub(crate) data: Bytes,
    /// As server-sent events have it: made for the first who needs it.
    text: OnceLock<Bytes>,
}

impl Happened {
    pub(crate) const fn new(name: EventName, data: Bytes) -> Self {
        Self { name, data, text: OnceLock::new() }
    }

    /// Stands for all before the start.
    pub(crate) const fn nothing() -> Self {
        Self::new(EventName::Gap, Bytes::from_static(b"{}"))
    }

    /// The event as text of a stream. An event has one cursor, so that the text is the same for all.
    pub(crate) fn text(&self, cursor: &str) -> Bytes {
        self.text.get_or_init(|| event_text(self.name.as_str(), cursor, &self.data)).clone()
    }
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
    fn text_of_a_stream() {
        let event = Happened::new(EventName::Block, Bytes::from_static(b"{\"height\":1}"));
        assert_eq!(event.text("a-1"), "event: block\nid: a-1\ndata: {\"height\":1}\n\n");
        assert_eq!(event_text(EventName::Status.as_str(), "", b"{}"), "event: status\ndata: {}\n\n");
    }
}
