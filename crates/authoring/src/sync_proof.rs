//! A producer that is out of the active pool shows that it follows the chain (section 7).

use vision_primitives::Hash;

use crate::machine::{Flight, Machine, landed};
use crate::{Now, Op, Output, OwnRecord, Standing};

/// Least time between two looks at this node's record, milliseconds.
const RECORD_REFRESH_MS: u64 = 1_000;

/// What is known of this node's record, and what was sent because of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncProofs {
    record: Option<OwnRecord>,
    /// When it was last asked for (monotonic).
    asked_ms: Option<u64>,
    asking: Option<Flight>,
    sending: Option<Flight>,
    /// The head that the last proof named.
    named: Option<Hash>,
}

impl SyncProofs {
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

    pub(crate) fn forget_lost_answers(&mut self, lost: impl Fn(&mut Flight) -> bool) {
        let _ = self.asking.take_if(&lost);
        let _ = self.sending.take_if(&lost);
    }
}

impl Machine {
    /// Sends a proof naming the head, once at every head and every tick, while one would make this node's
    /// producer active.
    pub(crate) fn decide_sync_proof(&mut self, ticked: bool, now: Now) {
        let (Some(head), Some(plan)) = (self.head, &self.plan) else { return };
        if plan.active {
            self.proofs.record = None;
            self.proofs.asked_ms = None;
            return;
        }
        let due =
            self.proofs.asked_ms.is_none_or(|asked| now.mono_ms.saturating_sub(asked) >= RECORD_REFRESH_MS);
        if due && self.proofs.asking.is_none() {
            let flight = self.take_off(now);
            self.proofs.asking = Some(flight);
            self.proofs.asked_ms = Some(now.mono_ms);
            self.out.push(Output::AskRecord { op: flight.op, head: head.hash });
        }
        let may_return = self.proofs.record.is_some_and(|record| {
            record.standing == Standing::Waiting && head.height.next() >= record.may_return_at
        });
        let news = ticked || self.proofs.named != Some(head.hash);
        if may_return && news && self.proofs.sending.is_none() && self.blocked(now).is_none() {
            let flight = self.take_off(now);
            self.proofs.sending = Some(flight);
            self.proofs.named = Some(head.hash);
            self.out.push(Output::SendSyncProof { op: flight.op, height: head.height, hash: head.hash });
        }
    }
}
