//! The transactions that wait: screened, admitted, dropped.

use vision_mempool::{Dropped, Moment, Rejected};
use vision_primitives::SignedTransaction;

use crate::answers::{NotTaken, Screened};
use crate::batch::{Admitted, Draft};
use crate::messages::{Arrival, Output, Ticket};
use crate::{Fate, Importer, Note, Observer, Parties, TransactionEvent};

impl Importer {
    pub(crate) fn settle(&mut self, ticket: Ticket, refused: NotTaken) {
        self.out.push(Output::Settled { ticket, answer: Err(refused) });
    }

    /// Settles those that cannot be admitted; gives the others back.
    pub(crate) fn screen(
        &mut self,
        batch: Vec<Arrival>,
        draft: &mut Draft,
        observer: &mut impl Observer,
    ) -> Screened {
        let (mut verified, mut unverified) = (Vec::new(), Vec::new());
        self.pool.spare_what_waits(self.owed(draft).spares_what_waits());
        for arrival in batch {
            if self.is_behind() {
                self.settle(arrival.ticket, NotTaken::StoreUnavailable);
                continue;
            }
            let verdict = self.with_pool(|pool, context| pool.check(&arrival.transaction, context));
            match verdict {
                Err(Rejected::Known) => self.known(&arrival, draft, observer),
                Err(rejected) => self.turn_away(arrival.ticket, rejected, observer),
                Ok(()) if self.verified.contains(&arrival.transaction.hash()) => verified.push(arrival),
                Ok(()) => unverified.push(arrival),
            }
        }
        Screened { verified, unverified }
    }

    /// Takes transactions whose signatures are right. They are acknowledged and passed on once they are
    /// stored.
    pub(crate) fn admit(&mut self, batch: Vec<Arrival>, draft: &mut Draft, observer: &mut impl Observer) {
        let now = self.now.moment();
        for arrival in batch {
            let hash = arrival.transaction.hash();
            self.verified.insert(hash);
            if self.is_behind() {
                self.settle(arrival.ticket, NotTaken::StoreUnavailable);
                continue;
            }
            let of_caller = arrival.peer.is_none();
            let owed = self.owed(draft);
            if of_caller && !owed.takes_more() {
                self.turn_away_owing(arrival.ticket, observer);
                continue;
            }
            self.pool.spare_what_waits(owed.spares_what_waits());
            let transaction = arrival.transaction.clone();
            match self.with_pool(|pool, context| pool.admit(transaction, context, now)) {
                Err(Rejected::Known) => self.known(&arrival, draft, observer),
                Err(rejected) => self.turn_away(arrival.ticket, rejected, observer),
                Ok(displaced) => {
                    observer.note(Note::TransactionAdmitted);
                    self.forget(&displaced, draft, observer);
                    self.keep(&arrival.transaction, now, of_caller, draft);
                    let parties = Parties::of(&arrival.transaction);
                    draft.happened.push(TransactionEvent { hash, parties, place: self.waits(&hash) });
                    let Arrival { ticket, peer, transaction } = arrival;
                    draft.admitted.push(Admitted { ticket: Some(ticket), peer, transaction });
                }
            }
        }
    }

    fn turn_away(&mut self, ticket: Ticket, rejected: Rejected, observer: &mut impl Observer) {
        observer.note(Note::TransactionRefused(rejected.reason()));
        self.settle(ticket, NotTaken::Rejected(rejected));
    }

    /// Refuses a caller for whom no answer could be kept.
    fn turn_away_owing(&mut self, ticket: Ticket, observer: &mut impl Observer) {
        observer.note(Note::TransactionRefused(Rejected::Full.reason()));
        self.settle(ticket, NotTaken::OwesTooMuch);
    }

    /// One that waits already comes in again. Its caller is answered when it lies in the store, as if it had
    /// been the first.
    fn known(&mut self, arrival: &Arrival, draft: &mut Draft, observer: &mut impl Observer) {
        observer.note(Note::TransactionRefused(Rejected::Known.reason()));
        if arrival.peer.is_some() {
            return self.settle(arrival.ticket, NotTaken::Rejected(Rejected::Known));
        }
        let hash = arrival.transaction.hash();
        if !self.persisted.contains(&hash) {
            if !self.owed(draft).takes_more() {
                return self.turn_away_owing(arrival.ticket, observer);
            }
            // Sync proofs wait without a date: their producer sends them again and again.
            let since = self.pool.since(&hash).unwrap_or_default();
            self.keep(&arrival.transaction, since, true, draft);
        }
        draft.known.push(arrival.ticket);
    }

    /// Puts one that waits into the store if it must lie there, or if what else waits of its sender does. Of
    /// one sender all lie there or none: after a start one may be of no use without those before it.
    pub(crate) fn keep(
        &mut self,
        transaction: &SignedTransaction,
        since: Moment,
        must: bool,
        draft: &mut Draft,
    ) {
        let hash = transaction.hash();
        let mut others =
            self.pool.of(&transaction.sender_address()).filter(|other| other.hash() != hash).peekable();
        let are_kept = others.peek().is_some_and(|other| self.persisted.contains(&other.hash()));
        if !must && !are_kept {
            return;
        }
        self.persisted.keep(transaction, since, &mut draft.batch);
        if !are_kept {
            for other in others {
                let since = self.pool.since(&other.hash()).unwrap_or(since);
                self.persisted.keep(other, since, &mut draft.batch);
            }
        }
    }

    /// Notes what waits no more.
    pub(crate) fn forget(&mut self, dropped: &[Dropped], draft: &mut Draft, observer: &mut impl Observer) {
        let at = self.now.wall;
        for Dropped { transaction, why } in dropped {
            let (hash, parties) = (transaction.hash(), Parties::of(transaction));
            observer.note(Note::TransactionDropped(why.reason()));
            let fate = Fate { why: why.clone(), at };
            self.note_fate(hash, fate.clone(), draft);
            draft.happened.push(TransactionEvent { hash, parties, place: fate.place() });
        }
    }
}
