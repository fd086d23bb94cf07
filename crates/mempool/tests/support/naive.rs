//! A pool that knows nothing but a list, and works everything out anew.

use super::*;
use vision_mempool::{DropReason, RETAINED_WINDOW};

#[derive(Clone)]
pub struct Item {
    pub transaction: SignedTransaction,
    pub arrived: Moment,
}

impl Item {
    pub fn sender(&self) -> Address {
        self.transaction.sender_address()
    }

    pub fn nonce(&self) -> u64 {
        self.transaction.transaction().nonce
    }

    pub fn is_proof(&self) -> bool {
        matches!(self.transaction.transaction().action, Action::SyncProof(_))
    }

    pub fn size(&self) -> usize {
        self.transaction.bytes().len()
    }
}

/// `a`'s fee per byte less than `b`'s, or equal, as fractions.
pub fn compare_price(a: &SignedTransaction, b: &SignedTransaction) -> std::cmp::Ordering {
    let times = |a: &SignedTransaction, b: &SignedTransaction| {
        u128::from(a.transaction().fee) * b.bytes().len() as u128
    };
    times(a, b).cmp(&times(b, a))
}

/// In order of arrival.
#[derive(Clone, Default)]
pub struct Naive(pub Vec<Item>);

/// Whether its nonce follows without a gap, and the cheapest per byte up to it.
pub type Worth<'a> = (bool, &'a SignedTransaction);

pub fn compare_worth(a: &Worth<'_>, b: &Worth<'_>) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then_with(|| compare_price(a.1, b.1))
}

impl Naive {
    pub fn find(&self, hash: &Hash) -> Option<&Item> {
        self.0.iter().find(|item| item.transaction.hash() == *hash)
    }

    pub fn insert(&mut self, transaction: SignedTransaction, arrived: Moment) {
        self.0.push(Item { transaction, arrived });
    }

    /// Takes out what was dropped, all of which must have been there.
    pub fn drop(&mut self, dropped: &[Dropped]) {
        for one in dropped {
            let at = self.0.iter().position(|item| item.transaction.hash() == one.hash());
            self.0.remove(at.unwrap_or_else(|| panic!("{one:?} did not wait")));
        }
    }

    /// A sender's, nonces ascending.
    pub fn of(&self, sender: &Address) -> Vec<&Item> {
        let mut own: Vec<_> = self.0.iter().filter(|i| !i.is_proof() && i.sender() == *sender).collect();
        own.sort_by_key(|item| item.nonce());
        own
    }

    pub fn senders(&self) -> Vec<Address> {
        let mut senders: Vec<_> = self.0.iter().filter(|i| !i.is_proof()).map(Item::sender).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    /// Count and bytes of the accounts' transactions.
    pub fn size(&self) -> (usize, usize) {
        let own = || self.0.iter().filter(|item| !item.is_proof());
        (own().count(), own().map(Item::size).sum())
    }

    pub fn worth(&self, item: &Item, next: u64) -> Worth<'_> {
        let up_to: Vec<_> =
            self.of(&item.sender()).into_iter().filter(|i| i.nonce() <= item.nonce()).collect();
        let ready = up_to.iter().zip(next..).all(|(item, nonce)| item.nonce() == nonce);
        let cheapest = up_to.into_iter().map(|i| &i.transaction).min_by(|a, b| compare_price(a, b));
        (ready, cheapest.expect("the item itself"))
    }

    /// What a sender can send and pay, found by executing it. The registry has no say in it: on a state other
    /// than the head's it may refuse what it allows there.
    pub fn executable(&self, sender: &Address, state: &State, params: &ConsensusParams) -> Vec<&Item> {
        let nonce = state.account(sender).nonce;
        let own: Vec<_> = self.of(sender).into_iter().filter(|i| i.nonce() >= nonce).collect();
        let transactions: Vec<_> = own.iter().map(|item| for_accounts(&item.transaction)).collect();
        let (results, ..) = run(state, 10, params, &transactions);
        let stops = |fault: &TransactionFault| {
            matches!(
                fault,
                TransactionFault::NonceTooHigh { .. } | TransactionFault::InsufficientBalance { .. }
            )
        };
        let runs = results.iter().take_while(|result| !result.as_ref().is_err_and(stops)).count();
        own.into_iter().take(runs).collect()
    }

    /// The best next one again and again, by going through all.
    pub fn select(
        &self,
        state: &State,
        params: &ConsensusParams,
        mut txs: usize,
        mut bytes: usize,
    ) -> Vec<Hash> {
        let mut proofs: Vec<_> = self.0.iter().filter(|item| item.is_proof()).collect();
        proofs.sort_by_key(|item| item.sender());
        let mut chosen: Vec<Hash> = proofs.iter().map(|item| item.transaction.hash()).collect();
        let senders = self.senders();
        let mut runs: Vec<Vec<&Item>> =
            senders.iter().map(|sender| self.executable(sender, state, params)).collect();
        let age = |item: &Item| self.0.iter().position(|i| i.transaction.hash() == item.transaction.hash());
        while txs > 0 {
            let best = runs.iter_mut().filter(|run| !run.is_empty()).max_by(|a, b| {
                compare_price(&a[0].transaction, &b[0].transaction).then(age(b[0]).cmp(&age(a[0])))
            });
            let Some(best) = best else { break };
            if best[0].size() > bytes {
                best.clear();
                continue;
            }
            let item = best.remove(0);
            (txs, bytes) = (txs - 1, bytes - item.size());
            chosen.push(item.transaction.hash());
        }
        chosen
    }

