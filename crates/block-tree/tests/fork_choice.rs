//! Which block is the head, whatever order the blocks came in, and how a reorganisation is reported.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use vision_block_tree::{Aside, BlockRef, BlockTree};
use vision_primitives::*;
use vision_test_blocks::{Net, at};

fn hashes_of(tree: &BlockTree) -> Vec<Hash> {
    let (low, high) = (tree.final_entry().height().get(), tree.head().height().get());
    (low..=high).map(|height| tree.canonical(Height(height)).unwrap().hash()).collect()
}

/// Blocks hung at random places, parents first, and no more of one producer on one parent than a tree keeps:
/// of more it keeps those that come first.
fn random_blocks(net: &Net, choices: &[(usize, u64, u64)]) -> Vec<Block> {
    let mut tree = net.tree();
    let mut known = vec![tree.head().hash()];
    let mut blocks = Vec::new();
    for (parent, slot, delay_ms) in choices {
        let parent = known[parent % known.len()];
        let block = net.block_at(&tree, &parent, *slot, *delay_ms, &[]);
        if tree.get(&block.hash()).is_none() && net.add(&mut tree, &block, false).stored {
            known.push(block.hash());
            blocks.push(block);
        }
    }
    blocks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_blocks_give_the_same_head_in_any_order(
        choices in prop::collection::vec((0..100_usize, 0..9_u64, 0..3_u64), 1..24),
        picks in prop::collection::vec(any::<usize>(), 24),
    ) {
        let net = Net::of(4);
        let blocks = random_blocks(&net, &choices);
        let mut reference = net.tree();
        for block in &blocks {
            let before = reference.head().hash();
            let inserted = net.add(&mut reference, block, false);
            prop_assert!(inserted.stored);
            // The path reported leads from the old head to the new one.
            if let Some(change) = inserted.change.head {
                prop_assert_eq!(change.old.hash(), before);
                prop_assert_eq!(change.joined.last(), Some(&BlockRef::of(&change.new)));
                let mut at = before;
                for left in &change.left {
                    let entry = reference.get(&at).unwrap();
                    prop_assert_eq!(*left, BlockRef::of(entry));
                    at = entry.parent();
                }
                prop_assert_eq!(at, change.common.hash);
                for joined in &change.joined {
                    let entry = reference.get(&joined.hash).unwrap();
                    prop_assert_eq!((entry.height(), entry.parent()), (joined.height, at));
                    at = joined.hash;
                }
                prop_assert_eq!(BlockRef::of(reference.get(&change.common.hash).unwrap()), change.common);
            }
        }
        // The head is the best of all by the rule's own words.
        let best = reference.entries().min_by_key(|entry| {
            (u64::MAX - entry.weight(), entry.height(), entry.slot(), entry.hash())
        });
        prop_assert_eq!(best.unwrap().hash(), reference.head().hash());

        let mut tree = net.tree();
        let mut waiting: Vec<&Block> = blocks.iter().collect();
        for pick in picks {
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|i| tree.get(&waiting[*i].header().parent).is_some())
                .collect();
            if ready.is_empty() {
                break;
            }
            net.add(&mut tree, waiting.remove(ready[pick % ready.len()]), false);
        }
        for block in waiting {
            net.add(&mut tree, block, false);
        }
        prop_assert_eq!(tree.head().hash(), reference.head().hash());
        prop_assert_eq!(tree.head().state().root(), reference.head().state().root());
        prop_assert_eq!(hashes_of(&tree), hashes_of(&reference));
        let known: BTreeSet<_> = tree.entries().map(|entry| entry.hash()).collect();
        prop_assert_eq!(known.len(), blocks.len() + 1);
    }
}

#[test]
fn the_order_of_the_criteria() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let [primary, backup] = [0, 1].map(|slot| net.block(&tree, &root, slot));
    net.add(&mut tree, &backup, false);
    net.add(&mut tree, &primary, false);
    assert_eq!(tree.head().hash(), primary.hash(), "the primary outweighs the backup");
    // Weight 6 + 6 beats 7; 7 + 6 beats 6 + 7 nowhere: equal weight, equal height, lower tip slot.
    let on_backup = net.grow(&mut tree, &backup.hash(), 0);
    assert_eq!((tree.head().hash(), tree.head().weight()), (on_backup, 13));
    let on_primary = net.grow(&mut tree, &primary.hash(), 1);
    assert_eq!(tree.get(&on_primary).unwrap().weight(), 13);
    assert_eq!(tree.head().hash(), on_backup, "at equal weight and height the lower tip slot wins");

    // Equal weight at other heights: 1 + 1 + … against one block of weight 7.
    let mut tree = net.tree();
    let mut at = root;
    for _ in 0..7 {
        at = net.grow(&mut tree, &at, 9);
    }
    assert_eq!((tree.head().hash(), tree.head().weight()), (at, 7));
    let short = net.grow(&mut tree, &root, 0);
    assert_eq!(tree.head().hash(), short, "at equal weight the lower height wins");

    // One producer, one slot, two stamps: the lower hash.
    let mut tree = net.tree();
    let twins = [0, 1].map(|delay_ms| net.block_at(&tree, &root, 0, delay_ms, &[]));
    for twin in &twins {
        net.add(&mut tree, twin, false);
    }
    assert_eq!(Some(tree.head().hash()), twins.iter().map(Block::hash).min());
}

