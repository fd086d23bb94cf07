//! The table of peers, reported to watchers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vision_host::Drain;
use vision_peering::PeerView;
use vision_wire::EventLog;
use vision_wire::chain::Peer;
use vision_wire::chain::peer::State;

use crate::peers::PeerTable;

/// Changes of the peers within this time are reported together.
const PEERS_EVERY: Duration = Duration::from_millis(20);
/// And for each peer within so much: the list is made anew for each report, and peers change all the time. So
/// it has at most 4,000 rows a second, however many peers there are.
const PEERS_EVERY_EACH: Duration = Duration::from_micros(250);
/// The table of peers is reported so often even if nothing changed: ages count.
const PEERS_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Publishes the peers' table to watchers, changes of a moment together.
pub(crate) async fn publish(
    table: Arc<PeerTable>,
    events: EventLog<Vec<Peer>>,
    present: watch::Sender<Arc<Vec<PeerView>>>,
    drain: Drain,
) {
    loop {
        let peers = table.list();
        let pause = pause_after(peers.len());
        events.publish(peers.iter().cloned().map(peer_to_proto).collect());
        present.send_replace(Arc::new(peers));
        tokio::select! {
            biased;
            () = drain.begun() => return,
            _ = tokio::time::timeout(PEERS_AT_LEAST_EVERY, table.changed.notified()) => {}
        }
        tokio::time::sleep(pause).await;
    }
}

/// How long the next list waits after one of so many peers.
fn pause_after(peers: usize) -> Duration {
    PEERS_EVERY.max(PEERS_EVERY_EACH * u32::try_from(peers).unwrap_or(u32::MAX))
}

fn peer_to_proto(peer: PeerView) -> Peer {
    let state = if peer.fresh && peer.delivers { State::Connected } else { State::Stale };
    Peer {
        node_id: peer.node_id.to_string(),
        address: peer.address,
        state: state.into(),
        height: peer.height.get(),
        tip_hash: peer.tip_hash.to_string(),
        rtt_ms: peer.rtt_ms,
        clock_offset_ms: peer.clock_offset_ms,
        version: peer.version,
        inbound: peer.inbound,
        last_status_at_ms: peer.last_status_at_ms,
        delivers: peer.delivers,
        charge: peer.charge,
        producer: peer.producer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_made_less_often_the_longer_it_is() {
        for (peers, expect_ms) in [(0, 20), (80, 20), (100, 25), (1_000, 250), (1_280, 320)] {
            assert_eq!(pause_after(peers), Duration::from_millis(expect_ms), "{peers} peers");
        }
    }
}
