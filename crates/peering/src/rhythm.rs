//! What every peer is sent from time to time.

use vision_primitives::NodeId;

use crate::{ConnectionId, Message, Output, Peering};

/// Most addresses in a message.
pub const MAX_ADDRESSES_IN_MESSAGE: usize = 64;
/// A status goes out at least so often, milliseconds.
const STATUS_EVERY_MS: u64 = 1_000;
/// After a moved head a status goes out so soon, milliseconds; moves in between share it. With more than
/// [`PEERS_AT_ONCE`] peers it goes out later.
const STATUS_AFTER_MOVE_MS: u64 = 50;
/// Peers that are sent a status within [`STATUS_AFTER_MOVE_MS`]: however fast the head moves, a node sends at
/// most 4,000 statuses a second because of it.
const PEERS_AT_ONCE: u64 = 200;
/// Addresses go out so often, milliseconds.
const ADDRESSES_EVERY_MS: u64 = 10_000;
/// So often a peer that has missed transactions is sent all that are pending, milliseconds.
const PENDING_EVERY_MS: u64 = 5_000;

/// When a peer is next sent something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    status_ms: u64,
    addresses_ms: u64,
    pending_ms: u64,
}

impl Rhythm {
    /// Of a new peer: everything at once.
    pub(crate) const fn starting(now_ms: u64) -> Self {
        Self { status_ms: now_ms, addresses_ms: now_ms, pending_ms: now_ms }
    }

    fn next_ms(&self) -> u64 {
        self.status_ms.min(self.addresses_ms).min(self.pending_ms)
    }
}

impl Peering {
    pub(crate) fn peer_due(&mut self, id: NodeId, connection: ConnectionId, now_ms: u64) {
        // The connection may have given way to another one meanwhile.
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.connection == connection) else { return };
        if peer.rhythm.status_ms <= now_ms {
            peer.rhythm.status_ms = now_ms + STATUS_EVERY_MS;
            self.out.push(Output::SendStatus { peer: id, echo: peer.echo });
        }
        if peer.rhythm.addresses_ms <= now_ms {
            peer.rhythm.addresses_ms = now_ms + ADDRESSES_EVERY_MS;
            let addresses = self.book.reached(MAX_ADDRESSES_IN_MESSAGE);
            if !addresses.is_empty() {
                self.out.push(Output::Send { to: vec![id], message: Message::Addresses(addresses) });
            }
        }
        if peer.rhythm.pending_ms <= now_ms {
            peer.rhythm.pending_ms = now_ms + PENDING_EVERY_MS;
            if peer.missed_transactions && !peer.sending_pending {
                (peer.missed_transactions, peer.sending_pending) = (false, true);
                self.out.push(Output::SendPending { peer: id, connection });
            }
        }
        self.out.push(Output::WakePeerAt { peer: id, connection, at_ms: peer.rhythm.next_ms() });
    }

    /// The head has moved: everybody hears of it soon.
    pub(crate) fn hasten_statuses(&mut self, now_ms: u64) {
        let peers = self.peers.len() as u64;
        let soon_ms = STATUS_AFTER_MOVE_MS.max(STATUS_AFTER_MOVE_MS * peers / PEERS_AT_ONCE);
        for (id, peer) in &mut self.peers {
            let (before, connection) = (peer.rhythm.next_ms(), peer.connection);
            peer.rhythm.status_ms = peer.rhythm.status_ms.min(now_ms + soon_ms);
            let at_ms = peer.rhythm.next_ms();
            if at_ms < before {
                self.out.push(Output::WakePeerAt { peer: *id, connection, at_ms });
            }
        }
    }
}
