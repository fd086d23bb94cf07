//! What a turn has to tell those who watch events.

use std::collections::{BTreeMap, BTreeSet};

use vision_block_tree::{BlockRef, Entry, HeadChange, Inserted};
use vision_ledger::{Changes, StandingChange, State, missed_slots};
use vision_primitives::{Block, Hash, Height, NodeId, TimestampMs};
use vision_wire::chain::chain_event::What;
use vision_wire::chain::{self as proto, BlockInfo};

use super::Core;
use crate::actor::turn::{Origin, Turn};
use crate::shown::About;

/// A fetched block whose time stamp is no further back than this is told of like an announced one, milliseconds: a node that
/// missed a few blocks shows them, one that catches up with many does not.
const RECENT_MS: u64 = 10_000;
/// Fetched old blocks are told of together so often, milliseconds.
const CAUGHT_UP_EVERY_MS: u64 = 1_000;
/// Most blocks told of on each side of a reorganisation.
const MAX_REORG_BLOCKS: usize = 64;

/// Something to tell once the turn is stored.
pub enum News {
    /// As it is.
    Event(Box<What>),
    /// An old block joined the head's chain.
    Old {
        /// Its height.
        height: Height,
        /// The state before it.
        before: State,
        /// Producers whose records it changed.
        producers: Vec<NodeId>,
    },
}

/// Old blocks that have been stored and not told of.
pub struct Untold {
    from: Height,
    to: Height,
    before: State,
    producers: BTreeSet<NodeId>,
    /// When they are due to be told, by the monotonic clock.
    due_ms: u64,
}

/// Blocks as they were shown before an insertion.
#[derive(Default)]
pub struct Sides(BTreeMap<Hash, BlockInfo>);

/// What is yet to be told.
#[derive(Default)]
pub struct Pending {
    old: Option<Untold>,
    finalized: Option<(Height, Hash)>,
}

impl Core {
    /// Whether a block is told of by itself.
    fn is_live(&self, block: &Block, origin: Origin) -> bool {
        let fetched = matches!(origin, Origin::Fetched(_));
        !fetched || self.now().since_ms(block.header().timestamp_ms) <= RECENT_MS
    }

    /// What the insertion of a block has to tell. Notes when the block came.
    pub(super) fn news(
        &self,
        (block, origin, came): (&Block, Origin, TimestampMs),
        changes: &Changes,
        (inserted, sides): (&Inserted, &Sides),
    ) -> Vec<News> {
        let live = self.is_live(block, origin);
        let hash = block.hash();
        if live && inserted.stored {
            self.parts.shown.came(block.header(), hash, came);
        }
        let Some(change) = &inserted.change.head else {
            let aside = (live && inserted.stored).then(|| self.shown(&hash, true)).flatten();
            return aside.map(|info| event(What::Block(info))).into_iter().collect();
        };
        let extended = change.left.is_empty() && matches!(&change.joined[..], [one] if one.hash == hash);
        if !extended {
            return self.moved_to_branch(change, live, sides);
        }
        let (before, after) = (change.old.state(), change.new.state());
        let changed = changes.producers.iter().map(|(id, _)| *id);
        if !live {
            let height = change.new.height();
            return vec![News::Old { height, before: before.clone(), producers: changed.collect() }];
        }
        let info = self.shown(&hash, true);
        let missed: Vec<What> = info.iter().flat_map(missed_events).collect();
        let standings = standings(before, after, changed, change.new.height());
        info.map(What::Block).into_iter().chain(missed).chain(standings).map(event).collect()
    }

    /// Both sides of the move of the head that a block may bring about, before it is inserted: what it makes final or prunes
    /// is in the tree no more when the move is told.
    pub(super) fn sides(&self, block: &Block) -> Sides {
        let (tree, header) = (&self.parts.tree, block.header());
        let head = tree.head();
        if header.parent == head.hash() || header.weight < head.weight() {
            return Sides::default();
        }
        let from = |hash: Hash| {
            let entries = std::iter::successors(tree.get(&hash), |entry| tree.get(&entry.parent()));
            entries.take(MAX_REORG_BLOCKS).map(|entry| entry.hash())
        };
        let hashes: Vec<Hash> = from(head.hash()).chain(from(header.parent)).collect();
        Sides(hashes.into_iter().filter_map(|hash| Some((hash, self.shown(&hash, false)?))).collect())
    }

    fn moved_to_branch(&self, change: &HeadChange, live: bool, sides: &Sides) -> Vec<News> {
        let show = |block: &BlockRef| {
            let info = self.shown(&block.hash, false).or_else(|| sides.0.get(&block.hash).cloned())?;
            let canonical = change.joined.contains(block);
            Some(BlockInfo { canonical, ..info })
        };
        let joined: Vec<BlockInfo> =
            change.joined.iter().rev().take(MAX_REORG_BLOCKS).filter_map(show).collect();
        let missed: Vec<What> = match live {
            true => joined.iter().rev().flat_map(missed_events).collect(),
            false => Vec::new(),
        };
        let reorg = proto::Reorg {
            height: change.new.height().get(),
            depth: change.left.len() as u64,
            left: change.left.iter().take(MAX_REORG_BLOCKS).filter_map(show).collect(),
            joined,
            joined_count: change.joined.len() as u64,
            // Known when the pool has been settled.
            transactions_returned: 0,
        };
        let (before, after) = (change.old.state(), change.new.state());
        let all = after.producers().map(|(id, _)| *id);
        let standings = standings(before, after, all, change.new.height());
        [What::Reorg(reorg)].into_iter().chain(missed).chain(standings).map(event).collect()
    }

