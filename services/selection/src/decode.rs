//! From a request to a schedule and the slots asked for.

use tonic::Status;
use vision_primitives::{ConsensusParams, Hash, Height, MAX_CHAIN_ID_BYTES, Pool, Slot, TimestampMs};
use vision_schedule::{Schedule, ScheduleError, SlotTiming, epoch_salt, seed};
use vision_wire::selection::{GetScheduleRequest, ScheduleParams};
use vision_wire::{Reason, parse_hash, status};

/// Most draws that one request may cost; about a second of hashing.
pub const MAX_DRAWS: u64 = 1 << 22;
/// Slots of a request that names none.
const DEFAULT_SLOTS: u64 = 7;

/// A request; its lists were counted before it was decoded.
pub(crate) struct Question {
    request: GetScheduleRequest,
    slots: Vec<Slot>,
}

/// What a question is about.
pub(crate) struct Subject {
    pub epoch_salt: Hash,
    pub schedule: Schedule,
    pub slots: Vec<Slot>,
}

impl Question {
    /// Checks what can be checked without work. `only` replaces the request's slots.
    pub(crate) fn new(request: GetScheduleRequest, only: Option<Slot>) -> Result<Self, Status> {
        if request.chain_id.is_empty() || request.chain_id.len() > MAX_CHAIN_ID_BYTES {
            let message =
                format!("chain_id: 1 to {MAX_CHAIN_ID_BYTES} bytes, got {}", request.chain_id.len());
            return Err(status(Reason::InvalidArgument, message, &[("field", "chain_id".into())]));
        }
        let slots: Vec<Slot> = match only {
            Some(slot) => vec![slot],
            None if request.slots.is_empty() => (0..DEFAULT_SLOTS).map(Slot).collect(),
            None => request.slots.iter().copied().map(Slot).collect(),
        };
        Ok(Self { request, slots })
    }

    /// At most how many hashes and ids the answer takes: what decides where it is worked out.
    pub(crate) fn work(&self) -> usize {
        let (active, registered) = (self.request.active.len(), self.request.registered.len());
        let tail = self.slots.len().saturating_mul(active.max(registered));
        tail.saturating_add(active).saturating_add(registered)
    }

    /// Decodes everything.
    pub(crate) fn resolve(self) -> Result<Subject, Status> {
        let request = self.request;
        let entropy = parse_hash("entropy", &request.entropy)?;
        let timing = timing(request.params.unwrap_or_default())?;
        let active = pool("active", &request.active)?;
        // The usual case of equal pools needs only one of them sorted and hashed.
        let registered = if request.registered == request.active {
            active.clone()
        } else {
            pool("registered", &request.registered)?
        };
        let epoch_salt = epoch_salt(&request.chain_id);
        let seed = seed(&entropy, Height(request.height), &epoch_salt);
        let parent = TimestampMs(request.parent_timestamp_ms);
        let schedule = Schedule::new(seed, active, registered, parent, timing).map_err(refuse)?;
        if schedule.cost(&self.slots) > MAX_DRAWS {
            let message = "the slots are in too many laps for a pool of this size: request fewer at a time";
            return Err(too_many_slots(message, MAX_DRAWS));
        }
        Ok(Subject { epoch_salt, schedule, slots: self.slots })
    }
}

fn too_many_slots(message: impl Into<String>, limit: u64) -> Status {
    status(Reason::TooManySlots, message, &[("limit", limit.to_string())])
}

fn refuse(error: ScheduleError) -> Status {
    match error {
        ScheduleError::EmptyPool => {
            status(Reason::EmptyPool, error.to_string(), &[("field", "active".into())])
        }
        ScheduleError::Timing { field, .. } => {
            status(Reason::InvalidParameter, format!("params: {error}"), &[("field", field.into())])
        }
    }
}

fn pool(field: &str, ids: &[String]) -> Result<Pool, Status> {
    let parsed: Result<Vec<_>, _> = ids.iter().map(|id| parse_hash(field, id)).collect();
    Ok(Pool::new(parsed?))
}

/// The parameters given, the defaults for the others; their ranges are those of a genesis.
fn timing(params: ScheduleParams) -> Result<SlotTiming, Status> {
    let default = ConsensusParams::default();
    let params = ConsensusParams {
        block_interval_ms: params.block_interval_ms.unwrap_or(default.block_interval_ms),
        claim_timeout_ms: params.claim_timeout_ms.unwrap_or(default.claim_timeout_ms),
        backup_slots: params.backup_slots.unwrap_or(default.backup_slots),
        jitter_min_ms: params.jitter_min_ms.unwrap_or(default.jitter_min_ms),
        jitter_max_ms: params.jitter_max_ms.unwrap_or(default.jitter_max_ms),
        ..default
    };
    params.check().map_err(|error| {
        status(Reason::InvalidParameter, format!("params: {error}"), &[("field", error.field.into())])
    })?;
    Ok(SlotTiming::from(&params))
}
