//! Blocks that should not be: too early, on old parents, or with a fault.

use std::sync::Arc;

use vision_block_tree::Entry;
use vision_primitives::{
    Action, Block, Hash, Header, NodeId, Signature, SignedTransaction, Slot, Tag, TimestampMs, merkle_root,
};
use vision_schedule::{Schedule, SlotWindow};

use super::claims::random_hash;
use crate::message::Message;
use crate::node::Node;
use crate::shared::Shared;

/// Slots that are looked at for an own one.
const MAX_SLOTS: usize = 64;
/// Blocks below the head on which it builds.
const MAX_BACK: usize = 6;

/// The first slot that one of these owns, if its window is open.
pub(super) fn open_window(schedule: &Schedule, of: &[NodeId], now: TimestampMs) -> Option<SlotWindow> {
    let mut owners = schedule.owners(Slot(0)).take(MAX_SLOTS);
    let (slot, _) = owners.find(|(_, owner)| of.contains(owner))?;
    Some(schedule.window(slot)).filter(|window| window.opens_at <= now)
}

impl Node {
    pub(super) fn signature_of(&self, block: &Hash, shared: &Shared) -> Signature {
        self.who.key.sign(Tag::Block, &shared.rules.genesis_hash, block.as_bytes())
    }

    /// A block with this node's signature.
    pub(super) fn sealed(
        &self,
        header: Header,
        transactions: Vec<Vec<u8>>,
        shared: &Shared,
    ) -> Option<Block> {
        let genesis_hash = &shared.rules.genesis_hash;
        let bytes = header.to_bytes();
        let signature = self.signature_of(&Header::hash_bytes(genesis_hash, &bytes), shared);
        Block::from_parts(bytes, &signature.0, transactions, genesis_hash).ok()
    }

    fn wall(&self, shared: &Shared) -> TimestampMs {
        TimestampMs(self.wall_ms(shared.queue.now_us()))
    }

    /// The head and some blocks below it.
    fn latest(&self) -> Vec<Arc<Entry>> {
        let Some(running) = &self.running else { return Vec::new() };
        let tree = running.chain.importer.tree();
        let mut latest = vec![tree.head().clone()];
        while latest.len() < MAX_BACK
            && let Some(below) = latest.last().and_then(|entry| tree.get(&entry.parent()))
        {
            latest.push(below.clone());
        }
        latest
    }

    /// An empty block on a parent, stamped so long after its window opens.
    fn on(&self, parent: &Entry, window: &SlotWindow, after_ms: u64) -> Option<Header> {
        let stamp = window.opens_at.plus_ms(after_ms);
        let tree = self.running.as_ref()?.chain.importer.tree();
        let made = tree.prepare(&parent.hash(), window.slot, self.who.id, stamp, []);
        made.ok().map(|(header, _)| header)
    }

    /// Builds on the head and below it as early as the rules allow, and a millisecond before.
    pub(super) fn backdate(&self, shared: &mut Shared) {
        let now = self.wall(shared);
        for parent in self.latest() {
            let Some(window) = open_window(parent.schedule(), &[self.who.id], now) else { continue };
            let after_ms = if shared.chance.per_mille(500) { 0 } else { shared.chance.below(50) };
            let Some(mut header) = self.on(&parent, &window, after_ms) else { continue };
            if shared.chance.per_mille(20) {
                header.timestamp_ms = TimestampMs(window.opens_at.get() - 1);
            }
            let Some(block) = self.sealed(header, Vec::new(), shared) else { continue };
            let some: Vec<Hash> =
                self.peer_ids().into_iter().filter(|_| shared.chance.per_mille(600)).collect();
            self.send_raw(&some, &Message::Block(Arc::new(block)), shared);
        }
    }

    /// A block that breaks one rule, as a block or as a header.
    pub(super) fn send_faulty(&self, shared: &mut Shared) {
        let Some(parent) = self.latest().into_iter().next() else { return };
        let far = self.wall(shared).plus_ms(3_600_000);
        let Some(window) = open_window(parent.schedule(), &[self.who.id], far) else { return };
        let Some(header) = self.on(&parent, &window, 0) else { return };
        let Some(block) = self.faulty(header, shared) else { return };
        let message = match shared.chance.below(3) {
            0 => Message::Header {
                header: block.header_bytes().to_vec(),
                signature: block.signature().0.to_vec(),
            },
            1 => Message::Part { request_id: shared.chance.below(10), block: Arc::new(block) },
            _ => Message::Block(Arc::new(block)),
        };
        self.send_raw(&self.peer_ids(), &message, shared);
    }

    fn faulty(&self, mut header: Header, shared: &mut Shared) -> Option<Block> {
        let mut transactions: Vec<SignedTransaction> = Vec::new();
        match shared.chance.below(12) {
            0 => header.state_root = random_hash(shared),
            1 => header.tx_root = random_hash(shared),
            2 => header.pool_root = random_hash(shared),
            3 => header.weight += 1 + shared.chance.below(1_000),
            4 => header.slot = Slot(header.slot.get() + 1),
            5 => header.timestamp_ms = header.timestamp_ms.plus_ms(11_000),
            6 => header.timestamp_ms = header.timestamp_ms.plus_ms(24 * 3_600_000),
            7 => header.height = header.height.next(),
            8 => header.mix = random_hash(shared),
            9 => transactions = self.many(0, 501, 8, shared),
            10 => transactions = self.many(0, 17, 65_536, shared),
            _ => {
                let bytes = header.to_bytes();
                let bad = Signature([7; 64]);
                return Block::from_parts(bytes, &bad.0, Vec::new(), &shared.rules.genesis_hash).ok();
            }
        }
        if !transactions.is_empty() {
            let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
            header.tx_root = merkle_root(&hashes);
        }
        let transactions = transactions.iter().map(|one| one.bytes().to_vec()).collect();
        self.sealed(header, transactions, shared)
    }

    /// So many transactions with so many bytes each.
    pub(super) fn many(
        &self,
        first: u64,
        count: u64,
        bytes: usize,
        shared: &Shared,
    ) -> Vec<SignedTransaction> {
        let one = |nonce| self.signed(nonce, Action::Data { bytes: vec![1; bytes] }, shared);
        (first..first + count).map(one).collect()
    }
}
