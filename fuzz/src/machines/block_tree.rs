//! Whatever blocks come, in whatever order: nothing panics, a refused one leaves the tree as it was, what
//! `prepare` makes is accepted and nothing else, and the tree stays a tree within its bound.
use std::sync::LazyLock;

use crate::{All, input};
use arbitrary::Arbitrary;
use vision_block_tree::{BlockRef, BlockTree, ChainChange, CheckedBlock, Inserted, MAX_SIBLINGS, Refusal};
use vision_primitives::{Block, Hash, Header, Height, Signature, SignedTransaction, Tag};
use vision_test_blocks::{Net, genesis, id};

/// So small that blocks are evicted, and become final, after a few steps.
const MAX_OPEN_BLOCKS: usize = 4;
const MAX_STEPS: usize = 24;

static NET: LazyLock<Net> = LazyLock::new(|| Net::new(genesis(3)));

#[derive(Arbitrary, Debug)]
struct Step {
    parent: u8,
    slot: u8,
    delay_ms: u8,
    transfers: u8,
    late: bool,
    /// Taken as a part of a branch that was asked for.
    fetched: bool,
    /// Checked now, inserted at the end.
    held: bool,
    bends: Vec<Bend>,
    /// What is made right again after the bends.
    reseal: bool,
    sign: bool,
}

#[derive(Arbitrary, Debug)]
enum Bend {
    Version(u16),
    Height(u64),
    Parent(u8),
    Stamp(i16),
    Slot(u64),
    Producer(u8),
    Weight(i8),
    Hash {
        field: u8,
        bit: u8,
    },
    /// The others are of the body.
    Without(u8),
    Twice(u8),
    Reverse,
    Bent {
        which: u8,
        byte: u16,
        by: u8,
    },
}

fn bend_header(header: &mut Header, bend: &Bend, made: &[Hash]) {
    match *bend {
        Bend::Version(version) => header.version = version,
        Bend::Height(height) => header.height = Height(height),
        Bend::Parent(index) => header.parent = made[usize::from(index) % made.len()],
        Bend::Stamp(ms) => header.timestamp_ms.0 = header.timestamp_ms.0.saturating_add_signed(i64::from(ms)),
        Bend::Slot(slot) => header.slot.0 = slot,
        Bend::Producer(seed) => header.producer = id(seed % 5),
        Bend::Weight(by) => header.weight = header.weight.saturating_add_signed(i64::from(by)),
        Bend::Hash { field, bit } => {
            let fields = [
                &mut header.tx_root,
                &mut header.state_root,
                &mut header.pool_root,
                &mut header.certificate_hash,
                &mut header.reveal,
                &mut header.mix,
            ];
            let count = fields.len();
            if let Some(hash) = fields.into_iter().nth(usize::from(field) % count) {
                hash.0[usize::from(bit / 8)] ^= 1 << (bit % 8);
            }
        }
        _ => {}
    }
}

fn bend_body(body: &mut Vec<SignedTransaction>, bend: &Bend) {
    let count = body.len();
    if count == 0 {
        return;
    }
    match *bend {
        Bend::Without(which) => drop(body.remove(usize::from(which) % count)),
        Bend::Twice(which) => body.push(body[usize::from(which) % count].clone()),
        Bend::Reverse => body.reverse(),
        Bend::Bent { which, byte, by } => {
            let mut bytes = body[usize::from(which) % count].bytes().to_vec();
            let at = usize::from(byte) % bytes.len();
            bytes[at] ^= by;
            if let Ok(bent) = SignedTransaction::from_bytes(bytes, &NET.rules.genesis_hash) {
                body[usize::from(which) % count] = bent;
            }
        }
        _ => {}
    }
}

/// A known block: whether it came late, and its children.
type Known = (Hash, bool, Vec<Hash>);

