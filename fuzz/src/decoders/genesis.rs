//! A genesis file that is accepted is written and read again as the same genesis with the same hash, and a
//! chain can stand on it.
use std::sync::Arc;

use vision_block_tree::{BlockTree, ChainRules};
use vision_primitives::Genesis;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(genesis) = Genesis::from_json(text) else { return };
    let written = genesis.to_json();
    let read = Genesis::from_json(&written).expect("what it wrote itself");
    assert_eq!(read, genesis);
    assert_eq!(read.hash(), genesis.hash());
    assert_eq!(read.to_json(), written);

    let tree = BlockTree::new(Arc::new(ChainRules::new(genesis.clone()))).expect("a checked genesis");
    let state = tree.head().state();
    assert_eq!(Some(state.supply()), genesis.total_supply());
    assert_eq!(state.active().len(), genesis.producers.len());
    for account in &genesis.accounts {
        assert_eq!(state.account(&account.address).balance, account.balance);
    }
}
