//! What a move of the head makes of those that wait.

use vision_primitives::{Address, Hash};

use crate::pool::{Edit, Seen};
use crate::registry::check_registry;
use crate::{Context, DropReason, Dropped, Mempool};

impl Mempool {
    /// Drops what the head's state has made useless, after any move of the head. Looks up every waiting
    /// sender's account: after a move to a descendant, [`Mempool::head_extended`] does the same faster.
    pub fn head_moved(&mut self, context: &Context<'_>) -> Vec<Dropped> {
        let senders: Vec<Address> = self.senders.keys().copied().collect();
        self.look_at(context, &senders)
    }

    /// The same after the head moved to a descendant of the head that the pool last saw, whose state had
    /// the root `from`. `touched` are at least the accounts that a block since then has changed, in any
    /// order. Looks up only these, unless the pool last saw another head.
    pub fn head_extended<'a>(
        &mut self,
        context: &Context<'_>,
        from: &Hash,
        touched: impl IntoIterator<Item = &'a Address>,
    ) -> Vec<Dropped> {
        if self.seen.root != Some(*from) {
            return self.head_moved(context);
        }
        let touched = touched.into_iter().filter(|address| self.senders.contains_key(address));
        let senders: Vec<Address> = touched.copied().collect();
        self.look_at(context, &senders)
    }

    fn look_at(&mut self, context: &Context<'_>, senders: &[Address]) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for address in senders {
            let account = context.state.account(address);
            if self.senders.get(address).is_some_and(|sender| sender.account != account) {
                self.edit(address, Some(account), Edit::Nothing, &mut dropped);
            }
        }
        self.recheck_registry(context, &mut dropped);
        dropped.extend(self.proofs.head_moved(context));
        self.seen = Seen { root: Some(context.state.root()), mixed: false };
        dropped
    }

    /// Registrations and exits that no longer apply go at once: what waits behind them would never get out
    /// of the way.
    fn recheck_registry(&mut self, context: &Context<'_>, dropped: &mut Vec<Dropped>) {
        let mut faulty = Vec::new();
        for (id, place) in &self.index.registry {
            if let Err(fault) = check_registry(&self.entry(place).transaction, id, context) {
                faulty.push((*place, fault));
            }
        }
        for ((address, nonce), fault) in faulty {
            self.edit(&address, None, Edit::Remove(nonce, DropReason::Fault(fault)), dropped);
        }
    }
}
