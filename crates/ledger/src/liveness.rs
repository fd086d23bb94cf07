//! Liveness read from the chain (`docs/protocol.md`, section 7): misses, suspension, return.

use vision_primitives::{Address, Height, NodeId, PublicKey, Slot};
use vision_schedule::Schedule;

use crate::tree::Tree;
use crate::{Executor, LedgerError, Producer, ProducerStatus};

/// Blocks without a suspension after which the count of suspensions is halved.
pub const SUSPENSION_HALF_LIFE_BLOCKS: u64 = 10_000;
/// Longest wait after a suspension, blocks.
pub const MAX_RETURN_WAIT_BLOCKS: u64 = 256;
/// Wait after a registration, blocks.
pub const REGISTRATION_WAIT_BLOCKS: u64 = 2;

/// Lowest height whose block shows misses: nobody can know when the first block is due.
const FIRST_COUNTED_HEIGHT: Height = Height(2);

/// The slots, with their owners, that a block shows to have passed unused, given the schedule of its height;
/// none where misses are not counted. Of one owner's slots the ledger counts one, and only if the owner is
/// active.
#[must_use]
pub fn missed_slots(schedule: &Schedule, height: Height, slot: Slot) -> Vec<(Slot, NodeId)> {
    if height < FIRST_COUNTED_HEIGHT { Vec::new() } else { schedule.passed_slots(slot).collect() }
}

/// What became of a producer between two states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StandingChange {
    /// It is suspended now.
    Suspended {
        /// Slots it had missed in a row.
        missed: u64,
        /// Height of the block that did it.
        at: Height,
    },
    /// It is active now, and was not.
    Returned {
        /// Whether it never was before.
        first_time: bool,
    },
}

impl StandingChange {
    /// From a producer's record in the earlier state, if it had one, and in the later one.
    #[must_use]
    pub fn between(before: Option<&Producer>, after: &Producer) -> Option<Self> {
        let was = before.map_or(ProducerStatus::Candidate, |before| before.status);
        match (was, after.status) {
            (was, ProducerStatus::Suspended) if was != ProducerStatus::Suspended => {
                Some(Self::Suspended { missed: after.missed, at: after.suspended_at })
            }
            (was, ProducerStatus::Active) if was != ProducerStatus::Active => {
                Some(Self::Returned { first_time: was == ProducerStatus::Candidate })
            }
            _ => None,
        }
    }
}

/// A producer as its registration leaves it.
pub(crate) const fn candidate(public_key: PublicKey, payout: Address, height: Height) -> Producer {
    Producer {
        public_key,
        payout,
        status: ProducerStatus::Candidate,
        missed: 0,
        suspensions: 0,
        suspended_at: height,
        may_return_at: Height(height.get().saturating_add(REGISTRATION_WAIT_BLOCKS)),
    }
}

/// The record after a suspension at `height`: the wait doubles with every one that follows soon.
fn suspended(producer: &Producer, height: Height) -> Producer {
    let halvings = height.above(producer.suspended_at) / SUSPENSION_HALF_LIFE_BLOCKS;
    let halved =
        u32::try_from(halvings).ok().and_then(|by| producer.suspensions.checked_shr(by)).unwrap_or(0);
    let suspensions = halved.saturating_add(1);
    let wait = u32::try_from(suspensions).ok().and_then(|s| 1_u64.checked_shl(s)).unwrap_or(u64::MAX);
    Producer {
        status: ProducerStatus::Suspended,
        suspensions,
        suspended_at: height,
        may_return_at: Height(height.get().saturating_add(wait.min(MAX_RETURN_WAIT_BLOCKS))),
        ..producer.clone()
    }
}

