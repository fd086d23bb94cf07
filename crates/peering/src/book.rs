//! The address book: where other nodes may be called, and when to try again. Its randomness comes from a
//! seed.
//!
//! Addresses that peers send cost them nothing, so they are kept apart by who sent them, called after the
//! seeds, in random order, and only so many at a time.

use std::collections::BTreeMap;

use vision_primitives::NodeId;

use crate::Accepts;

/// Most addresses kept; seeds are always kept.
pub(crate) const MAX_ADDRESSES: usize = 256;
/// Most addresses kept of what one source has sent.
const MAX_ADDRESSES_OF_SOURCE: usize = 32;
/// Pause after the first failed call, milliseconds; doubles with each further one.
const FIRST_PAUSE_MS: u64 = 500;
/// Longest pause, milliseconds.
const LONGEST_PAUSE_MS: u64 = 15_000;
/// Pause after a call that can hardly succeed later: ourselves, another chain, milliseconds.
const HOPELESS_PAUSE_MS: u64 = 300_000;
/// Failures in a row after which an address learned from a peer is forgotten.
const MAX_FAILURES: u32 = 10;

/// Number of a source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct SourceId(u64);

#[derive(Clone, Debug, Default)]
struct Entry {
    /// Who sent it; `None` for a seed.
    source: Option<SourceId>,
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
    /// A connection stood for a while, or there is another one, with this node.
    Connected(NodeId),
    /// A connection with this node stood and ended at once.
    Short(NodeId),
    /// Nobody there, refused, or cut.
    Failed,
    /// Ourselves, or a node of another chain.
    Hopeless,
}

/// How many calls may be begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Calls altogether.
    pub(crate) calls: usize,
    /// Calls and connections at a time to learned addresses where no producer answers.
    pub(crate) strangers: usize,
}

/// The addresses and what is known of each.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    entries: BTreeMap<String, Entry>,
    /// The sources of some of them.
    sources: BTreeMap<String, SourceId>,
    /// How many of them each source has sent.
    of_sources: BTreeMap<SourceId, usize>,
    last_source: u64,
    accepts: Accepts,
    random: Random,
}

impl AddressBook {
    /// A book that holds the configured seeds.
    pub(crate) fn new(seeds: impl IntoIterator<Item = String>, accepts: Accepts, random_seed: u64) -> Self {
        let entries = seeds.into_iter().map(|address| (address, Entry::default())).collect();
        Self { entries, accepts, random: Random(random_seed), ..Self::default() }
    }

    /// Takes an address that a peer sent. One that may not be called is passed over, as is one that its
    /// source or the book has no room for.
    pub(crate) fn learn(&mut self, address: &str, source: &str) {
        if self.entries.contains_key(address) || !self.accepts.takes(address) {
            return;
        }
        let known = self.sources.get(source).copied();
        let of_source = known.and_then(|id| self.of_sources.get(&id)).copied().unwrap_or_default();
        if of_source >= MAX_ADDRESSES_OF_SOURCE {
            return;
        }
        if self.entries.len() >= MAX_ADDRESSES && !self.make_room(of_source) {
            return;
        }
        let id = self.source_id(source);
        self.entries.insert(address.to_owned(), Entry { source: Some(id), ..Entry::default() });
        *self.of_sources.entry(id).or_default() += 1;
    }

    fn source_id(&mut self, source: &str) -> SourceId {
        if let Some(known) = self.sources.get(source) {
            return *known;
        }
        self.last_source += 1;
        let id = SourceId(self.last_source);
        self.sources.insert(source.to_owned(), id);
        id
    }

