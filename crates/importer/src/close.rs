//! The end of a turn: a batch goes out to be written, and what became of it comes back.

use crate::answers::{Answer, ImportEnd, NotStored, NotTaken};
use crate::batch::Draft;
use crate::messages::{CommitId, Output};
use crate::publish::STORE_RETRY_MS;
use crate::{Importer, Outside};

/// The batch that was given out last.
#[derive(Debug)]
pub(crate) enum Writing {
    /// It is durable, or there was none.
    Nothing,
    /// It is being written for the first time.
    UnderWay {
        /// Its number.
        id: CommitId,
        /// What follows from it.
        draft: Box<Draft>,
    },
    /// The disk did not take it; it is asked for again when it is due, by the monotonic clock.
    Failed {
        /// Its number.
        id: CommitId,
        /// What follows from it.
        draft: Box<Draft>,
        /// When it is due; none while it is tried again.
        due_ms: Option<u64>,
    },
}

impl Writing {
    /// Whether the disk did not take the last batch.
    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// When it is due again.
    pub(crate) const fn retry_due_ms(&self) -> Option<u64> {
        match self {
            Self::Failed { due_ms, .. } => *due_ms,
            Self::Nothing | Self::UnderWay { .. } => None,
        }
    }
}

impl Importer {
    /// Gives out what the turn has changed to be written, or publishes at once what needs no write.
    pub(crate) fn close(&mut self, draft: &mut Draft, outside: &mut impl Outside) {
        match &mut self.writing {
            // One batch at a time: the turn stays open until this one is durable.
            Writing::UnderWay { .. } => {}
            // The turn is closed when the shell has said how that went.
            Writing::Failed { id, due_ms, .. } if due_ms.is_some_and(|due_ms| due_ms <= self.now.mono_ms) => {
                // Once: a batch that is written twice at a time would be reported twice.
                *due_ms = None;
                self.out.push(Output::Retry { id: *id });
            }
            Writing::Failed { .. } | Writing::Nothing => self.close_turn(draft, outside),
        }
    }

    fn close_turn(&mut self, draft: &mut Draft, outside: &mut impl Outside) {
        self.report_old_if_due();
        if !self.is_behind() {
            self.settle_pool(draft, outside);
            draft.batch.fates.append(&mut self.unsaved_fates);
        }
        if draft.batch.is_empty() {
            let done = std::mem::take(draft);
            return self.publish(done);
        }
        if self.is_behind() {
            // It was taken while the batch before it was under way, and waits its turn.
            return;
        }
        let mut draft = std::mem::take(draft);
        draft.batch.gone = self.persisted.take_gone();
        draft.batch.running_ms = self.now.running_ms;
        draft.last_final = draft.batch.finalized.last().copied();
        let id = CommitId(self.next_commit);
        self.next_commit += 1;
        let batch = std::mem::take(&mut draft.batch);
        self.out.push(Output::Commit { id, batch });
        self.writing = Writing::UnderWay { id, draft: Box::new(draft) };
    }

    /// A batch is durable: whatever follows from it is reported now.
    pub(crate) fn committed(
        &mut self,
        done: CommitId,
        fates: u64,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) {
        self.stored_fates = fates;
        match std::mem::replace(&mut self.writing, Writing::Nothing) {
            Writing::UnderWay { id, draft } if id == done => {
                let took_ms = draft.began_ms.map_or(0, |began_ms| self.now.mono_ms.saturating_sub(began_ms));
                self.budget.note(draft.transactions as u64, took_ms);
                self.publish(*draft);
            }
            Writing::Failed { id, draft: written, .. } if id == done => {
                self.publish(*written);
                self.close_turn(draft, outside);
            }
            other => not_being_written(done, &other),
        }
    }

    /// The disk did not take a batch: those who wait for it are refused, and it is tried again.
    pub(crate) fn commit_failed(
        &mut self,
        failed: CommitId,
        fates: u64,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) {
        self.stored_fates = fates;
        let due_ms = Some(self.now.mono_ms + STORE_RETRY_MS);
        match std::mem::replace(&mut self.writing, Writing::Nothing) {
            Writing::UnderWay { id, draft: mut unwritten } if id == failed => {
                self.refuse_waiting(&mut unwritten);
                self.writing = Writing::Failed { id, draft: unwritten, due_ms };
            }
            Writing::Failed { id, draft: unwritten, .. } if id == failed => {
                self.writing = Writing::Failed { id, draft: unwritten, due_ms };
                self.close_turn(draft, outside);
            }
            other => not_being_written(failed, &other),
        }
    }

    /// Reports to those who wait for a turn that the disk did not take it; its blocks and transactions stay
    /// to be written and passed on.
    fn refuse_waiting(&mut self, draft: &mut Draft) {
        for accepted in &mut draft.accepted {
            self.refuse(accepted.reply.take(), NotStored::StoreUnavailable);
        }
        let known = std::mem::take(&mut draft.known);
        for ticket in draft.admitted.iter_mut().filter_map(|one| one.ticket.take()).chain(known) {
            self.settle(ticket, NotTaken::StoreUnavailable);
        }
        for (id, _) in draft.imports.drain(..) {
            self.out.push(Output::Reply { id, answer: Answer::Imported(ImportEnd::Stopped(0)) });
        }
    }
}

/// A shell that confuses its batches would publish what is not durable: nothing may go on from here.
fn not_being_written(named: CommitId, writing: &Writing) {
    let being_written = match writing {
        Writing::Nothing => None,
        Writing::UnderWay { id, .. } | Writing::Failed { id, .. } => Some(*id),
    };
    assert_eq!(Some(named), being_written, "the batch named must be the one being written");
}
