//! The signer's durable state: what is written before a signature exists, and the file it lies in,
//! `HOME/data/claims.redb`.
//!
//! One durable commit before every signature: the receipt, the guard's promise, the whole proposal (so that
//! it can be submitted again after a restart, for no other block may take its place) and the floor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use vision_authoring::{Guard, Proposal};
use vision_host::files::{self, FileError};
use vision_host::panics;
use vision_primitives::{Hash, Height, NodeId, Slot, TimestampMs, decode_strict, encode};

use super::receipts::{Claim, ClaimBook, KEPT_CLAIMS};
use crate::Error;

/// Version of the tables.
const FORMAT: u64 = 1;
/// Bytes redb may keep of the file in memory.
const CACHE_BYTES: usize = 2 << 20;

const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const OWNERS: TableDefinition<&str, [u8; 32]> = TableDefinition::new("owners");
const CLAIMS: TableDefinition<u64, &[u8]> = TableDefinition::new("claims");
/// (height, parent) to the block promised.
const GUARD: TableDefinition<(u64, [u8; 32]), [u8; 32]> = TableDefinition::new("guard");
const LAST: TableDefinition<&str, &[u8]> = TableDefinition::new("last");

/// Everything one commit writes; written whole or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub claims: Vec<(u64, Claim)>,
    pub proposal: Option<Arc<Proposal>>,
    pub floor: Height,
}

/// What was found on disk.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub guard: Guard,
    pub last: Option<Arc<Proposal>>,
    pub book: ClaimBook,
}

/// The open file.
pub(crate) struct SignerState {
    home: PathBuf,
    /// `None` after a failure: opened again at the next write, as redb demands.
    db: Option<Database>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct ProposalRecord {
    height: Height,
    parent: Hash,
    slot: Slot,
    hash: Hash,
    header: Vec<u8>,
    transactions: Vec<Vec<u8>>,
    claimed_at: TimestampMs,
}

fn folder(home: &Path) -> PathBuf {
    home.join("data")
}

pub(crate) fn state_path(home: &Path) -> PathBuf {
    folder(home).join("claims.redb")
}

/// Makes the empty claims of a key that has never been used; on disk at the return.
///
/// # Errors
/// [`Error::ClaimsExist`] if there are any, or what the disk says.
pub fn create_signer_state(home: &Path) -> Result<(), Error> {
    if state_path(home).exists() {
        return Err(Error::ClaimsExist(state_path(home)));
    }
    create_with_floor(home, Height(0))
}

/// Lets a key sign again whose claims are missing, damaged or too old: nothing at or below `above`. What can
/// be read of the claims is kept; a damaged file is moved aside.
///
/// # Errors
/// [`Error::ClaimsInUse`] while a producer runs, or what the disk says.
pub fn reset_signer_state(home: &Path, above: u64) -> Result<(), Error> {
    let path = state_path(home);
    if path.exists() {
        let opened = open_file(home).and_then(|db| {
            let (guard, _, _) = read(&db, home)?;
            Ok((db, guard.floor().max(Height(above))))
        });
        match opened {
            Ok((db, floor)) => {
                let write = Write { claims: Vec::new(), proposal: None, floor };
                return write_all(&db, &write).map_err(|error| broken(home, error));
            }
            Err(Error::ClaimsCorrupt { .. }) => {
                let aside = path.with_extension("redb.damaged");
                std::fs::rename(&path, &aside).map_err(|error| io(home, error))?;
            }
            Err(error) => return Err(error),
        }
    }
    create_with_floor(home, Height(above))
}

fn create_with_floor(home: &Path, floor: Height) -> Result<(), Error> {
    files::make_folder(&folder(home))?;
    let path = state_path(home);
    // Under another name until it is whole: half a file must not look like claims.
    let temporary = path.with_extension("redb.new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(home, error)),
        _ => {}
    }
    let made = Database::builder().create(&temporary).map_err(|error| broken(home, error)).and_then(|db| {
        write_all(&db, &Write { claims: Vec::new(), proposal: None, floor })
            .map_err(|error| broken(home, error))
    });
    made?;
    std::fs::rename(&temporary, &path).map_err(|error| io(home, error))?;
    files::sync_folder(&folder(home))?;
    Ok(files::sync_folder(home)?)
}

impl SignerState {
    /// Opens the claims of this key on this chain and reads all there is.
    ///
    /// # Errors
    /// [`Error`] when they are missing, damaged, in use or of another key or chain.
    pub(crate) fn open(home: &Path, node_id: &NodeId, genesis_hash: &Hash) -> Result<(Self, Loaded), Error> {
        let db = open_file(home)?;
        bind_to(&db, home, "the key", "node_id", node_id)?;
        bind_to(&db, home, "the chain", "genesis_hash", genesis_hash)?;
        let (guard, last, book) = read(&db, home)?;
        Ok((Self { home: home.to_owned(), db: Some(db) }, Loaded { guard, last, book }))
    }

