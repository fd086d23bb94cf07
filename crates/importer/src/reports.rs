//! What an insertion has to report to those who watch events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vision_block_tree::{BlockRef, HeadChange, Inserted};
use vision_ledger::{Changes, StandingChange, State, missed_slots};
use vision_primitives::{Block, Hash, Height, NodeId, TimestampMs};

use crate::batch::Draft;
use crate::events::{ChainEvent, MissedSlot, Reorg, ShownBlock, StandingEvent};
use crate::messages::{Origin, Output};
use crate::{Importer, Note, Observer};

/// A fetched block whose time stamp is no further back than this is reported like an announced one,
/// milliseconds: a node that missed a few blocks shows them, one that catches up with many does not.
const RECENT_MS: u64 = 10_000;
/// Fetched old blocks are reported together so often, milliseconds.
const CAUGHT_UP_EVERY_MS: u64 = 1_000;
/// Most blocks reported on each side of a reorganisation.
const MAX_REORG_BLOCKS: usize = 64;

/// Something to report once the turn is stored.
#[derive(Debug)]
pub(crate) enum Report {
    /// As it is.
    Event(ChainEvent),
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

/// Old blocks that have been stored and not reported.
struct Unreported {
    from: Height,
    to: Height,
    before: State,
    producers: BTreeSet<NodeId>,
    /// When they are due to be reported, by the monotonic clock.
    due_ms: u64,
}

/// Blocks as they were shown before an insertion.
#[derive(Default)]
pub(crate) struct Sides(BTreeMap<Hash, ShownBlock>);

/// What is yet to be reported.
#[derive(Default)]
pub(crate) struct Pending {
    old: Option<Unreported>,
    finalized: Option<BlockRef>,
}

impl Pending {
    /// When old blocks are due to be reported, by the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.old.as_ref().map(|old| old.due_ms)
    }
}

impl Importer {
    /// Whether a block is reported by itself.
    fn is_live(&self, block: &Block, origin: Origin) -> bool {
        let fetched = matches!(origin, Origin::Fetched(_));
        !fetched || self.now.wall.since_ms(block.header().timestamp_ms) <= RECENT_MS
    }

    /// What the insertion of a block has to report. Notes when the block came.
    pub(crate) fn reports(
        &self,
        (block, origin, came): (&Block, Origin, TimestampMs),
        changes: &Changes,
        (inserted, sides): (&Inserted, &Sides),
        observer: &mut impl Observer,
    ) -> Vec<Report> {
        let live = self.is_live(block, origin);
        let hash = block.hash();
        if live && inserted.stored {
            observer.note(Note::Arrived { block, at: came });
        }
        let Some(change) = &inserted.change.head else {
            let aside = (live && inserted.stored).then(|| self.shown(&hash)).flatten();
            return aside.map(|shown| Report::Event(ChainEvent::Block(shown))).into_iter().collect();
        };
        let extended = change.left.is_empty() && matches!(&change.joined[..], [one] if one.hash == hash);
        if !extended {
            return self.moved_to_branch(change, live, sides);
        }
        let (before, after) = (change.old.state(), change.new.state());
        let changed = changes.producers.iter().map(|(id, _)| *id);
        if !live {
            let height = change.new.height();
            return vec![Report::Old { height, before: before.clone(), producers: changed.collect() }];
        }
        let shown = self.shown(&hash);
        let missed: Vec<ChainEvent> = shown.iter().flat_map(missed_events).collect();
        let standings = standings(before, after, changed, change.new.height());
        shown.map(ChainEvent::Block).into_iter().chain(missed).chain(standings).map(Report::Event).collect()
    }

    /// Both sides of the move of the head that a block may bring about, before it is inserted: what it makes
    /// final or prunes is in the tree no more when the move is reported.
    pub(crate) fn sides(&self, block: &Block) -> Sides {
        let (tree, header) = (&self.tree, block.header());
        let head = tree.head();
        if header.parent == head.hash() || header.weight < head.weight() {
            return Sides::default();
        }
        let from = |hash: Hash| {
            let entries = std::iter::successors(tree.get(&hash), |entry| tree.get(&entry.parent()));
            entries.take(MAX_REORG_BLOCKS).map(|entry| entry.hash())
        };
        let hashes: Vec<Hash> = from(head.hash()).chain(from(header.parent)).collect();
        Sides(hashes.into_iter().filter_map(|hash| Some((hash, self.shown(&hash)?))).collect())
    }

