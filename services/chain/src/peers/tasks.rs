//! Performs what the machine plans and what takes time: calls, imports, questions to the chain.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::Instrument as _;
use vision_importer::ImportEnd;
use vision_peering::Task;

use super::context::Context;
use super::dial;
use super::table::Job;
use crate::mailbox::Command;

/// Performs jobs until the node stops.
pub(super) async fn perform_all(context: Arc<Context>, mut jobs: mpsc::Receiver<Job>) {
    loop {
        let job = tokio::select! {
            biased;
            () = context.drain.begun() => return,
            job = jobs.recv() => job,
        };
        let Some(Job { task, span }) = job else { return };
        tokio::spawn(perform(context.clone(), task).instrument(span));
    }
}

/// Wakes the machine when its time has come, until the node stops.
pub(super) async fn keep_time(context: Arc<Context>) {
    let mut wake_ms = context.table.wake_ms();
    loop {
        let wake_at = context.instant_of(*wake_ms.borrow_and_update());
        tokio::select! {
            biased;
            () = context.drain.begun() => return,
            // Before changes of the time, which may come all the time: the loop reads the newest one anyway.
            () = sleep_until(wake_at) => context.table.tick(),
            changed = wake_ms.changed() => if changed.is_err() { return },
        }
    }
}

async fn perform(context: Arc<Context>, task: Task) {
    let (core, table) = (&context.core, &context.table);
    match task {
        Task::Call { address } => {
            let outcome = dial::call(&context, &address).await;
            table.call_ended(address, outcome);
        }
        Task::Locate { round } => table.located(round, core.locator().await),
        Task::Import { round, from, blocks } => {
            let (new, stopped) = match core.import(from, blocks).await {
                ImportEnd::Imported(new) => (new, false),
                ImportEnd::Stopped(new) => (new, true),
            };
            let finalized = context.head.borrow().finalized_height;
            table.imported(round, new, stopped, finalized);
        }
        Task::LookUp { round, hash } => table.looked_up(round, core.knows(hash).await),
        Task::Deliver { fetch, peer, block } => {
            core.send(Command::Announced { peer, block }).await;
            table.delivered(fetch);
        }
    }
}
