//! A tree restored from what a store keeps is the tree it was; damage is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_block_tree::{BlockTree, RestoreBase, RestoreError, StoredBlock};
use vision_ledger::{Changes, State};
use vision_primitives::*;
use vision_test_blocks::{Net, key};

/// What a store keeps: the base's state and every open block's changes, in the order of import.
struct Kept {
    base: RestoreBase,
    blocks: Vec<(StoredBlock, Changes)>,
}

/// 100 heights with forks, transfers and skipped slots.
fn history(net: &Net) -> (BlockTree, Kept) {
    let mut tree = net.tree();
    let mut log: Vec<(StoredBlock, Changes)> = Vec::new();
    let mut final_hashes = vec![tree.head().hash()];
    let mut at = tree.head().hash();
    for height in 0..100_u64 {
        let pay = net.transfer(
            1,
            tree.get(&at).unwrap().state().account(&key(1).public_key().id()).nonce,
            Hash([9; 32]),
            height,
        );
        let slots: &[u64] = if height % 7 == 3 {
            &[3, 0]
        } else if height % 11 == 5 {
            &[8]
        } else {
            &[0]
        };
        let mut tip = at;
        for slot in slots {
            let block = net.block_at(&tree, &at, *slot, 0, std::slice::from_ref(&pay));
            let checked = tree.check(&block).unwrap();
            log.push((StoredBlock::from(&block), checked.changes().clone()));
            let inserted = tree.insert(checked, false);
            final_hashes.extend(inserted.change.newly_final.iter().map(|block| block.hash));
            tip = block.hash();
        }
        at = tip;
    }
    let base = tree.final_entry();
    let trail = final_hashes.iter().rev().skip(1).copied().collect();
    let base = RestoreBase { block: StoredBlock::from(&**base), state: base.state().clone(), trail };
    let blocks =
        log.into_iter().filter(|(block, _)| block.hash != base.block.hash && tree.get(&block.hash).is_some());
    let blocks = blocks.collect();
    (tree, Kept { base, blocks })
}

fn restore(net: &Net, kept: &Kept) -> Result<BlockTree, RestoreError> {
    BlockTree::restore(net.rules.clone(), Some(kept.base.clone()), kept.blocks.clone())
}

#[test]
fn a_restored_tree_is_the_original() {
    let net = Net::of(4);
    let (tree, kept) = history(&net);
    assert!(tree.final_entry().height() > Height(30));
    assert!(tree.open_blocks() > 64, "there are forks");
    let again = restore(&net, &kept).expect("sound data");
    assert_eq!(again.head().hash(), tree.head().hash());
    assert_eq!(again.final_entry().hash(), tree.final_entry().hash());
    assert_eq!(again.locator(), tree.locator());
    let both = |tree: &BlockTree| -> Vec<_> {
        tree.entries()
            .map(|e| {
                (e.hash(), e.state().root(), e.tx_count(), e.size_bytes(), tree.children(&e.hash()).to_vec())
            })
            .collect()
    };
    assert_eq!(both(&again), both(&tree));
    for entry in again.entries() {
        let pools = |state: &State| (state.active().clone(), state.registered().clone());
        assert_eq!(pools(entry.state()), pools(tree.get(&entry.hash()).unwrap().state()));
    }
    // Both judge and grow alike from there.
    let (mut tree, mut again) = (tree, again);
    for slot in [0, 2, 0] {
        let block = net.block(&tree, &tree.head().hash(), slot);
        let [one, two] = [&mut tree, &mut again].map(|tree| net.add(tree, &block, false));
        assert_eq!((one.change.newly_final, one.change.pruned), (two.change.newly_final, two.change.pruned));
        assert_eq!(tree.head().hash(), again.head().hash());
    }
}

#[test]
fn a_young_chain_restores_on_block_0() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let mut kept = Vec::new();
    for _ in 0..5 {
        let block = net.block(&tree, &tree.head().hash(), 0);
        let checked = tree.check(&block).unwrap();
        kept.push((StoredBlock::from(checked.entry()), checked.changes().clone()));
        tree.insert(checked, false);
    }
    let again = BlockTree::restore(net.rules.clone(), None, kept).unwrap();
    assert_eq!(again.head().state().root(), tree.head().state().root());
    assert_eq!(again.final_entry().hash(), net.rules.genesis_hash);
}

#[test]
fn damage_is_found() {
    let net = Net::of(4);
    let (_, kept) = history(&net);
    type Damage = fn(&mut Kept);
    let cases: [(&str, Damage, &str); 11] = [
        ("base header bytes", |k| k.base.block.header_bytes[20] ^= 1, "HeaderHash"),
        ("base state", |k| k.base.state = k.base.state.apply_changes(&Changes::default()), "StateRoot"),
        ("trail too short", |k| k.base.trail.truncate(1), "Trail"),
        ("trail of another chain", |k| k.base.trail[0].0[0] ^= 1, "Trail"),
        ("header bytes", |k| k.blocks[9].0.header_bytes[20] ^= 1, "HeaderHash"),
        ("stored under another hash", |k| k.blocks[9].0.hash.0[0] ^= 1, "HeaderHash"),
        (
            "bytes that are no header, under their own hash",
            |k| {
                let genesis_hash = Net::of(4).rules.genesis_hash;
                k.blocks[9].0.header_bytes.push(0);
                k.blocks[9].0.hash = Header::hash_bytes(&genesis_hash, &k.blocks[9].0.header_bytes);
            },
            "Header",
        ),
        ("a balance", |k| k.blocks[9].1.accounts[0].1.balance += 1, "StateRoot"),
        ("the supply", |k| k.blocks[9].1.supply += 1, "StateRoot"),
        ("a block missing", |k| drop(k.blocks.remove(9)), "Link"),
        ("a block twice", |k| k.blocks.insert(10, k.blocks[9].clone()), "Link"),
    ];
    for (desc, damage, expect) in cases {
        let mut kept = Kept { base: kept.base.clone(), blocks: kept.blocks.clone() };
        damage(&mut kept);
        let error = restore(&net, &kept).err().expect(desc);
        let name = format!("{error:?}");
        assert!(name.starts_with(&format!("{expect} ")), "{desc}: {name}");
        assert!(!error.to_string().is_empty());
    }
}
