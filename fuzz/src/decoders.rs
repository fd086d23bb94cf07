//! What is read from bytes and texts of others.

pub(crate) mod account_proof;
pub(crate) mod address;
pub(crate) mod audit;
pub(crate) mod block;
pub(crate) mod config;
pub(crate) mod genesis;
pub(crate) mod header;
pub(crate) mod node_report;
pub(crate) mod peer_message;
pub(crate) mod proofs;
pub(crate) mod rest;
pub(crate) mod shown;
pub(crate) mod text;
pub(crate) mod transaction;
pub(crate) mod vote;
