//! Several nodes produce and exchange blocks; looking around in their trees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use vision_block_tree::{BlockTree, MAX_CLAIM_AHEAD_MS, MAX_LOCATOR_HASHES};
use vision_ledger::ProducerStatus;
use vision_primitives::*;
use vision_test_blocks::{Net, key};

#[test]
fn four_nodes_agree_over_150_heights_with_skipped_slots_and_a_dead_producer() {
    let net = Net::of(4);
    let mut trees: Vec<BlockTree> = (0..4).map(|_| net.tree()).collect();
    let ids = trees[0].head().state().registered().ids().to_vec();
    let dead = ids[2];
    let (mut nonce, mut suspended, mut returned) = (0, false, false);
    for height in 1..=150_u64 {
        let revived = height > 60;
        let tree = &trees[height as usize % 4];
        let head = tree.head().clone();
        let status = head.state().producer(&dead).unwrap().status;
        suspended |= status == ProducerStatus::Suspended;
        returned |= suspended && status == ProducerStatus::Active;
        // Now and then a live primary is silent too; the dead one always is, until it is revived.
        let slot = (0..40)
            .find(|slot| {
                let owner = head.schedule().owner(Slot(*slot));
                (revived || owner != dead) && !(*slot == 0 && height % 10 == 0)
            })
            .unwrap();
        let mut candidates =
            vec![net.transfer(1, nonce, Hash([7; 32]), height), net.transfer(2, 99, Hash::ZERO, 1)];
        if revived && status == ProducerStatus::Suspended {
            candidates.push(net.sync_proof(&dead, head.height(), head.hash()));
        }
        let block = net.block_at(tree, &head.hash(), slot, 3, &candidates);
        nonce += 1;
        for tree in &mut trees {
            let decoded = Block::from_parts(
                block.header_bytes().to_vec(),
                &block.signature().0,
                block.transactions().iter().map(|tx| tx.bytes().to_vec()).collect(),
                &net.rules.genesis_hash,
            )
            .unwrap();
            net.add(tree, &decoded, false);
        }
        assert!(trees.iter().all(|tree| tree.head().hash() == block.hash()), "height {height}");
    }
    assert!(suspended && returned, "the dead producer was suspended and came back");
    let state = trees[0].head().state();
    assert_eq!(state.account(&Hash([7; 32])).balance, (1..=150).sum::<u64>());
    assert_eq!(state.account(&key(1).public_key().id()).nonce, 150);
    assert!(trees.iter().all(|tree| tree.final_entry().height() == Height(150 - 64)));
}

