//! The schedule of one height.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use vision_primitives::{Hash, Invariant as _, NodeId, Pool, Slot, TimestampMs, hash};

use crate::{Deal, ScheduleError, SlotError, SlotTiming, draw};

/// When one slot may be used, and by whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotWindow {
    /// The slot.
    pub slot: Slot,
    /// Its owner.
    pub owner: NodeId,
    /// The owner's jitter of this height, milliseconds.
    pub jitter_ms: u64,
    /// First stamp allowed: `start(slot) + jitter`.
    pub opens_at: TimestampMs,
    /// First stamp too late: `start(slot + 1)`.
    pub closes_at: TimestampMs,
}

/// How the owner of a slot is found: the step of the shuffle that deals it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drawing {
    /// `u64(draw)` of the slot.
    pub number: u64,
    /// Laps dealt before the one it is in, over the same pool.
    pub lap: u64,
    /// Its place in the lap, i.
    pub place: u64,
    /// The place it is swapped with, j: `i + number mod (size of the pool - i)`.
    pub picked: u64,
}

/// Owners and windows of every slot of one height on one parent. Cheap to make and to clone; owners are
/// computed when first asked for.
#[derive(Clone, Debug)]
pub struct Schedule {
    seed: Hash,
    main_pool: Pool,
    registered: Pool,
    parent_timestamp_ms: TimestampMs,
    timing: SlotTiming,
    main: OnceLock<Box<[NodeId]>>,
}

impl Schedule {
    /// The schedule of the height with this seed. Slots 0 … m − 1 are dealt over `active`, or over
    /// `registered` if nobody is active; the tail over `registered`, or over `active` if that is empty.
    ///
    /// # Errors
    /// [`ScheduleError`] when both pools are empty, or the timing leaves no room for a stamp in a slot.
    pub fn new(
        seed: Hash,
        active: Pool,
        registered: Pool,
        parent_timestamp_ms: TimestampMs,
        timing: SlotTiming,
    ) -> Result<Self, ScheduleError> {
        timing.check()?;
        let (main_pool, registered) = match (active.is_empty(), registered.is_empty()) {
            (true, true) => return Err(ScheduleError::EmptyPool),
            (true, false) => (registered.clone(), registered),
            (false, true) => (active.clone(), active),
            (false, false) => (active, registered),
        };
        Ok(Self { seed, main_pool, registered, parent_timestamp_ms, timing, main: OnceLock::new() })
    }

    /// The seed of the height.
    #[must_use]
    pub const fn seed(&self) -> Hash {
        self.seed
    }

    /// The lengths and numbers it was made with.
    #[must_use]
    pub const fn timing(&self) -> &SlotTiming {
        &self.timing
    }

