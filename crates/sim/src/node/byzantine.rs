//! What misbehaving nodes send, and what they do not.

use std::sync::Arc;

use vision_authoring::Proposal;
use vision_importer::TipClaim;
use vision_primitives::{Action, Block, Hash, Header, Tag, Transaction};

use super::Node;
use crate::behaviour::{Behaviour, MAX_WITHHELD};
use crate::event::What;
use crate::message::Message;
use crate::shared::Shared;

impl Node {
    fn behaviour(&self, shared: &Shared) -> Option<Behaviour> {
        shared.behaviour(self.who.index)
    }

    /// A message as this node sends it; none if it does not.
    pub(crate) fn twisted(&self, to: Hash, message: Message, shared: &mut Shared) -> Option<Message> {
        match (self.behaviour(shared), message) {
            (Some(Behaviour::LiesAboutHeight), Message::Status { times, tip }) => {
                let height = tip.height + 1 + shared.chance.below(50);
                let hash = vision_primitives::hash(&[&shared.chance.any().to_le_bytes()]);
                Some(Message::Status { times, tip: TipClaim { height, hash, ..tip } })
            }
            (Some(Behaviour::Withholds), Message::Block(block)) if block.header().producer == self.who.id => {
                let evil = shared.evil(self.who.index);
                if evil.withheld.iter().all(|withheld| withheld.hash() != block.hash()) {
                    evil.withheld.push_back(block);
                }
                evil.withheld.truncate(MAX_WITHHELD);
                None
            }
            (Some(Behaviour::Equivocates), Message::Block(block))
                if block.header().producer == self.who.id && to.0[0] % 2 == 1 =>
            {
                None
            }
            (_, message) => Some(message),
        }
    }

    /// A block of this node is about to be submitted.
    pub(crate) fn proposes(&mut self, proposal: &Proposal, signature: &[u8], shared: &mut Shared) {
        if self.behaviour(shared) != Some(Behaviour::Equivocates) || signature.is_empty() {
            return;
        }
        let Ok(mut header) = Header::from_bytes(&proposal.header) else { return };
        header.timestamp_ms = header.timestamp_ms.plus_ms(1);
        let genesis_hash = shared.rules.genesis_hash;
        let bytes = header.to_bytes();
        let hash = Header::hash_bytes(&genesis_hash, &bytes);
        let signature = self.who.key.sign(Tag::Block, &genesis_hash, hash.as_bytes());
        let transactions = proposal.transactions.clone();
        let Ok(twin) = Block::from_parts(bytes, &signature.0, transactions, &genesis_hash) else { return };
        shared.counts.equivocations += 1;
        let half: Vec<Hash> =
            self.running().peers.links.keys().copied().filter(|peer| peer.0[0] % 2 == 1).collect();
        self.send_raw(&half, &Message::Block(Arc::new(twin)), shared);
    }

    /// Something that no honest node does, now and then.
    pub(crate) fn misbehave(&mut self, shared: &mut Shared) {
        let peers: Vec<Hash> = self.running().peers.links.keys().copied().collect();
        match self.behaviour(shared) {
            Some(Behaviour::Withholds) => {
                while let Some(block) = shared.evil(self.who.index).withheld.pop_front() {
                    self.send_raw(&peers, &Message::Block(block), shared);
                }
            }
            Some(Behaviour::Floods) => {
                for _ in 0..20 {
                    let message = self.nonsense(shared);
                    self.send_raw(&peers, &message, shared);
                }
            }
            Some(Behaviour::Replays) => {
                let old: Vec<_> = self.disk.chain.down().skip(5).take(20).cloned().collect();
                for block in old {
                    self.send_raw(&peers, &Message::Block(block), shared);
                }
            }
            Some(Behaviour::Equivocates | Behaviour::LiesAboutHeight) | None => {}
        }
        let in_us = shared.chance.between(1_000_000, 60_000_000);
        self.plan(in_us, What::Misbehave, shared);
    }

    fn nonsense(&self, shared: &mut Shared) -> Message {
        let number = shared.chance.any().to_le_bytes();
        let hash = vision_primitives::hash(&[&number]);
        if number[0].is_multiple_of(2) {
            let mut header = self.disk.chain.down().next().map(|block| block.header().clone());
            if let Some(header) = &mut header {
                header.parent = hash;
                header.height = header.height.next();
            }
            let header = header.map(|header| header.to_bytes()).unwrap_or_default();
            return Message::Header { header, signature: vec![number[1]; 64] };
        }
        let action = Action::Transfer { to: hash, amount: u64::MAX };
        let nonce = u64::from(number[2]);
        let transaction = Transaction { sender: self.who.key.public_key(), nonce, fee: 1, action };
        let mut bytes = transaction.sign(&self.who.key, &shared.rules.genesis_hash).bytes().to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= number[3] & 1;
        }
        let read = vision_primitives::SignedTransaction::from_bytes(bytes, &shared.rules.genesis_hash);
        Message::Transactions(read.into_iter().collect())
    }

    fn send_raw(&self, to: &[Hash], message: &Message, shared: &mut Shared) {
        let Some(running) = &self.running else { return };
        for link in to.iter().filter_map(|peer| running.peers.links.get(peer)) {
            let end = shared.net.wire(link.connection).map(|wire| wire.end_of(self.who.index));
            if let Some(end) = end {
                shared.send(link.connection, end, message.clone());
            }
        }
    }
}
