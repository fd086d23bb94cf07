//! What misbehaving nodes send, and what they do not.

mod answers;
mod blocks;
mod claims;
mod private;
mod transactions;

use std::sync::Arc;

use vision_authoring::Proposal;
use vision_primitives::{Block, Hash, Header, Height, SecretKey};

use super::{Node, address_of};
use crate::behaviour::{Behaviour, MAX_WITHHELD};
use crate::disk::SignerStore;
use crate::event::{Event, Step, What};
use crate::message::Message;
use crate::queue::SECOND_US;
use crate::shared::Shared;

impl Node {
    fn behaviour(&self, shared: &Shared) -> Option<Behaviour> {
        shared.behaviour(self.who.index)
    }

    /// A message as this node sends it; none if it does not.
    pub(crate) fn twisted(&self, to: Hash, message: Message, shared: &mut Shared) -> Option<Message> {
        let Some(behaviour) = self.behaviour(shared) else { return Some(message) };
        match (behaviour, message) {
            (Behaviour::LiesAboutHeight, Message::Status { times, tip }) => {
                let tip = self.too_high(tip, shared);
                Some(Message::Status { times, tip })
            }
            (Behaviour::LiesAboutWeight, Message::Status { times, tip }) => {
                let tip = self.too_heavy(tip, shared);
                Some(Message::Status { times, tip })
            }
            (Behaviour::Withholds, Message::Status { times, tip }) => {
                let tip = self.without_withheld(tip, shared);
                Some(Message::Status { times, tip })
            }
            (Behaviour::Withholds, Message::Block(block)) if block.header().producer == self.who.id => {
                self.withhold(block, shared);
                None
            }
            (Behaviour::Equivocates, Message::Block(block))
                if block.header().producer == self.who.id && half(&to, &block.header().parent) =>
            {
                None
            }
            (_, message) => Some(message),
        }
    }

    /// Keeps an own block back, until about the end of its window or long after.
    fn withhold(&self, block: Arc<Block>, shared: &mut Shared) {
        let evil = shared.evil(self.who.index);
        let known = evil.withheld.iter().any(|withheld| withheld.hash() == block.hash());
        if known || evil.withheld.len() >= MAX_WITHHELD {
            return;
        }
        evil.withheld.push_back(block);
        let long = shared.chance.per_mille(300);
        let most_us = if long { 60 * SECOND_US } else { 2 * SECOND_US };
        let in_us = shared.chance.between(100_000, most_us);
        self.plan(in_us, What::Release, shared);
    }

    /// Sends the block that was withheld longest: to some at once, to the others a little later.
    pub(crate) fn release(&self, shared: &mut Shared) {
        let Some(block) = shared.evil(self.who.index).withheld.pop_front() else { return };
        let parent = block.header().parent;
        let first: Vec<Hash> = self.peer_ids().into_iter().filter(|peer| half(peer, &parent)).collect();
        self.send_raw(&first, &Message::Block(block), shared);
    }

    /// A block of this node is about to be submitted: its twins go to some peers.
    pub(crate) fn proposes(&self, proposal: &Proposal, shared: &mut Shared) {
        if self.behaviour(shared) != Some(Behaviour::Equivocates) {
            return;
        }
        let Ok(header) = Header::from_bytes(&proposal.header) else { return };
        let peers: Vec<Hash> =
            self.peer_ids().into_iter().filter(|peer| half(peer, &proposal.parent)).collect();
        for twin in 0..shared.chance.between(1, 3) {
            let header = Header { timestamp_ms: header.timestamp_ms.plus_ms(1 + twin), ..header.clone() };
            let Some(block) = self.sealed(header, proposal.transactions.clone(), shared) else { return };
            let some: Vec<Hash> = match twin {
                0 => peers.clone(),
                _ => self.peer_ids().into_iter().filter(|_| shared.chance.per_mille(300)).collect(),
            };
            self.send_raw(&some, &Message::Block(Arc::new(block)), shared);
        }
    }

