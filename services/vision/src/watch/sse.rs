//! Server-sent events, taken apart.

use serde_json::Value;

/// Longest event taken.
pub(super) const MAX_EVENT_BYTES: usize = 8 << 20;

/// One event of a stream.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    /// What kind.
    pub name: String,
    /// What it says.
    pub data: Value,
}

/// Text that has come and is not taken apart yet.
#[derive(Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
}

/// An event was too long to be one of a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Parser {
    /// Adds what came.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next event that is whole; comments and what names no event are passed over.
    pub(super) fn next(&mut self) -> Option<Event> {
        loop {
            let end = self.bytes.windows(2).position(|pair| pair == b"\n\n")?;
            let text: Vec<u8> = self.bytes.drain(..end + 2).collect();
            if let Some(event) = event(&String::from_utf8_lossy(&text)) {
                return Some(event);
            }
        }
    }
}

fn event(text: &str) -> Option<Event> {
    let (mut name, mut data) = (None, String::new());
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = Some(value.to_owned()),
            "data" => data += value,
            _ => {}
        }
    }
    Some(Event { name: name?, data: serde_json::from_str(&data).ok()? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_come_in_pieces_between_comments() {
        let text = "retry: 1000\n: what happens\n\nid: a-1\n\nevent: block\nid: a-2\ndata: \
        {\"height\":7}\n\n: beat\n\nevent: x\ndata: no\n\nevent: gap\ndata:{}\n\n";
        let expect = [
            Event { name: "block".into(), data: json!({ "height": 7 }) },
            Event { name: "gap".into(), data: json!({}) },
        ];
        for size in [1, 7, text.len()] {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                parser.feed(piece).expect("short");
                events.extend(std::iter::from_fn(|| parser.next()));
            }
            assert_eq!(events, expect, "{size}");
        }
        assert_eq!(Parser::default().feed(&vec![b'x'; MAX_EVENT_BYTES + 1]), Err(TooLong));
    }
}