/// All that can be seen of a tree: head, last final block, locator, known blocks.
fn sight(tree: &BlockTree) -> (Hash, Hash, Vec<Hash>, Vec<Known>) {
    let known = tree.entries().map(|e| (e.hash(), e.late(), tree.children(&e.hash()).to_vec())).collect();
    (tree.head().hash(), tree.final_entry().hash(), tree.locator(), known)
}

fn check_tree(tree: &BlockTree) {
    assert!(tree.side_blocks() <= MAX_OPEN_BLOCKS);
    assert!(tree.open_blocks() - tree.side_blocks() <= MAX_OPEN_BLOCKS);
    assert_eq!(tree.open_blocks() + 1, tree.entries().count());
    assert_eq!(
        tree.open_blocks(),
        tree.entries().map(|entry| tree.children(&entry.hash()).len()).sum::<usize>()
    );
    let last_final = tree.final_entry();
    for entry in tree.entries().filter(|entry| entry.hash() != last_final.hash()) {
        let parent = tree.get(&entry.parent()).expect("its parent is there");
        assert_eq!(entry.height(), parent.height().next());
        assert!(entry.weight() > parent.weight() && entry.timestamp_ms() >= parent.timestamp_ms());
        assert_eq!(tree.children(&parent.hash()).iter().filter(|child| **child == entry.hash()).count(), 1);
        assert!(tree.is_ancestor(&last_final.hash(), &entry.hash()));
        let of_producer =
            |child: &&Hash| tree.get(child).is_some_and(|other| other.producer() == entry.producer());
        assert!(tree.children(&parent.hash()).iter().filter(of_producer).count() <= MAX_SIBLINGS);
    }
    let mut below = last_final.hash();
    for height in last_final.height().get() + 1..=tree.head().height().get() {
        let entry = tree.canonical(Height(height)).expect("the head's chain has no gap");
        assert_eq!(entry.parent(), below);
        below = entry.hash();
    }
    assert_eq!(below, tree.head().hash());
    if !tree.entries().any(|entry| entry.late()) {
        assert!(tree.entries().all(|entry| entry.weight() <= tree.head().weight()), "the heaviest is head");
    }
}

fn insert(tree: &mut BlockTree, checked: CheckedBlock, late: bool, fetched: bool) {
    let (before, old_head, hash) = (sight(tree), tree.head().hash(), checked.hash());
    let Inserted { stored, change: ChainChange { head, newly_final, pruned } } = match fetched {
        true => tree.insert_fetched(checked),
        false => tree.insert(checked, late),
    };
    assert!(pruned.iter().all(|gone| tree.get(gone).is_none()));
    if let Some(last) = newly_final.last() {
        assert_eq!(*last, BlockRef::of(tree.final_entry()));
    }
    match head {
        Some(change) => {
            assert_eq!((change.old.hash(), change.new.hash()), (old_head, tree.head().hash()));
            assert_ne!(change.old.hash(), change.new.hash());
            assert_eq!(change.joined.last(), Some(&BlockRef::of(&change.new)));
            assert_eq!(change.left.is_empty(), change.common.hash == old_head);
            let joined = change.new.height().above(change.common.height);
            assert_eq!(change.joined.len() as u64, joined);
        }
        None => assert_eq!(tree.head().hash(), old_head),
    }
    if stored {
        let again = tree.get(&hash).expect("it was stored").clone();
        assert!(again.late() == (late && !fetched));
    } else {
        assert_eq!(sight(tree), before, "what is not stored changes nothing");
    }
    check_tree(tree);
}

/// What was accepted is signed, and is what `prepare` makes of the same transactions.
fn check_accepted(tree: &BlockTree, block: &Block) {
    let (header, body, genesis_hash) = (block.header(), block.transactions(), &NET.rules.genesis_hash);
    let Header { parent, slot, producer, timestamp_ms, .. } = header;
    let prepared = tree.prepare(parent, *slot, *producer, *timestamp_ms, body.iter().cloned());
    assert_eq!(prepared, Ok((header.clone(), body.to_vec())));
    assert!(body.iter().all(|signed| signed.verify(genesis_hash).is_ok()));
    let key = NET.keys[producer].public_key();
    let signed = key.verify(Tag::Block, genesis_hash, block.hash().as_bytes(), block.signature());
    assert!(signed.is_ok());
}

