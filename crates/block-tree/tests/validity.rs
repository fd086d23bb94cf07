//! Every validity rule has a block that breaks only it and is refused with its own reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_block_tree::{BlockTree, Refusal};
use vision_primitives::*;
use vision_test_blocks::{Net, genesis, key};

struct World {
    net: Net,
    tree: BlockTree,
    /// A good block on the head with two transfers.
    good: Block,
    transactions: Vec<SignedTransaction>,
}

fn world() -> World {
    let mut genesis = genesis(3);
    (genesis.params.max_block_txs, genesis.params.max_block_bytes) = (3, 4096);
    let net = Net::new(genesis);
    let mut tree = net.tree();
    let mut parent = tree.head().hash();
    for slot in [0, 1, 0] {
        parent = net.grow(&mut tree, &parent, slot);
    }
    let transactions = vec![net.transfer(1, 0, Hash([7; 32]), 5), net.transfer(2, 0, Hash([8; 32]), 6)];
    let good = net.block_at(&tree, &parent, 1, 5, &transactions);
    World { net, tree, good, transactions }
}

impl World {
    /// The good block with another header, signed again by whoever it names.
    fn with_header(&self, edit: impl FnOnce(&mut Header)) -> Block {
        let mut header = self.good.header().clone();
        edit(&mut header);
        self.net.sign(header, self.transactions.clone())
    }

    /// The good block with another body, and roots that are right for it.
    fn with_body(&self, transactions: Vec<SignedTransaction>) -> Block {
        let header = self.net.reseal(&self.tree, self.good.header().clone(), &transactions);
        self.net.sign(header, transactions)
    }

    fn data(&self, nonce: u64, bytes: usize) -> SignedTransaction {
        let action = Action::Data { bytes: vec![0; bytes] };
        let sender = key(1).public_key();
        Transaction { sender, nonce, fee: 1, action }.sign(&key(1), &self.net.rules.genesis_hash)
    }
}

#[test]
fn the_good_block_is_good() {
    let world = world();
    let checked = world.tree.check(&world.good).expect("a valid block");
    assert_eq!(checked.hash(), world.good.hash());
    assert_eq!(checked.state().root(), world.good.header().state_root);
    assert_eq!(checked.entry().tx_count(), 2);
    let parent = world.tree.get(&world.good.header().parent).unwrap();
    assert_eq!(parent.state().apply_changes(checked.changes()), *checked.state());
    assert_eq!(checked.closes_at(), parent.schedule().start(Slot(2)));
    // `with_body` itself breaks nothing.
    assert_eq!(world.with_body(world.transactions.clone()), world.good);
}

/// What is wrong, the block, its reason, and whether its header shows it.
type Case = (&'static str, Block, &'static str, bool);

/// Blocks whose header breaks a rule.
fn wrong_headers(world: &World) -> Vec<Case> {
    let slot = world.good.header().slot;
    let window = world.tree.head().schedule().window(slot);
    let next = world.tree.head().schedule().window(Slot(slot.get() + 1));
    let (pair, net) = (&world.transactions, &world.net);
    let resealed = |edit: &dyn Fn(&mut Header)| {
        let mut header = world.good.header().clone();
        edit(&mut header);
        net.sign(net.reseal(&world.tree, header, pair), pair.clone())
    };
    let stranger = SecretKey::from_seed(&[99; 32]).public_key().id();
    let by_stranger = world.with_header(|h| h.producer = stranger);
    vec![
        ("version", world.with_header(|h| h.version = 2), "BAD_VERSION", true),
        ("height above", world.with_header(|h| h.height.0 += 1), "BAD_HEIGHT", true),
        ("height below", world.with_header(|h| h.height.0 -= 1), "BAD_HEIGHT", true),
        ("parent", world.with_header(|h| h.parent = Hash([3; 32])), "UNKNOWN_PARENT", false),
        (
            "stamp before the slot starts",
            world.with_header(|h| h.timestamp_ms = TimestampMs(0)),
            "TOO_EARLY",
            true,
        ),
        (
            "stamp before the jitter is over",
            world.with_header(|h| h.timestamp_ms = TimestampMs(window.opens_at.get() - 1)),
            "TOO_EARLY",
            true,
        ),
        (
            "stamp when the next slot starts",
            world.with_header(|h| h.timestamp_ms = window.closes_at),
            "TOO_LATE",
            true,
        ),
        (
            "stamp at the end of time",
            world.with_header(|h| h.timestamp_ms = TimestampMs(u64::MAX)),
            "TOO_LATE",
            true,
        ),
        ("another's slot", resealed(&|h| h.producer = next.owner), "NOT_SLOT_OWNER", true),
        ("producer never registered", by_stranger, "UNKNOWN_PRODUCER", true),
        ("pool root", world.with_header(|h| h.pool_root = Hash::ZERO), "BAD_POOL_ROOT", true),
        ("mix", world.with_header(|h| h.mix = Hash([1; 32])), "BAD_MIX", true),
        ("reveal", world.with_header(|h| h.reveal = Hash([1; 32])), "BAD_REVEAL", true),
        ("certificate", world.with_header(|h| h.certificate_hash = Hash([1; 32])), "BAD_CERTIFICATE", true),
        ("weight above", world.with_header(|h| h.weight += 1), "BAD_WEIGHT", true),
        ("weight below", world.with_header(|h| h.weight -= 1), "BAD_WEIGHT", true),
        ("state root", world.with_header(|h| h.state_root = Hash::ZERO), "BAD_STATE_ROOT", true),
    ]
}

