//! What is known of the other nodes, and stays known when they are gone. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use vision_peering::PeerView;
use vision_primitives::{Hash, Height, NodeId, NodeReport};

/// Nodes remembered that are gone; the connected ones and the registered producers are listed besides.
pub(super) const MAX_GONE_NODES: usize = 512;
/// Arrivals of heads remembered of a node.
const MAX_ARRIVALS: usize = 128;

/// A connection that came or went since the last look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Contact {
    /// With whom.
    pub id: NodeId,
    /// Where it can be called.
    pub address: String,
    /// Why it ended; none if it came.
    pub lost_because: Option<String>,
}

/// What is known of a node.
#[derive(Default)]
pub(super) struct Known {
    /// Where it can be called.
    pub address: String,
    /// Its software version.
    pub version: String,
    /// Whether there is a connection with it.
    pub connected: bool,
    /// Height of its head as far as checked; none before that.
    pub height: Option<Height>,
    /// Its clock less this one's, milliseconds.
    pub clock_offset_ms: Option<f64>,
    /// Round trip, milliseconds.
    pub rtt_ms: Option<f64>,
    /// When its last status came; none before that.
    pub last_seen_at_ms: Option<u64>,
    /// When the connection was lost.
    pub lost_at_ms: Option<u64>,
    /// What it last reported about itself.
    pub report: Option<Arc<NodeReport>>,
    /// Why its last connection ended.
    parted_because: String,
    /// Whether it was seen in the table of peers: what it says may come a moment before.
    met: bool,
    /// When heads came to it, by its clock.
    arrivals: VecDeque<(Hash, u64)>,
}

impl Known {
    /// When a block came to it, by its clock.
    pub(super) fn arrival(&self, hash: &Hash) -> Option<u64> {
        self.arrivals.iter().rev().find(|(of, _)| of == hash).map(|(_, at)| *at)
    }

    fn take(&mut self, peer: &PeerView) {
        (self.met, self.connected) = (true, true);
        self.lost_at_ms = None;
        self.address.clone_from(&peer.address);
        self.version.clone_from(&peer.version);
        // A new connection has nothing to say of this yet; the last one had.
        self.clock_offset_ms = peer.clock_offset_ms.or(self.clock_offset_ms);
        self.rtt_ms = peer.rtt_ms.or(self.rtt_ms);
        if peer.last_status_at_ms > 0 {
            self.height = Some(peer.height);
            self.last_seen_at_ms = Some(peer.last_status_at_ms);
        }
    }
}

/// The other nodes.
#[derive(Default)]
pub(super) struct Roster {
    known: BTreeMap<NodeId, Known>,
}

impl Roster {
    /// Takes the table of peers as it is now, and reports who has come and gone. Whoever is not in it has no
    /// connection any more.
    pub(super) fn see(
        &mut self,
        present: &[PeerView],
        is_producer: impl Fn(&NodeId) -> bool,
        now_ms: u64,
    ) -> Vec<Contact> {
        let mut contacts = Vec::new();
        for peer in present {
            let known = self.known.entry(peer.node_id).or_default();
            if !known.connected {
                let address = peer.address.clone();
                contacts.push(Contact { id: peer.node_id, address, lost_because: None });
            }
            known.take(peer);
        }
        let here: BTreeSet<&NodeId> = present.iter().map(|peer| &peer.node_id).collect();
        for (id, known) in self.known.iter_mut().filter(|(id, known)| known.connected && !here.contains(id)) {
            known.connected = false;
            known.lost_at_ms = Some(now_ms);
            let lost_because = Some(std::mem::take(&mut known.parted_because));
            contacts.push(Contact { id: *id, address: known.address.clone(), lost_because });
        }
        self.make_room(&is_producer);
        contacts
    }

    /// Forgets the nodes that matter least: no producers, and gone for longest.
    fn make_room(&mut self, is_producer: &impl Fn(&NodeId) -> bool) {
        let gone = self.known.iter().filter(|(_, known)| !known.connected);
        let mut gone: Vec<_> = gone.map(|(id, known)| (is_producer(id), known.lost_at_ms, *id)).collect();
        let too_many = gone.len().saturating_sub(MAX_GONE_NODES);
        if too_many > 0 {
            gone.sort_unstable();
            gone.iter().take(too_many).for_each(|(_, _, id)| drop(self.known.remove(id)));
        }
    }

    /// Notes why a connection ends.
    pub(super) fn parted(&mut self, id: &NodeId, because: &str) {
        if let Some(known) = self.known.get_mut(id) {
            known.parted_because = because.to_owned();
        }
    }

    /// Takes what a connected peer reports about itself.
    pub(super) fn heard(&mut self, id: &NodeId, report: Arc<NodeReport>) {
        // It is in the table already; there is room, for the next look makes some.
        let known = self.known.entry(*id).or_default();
        let (hash, at_ms) = (report.hash, report.arrived_at.get());
        if at_ms > 0 && known.arrivals.back().is_none_or(|(last, _)| *last != hash) {
            known.arrivals.push_back((hash, at_ms));
            if known.arrivals.len() > MAX_ARRIVALS {
                known.arrivals.pop_front();
            }
        }
        known.report = Some(report);
    }

