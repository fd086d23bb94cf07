//! Proofs that an account or a producer is, or is not, in a state.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Address, Hash, hash};

use crate::Account;
use crate::account::account_key;
use crate::tree::{bit, fork_hash, leaf_hash};

/// Deepest leaf a tree over 256-bit keys can have.
const MAX_DEPTH_BITS: usize = 256;

/// What stands where the path to a key ends.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum TreeProofEnd {
    /// Nothing: the key is not in the tree.
    Empty,
    /// A leaf that stands alone there: the key's own, or another's, which shows that the key is not in the
    /// tree.
    Leaf {
        /// Key of the leaf.
        key: Hash,
        /// Hash of its value's canonical bytes.
        value_hash: Hash,
    },
}

/// The path from a tree's root to where a key stands or would stand.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct TreeProof {
    /// Hashes of the halves that the path does not enter, from the root down.
    pub siblings: Vec<Hash>,
    /// What stands at the end of the path.
    pub end: TreeProofEnd,
}

impl TreeProof {
    /// The root that this path gives and the value hash it shows at `key`; `None` if it is no path
    /// to `key` at all.
    #[must_use]
    pub fn resolve(&self, key: &Hash) -> Option<(Hash, Option<Hash>)> {
        let depth = self.siblings.len();
        if depth > MAX_DEPTH_BITS {
            return None;
        }
        let (end, shown) = match &self.end {
            TreeProofEnd::Empty => (Hash::ZERO, None),
            TreeProofEnd::Leaf { key: found, value_hash } => {
                if (0..depth).any(|at| bit(found, at) != bit(key, at)) {
                    return None;
                }
                (leaf_hash(found, value_hash), (found == key).then_some(*value_hash))
            }
        };
        let up = |below: Hash, (at, other): (usize, &Hash)| {
            if bit(key, at) { fork_hash(other, &below) } else { fork_hash(&below, other) }
        };
        Some((self.siblings.iter().enumerate().rev().fold(end, up), shown))
    }

    /// Whether the path shows, under `root`, that `value_hash` is the value at `key`, or that there
    /// is none.
    #[must_use]
    pub fn verify(&self, root: &Hash, key: &Hash, value_hash: Option<&Hash>) -> bool {
        self.resolve(key).is_some_and(|(top, shown)| top == *root && shown.as_ref() == value_hash)
    }
}

/// Shows what one account holds under a block's state root; an account without a leaf holds nothing.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct AccountProof {
    /// The account.
    pub account: Account,
    /// Its path in the tree of accounts.
    pub path: TreeProof,
    /// Root of the tree of producers, which the state root covers too.
    pub producers_root: Hash,
    /// Total supply, which the state root covers too.
    pub supply: u64,
}

impl AccountProof {
    /// Whether `address` holds [`AccountProof::account`] under `state_root`.
    #[must_use]
    pub fn verify(&self, state_root: &Hash, address: &Address) -> bool {
        let value_hash = (!self.account.is_empty()).then(|| self.account.value_hash());
        self.path.resolve(&account_key(address)).is_some_and(|(accounts_root, shown)| {
            shown == value_hash
                && state_root_of(&accounts_root, &self.producers_root, self.supply) == *state_root
        })
    }
}

/// The commitment to a whole state.
pub(crate) fn state_root_of(accounts_root: &Hash, producers_root: &Hash, supply: u64) -> Hash {
    hash(&[b"vision/state/v1", accounts_root.as_bytes(), producers_root.as_bytes(), &supply.to_le_bytes()])
}
