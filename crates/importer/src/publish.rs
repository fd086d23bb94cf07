//! What follows from a turn once it is durable, in the order in which it is published.

use std::collections::BTreeMap;

use vision_mempool::Rejected;
use vision_primitives::{Hash, NodeId, SignedTransaction};

use crate::Importer;
use crate::answers::{Answer, NotTaken, Taken};
use crate::batch::{Accepted, Admitted, Draft, Moved};
use crate::messages::Output;

/// Pause between tries to write what the disk did not take, milliseconds.
pub const STORE_RETRY_MS: u64 = 1_000;
/// One that was submitted here and waits so long is sent to the peers again, milliseconds: a peer may have
/// had no room for it.
const SEND_AGAIN_AFTER_MS: u64 = 3_000;

impl Importer {
    pub(crate) fn publish(&mut self, mut draft: Draft) {
        let has_moved = !draft.moved.is_empty();
        if let Some(last) = draft.moved.last() {
            self.published = last.head.clone();
        }
        for Moved { head, finalized, cause, left } in draft.moved.drain(..) {
            self.out.push(Output::HeadMoved { head, finalized, cause, left: left.len() as u64 });
        }
        for Accepted { block, origin, became_head, reply } in draft.accepted.drain(..) {
            let parent_stamp = self.tree.get(&block.header().parent).map(|parent| parent.timestamp_ms());
            self.out.push(Output::Stored { block, origin, became_head, parent_stamp, reply });
        }
        self.report(&mut draft);
        self.pass_on(std::mem::take(&mut draft.admitted));
        if has_moved {
            self.send_again();
        }
        for ticket in draft.known.drain(..) {
            self.settle(ticket, NotTaken::Rejected(Rejected::Known));
        }
        if !draft.happened.is_empty() {
            self.out.push(Output::Happened(draft.happened));
        }
        for (id, end) in draft.imports {
            self.out.push(Output::Reply { id, answer: Answer::Imported(end) });
        }
    }

    /// Acknowledges what was admitted in a turn, and passes it on to every peer but the one it came from.
    fn pass_on(&mut self, admitted: Vec<Admitted>) {
        let mut by_source: BTreeMap<Option<NodeId>, Vec<SignedTransaction>> = BTreeMap::new();
        for Admitted { ticket, peer, transaction } in admitted {
            if let Some(ticket) = ticket {
                let hash = transaction.hash();
                let since = self.pool.since(&hash).map(|since| since.wall);
                let taken = Taken { since, missing_nonce: self.pool.missing_nonce(&hash) };
                self.out.push(Output::Settled { ticket, answer: Ok(taken) });
            }
            by_source.entry(peer).or_default().push(transaction);
        }
        let forward = |(except, transactions)| Output::Forward { transactions, except };
        self.out.extend(by_source.into_iter().map(forward));
    }

    /// Sends the peers again what was submitted here and still waits, a part of it when the head moves.
    fn send_again(&mut self) {
        let now = self.now.moment();
        let waits = |hash: &Hash| {
            self.pool.since(hash).is_some_and(|since| now.since_ms(since) >= SEND_AGAIN_AFTER_MS)
        };
        let transactions: Vec<Hash> =
            self.persisted.next_part(self.now.mono_ms).into_iter().filter(waits).collect();
        if !transactions.is_empty() {
            self.out.push(Output::ForwardAgain { transactions });
        }
    }
}
