//! The state machines, each driven by a sequence of inputs.

pub(crate) mod authoring;
pub(crate) mod block_tree;
pub(crate) mod finality;
pub(crate) mod health;
pub(crate) mod importer;
pub(crate) mod ledger;
pub(crate) mod mempool;
pub(crate) mod peering;
pub(crate) mod schedule;
pub(crate) mod sync_status;
