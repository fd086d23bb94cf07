use vision_ledger::{Changes, State};
use vision_primitives::{SecretKey, encode, hash};
use vision_test_blocks::bare_header;

use super::super::{Ahead, Commit, FORMAT, NewBlock, Position};
use super::page::*;
use super::*;
use crate::fixtures::published;

const GENESIS: Hash = Hash([1; 32]);
const ALICE: u8 = 1;
const BOB: u8 = 2;

fn address(sender: u8) -> Address {
    SecretKey::from_seed(&[sender; 32]).public_key().id()
}

fn block(name: &str) -> Hash {
    if name.ends_with('0') { GENESIS } else { hash(&[name.as_bytes()]) }
}

/// Senders and texts of a block's transactions.
type Texts<'a> = &'a [(u8, &'a str)];

/// A block named by its branch and its height.
fn new_block(name: &str, transactions: Texts<'_>) -> NewBlock {
    let (branch, height) = name.split_at(1);
    let height: u64 = height.parse().expect("a height");
    let parent = block(&format!("{branch}{}", height - 1));
    let signed: Vec<_> =
        transactions.iter().map(|(sender, text)| published(*sender, text, &GENESIS)).collect();
    NewBlock {
        hash: block(name),
        record: BlockRecord {
            header: encode(&bare_header(height, parent, 0)),
            signature: vec![7; 64],
            transactions: signed.iter().map(|signed| signed.bytes().to_vec()).collect(),
        },
        changes: Changes { accounts: vec![], producers: vec![], supply: 0 },
        transactions: signed.iter().map(Indexed::of).collect(),
    }
}

fn commit(new: &[(&str, Texts<'_>)], chain: &[(u64, Option<&str>)]) -> Commit {
    Commit {
        blocks: new.iter().map(|(name, transactions)| new_block(name, transactions)).collect(),
        chain: chain.iter().map(|(height, name)| (Height(*height), name.map(block))).collect(),
        ..Commit::default()
    }
}

fn open(home: &tempfile::TempDir) -> Result<Store, StoreError> {
    Store::open(&home.path().join("chain.redb"), GENESIS, &State::from_parts([], [], 0))
}

fn texts(page: &TransactionPage) -> Vec<String> {
    let text = |listed: &Listed| match &listed.transaction.transaction().action {
        Action::Data { bytes } => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    };
    page.found.iter().map(text).collect()
}

/// All of a list, by pages of so many.
fn all(store: &Store, wanted: &Wanted, items: usize) -> Vec<String> {
    let (mut below, mut found) = (None, Vec::new());
    loop {
        let page = store.list(wanted, below, items, usize::MAX).expect("readable");
        assert!(page.found.len() <= items);
        found.extend(texts(&page));
        below = page.next;
        if below.is_none() {
            return found;
        }
    }
}

fn data(prefix: &str) -> Wanted {
    Wanted::Data(prefix.into())
}

fn three_blocks(home: &tempfile::TempDir) -> Store {
    let store = open(home).expect("a store");
    let blocks: [(&str, Texts<'_>); 3] = [
        ("a1", &[(ALICE, "doc:1"), (BOB, "doc:2"), (ALICE, "note")]),
        ("a2", &[]),
        ("a3", &[(BOB, "doc:3"), (ALICE, "doc:1"), (ALICE, "")]),
    ];
    store.commit(&commit(&blocks, &[(1, Some("a1")), (2, Some("a2")), (3, Some("a3"))])).expect("written");
    store
}

#[test]
fn transactions_are_found_by_sender_and_by_data_newest_first_in_pages_of_any_size() {
    let home = tempfile::tempdir().expect("a folder");
    let store = three_blocks(&home);
    let both = |sender, prefix: &str| Wanted::Both(address(sender), prefix.into());
    let cases: [(&str, Wanted, &[&str]); 9] = [
        ("of a sender", Wanted::Sender(address(ALICE)), &["", "doc:1", "note", "doc:1"]),
        ("of another", Wanted::Sender(address(BOB)), &["doc:3", "doc:2"]),
        ("of nobody", Wanted::Sender(address(9)), &[]),
        ("by the beginning of data", data("doc:"), &["doc:1", "doc:3", "doc:2", "doc:1"]),
        ("by all of it", data("doc:1"), &["doc:1", "doc:1"]),
        ("by more than there is", data("doc:11"), &[]),
        ("by one byte", data("n"), &["note"]),
        ("of a sender by data", both(ALICE, "doc"), &["doc:1", "doc:1"]),
        ("of a sender who has none", both(BOB, "note"), &[]),
    ];
    for (desc, wanted, expect) in cases {
        for items in [1, 2, 3, 50] {
            assert_eq!(all(&store, &wanted, items), expect, "{desc}, {items} a page");
        }
    }
    let page = store.list(&data("doc:3"), None, 5, 0).expect("readable");
    let [found] = &page.found[..] else { panic!("{page:?}") };
    assert_eq!((found.height, found.block, found.index), (Height(3), block("a3"), 0));
    assert_eq!((page.next, page.up_to), (None, Height(3)));
}

#[test]
fn data_is_distinguished_from_the_place_behind_it() {
    let home = tempfile::tempdir().expect("a folder");
    let store = open(&home).expect("a store");
    // The height of its block is big-endian behind the data: zeros, and then a 7.
    store.commit(&commit(&[("a7", &[(ALICE, "x")])], &[(7, Some("a7"))])).expect("written");
    assert_eq!(all(&store, &data("x\0\0"), 5), Vec::<String>::new());
    assert_eq!(all(&store, &data("x"), 5), ["x"]);
}

#[test]
fn of_long_data_the_first_bytes_count() {
    let home = tempfile::tempdir().expect("a folder");
    let store = open(&home).expect("a store");
    let long = "l".repeat(MAX_DATA_HEAD_BYTES + 9);
    store.commit(&commit(&[("a1", &[(ALICE, &long)])], &[(1, Some("a1"))])).expect("written");
    assert_eq!(all(&store, &data(&long[..MAX_DATA_HEAD_BYTES]), 5), [long]);
}

#[test]
fn a_page_ends_at_its_bytes_and_goes_on_there() {
    let home = tempfile::tempdir().expect("a folder");
    let store = three_blocks(&home);
    let (mut below, mut found) = (None, Vec::new());
    loop {
        let page = store.list(&data("doc"), below, 50, 1).expect("readable");
        assert_eq!(page.found.len(), 1, "one at least");
        found.extend(texts(&page));
        below = page.next;
        if below.is_none() {
            break;
        }
    }
    assert_eq!(found, ["doc:1", "doc:3", "doc:2", "doc:1"]);
}

#[test]
fn data_that_very_many_have_is_found_newest_first_too() {
    let home = tempfile::tempdir().expect("a folder");
    let store = open(&home).expect("a store");
    let names: Vec<String> = (0..MAX_PICKED_AMONG + 2).map(|n| format!("many {n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (ALICE, name.as_str())).collect();
    let blocks: [(&str, Texts<'_>); 2] = [("a1", &many), ("a2", &[(BOB, "few")])];
    store.commit(&commit(&blocks, &[(1, Some("a1")), (2, Some("a2"))])).expect("written");
    let mut expect: Vec<_> = names.clone();
    expect.reverse();
    assert_eq!(all(&store, &data("many"), 500), expect);
    assert_eq!(all(&store, &data("few"), 500), ["few"]);
}

#[test]
fn what_a_reorganisation_leaves_is_found_no_more_and_its_parent_is_known() {
    let home = tempfile::tempdir().expect("a folder");
    let store = three_blocks(&home);
    let other: [(&str, Texts<'_>); 2] = [("b2", &[(BOB, "doc:3")]), ("b3", &[])];
    let to_b = [(2, None), (3, None), (2, Some("b2")), (3, Some("b3"))];
    store.commit(&commit(&other, &to_b)).expect("written");
    assert_eq!(all(&store, &data("doc"), 1), ["doc:3", "doc:2", "doc:1"]);
    assert_eq!(all(&store, &Wanted::Sender(address(ALICE)), 1), ["note", "doc:1"]);
    // Pruned, as when the other branch is final: that it was there is still known.
    let prune = Commit { pruned: vec![block("a3"), block("a2")], ..Commit::default() };
    store.commit(&prune).expect("written");
    let left = |height, name: &str| {
        let position = Position { height: Height(height), index: 0, block: block(name) };
        match store.ahead(&position).expect("readable") {
            Ahead::Left(parent) => Some((parent.height.get(), parent.block)),
            Ahead::Unknown => None,
            blocks => panic!("{blocks:?}"),
        }
    };
    assert_eq!([left(3, "a3"), left(2, "a2")], [Some((2, block("a2"))), Some((1, block("a1")))]);
    assert_eq!([left(2, "a3"), left(3, "never")], [None, None]);
    // At start the index follows the chain that is found then.
    let aligned = [(Height(2), block("b2"))];
    store.align_chain(&aligned, vision_primitives::TimestampMs(5)).expect("written");
    assert_eq!(left(3, "b3"), Some((2, block("b2"))));
    store.align_chain(&[(Height(1), block("a1"))], vision_primitives::TimestampMs(5)).expect("written");
    assert_eq!(all(&store, &data("doc"), 1), ["doc:2", "doc:1"]);
    store.close();
    assert!(open(&home).is_ok(), "the number of rows is right");
}

/// Makes a store look as if written by format 4.
fn to_format_4(store: &Store) {
    let write = store.begin_write().expect("writable");
    write.delete_table(BY_SENDER).expect("there");
    write.delete_table(BY_DATA).expect("there");
    write.delete_table(DATA).expect("there");
    write.delete_table(LEFT).expect("there");
    let mut meta = write.open_table(META).expect("there");
    meta.remove(INDEXED).expect("writable");
    meta.insert("format", 4_u64.to_le_bytes().as_slice()).expect("writable");
    drop(meta);
    write.commit().expect("written");
}

#[test]
fn a_store_of_format_4_is_upgraded_when_opened_and_again_where_that_was_broken_off() {
    let home = tempfile::tempdir().expect("a folder");
    let store = three_blocks(&home);
    let doc = |store: &Store| all(store, &data("doc"), 2);
    let whole = doc(&store);
    to_format_4(&store);
    store.close();
    let store = open(&home).expect("upgraded");
    assert_eq!(doc(&store), whole);
    let format = store.meta("format").expect("readable").expect("there");
    assert_eq!(u64_of("format", &format).expect("a number"), FORMAT);

    // Killed after a part of it: nobody sees that part, and the rest is made at the next start.
    for steps in 0..3 {
        to_format_4(&store);
        let write = store.begin_write().expect("writable");
        create(&write).expect("made");
        let mut meta = write.open_table(META).expect("there");
        meta.insert(INDEXING, 1_u64.to_le_bytes().as_slice()).expect("writable");
        meta.insert("format", 5_u64.to_le_bytes().as_slice()).expect("writable");
        drop(meta);
        write.commit().expect("written");
        for _ in 0..steps {
            assert!(!store.index_some(1).expect("written"), "more is left");
        }
        let copy = tempfile::tempdir().expect("a folder");
        std::fs::copy(home.path().join("chain.redb"), copy.path().join("chain.redb")).expect("copied");
        let resumed = open(&copy).expect("resumed");
        assert_eq!(doc(&resumed), whole, "after {steps} steps");
        store.make_index().expect("made");
        assert_eq!(doc(&store), whole);
    }
}

#[test]
fn an_index_that_is_not_whole_is_refused() {
    type Remove = fn(&WriteTransaction);
    let remove: [(&str, Remove); 4] = [
        ("a sender's row", |write| {
            write.open_table(BY_SENDER).expect("there").pop_first().expect("written");
        }),
        ("a row by data", |write| {
            write.open_table(BY_DATA).expect("there").pop_first().expect("written");
        }),
        ("data", |write| {
            write.open_table(DATA).expect("there").pop_first().expect("written");
        }),
        ("how many rows there are", |write| {
            write.open_table(META).expect("there").remove(INDEXED).expect("written");
        }),
    ];
    for (desc, remove) in remove {
        let home = tempfile::tempdir().expect("a folder");
        let store = three_blocks(&home);
        let write = store.begin_write().expect("writable");
        remove(&write);
        write.commit().expect("written");
        store.close();
        let refused = open(&home).err();
        assert!(matches!(refused, Some(StoreError::Corrupt(_))), "{desc}: {refused:?}");
    }
}

#[test]
fn a_row_that_does_not_fit_its_block_is_corruption() {
    let home = tempfile::tempdir().expect("a folder");
    let store = three_blocks(&home);
    let write = store.begin_write().expect("writable");
    {
        let mut by_sender = write.open_table(BY_SENDER).expect("there");
        by_sender.insert((address(BOB).as_bytes(), 1, 0), ()).expect("writable");
        by_sender.insert((address(9).as_bytes(), 1, 7), ()).expect("writable");
    }
    write.commit().expect("written");
    for sender in [BOB, 9] {
        let listed = store.list(&Wanted::Sender(address(sender)), None, 9, usize::MAX);
        assert!(matches!(listed, Err(StoreError::Corrupt(_))), "{listed:?}");
    }
}
