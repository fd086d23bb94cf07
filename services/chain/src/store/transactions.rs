//! Where each transaction is: its place on the head's chain, or among those that wait.

use std::collections::BTreeMap;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use vision_primitives::{Hash, Height, SignedTransaction, TimestampMs};

use super::blocks::block_of;
use super::{BLOCKS, BlockRecord, CHAIN, Key, Store, StoreError, failed, record};

/// Transaction to (height, position). Written when a block joins the head's chain and never taken back: an
/// entry of a block that has left it no longer fits what lies at that height, and is as good as none.
pub(super) const PLACES: TableDefinition<&Key, (u64, u32)> = TableDefinition::new("places");
/// Transactions that wait.
pub(super) const WAITING: TableDefinition<&Key, &[u8]> = TableDefinition::new("waiting");

/// A transaction as it waits.
#[derive(Clone, PartialEq, Eq, Debug, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct WaitingRecord {
    /// When it came, by the wall clock.
    pub since: TimestampMs,
    /// How long the node had run then, milliseconds.
    pub running_ms: u64,
    /// Its signed bytes.
    pub bytes: Vec<u8>,
}

/// A transaction's place on the head's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Height of its block.
    pub height: Height,
    /// Hash of its block.
    pub block: Hash,
    /// Position in the block.
    pub index: u32,
    /// The block.
    pub record: BlockRecord,
}

impl Store {
    /// The block of the head's chain that a transaction is in.
    pub(crate) fn place_of(&self, transaction: &Hash) -> Result<Option<Place>, StoreError> {
        let read = self.begin_read()?;
        let places = read.open_table(PLACES).map_err(failed)?;
        let Some((height, index)) =
            places.get(transaction.as_bytes()).map_err(failed)?.map(|entry| entry.value())
        else {
            return Ok(None);
        };
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let Some(block) = chain.get(height).map_err(failed)?.map(|hash| Hash(*hash.value())) else {
            return Ok(None);
        };
        let blocks = read.open_table(BLOCKS).map_err(failed)?;
        let record = block_of(&blocks, &block)?;
        let there = usize::try_from(index).ok().and_then(|index| record.transactions.get(index));
        let fits = there
            .is_some_and(|bytes| SignedTransaction::hash_bytes(&self.genesis_hash, bytes) == *transaction);
        Ok(fits.then_some(Place { height: Height(height), block, index, record }))
    }

    /// Whether a transaction has ever been in a block of the head's chain. If it has and [`Store::place_of`]
    /// finds it nowhere, the chain has left its block.
    pub(crate) fn was_in_a_block(&self, transaction: &Hash) -> Result<bool, StoreError> {
        let read = self.begin_read()?;
        let places = read.open_table(PLACES).map_err(failed)?;
        Ok(places.get(transaction.as_bytes()).map_err(failed)?.is_some())
    }

    /// All transactions that wait, in no order that means anything.
    pub(crate) fn waiting(&self) -> Result<Vec<(Hash, WaitingRecord)>, StoreError> {
        let read = self.begin_read()?;
        let table = read.open_table(WAITING).map_err(failed)?;
        let rows = table.iter().map_err(failed)?;
        rows.map(|row| {
            let (key, value) = row.map_err(failed)?;
            Ok((Hash(*key.value()), record::open("waiting transaction", key.value(), value.value())?))
        })
        .collect()
    }

