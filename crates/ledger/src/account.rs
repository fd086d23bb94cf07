//! Accounts and the leaves they make in the state tree.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Address, Hash, hash};

use crate::tree::Value;

/// What an address owns and how many transactions it has sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// Amount in the smallest unit.
    pub balance: u64,
    /// Nonce that its next transaction must bear.
    pub nonce: u64,
}

impl Account {
    /// Whether the account is as if it had never been named: such a one has no leaf.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.balance == 0 && self.nonce == 0
    }

    /// Hash of the canonical bytes: what the leaf commits to.
    #[must_use]
    pub fn value_hash(&self) -> Hash {
        hash(&[&self.balance.to_le_bytes(), &self.nonce.to_le_bytes()])
    }
}

/// Where an address stands in the tree of accounts. Hashed, so that nobody chooses the tree's shape
/// by choosing addresses.
pub(crate) fn account_key(address: &Address) -> Hash {
    hash(&[b"vision/account/v1", address.as_bytes()])
}

/// A leaf remembers the address that its key hides.
#[derive(Clone, Copy)]
pub(crate) struct AccountLeaf {
    pub(crate) address: Address,
    pub(crate) account: Account,
}

impl Value for AccountLeaf {
    type Summary = ();

    fn value_hash(&self) -> Hash {
        self.account.value_hash()
    }

    fn summary(&self) {}
}