    /// Writes and syncs to disk. After a failure it may or may not be there.
    ///
    /// # Errors
    /// [`Error::ClaimsIo`] and its like; trying again later can help.
    pub(crate) fn write(&mut self, write: &Write) -> Result<(), Error> {
        let db = match self.db.take() {
            Some(db) => db,
            None => open_file(&self.home)?,
        };
        write_all(&db, write).map_err(|error| broken(&self.home, error))?;
        self.db = Some(db);
        Ok(())
    }
}

fn open_file(home: &Path) -> Result<Database, Error> {
    let path = state_path(home);
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(Error::ClaimsMissing { path, home: home.to_owned() }),
        Err(source) => return Err(FileError::Io { what: "read", path, source }.into()),
    }
    // redb panics over some damaged pages.
    panics::caught(|| open_whole(&path, home)).unwrap_or_else(|why| Err(corrupt(home, &why)))
}

fn open_whole(path: &Path, home: &Path) -> Result<Database, Error> {
    let mut db =
        Database::builder().set_cache_size(CACHE_BYTES).open(path).map_err(|error| broken(home, error))?;
    // A flipped bit in the guard could mean a second signature; the file is small enough to look at all of
    // it.
    match db.check_integrity() {
        Ok(true) => Ok(db),
        Ok(false) => Err(corrupt(home, "its checksums do not match")),
        Err(error) => Err(broken(home, error)),
    }
}

/// The first opening writes down whose claims these are; every later one must be of the same.
fn bind_to(
    db: &Database,
    home: &Path,
    what: &'static str,
    field: &str,
    expected: &Hash,
) -> Result<(), Error> {
    let found = run(db, |transaction| {
        let mut owners = transaction.open_table(OWNERS)?;
        let found = owners.get(field)?.map(|value| value.value());
        if found.is_none() {
            owners.insert(field, expected.0)?;
        }
        Ok(found)
    });
    match found.map_err(|error| broken(home, error))? {
        Some(found) if found != expected.0 => Err(Error::ClaimsForeign {
            path: state_path(home),
            what,
            found: Hash(found),
            expected: *expected,
        }),
        _ => Ok(()),
    }
}

