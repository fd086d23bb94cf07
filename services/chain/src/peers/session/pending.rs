//! Sending a peer every pending transaction.

use std::sync::Arc;

use vision_peering::TRANSACTIONS_BYTES;
use vision_primitives::Hash;

use super::super::channels::Gossip;
use super::super::convert;
use crate::mailbox::{CommandSender, waiting_part};

/// Sends all transactions that wait, as fast as the peer takes them. A part is copied only when there is room
/// for it, so that a peer that takes them slowly costs little.
pub(super) async fn send_all(core: &CommandSender, pending: &Gossip) {
    // The thread has gone only when the service is going too.
    let Ok(waiting) = core.read(|core| Ok(core.waiting())).await else { return };
    let waiting: Arc<[Hash]> = waiting.into();
    let mut sent = 0;
    while sent < waiting.len() {
        // The connection may end meanwhile.
        let Ok(room) = pending.reserve().await else { return };
        let all = waiting.clone();
        let part = core.read(move |core| Ok(waiting_part(core, &all[sent..], TRANSACTIONS_BYTES))).await;
        let Ok((passed, transactions)) = part else { return };
        sent += passed;
        if let Some(message) = convert::transactions(&transactions).next() {
            room.send(message);
        }
    }
}