    /// A block of the tree whose parent is there too. One that became final or was pruned in this very turn may not be.
    fn shown(&self, hash: &Hash, with_bytes: bool) -> Option<BlockInfo> {
        let tree = &self.parts.tree;
        let entry = tree.get(hash)?;
        let header = entry.header()?;
        let parent = tree.get(&header.parent)?;
        let about = About {
            tx_count: u32::try_from(entry.tx_count()).unwrap_or(u32::MAX),
            size_bytes: entry.size_bytes(),
            canonical: tree.canonical(header.height).is_some_and(|canonical| canonical.hash() == *hash),
            finalized: false,
            parent_timestamp: parent.timestamp_ms(),
            missed: missed_slots(parent.schedule(), header.height, header.slot),
        };
        let info = self.parts.shown.block(hash, header, about);
        Some(BlockInfo { block: with_bytes.then(|| bytes_of(entry)), ..info })
    }

    /// Tells what a stored turn has to tell.
    pub(super) fn tell_news(&mut self, turn: &mut Turn) {
        if let Some(last) = turn.commit.finalized.last() {
            self.pending.finalized = Some(*last);
        }
        let mut news = std::mem::take(&mut turn.news);
        let mut reorgs = news.iter_mut().filter_map(|news| match news {
            News::Event(what) => match &mut **what {
                What::Reorg(reorg) => Some(reorg),
                _ => None,
            },
            News::Old { .. } => None,
        });
        if let Some(last) = reorgs.next_back() {
            last.transactions_returned = turn.returned;
        }
        for news in news {
            match news {
                News::Event(what) => {
                    self.tell_old();
                    self.parts.events.tell(*what);
                }
                News::Old { height, before, producers } => self.note_old(height, before, producers),
            }
        }
        if self.pending.old.is_none() {
            self.tell_final();
        }
    }

    fn note_old(&mut self, height: Height, before: State, producers: Vec<NodeId>) {
        let due_ms = self.parts.clock.monotonic_ms() + CAUGHT_UP_EVERY_MS;
        let old = self.pending.old.get_or_insert_with(|| Untold {
            from: height,
            to: height,
            before,
            producers: BTreeSet::new(),
            due_ms,
        });
        old.to = height;
        old.producers.extend(producers);
    }

    /// Tells of the old blocks if it is time.
    pub(super) fn tell_old_if_due(&mut self) {
        let now_ms = self.parts.clock.monotonic_ms();
        if self.pending.old.as_ref().is_some_and(|old| old.due_ms <= now_ms) {
            self.tell_old();
            self.tell_final();
        }
    }

    fn tell_old(&mut self) {
        let Some(Untold { from, to, before, producers, .. }) = self.pending.old.take() else { return };
        self.parts.events.tell(What::CaughtUp(proto::CaughtUpBlocks { from: from.get(), to: to.get() }));
        let after = self.parts.view.borrow().state.clone();
        for what in standings(&before, &after, producers, to) {
            self.parts.events.tell(what);
        }
    }

    fn tell_final(&mut self) {
        if let Some((height, hash)) = self.pending.finalized.take() {
            let finalized = proto::Finalized { height: height.get(), hash: hash.to_string() };
            self.parts.events.tell(What::Finalized(finalized));
        }
    }
}

fn event(what: What) -> News {
    News::Event(Box::new(what))
}

fn bytes_of(entry: &Entry) -> vision_wire::types::Block {
    vision_wire::types::Block {
        header: entry.header_bytes().to_vec().into(),
        signature: entry.signature().0.to_vec().into(),
        ..Default::default()
    }
}

fn missed_events(block: &BlockInfo) -> Vec<What> {
    let event = |missed: &proto::MissedSlot| {
        What::MissedSlot(proto::MissedSlotEvent {
            height: block.height,
            slot: missed.slot,
            node_id: missed.node_id.clone(),
            made_by: block.producer.clone(),
            made_in_slot: block.slot,
        })
    };
    block.missed.iter().map(event).collect()
}

/// Who of these was suspended or is active again in the later state.
fn standings(
    before: &State,
    after: &State,
    producers: impl IntoIterator<Item = NodeId>,
    height: Height,
) -> Vec<What> {
    let standing = |id: NodeId| {
        let change = StandingChange::between(before.producer(&id), after.producer(&id)?)?;
        let node_id = id.to_string();
        Some(match change {
            StandingChange::Suspended { missed, at } => What::Suspended(proto::Suspended {
                node_id,
                height: at.get(),
                missed: u32::try_from(missed).unwrap_or(u32::MAX),
            }),
            StandingChange::Returned { first_time } => {
                What::Returned(proto::Returned { node_id, height: height.get(), first_time })
            }
        })
    };
    producers.into_iter().filter_map(standing).collect()
}
