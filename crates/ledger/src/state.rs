//! The state after a block: all accounts, the whole producer registry, the total supply.

use std::fmt;

use vision_primitives::{Address, Genesis, Hash, NodeId, Pool};

use crate::account::{AccountLeaf, account_key};
use crate::proof::state_root_of;
use crate::tree::{Change, Tree};
use crate::{Account, AccountProof, Census, Changes, LedgerError, Producer, ProducerStatus};

/// An immutable state. Cloning it is O(1); states of neighbouring blocks share what did not change.
#[derive(Clone)]
pub struct State {
    accounts: Tree<AccountLeaf>,
    producers: Tree<Producer>,
    supply: u64,
    root: Hash,
    active: Pool,
    registered: Pool,
}

impl State {
    /// The state after block 0.
    ///
    /// # Errors
    /// [`LedgerError::Overflow`] when the balances do not fit into the range of an amount.
    pub fn genesis(genesis: &Genesis) -> Result<Self, LedgerError> {
        let supply = genesis.total_supply().ok_or(LedgerError::Overflow { what: "total supply" })?;
        let accounts = genesis.accounts.iter().map(|a| (a.address, Account { balance: a.balance, nonce: 0 }));
        let producers = genesis
            .producers
            .iter()
            .map(|p| (p.public_key.id(), Producer::of_genesis(p.public_key, p.payout)));
        Ok(Self::from_parts(accounts, producers, supply))
    }

    /// The state that consists of these accounts and producers, in any order.
    #[must_use]
    pub fn from_parts(
        accounts: impl IntoIterator<Item = (Address, Account)>,
        producers: impl IntoIterator<Item = (NodeId, Producer)>,
        supply: u64,
    ) -> Self {
        let accounts = Tree::new().updated(accounts.into_iter().map(account_change).collect());
        let producers = Tree::new().updated(producers.into_iter().map(|(id, p)| (id, Some(p))).collect());
        let nobody = Pool::new([]);
        Self::assemble(accounts, producers, supply, nobody.clone(), nobody, true)
    }

    fn assemble(
        accounts: Tree<AccountLeaf>,
        producers: Tree<Producer>,
        supply: u64,
        active: Pool,
        registered: Pool,
        membership_changed: bool,
    ) -> Self {
        let root = state_root_of(&accounts.root(), &producers.root(), supply);
        let pool = |wanted: fn(&Census) -> bool| Pool::new(producers.iter_where(wanted).map(|(id, _)| *id));
        let (active, registered) = if membership_changed {
            (pool(|census| census.active > 0), pool(|census| census.registered() > 0))
        } else {
            (active, registered)
        };
        Self { accounts, producers, supply, root, active, registered }
    }

    /// The state after changes that were recorded when a block was executed on this one.
    #[must_use]
    pub fn apply_changes(&self, changes: &Changes) -> Self {
        let accounts = changes.accounts.iter().copied().map(account_change).collect();
        self.with(accounts, &changes.producers, changes.supply)
    }

    /// The next state; `accounts` come with their keys already hashed.
    pub(crate) fn with(
        &self,
        accounts: Vec<Change<AccountLeaf>>,
        producers: &[(NodeId, Producer)],
        supply: u64,
    ) -> Self {
        // `None` stands for a producer that does not exist yet; a candidate is in neither pool, like it.
        let pools = |status: Option<ProducerStatus>| {
            (status == Some(ProducerStatus::Active), status.is_some_and(ProducerStatus::is_registered))
        };
        let membership_changed = producers
            .iter()
            .any(|(id, now)| pools(self.producer(id).map(|was| was.status)) != pools(Some(now.status)));
        let producers =
            self.producers.updated(producers.iter().map(|(id, p)| (*id, Some(p.clone()))).collect());
        let accounts = self.accounts.updated(accounts);
        let (active, registered) = (self.active.clone(), self.registered.clone());
        Self::assemble(accounts, producers, supply, active, registered, membership_changed)
    }

    /// The commitment to everything: what a header's `state_root` holds.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Sum of all balances.
    #[must_use]
    pub const fn supply(&self) -> u64 {
        self.supply
    }

    /// What an address holds; nothing if it was never named.
    #[must_use]
    pub fn account(&self, address: &Address) -> Account {
        self.account_at(&account_key(address))
    }

    pub(crate) fn account_at(&self, key: &Hash) -> Account {
        self.accounts.get(key).map_or_else(Account::default, |leaf| leaf.account)
    }

    /// A producer's record, also of one that has exited.
    #[must_use]
    pub fn producer(&self, id: &NodeId) -> Option<&Producer> {
        self.producers.get(id)
    }

    /// All producers, ids ascending.
    pub fn producers(&self) -> impl Iterator<Item = (&NodeId, &Producer)> {
        self.producers.iter()
    }

    /// All accounts, in no order that means anything.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &Account)> {
        self.accounts.iter().map(|(_, leaf)| (&leaf.address, &leaf.account))
    }

    /// How many producers there are of each kind.
    #[must_use]
    pub fn census(&self) -> Census {
        self.producers.summary()
    }

    pub(crate) const fn producer_tree(&self) -> &Tree<Producer> {
        &self.producers
    }

    /// The producers that own slots of the next block.
    #[must_use]
    pub const fn active(&self) -> &Pool {
        &self.active
    }

    /// The same with the suspended ones.
    #[must_use]
    pub const fn registered(&self) -> &Pool {
        &self.registered
    }

    /// Shows what an address holds, or that it holds nothing, to whoever knows the state root.
    #[must_use]
    pub fn prove_account(&self, address: &Address) -> AccountProof {
        let key = account_key(address);
        AccountProof {
            account: self.account_at(&key),
            path: self.accounts.prove(&key),
            producers_root: self.producers.root(),
            supply: self.supply,
        }
    }
}

impl PartialEq for State {
    /// Two states are the same when their roots are.
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for State {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("root", &self.root)
            .field("supply", &self.supply)
            .finish_non_exhaustive()
    }
}

fn account_change((address, account): (Address, Account)) -> Change<AccountLeaf> {
    account_change_at(account_key(&address), address, account)
}

/// An account that holds nothing has no leaf.
pub(crate) fn account_change_at(key: Hash, address: Address, account: Account) -> Change<AccountLeaf> {
    (key, (!account.is_empty()).then_some(AccountLeaf { address, account }))
}
