//! Who gets the room there is: the bound on open blocks, branches that are fetched, and producers that sign
//! too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use vision_block_tree::{BlockTree, Inserted, MAX_SIBLINGS};
use vision_primitives::*;
use vision_test_blocks::Net;

const BOUND: usize = 16;

fn fetch(tree: &mut BlockTree, block: &Block) -> Inserted {
    let checked = tree.check(block).expect("a valid block");
    tree.insert_fetched(checked)
}

/// So many blocks on each other, all of one slot, on a tree that knows nothing else; and that tree.
fn branch(net: &Net, slot: u64, count: usize) -> (Vec<Block>, BlockTree) {
    let mut tree = net.tree();
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..count {
        let head = tree.head().hash();
        let block = net.block(&tree, &head, slot);
        net.add(&mut tree, &block, false);
        blocks.push(block);
    }
    (blocks, tree)
}

/// Most blocks of one producer on one parent.
fn most_siblings(tree: &BlockTree) -> usize {
    let mut of: BTreeMap<_, usize> = BTreeMap::new();
    for entry in tree.entries() {
        *of.entry((entry.parent(), entry.producer())).or_default() += 1;
    }
    of.into_values().max().unwrap_or(0)
}

#[test]
fn a_split_as_long_as_the_bound_heals_block_by_block() {
    let net = Net::of(3);
    // Weights 6 and 7 a block: nine outweigh ten, and 14 outweigh 16.
    for (own, needed) in [(10, 9), (BOUND, 14)] {
        let (blocks, _) = branch(&net, 1, own);
        let (rival, _) = branch(&net, 0, needed);
        let mut tree = net.tree().with_max_open_blocks(BOUND);
        for block in &blocks {
            assert!(net.add(&mut tree, block, false).stored);
        }
        for (number, block) in rival.iter().enumerate() {
            let inserted = net.add(&mut tree, block, false);
            assert!(inserted.stored && inserted.change.pruned.is_empty(), "{own}: block {}", number + 1);
            assert_eq!(inserted.change.head.is_some(), number + 1 == needed, "{own}: block {}", number + 1);
        }
        assert_eq!(tree.head().hash(), rival[needed - 1].hash());
        assert_eq!(tree.final_entry().height(), Height(0));
    }
}

#[test]
fn a_branch_that_is_fetched_has_room_made_for_it_from_lighter_ones_whatever_is_announced_meanwhile() {
    let net = Net::of(3);
    let (own, _) = branch(&net, 1, 10);
    let (rival, _) = branch(&net, 0, 9);
    let mut tree = net.tree().with_max_open_blocks(BOUND);
    for block in &own {
        net.add(&mut tree, block, false);
    }
    // Side blocks high up on the own chain: each better than any block of the rival but its last.
    let mut flood =
        (9..=BOUND as u64 + 30).map(|slot| net.block(&tree, &own[8].hash(), slot)).collect::<Vec<_>>();
    let mut announce = |tree: &mut BlockTree, count: usize| {
        for block in flood.split_off(flood.len() - count) {
            let checked = tree.check(&block).expect("a valid block");
            tree.insert(checked, false);
        }
    };
    announce(&mut tree, 20);
    let more: Vec<Block> = (2..6)
        .flat_map(|at: usize| (8..12).map(|slot| net.block(&tree, &own[at].hash(), slot)).collect::<Vec<_>>())
        .collect();
    for block in &more {
        net.add(&mut tree, block, false);
    }
    assert_eq!(tree.side_blocks(), BOUND, "full");
    let head = tree.head().hash();
    for (number, block) in rival.iter().enumerate() {
        assert!(fetch(&mut tree, block).stored, "block {}", number + 1);
        announce(&mut tree, 2);
        assert!(tree.get(&block.hash()).is_some(), "block {} stays", number + 1);
        assert!(tree.side_blocks() <= BOUND && tree.get(&head).is_some());
    }
    assert_eq!(tree.head().hash(), rival[8].hash());
}

#[test]
fn a_fetched_branch_that_is_too_long_takes_nothing_of_the_heads_chain_and_ends() {
    let net = Net::of(3);
    // Weight 1 a block: it will not outweigh the head within the bound.
    let (light, _) = branch(&net, 9, BOUND + 2);
    let (own, _) = branch(&net, 0, 10);
    let mut tree = net.tree().with_max_open_blocks(BOUND);
    for block in &own {
        net.add(&mut tree, block, false);
    }
    let head = tree.head().hash();
    for block in &light[..BOUND] {
        assert!(fetch(&mut tree, block).stored);
    }
    for _ in 0..2 {
        let inserted = fetch(&mut tree, &light[BOUND]);
        assert!(!inserted.stored && inserted.change.pruned.is_empty() && inserted.change.head.is_none());
    }
    assert_eq!(
        (tree.head().hash(), tree.side_blocks(), tree.final_entry().height()),
        (head, BOUND, Height(0))
    );
    // Another one that is fetched gets its room from that one.
    let (rival, _) = branch(&net, 1, 12);
    for block in &rival {
        assert!(fetch(&mut tree, block).stored);
    }
    assert_eq!(tree.head().hash(), rival[11].hash());
}

