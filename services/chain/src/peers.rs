//! The other nodes: how they are reached, and how what the machine of `vision-peering` decides about them is
//! done.

mod answer_permits;
mod blocks;
mod channels;
mod context;
mod convert;
mod dial;
#[cfg(test)]
mod fuzz;
mod identity;
mod introductions;
mod refused;
mod serve;
mod session;
mod table;
mod tasks;

use std::sync::Arc;

use tokio::sync::mpsc;

pub(crate) use context::{Context, InProgress};
pub(crate) use identity::Identity;
pub(crate) use serve::PeerRpc;
pub(crate) use table::{Job, PeerTable};

/// Starts calling, fetching and catching up, until the drain; `jobs` is what the table wants done. Gives the
/// service towards other nodes.
pub(crate) fn start(context: Context, jobs: mpsc::Receiver<Job>) -> PeerRpc {
    let context = Arc::new(context);
    tokio::spawn(tasks::perform_all(context.clone(), jobs));
    tokio::spawn(tasks::keep_time(context.clone()));
    PeerRpc::new(context)
}