    /// What always holds after the pool was given the head with this state.
    pub fn check_state(&self, state: &State) {
        for sender in self.senders() {
            let (own, account) = (self.of(&sender), state.account(&sender));
            assert!(own.windows(2).all(|pair| pair[0].nonce() < pair[1].nonce()), "one per nonce");
            for item in &own {
                let above = item.nonce().checked_sub(account.nonce).expect("no nonce was used");
                assert!(above < RETAINED_WINDOW, "in the window");
            }
            let mut rest = u128::from(account.balance);
            for item in own {
                let transaction = item.transaction.transaction();
                let fee = u128::from(transaction.fee);
                let (amount, own) = match transaction.action {
                    Action::Transfer { to, amount } => (u128::from(amount), to == sender),
                    _ => (0, false),
                };
                assert!(fee + amount <= rest, "the balance covers all that wait");
                rest -= if own { fee } else { fee + amount };
            }
        }
    }

    /// What must be true of an admission: `before` without `dropped`, and with the newcomer, is `self`.
    pub fn check_admitted(
        &self,
        before: &Self,
        dropped: &[Dropped],
        newcomer: &Item,
        state: &State,
        limits: &Limits,
    ) {
        let next = |item: &Item| state.account(&item.sender()).nonce;
        let worth = self.worth(newcomer, next(newcomer));
        let evicted: Vec<_> = dropped.iter().filter(|d| d.why == DropReason::Evicted).collect();
        let mut least_room = limits.bytes;
        for one in &evicted {
            let victim = before.find(&one.hash()).expect("it waited");
            let its = before.worth(victim, next(victim));
            assert!(compare_worth(&its, &worth).is_lt(), "what leaves is worth less");
            assert!(
                victim.sender() != newcomer.sender() || victim.nonce() > newcomer.nonce(),
                "no predecessor"
            );
            // Whoever stays is not worth less than who leaves.
            for item in self.0.iter().filter(|item| !item.is_proof() && item.sender() != newcomer.sender()) {
                if before.find(&item.transaction.hash()).is_some() && dropped.len() == evicted.len() {
                    let stays = before.worth(item, next(item));
                    assert!(compare_worth(&stays, &its).is_ge(), "the least worthy leave");
                }
            }
            least_room = least_room.min(victim.size());
        }
        if !evicted.is_empty() {
            let (count, bytes) = self.size();
            assert!(
                count == limits.transactions || bytes + least_longest(before, &evicted) > limits.bytes,
                "no more leave than must"
            );
        }
        for one in dropped {
            if let DropReason::Replaced { by } = one.why {
                let old = before.find(&one.hash()).expect("it waited");
                assert_eq!(by, newcomer.transaction.hash());
                if !old.is_proof() {
                    let (old_fee, fee) =
                        (old.transaction.transaction().fee, newcomer.transaction.transaction().fee);
                    assert!(
                        u128::from(fee) * 10 >= u128::from(old_fee) * 11 && fee > old_fee,
                        "a tenth more"
                    );
                }
            }
        }
    }

    /// Whether all that is worth less than a newcomer, its own predecessors aside, would make room for it.
    pub fn could_hold(&self, newcomer: &Item, state: &State, limits: &Limits) -> bool {
        let next = |item: &Item| state.account(&item.sender()).nonce;
        let mut with = self.clone();
        with.0.retain(|item| {
            item.is_proof() || (item.sender(), item.nonce()) != (newcomer.sender(), newcomer.nonce())
        });
        with.0.push(newcomer.clone());
        let worth = with.worth(newcomer, next(newcomer));
        let (mut count, mut bytes) = (1, newcomer.size());
        for item in self.0.iter().filter(|item| !item.is_proof()) {
            let in_its_place = (item.sender(), item.nonce()) == (newcomer.sender(), newcomer.nonce());
            if !in_its_place && compare_worth(&self.worth(item, next(item)), &worth).is_ge() {
                (count, bytes) = (count + 1, bytes + item.size());
            }
        }
        count <= limits.transactions && bytes <= limits.bytes
    }
}

/// The longest of what left: had it stayed, there would have been no room.
fn least_longest(before: &Naive, evicted: &[&Dropped]) -> usize {
    evicted.iter().filter_map(|one| before.find(&one.hash())).map(Item::size).max().unwrap_or(0)
}
