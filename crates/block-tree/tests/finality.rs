//! Finality by depth, pruning, and the bound on open blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_block_tree::{BlockRef, BlockTree, FINAL_DEPTH_BLOCKS};
use vision_primitives::*;
use vision_test_blocks::{Net, at, genesis};

/// The lowest slot on `parent` that one of `makers` owns.
fn slot_of(tree: &BlockTree, parent: &Hash, makers: &[NodeId]) -> u64 {
    let schedule = tree.schedule_on(parent).unwrap();
    (0..1000).find(|slot| makers.contains(&schedule.owner(Slot(*slot)))).expect("a slot")
}

#[test]
fn sixty_four_deep_and_a_majority_above() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let mut at = tree.head().hash();
    let depth = FINAL_DEPTH_BLOCKS as u64;
    for height in 1..=200 {
        let block = net.block(&tree, &at, 0);
        let inserted = net.add(&mut tree, &block, false);
        at = block.hash();
        let expect = height.max(depth) - depth;
        assert_eq!(tree.final_entry().height(), Height(expect), "at height {height}");
        let newly = &inserted.change.newly_final;
        assert_eq!(newly.len(), usize::from(expect > 0), "one at a time");
        assert!(inserted.change.pruned.is_empty());
        if let Some(hash) = newly.first() {
            assert_eq!(*hash, BlockRef::of(tree.final_entry()));
        }
        assert_eq!(tree.open_blocks() as u64, height - expect);
    }
}

#[test]
fn depth_alone_is_not_enough() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let ids = tree.head().state().registered().ids().to_vec();
    let two = &ids[..2];
    let mut at = tree.head().hash();
    for _ in 0..120 {
        let slot = slot_of(&tree, &at, two);
        at = net.grow(&mut tree, &at, slot);
    }
    assert_eq!(tree.final_entry().height(), Height(0), "two of four are no majority");
    let slot = slot_of(&tree, &at, &ids[2..3]);
    let block = net.block(&tree, &at, slot);
    let inserted = net.add(&mut tree, &block, false);
    let heights: Vec<_> = inserted.change.newly_final.iter().collect();
    assert_eq!(
        heights.len(),
        121 - FINAL_DEPTH_BLOCKS,
        "the third producer makes all that is deep enough final"
    );
    assert_eq!(tree.final_entry().height(), Height(121 - FINAL_DEPTH_BLOCKS as u64));
    assert_eq!(inserted.change.newly_final.last(), Some(&BlockRef::of(tree.final_entry())));
}

#[test]
fn the_majority_must_stand_above_the_block() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let ids = tree.head().state().registered().ids().to_vec();
    let mut at = tree.head().hash();
    // Blocks 1 to 10 by two producers, then a long run of one alone.
    for height in 1..=100_usize {
        let maker = if height <= 10 { ids[height % 2] } else { ids[0] };
        let slot = slot_of(&tree, &at, &[maker]);
        at = net.grow(&mut tree, &at, slot);
    }
    // Block 9 is the last by the second producer: what is below it has two above it.
    assert_eq!(tree.get(&at).unwrap().height(), Height(100));
    assert_eq!(tree.final_entry().height(), Height(8));
}

#[test]
fn rivals_are_pruned_when_their_fork_is_buried() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let mut at = tree.head().hash();
    let mut rivals = Vec::new();
    for height in 1..=5_u64 {
        if height == 3 {
            let mut side = net.grow(&mut tree, &at, 2);
            rivals.push(side);
            for slot in [1, 2] {
                let child = net.grow(&mut tree, &side, slot);
                rivals.push(child);
                side = if slot == 1 { side } else { child };
            }
        }
        at = net.grow(&mut tree, &at, 0);
    }
    let fork = tree.canonical(Height(2)).unwrap().hash();
    let mut pruned = Vec::new();
    while tree.final_entry().height() < Height(3) {
        assert!(pruned.is_empty(), "only when the fork is buried");
        assert_eq!(tree.children(&fork).len(), 2);
        let block = net.block(&tree, &at, 0);
        pruned = net.add(&mut tree, &block, false).change.pruned;
        at = block.hash();
    }
    pruned.sort_unstable();
    rivals.sort_unstable();
    assert_eq!(pruned, rivals);
    assert!(rivals.iter().all(|hash| tree.get(hash).is_none()));
    assert_eq!(tree.open_blocks(), FINAL_DEPTH_BLOCKS);
}