    fn remove(&mut self, address: &str) -> bool {
        let Some(entry) = self.entries.remove(address) else { return false };
        if let Some(source) = entry.source
            && let Some(count) = self.of_sources.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.of_sources.remove(&source);
                self.sources.retain(|_, id| *id != source);
            }
        }
        true
    }

    /// Forgets an address where nobody has ever answered, else one where nobody did when it was last called.
    fn make_room(&mut self, of_source: usize) -> bool {
        // Peers send the same addresses again and again: a full book is to cost little.
        let most = self.of_sources.values().max().copied().unwrap_or_default();
        most > of_source && self.forget_any(of_source)
    }

    fn forget_any(&mut self, of_source: usize) -> bool {
        self.forget_one(of_source, |entry| !entry.ever_reached)
            || self.forget_one(of_source, |entry| entry.failures > 0)
    }

    /// Forgets such an address of the source that has most of them: it must have more than who asks.
    fn forget_one(&mut self, of_source: usize, gives_way: impl Fn(&Entry) -> bool) -> bool {
        let may_go = |entry: &Entry| !entry.calling && gives_way(entry);
        let mut counts: BTreeMap<SourceId, usize> = BTreeMap::new();
        for source in self.entries.values().filter(|entry| may_go(entry)).filter_map(|entry| entry.source) {
            *counts.entry(source).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let Some((source, count)) = most.filter(|(_, count)| *count > of_source) else { return false };
        let which = self.random.below(count);
        let mut of_it =
            self.entries.iter().filter(|(_, entry)| entry.source == Some(source) && may_go(entry));
        let Some(address) = of_it.nth(which).map(|(address, _)| address.clone()) else { return false };
        self.remove(&address)
    }

    /// Addresses to call now, the seeds first and the rest in random order; each is marked as being called.
    pub(crate) fn due(
        &mut self,
        now_ms: u64,
        room: Room,
        connected: impl Fn(&NodeId) -> bool,
        producer: impl Fn(&NodeId) -> bool,
    ) -> Vec<String> {
        if room.calls == 0 {
            return Vec::new();
        }
        let is_stranger =
            |entry: &Entry| entry.source.is_some() && !entry.node_id.as_ref().is_some_and(&producer);
        let called = self.entries.values().filter(|entry| entry.calling && is_stranger(entry)).count();
        let mut strangers = room.strangers.saturating_sub(called);
        let due = |seed: bool| {
            let entries = self.entries.iter();
            let waits = |entry: &Entry| entry.calling || entry.not_before_ms > now_ms;
            let due = entries.filter(|(_, entry)| entry.source.is_none() == seed && !waits(entry));
            let due = due.map(|(address, entry)| (address, entry, is_stranger(entry)));
            let due = due.filter(|(_, _, stranger)| !stranger || strangers > 0);
            let due = due.filter(|(_, entry, _)| !entry.node_id.as_ref().is_some_and(&connected));
            due.map(|(address, _, stranger)| (address, stranger)).collect::<Vec<_>>()
        };
        let (mut seeds, mut learned) = (due(true), due(false));
        self.random.shuffle(&mut seeds);
        self.random.shuffle(&mut learned);
        let mut chosen = Vec::new();
        for (address, stranger) in seeds.into_iter().chain(learned) {
            if chosen.len() == room.calls {
                break;
            }
            if stranger {
                let Some(left) = strangers.checked_sub(1) else { continue };
                strangers = left;
            }
            chosen.push(address.clone());
        }
        for address in &chosen {
            if let Some(entry) = self.entries.get_mut(address) {
                entry.calling = true;
            }
        }
        chosen
    }

    /// A connection stands at an address, with this node.
    pub(crate) fn stands(&mut self, address: &str, id: NodeId) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.node_id = Some(id);
            entry.ever_reached = true;
        }
    }

    /// Notes how a call ended. If it was to a seed and failed: how often in a row.
    pub(crate) fn ended(&mut self, address: &str, end: CallEnd, now_ms: u64) -> Option<u32> {
        let jitter = self.random.below(256) as u64;
        let entry = self.entries.get_mut(address)?;
        entry.calling = false;
        if let CallEnd::Connected(_) = end {
            entry.failures = 0;
        } else {
            entry.failures = entry.failures.saturating_add(1);
        }
        let growing_ms = (FIRST_PAUSE_MS << entry.failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE_MS);
        let pause_ms = match end {
            CallEnd::Connected(id) => {
                entry.node_id = Some(id);
                entry.ever_reached = true;
                FIRST_PAUSE_MS
            }
            CallEnd::Short(id) => {
                entry.node_id = Some(id);
                growing_ms
            }
            CallEnd::Failed => {
                entry.node_id = None;
                growing_ms
            }
            CallEnd::Hopeless => HOPELESS_PAUSE_MS,
        };
        entry.not_before_ms = now_ms + pause_ms + pause_ms * jitter / 1024;
        let (seed, failures) = (entry.source.is_none(), entry.failures);
        if !seed && failures >= MAX_FAILURES {
            self.remove(address);
        }
        (seed && !matches!(end, CallEnd::Connected(_))).then_some(failures)
    }

    /// Addresses worth sending to others: those where somebody answered, at most `count`, in random order.
    pub(crate) fn reached(&mut self, count: usize) -> Vec<String> {
        let reached = self.entries.iter().filter(|(_, entry)| entry.ever_reached);
        let mut reached: Vec<String> = reached.map(|(address, _)| address.clone()).collect();
        self.random.shuffle(&mut reached);
        reached.truncate(count);
        reached
    }
}

/// `SplitMix64`: spreads calls, protects nothing.
#[derive(Clone, Debug, Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; 0 if that is 0.
    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % (count.max(1) as u64)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests;
