//! Transactions that nobody can use, or not all of.

use vision_primitives::{Action, Hash, Height, SecretKey, SignedTransaction, SyncProof, Transaction};

use super::claims::random_hash;
use crate::message::Message;
use crate::node::Node;
use crate::shared::Shared;

impl Node {
    /// A header on no parent, or a transaction that cannot be paid or has a wrong signature.
    pub(super) fn nonsense(&self, shared: &mut Shared) -> Message {
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
        let mut bytes = self.signed(u64::from(number[2]), action, shared).bytes().to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= number[3] & 1;
        }
        let read = SignedTransaction::from_bytes(bytes, &shared.rules.genesis_hash);
        Message::Transactions(read.into_iter().collect())
    }

    pub(super) fn signed(&self, nonce: u64, action: Action, shared: &Shared) -> SignedTransaction {
        let transaction = Transaction { sender: self.who.key.public_key(), nonce, fee: 1, action };
        transaction.sign(&self.who.key, &shared.rules.genesis_hash)
    }

    /// Sends each peer something else: transfers of all it has, sync proofs on different blocks,
    /// registrations of keys that nobody runs, and now and then its own exit.
    pub(super) fn contradict(&mut self, shared: &mut Shared) {
        let me = self.who.id;
        let nonce = self.running().chain.importer.next_nonce(&me);
        let balance = self.running().chain.view.state().account(&me).balance;
        let height = self.running().chain.view.height();
        for peer in self.peer_ids() {
            let to = random_hash(shared);
            let transfer = self.signed(nonce, Action::Transfer { to, amount: balance / 2 + 1 }, shared);
            let mut list = vec![transfer, self.proof(height, shared)];
            if shared.chance.per_mille(100) {
                list.push(self.registration(nonce + 1, shared));
            }
            if shared.chance.per_mille(2) {
                list.push(self.signed(nonce, Action::ExitProducer, shared));
            }
            self.send_raw(&[peer], &Message::Transactions(list.into()), shared);
        }
    }

    fn proof(&self, head: Height, shared: &mut Shared) -> SignedTransaction {
        let height = Height((head.get() + 2).saturating_sub(shared.chance.below(6)));
        let hash = self.disk.chain.hash_at(height).copied();
        let hash = hash.filter(|_| shared.chance.per_mille(700)).unwrap_or_else(|| random_hash(shared));
        let action = Action::SyncProof(SyncProof { height, hash });
        let transaction = Transaction { sender: self.who.key.public_key(), nonce: 0, fee: 0, action };
        transaction.sign(&self.who.key, &shared.rules.genesis_hash)
    }

    fn registration(&self, nonce: u64, shared: &mut Shared) -> SignedTransaction {
        let seed: Hash = random_hash(shared);
        let key = SecretKey::from_seed(&seed.0);
        let action = Action::registration(&key, self.who.id, &shared.rules.genesis_hash);
        self.signed(nonce, action, shared)
    }
}
