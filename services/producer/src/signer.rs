//! The only holder of the key, and what it must have written down before it signs.

mod receipts;
mod state;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vision_authoring::Proposal;
use vision_host::files;
use vision_primitives::{Action, Hash, Height, NodeId, SecretKey, Signature, SyncProof, Tag, Transaction};

pub(crate) use self::receipts::{Claim, ClaimBook};
pub(crate) use self::state::{SignerState, Write, state_path};
pub use self::state::{create_signer_state, reset_signer_state};
use crate::Error;

/// A key file holds 64 hex digits and perhaps a line end.
const MAX_KEY_FILE_BYTES: u64 = 256;

/// Reads `HOME/producer.key`, which nobody but its owner may read.
///
/// # Errors
/// [`Error`] when it is missing, open to others or no key.
pub(crate) fn read_key(home: &Path) -> Result<SecretKey, Error> {
    let path = home.join("producer.key");
    let bytes = files::read_secret(&path, MAX_KEY_FILE_BYTES)?;
    // Text that is not UTF-8 is no key either.
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    SecretKey::from_hex(text).map_err(|source| Error::Key { path, source })
}

/// A block whose promise is not on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block {0} is not promised on disk and must not be signed")]
pub(crate) struct NotPromised(Hash);

/// Key and durable state together: a block can only be signed after the state on disk promises it.
pub(crate) struct Signer {
    key: SecretKey,
    genesis_hash: Hash,
    state: Mutex<SignerState>,
    /// The promise written last: parent and block.
    promised: Mutex<Option<(Hash, Hash)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic left half done is in the database, which undoes it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Signer {
    pub(crate) fn new(
        key: SecretKey,
        genesis_hash: Hash,
        state: SignerState,
        last: Option<&Proposal>,
    ) -> Self {
        let promised = Mutex::new(last.map(|proposal| (proposal.parent, proposal.hash)));
        Self { key, genesis_hash, state: Mutex::new(state), promised }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.key.public_key().id()
    }

    /// Writes and syncs; blocks the thread.
    ///
    /// # Errors
    /// What the disk says; nothing is promised then.
    pub(crate) fn commit(&self, write: &Write) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if write.proposal.is_some() {
            *lock(&self.promised) = None;
        }
        state.write(write)?;
        if let Some(proposal) = &write.proposal {
            *lock(&self.promised) = Some((proposal.parent, proposal.hash));
        }
        Ok(())
    }

    /// Whether this key made the signature of this block.
    pub(crate) fn has_signed(&self, block: &Hash, signature: &Signature) -> bool {
        self.key.public_key().verify(Tag::Block, &self.genesis_hash, block.as_bytes(), signature).is_ok()
    }

    /// Signs the block promised last, and no other.
    ///
    /// # Errors
    /// [`NotPromised`] for any other.
    pub(crate) fn sign_block(&self, proposal: &Proposal) -> Result<Signature, NotPromised> {
        if *lock(&self.promised) == Some((proposal.parent, proposal.hash)) {
            Ok(self.key.sign(Tag::Block, &self.genesis_hash, proposal.hash.as_bytes()))
        } else {
            Err(NotPromised(proposal.hash))
        }
    }

    /// The signed bytes of a sync proof naming this block.
    pub(crate) fn sync_proof(&self, height: Height, hash: Hash) -> Vec<u8> {
        let action = Action::SyncProof(SyncProof { height, hash });
        let transaction = Transaction { sender: self.key.public_key(), nonce: 0, fee: 0, action };
        transaction.sign(&self.key, &self.genesis_hash).bytes().to_vec()
    }
}