    /// Something that no honest node does, now and then.
    pub(crate) fn misbehave(&mut self, shared: &mut Shared) {
        let Some(behaviour) = self.behaviour(shared) else { return };
        match behaviour {
            Behaviour::Floods => {
                for _ in 0..20 {
                    let message = self.nonsense(shared);
                    self.send_raw(&self.peer_ids(), &message, shared);
                }
            }
            Behaviour::Replays => self.replay(shared),
            Behaviour::Backdates => self.backdate(shared),
            Behaviour::PrivateChain => self.grow_in_secret(shared),
            Behaviour::StallsAnswers => self.ask_for_nothing(shared),
            Behaviour::Amnesiac => self.forget(shared),
            Behaviour::FaultyBlocks => self.send_faulty(shared),
            Behaviour::Sybil => self.pester(shared),
            Behaviour::Conflicts => self.contradict(shared),
            Behaviour::Withholds
            | Behaviour::Equivocates
            | Behaviour::LiesAboutHeight
            | Behaviour::LiesAboutWeight => {}
        }
        let most_us = match behaviour {
            Behaviour::Backdates | Behaviour::PrivateChain => 3 * SECOND_US,
            Behaviour::FaultyBlocks | Behaviour::Conflicts => 20 * SECOND_US,
            _ => 60 * SECOND_US,
        };
        let in_us = shared.chance.between(SECOND_US, most_us);
        self.plan(in_us, What::Misbehave, shared);
    }

    fn replay(&self, shared: &mut Shared) {
        let old: Vec<_> = self.disk.chain.down().skip(5).take(20).cloned().collect();
        let older = shared.chance.below(1_000);
        let old = old.into_iter().chain(self.disk.chain.hash_at(Height(older)).and_then(|hash| {
            let query = vision_peering::Query::One(*hash);
            self.disk.chain.answer(&query).pop()
        }));
        for block in old.collect::<Vec<_>>() {
            self.send_raw(&self.peer_ids(), &Message::Block(block), shared);
        }
    }

    /// It crashes, and what it finds afterwards is an older copy of its signer's file, or none.
    fn forget(&self, shared: &mut Shared) {
        let evil = shared.evil(self.who.index);
        evil.old_signer = self.disk.signer.clone();
        let in_us = shared.chance.between(0, 20 * SECOND_US);
        let down_us = shared.chance.between(SECOND_US / 100, 5 * SECOND_US);
        shared.queue.after(in_us, Event::Fault(Step::Crash { node: self.who.index, down_us }));
    }

    /// What is different from an honest node when it starts.
    pub(crate) fn boots_badly(&mut self, shared: &mut Shared) {
        let me = self.who.index;
        match self.behaviour(shared) {
            Some(Behaviour::Amnesiac) => {
                let lost = shared.chance.per_mille(500);
                let old = std::mem::take(&mut shared.evil(me).old_signer);
                self.disk.signer = if lost { SignerStore::default() } else { old };
            }
            Some(Behaviour::Sybil) if !shared.runs_producer(me) => {
                let key =
                    SecretKey::from_seed(&vision_primitives::hash(&[&shared.chance.any().to_le_bytes()]).0);
                self.who.id = key.public_key().id();
                self.who.key = key;
                shared.ids[me] = self.who.id;
            }
            _ => {}
        }
    }

    /// Calls everybody, connected or not, spreads addresses where nobody is, and comes back as somebody else.
    fn pester(&mut self, shared: &mut Shared) {
        for node in 0..shared.scenario.nodes {
            if node != self.who.index && shared.chance.per_mille(200) {
                self.call(address_of(node), shared);
            }
        }
        let made_up =
            (0..64).map(|_| format!("10.200.{}.{}:7072", shared.chance.below(256), shared.chance.below(256)));
        let message = Message::Addresses(made_up.collect());
        self.send_raw(&self.peer_ids(), &message, shared);
        if shared.chance.per_mille(500) {
            let down_us = shared.chance.between(SECOND_US / 100, SECOND_US);
            shared.queue.after(0, Event::Fault(Step::Crash { node: self.who.index, down_us }));
        }
    }

    fn peer_ids(&self) -> Vec<Hash> {
        self.running.as_ref().map(|up| up.peers.links.keys().copied().collect()).unwrap_or_default()
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

/// Whether a peer is in one half of them; which half, another block decides.
fn half(peer: &Hash, by: &Hash) -> bool {
    (peer.0[0] ^ by.0[0]) % 2 == 1
}
