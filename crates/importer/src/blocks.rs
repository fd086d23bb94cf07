//! A block is checked, entered into the tree, and then whatever waited for it.

use std::sync::Arc;

use vision_block_tree::Refusal;
use vision_primitives::{Block, Hash, TimestampMs};

use crate::answers::NotStored;
use crate::batch::{Accepted, Draft};
use crate::held::Waiting;
use crate::messages::{Origin, Output, PeerClock, RequestId};
use crate::{Blame, Importer, Note, Observer, Outside, Step};

/// Charged to the peer a faulty block came from.
const FAULTY_BLOCK_POINTS: u32 = 50;

/// Why a block is not taken.
#[derive(Debug)]
pub(crate) enum Declined {
    /// By a rule.
    Refused(Refusal),
    /// The tree has no room for it.
    NoRoom,
}

impl Importer {
    /// Takes blocks whose time has come.
    pub(crate) fn release_early(&mut self, draft: &mut Draft, outside: &mut impl Outside) {
        while let Some(Waiting { peer, clock, block, .. }) = self.early.pop_due(self.now.wall) {
            self.announced(peer, clock, block, draft, outside);
        }
    }

    /// Checks a block of this node's producer or one fetched, enters it into the tree and then whatever
    /// waited for it.
    pub(crate) fn take(
        &mut self,
        block: Arc<Block>,
        origin: Origin,
        reply: Option<RequestId>,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) -> Result<(), Declined> {
        let coming = Coming { block, origin, clock: PeerClock::default(), arrived: self.now.wall, reply };
        self.take_all(coming, draft, outside)
    }

    pub(crate) fn take_all(
        &mut self,
        first: Coming,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) -> Result<(), Declined> {
        let mut parents = vec![self.take_one(first, draft, outside)?];
        while let Some(parent) = parents.pop() {
            for Waiting { peer, clock, block, arrived } in self.orphans.take_children(&parent) {
                let coming = Coming { block, origin: Origin::Announced(peer), clock, arrived, reply: None };
                if let Ok(hash) = self.take_one(coming, draft, outside) {
                    parents.push(hash);
                }
            }
        }
        Ok(())
    }

    fn take_one(
        &mut self,
        coming: Coming,
        draft: &mut Draft,
        outside: &mut impl Outside,
    ) -> Result<Hash, Declined> {
        draft.began_ms.get_or_insert(self.now.mono_ms);
        let (block, origin, arrived) = (coming.block.clone(), coming.origin, coming.arrived);
        let is_fetched = matches!(origin, Origin::Fetched(_));
        let head = self.tree.head().height();
        outside.begin(Step::Check(&block), head, self.now);
        let (tree, verified) = (&self.tree, &self.verified);
        let known = |hash: &Hash| verified.contains(hash);
        let checked = match is_fetched {
            true => tree.check_with(&block, &known),
            false => tree.check_announced(&block, &known),
        };
        let checked = match checked {
            Ok(checked) => checked,
            Err(refusal) => {
                self.refuse(coming.reply, NotStored::Refused(refusal.clone()));
                self.refused(coming, &refusal, outside);
                outside.end(refusal.is_fault().then(|| refusal.reason()));
                return Err(Declined::Refused(refusal));
            }
        };
        outside.end(None);
        let announced = matches!(origin, Origin::Announced(_));
        let late = announced && checked.closes_at() <= arrived && self.in_sync();
        let (hash, changes) = (block.hash(), checked.changes().clone());
        if announced {
            outside.note(Note::Propagated { delay_ms: arrived.since_ms(block.header().timestamp_ms) });
        }
        let sides = self.sides(&block);
        outside.begin(Step::Insert(&block), head, self.now);
        let inserted = match is_fetched {
            true => self.tree.insert_fetched(checked),
            false => self.tree.insert(checked, late),
        };
        outside.end(None);
        outside.note(Note::Inserted(&block));
        let reports = self.reports((&block, origin, arrived), &changes, (&inserted, &sides), outside);
        draft.reports.extend(reports);
        self.replaced.note(&inserted.change, self.now.wall);
        if inserted.stored {
            for transaction in block.transactions() {
                self.verified.insert(transaction.hash());
            }
            let became_head = inserted.change.head.as_ref().is_some_and(|change| change.new.hash() == hash);
            draft.accept(Accepted { block, origin, became_head, reply: coming.reply }, changes);
        }
        // Something may follow from a block that has not stayed: it was the worst tip of a full tree, or what
        // it made final conflicts with it.
        let finalized = self.tree.final_entry().height();
        draft.follow(hash, &inserted.change, self.tree.head(), finalized);
        if !inserted.stored {
            outside.note(Note::NoRoom);
            self.refuse(coming.reply, NotStored::NoRoom);
            return Err(Declined::NoRoom);
        }
        Ok(hash)
    }

    fn refused(&mut self, coming: Coming, refusal: &Refusal, observer: &mut impl Observer) {
        let Coming { block, origin, clock, arrived, .. } = coming;
        let (hash, height) = (block.hash(), block.header().height);
        let blame = match (refusal, origin) {
            (Refusal::UnknownParent(_), Origin::Announced(peer)) => {
                let weight = self.possible_weight(block.header());
                let Some(verified) = self.vouched(&peer, clock, &block) else { return };
                if self.orphans.hold(Waiting { peer, clock, block, arrived }) {
                    self.out.push(Output::TipClaimed { peer, height, hash, weight, verified });
                }
                return;
            }
            // Nodes that were cut off announce what they built meanwhile: wrong, but in good faith.
            (Refusal::ConflictsWithFinal(_), Origin::Announced(_)) => Blame::Nobody,
            _ if !refusal.is_fault() => Blame::Nobody,
            (_, Origin::Announced(peer) | Origin::Fetched(peer)) => Blame::Peer(peer),
            (_, Origin::Own) => Blame::Own,
        };
        observer.note(Note::BlockRefused { block: &block, origin, refusal, blame });
        if let Blame::Peer(peer) = blame {
            if refusal.is_header_fault() {
                self.faulty.insert(hash);
            }
            self.out.push(Output::Charge { peer, points: FAULTY_BLOCK_POINTS, why: refusal.reason() });
        }
    }
}

/// A block about to be checked.
pub(crate) struct Coming {
    pub(crate) block: Arc<Block>,
    pub(crate) origin: Origin,
    pub(crate) clock: PeerClock,
    /// When it came, by this node's clock: what the LATE rule asks for.
    pub(crate) arrived: TimestampMs,
    /// Who waits to hear that it is stored.
    pub(crate) reply: Option<RequestId>,
}