#[test]
fn side_branches_are_evicted_worst_first() {
    let net = Net::of(3);
    let mut tree = net.tree().with_max_open_blocks(3);
    let root = tree.head().hash();
    let [primary, backup] = [0, 1].map(|slot| net.grow(&mut tree, &root, slot));
    let tail = net.grow(&mut tree, &root, 9);
    let child = net.grow(&mut tree, &backup, 4);
    let head = net.grow(&mut tree, &primary, 0);
    assert_eq!((tree.open_blocks(), tree.side_blocks()), (5, 3));

    let worse = net.block(&tree, &root, 10);
    let inserted = net.add(&mut tree, &worse, false);
    assert!(
        !inserted.stored && inserted.change.pruned.is_empty(),
        "the worst tip of a full tree is not kept"
    );
    let block = net.block(&tree, &head, 2);
    let inserted = net.add(&mut tree, &block, false);
    assert!(inserted.stored && inserted.change.pruned.is_empty(), "the head's chain has room of its own");
    let [side, on_side] = [1, 2].map(|slot| net.block(&tree, &head, slot + 2));
    assert_eq!(net.add(&mut tree, &side, false).change.pruned, [tail]);
    assert_eq!(net.add(&mut tree, &on_side, false).change.pruned, [child]);
    let block = net.block(&tree, &side.hash(), 9);
    assert_eq!(
        net.add(&mut tree, &block, false).change.pruned,
        [backup],
        "a parent becomes a tip in its turn"
    );
    assert_eq!((tree.side_blocks(), tree.final_entry().height()), (3, Height(0)));

    // The head's own chain alone is too long: its oldest block becomes final, however shallow.
    let head = tree.head().hash();
    let block = net.block(&tree, &head, 0);
    let inserted = net.add(&mut tree, &block, false);
    let expect = at(1, primary);
    assert_eq!((inserted.change.newly_final, inserted.change.pruned), (vec![expect], vec![]));
    assert_eq!((tree.open_blocks(), tree.final_entry().hash()), (6, primary));
    assert_eq!(tree.head().hash(), block.hash());
}

#[test]
fn an_eviction_frees_a_late_block() {
    let net = Net::of(3);
    let mut tree = net.tree().with_max_open_blocks(2);
    let root = tree.head().hash();
    let first = net.grow(&mut tree, &root, 3);
    let late = net.block(&tree, &root, 0);
    assert!(net.add(&mut tree, &late, true).change.head.is_none());
    // Another branch is head; the earlier sibling is the worst tip and goes.
    let other = net.grow(&mut tree, &root, 2);
    assert_eq!(tree.head().hash(), other);
    let twin = net.block_at(&tree, &root, 2, 1, &[]);
    let inserted = net.add(&mut tree, &twin, false);
    assert_eq!((inserted.stored, inserted.change.pruned), (true, vec![first]));
    let change = inserted.change.head.expect("the late block has no earlier sibling any more");
    assert_eq!(
        (change.new.hash(), change.left, change.joined),
        (late.hash(), vec![at(1, other)], vec![at(1, late.hash())])
    );
    assert_eq!(change.common, at(0, root));
}

#[test]
fn a_block_checked_before_its_parent_was_pruned_is_not_inserted() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let side = net.grow(&mut tree, &root, 2);
    let on_side = tree.check(&net.block(&tree, &side, 0)).unwrap();
    let mut at = root;
    while tree.get(&side).is_some() {
        at = net.grow(&mut tree, &at, 0);
    }
    let head = tree.head().hash();
    let inserted = tree.insert(on_side, false);
    assert!(!inserted.stored && inserted.change.head.is_none());
    let known = tree.check(&net.block(&tree, &head, 0)).unwrap();
    assert!(tree.insert(known.clone(), false).stored);
    assert!(!tree.insert(known, false).stored, "only once");
}

#[test]
fn sync_proofs_on_the_last_final_block_may_name_blocks_below_it() {
    let mut genesis = genesis(3);
    genesis.params.max_missed_slots = 1;
    let net = Net::new(genesis);
    let mut tree = net.tree();
    let ids = tree.head().state().registered().ids().to_vec();
    let mut at = tree.head().hash();
    // The third producer never produces, is suspended soon and stays so.
    for _ in 0..90 {
        let slot = slot_of(&tree, &at, &ids[..2]);
        at = net.grow(&mut tree, &at, slot);
    }
    let base = tree.final_entry().clone();
    assert!(base.height() > Height(20));
    assert!(base.state().registered().contains(&ids[2]) && !base.state().active().contains(&ids[2]));
    for below in 0..=3_u64 {
        let height = Height(base.height().get() - below);
        let Some(hash) = tree.ancestor_at(&base.hash(), height) else {
            assert_eq!(below, 3, "no deeper than max_desync_blocks");
            continue;
        };
        let proof = net.sync_proof(&ids[2], height, hash);
        let block = net.block_at(&tree, &base.hash(), 1, 0, &[proof]);
        assert_eq!(block.transactions().len(), 1, "{below} below");
        let checked = tree.check(&block).expect("the proof is good");
        assert!(checked.state().active().contains(&ids[2]));
    }
}
