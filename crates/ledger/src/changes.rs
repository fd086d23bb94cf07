//! What a block changed: enough to get from the state before it to the state after it.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Address, NodeId};

use crate::{Account, Producer};

/// The new values of all that differs between two states, keys ascending.
#[derive(Clone, PartialEq, Eq, Default, Debug, BorshSerialize, BorshDeserialize)]
pub struct Changes {
    /// Accounts as they are after the block; an empty one is removed.
    pub accounts: Vec<(Address, Account)>,
    /// Producers as they are after the block.
    pub producers: Vec<(NodeId, Producer)>,
    /// Total supply after the block.
    pub supply: u64,
}
