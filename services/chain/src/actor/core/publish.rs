//! The end of a turn: store, then tell.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tracing::Span;
use vision_host::metrics::time;
use vision_host::telemetry;
use vision_mempool::Rejected;
use vision_primitives::{Block, Slot};

use super::pool::rejected_status;
use super::{Core, STORE_RETRY_MS, span};
use crate::actor::turn::{Accepted, Origin, Turn};
use crate::actor::view::{HeadEvent, StoredHeader};
use crate::actor::{ImportEnd, StoredBlock};
use crate::error::Error;
use crate::store::{Commit, Store, StoreError};
use crate::trace;

/// Most transactions told of in one event, which stays far below the 4 MiB that clients decode unless told otherwise.
const MAX_HAPPENED_IN_EVENT: usize = 4096;

/// A way to write a turn.
type Write = fn(&Store, &Commit) -> Result<(), StoreError>;

impl Core {
    /// Stores what the turn has changed, then tells everybody.
    pub fn finish(&mut self, mut turn: Turn) -> Result<(), Error> {
        if let Some((waiting, due_ms)) = self.unwritten.take() {
            // While a turn waits no other one changes anything, so this one has only readers' effects.
            self.retry(waiting, due_ms)?;
        }
        self.tell_old_if_due();
        self.settle_pool(&mut turn);
        self.parts.metrics.pool(self.pool.len(), self.pool.bytes());
        self.parts.pending.store(self.pool.len() as u64, Ordering::Relaxed);
        turn.commit.fates.append(&mut self.unsaved_fates);
        if turn.commit.is_empty() {
            self.publish(turn);
            return Ok(());
        }
        turn.commit.gone = self.kept.take_gone();
        turn.commit.running_ms = self.moment().running_ms;
        let spans = self.commit_spans(&turn);
        let inside: Vec<_> = spans.iter().map(Span::enter).collect();
        let written = self.write(&turn, Store::commit);
        if written.is_err() {
            spans.iter().for_each(|span| telemetry::fail(span, "store"));
        }
        drop(inside);
        drop(spans);
        match written {
            Ok(()) => {
                let took_ms = turn.took_ms(self.parts.clock.monotonic_ms());
                self.pace.note(turn.transactions() as u64, took_ms);
                self.publish(turn);
            }
            Err(error) if error.is_transient() => {
                tracing::error!(%error, "the disk does not take writes; trying again every second");
                self.parts.store_condition.failed(error.to_string());
                self.unwritten =
                    Some((refuse_waiting(turn), self.parts.clock.monotonic_ms() + STORE_RETRY_MS));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn write(&mut self, turn: &Turn, write: Write) -> Result<(), StoreError> {
        let metrics = &self.parts.metrics;
        let write = || time(&metrics.store_commit, || write(&self.parts.store, &turn.commit));
        let has_blocks = !turn.accepted.is_empty();
        let written = if has_blocks { time(&metrics.phases.commit, write) } else { write() };
        metrics.store_failures.inc_by(u64::from(written.is_err()));
        self.count_fates();
        written
    }

    pub(super) fn retry(&mut self, turn: Turn, due_ms: u64) -> Result<(), Error> {
        if self.parts.clock.monotonic_ms() < due_ms {
            self.unwritten = Some((turn, due_ms));
            return Ok(());
        }
        match self.write(&turn, Store::reopen_and_commit) {
            Ok(()) => {
                tracing::info!("the disk takes writes again");
                self.parts.store_condition.ok();
                self.publish(turn);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the disk still does not take writes");
                self.unwritten = Some((turn, self.parts.clock.monotonic_ms() + STORE_RETRY_MS));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// One span for each block that the commit writes.
    fn commit_spans(&self, turn: &Turn) -> Vec<Span> {
        let spans = turn.accepted.iter().map(|Accepted { block, .. }| {
            let traced = self.spans_of(block);
            span!(traced, "chain.store.commit", block)
        });
        spans.collect()
    }

    pub(super) fn publish(&mut self, turn: Turn) {
        self.tally.stored(&turn, &self.parts.tree);
        if turn.accepted.is_empty() {
            return self.tell(turn);
        }
        let announce = self.parts.metrics.phases.announce.clone();
        time(&announce, || self.tell(turn));
    }

    fn tell(&mut self, mut turn: Turn) {
        let genesis_hash = self.parts.rules.genesis_hash;
        let moved = !turn.moved.is_empty();
        if let Some(last) = turn.moved.last() {
            self.parts.view.send_replace(Arc::new(last.head.clone()));
            self.parts.peers.head_moved(last.head.height, last.head.weight, last.head.state.registered());
        }
        for moved in turn.moved.drain(..) {
            let event = HeadEvent { head: moved.head.to_proto(), reorg_depth: moved.reorg_depth };
            if moved.reorg_depth > 0 {
                let trace_id = self.trace(moved.head.height);
                tracing::info!(height = event.head.height, %trace_id, depth = moved.reorg_depth, "reorganised");
                trace::keep_changed(&genesis_hash, &turn.commit.chain);
            }
            if moved.head.slot > Slot(0) {
                trace::keep(&genesis_hash, moved.head.height);
            }
            self.parts.heads.publish(event);
        }
        for accepted in turn.accepted.drain(..) {
            let (hash, height) = (accepted.block.hash(), accepted.block.header().height);
            self.parts.stored.publish(Arc::new(Some(header_of(&accepted.block))));
            self.parts.peers.blocks_stored(&[(height, hash)], accepted.origin.peer());
            let (sent_to, send_failed) = match accepted.origin {
                Origin::Fetched(_) => (0, 0),
                Origin::Own | Origin::Announced(_) => self.announce(&accepted),
            };
            tracing::debug!(height = height.get(), %hash, trace_id = %self.trace(height), origin = ?accepted.origin, became_head = accepted.became_head, "block stored");
            if let Some(reply) = accepted.reply {
                let stored = StoredBlock {
                    height: height.get(),
                    hash,
                    became_head: accepted.became_head,
                    sent_to,
                    send_failed,
                };
                let _ = reply.send(Ok(stored));
            }
        }
        self.tell_news(&mut turn);
        self.roots.settle(&self.parts.tree, &genesis_hash, false);
        self.pass_on(std::mem::take(&mut turn.admitted));
        if moved {
            self.tell_again();
        }
        for mut handed in turn.known.drain(..) {
            handed.source.answer(Err(rejected_status(&Rejected::Known)));
        }
        for part in turn.happened.chunks(MAX_HAPPENED_IN_EVENT) {
            self.parts.happenings.publish(Arc::new(part.to_vec()));
        }
        end_imports(turn);
    }

    fn announce(&mut self, accepted: &Accepted) -> (u32, u32) {
        let block = &accepted.block;
        let traced = self.spans_of(block);
        let span = span!(traced, "chain.block.announce", block).entered();
        let sent = self.parts.peers.broadcast_block(block, &telemetry::traceparent(&span));
        if matches!(accepted.origin, Origin::Own) {
            let parent = self.parts.tree.get(&block.header().parent).map(|entry| entry.timestamp_ms());
            let now = self.now();
            self.roots.announced(block, parent, now);
        }
        sent
    }
}

fn header_of(block: &Block) -> StoredHeader {
    StoredHeader {
        producer: block.header().producer,
        header: Bytes::copy_from_slice(block.header_bytes()),
        signature: Bytes::copy_from_slice(&block.signature().0),
    }
}

fn end_imports(turn: Turn) {
    for (reply, end) in turn.imports {
        // Whoever asked may have gone.
        let _ = reply.send(end);
    }
}

/// Tells those who wait for a turn that the disk did not take it; its blocks and transactions stay to be written and
/// passed on.
fn refuse_waiting(mut turn: Turn) -> Turn {
    for accepted in &mut turn.accepted {
        if let Some(reply) = accepted.reply.take() {
            let _ = reply.send(Err(Core::store_unavailable()));
        }
    }
    let mut known = std::mem::take(&mut turn.known);
    for handed in turn.admitted.iter_mut().chain(&mut known) {
        handed.source.answer(Err(Core::store_unavailable()));
    }
    for (reply, _) in turn.imports.drain(..) {
        let _ = reply.send(ImportEnd::Stopped(0));
    }
    turn
}
