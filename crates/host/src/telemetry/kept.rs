//! The traces that are sent although the ratio leaves them out.

use indexmap::IndexSet;
use opentelemetry::TraceId;

/// Traces remembered as kept.
const MAX_KEPT: usize = 1024;
/// The latest of them, which are sent to other services.
const SENT: usize = 4;

/// The kept traces, oldest first.
#[derive(Default, Debug)]
pub(super) struct Kept(IndexSet<TraceId>);

impl Kept {
    /// Adds one; false if it is there already.
    pub(super) fn add(&mut self, trace: TraceId) -> bool {
        if trace == TraceId::INVALID || !self.0.insert(trace) {
            return false;
        }
        if self.0.len() > MAX_KEPT {
            self.0.shift_remove_index(0);
        }
        true
    }

    pub(super) fn contains(&self, trace: TraceId) -> bool {
        self.0.contains(&trace)
    }

    /// The latest ones as sent to other services: hex ids with commas between.
    pub(super) fn advertised(&self) -> Option<String> {
        let latest: Vec<String> = self.0.iter().rev().take(SENT).map(ToString::to_string).collect();
        (!latest.is_empty()).then(|| latest.join(","))
    }
}

/// Reads what [`Kept::advertised`] wrote; at most as many, and nothing of a text that is not of that form.
pub(super) fn read(text: &str) -> Vec<TraceId> {
    let id = |part: &str| {
        let hex = part.len() == 32 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| TraceId::from_hex(part).ok()).flatten()
    };
    text.split(',').take(SENT).map_while(|part| id(part.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_sent_and_read_again() {
        let mut kept = Kept::default();
        assert_eq!(kept.advertised(), None);
        for id in 1..=2000_u128 {
            assert!(kept.add(TraceId::from(id)));
            assert!(!kept.add(TraceId::from(id)));
        }
        assert!(!kept.add(TraceId::INVALID));
        assert!(kept.contains(TraceId::from(2000)) && !kept.contains(TraceId::from(2000 - 1024)));
        assert_eq!(kept.0.len(), MAX_KEPT);
        let advertised = kept.advertised().expect("some");
        assert_eq!(read(&advertised), [2000, 1999, 1998, 1997].map(TraceId::from));
    }

    #[test]
    fn a_hostile_list_gives_nothing_or_little() {
        let good = "0af7651916cd43dd8448eb211c80319c";
        let cases = [
            ("nothing", String::new(), 0),
            ("one", good.to_owned(), 1),
            ("spaces", format!(" {good} , {good}"), 2),
            ("too many", [good; 9].join(","), SENT),
            ("capitals", good.to_uppercase(), 0),
            ("too short", good[1..].to_owned(), 0),
            ("too long", format!("{good}0"), 0),
            ("not hex", good.replace('0', "z"), 0),
            ("signs", good.replace('0', "+"), 0),
            ("good, then bad", format!("{good},x,{good}"), 1),
            ("letters beyond ASCII", "ä".repeat(16), 0),
        ];
        for (desc, text, expect) in cases {
            assert_eq!(read(&text).len(), expect, "{desc}");
        }
    }
}
