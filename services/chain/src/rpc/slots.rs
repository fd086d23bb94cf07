//! The slots of a height, next or past, with all that they are computed from.

use tonic::Status;
use vision_primitives::{Hash, Height, Pool, Slot, TimestampMs};
use vision_schedule::Schedule;
use vision_wire::chain as proto;
use vision_wire::{Reason, status};

use super::ChainRpc;

/// Most draws that one request may cost; about a second of hashing.
const MAX_DRAWS: u64 = 1 << 22;

/// The block below a height, and the pools of the state after it.
struct Below {
    height: Height,
    hash: Hash,
    timestamp: TimestampMs,
    pools: (Pool, Pool),
}

impl ChainRpc {
    pub(super) async fn slots(
        &self,
        request: proto::GetSlotsRequest,
    ) -> Result<proto::GetSlotsResponse, Status> {
        let below = match request.height {
            None => self.below_next(),
            Some(height) => self.below(height).await?,
        };
        let main_slots = self.rules.params().main_slots();
        let wanted: Vec<Slot> = match request.slots.is_empty() {
            true => (0..main_slots).map(Slot).collect(),
            false => request.slots.into_iter().map(Slot).collect(),
        };
        let Below { height, hash, timestamp, pools: (active, registered) } = below;
        let schedule = self.rules.schedule_on(&hash, height, timestamp, (&active, &registered));
        let schedule = schedule.map_err(|error| status(Reason::Internal, error.to_string(), &[]))?;
        if schedule.cost(&wanted) > MAX_DRAWS {
            let why = "the slots are in too many laps for a pool of this size: request fewer at a time";
            return Err(status(Reason::TooManySlots, why, &[("limit", MAX_DRAWS.to_string())]));
        }
        let seed = schedule.seed();
        let dealt = self.threads.work(move || dealt(&schedule, &wanted));
        let slots = dealt.await.map_err(|error| status(Reason::Internal, error.to_string(), &[]))?;
        let ids = |pool: &Pool| pool.ids().iter().map(ToString::to_string).collect();
        Ok(proto::GetSlotsResponse {
            chain_id: self.rules.genesis.chain_id.clone(),
            height: height.next().get(),
            parent: hash.to_string(),
            parent_timestamp_ms: timestamp.get(),
            entropy: hash.to_string(),
            seed: seed.to_string(),
            epoch_salt: self.rules.epoch_salt.to_string(),
            active: ids(&active),
            registered: ids(&registered),
            slots,
        })
    }

    fn below_next(&self) -> Below {
        let head = self.head();
        let pools = (head.state.active().clone(), head.state.registered().clone());
        Below { height: head.height, hash: head.hash, timestamp: head.timestamp_ms, pools }
    }

    async fn below(&self, height: u64) -> Result<Below, Status> {
        let Some(below) = height.checked_sub(1) else {
            let why = "height: block 0 was not produced in a slot; ask for 1 or more";
            return Err(status(Reason::InvalidHeight, why, &[("field", "height".to_owned())]));
        };
        // By hash from here on, so that all speaks of one block even if the head moves to another branch in
        // between.
        let hash = self.hash_at(below).await?;
        let timestamp = self.stamp_of(hash).await?;
        Ok(Below { height: Height(below), hash, timestamp, pools: self.pools_after(hash).await? })
    }
}

fn dealt(schedule: &Schedule, wanted: &[Slot]) -> Vec<proto::Slot> {
    let windows = schedule.windows(wanted).into_iter();
    let show = |window: vision_schedule::SlotWindow| {
        let drawing = schedule.drawing(window.slot);
        proto::Slot {
            slot: window.slot.get(),
            node_id: window.owner.to_string(),
            opens_at_ms: window.opens_at.get(),
            jitter_ms: window.jitter_ms,
            closes_at_ms: window.closes_at.get(),
            draw: format!("{:016x}", drawing.number),
            lap: drawing.lap,
            place: drawing.place,
            picked: drawing.picked,
        }
    };
    windows.map(show).collect()
}