    /// Whether what is to wait does, and what is gone does not.
    pub(super) fn waits_as(
        &self,
        waiting: &BTreeMap<Hash, WaitingRecord>,
        gone: &[Hash],
    ) -> Result<bool, StoreError> {
        let read = self.begin_read()?;
        let table = read.open_table(WAITING).map_err(failed)?;
        let all = waiting.keys().map(|hash| (hash, true));
        for (hash, expected) in all.chain(gone.iter().map(|hash| (hash, false))) {
            if table.get(hash.as_bytes()).map_err(failed)?.is_some() != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes the places of a stored block's transactions.
    pub(super) fn note_places_of(
        &self,
        write: &WriteTransaction,
        height: Height,
        block: &BlockRecord,
    ) -> Result<(), StoreError> {
        let hashes = block.transactions.iter();
        let hashes: Vec<Hash> =
            hashes.map(|bytes| SignedTransaction::hash_bytes(&self.genesis_hash, bytes)).collect();
        note_places(write, height, &hashes)
    }

    /// Makes the tables of this file from what format 1 had; the store has format 2 afterwards.
    pub(super) fn upgrade_from_1(&self) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        write.open_table(WAITING).map_err(failed)?;
        {
            let chain = write.open_table(CHAIN).map_err(failed)?;
            let blocks = write.open_table(BLOCKS).map_err(failed)?;
            write.open_table(PLACES).map_err(failed)?;
            for row in chain.iter().map_err(failed)? {
                let (height, hash) = row.map_err(failed)?;
                let block = block_of(&blocks, &Hash(*hash.value()))?;
                self.note_places_of(&write, Height(height.value()), &block)?;
            }
            let mut meta = write.open_table(super::META).map_err(failed)?;
            meta.insert("format", 2_u64.to_le_bytes().as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }
}

/// Notes the places of a block's transactions.
pub(super) fn note_places(
    write: &WriteTransaction,
    height: Height,
    transactions: &[Hash],
) -> Result<(), StoreError> {
    let mut places = write.open_table(PLACES).map_err(failed)?;
    // In the order of the table each of its pages is come to once.
    let sorted: BTreeMap<&Hash, u32> = transactions.iter().zip(0..).collect();
    for (hash, index) in sorted {
        places.insert(hash.as_bytes(), (height.get(), index)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vision_ledger::{Changes, State};
    use vision_primitives::{encode, hash};

    use super::super::{Commit, FORMAT, Indexed, META, NewBlock, u64_of};
    use super::*;
    use vision_test_blocks::bare_header;

    use crate::fixtures::published;

    const GENESIS: Hash = Hash([1; 32]);
    const NOW: TimestampMs = TimestampMs(7);

    struct Fixture {
        store: Store,
        state: State,
        _home: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let home = tempfile::tempdir().expect("a folder");
            let state = State::from_parts([], [], 0);
            let store = Store::open(&home.path().join("chain.redb"), GENESIS, &state).expect("a store");
            Self { store, state, _home: home }
        }

        fn place(&self, transaction: &str) -> Option<(u64, Hash, u32)> {
            let place = self.store.place_of(&tx_hash(transaction)).expect("readable");
            place.map(|place| (place.height.get(), place.block, place.index))
        }

        fn waiting(&self) -> Vec<String> {
            let waiting = self.store.waiting().expect("readable").into_iter();
            let text = |(hash, record): (Hash, WaitingRecord)| {
                let known = ["w", "x", "y", "z"].into_iter().find(|name| tx_bytes(name) == record.bytes);
                assert_eq!(known.map(tx_hash), Some(hash));
                known.unwrap_or_default().to_owned()
            };
            let mut waiting: Vec<_> = waiting.map(text).collect();
            waiting.sort();
            waiting
        }
    }

    fn tx(name: &str) -> SignedTransaction {
        published(1, name, &GENESIS)
    }

    fn tx_hash(name: &str) -> Hash {
        tx(name).hash()
    }

    fn tx_bytes(name: &str) -> Vec<u8> {
        tx(name).bytes().to_vec()
    }

    /// Header of the block with this name: a letter and its height.
    fn header_of(name: &str) -> Vec<u8> {
        let (branch, height) = name.split_at(1);
        let height: u64 = height[..1].parse().expect("a height");
        encode(&bare_header(height, block(&format!("{branch}{}", height - 1)), 0))
    }

    fn block(name: &str) -> Hash {
        hash(&[name.as_bytes()])
    }

    fn waits(name: &str) -> (Hash, WaitingRecord) {
        (tx_hash(name), WaitingRecord { since: NOW, running_ms: 5, bytes: tx_bytes(name) })
    }

    /// New blocks, each with its transactions, and what the chain is from the first height named on.
    fn commit(new: &[(&str, &[&str])], chain: &[(u64, Option<&str>)]) -> Commit {
        let blocks = new.iter().map(|(name, transactions)| {
            let bodies = transactions.iter().map(|name| tx_bytes(name)).collect();
            NewBlock {
                hash: block(name),
                record: BlockRecord { header: header_of(name), signature: vec![], transactions: bodies },
                changes: Changes { accounts: vec![], producers: vec![], supply: 0 },
                transactions: transactions.iter().map(|name| Indexed::of(&tx(name))).collect(),
            }
        });
        Commit {
            blocks: blocks.collect(),
            head: chain.iter().rev().find_map(|(_, name)| name.map(block)),
            chain: chain.iter().map(|(height, name)| (Height(*height), name.map(block))).collect(),
            ..Commit::default()
        }
    }

    #[test]
    fn a_place_is_that_on_the_heads_chain_through_every_reorganisation() {
        let fixture = Fixture::new();
        let write = |commit: &Commit| fixture.store.commit(commit).expect("written");
        write(&commit(&[("a1", &["x", "y"]), ("a2", &["z"])], &[(1, Some("a1")), (2, Some("a2"))]));
        let places = || ["x", "y", "z", "w"].map(|name| fixture.place(name));
        let on_a = [Some((1, block("a1"), 0)), Some((1, block("a1"), 1)), Some((2, block("a2"), 0)), None];
        assert_eq!(places(), on_a);
        // Another branch: x elsewhere, y nowhere, z further down than before.
        let other: [(&str, &[&str]); 3] = [("b1", &["w"]), ("b2", &["w2", "x"]), ("b3", &["z"])];
        let to_b = [(1, None), (2, None), (1, Some("b1")), (2, Some("b2")), (3, Some("b3"))];
        write(&commit(&other, &to_b));
        let on_b = [Some((2, block("b2"), 1)), None, Some((3, block("b3"), 0)), Some((1, block("b1"), 0))];
        assert_eq!(places(), on_b);
        let known =
            ["y", "w", "never"].map(|name| fixture.store.was_in_a_block(&tx_hash(name)).expect("readable"));
        assert_eq!(known, [true, true, false], "that y was in a block is still known");
        // Back again, to blocks that are known, and over to the other one within the same turn.
        let to_a = [(1, None), (2, None), (3, None), (1, Some("a1")), (2, Some("a2"))];
        write(&commit(&[], &to_a));
        assert_eq!(places(), on_a);
        write(&commit(&[], &[to_b.as_slice(), &to_a].concat()));
        assert_eq!(places(), on_a);
    }

    #[test]
    fn what_waits_is_written_and_goes_with_the_turn_that_says_so() {
        let fixture = Fixture::new();
        let waiting = [waits("x"), waits("y")].into();
        fixture.store.commit(&Commit { waiting, ..Commit::default() }).expect("written");
        let gone = vec![tx_hash("x"), tx_hash("never there")];
        let turn = Commit { waiting: [waits("z")].into(), gone, ..Commit::default() };
        assert!(!fixture.store.waits_as(&turn.waiting, &turn.gone).expect("readable"));
        // The disk failed: whether before or after it took the turn, the turn is there afterwards, once.
        for _ in 0..2 {
            fixture.store.reopen_and_commit(&turn).expect("written");
            assert_eq!(fixture.waiting(), ["y", "z"]);
            assert!(fixture.store.waits_as(&turn.waiting, &turn.gone).expect("readable"));
        }
        assert_eq!(fixture.store.meta_hash("head").expect("there"), GENESIS, "no head was named");
        // A head that has not moved says nothing of what waits.
        let turn = Commit { head: Some(GENESIS), waiting: [waits("w")].into(), ..Commit::default() };
        fixture.store.reopen_and_commit(&turn).expect("written");
        assert_eq!(fixture.waiting(), ["w", "y", "z"]);
    }

    #[test]
    fn transactions_of_blocks_that_are_left_at_start_wait_again() {
        let fixture = Fixture::new();
        let chain = [(1, Some("a1")), (2, Some("a2"))];
        let mut blocks = commit(&[("a1", &["x"]), ("a2", &["y"]), ("b2", &["z"])], &chain);
        blocks.waiting.extend([waits("w")]);
        fixture.store.commit(&blocks).expect("written");
        let same = [(Height(1), block("a1")), (Height(2), block("a2"))];
        fixture.store.align_chain(&same, NOW).expect("written");
        assert_eq!(fixture.waiting(), ["w"]);
        let other = [(Height(1), block("a1")), (Height(2), block("b2"))];
        fixture.store.align_chain(&other, NOW).expect("written");
        assert_eq!(fixture.waiting(), ["w", "y"], "x is in a block still");
        assert_eq!((fixture.place("y"), fixture.place("z")), (None, Some((2, block("b2"), 0))));
    }

    #[test]
    fn a_store_of_the_first_format_is_upgraded_when_opened() {
        let Fixture { store, state, _home } = Fixture::new();
        let chain = [(1, Some("a1")), (2, Some("a2"))];
        store
            .commit(&commit(&[("a1", &["x", "y"]), ("a2", &["z"]), ("b2", &["w"])], &chain))
            .expect("written");
        let path = store.path.clone();
        let set_format = |store: &Store, format: u64| {
            let write = store.begin_write().expect("writable");
            write.delete_table(PLACES).expect("there");
            write.delete_table(WAITING).expect("there");
            let mut meta = write.open_table(META).expect("there");
            meta.insert("format", format.to_le_bytes().as_slice()).expect("writable");
            drop(meta);
            write.commit().expect("written");
            store.close();
        };
        set_format(&store, 1);
        let store = Store::open(&path, GENESIS, &state).expect("upgraded");
        let upgraded = Fixture { store, state, _home };
        let places = ["x", "y", "z", "w"].map(|name| upgraded.place(name));
        let expect =
            [(1, "a1", 0), (1, "a1", 1), (2, "a2", 0)].map(|(height, name, at)| (height, block(name), at));
        assert_eq!(places, [Some(expect[0]), Some(expect[1]), Some(expect[2]), None]);
        assert_eq!(upgraded.waiting(), Vec::<String>::new());
        let format = upgraded.store.meta("format").expect("readable").expect("there");
        assert_eq!(u64_of("format", &format).expect("a number"), FORMAT);
        set_format(&upgraded.store, FORMAT + 1);
        let newer = Store::open(&path, GENESIS, &upgraded.state).err();
        assert!(matches!(newer, Some(StoreError::Format { found }) if found == FORMAT + 1), "{newer:?}");
    }
}
