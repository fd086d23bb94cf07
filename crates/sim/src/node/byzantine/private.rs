//! A chain that grows in secret and is released at once.

use std::sync::Arc;

use vision_importer as importer;
use vision_primitives::{Block, Hash, Header, NodeId, SecretKey, Slot, Tag, TimestampMs};

use super::blocks::open_window;
use crate::behaviour::{Behaviour, Private};
use crate::message::Message;
use crate::node::Node;
use crate::queue::SECOND_US;
use crate::scenario::node_key;
use crate::shared::Shared;

/// Blocks that are tried for one height, until the next one is an own one too.
const TRIES: u64 = 16;
/// A secret chain grows for so long, microseconds: less than it takes others to make their blocks final.
const MIN_SECRET_US: u64 = 10 * SECOND_US;
const MAX_SECRET_US: u64 = 110 * SECOND_US;

impl Node {
    /// Adds what can be added to the secret chain, begins one, or releases it.
    pub(super) fn grow_in_secret(&mut self, shared: &mut Shared) {
        let (now_us, me) = (shared.queue.now_us(), self.who.index);
        let mut private = match shared.evil(me).private.take() {
            Some(private) => private,
            None => {
                let tree = self.running().chain.importer.tree().clone();
                let tip = tree.head().hash();
                let release_at_us = now_us + shared.chance.between(MIN_SECRET_US, MAX_SECRET_US);
                Box::new(Private { tree, tip, blocks: Vec::new(), release_at_us })
            }
        };
        let keys: Vec<SecretKey> = (0..shared.scenario.nodes)
            .filter(|node| shared.behaviour(*node) == Some(Behaviour::PrivateChain))
            .map(node_key)
            .collect();
        let now = TimestampMs(self.wall_ms(now_us));
        while let Some(block) = private.next(&keys, now, &shared.rules.genesis_hash) {
            private.blocks.push(Arc::new(block));
        }
        if now_us < private.release_at_us {
            shared.evil(me).private = Some(private);
            return;
        }
        for block in private.blocks {
            self.send_raw(&self.peer_ids(), &Message::Block(block.clone()), shared);
            // Its own chain service gets it too, so that it answers those who ask for it.
            let peer = self.who.id;
            let clock = self.peer_clock(&peer, shared);
            self.enqueue(importer::Input::Announced { peer, clock, block }, None, shared);
        }
    }
}

impl Private {
    /// The next block, if one of the keys may make it by now.
    fn next(&mut self, keys: &[SecretKey], now: TimestampMs, genesis_hash: &Hash) -> Option<Block> {
        let ids: Vec<NodeId> = keys.iter().map(|key| key.public_key().id()).collect();
        let parent = self.tree.get(&self.tip)?.clone();
        let window = open_window(parent.schedule(), &ids, now)?;
        let key = keys.iter().find(|key| key.public_key().id() == window.owner)?;
        let mut best = None;
        for after_ms in 0..TRIES {
            let stamp = window.opens_at.plus_ms(after_ms);
            let Ok((header, _)) = self.tree.prepare(&self.tip, window.slot, window.owner, stamp, []) else {
                break;
            };
            let hash = Header::hash_bytes(genesis_hash, &header.to_bytes());
            let signature = key.sign(Tag::Block, genesis_hash, hash.as_bytes());
            let block = Block::assemble(header, signature, Vec::new(), genesis_hash);
            let Ok(checked) = self.tree.check(&block) else { break };
            let goes_on = ids.contains(&checked.entry().schedule().owner(Slot(0)));
            if goes_on || best.is_none() {
                best = Some((block, checked));
            }
            if goes_on {
                break;
            }
        }
        let (block, checked) = best?;
        if !self.tree.insert(checked, false).stored {
            return None;
        }
        self.tip = block.hash();
        Some(block)
    }
}