    /// Owners of the slots from `from` on, ascending. The way to walk: one hash per slot, where
    /// [`Self::owner`] of a tail slot deals its lap from the lap's beginning each time.
    pub fn owners(&self, from: Slot) -> impl Iterator<Item = (Slot, NodeId)> + '_ {
        let m = self.timing.main_slots;
        // Each part is made only when the walk gets there: to begin inside a lap costs its beginning.
        let main = (from.get() < m).then_some(from).into_iter().flat_map(move |from| {
            let left = usize::try_from(m - from.get()).unwrap_or(usize::MAX);
            Deal::new(self.seed, self.main_pool.ids(), 0, from).take(left)
        });
        let tail = std::iter::once(Slot(from.get().max(m)))
            .flat_map(move |from| Deal::new(self.seed, self.registered.ids(), m, from));
        main.chain(tail)
    }

    /// Who owns the slot.
    #[must_use]
    pub fn owner(&self, slot: Slot) -> NodeId {
        let owner = if slot.get() < self.timing.main_slots {
            usize::try_from(slot.get()).ok().and_then(|k| self.main_owners().get(k).copied())
        } else {
            self.owners(slot).next().map(|(_, id)| id)
        };
        owner.invariant("neither pool is empty, so every slot has an owner")
    }

    fn main_owners(&self) -> &[NodeId] {
        self.main.get_or_init(|| {
            let m = usize::try_from(self.timing.main_slots).unwrap_or(usize::MAX);
            Deal::new(self.seed, self.main_pool.ids(), 0, Slot(0)).take(m).map(|(_, id)| id).collect()
        })
    }

    /// `u64(H(seed || hex(id))) % (jitter_max - jitter_min) + jitter_min`, milliseconds.
    #[must_use]
    pub fn jitter_ms(&self, id: &NodeId) -> u64 {
        let SlotTiming { jitter_min_ms, jitter_max_ms, .. } = self.timing;
        hash(&[self.seed.as_bytes(), &id.hex_ascii()]).first_u64() % (jitter_max_ms - jitter_min_ms)
            + jitter_min_ms
    }

    /// When the slot starts, without jitter; saturating.
    #[must_use]
    pub fn start(&self, slot: Slot) -> TimestampMs {
        self.timing.start(self.parent_timestamp_ms, slot)
    }

    /// The slot whose `[start(k), start(k + 1))` holds the instant; 0 before `start(0)`.
    #[must_use]
    pub fn slot_at(&self, now: TimestampMs) -> Slot {
        self.timing.slot_at(self.parent_timestamp_ms, now)
    }

    /// Owner and window of a slot.
    #[must_use]
    pub fn window(&self, slot: Slot) -> SlotWindow {
        self.window_of(slot, self.owner(slot))
    }

    /// Owners and windows of many slots, in the order given. Deals each lap of the tail only once, which
    /// [`Self::window`] of each slot does not.
    #[must_use]
    pub fn windows(&self, slots: &[Slot]) -> Vec<SlotWindow> {
        let mut ascending = slots.to_vec();
        ascending.sort_unstable();
        ascending.dedup();
        let mut owners: BTreeMap<Slot, NodeId> = BTreeMap::new();
        for lap in ascending.chunk_by(|a, b| self.lap(*a) == self.lap(*b)) {
            let ends = lap.first().zip(lap.last());
            let (first, last) = ends.invariant("a chunk has a first and a last slot");
            let dealt = self.owners(*first).take_while(|(slot, _)| slot <= last);
            owners.extend(dealt.filter(|(slot, _)| lap.binary_search(slot).is_ok()));
        }
        let owner = |slot: &Slot| *owners.get(slot).invariant("every slot asked for was dealt");
        slots.iter().map(|slot| self.window_of(*slot, owner(slot))).collect()
    }

    /// How many slots [`Self::windows`] would have to deal for these: what they cost, in hashes.
    #[must_use]
    pub fn cost(&self, slots: &[Slot]) -> u64 {
        let mut last: BTreeMap<Option<u64>, u64> = BTreeMap::new();
        for slot in slots {
            let base = if self.lap(*slot).is_some() { self.timing.main_slots } else { 0 };
            let size = if base == 0 { u64::MAX } else { size_of(&self.registered) };
            let dealt = (slot.get() - base) % size + 1;
            let known = last.entry(self.lap(*slot)).or_default();
            *known = dealt.max(*known);
        }
        last.into_values().fold(0, u64::saturating_add)
    }

    /// The lap of a tail slot; none for a main slot.
    fn lap(&self, slot: Slot) -> Option<u64> {
        let size = size_of(&self.registered);
        slot.get().checked_sub(self.timing.main_slots).map(|dealt| dealt / size)
    }

    /// How the owner of a slot is found.
    #[must_use]
    pub fn drawing(&self, slot: Slot) -> Drawing {
        let m = self.timing.main_slots;
        let (dealt, pool) = match slot.get().checked_sub(m) {
            None => (slot.get(), &self.main_pool),
            Some(dealt) => (dealt, &self.registered),
        };
        let size = size_of(pool);
        let (number, place) = (draw(&self.seed, slot.get()).first_u64(), dealt % size);
        Drawing { number, lap: dealt / size, place, picked: place + number % (size - place) }
    }

    fn window_of(&self, slot: Slot, owner: NodeId) -> SlotWindow {
        let jitter_ms = self.jitter_ms(&owner);
        let opens_at = self.start(slot).plus_ms(jitter_ms);
        SlotWindow {
            slot,
            owner,
            jitter_ms,
            opens_at,
            closes_at: self.timing.end(self.parent_timestamp_ms, slot),
        }
    }

    /// The slots 0 … min(slot, m) − 1 with their owners: those that a block of `slot` shows to have passed
    /// unused.
    pub fn passed_slots(&self, slot: Slot) -> impl Iterator<Item = (Slot, NodeId)> + '_ {
        let passed = usize::try_from(slot.get()).unwrap_or(usize::MAX);
        (0..).map(Slot).zip(self.main_owners().iter().copied()).take(passed)
    }

    /// Distinct owners of the slots 0 … min(slot, m) − 1 in slot order: those that a block of `slot` shows
    /// to have missed theirs.
    #[must_use]
    pub fn missed_owners(&self, slot: Slot) -> Vec<NodeId> {
        let mut distinct: Vec<NodeId> = Vec::new();
        for (_, id) in self.passed_slots(slot) {
            // At most m ids, and m is small: no set needed.
            if !distinct.contains(&id) {
                distinct.push(id);
            }
        }
        distinct
    }

    /// Whether `producer` may use the slot with this stamp.
    ///
    /// # Errors
    /// [`SlotError`]: somebody else's slot, too early or too late, judged in this order.
    pub fn check(&self, slot: Slot, producer: &NodeId, stamp: TimestampMs) -> Result<(), SlotError> {
        let SlotWindow { owner, opens_at, closes_at, .. } = self.window(slot);
        if owner != *producer {
            return Err(SlotError::NotOwner { slot, owner, producer: *producer });
        }
        if stamp < opens_at {
            return Err(SlotError::TooEarly { slot, stamp, opens_at });
        }
        if stamp >= closes_at {
            return Err(SlotError::TooLate { slot, stamp, closes_at });
        }
        Ok(())
    }
}

/// Length of a pool that slots are dealt over.
fn size_of(pool: &Pool) -> u64 {
    assert!(!pool.is_empty(), "a schedule is never made over an empty pool");
    pool.len() as u64
}