fn bent(step: &Step, good: Block, made: &[Hash], tree: &BlockTree) -> Block {
    let (mut header, mut body) = (good.header().clone(), good.transactions().to_vec());
    for bend in step.bends.iter().take(4) {
        bend_header(&mut header, bend, made);
        bend_body(&mut body, bend);
    }
    if step.reseal && NET.rules.genesis_hash != header.parent && known_to(tree, &header) {
        header = NET.reseal(tree, header, &body);
    }
    if step.sign && NET.keys.contains_key(&header.producer) {
        return NET.sign(header, body);
    }
    Block::assemble(header, *good.signature(), body, &NET.rules.genesis_hash)
}

/// Whether the ledger can run it at all: it asks for a known parent and a known producer.
fn known_to(tree: &BlockTree, header: &Header) -> bool {
    tree.get(&header.parent).is_some_and(|parent| parent.state().producer(&header.producer).is_some())
        && header.slot.get() < 1000
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step>>(bytes) else { return };
    let mut tree = NET.tree().with_max_open_blocks(MAX_OPEN_BLOCKS);
    let (mut made, mut held) = (vec![tree.head().hash()], Vec::new());
    for step in steps.iter().take(MAX_STEPS) {
        let known: Vec<Hash> = made.iter().filter(|hash| tree.get(hash).is_some()).copied().collect();
        let parent = known[known.len() - 1 - usize::from(step.parent) % known.len()];
        let state = tree.get(&parent).expect("known").state().clone();
        // Two of one sender: without the first, or in another order, they do not apply.
        let next = |from: u8| state.account(&id(from)).nonce;
        let transfer = |(from, above)| NET.transfer(from, next(from) + above, id(3), 5);
        let transfers: Vec<_> = [(1, 0), (1, 1), (2, 0)]
            .into_iter()
            .take(usize::from(step.transfers % 4))
            .map(transfer)
            .collect();
        let good = NET.block_at(&tree, &parent, u64::from(step.slot), u64::from(step.delay_ms), &transfers);
        let original = good.hash();
        let block = bent(step, good, &made, &tree);
        let _ = tree.check_claim(block.header_bytes(), block.signature(), block.header().timestamp_ms);

        let before = sight(&tree);
        match tree.check(&block) {
            Ok(checked) => {
                check_accepted(&tree, &block);
                made.push(block.hash());
                if step.held {
                    held.push((checked, step.late, step.fetched));
                } else {
                    insert(&mut tree, checked, step.late, step.fetched);
                    let again = tree.check(&block).err();
                    assert!(again == Some(Refusal::AlreadyKnown) || tree.get(&block.hash()).is_none());
                }
            }
            Err(refusal) => {
                assert_eq!(sight(&tree), before);
                assert!(!refusal.to_string().is_empty());
                let untouched = block.hash() == original && step.bends.is_empty();
                assert!(
                    !untouched || refusal == Refusal::AlreadyKnown,
                    "a prepared block is good: {refusal}"
                );
                if refusal.is_header_fault() && NET.keys.contains_key(&block.header().producer) {
                    let signed = NET.sign(block.header().clone(), block.transactions().to_vec());
                    assert!(tree.check(&signed).is_err(), "no signature mends {refusal}");
                }
                let zero = Block::assemble(
                    block.header().clone(),
                    Signature::ZERO,
                    Vec::new(),
                    &NET.rules.genesis_hash,
                );
                assert!(tree.check(&zero).is_err(), "an unsigned block is never taken");
            }
        }
    }
    for (checked, late, fetched) in held {
        insert(&mut tree, checked, late, fetched);
    }
}
