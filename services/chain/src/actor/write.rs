//! One commit per turn, synced to disk, and what is done when the disk does not take it.

use std::sync::Arc;

use tracing::Span;
use vision_host::metrics::time;
use vision_host::telemetry;
use vision_importer::{Batch, CommitId, Input, Output};
use vision_primitives::{Hash, TimestampMs};

use super::Actor;
use super::observe::block_span;
use crate::error::Error;
use crate::store::{Commit, Store, StoreError};
use crate::trace;

/// How a commit is written.
type Write = fn(&Store, &Commit) -> Result<(), StoreError>;

/// How many fates the store has. One that cannot be read takes nothing more either.
pub(super) fn count_fates(store: &Store) -> u64 {
    store.fate_count().unwrap_or(u64::MAX)
}

impl Actor {
    /// Stores what the turn has changed, then publishes.
    pub(super) fn commit(&mut self, id: CommitId, batch: Batch) -> Result<(), Error> {
        let spans = self.commit_spans(&batch);
        let commit = Commit::from(batch);
        let inside: Vec<_> = spans.iter().map(Span::enter).collect();
        let written = self.write(&commit, Store::commit);
        if written.is_err() {
            spans.iter().for_each(|span| telemetry::fail(span, "store"));
        }
        drop(inside);
        drop(spans);
        match written {
            Ok(()) => self.publish(id, commit),
            Err(error) if error.is_transient() => {
                tracing::error!(%error, "the store cannot be written; retrying every second");
                self.store_condition.failed(error.to_string());
                self.unwritten = Some(commit);
                self.step(Input::CommitFailed { id, fates: count_fates(&self.store) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tries again what the disk did not take.
    pub(super) fn retry(&mut self, id: CommitId) -> Result<(), Error> {
        let commit = self
            .unwritten
            .take()
            .ok_or_else(|| Error::Core("it was to write a commit again that it does not have".into()))?;
        match self.write(&commit, Store::reopen_and_commit) {
            Ok(()) => {
                tracing::info!("the store can be written again");
                self.store_condition.ok();
                self.publish(id, commit)
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the store still cannot be written");
                self.unwritten = Some(commit);
                self.step(Input::CommitFailed { id, fates: count_fates(&self.store) })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, commit: &Commit, write: Write) -> Result<(), StoreError> {
        let metrics = &self.metrics;
        let has_blocks = !commit.blocks.is_empty();
        let write = || time(&metrics.store.commit, || write(&self.store, commit));
        let written = if has_blocks { time(&metrics.phases.commit, write) } else { write() };
        metrics.store.failures.inc_by(u64::from(written.is_err()));
        written
    }

    /// One span for each block that the commit writes.
    fn commit_spans(&self, batch: &Batch) -> Vec<Span> {
        let (head, now) = (self.importer.tree().head().height(), TimestampMs(self.clock.now_ms()));
        let spans = batch.blocks.iter().map(|new| {
            let is_recent = trace::is_recent(new.block.header(), head, now);
            block_span!(is_recent, "chain.store.commit", &self.genesis_hash, new.block)
        });
        spans.collect()
    }

    /// Reports what follows from a commit that is durable.
    fn publish(&mut self, id: CommitId, commit: Commit) -> Result<(), Error> {
        let has_blocks = !commit.blocks.is_empty();
        self.decide(Input::Committed { id, fates: count_fates(&self.store) });
        let came = |block: &Hash| self.observed.insertions.get(block).map(|insertion| insertion.came);
        self.tally.stored(&self.out, &commit, self.importer.tree(), self.clock.instant(), came);
        let last = self.out.iter().rev().find_map(|output| match output {
            Output::HeadMoved { head, finalized, cause, .. } => Some(self.view_of(head, *finalized, cause)),
            _ => None,
        });
        self.written = Some(commit);
        let announce = self.metrics.phases.announce.clone();
        let report = || {
            if let Some(head) = last.map(Arc::new) {
                // The table has statuses sent, which show the view.
                self.view.send_replace(head.clone());
                self.peers.head_moved(head.height, head.weight, head.state.registered());
            }
            self.perform_all()
        };
        let reported = if has_blocks { time(&announce, report) } else { report() };
        self.written = None;
        reported
    }
}
