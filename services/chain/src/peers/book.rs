//! The address book: where other nodes may be called, and when to try again. Pure.

use std::collections::BTreeMap;

use vision_primitives::NodeId;

/// Most addresses kept; seeds are always kept.
pub const MAX_ADDRESSES: usize = 256;
/// Most bytes of an address.
const MAX_ADDRESS_BYTES: usize = 255;
/// Pause after the first failed call, milliseconds; doubles with each further one.
const FIRST_PAUSE_MS: u64 = 500;
/// Longest pause, milliseconds.
const LONGEST_PAUSE_MS: u64 = 15_000;
/// Pause after a call that can hardly succeed later: ourselves, another chain, milliseconds.
const HOPELESS_PAUSE_MS: u64 = 300_000;
/// Failures in a row after which an address learned from a peer is forgotten.
const MAX_FAILURES: u32 = 10;

#[derive(Clone, Debug, Default)]
struct Entry {
    seed: bool,
    /// Who answered there last.
    node_id: Option<NodeId>,
    failures: u32,
    not_before_ms: u64,
    calling: bool,
    ever_reached: bool,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallEnd {
    /// A connection stood, with this node.
    Connected(NodeId),
    /// Nobody there, refused, or cut.
    Failed,
    /// Ourselves, or a node of another chain.
    Hopeless,
}

/// The addresses and what is known of each.
#[derive(Debug, Default)]
pub struct AddressBook {
    entries: BTreeMap<String, Entry>,
}

impl AddressBook {
    /// A book that holds the configured seeds.
    pub fn new(seeds: impl IntoIterator<Item = String>) -> Self {
        let entry = Entry { seed: true, ..Entry::default() };
        Self { entries: seeds.into_iter().map(|address| (address, entry.clone())).collect() }
    }

    /// Takes an address that a peer told; a full book or a malformed address is passed over.
    pub fn learn(&mut self, address: &str) {
        if self.entries.len() < MAX_ADDRESSES && is_address(address) {
            self.entries.entry(address.to_owned()).or_default();
        }
    }

    /// Up to `count` addresses to call now; each is marked as being called.
    pub fn due(&mut self, now_ms: u64, count: usize, connected: impl Fn(&NodeId) -> bool) -> Vec<String> {
        let mut due = Vec::new();
        for (address, entry) in &mut self.entries {
            if due.len() == count {
                break;
            }
            let known = entry.node_id.as_ref().is_some_and(&connected);
            if !entry.calling && !known && entry.not_before_ms <= now_ms {
                entry.calling = true;
                due.push(address.clone());
            }
        }
        due
    }

    /// A connection stands at an address, with this node.
    pub fn stands(&mut self, address: &str, id: NodeId) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.node_id = Some(id);
            entry.failures = 0;
            entry.ever_reached = true;
        }
    }

    /// Notes how a call ended; `jitter` in 0 … 255 spreads the next calls.
    pub fn ended(&mut self, address: &str, end: CallEnd, now_ms: u64, jitter: u8) {
        let Some(entry) = self.entries.get_mut(address) else { return };
        entry.calling = false;
        let pause_ms = match end {
            CallEnd::Connected(id) => {
                entry.node_id = Some(id);
                entry.failures = 0;
                entry.ever_reached = true;
                FIRST_PAUSE_MS
            }
            CallEnd::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.node_id = None;
                (FIRST_PAUSE_MS << (entry.failures - 1).min(16)).min(LONGEST_PAUSE_MS)
            }
            CallEnd::Hopeless => {
                entry.failures = entry.failures.saturating_add(1);
                HOPELESS_PAUSE_MS
            }
        };
        entry.not_before_ms = now_ms + pause_ms + pause_ms * u64::from(jitter) / 1024;
        if !entry.seed && entry.failures >= MAX_FAILURES {
            self.entries.remove(address);
        }
    }

    /// Addresses worth telling others: those where somebody answered, at most `count`.
    pub fn reached(&self, count: usize) -> Vec<String> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.ever_reached)
            .map(|(address, _)| address.clone())
            .take(count)
            .collect()
    }
}

/// Whether a text has the form host:port.
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    text.len() <= MAX_ADDRESS_BYTES
        && !host.is_empty()
        && host.chars().all(allowed)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> NodeId {
        vision_primitives::Hash([n; 32])
    }

    #[test]
    fn an_address_is_called_once_at_a_time_and_pauses_double() {
        let mut book = AddressBook::new(["a:1".to_owned()]);
        let mut now = 0;
        for pause in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
            assert_eq!(book.due(now, 9, |_| false), ["a:1"]);
            assert!(book.due(now, 9, |_| false).is_empty(), "already being called");
            book.ended("a:1", CallEnd::Failed, now, 0);
            assert!(book.due(now + pause - 1, 9, |_| false).is_empty());
            now += pause;
        }
    }

    #[test]
    fn a_connected_node_is_not_called_at_any_of_its_addresses() {
        let mut book = AddressBook::new(["a:1".to_owned(), "b:1".to_owned()]);
        assert_eq!(book.due(0, 9, |_| false).len(), 2);
        book.ended("a:1", CallEnd::Connected(id(1)), 0, 0);
        book.ended("b:1", CallEnd::Connected(id(1)), 0, 0);
        assert!(book.due(10_000, 9, |other| *other == id(1)).is_empty());
        assert_eq!(book.due(10_000, 1, |_| false).len(), 1, "once it is gone, at most as many as wanted");
    }

    #[test]
    fn the_book_is_bounded_and_forgets_dead_addresses_but_not_seeds() {
        let mut book = AddressBook::new(["seed:1".to_owned()]);
        for port in 1..2000 {
            book.learn(&format!("x:{port}"));
        }
        assert_eq!(book.due(0, 10_000, |_| false).len(), MAX_ADDRESSES);
        for address in book.entries.keys().cloned().collect::<Vec<_>>() {
            for _ in 0..MAX_FAILURES {
                book.ended(&address, CallEnd::Failed, 0, 0);
            }
        }
        assert_eq!(book.entries.keys().collect::<Vec<_>>(), ["seed:1"]);
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let cases = [
            ("node1-chain:7072", true),
            ("10.0.0.1:1", true),
            ("[::1]:7072", true),
            (":7072", false),
            ("host", false),
            ("host:0", false),
            ("host:65536", false),
            ("ho st:1", false),
            ("http://host/x:1", false),
        ];
        for (text, expect) in cases {
            assert_eq!(is_address(text), expect, "{text}");
        }
    }
}
