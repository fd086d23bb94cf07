//! The durable store of one node's chain (redb).
//!
//! What lies in it: every known block; the chain from genesis to the head by height; the state after
//! the last final block; for every later block the changes it makes to its parent's state. A block,
//! its changes and the head they lead to are written in one transaction that is synced to disk before
//! anybody hears of the block; `kill -9` at any instant leaves the last such transaction.

mod batch;
mod blocks;
mod fates;
mod follow;
#[cfg(test)]
mod fuzz;
mod headers;
mod index;
mod record;
mod transactions;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use vision_ledger::{Account, Changes, Producer, State};
use vision_primitives::{Address, Hash, Height, NodeId};

pub(crate) use fates::Fate;
pub(crate) use follow::{Ahead, Position, Unsent};
pub(crate) use headers::Stretch;
pub(crate) use index::{Indexed, MAX_DATA_HEAD_BYTES, Wanted};
pub(crate) use record::{BlockRecord, HeaderRecord};
pub(crate) use transactions::{Place, WaitingRecord};
pub(crate) use write::{Commit, NewBlock};

/// Bytes redb may keep of the file in memory.
const CACHE_BYTES: usize = 8 << 20;
/// Version of the tables below.
const FORMAT: u64 = 5;

type Key = [u8; 32];
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const BLOCKS: TableDefinition<&Key, &[u8]> = TableDefinition::new("blocks");
const CHAIN: TableDefinition<u64, &Key> = TableDefinition::new("chain");
const CHANGES: TableDefinition<&Key, &[u8]> = TableDefinition::new("changes");
const ACCOUNTS: TableDefinition<&Key, &[u8]> = TableDefinition::new("accounts");
const PRODUCERS: TableDefinition<&Key, &[u8]> = TableDefinition::new("producers");
const PRODUCER_HISTORY: TableDefinition<(&Key, u64), &[u8]> = TableDefinition::new("producer_history");

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is in use.
    #[error("the store {0} is in use by another process: stop the other node of this home first")]
    InUse(PathBuf),
    /// The file is damaged; what it holds must not be served.
    #[error(
        "the store is corrupt: {0}; move the file away and start again: the node fetches the chain from \
         its peers"
    )]
    Corrupt(String),
    /// The store belongs to another chain.
    #[error(
        "the store belongs to chain {found}, the genesis file to {expected}: use the genesis the home was \
         created with, or begin the new chain: move the home's data directory away, then run `vision keys \
         peer` and `vision keys new-claims`, both with --home"
    )]
    OtherGenesis {
        /// Genesis hash in the store.
        found: Hash,
        /// Genesis hash of the file.
        expected: Hash,
    },
    /// The store was written by another version.
    #[error(
        "the store has format {found}, this program supports {FORMAT}: use the program that wrote it, or a \
         new home"
    )]
    Format {
        /// Format found.
        found: u64,
    },
    /// The disk failed or is full; nothing is lost, nothing new is stored.
    #[error("the store cannot be written or read: {0}")]
    Io(String),
}

impl StoreError {
    /// Whether trying again later can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        use std::io::ErrorKind;
        match error {
            redb::Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Self::Corrupt(io.to_string())
            }
            redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                Self::Io(error.to_string())
            }
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// For `?` on any of redb's error types.
fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::from(error.into())
}

/// Everything needed to rebuild the block tree.
pub(crate) struct Loaded {
    /// Hash of the last final block.
    pub final_hash: Hash,
    /// The last final block itself; none at height 0.
    pub final_record: Option<BlockRecord>,
    /// State after it.
    pub final_state: State,
    /// Blocks above it with their changes, parents before children.
    pub open: Vec<(BlockRecord, Changes)>,
}

/// Handle to the store; clones share it. Reads see only what has been synced.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    /// `None` while the file is being opened again after the disk has failed, and once closed.
    database: Arc<RwLock<Option<Database>>>,
    genesis_hash: Hash,
}

impl Store {
    /// Opens the store, or makes one that holds block 0. Checks every page's check sum on the way.
    pub(crate) fn open(path: &Path, genesis_hash: Hash, genesis_state: &State) -> Result<Self, StoreError> {
        if !path.exists() {
            Self::create(path, genesis_hash, genesis_state)?;
        }
        let store = Self::handle(path, genesis_hash)?;
        let format = u64_of("format", &store.meta("format")?.unwrap_or_default())?;
        if !(1..=FORMAT).contains(&format) {
            return Err(StoreError::Format { found: format });
        }
        let found = store.meta_hash("genesis")?;
        if found != genesis_hash {
            return Err(StoreError::OtherGenesis { found, expected: genesis_hash });
        }
        if format < 2 {
            store.upgrade_from_1()?;
        }
        if format < 3 {
            store.upgrade_from_2()?;
        }
        if format < 4 {
            store.upgrade_from_3()?;
        }
        if format < 5 {
            store.upgrade_from_4()?;
        } else {
            store.check_index()?;
        }
        Ok(store)
    }

    fn handle(path: &Path, genesis_hash: Hash) -> Result<Self, StoreError> {
        let database = Arc::new(RwLock::new(Some(open_database(path)?)));
        Ok(Self { path: path.to_owned(), database, genesis_hash })
    }

