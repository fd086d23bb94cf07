//! The machine's outputs, done in their order.

use std::sync::Arc;

use bytes::Bytes;
use vision_block_tree::Entry;
use vision_host::telemetry;
use vision_importer::{Answer, Arrival, Origin, Output, RequestId, Screened, Ticket, TransactionEvent};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Block, Hash, Height, Invariant, SignedTransaction, Slot, TimestampMs};

use super::observe::block_span;
use super::{Actor, Asked};
use crate::error::Error;
use crate::incoming::{Incoming, Permit, Source};
use crate::mailbox::StoredBlock;
use crate::refusals::{not_prepared, not_stored, not_taken};
use crate::trace;
use crate::view::{HeadEvent, HeadView, StoredHeader};

/// Most transactions reported in one event, which stays far below the 4 MiB that clients decode unless
/// set otherwise.
const MAX_HAPPENED_IN_EVENT: usize = 4096;

impl Actor {
    /// Does everything the machine has said.
    pub(super) fn perform_all(&mut self) -> Result<(), Error> {
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            self.perform(output)?;
        }
        if self.out.is_empty() {
            // Its room is used again.
            self.out = out;
        }
        Ok(())
    }

    fn perform(&mut self, output: Output) -> Result<(), Error> {
        match output {
            Output::Commit { id, batch } => return self.commit(id, batch),
            Output::Retry { id } => return self.retry(id),
            Output::Reply { id, answer } => self.reply(id, answer),
            Output::Settled { ticket, answer } => {
                let (mut source, _permit) = self.incoming(ticket);
                source.answer(answer.map_err(|refused| not_taken(&refused)));
            }
            Output::Charge { peer, points, why } => self.peers.charge(&peer, points, why),
            Output::Excuse { peer } => self.peers.excuse(&peer),
            Output::PeerHas { peer, hash } => self.peers.note_known(&peer, hash),
            Output::Fetch { peer, hash } => self.peers.fetch(&peer, hash),
            Output::TipKnown { peer, height, hash } => self.peers.tip_known(&peer, height, hash),
            Output::TipClaimed { peer, height, hash, weight, verified } => {
                self.peers.tip_claimed(&peer, height, hash, weight, verified);
            }
            Output::HeadMoved { head, finalized, cause, left } => {
                self.head_moved(&self.view_of(&head, finalized, &cause), left);
            }
            Output::Stored { block, origin, became_head, parent_stamp, reply } => {
                self.stored(&block, origin, became_head, parent_stamp, reply);
            }
            Output::Event(event) => self.publish_event(event),
            Output::Forward { transactions, except } => {
                self.peers.relay_transactions(&bytes_of(&transactions), except.as_ref());
            }
            Output::ForwardAgain { transactions } => {
                let pool = self.importer.pool();
                let waiting = transactions.iter().filter_map(|hash| pool.get(hash));
                self.peers.relay_transactions(&bytes_of(waiting), None);
            }
            Output::Happened(events) => self.publish_transactions(&events),
        }
        Ok(())
    }

    fn reply(&mut self, id: RequestId, answer: Answer) {
        // Whoever asked may have gone.
        match (self.asked.remove(&id), answer) {
            (Some(Asked::Prepare(reply)), Answer::Prepared(made)) => {
                let _ = reply.send(made.map_err(|refused| not_prepared(&refused)));
            }
            (Some(Asked::Submit(reply)), Answer::Refused(refused)) => {
                let _ = reply.send(Err(not_stored(&refused)));
            }
            (Some(Asked::Import(reply)), Answer::Imported(end)) => {
                let _ = reply.send(end);
            }
            (Some(Asked::Screen(reply)), Answer::Screened(Screened { verified, unverified })) => {
                let mut back = |Arrival { ticket, transaction, .. }| {
                    let (source, permit) = self.incoming(ticket);
                    Incoming { transaction, source, permit }
                };
                let verified = verified.into_iter().map(&mut back).collect();
                let unverified = unverified.into_iter().map(back).collect();
                let _ = reply.send(Ok((verified, unverified)));
            }
            (_, answer) => unreachable!("{id:?} was not asked for {answer:?}"),
        }
    }

    /// Who waits for a transaction that leaves the machine's hands, and the room it has taken.
    fn incoming(&mut self, ticket: Ticket) -> (Source, Permit) {
        self.incoming.remove(&ticket).invariant("a transaction leaves the machine's hands once")
    }

    /// A head as it is published.
    pub(super) fn view_of(&self, head: &Entry, finalized: Height, cause: &Hash) -> HeadView {
        let insertion = self.observed.insertions.get(cause);
        let at = insertion.map_or_else(|| TimestampMs(self.clock.now_ms()), |insertion| insertion.at);
        HeadView::of(head, finalized).arrived_at(at)
    }

    fn head_moved(&self, head: &HeadView, left: u64) {
        if left > 0 {
            let trace_id = HeightTrace::of(&self.genesis_hash, head.height);
            tracing::info!(height = head.height.get(), %trace_id, depth = left, "reorganised");
            if let Some(commit) = &self.written {
                trace::keep_changed(&self.genesis_hash, &commit.chain);
            }
        }
        if head.slot > Slot(0) {
            trace::keep(&self.genesis_hash, head.height);
        }
        self.logs.heads.publish(HeadEvent { head: head.to_proto(), reorg_depth: left });
    }

    fn stored(
        &mut self,
        block: &Block,
        origin: Origin,
        became_head: bool,
        parent_stamp: Option<TimestampMs>,
        reply: Option<RequestId>,
    ) {
        let (hash, height) = (block.hash(), block.header().height);
        self.logs.stored.publish(Arc::new(Some(header_of(block))));
        self.peers.blocks_stored(&[(height, hash)], origin.peer());
        let (sent_to, send_failed) = match origin {
            Origin::Fetched(_) => (0, 0),
            Origin::Own | Origin::Announced(_) => self.announce(block, origin, parent_stamp),
        };
        let trace_id = HeightTrace::of(&self.genesis_hash, height);
        tracing::debug!(height = height.get(), %hash, %trace_id, ?origin, became_head, "block stored");
        let Some(id) = reply else { return };
        let Some(Asked::Submit(reply)) = self.asked.remove(&id) else {
            unreachable!("{id:?} has submitted no block");
        };
        let height = height.get();
        // Whoever asked may have gone.
        let _ = reply.send(Ok(StoredBlock { height, hash, became_head, sent_to, send_failed }));
    }

    fn announce(&mut self, block: &Block, origin: Origin, parent: Option<TimestampMs>) -> (u32, u32) {
        let (head, now) = (self.importer.tree().head().height(), TimestampMs(self.clock.now_ms()));
        let is_recent = trace::is_recent(block.header(), head, now);
        let span = block_span!(is_recent, "chain.block.announce", &self.genesis_hash, block).entered();
        let sent = self.peers.announce_block(block, &telemetry::traceparent(&span));
        if matches!(origin, Origin::Own) {
            self.roots.announced(block, parent, TimestampMs(self.clock.now_ms()));
        }
        sent
    }

    fn publish_transactions(&self, events: &[TransactionEvent]) {
        for part in events.chunks(MAX_HAPPENED_IN_EVENT) {
            self.logs.transactions.publish(Arc::new(part.to_vec()));
        }
    }
}

fn bytes_of<'a>(transactions: impl IntoIterator<Item = &'a SignedTransaction>) -> Vec<Bytes> {
    transactions.into_iter().map(|transaction| Bytes::copy_from_slice(transaction.bytes())).collect()
}

fn header_of(block: &Block) -> StoredHeader {
    StoredHeader {
        producer: block.header().producer,
        header: Bytes::copy_from_slice(block.header_bytes()),
        signature: Bytes::copy_from_slice(&block.signature().0),
    }
}
