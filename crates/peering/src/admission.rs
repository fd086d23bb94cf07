//! Who has a place in the table: one connection per node id, bounded, with room kept for producers.

use vision_primitives::NodeId;

use crate::peer::Peer;
use crate::{ConnectionId, Log, Output, Peering, Proven, Refusal};

/// Most places kept for nodes that this node calls: more of them make nobody safer.
const MAX_KEPT_PLACES: usize = 64;

impl Peering {
    /// Whether a node may connect at all.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&mut self, id: &NodeId, now_ms: u64) -> Result<(), Refusal> {
        if *id == self.config.own {
            return Err(Refusal::Itself);
        }
        match self.bans.get(id) {
            Some(until) if *until > now_ms => {
                Err(Refusal::Banned { seconds: (until - now_ms).div_ceil(1000) })
            }
            Some(_) => {
                self.bans.remove(id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Enters a proven connection, or says why there is no place for it.
    pub(crate) fn proven(&mut self, proven: Proven, now_ms: u64) {
        if proven.inbound {
            self.book.learn(&proven.address, &proven.source);
        }
        let (id, connection, inbound) = (proven.peer, proven.connection, proven.inbound);
        if let Err(refusal) = self.find_place(&proven, now_ms) {
            if matches!(refusal, Refusal::Connected) {
                self.note_twin(&proven, now_ms);
            }
            self.out.push(Output::Refused { peer: id, connection, refusal });
            return;
        }
        if !inbound {
            self.book.stands(&proven.address, id);
        }
        let version = proven.version.clone();
        if let Some(replaced) = self.peers.insert(id, Peer::new(proven, now_ms)) {
            self.answers_gone(&replaced);
        }
        self.bans.retain(|_, until| *until > now_ms);
        self.out.push(Output::Admitted { peer: id, connection });
        self.out.push(Output::Changed);
        self.log_connection(&id, now_ms, || Log::Connected { peer: id, version, inbound });
    }

    /// Of two connections of one pair the one called by the lower id stays, so that both sides keep the same
    /// one.
    fn find_place(&mut self, new: &Proven, now_ms: u64) -> Result<(), Refusal> {
        let id = new.peer;
        self.admit(&id, now_ms)?;
        let preferred = |inbound: bool| (id < self.config.own) == inbound;
        if let Some(old) = self.peers.get(&id) {
            if preferred(old.inbound) || !preferred(new.inbound) {
                return Err(Refusal::Connected);
            }
            let (connection, refusal) = (old.connection, Some(Refusal::Replaced));
            self.out.push(Output::Close { peer: id, connection, refusal });
            return Ok(());
        }
        if self.peers.len() >= self.config.max_peers && !self.make_room_for(&id) {
            return Err(Refusal::Full { max_peers: self.config.max_peers });
        }
        let max_callers = self.max_calling_strangers();
        // They are counted only when there can be so many.
        let many = self.peers.len() >= max_callers;
        if many && new.inbound && !self.is_producer(&id) && self.strangers(true) >= max_callers {
            return Err(Refusal::FullOfCallers { max_callers });
        }
        Ok(())
    }

    /// Drops a stranger when a producer comes to a full table: ids cost nothing, and whoever makes many
    /// must not keep the producers out.
    fn make_room_for(&mut self, id: &NodeId) -> bool {
        if !self.is_producer(id) {
            return false;
        }
        let Some(stranger) = self.peers.keys().find(|peer| !self.is_producer(peer)).copied() else {
            return false;
        };
        if let Some(peer) = self.peers.remove(&stranger) {
            let (connection, refusal) = (peer.connection, Some(Refusal::PlaceForProducer));
            self.out.push(Output::Close { peer: stranger, connection, refusal });
            self.answers_gone(&peer);
        }
        true
    }

    /// Takes a connection out when it has ended.
    pub(crate) fn ended(
        &mut self,
        id: NodeId,
        connection: ConnectionId,
        why: String,
        stood_ms: u64,
        now_ms: u64,
    ) {
        // It may have given way to another one.
        if self.peers.get(&id).is_some_and(|peer| peer.connection == connection) {
            self.keep_unmet_claim(&id, now_ms);
            if let Some(peer) = self.peers.remove(&id) {
                self.answers_gone(&peer);
            }
        }
        self.out.push(Output::Changed);
        self.log_connection(&id, now_ms, || Log::Disconnected { peer: id, why, stood_ms });
    }

    /// Lines that belong to every connection are few.
    fn log_connection(&mut self, id: &NodeId, now_ms: u64, line: impl FnOnce() -> Log) {
        if self.connections_logged.pass(&id.short().to_string(), now_ms).is_some() {
            self.out.push(Output::Log(line()));
        }
    }

    /// A second connection of a peer was refused. If both go the same way and the first one is alive, it may
    /// be of another process.
    fn note_twin(&mut self, second: &Proven, now_ms: u64) {
        let Some(first) = self.peers.get(&second.peer) else { return };
        if first.inbound == second.inbound && first.is_heard(now_ms) && self.twins.sign(second.peer, now_ms) {
            let (first, identity) = (first.address.clone(), second.peer);
            self.out.push(Output::Log(Log::Twin { identity, first, second: second.remote.clone() }));
        }
    }

    pub(crate) fn own_twin(&mut self, address: String, now_ms: u64) {
        let identity = self.config.own;
        if self.twins.proof(identity, now_ms) {
            self.out.push(Output::Log(Log::OwnTwin { identity, address }));
        }
    }

    /// Connected peers that are no registered producers, by who called.
    fn strangers(&self, inbound: bool) -> usize {
        self.peers.iter().filter(|(id, peer)| peer.inbound == inbound && !self.is_producer(id)).count()
    }

    /// Most connections with nodes that have called and are no producers: the rest is for those that this
    /// node calls.
    const fn max_calling_strangers(&self) -> usize {
        let kept = self.config.max_peers / 4;
        self.config.max_peers - if kept < MAX_KEPT_PLACES { kept } else { MAX_KEPT_PLACES }
    }
}
