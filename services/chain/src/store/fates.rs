//! What became of transactions that were acknowledged and are in no block: two tables, so that what is too
//! old goes without a walk over the rest.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use vision_mempool::DropReason;
use vision_primitives::{Hash, TimestampMs};

use super::transactions::{WAITING, WaitingRecord};
use super::{Key, META, Store, StoreError, failed, record, u64_of};

/// A fate can be asked for at least so long while the node runs, milliseconds, and at most twice as long.
const FATES_KEPT_MS: u64 = 3_600_000;
/// Fates noted since the tables last changed places.
pub(super) const FATES: TableDefinition<&Key, &[u8]> = TableDefinition::new("fates");
/// Those noted before.
const OLDER_FATES: TableDefinition<&Key, &[u8]> = TableDefinition::new("older_fates");
/// How long the node had run when the tables last changed places, milliseconds.
const SINCE: &str = "fates_since";
/// How long the node had run at the last commit, milliseconds.
const RUNNING: &str = "running_ms";

/// What became of a transaction that waits no more and is in no block.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Fate {
    /// The stable name of why it was dropped.
    pub reason: String,
    /// When.
    pub at: TimestampMs,
    /// The transaction that took its place.
    pub replaced_by: Option<Hash>,
}

impl Fate {
    /// That of one that was dropped.
    pub(crate) fn new(why: &DropReason, at: TimestampMs) -> Self {
        let replaced_by = match why {
            DropReason::Replaced { by } => Some(*by),
            _ => None,
        };
        Self { reason: why.reason().to_owned(), at, replaced_by }
    }
}

/// A waiting transaction as format 3 had it.
#[derive(BorshDeserialize)]
#[cfg_attr(test, derive(BorshSerialize))]
struct WaitingOfFormat3 {
    since: TimestampMs,
    bytes: Vec<u8>,
}

impl Store {
    /// What became of a transaction, if that is still known.
    pub(crate) fn fate_of(&self, transaction: &Hash) -> Result<Option<Fate>, StoreError> {
        let read = self.begin_read()?;
        let key = transaction.as_bytes();
        for table in [FATES, OLDER_FATES] {
            let Some(table) = opened(&read, table)? else { continue };
            if let Some(sealed) = table.get(key).map_err(failed)? {
                return record::open("fate", key, sealed.value()).map(Some);
            }
        }
        Ok(None)
    }

    /// How many fates the last commit has left.
    pub(crate) fn fate_count(&self) -> Result<u64, StoreError> {
        let read = self.begin_read()?;
        let mut count = 0;
        for table in [FATES, OLDER_FATES] {
            count += opened(&read, table)?.map_or(Ok(0), |table| table.len()).map_err(failed)?;
        }
        Ok(count)
    }

    /// How long the node had run at the last commit, milliseconds, over all its starts.
    pub(crate) fn running_ms(&self) -> Result<u64, StoreError> {
        self.meta(RUNNING)?.map_or(Ok(0), |bytes| u64_of(RUNNING, &bytes))
    }

