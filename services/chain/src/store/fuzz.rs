//! A damaged store is refused, or all that is in it is as it was; rows that open seal to the same bytes.

use std::fmt::Debug;
use std::sync::LazyLock;

use borsh::{BorshDeserialize, BorshSerialize};
use vision_fuzz::GoodFile;
use vision_primitives::hash;
use vision_test_blocks::{Net, id};

use super::record::{open, seal};
use super::*;

const CHECKSUM_BYTES: usize = 8;
const BLOCKS: u64 = 5;

/// A good store's file, and what is in it.
struct Good {
    home: tempfile::TempDir,
    genesis_hash: Hash,
    genesis_state: State,
    file: GoodFile,
    seen: Vec<String>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let (home, net) = (tempfile::tempdir().expect("a folder"), Net::of(3));
    let mut tree = net.tree();
    let (genesis_hash, genesis_state) = (net.rules.genesis_hash, tree.head().state().clone());
    let path = home.path().join("chain.redb");
    let store = Store::open(&path, genesis_hash, &genesis_state).expect("a store");
    for nonce in 0..BLOCKS {
        let parent = tree.head().clone();
        let block = net.block_at(&tree, &parent.hash(), 0, 0, &[net.transfer(1, nonce, id(2), 5)]);
        let checked = tree.check(&block).expect("a good block");
        let (record, changes) = (BlockRecord::of(&block), checked.changes().clone());
        tree.insert(checked, false);
        let transactions = block.transactions().iter().map(Indexed::of).collect();
        let commit = Commit {
            blocks: vec![NewBlock { hash: block.hash(), record, changes, transactions }],
            head: Some(block.hash()),
            chain: vec![(block.header().height, Some(block.hash()))],
            ..Commit::default()
        };
        store.commit(&commit).expect("written");
    }
    let seen = sight(&store).expect("a whole store");
    store.close();
    let file = GoodFile::new(std::fs::read(&path).expect("read"));
    Good { home, genesis_hash, genesis_state, file, seen }
});

/// All that can be read of a store.
fn sight(store: &Store) -> Result<Vec<String>, StoreError> {
    let Loaded { final_hash, final_record, final_state, open } = store.load()?;
    let mut seen = vec![format!("{final_hash} {final_record:?} {}", final_state.root())];
    seen.extend(open.iter().map(|row| format!("{row:?}")));
    seen.extend(store.headers(Stretch::From(Height(0)), 99)?.iter().map(|row| format!("{row:?}")));
    seen.push(format!("{:?}", store.producers_at(Height(0))?));
    Ok(seen)
}

fn run_file(bytes: &[u8]) {
    let (file, path) = (GOOD.file.damaged(bytes), GOOD.home.path().join("chain.redb"));
    let is_whole = GOOD.file.is_whole(&file);
    std::fs::write(&path, file).expect("written");
    let opened = Store::open(&path, GOOD.genesis_hash, &GOOD.genesis_state);
    let seen = opened.and_then(|store| {
        let seen = sight(&store);
        store.close();
        seen
    });
    match seen {
        Ok(seen) => assert_eq!(seen, GOOD.seen),
        Err(error) => assert!(!is_whole && !error.to_string().is_empty(), "{error}"),
    }
}

/// The payload with a right check sum, and with the bytes' own.
fn check_row<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(bytes: &[u8]) {
    let sum = hash(&[b"vision/store/v1", b"key", bytes]).first_u64().to_le_bytes();
    let sealed = [bytes, &sum[..CHECKSUM_BYTES]].concat();
    if let Ok(row) = open::<T>("row", b"key", &sealed) {
        assert_eq!(seal(b"key", &row), sealed);
    }
    assert!(open::<T>("row", b"other", &sealed).is_err(), "of another key");
    if let Ok(row) = open::<T>("row", b"key", bytes) {
        assert_eq!(seal(b"key", &row), bytes);
    }
}

fn run_rows(bytes: &[u8]) {
    check_row::<BlockRecord>(bytes);
    check_row::<HeaderRecord>(bytes);
    check_row::<Account>(bytes);
    check_row::<Producer>(bytes);
    check_row::<Changes>(bytes);
    check_row::<Fate>(bytes);
    check_row::<WaitingRecord>(bytes);
}

#[test]
fn a_damaged_store_is_refused_or_as_it_was() {
    vision_fuzz::check("store_file", run_file, 150);
}

#[test]
fn rows_that_open_seal_to_the_same_bytes() {
    vision_fuzz::check("store_rows", run_rows, 5_000);
}
