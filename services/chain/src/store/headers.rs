//! Headers apart from the bodies: what lists of blocks are read from.

use redb::{ReadableTable, Table, TableDefinition};
use vision_primitives::{Hash, Height};

use super::{BLOCKS, BlockRecord, CHAIN, HeaderRecord, Key, META, Store, StoreError, failed, record};

/// Header of every block that the table of blocks has.
pub(super) const HEADERS: TableDefinition<&Key, &[u8]> = TableDefinition::new("headers");

/// Where a list of headers begins, and which way it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stretch {
    /// From this height upward.
    From(Height),
    /// Below this height, newest first.
    Below(Height),
}

impl Store {
    /// A block's header by its hash; block 0 has none.
    pub(crate) fn header(&self, hash: &Hash) -> Result<Option<HeaderRecord>, StoreError> {
        let read = self.begin_read()?;
        let table = read.open_table(HEADERS).map_err(failed)?;
        match table.get(hash.as_bytes()).map_err(failed)? {
            None => Ok(None),
            Some(value) => record::open("header", hash.as_bytes(), value.value()).map(Some),
        }
    }

    /// Headers of the head's chain above block 0, at most `count`, read without any body.
    pub(crate) fn headers(
        &self,
        stretch: Stretch,
        count: usize,
    ) -> Result<Vec<(Hash, HeaderRecord)>, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let headers = read.open_table(HEADERS).map_err(failed)?;
        let one = |row: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &Key>), _>| {
            let (height, hash) = row.map_err(failed)?;
            let key = hash.value();
            let value = headers.get(key).map_err(failed)?.ok_or_else(|| {
                StoreError::Corrupt(format!("header {} at height {} is missing", Hash(*key), height.value()))
            })?;
            Ok((Hash(*key), record::open("header", key, value.value())?))
        };
        match stretch {
            Stretch::From(from) => {
                chain.range(from.get().max(1)..).map_err(failed)?.take(count).map(one).collect()
            }
            Stretch::Below(height) => {
                let below = chain.range(1..height.get().max(1)).map_err(failed)?;
                below.rev().take(count).map(one).collect()
            }
        }
    }

    /// Makes the table of headers from the blocks of format 2.
    pub(super) fn upgrade_from_2(&self) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        {
            let blocks = write.open_table(BLOCKS).map_err(failed)?;
            let mut headers = write.open_table(HEADERS).map_err(failed)?;
            for row in blocks.iter().map_err(failed)? {
                let (key, value) = row.map_err(failed)?;
                let block: BlockRecord = record::open("block", key.value(), value.value())?;
                note_header(&mut headers, key.value(), &block)?;
            }
            let mut meta = write.open_table(META).map_err(failed)?;
            meta.insert("format", 3_u64.to_le_bytes().as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }
}

/// Notes the header of a block.
pub(super) fn note_header(
    headers: &mut Table<'_, &'static Key, &'static [u8]>,
    key: &Key,
    block: &BlockRecord,
) -> Result<(), StoreError> {
    let sealed = record::seal(key, &HeaderRecord::of(block));
    headers.insert(key, sealed.as_slice()).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use vision_ledger::{Changes, State};
    use vision_primitives::{encode, hash};

    use super::super::{Commit, FORMAT, NewBlock, u64_of};
    use super::*;
    use vision_test_blocks::bare_header;

    use crate::fixtures::published;

    const GENESIS: Hash = Hash([1; 32]);

    fn body() -> Vec<u8> {
        published(1, "", &GENESIS).bytes().to_vec()
    }

    fn block(height: u64) -> (Hash, BlockRecord) {
        let record = BlockRecord {
            header: encode(&bare_header(height, Hash::ZERO, 0)),
            signature: vec![7; 64],
            transactions: vec![body(); usize::try_from(height).expect("small")],
        };
        (hash(&[&height.to_le_bytes()]), record)
    }

    fn store_of(heights: u64) -> (Store, State, tempfile::TempDir) {
        let home = tempfile::tempdir().expect("a folder");
        let state = State::from_parts([], [], 0);
        let store = Store::open(&home.path().join("chain.redb"), GENESIS, &state).expect("a store");
        let mut commit = Commit::default();
        for height in 1..=heights {
            let (hash, record) = block(height);
            let changes = Changes { accounts: vec![], producers: vec![], supply: 0 };
            commit.blocks.push(NewBlock { hash, record, changes, transactions: vec![] });
            commit.chain.push((Height(height), Some(hash)));
        }
        store.commit(&commit).expect("written");
        (store, state, home)
    }

    fn heights(store: &Store, stretch: Stretch, count: usize) -> Vec<u64> {
        let found = store.headers(stretch, count).expect("readable");
        let height = |(hash, header): (Hash, HeaderRecord)| {
            let height = (1..=9).find(|height| block(*height).0 == hash).expect("one of the chain");
            assert_eq!(header, HeaderRecord::of(&block(height).1));
            assert_eq!(
                (u64::from(header.tx_count), header.size_bytes),
                (height, (header.header.len() + 64) as u64 + body().len() as u64 * height)
            );
            height
        };
        found.into_iter().map(height).collect()
    }

    #[test]
    fn headers_are_listed_both_ways() {
        let (store, ..) = store_of(5);
        let (up, down) = (|from| Stretch::From(Height(from)), |below| Stretch::Below(Height(below)));
        let cases: [(&str, Stretch, usize, &[u64]); 8] = [
            ("from the first", up(0), 3, &[1, 2, 3]),
            ("from within", up(4), 9, &[4, 5]),
            ("above the head", up(6), 9, &[]),
            ("below all", down(u64::MAX), 3, &[5, 4, 3]),
            ("below one", down(3), 9, &[2, 1]),
            ("below the first", down(1), 9, &[]),
            ("below block 0", down(0), 9, &[]),
            ("none wanted", down(3), 0, &[]),
        ];
        for (desc, stretch, count, expect) in cases {
            assert_eq!(heights(&store, stretch, count), expect, "{desc}");
        }
    }

    #[test]
    fn a_list_of_headers_reads_no_body() {
        let (store, ..) = store_of(3);
        let write = store.begin_write().expect("writable");
        write.delete_table(BLOCKS).expect("there");
        write.commit().expect("written");
        assert_eq!(heights(&store, Stretch::From(Height(1)), 9), [1, 2, 3]);
        assert!(store.header(&block(2).0).expect("readable").is_some());
    }

    #[test]
    fn a_header_goes_with_its_block() {
        let (store, ..) = store_of(3);
        let gone = block(3).0;
        let prune = Commit { chain: vec![(Height(3), None)], pruned: vec![gone], ..Commit::default() };
        store.commit(&prune).expect("written");
        assert_eq!(
            (store.header(&gone).expect("readable"), heights(&store, Stretch::From(Height(1)), 9)),
            (None, vec![1, 2])
        );
    }

    #[test]
    fn a_store_of_format_2_is_upgraded_when_opened() {
        let (store, state, _home) = store_of(4);
        let path = store.path.clone();
        let write = store.begin_write().expect("writable");
        write.delete_table(HEADERS).expect("there");
        let mut meta = write.open_table(META).expect("there");
        meta.insert("format", 2_u64.to_le_bytes().as_slice()).expect("writable");
        drop(meta);
        write.commit().expect("written");
        store.close();
        let store = Store::open(&path, GENESIS, &state).expect("upgraded");
        assert_eq!(heights(&store, Stretch::From(Height(1)), 9), [1, 2, 3, 4]);
        let format = store.meta("format").expect("readable").expect("there");
        assert_eq!(u64_of("format", &format).expect("a number"), FORMAT);
    }
}
