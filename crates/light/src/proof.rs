//! Proofs: that a transaction is in a block, or what an account holds after it.

use vision_ledger::AccountProof;
use vision_primitives::{Address, Hash, Header, MerkleProof, SignedTransaction, decode_strict};

use crate::trust::{Basis, Seal, Sealed, Trusted};

/// A proof as it came.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The chain it is of, by its own word.
    pub genesis: Hash,
    /// Canonical bytes of the block's header.
    pub header: Vec<u8>,
    /// What it shows.
    pub claim: Claim,
}

/// What a proof shall show.
#[derive(Clone, Debug)]
pub enum Claim {
    /// That a transaction is in the block.
    Transaction {
        /// Its canonical bytes, signed.
        bytes: Vec<u8>,
        /// The path from its hash to the header's `tx_root`.
        path: MerkleProof,
    },
    /// What an account holds after the block.
    Account {
        /// Whose.
        address: Address,
        /// Canonical bytes of the account's proof, which leads to the header's `state_root`.
        proof: Vec<u8>,
    },
}

/// What a proof shows, all of it recomputed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The chain it is of, by its own word.
    pub genesis: Hash,
    /// Hash of the block.
    pub block: Hash,
    /// The block's header.
    pub header: Header,
    /// What is shown.
    pub subject: Subject,
}

/// What is shown.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A transaction that is in the block.
    Transaction(Box<SignedTransaction>),
    /// An account after the block.
    Account {
        /// Whose.
        address: Address,
        /// What it holds, and its next nonce.
        account: vision_ledger::Account,
    },
}

impl Proof {
    /// Recomputes everything the proof shows. That there is such a block is not shown yet: see
    /// [`Shown::judge`].
    ///
    /// # Errors
    /// Why the proof does not hold.
    pub fn check(&self) -> Result<Shown, String> {
        if self.header.is_empty() {
            return Err("it is for block 0, which has no header; query again when there is a block".into());
        }
        let header = Header::from_bytes(&self.header).map_err(|error| error.to_string())?;
        let block = Header::hash_bytes(&self.genesis, &self.header);
        let subject = match &self.claim {
            Claim::Transaction { bytes, path } => self.transaction(bytes, path, &header)?,
            Claim::Account { address, proof } => account(address, proof, &header)?,
        };
        Ok(Shown { genesis: self.genesis, block, header, subject })
    }

    fn transaction(&self, bytes: &[u8], path: &MerkleProof, header: &Header) -> Result<Subject, String> {
        let signed = SignedTransaction::from_bytes(bytes.to_vec(), &self.genesis)
            .map_err(|error| error.to_string())?;
        signed.verify(&self.genesis).map_err(|error| format!("the sender's key: {error}"))?;
        if !path.verify(&signed.hash(), &header.tx_root) {
            return Err("the path does not lead to the header's tx_root".into());
        }
        Ok(Subject::Transaction(Box::new(signed)))
    }
}

fn account(address: &Address, bytes: &[u8], header: &Header) -> Result<Subject, String> {
    let proof: AccountProof = decode_strict("account proof", bytes).map_err(|error| error.to_string())?;
    if !proof.verify(&header.state_root, address) {
        return Err("the path does not lead to the header's state_root".into());
    }
    Ok(Subject::Account { address: *address, account: proof.account })
}

impl Shown {
    /// Whether the block can be trusted, given what is trusted.
    ///
    /// # Errors
    /// What contradicts what.
    pub fn judge(&self, seal: Option<&Seal>, trusted: &Trusted) -> Result<Basis, String> {
        Sealed { genesis: self.genesis, header: &self.header, block: self.block, seal }.judge(trusted)
    }
}