    /// Whether these fates are there.
    pub(super) fn has_fates(&self, fates: &BTreeMap<Hash, Fate>) -> Result<bool, StoreError> {
        for (hash, fate) in fates {
            if self.fate_of(hash)?.as_ref() != Some(fate) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the tables of format 4, in which what waits is as old as the node has run since it came.
    pub(super) fn upgrade_from_3(&self) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        {
            write.open_table(FATES).map_err(failed)?;
            let mut waiting = write.open_table(WAITING).map_err(failed)?;
            let mut rows = Vec::new();
            for row in waiting.iter().map_err(failed)? {
                let (key, value) = row.map_err(failed)?;
                let old: WaitingOfFormat3 = record::open("waiting transaction", key.value(), value.value())?;
                rows.push((
                    *key.value(),
                    WaitingRecord { since: old.since, running_ms: 0, bytes: old.bytes },
                ));
            }
            for (key, row) in rows {
                waiting.insert(&key, record::seal(&key, &row).as_slice()).map_err(failed)?;
            }
            let mut meta = write.open_table(META).map_err(failed)?;
            meta.insert("format", 4_u64.to_le_bytes().as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }
}

/// Writes the fates of a turn and how long the node has run, milliseconds; those that are old enough go.
pub(super) fn note_fates(
    write: &WriteTransaction,
    new: &BTreeMap<Hash, Fate>,
    running_ms: u64,
) -> Result<(), StoreError> {
    let due = {
        let mut meta = write.open_table(META).map_err(failed)?;
        let since = meta.get(SINCE).map_err(failed)?.map_or(Ok(0), |since| u64_of(SINCE, since.value()))?;
        let due = running_ms.saturating_sub(since) >= FATES_KEPT_MS;
        let running = running_ms.to_le_bytes();
        for key in [RUNNING].into_iter().chain(due.then_some(SINCE)) {
            meta.insert(key, running.as_slice()).map_err(failed)?;
        }
        due
    };
    if due {
        write.delete_table(OLDER_FATES).map_err(failed)?;
        write.rename_table(FATES, OLDER_FATES).map_err(failed)?;
    } else if new.is_empty() {
        return Ok(());
    }
    let mut fates = write.open_table(FATES).map_err(failed)?;
    for (hash, fate) in new {
        let key = hash.as_bytes();
        fates.insert(key, record::seal(key, fate).as_slice()).map_err(failed)?;
    }
    Ok(())
}

type FateTable = redb::ReadOnlyTable<&'static Key, &'static [u8]>;

fn opened(
    read: &ReadTransaction,
    table: TableDefinition<&'static Key, &'static [u8]>,
) -> Result<Option<FateTable>, StoreError> {
    match read.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use vision_ledger::State;
    use vision_primitives::hash;

    use super::super::Commit;
    use super::*;

    const GENESIS: Hash = Hash([1; 32]);

    fn store() -> (Store, PathBuf, tempfile::TempDir) {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("chain.redb");
        (open(&path), path, home)
    }

    fn open(path: &std::path::Path) -> Store {
        Store::open(path, GENESIS, &State::from_parts([], [], 0)).expect("a store")
    }

    fn fate(at: u64) -> Fate {
        Fate { reason: "REPLACED".into(), at: TimestampMs(at), replaced_by: Some(Hash([7; 32])) }
    }

    fn nth(n: u64) -> Hash {
        hash(&[&n.to_le_bytes()])
    }

    /// The turn after which the node had run so long, and in which these were dropped.
    fn turn(running_ms: u64, dropped: &[u64]) -> Commit {
        let fates = dropped.iter().map(|n| (nth(*n), fate(*n))).collect();
        Commit { fates, running_ms, ..Commit::default() }
    }

    #[test]
    fn a_fate_is_kept_for_at_least_its_time_and_at_most_twice_that() {
        let (store, path, _home) = store();
        let known = |store: &Store, n| store.fate_of(&nth(n)).expect("readable").is_some();
        // How long the node has run, what is dropped then, and what is known afterwards.
        let steps: [(u64, &[u64], &[u64]); 7] = [
            (10, &[1, 2], &[1, 2]),
            (FATES_KEPT_MS - 1, &[3], &[1, 2, 3]),
            (FATES_KEPT_MS, &[], &[1, 2, 3]),
            (FATES_KEPT_MS + 10, &[4], &[1, 2, 3, 4]),
            (2 * FATES_KEPT_MS - 1, &[], &[1, 2, 3, 4]),
            (2 * FATES_KEPT_MS, &[], &[4]),
            (9 * FATES_KEPT_MS, &[5], &[5]),
        ];
        for (running_ms, dropped, expect) in steps {
            store.commit(&turn(running_ms, dropped)).expect("written");
            let left: Vec<u64> = (1..=5).filter(|n| known(&store, *n)).collect();
            assert_eq!(left, expect, "after {running_ms} ms");
            assert_eq!(store.fate_count().expect("readable"), expect.len() as u64);
        }
        store.close();
        let store = open(&path);
        assert_eq!(store.fate_of(&nth(5)).expect("readable"), Some(fate(5)), "after a restart");
        assert_eq!(store.running_ms().expect("readable"), 9 * FATES_KEPT_MS);
    }

    #[test]
    fn what_waits_in_a_store_of_format_3_has_its_whole_lifetime_before_it() {
        let (store, path, _home) = store();
        {
            let write = store.begin_write().expect("writable");
            let (key, old) = (nth(1).0, WaitingOfFormat3 { since: TimestampMs(7), bytes: vec![1, 2] });
            let mut waiting = write.open_table(WAITING).expect("there");
            waiting.insert(&key, record::seal(&key, &old).as_slice()).expect("writable");
            let mut meta = write.open_table(META).expect("there");
            meta.insert("format", 3_u64.to_le_bytes().as_slice()).expect("writable");
            drop((waiting, meta));
            write.delete_table(FATES).expect("there");
            write.commit().expect("written");
        }
        store.close();
        let upgraded = open(&path);
        let expect = WaitingRecord { since: TimestampMs(7), running_ms: 0, bytes: vec![1, 2] };
        assert_eq!(upgraded.waiting().expect("readable"), [(nth(1), expect)]);
        assert_eq!((upgraded.fate_count().ok(), upgraded.fate_of(&nth(1)).ok()), (Some(0), Some(None)));
    }

    #[test]
    fn a_turn_that_the_disk_took_late_is_there_once() {
        let (store, _path, _home) = store();
        let turn = turn(FATES_KEPT_MS, &[1]);
        assert!(!store.has_fates(&turn.fates).expect("readable"));
        for _ in 0..2 {
            store.reopen_and_commit(&turn).expect("written");
            assert!(store.has_fates(&turn.fates).expect("readable"));
            assert_eq!(store.fate_count().expect("readable"), 1);
        }
    }
}