    fn moved_to_branch(&self, change: &HeadChange, live: bool, sides: &Sides) -> Vec<Report> {
        let show = |block: &BlockRef| {
            let shown = self.shown(&block.hash).or_else(|| sides.0.get(&block.hash).cloned())?;
            Some(ShownBlock { canonical: change.joined.contains(block), ..shown })
        };
        let joined: Vec<ShownBlock> =
            change.joined.iter().rev().take(MAX_REORG_BLOCKS).filter_map(show).collect();
        let missed: Vec<ChainEvent> = match live {
            true => joined.iter().rev().flat_map(missed_events).collect(),
            false => Vec::new(),
        };
        let reorg = Reorg {
            height: change.new.height(),
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
        [ChainEvent::Reorg(reorg)].into_iter().chain(missed).chain(standings).map(Report::Event).collect()
    }

    /// A block of the tree whose parent is there too. One that became final or was pruned in this very turn
    /// may not be.
    fn shown(&self, hash: &Hash) -> Option<ShownBlock> {
        let entry = self.tree.get(hash)?;
        let header = entry.header()?;
        let parent = self.tree.get(&header.parent)?;
        let canonical = self.tree.canonical(header.height).is_some_and(|canonical| canonical.hash() == *hash);
        Some(ShownBlock {
            entry: Arc::clone(entry),
            canonical,
            parent_stamp: parent.timestamp_ms(),
            missed: missed_slots(parent.schedule(), header.height, header.slot),
        })
    }

    /// Reports what a stored turn has to report.
    pub(crate) fn report(&mut self, draft: &mut Draft) {
        if let Some((height, hash)) = draft.last_final {
            self.pending.finalized = Some(BlockRef { height, hash });
        }
        let mut reports = std::mem::take(&mut draft.reports);
        let last_reorg = reports.iter_mut().rev().find_map(|report| match report {
            Report::Event(ChainEvent::Reorg(reorg)) => Some(reorg),
            _ => None,
        });
        if let Some(last) = last_reorg {
            last.transactions_returned = draft.returned;
        }
        for report in reports {
            match report {
                Report::Event(event) => {
                    self.report_old();
                    self.out.push(Output::Event(event));
                }
                Report::Old { height, before, producers } => self.note_old(height, before, producers),
            }
        }
        if self.pending.old.is_none() {
            self.report_final();
        }
    }

    fn note_old(&mut self, height: Height, before: State, producers: Vec<NodeId>) {
        let due_ms = self.now.mono_ms + CAUGHT_UP_EVERY_MS;
        let old = self.pending.old.get_or_insert_with(|| Unreported {
            from: height,
            to: height,
            before,
            producers: BTreeSet::new(),
            due_ms,
        });
        old.to = height;
        old.producers.extend(producers);
    }

    /// Reports the old blocks if it is time.
    pub(crate) fn report_old_if_due(&mut self) {
        if self.pending.due_ms().is_some_and(|due_ms| due_ms <= self.now.mono_ms) {
            self.report_old();
            self.report_final();
        }
    }

    fn report_old(&mut self) {
        let Some(Unreported { from, to, before, producers, .. }) = self.pending.old.take() else { return };
        self.out.push(Output::Event(ChainEvent::CaughtUp { from, to }));
        let standings = standings(&before, self.published.state(), producers, to);
        self.out.extend(standings.into_iter().map(Output::Event));
    }

    fn report_final(&mut self) {
        self.out.extend(self.pending.finalized.take().map(ChainEvent::Finalized).map(Output::Event));
    }
}

fn missed_events(shown: &ShownBlock) -> Vec<ChainEvent> {
    // Block 0 follows nothing, and so nothing was missed before it.
    let Some(header) = shown.entry.header() else { return Vec::new() };
    let event = |(slot, owner): &(_, _)| {
        ChainEvent::Missed(MissedSlot {
            height: header.height,
            slot: *slot,
            owner: *owner,
            made_by: header.producer,
            made_in: header.slot,
        })
    };
    shown.missed.iter().map(event).collect()
}

/// Who of these was suspended or is active again in the later state.
fn standings(
    before: &State,
    after: &State,
    producers: impl IntoIterator<Item = NodeId>,
    height: Height,
) -> Vec<ChainEvent> {
    let standing = |id: NodeId| {
        let change = StandingChange::between(before.producer(&id), after.producer(&id)?)?;
        Some(ChainEvent::Standing(match change {
            StandingChange::Suspended { missed, at } => StandingEvent::Suspended { id, height: at, missed },
            StandingChange::Returned { first_time } => StandingEvent::Returned { id, height, first_time },
        }))
    };
    producers.into_iter().filter_map(standing).collect()
}