/// Blocks that one producer has signed for one parent: one slot, different stamps.
fn twins(net: &Net, tree: &BlockTree, parent: &Hash, count: u64) -> Vec<Block> {
    (0..count).map(|delay_ms| net.block_at(tree, parent, 0, delay_ms, &[])).collect()
}

#[test]
fn of_one_producer_on_one_parent_two_blocks_are_kept() {
    let net = Net::of(3);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let twins = twins(&net, &tree, &root, 5);
    for twin in &twins[..MAX_SIBLINGS] {
        assert!(net.add(&mut tree, twin, false).stored);
    }
    let refusal = tree.check_announced(&twins[2], &|_| false).expect_err("one too many");
    assert_eq!(refusal.reason(), "TOO_MANY_SIBLINGS");
    assert!(!refusal.is_fault() && !refusal.is_header_fault(), "the copy is good: it may be needed yet");
    assert_eq!(tree.check_siblings(twins[2].header()), Err(refusal));
    let inserted = net.add(&mut tree, &twins[2], false);
    assert!(!inserted.stored && inserted.change.pruned.is_empty() && inserted.change.head.is_none());
    // Others have their own two places; a forged copy is a fault as ever.
    let other = net.block(&tree, &root, 1);
    assert!(tree.check_announced(&other, &|_| false).is_ok());
    let forged =
        Block::assemble(twins[3].header().clone(), Signature([1; 64]), vec![], &net.rules.genesis_hash);
    let refusal = tree.check_announced(&forged, &|_| false).expect_err("forged");
    assert_eq!(refusal.reason(), "BAD_BLOCK_SIGNATURE");

    // Fetched, it takes the place of the one that is not on the head's chain, with all that stands on that.
    let head = tree.head().hash();
    let aside = twins[..2].iter().map(Block::hash).find(|hash| *hash != head).unwrap();
    let on_head = net.grow(&mut tree, &head, 0);
    let on_aside = net.grow(&mut tree, &aside, 1);
    let inserted = fetch(&mut tree, &twins[2]);
    let mut pruned = inserted.change.pruned.clone();
    pruned.sort_unstable();
    let mut expect = vec![aside, on_aside];
    expect.sort_unstable();
    assert_eq!((inserted.stored, pruned), (true, expect));
    assert_eq!((tree.head().hash(), most_siblings(&tree)), (on_head, MAX_SIBLINGS));
}

#[test]
fn nodes_that_hold_other_twins_agree_on_the_heaviest_chain() {
    let net = Net::of(4);
    let root = net.tree().head().hash();
    let twins = twins(&net, &net.tree(), &root, 6);
    // Each node has heard of two others, and builds on what it took for the best.
    let mut trees: Vec<BlockTree> = (0..3)
        .map(|node| {
            let mut tree = net.tree();
            for twin in &twins[2 * node..2 * node + 2] {
                net.add(&mut tree, twin, false);
            }
            for height in 0..3 + node {
                let head = tree.head().hash();
                net.grow(&mut tree, &head, (height % 3) as u64);
            }
            tree
        })
        .collect();
    let heaviest = trees.iter().map(|tree| (tree.head().weight(), tree.head().hash())).max().unwrap();
    let chains: Vec<Vec<Block>> = trees
        .iter()
        .map(|tree| {
            (1..=tree.head().height().get())
                .map(|height| {
                    let entry = tree.canonical(Height(height)).unwrap();
                    let header = entry.header().unwrap().clone();
                    Block::assemble(header, *entry.signature(), vec![], &net.rules.genesis_hash)
                })
                .collect()
        })
        .collect();
    // Announced, they are refused; fetched, because somebody claims more, they are taken: from whomever, in
    // whatever order.
    for (number, tree) in trees.iter_mut().enumerate() {
        for from in [1, 2, 0, 2, 1].map(|step| (number + step) % 3) {
            let claimed = chains[from].last().unwrap();
            if claimed.header().weight <= tree.head().weight() {
                continue;
            }
            for block in &chains[from] {
                if tree.get(&block.hash()).is_none() {
                    assert!(fetch(tree, block).stored);
                }
                assert!(most_siblings(tree) <= MAX_SIBLINGS);
            }
            assert_eq!(tree.head().hash(), claimed.hash());
        }
        assert_eq!((tree.head().weight(), tree.head().hash()), heaviest, "node {number}");
    }
}
