//! What the watches of the chain and sync-oracle services deliver.

use futures::StreamExt;
use tonic::Status;
use vision_authoring::{Head, Input};
use vision_host::telemetry;
use vision_primitives::{Height, Slot, TimestampMs};
use vision_wire::chain::{WatchBlocksResponse, WatchHeadResponse};
use vision_wire::sync_oracle::WatchSnapshotResponse;
use vision_wire::watch::WatchItem;
use vision_wire::{parse_hash, parse_optional_hash};

use super::Actor;
use crate::ports::Neighbours;
use crate::trace::Duty;

impl<N: Neighbours> Actor<N> {
    pub(super) fn on_head(&mut self, item: WatchItem<WatchHeadResponse>) {
        // Only the newest of those that wait matters.
        let mut newest = item;
        self.keep_remarkable(&newest);
        while let Some(Some(next)) = futures::FutureExt::now_or_never(self.heads.next()) {
            newest = next;
            self.keep_remarkable(&newest);
        }
        match newest {
            WatchItem::Event(event) => match event.head.as_ref().map(read_head) {
                Some(Ok(head)) => {
                    self.count_missed(event.head.as_ref());
                    self.on_heard_head(head);
                }
                Some(Err(error)) => self.lose_chain(error.message().to_owned()),
                None => {}
            },
            WatchItem::Lost(error) => self.lose_chain(error.message().to_owned()),
        }
    }

    fn keep_remarkable(&self, item: &WatchItem<WatchHeadResponse>) {
        if let WatchItem::Event(event) = item {
            vision_wire::remarkable_traces(&self.executor.genesis_hash, event).for_each(telemetry::keep);
        }
    }

    fn count_missed(&self, head: Option<&vision_wire::chain::Head>) {
        let parent = head.and_then(|head| Some((parse_hash("parent", &head.parent).ok()?, Slot(head.slot))));
        if let (Some(before), Some((parent, slot))) = (self.machine.view(), parent) {
            self.executor.metrics.head_moved(&before, &parent, slot);
        }
    }

    fn on_heard_head(&mut self, head: Head) {
        if self.trouble.other_chain.is_none() {
            self.conditions.chain.ok();
        }
        self.trouble.chain = None;
        if self.head.replace(head.hash) != Some(head.hash) {
            // What was asked on an earlier head is of no use any more.
            for question in self.about_this_head.drain(..) {
                question.abort();
            }
            self.duty = Some(Duty::new(&self.executor.genesis_hash, head.height.next()));
        }
        self.give(Input::Head(head));
    }

    fn lose_chain(&mut self, why: String) {
        self.conditions.chain.failed(why.clone());
        self.trouble.chain = Some(why);
        self.give(Input::HeadLost);
    }

    pub(super) fn on_snapshot(&mut self, item: WatchItem<WatchSnapshotResponse>) {
        match item {
            WatchItem::Event(WatchSnapshotResponse { heartbeat, snapshot: Some(snapshot), .. }) => {
                self.conditions.sync_oracle.ok();
                self.trouble.sync_oracle = None;
                let eligible = snapshot.eligible;
                let age_ms = self.executor.clock.now_ms().saturating_sub(snapshot.taken_at_ms);
                self.snapshot = Some(snapshot);
                // A repetition says that the oracle lives, not that it looked again.
                if !heartbeat {
                    self.give(Input::Snapshot { eligible, age_ms });
                }
            }
            WatchItem::Event(_) => {}
            WatchItem::Lost(error) => {
                let why = error.message().to_owned();
                self.conditions.sync_oracle.failed(why.clone());
                self.trouble.sync_oracle = Some(why);
                self.give(Input::SnapshotLost);
            }
        }
    }

    /// A block that bears this key was stored, or some may have been that nobody reported.
    pub(super) fn on_stored(&mut self, item: WatchItem<WatchBlocksResponse>) {
        match item {
            WatchItem::Event(event) if event.begins => self.give(Input::BlocksMissed),
            WatchItem::Event(event) if event.heartbeat => {}
            WatchItem::Event(event) => {
                let reader = self.executor.own_block_reader();
                match reader.read(&event.header, &event.signature) {
                    Some(own) => self.give(Input::OwnBlock(own)),
                    None => {
                        tracing::warn!("the chain service reports a block of this key without its signature")
                    }
                }
            }
            WatchItem::Lost(error) => {
                tracing::debug!(error = error.message(), "stored blocks are not reported")
            }
        }
    }
}

fn read_head(head: &vision_wire::chain::Head) -> Result<Head, Status> {
    Ok(Head {
        height: Height(head.height),
        hash: parse_hash("hash", &head.hash)?,
        timestamp_ms: TimestampMs(head.timestamp_ms),
        producer: parse_optional_hash("producer", &head.producer)?,
        entropy: parse_hash("entropy", &head.entropy)?,
        pool_root: parse_hash("pool_root", &head.pool_root)?,
        registered_root: parse_hash("registered_root", &head.registered_root)?,
    })
}
