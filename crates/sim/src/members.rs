//! Producers that come and go: standby nodes register through real transactions, and leave again.

use vision_ledger::ProducerStatus;
use vision_primitives::{Action, SecretKey, Transaction};

use crate::event::Event;
use crate::scenario::{CLIENTS, client_key};
use crate::world::World;

/// A registered standby node leaves in so many of 1,000 cases in which it is its turn.
const LEAVES_PER_MILLE: u64 = 300;
/// What such a transaction pays: more than any transfer.
const FEE: u64 = 100;

impl World {
    /// A standby node registers if it has not, or perhaps leaves if it has.
    pub(crate) fn members(&mut self) {
        let in_us = self.shared.chance.around(self.shared.scenario.members_every_s * 1_000_000);
        self.shared.queue.after(in_us, Event::Members);
        let standby = self.shared.scenario.standby();
        let member = standby.start + self.shared.chance.index(standby.len());
        let (at, client) = (self.shared.chance.index(self.nodes.len()), self.shared.chance.index(CLIENTS));
        let now_us = self.shared.queue.now_us();
        let Some(running) =
            self.nodes[at].running.as_ref().filter(|_| self.nodes[at].frozen_until_us <= now_us)
        else {
            return;
        };
        let key = self.nodes[member].who.key.clone();
        let status = running.chain.view.state().producer(&self.nodes[member].who.id).map(|of| of.status);
        match status {
            None => {
                let payout = key.public_key().id();
                let action = Action::registration(&key, payout, &self.shared.rules.genesis_hash);
                *self.shared.counts.members.entry("register").or_default() += 1;
                self.pay_for(at, &client_key(client), action);
            }
            Some(ProducerStatus::Exited) => {}
            Some(_) if self.shared.chance.per_mille(LEAVES_PER_MILLE) => {
                *self.shared.counts.members.entry("exit").or_default() += 1;
                self.pay_for(at, &key, Action::ExitProducer);
            }
            Some(_) => {}
        }
    }

    fn pay_for(&mut self, at: usize, key: &SecretKey, action: Action) {
        let node = &mut self.nodes[at];
        let nonce = node.running().chain.importer.next_nonce(&key.public_key().id());
        self.shared.counts.submitted += 1;
        let transaction = Transaction { sender: key.public_key(), nonce, fee: FEE, action };
        node.screen(vec![transaction.sign(key, &self.shared.rules.genesis_hash)], None, &mut self.shared);
    }
}
