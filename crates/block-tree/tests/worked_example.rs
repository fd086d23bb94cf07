//! The worked example of `docs/protocol.md`: a genesis and three blocks on it, computed by an independent
//! program.
//!
//! `vectors/chain.json` was not made with this code, but from the document, in another language. Block 1
//! bears a transfer, data and a registration; block 2 uses slot 2, so that two producers have missed theirs;
//! block 3 a slot of the open tail.

use std::sync::Arc;

use serde_json::Value;
use vision_block_tree::{BlockTree, ChainRules};
use vision_primitives::{Block, Genesis, Hash, NodeId, Slot};

const GENESIS: &str = include_str!("../../primitives/tests/vectors/genesis.json");
const CHAIN: &str = include_str!("vectors/chain.json");

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn hash_of(value: &Value) -> Hash {
    value.as_str().expect("a text").parse().expect("64 hex digits")
}

fn bytes_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a text")).expect("hex")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn an_independent_programs_chain_is_valid_here_and_every_number_agrees() {
    let genesis = Genesis::from_json(GENESIS).expect("valid");
    let chain: Value = serde_json::from_str(CHAIN).expect("JSON");
    let rules = Arc::new(ChainRules::new(genesis));
    assert_eq!(rules.genesis_hash, hash_of(&chain["genesis_hash"]));
    assert_eq!(rules.epoch_salt, hash_of(&chain["epoch_salt"]));
    let mut tree = BlockTree::new(Arc::clone(&rules)).expect("a tree");
    assert_eq!(tree.head().state().root(), hash_of(&chain["genesis_state"]["state_root"]));
    assert_eq!(tree.head().state().supply(), number(&chain["genesis_state"]["supply"]));

    for expect in list(&chain["blocks"]) {
        let height = number(&expect["height"]);
        let parent = tree.head().hash();
        assert_eq!(parent, hash_of(&expect["entropy"]), "height {height}");
        let schedule = tree.schedule_on(&parent).expect("the parent is known");
        assert_eq!(schedule.seed(), hash_of(&expect["seed"]), "height {height}");
        for (slot, owner) in list(&expect["owners"]).iter().enumerate() {
            let window = schedule.window(Slot(slot as u64));
            let found: (NodeId, u64, u64) = (window.owner, window.opens_at.get(), window.closes_at.get());
            let (opens, closes) = (&expect["opens_at_ms"][slot], &expect["closes_at_ms"][slot]);
            assert_eq!(found, (hash_of(owner), number(opens), number(closes)), "height {height} slot {slot}");
        }

        let transactions = list(&expect["transactions"]).iter().map(bytes_of).collect();
        let signature = bytes_of(&expect["signature"]);
        let block =
            Block::from_parts(bytes_of(&expect["header"]), &signature, transactions, &rules.genesis_hash);
        let block = block.expect("canonical bytes");
        assert_eq!(block.hash(), hash_of(&expect["hash"]), "height {height}");
        assert_eq!(block.computed_tx_root(), hash_of(&expect["tx_root"]), "height {height}");
        let checked = tree.check(&block).unwrap_or_else(|refusal| panic!("height {height}: {refusal}"));
        tree.insert(checked, false);
        assert_eq!(tree.head().hash(), block.hash(), "height {height}");
        assert_eq!(tree.head().weight(), number(&expect["weight"]), "height {height}");
        assert_eq!(tree.head().state().root(), hash_of(&expect["state_root"]), "height {height}");
        assert_eq!(tree.head().state().supply(), number(&expect["supply"]), "height {height}");
    }
    assert_eq!(tree.head().height().get(), 3);
}