/// Blocks whose signature or transactions break a rule.
fn wrong_bodies(world: &World) -> Vec<Case> {
    let (pair, net) = (&world.transactions, &world.net);
    let bent = |tx: &SignedTransaction| {
        let mut bytes = tx.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        SignedTransaction::from_bytes(bytes, &net.rules.genesis_hash).unwrap()
    };
    vec![
        (
            "signature",
            Block::assemble(
                world.good.header().clone(),
                Signature([1; 64]),
                pair.clone(),
                &net.rules.genesis_hash,
            ),
            "BAD_BLOCK_SIGNATURE",
            false,
        ),
        (
            "too many transactions",
            world.with_body((0..4).map(|nonce| net.transfer(1, nonce, Hash([7; 32]), 1)).collect()),
            "TOO_MANY_TRANSACTIONS",
            false,
        ),
        ("too many bytes", world.with_body(vec![world.data(0, 3700)]), "BLOCK_TOO_LARGE", false),
        (
            "a transaction less than the root commits to",
            net.sign(world.good.header().clone(), pair[..1].to_vec()),
            "BAD_TX_ROOT",
            false,
        ),
        (
            "transactions in another order",
            net.sign(world.good.header().clone(), pair.iter().rev().cloned().collect()),
            "BAD_TX_ROOT",
            false,
        ),
        (
            "a transaction twice",
            world.with_body(vec![pair[0].clone(), pair[1].clone(), pair[0].clone()]),
            "DUPLICATE_TRANSACTION",
            true,
        ),
        (
            "a transaction's signature",
            world.with_body(vec![pair[0].clone(), bent(&pair[1])]),
            "BAD_TRANSACTION_SIGNATURE",
            true,
        ),
        (
            "a transaction that does not apply",
            world.with_body(vec![pair[0].clone(), net.transfer(2, 1, Hash([8; 32]), 6)]),
            "BAD_TRANSACTION",
            true,
        ),
    ]
}

#[test]
fn every_rule_refuses_the_block_that_breaks_only_it() {
    let world = world();
    for (desc, block, reason, header_fault) in wrong_headers(&world).into_iter().chain(wrong_bodies(&world)) {
        let refusal = world.tree.check(&block).expect_err(desc);
        assert_eq!(refusal.reason(), reason, "{desc}: {refusal}");
        assert_eq!(refusal.is_header_fault(), header_fault, "{desc}");
        assert_eq!(refusal.is_fault(), reason != "UNKNOWN_PARENT", "{desc}");
        assert!(!refusal.to_string().is_empty());
        // Whoever asks for all faults gets this one too, unless it takes execution to see it.
        let faults: Vec<_> = world.tree.faults_on_head(&block).iter().map(Refusal::reason).collect();
        let executed = matches!(reason, "BAD_TRANSACTION" | "BAD_STATE_ROOT");
        assert_eq!(faults.contains(&reason), !executed, "{desc}: {faults:?}");
        let distinct: std::collections::BTreeSet<_> = faults.iter().collect();
        assert_eq!(distinct.len(), faults.len(), "{desc}: {faults:?}");
    }
    assert_eq!(world.tree.faults_on_head(&world.good), []);
    let twice_wrong = world.with_header(|h| (h.mix, h.weight) = (Hash([1; 32]), 0));
    let faults = world.tree.faults_on_head(&twice_wrong);
    assert_eq!(faults.iter().map(Refusal::reason).collect::<Vec<_>>(), ["BAD_MIX", "BAD_WEIGHT"]);
}

#[test]
fn refusals_say_where_the_fault_is() {
    let world = world();
    let net = &world.net;
    let good = |seed: u8| net.transfer(seed, 0, Hash([7; 32]), 1);
    let early = net.transfer(3, 4, Hash([7; 32]), 1);
    match world.tree.check(&world.with_body(vec![good(1), good(2), early])) {
        Err(Refusal::Transaction { index: 2, fault }) => assert_eq!(fault.reason(), "NONCE_TOO_HIGH"),
        other => panic!("{other:?}"),
    }
    let genesis_hash = &net.rules.genesis_hash;
    let mut bytes = good(2).bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    let bad = SignedTransaction::from_bytes(bytes, genesis_hash).unwrap();
    let block = world.with_body(vec![good(1), bad.clone(), good(3)]);
    assert_eq!(world.tree.check(&block).err(), Some(Refusal::TransactionSignature { index: 1 }));
    // Whoever verified a signature before need not do it again; only that very transaction is spared.
    assert!(world.tree.check_with(&block, &|hash| *hash == bad.hash()).is_ok());
    let others = |hash: &Hash| *hash != bad.hash();
    assert_eq!(
        world.tree.check_with(&block, &others).err(),
        Some(Refusal::TransactionSignature { index: 1 })
    );
}

