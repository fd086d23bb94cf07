//! What all nodes must agree on, bit for bit.
//!
//! Hashes, ids, keys, units, genesis, headers, blocks and transactions, with their canonical
//! (borsh) bytes. No I/O, no clock, no randomness: everything here is a function of its arguments.
//! The rules are those of `docs/protocol.md`, sections 1, 2, 6 and 11.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod block;
mod canonical;
mod genesis;
mod hash;
mod header;
mod invariant;
mod keys;
mod merkle;
mod params;
mod pool;
mod recent;
mod report;
pub mod trace;
mod transaction;
mod units;
mod vote;

pub use block::{Block, BlockError, MAX_HEADER_BYTES};
pub use canonical::{DecodeError, decode_strict, encode};
pub use genesis::{Genesis, GenesisAccount, GenesisError, GenesisProducer, MAX_CHAIN_ID_BYTES};
pub use hash::{Hash, Hasher, HexError, hash};
pub use header::{HEADER_VERSION, Header};
pub use invariant::Invariant;
pub use keys::{
    BatchVerifier, KeyError, PublicKey, SecretKey, Signature, SignatureError, Tag, signed_message,
};
pub use merkle::{MerkleProof, MerkleStep, merkle_proof, merkle_root};
pub use params::{ConsensusParams, Entropy, Finality, ParamError};
pub use pool::Pool;
pub use recent::{RecentMap, RecentSet};
pub use report::{MAX_NODE_NAME_CHARS, MAX_REPORT_BYTES, NodeName, NodeNameError, NodeReport};
pub use transaction::{
    Action, MAX_DATA_BYTES, MIN_TRANSACTION_BYTES, SignedTransaction, SyncProof, Transaction,
    registration_payload,
};
pub use units::{Height, Slot, TimestampMs};
pub use vote::{Certificate, CertificateError, Checkpoint, SignedVote, Vote, VoteKind, Voter, VoterSet};

/// 32-byte id of a node: `H(public key)`, shown as lowercase hex.
pub type NodeId = Hash;
/// 32-byte address of an account, formed like a [`NodeId`].
pub type Address = Hash;