#[test]
fn late_blocks() {
    let net = Net::of(4);
    let root = net.tree().head().hash();
    let [primary, backup, second] = [0, 1, 2].map(|slot| net.block(&net.tree(), &root, slot));
    /// Blocks in the order they come, each with whether it is late.
    type Arrivals<'a> = Vec<(&'a Block, bool)>;
    let cases: [(&str, Arrivals, &Block); 6] = [
        ("a late block without a sibling is chosen", vec![(&primary, true)], &primary),
        ("not while an earlier sibling exists", vec![(&backup, false), (&primary, true)], &backup),
        ("however late that one was itself", vec![(&backup, true), (&primary, true)], &backup),
        ("a later sibling does not matter", vec![(&primary, true), (&backup, false)], &primary),
        ("a late first one gives way to a better one", vec![(&backup, true), (&primary, false)], &primary),
        (
            "each late one has an earlier sibling",
            vec![(&second, false), (&backup, true), (&primary, true)],
            &second,
        ),
    ];
    for (desc, blocks, head) in cases {
        let mut tree = net.tree();
        for (block, late) in blocks {
            let inserted = net.add(&mut tree, block, late);
            assert!(inserted.stored, "{desc}");
            assert_eq!(tree.get(&block.hash()).unwrap().late(), late, "{desc}");
        }
        assert_eq!(tree.head().hash(), head.hash(), "{desc}");
    }
}

/// Why a block is not on the head's chain; `None` if it is, or is not known.
fn aside(tree: &BlockTree, hash: &Hash) -> Option<Aside> {
    let known = tree.between(Height(0), Height(99));
    known.into_iter().find(|(entry, _)| entry.hash() == *hash)?.1
}

#[test]
fn why_a_block_is_not_on_the_heads_chain() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let [primary, backup, second] = [0, 1, 2].map(|slot| net.block(&tree, &root, slot));
    net.add(&mut tree, &second, false);
    assert_eq!(aside(&tree, &second.hash()), None, "it is the head");
    assert_eq!(aside(&tree, &backup.hash()), None, "it is not known");
    net.add(&mut tree, &backup, false);
    assert_eq!(aside(&tree, &second.hash()), Some(Aside::Lighter { weight: 5, head_weight: 6 }));
    net.add(&mut tree, &primary, true);
    let slot_ended = tree.schedule_on(&root).unwrap().start(Slot(1));
    assert_eq!(aside(&tree, &primary.hash()), Some(Aside::Late { slot_ended }), "heavier, but barred");
    let child = net.grow(&mut tree, &backup.hash(), 1);
    assert_eq!((tree.head().hash(), tree.head().weight()), (child, 12));
    // 5 + 7 on the other branch: the lower tip slot is the head, and makes the others stand aside for nothing
    // but order.
    let better = net.grow(&mut tree, &second.hash(), 0);
    assert_eq!((tree.head().hash(), tree.head().weight()), (better, 12));
    assert_eq!(aside(&tree, &second.hash()), None);
    for hash in [backup.hash(), child] {
        assert_eq!(
            aside(&tree, &hash),
            Some(Aside::Tie { weight: 12 }),
            "a block is as good as the best chain on it"
        );
    }
    assert_eq!(aside(&tree, &primary.hash()), Some(Aside::Late { slot_ended }));
    let heights = |low, high| -> Vec<u64> {
        tree.between(Height(low), Height(high)).iter().map(|(entry, _)| entry.height().get()).collect()
    };
    assert_eq!((heights(0, 0), heights(1, 1), heights(1, 9)), (vec![0], vec![1; 3], vec![2, 2, 1, 1, 1]));
}

#[test]
fn descendants_of_a_late_block_compete_like_any_others() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let backup = net.grow(&mut tree, &root, 1);
    let primary = net.block(&tree, &root, 0);
    assert!(net.add(&mut tree, &primary, true).change.head.is_none());
    assert_eq!(tree.head().hash(), backup);
    let child = net.block(&tree, &primary.hash(), 3);
    let inserted = net.add(&mut tree, &child, false);
    let change = inserted.change.head.expect("11 outweighs 6");
    assert_eq!(
        (change.left, change.joined),
        (vec![at(1, backup)], vec![at(1, primary.hash()), at(2, child.hash())])
    );
    assert_eq!(change.common, at(0, root));

    // The child of a late block that is late itself, with an earlier sibling: barred in its turn.
    let better = net.block(&tree, &primary.hash(), 0);
    assert!(net.add(&mut tree, &better, true).change.head.is_none());
    assert_eq!(tree.head().hash(), child.hash());
}

#[test]
fn a_reorganisation_returns_the_exact_state() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let to = Hash([7; 32]);
    let base = net.grow(&mut tree, &root, 0);
    let pay = |amount| net.transfer(1, 0, to, amount);
    let slow = net.block_at(&tree, &base, 2, 0, &[pay(10)]);
    net.add(&mut tree, &slow, false);
    let slow_state = tree.head().state().clone();
    assert_eq!(tree.head().state().account(&to).balance, 10);
    let fast = net.block_at(&tree, &base, 0, 0, &[pay(33)]);
    net.add(&mut tree, &fast, false);
    assert_eq!((tree.head().hash(), tree.head().state().account(&to).balance), (fast.hash(), 33));
    let mut on_slow = net.block_at(&tree, &slow.hash(), 0, 0, &[]);
    net.add(&mut tree, &on_slow, false);
    assert_eq!(tree.head().hash(), on_slow.hash());
    assert_eq!(tree.head().state().account(&to).balance, 10, "back on the other branch");
    assert_eq!(tree.get(&slow.hash()).unwrap().state(), &slow_state);
    // A tree that never saw the rival is in the same state.
    let mut straight = net.tree();
    net.grow(&mut straight, &root, 0);
    net.add(&mut straight, &slow, false);
    net.add(&mut straight, &on_slow, false);
    assert_eq!(straight.head().state().root(), tree.head().state().root());
    on_slow = net.block(&straight, &on_slow.hash(), 1);
    assert!(tree.check(&on_slow).is_ok());
}