#[test]
fn one_wrong_signature_among_many_is_found_beside_the_execution() {
    let net = Net::new(genesis(3));
    let tree = net.tree();
    let parent = tree.head().hash();
    // Below, at and above the number from which signatures are verified on a thread of their own.
    for count in [2_u64, 15, 16, 17, 64] {
        let good: Vec<_> = (0..count).map(|nonce| net.transfer(1, nonce, Hash([7; 32]), 1)).collect();
        assert!(tree.check(&net.block_at(&tree, &parent, 0, 0, &good)).is_ok(), "{count}, all good");
        for index in [0, good.len() / 2, good.len() - 1] {
            let mut some = good.clone();
            let mut bytes = some[index].bytes().to_vec();
            let last = bytes.len() - 1;
            bytes[last] ^= 0x40;
            some[index] = SignedTransaction::from_bytes(bytes, &net.rules.genesis_hash).unwrap();
            let refused = tree.check(&net.block_at(&tree, &parent, 0, 0, &some)).err();
            assert_eq!(refused, Some(Refusal::TransactionSignature { index }), "{count}, wrong at {index}");
        }
    }
}

#[test]
fn a_block_on_a_buried_parent_conflicts_and_known_ones_are_known() {
    let mut world = world();
    let (net, early) = (&world.net, world.good.clone());
    let mut parent = world.tree.head().hash();
    for _ in 0..75 {
        parent = net.grow(&mut world.tree, &parent, 0);
    }
    let last_final = world.tree.final_entry().clone();
    assert!(last_final.height() > early.header().height);
    let conflict = Refusal::ConflictsWithFinal(last_final.height());
    assert_eq!(world.tree.check(&early).err(), Some(conflict.clone()));
    // A lie about the height does not help: the parent is known to be final.
    let mut header = early.header().clone();
    (header.parent, header.height) = (last_final.parent(), Height(500));
    assert_eq!(world.tree.check(&net.sign(header, vec![])).err(), Some(conflict));

    let head = world.tree.head();
    let again =
        Block::from_parts(head.header_bytes().to_vec(), &head.signature().0, vec![], &net.rules.genesis_hash);
    assert_eq!(world.tree.check(&again.unwrap()).err(), Some(Refusal::AlreadyKnown));
}

#[test]
fn a_far_tail_slot_is_valid_and_its_stamp_ties_it_to_time() {
    let world = world();
    let parent = world.tree.head().hash();
    let hours_later = world.net.block(&world.tree, &parent, 5000);
    let checked = world.tree.check(&hours_later).expect("any live producer is enough");
    assert_eq!(checked.entry().weight(), world.tree.head().weight() + 1);
    let mut header = hours_later.header().clone();
    header.slot = Slot(u64::MAX);
    let refusal = world.tree.check(&world.net.sign(header, vec![])).expect_err("not that slot's time");
    assert_eq!(refusal.reason(), "TOO_EARLY");
}

#[test]
fn prepare_refuses_whoever_may_not_produce_and_skips_what_does_not_fit() {
    let world = world();
    let parent = world.tree.head().hash();
    let window = world.tree.head().schedule().window(Slot(0));
    let prepare = |parent: &Hash, owner, stamp, candidates: Vec<SignedTransaction>| {
        world.tree.prepare(parent, Slot(0), owner, stamp, candidates)
    };
    let other = world.tree.head().schedule().window(Slot(1)).owner;
    let cases = [
        ("unknown parent", Hash([1; 32]), window.owner, window.opens_at, "UNKNOWN_PARENT"),
        ("another's slot", parent, other, window.opens_at, "NOT_SLOT_OWNER"),
        ("too late", parent, window.owner, window.closes_at, "TOO_LATE"),
    ];
    for (desc, parent, owner, stamp, reason) in cases {
        assert_eq!(prepare(&parent, owner, stamp, vec![]).expect_err(desc).reason(), reason, "{desc}");
    }
    let transfer = |nonce| world.net.transfer(2, nonce, Hash([7; 32]), 1);
    let candidates = vec![
        world.data(1, 1),
        world.data(0, 3600),
        world.data(1, 200),
        transfer(1),
        transfer(0),
        world.net.transfer(2, 1, Hash([7; 32]), u64::MAX),
        transfer(1),
        transfer(2),
    ];
    let (header, chosen) = prepare(&parent, window.owner, window.opens_at, candidates.clone()).unwrap();
    assert!(chosen == candidates[1..2], "the first that fits leaves no room for others");
    assert!(world.tree.check(&world.net.sign(header, chosen)).is_ok());
    let (header, chosen) = prepare(&parent, window.owner, window.opens_at, candidates[3..].to_vec()).unwrap();
    let expect = [4, 6, 7].map(|i| candidates[i].hash());
    assert_eq!(chosen.iter().map(SignedTransaction::hash).collect::<Vec<_>>(), expect);
    assert!(world.tree.check(&world.net.sign(header, chosen)).is_ok());
}