fn run<T>(
    db: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    let mut transaction = db.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn write_all(db: &Database, write: &Write) -> Result<(), redb::Error> {
    run(db, |transaction| {
        let mut numbers = transaction.open_table(NUMBERS)?;
        numbers.insert("format", FORMAT)?;
        // Two writes may come in another order than they were decided.
        let floor = numbers.get("floor")?.map_or(0, |floor| floor.value()).max(write.floor.get());
        numbers.insert("floor", floor)?;
        let mut claims = transaction.open_table(CLAIMS)?;
        for (number, claim) in &write.claims {
            claims.insert(number, encode(claim).as_slice())?;
            let oldest = (number + 1).saturating_sub(KEPT_CLAIMS as u64);
            claims.retain_in(..oldest, |_, _| false)?;
        }
        let mut guard = transaction.open_table(GUARD)?;
        // What the floor bars need not be remembered.
        let above = (floor.saturating_add(1), [0; 32]);
        guard.retain_in(..above, |_, _| false)?;
        let mut last = transaction.open_table(LAST)?;
        if let Some(proposal) = &write.proposal {
            guard.insert((proposal.height.get(), proposal.parent.0), proposal.hash.0)?;
            last.insert("proposal", encode(&ProposalRecord::of(proposal)).as_slice())?;
        }
        Ok(())
    })
}

fn read(db: &Database, home: &Path) -> Result<(Guard, Option<Arc<Proposal>>, ClaimBook), Error> {
    let found: Result<_, redb::Error> = (|| {
        let transaction = db.begin_read()?;
        let numbers = transaction.open_table(NUMBERS)?;
        let number = |name: &str| numbers.get(name).map(|value| value.map(|value| value.value()));
        let (format, floor) = (number("format")?, number("floor")?);
        let mut claims = Vec::new();
        for row in transaction.open_table(CLAIMS)?.iter()? {
            let (number, bytes) = row?;
            claims.push((number.value(), bytes.value().to_vec()));
        }
        let mut guard = Vec::new();
        for row in transaction.open_table(GUARD)?.iter()? {
            let (key, block) = row?;
            let (height, parent) = key.value();
            guard.push((Height(height), Hash(parent), Hash(block.value())));
        }
        let last = transaction.open_table(LAST)?.get("proposal")?.map(|bytes| bytes.value().to_vec());
        Ok((format, floor, claims, guard, last))
    })();
    let (format, floor, claims, guard, last) = found.map_err(|error| broken(home, error))?;
    let (Some(FORMAT), Some(floor)) = (format, floor) else {
        return Err(corrupt(home, "it is not of this version"));
    };
    let bad = |error: vision_primitives::DecodeError| corrupt(home, &error.to_string());
    let claims: Result<Vec<_>, Error> =
        claims.into_iter().map(|(n, bytes)| Ok((n, decode_strict("claim", &bytes).map_err(bad)?))).collect();
    let last: Option<ProposalRecord> =
        last.map(|bytes| decode_strict("proposal", &bytes).map_err(bad)).transpose()?;
    let guard = Guard::restore(Height(floor), guard);
    // One whose promise is barred by now (after a reset) is not to be submitted again.
    let promised = |p: &ProposalRecord| guard.promised(p.height, &p.parent) == Some(p.hash);
    let last = last.filter(promised).map(|record| Arc::new(record.into_proposal()));
    Ok((guard, last, ClaimBook::restore(claims?)))
}

impl ProposalRecord {
    fn of(proposal: &Proposal) -> Self {
        let Proposal { height, parent, slot, hash, header, transactions, claimed_at } = proposal.clone();
        Self { height, parent, slot, hash, header, transactions, claimed_at }
    }

    fn into_proposal(self) -> Proposal {
        let Self { height, parent, slot, hash, header, transactions, claimed_at } = self;
        Proposal { height, parent, slot, hash, header, transactions, claimed_at }
    }
}

fn corrupt(home: &Path, why: &str) -> Error {
    Error::ClaimsCorrupt { path: state_path(home), home: home.to_owned(), why: why.to_owned() }
}

fn io(home: &Path, error: impl std::fmt::Display) -> Error {
    Error::ClaimsIo { path: state_path(home), why: error.to_string() }
}

fn broken(home: &Path, error: impl Into<BrokenStore>) -> Error {
    use std::io::ErrorKind;
    match error.into().0 {
        redb::Error::DatabaseAlreadyOpen => Error::ClaimsInUse(state_path(home)),
        redb::Error::Io(error)
            if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            corrupt(home, &error.to_string())
        }
        error @ (redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
            io(home, error)
        }
        error => corrupt(home, &error.to_string()),
    }
}

/// An error of any of redb's kinds.
struct BrokenStore(redb::Error);

impl From<redb::Error> for BrokenStore {
    fn from(error: redb::Error) -> Self {
        Self(error)
    }
}

impl From<DatabaseError> for BrokenStore {
    fn from(error: DatabaseError) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