    /// A node, if this one has heard of it.
    pub(super) fn get(&self, id: &NodeId) -> Option<&Known> {
        self.known.get(id).filter(|known| known.met)
    }

    /// All of them, ascending by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Known)> {
        self.known.iter().filter(|(_, known)| known.met)
    }
}

#[cfg(test)]
pub mod tests {
    use vision_primitives::TimestampMs;

    use super::*;

    pub fn peer(id: u16) -> PeerView {
        PeerView {
            node_id: id_of(id),
            address: format!("10.0.0.1:{id}"),
            inbound: false,
            height: Height(7),
            tip_hash: Hash::ZERO,
            rtt_ms: Some(2.0),
            clock_offset_ms: Some(-3.0),
            version: "1".into(),
            last_status_at_ms: 900,
            fresh: true,
            delivers: true,
            charge: 0,
            producer: false,
        }
    }

    pub fn id_of(id: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        Hash(bytes)
    }

    #[test]
    fn whoever_is_gone_stays_with_what_was_last_known() {
        let mut roster = Roster::default();
        let contact = |id: u16, why: Option<&str>| Contact {
            id: id_of(id),
            address: format!("10.0.0.1:{id}"),
            lost_because: why.map(ToOwned::to_owned),
        };
        let came = roster.see(&[peer(1), peer(2)], |_| true, 1_000);
        assert_eq!(came, [contact(1, None), contact(2, None)]);
        roster.parted(&id_of(2), "silent");
        assert_eq!(roster.see(&[peer(1)], |_| true, 2_000), [contact(2, Some("silent"))]);
        assert_eq!(roster.see(&[peer(1)], |_| true, 3_000), []);
        let gone = roster.get(&id_of(2)).unwrap();
        assert!(!gone.connected);
        assert_eq!((gone.lost_at_ms, gone.last_seen_at_ms), (Some(2_000), Some(900)));
        assert_eq!((gone.height, gone.clock_offset_ms), (Some(Height(7)), Some(-3.0)));
        // Back, and nothing measured yet on the new connection.
        let back = PeerView { rtt_ms: None, clock_offset_ms: None, last_status_at_ms: 0, ..peer(2) };
        assert_eq!(roster.see(&[peer(1), back], |_| true, 4_000), [contact(2, None)]);
        let back = roster.get(&id_of(2)).unwrap();
        assert!(back.connected && back.lost_at_ms.is_none());
        assert_eq!((back.height, back.rtt_ms), (Some(Height(7)), Some(2.0)));
    }

    #[test]
    fn strangers_that_come_and_go_take_no_room_and_no_producer_is_forgotten_for_them() {
        let mut roster = Roster::default();
        roster.see(&[peer(0)], |id| *id == id_of(0), 0);
        for stranger in 1..=2 * MAX_GONE_NODES as u16 {
            roster.see(&[peer(stranger)], |id| *id == id_of(0), stranger.into());
        }
        assert_eq!(roster.iter().count(), MAX_GONE_NODES + 1, "and the one that is connected");
        assert!(roster.get(&id_of(0)).is_some() && roster.get(&id_of(1)).is_none());
    }

    #[test]
    fn however_many_are_connected_those_that_are_gone_are_remembered() {
        let mut roster = Roster::default();
        let all: Vec<PeerView> = (0..3 * MAX_GONE_NODES as u16).map(peer).collect();
        roster.see(&all, |_| false, 1);
        roster.see(&all[1..], |_| false, 2);
        assert_eq!(roster.iter().count(), all.len());
        assert!(roster.get(&id_of(0)).is_some_and(|known| known.lost_at_ms == Some(2)));
    }

    #[test]
    fn a_head_arrives_once() {
        let mut roster = Roster::default();
        let report = |hash: u8, at: u64| {
            Arc::new(NodeReport {
                name: "a".parse().unwrap(),
                not_eligible: None,
                ready_peers: 0,
                height: Height(1),
                hash: Hash([hash; 32]),
                arrived_at: TimestampMs(at),
                pending: 0,
            })
        };
        roster.heard(&id_of(1), report(9, 0));
        assert!(roster.get(&id_of(1)).is_none(), "it is listed with its connection, and not before");
        roster.see(&[peer(1)], |_| true, 0);
        for (hash, at) in [(1, 0), (2, 5), (2, 6), (3, 7)] {
            roster.heard(&id_of(1), report(hash, at));
        }
        let known = roster.get(&id_of(1)).unwrap();
        let arrivals = [1, 2, 3].map(|hash| known.arrival(&Hash([hash; 32])));
        assert_eq!(arrivals, [None, Some(5), Some(7)]);
        for n in 0..=u8::MAX {
            roster.heard(&id_of(1), report(n, 9));
        }
        assert_eq!(roster.get(&id_of(1)).unwrap().arrivals.len(), MAX_ARRIVALS);
    }
}