#[test]
fn locators_thin_out_and_reach_the_final_block() {
    let net = Net::of(4);
    let mut tree = net.tree();
    let ids = tree.head().state().registered().ids().to_vec();
    assert_eq!(tree.locator(), [tree.head().hash()]);
    // Two of four never make a majority: nothing becomes final.
    for count in 1..=300_u64 {
        let head = tree.head().clone();
        let slot = (0..99).find(|slot| ids[..2].contains(&head.schedule().owner(Slot(*slot)))).unwrap();
        net.grow(&mut tree, &head.hash(), slot);
        let locator = tree.locator();
        let heights: Vec<u64> = locator.iter().map(|hash| tree.get(hash).unwrap().height().get()).collect();
        assert!(heights.is_sorted_by(|a, b| a > b), "{heights:?}");
        assert_eq!((heights[0], heights.last()), (count, Some(&0)));
        assert!(locator.len() <= MAX_LOCATOR_HASHES);
        assert!(heights.iter().zip(&heights[1..]).take(9).all(|(a, b)| a - b == 1), "dense at first");
    }
    assert!(tree.locator().len() < 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ancestry_agrees_with_the_parents(
        choices in prop::collection::vec((0..100_usize, 0..5_u64), 1..20),
    ) {
        let net = Net::of(4);
        let mut tree = net.tree();
        let mut known = vec![tree.head().hash()];
        for (parent, slot) in choices {
            let hash = net.block(&tree, &known[parent % known.len()], slot).hash();
            if tree.get(&hash).is_none() {
                let parent = known[parent % known.len()];
                known.push(net.grow(&mut tree, &parent, slot));
            }
        }
        let chain = |hash: &Hash| {
            let mut chain = vec![*hash];
            let parent =
                |hash: Hash| tree.get(&hash).map(|entry| entry.parent()).filter(|parent| !parent.is_zero());
            while let Some(parent) = parent(*chain.last().unwrap()) {
                chain.push(parent);
            }
            chain
        };
        for a in &known {
            let of_a = chain(a);
            for (height, hash) in of_a.iter().rev().enumerate() {
                prop_assert_eq!(tree.ancestor_at(a, Height(height as u64)), Some(*hash));
            }
            prop_assert_eq!(tree.ancestor_at(a, Height(of_a.len() as u64)), None);
            for b in &known {
                let of_b = chain(b);
                prop_assert_eq!(tree.is_ancestor(b, a), of_a.contains(b));
                let common = of_a.iter().find(|hash| of_b.contains(hash)).copied();
                prop_assert_eq!(tree.common_ancestor(a, b).map(|e| e.hash()), common);
            }
        }
        let stranger = Hash([1; 32]);
        prop_assert!(tree.common_ancestor(&stranger, &known[0]).is_none());
        prop_assert!(!tree.is_ancestor(&known[0], &stranger) && tree.schedule_on(&stranger).is_none());
    }
}

#[test]
fn claims_are_plausible_or_not() {
    let net = Net::of(3);
    let mut tree = net.tree();
    for _ in 0..3 {
        let head = tree.head().hash();
        net.grow(&mut tree, &head, 0);
    }
    // Somebody else's longer chain, of which this tree knows nothing.
    let mut ahead = net.tree();
    for _ in 0..9 {
        let head = ahead.head().hash();
        net.grow(&mut ahead, &head, 1);
    }
    let tip = ahead.head();
    let now = tip.timestamp_ms();
    let claim = |edit: &dyn Fn(&mut Header)| {
        let mut header = tip.header().unwrap().clone();
        edit(&mut header);
        let block = net.sign(header, vec![]);
        (block.header_bytes().to_vec(), *block.signature())
    };
    let good = claim(&|_| ());
    assert_eq!(tree.check_claim(&good.0, &good.1, now), Ok((tip.hash(), tip.height())));
    let known = tree.head();
    assert_eq!(
        tree.check_claim(known.header_bytes(), known.signature(), now),
        Ok((known.hash(), known.height()))
    );

    let blocks = now.since_ms(net.rules.genesis.time_ms) / net.rules.params().block_interval_ms;
    let stranger = SecretKey::from_seed(&[99; 32]).public_key().id();
    let too_high = claim(&|h| h.height = Height(blocks + 1));
    let highest = claim(&|h| h.height = Height(blocks));
    assert_eq!(tree.check_claim(&highest.0, &highest.1, now).map(|(_, height)| height), Ok(Height(blocks)));
    let soon = TimestampMs(now.get() - MAX_CLAIM_AHEAD_MS);
    assert!(tree.check_claim(&good.0, &good.1, soon).is_ok());
    let cases = [
        ("from the future", good.clone(), TimestampMs(soon.get() - 1), "FROM_THE_FUTURE"),
        ("too high for its stamp", too_high, now, "IMPLAUSIBLE_HEIGHT"),
        ("before the final block", claim(&|h| h.timestamp_ms = TimestampMs(5)), now, "IMPLAUSIBLE_HEIGHT"),
        (
            "too heavy",
            claim(&|h| h.weight = h.height.get() * (net.rules.params().backup_slots + 1) + 1),
            now,
            "IMPLAUSIBLE_WEIGHT",
        ),
        ("another version", claim(&|h| h.version = 7), now, "BAD_VERSION"),
        ("a stranger", claim(&|h| h.producer = stranger), now, "UNKNOWN_PRODUCER"),
        ("another signature", (good.0.clone(), Signature([1; 64])), now, "BAD_BLOCK_SIGNATURE"),
        (
            "another signature over a known block",
            (known.header_bytes().to_vec(), Signature([1; 64])),
            now,
            "BAD_BLOCK_SIGNATURE",
        ),
        ("no header", (vec![1, 2, 3], good.1), now, "BAD_HEADER_BYTES"),
    ];
    for (desc, (bytes, signature), now, reason) in cases {
        let refusal = tree.check_claim(&bytes, &signature, now).expect_err(desc);
        assert_eq!(refusal.reason(), reason, "{desc}");
    }
}

#[test]
fn a_tree_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Net::of(1).tree());
}
