//! A producer that is out of the active pool shows that it follows the chain (section 7).

use vision_primitives::Hash;

use crate::turn::{Cause, Flight, Turn, landed};
use crate::{Head, Now, Op, Output, OwnRecord, Standing};

/// Least time between two looks at this node's record, milliseconds.
const RECORD_REFRESH_MS: u64 = 1_000;

/// What is known of this node's record, and what was sent because of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncProof {
    record: Option<OwnRecord>,
    /// When it was last asked for (monotonic).
    asked_ms: Option<u64>,
    asking: Option<Flight>,
    sending: Option<Flight>,
    /// The head that the last proof named.
    named: Option<Hash>,
}

impl SyncProof {
    pub(crate) fn record(&mut self, op: Op, record: Option<OwnRecord>) {
        if landed(&mut self.asking, op) {
            self.record = record.or(self.record);
        }
    }

    /// Where the producer stood when it was last looked up.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.record.map(|record| record.standing)
    }

    pub(crate) fn sent(&mut self, op: Op) {
        landed(&mut self.sending, op);
    }

    pub(crate) fn forget_lost_answers(&mut self, now: Now) {
        let _ = self.asking.take_if(|flight| flight.is_lost(now));
        let _ = self.sending.take_if(|flight| flight.is_lost(now));
    }

    /// This node's producer is in the active pool: no proof is needed, and what was known of its record is
    /// old.
    pub(crate) const fn not_needed(&mut self) {
        self.record = None;
        self.asked_ms = None;
    }

    /// Sends a proof naming the head, once at every head and every tick, while one would make this node's
    /// producer active. It is not in the active pool.
    pub(crate) fn decide(&mut self, head: &Head, eligible: bool, turn: &mut Turn) {
        let mono_ms = turn.now.mono_ms;
        let due = self.asked_ms.is_none_or(|asked| mono_ms.saturating_sub(asked) >= RECORD_REFRESH_MS);
        if due && self.asking.is_none() {
            let flight = turn.take_off();
            self.asking = Some(flight);
            self.asked_ms = Some(mono_ms);
            turn.push(Output::AskRecord { op: flight.op, head: head.hash });
        }
        let may_return = self.record.is_some_and(|record| {
            record.standing == Standing::Waiting && head.height.next() >= record.may_return_at
        });
        let wanted = turn.cause == Cause::Tick || self.named != Some(head.hash);
        if may_return && wanted && self.sending.is_none() && eligible {
            let flight = turn.take_off();
            self.sending = Some(flight);
            self.named = Some(head.hash);
            turn.push(Output::SendSyncProof { op: flight.op, height: head.height, hash: head.hash });
        }
    }
}
