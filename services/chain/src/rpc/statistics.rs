//! Statistics of the newest blocks: only those that came since the last question are read.

use tonic::Status;
use vision_primitives::{Hash, Height};
use vision_wire::chain as proto;
use vision_wire::{Reason, status};

use super::ChainRpc;
use super::blocks::Found;
use crate::statistics::{Counted, MAX_BLOCKS, Window};
use crate::store::Stretch;

/// How often the blocks are read anew when they do not fit upon each other.
const MAX_ATTEMPTS: usize = 3;

impl ChainRpc {
    pub(super) async fn statistics_of(
        &self,
        request: &proto::GetStatisticsRequest,
    ) -> Result<proto::GetStatisticsResponse, Status> {
        let blocks = match usize::try_from(request.window) {
            Ok(0) => MAX_BLOCKS,
            Ok(blocks) if blocks <= MAX_BLOCKS => blocks,
            _ => {
                let why = format!("window: 1 to {MAX_BLOCKS} blocks, got {}", request.window);
                return Err(status(Reason::InvalidArgument, why, &[("field", "window".into())]));
            }
        };
        // One at a time: the others find what the first has read.
        let mut window = self.statistics.lock().await;
        let head = self.head();
        self.advance(&mut window, head.hash, head.height).await?;
        Ok(window.statistics(blocks, head.height, self.rules.params()))
    }

    /// Makes the head the last block.
    async fn advance(&self, window: &mut Window, head: Hash, height: Height) -> Result<(), Status> {
        // A block that does not fit upon the last: the head has moved to another branch while it was read.
        for _ in 0..MAX_ATTEMPTS {
            if window.last().is_some_and(|last| last.hash == head) {
                return Ok(());
            }
            self.leave_branches(window).await?;
            if self.read_up_to(window, height).await? {
                return Ok(());
            }
        }
        Err(status(Reason::TipChanged, "the head keeps changing branches: try again", &[]))
    }

    /// Takes away what is no longer on the head's chain.
    async fn leave_branches(&self, window: &mut Window) -> Result<(), Status> {
        while let Some((hash, height)) = window.last().map(|last| (last.hash, last.height)) {
            if self.load(move |store| store.hash_at(height)).await? == Some(hash) {
                return Ok(());
            }
            window.pop();
        }
        Ok(())
    }

    /// Whether all that was read fits upon what was there.
    async fn read_up_to(&self, window: &mut Window, to: Height) -> Result<bool, Status> {
        let lowest = Height((to.get() + 1).saturating_sub(MAX_BLOCKS as u64).max(1));
        if window.last().is_some_and(|last| last.height.next() < lowest) {
            window.clear();
        }
        let next = window.last().map_or(lowest, |last| last.height.next());
        let found = self.headers(Stretch::From(next), MAX_BLOCKS).await?;
        for Found { hash, header, .. } in found.into_iter().filter(|found| found.header.height <= to) {
            let parent_timestamp = match window.last() {
                Some(last) if last.hash != header.parent => return Ok(false),
                Some(last) => last.timestamp,
                None => self.stamp_of(header.parent).await?,
            };
            let pool = self.main_pool(&header).await?;
            window.push(Counted {
                missed: self.shown.missed(&header, &pool),
                height: header.height,
                hash,
                producer: header.producer,
                slot: header.slot,
                timestamp: header.timestamp_ms,
                interval_ms: header.timestamp_ms.since_ms(parent_timestamp),
                pool,
            });
        }
        Ok(true)
    }
}