impl Executor<'_> {
    /// Misses, the producer's reset, sync proofs, suspensions: in this order.
    pub(crate) fn apply_liveness(&mut self) -> Result<(), LedgerError> {
        if self.context.height >= FIRST_COUNTED_HEIGHT {
            for id in self.context.missed_owners {
                self.edit(id, |producer| {
                    if producer.status == ProducerStatus::Active {
                        producer.missed = producer.missed.saturating_add(1);
                    }
                })?;
            }
        }
        let id = self.context.producer;
        self.edit(&id, |producer| producer.missed = 0)?;
        for id in std::mem::take(&mut self.proven) {
            self.edit(&id, |producer| {
                if producer.status.awaits_sync_proof() {
                    producer.status = ProducerStatus::Active;
                    producer.missed = 0;
                }
            })?;
        }
        for (id, producer) in self.due_for_suspension() {
            self.producers.insert(id, suspended(&producer, self.context.height));
        }
        Ok(())
    }

    /// Whoever owns a slot, makes a block or proves to be in sync has a record, and records are never taken
    /// away.
    fn edit(&mut self, id: &NodeId, change: impl FnOnce(&mut Producer)) -> Result<(), LedgerError> {
        let mut producer = self.producer(id).ok_or(LedgerError::UnknownProducer(*id))?.clone();
        change(&mut producer);
        self.producers.insert(*id, producer);
        Ok(())
    }

    /// The active producers with too many misses, ids ascending, as many as the bound lets go.
    fn due_for_suspension(&self) -> Vec<(NodeId, Producer)> {
        let limit = self.params.max_missed_slots;
        let nobody_due = self.parent.census().most_missed < limit
            && self.producers.values().all(|producer| producer.missed < limit);
        if nobody_due {
            return Vec::new();
        }
        let edits = self.producers.iter().map(|(id, producer)| (*id, Some(producer.clone())));
        let tree: Tree<Producer> = self.parent.producer_tree().updated(edits.collect());
        let census = tree.summary();
        let bound = self.finality.max_suspended(census.registered());
        let room = usize::try_from(bound.saturating_sub(census.suspended)).unwrap_or(usize::MAX);
        tree.iter_where(|census| census.most_missed >= limit)
            .take(room)
            .map(|(id, producer)| (*id, producer.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::{Hash, Pool, TimestampMs};
    use vision_schedule::SlotTiming;

    use super::*;

    #[test]
    fn a_change_of_standing_is_reported_once_and_candidates_that_wait_are_none() {
        use ProducerStatus::{Active, Candidate, Exited, Suspended};
        let with = |status| Producer {
            status,
            missed: 3,
            suspended_at: Height(9),
            ..candidate(PublicKey([1; 32]), Hash::ZERO, Height(1))
        };
        let suspended = Some(StandingChange::Suspended { missed: 3, at: Height(9) });
        let cases = [
            (None, Candidate, None),
            (None, Active, Some(StandingChange::Returned { first_time: true })),
            (Some(Candidate), Active, Some(StandingChange::Returned { first_time: true })),
            (Some(Suspended), Active, Some(StandingChange::Returned { first_time: false })),
            (Some(Active), Active, None),
            (Some(Active), Suspended, suspended),
            (Some(Candidate), Suspended, suspended),
            (Some(Suspended), Suspended, None),
            (Some(Active), Exited, None),
        ];
        for (before, after, expect) in cases {
            let change = StandingChange::between(before.map(with).as_ref(), &with(after));
            assert_eq!(change, expect, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn slots_are_missed_up_to_the_last_backup_and_from_height_2_on() {
        let timing = SlotTiming {
            block_interval_ms: 0,
            claim_timeout_ms: 100,
            main_slots: 3,
            jitter_min_ms: 0,
            jitter_max_ms: 1,
        };
        let pool = Pool::new((0..5_u8).map(|n| Hash([n; 32])));
        let schedule = Schedule::new(Hash([7; 32]), pool.clone(), pool, TimestampMs(0), timing);
        let schedule = schedule.unwrap_or_else(|error| panic!("{error}"));
        for (height, slot, expect) in
            [(1, 2, 0), (2, 0, 0), (2, 1, 1), (2, 3, 3), (9, 4, 3), (9, u64::MAX, 3)]
        {
            let missed = missed_slots(&schedule, Height(height), Slot(slot));
            let owners: Vec<_> = (0..expect).map(|slot| (Slot(slot), schedule.owner(Slot(slot)))).collect();
            assert_eq!(missed, owners, "height {height}, slot {slot}");
        }
    }
}
