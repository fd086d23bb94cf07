//! What happens to the chain, as watchers see it.

use vision_block_tree::Entry;
use vision_importer::{ChainEvent, MissedSlot, Reorg, ShownBlock, StandingEvent};
use vision_wire::chain::chain_event::What;
use vision_wire::chain::{self as proto, BlockInfo};

use super::Actor;
use crate::shown::{About, Shown};

impl Actor {
    pub(super) fn publish_event(&self, event: ChainEvent) {
        let shown = &self.shown;
        let what = match event {
            ChainEvent::Block(block) => block_info(shown, &block)
                .map(|info| What::Block(BlockInfo { block: Some(bytes_of(&block.entry)), ..info })),
            ChainEvent::Missed(missed) => Some(What::MissedSlot(missed_to_proto(&missed))),
            ChainEvent::Standing(standing) => Some(standing_to_proto(&standing)),
            ChainEvent::Reorg(reorg) => Some(What::Reorg(reorg_to_proto(shown, &reorg))),
            ChainEvent::CaughtUp { from, to } => {
                Some(What::CaughtUp(proto::CaughtUpBlocks { from: from.get(), to: to.get() }))
            }
            ChainEvent::Finalized(block) => {
                let (height, hash) = (block.height.get(), block.hash.to_string());
                Some(What::Finalized(proto::Finalized { height, hash }))
            }
        };
        if let Some(what) = what {
            self.logs.events.publish(what);
        }
    }
}

/// A block of a chain, without its bytes. None of block 0, which no event is about.
fn block_info(shown: &Shown, block: &ShownBlock) -> Option<BlockInfo> {
    let (entry, header) = (&block.entry, block.entry.header()?);
    let about = About {
        tx_count: u32::try_from(entry.tx_count()).unwrap_or(u32::MAX),
        size_bytes: entry.size_bytes(),
        canonical: block.canonical,
        finalized: false,
        parent_timestamp: block.parent_stamp,
        missed: block.missed.clone(),
    };
    Some(shown.block(&entry.hash(), header, about))
}

fn reorg_to_proto(shown: &Shown, reorg: &Reorg) -> proto::Reorg {
    let all = |blocks: &[ShownBlock]| blocks.iter().filter_map(|block| block_info(shown, block)).collect();
    proto::Reorg {
        height: reorg.height.get(),
        depth: reorg.depth,
        left: all(&reorg.left),
        joined: all(&reorg.joined),
        joined_count: reorg.joined_count,
        transactions_returned: reorg.transactions_returned,
    }
}

fn missed_to_proto(missed: &MissedSlot) -> proto::MissedSlotEvent {
    proto::MissedSlotEvent {
        height: missed.height.get(),
        slot: missed.slot.get(),
        node_id: missed.owner.to_string(),
        made_by: missed.made_by.to_string(),
        made_in_slot: missed.made_in.get(),
    }
}

fn standing_to_proto(standing: &StandingEvent) -> What {
    match standing {
        StandingEvent::Suspended { id, height, missed } => What::Suspended(proto::Suspended {
            node_id: id.to_string(),
            height: height.get(),
            missed: u32::try_from(*missed).unwrap_or(u32::MAX),
        }),
        StandingEvent::Returned { id, height, first_time } => What::Returned(proto::Returned {
            node_id: id.to_string(),
            height: height.get(),
            first_time: *first_time,
        }),
    }
}

fn bytes_of(entry: &Entry) -> vision_wire::types::Block {
    vision_wire::types::Block {
        header: entry.header_bytes().to_vec().into(),
        signature: entry.signature().0.to_vec().into(),
        ..Default::default()
    }
}