    /// Makes the file under another name first, so that a half-made one is never taken for a store.
    fn create(path: &Path, genesis_hash: Hash, genesis_state: &State) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| StoreError::Io(format!("{}: {error}", path.display()));
        let unfinished = path.with_extension("new");
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
            _ => {}
        }
        let store = Self::handle(&unfinished, genesis_hash)?;
        store.initialise(genesis_state)?;
        store.close();
        std::fs::rename(&unfinished, path).map_err(|error| failed(&error))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        vision_host::files::sync_folder(folder).map_err(|error| failed(&error))
    }

    /// Hash of block 0.
    pub(crate) const fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        database.as_ref().ok_or_else(being_reopened)?.begin_read().map_err(failed)
    }

    fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        database.as_ref().ok_or_else(being_reopened)?.begin_write().map_err(failed)
    }

    /// Opens the file again, as must be after the disk has failed.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle holds the file's lock until it is gone.
        *database = None;
        match open_database(&self.path) {
            Ok(opened) => {
                *database = Some(opened);
                Ok(())
            }
            // A reader of this process may still hold the old handle for a moment.
            Err(StoreError::InUse(_)) => Err(being_reopened()),
            Err(error) => Err(error),
        }
    }

    /// Closes the file for all clones, so that it can be opened again at once.
    pub(crate) fn close(&self) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.begin_read()?;
        match read.open_table(META) {
            Ok(table) => Ok(table.get(key).map_err(failed)?.map(|value| value.value().to_vec())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn meta_hash(&self, key: &'static str) -> Result<Hash, StoreError> {
        let bytes = self.meta(key)?.ok_or_else(|| StoreError::Corrupt(format!("{key} is missing")))?;
        let bytes: Key =
            bytes.try_into().map_err(|_| StoreError::Corrupt(format!("{key} has a wrong length")))?;
        Ok(Hash(bytes))
    }

    /// Reads everything that lives in memory while the node runs.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        let final_hash = self.meta_hash("final")?;
        let supply = u64_of("supply", &self.meta("supply")?.unwrap_or_default())?;
        let read = self.begin_read()?;
        let mut accounts: Vec<(Address, Account)> = Vec::new();
        for row in read.open_table(ACCOUNTS).map_err(failed)?.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            accounts.push((Hash(*key.value()), record::open("account", key.value(), value.value())?));
        }
        let mut producers: Vec<(NodeId, Producer)> = Vec::new();
        for row in read.open_table(PRODUCERS).map_err(failed)?.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            producers.push((Hash(*key.value()), record::open("producer", key.value(), value.value())?));
        }
        let mut open = Vec::new();
        for row in read.open_table(CHANGES).map_err(failed)?.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let hash = Hash(*key.value());
            let changes: Changes = record::open("changes", key.value(), value.value())?;
            let block = self
                .block(&hash)?
                .ok_or_else(|| StoreError::Corrupt(format!("the block of the changes {hash} is missing")))?;
            let header = vision_primitives::Header::from_bytes(&block.header)
                .map_err(|error| StoreError::Corrupt(format!("block {hash}: {error}")))?;
            open.push((header.height, block, changes));
        }
        open.sort_by_key(|(height, ..)| *height);
        let open = open.into_iter().map(|(_, block, changes)| (block, changes)).collect();
        let final_record = if final_hash == self.genesis_hash {
            None
        } else {
            let missing = || StoreError::Corrupt(format!("the final block {final_hash} is missing"));
            Some(self.block(&final_hash)?.ok_or_else(missing)?)
        };
        let final_state = State::from_parts(accounts, producers, supply);
        Ok(Loaded { final_hash, final_record, final_state, open })
    }

    /// The producer registry after a final height.
    pub(crate) fn producers_at(&self, height: Height) -> Result<Vec<(NodeId, Producer)>, StoreError> {
        let read = self.begin_read()?;
        let history = read.open_table(PRODUCER_HISTORY).map_err(failed)?;
        let mut found = Vec::new();
        for row in read.open_table(PRODUCERS).map_err(failed)?.iter().map_err(failed)? {
            let (key, _) = row.map_err(failed)?;
            let id = key.value();
            let mut rows = history.range((id, 0)..=(id, height.get())).map_err(failed)?;
            if let Some(last) = rows.next_back() {
                let (at, value) = last.map_err(failed)?;
                let (_, at) = at.value();
                found.push((Hash(*id), record::open("producer", &history_key(id, at), value.value())?));
            }
        }
        Ok(found)
    }
}

fn being_reopened() -> StoreError {
    StoreError::Io("the file is closed or being opened again".into())
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Err(StoreError::Corrupt(format!("{} is empty", path.display())));
    }
    let opening =
        || Database::builder().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path);
    // redb panics over some damaged pages.
    let opened = vision_host::panics::caught(opening)
        .map_err(|why| StoreError::Corrupt(format!("{}: {why}", path.display())))?;
    opened.map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
        other => match failed(other) {
            StoreError::Io(why) => StoreError::Io(format!("{}: {why}", path.display())),
            StoreError::Corrupt(why) => StoreError::Corrupt(format!("{}: {why}", path.display())),
            other => other,
        },
    })
}

fn history_key(id: &Key, height: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(id);
    key[32..].copy_from_slice(&height.to_le_bytes());
    key
}

fn u64_of(what: &str, bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Corrupt(format!("{what} has a wrong length")))?;
    Ok(u64::from_le_bytes(bytes))
}
