//! Connections: calls, what comes in, and how they end.

use vision_importer as importer;
use vision_peering::{CallOutcome, ConnectionId, Input, Proven, Received, RefusedCall};
use vision_primitives::{Hash, NodeId};

use super::{Node, SharedBlock, address_of, node_of};
use crate::event::{Event, What};
use crate::message::{Ending, Message};
use crate::net::{CALL_US, Wire};
use crate::sabotage::Sabotage;
use crate::shared::Shared;

/// Messages of one peer that may wait for the chain's loop, as in the chain service.
const MAX_PLACES: usize = 8;

impl Node {
    /// Calls an address.
    pub(crate) fn call(&mut self, address: String, shared: &mut Shared) {
        let me = self.who.index;
        let callee = node_of(&address).filter(|node| *node < shared.scenario.nodes);
        let listens = callee.and_then(|node| Some((node, shared.net.listening[node]?)));
        let Some((node, life)) = listens else {
            let there_and_back_us = callee.map_or(1_000, |node| 2 * shared.net.latency_us(me, node));
            return self.call_broke(address, "connection refused", there_and_back_us, shared);
        };
        let now_us = shared.queue.now_us();
        let connection = shared.net.call([me, node], [self.life, life], address, now_us);
        shared.queue.after(CALL_US, Event::CallOver(connection));
        // There and back for TCP, and again for the challenge.
        let there_and_back_us = 3 * shared.net.latency_us(me, node);
        if !shared.net.is_cut(me, node) && !shared.net.is_cut(node, me) {
            shared.queue.after(
                there_and_back_us,
                Event::Arrive { connection, from: 0, message: Box::new(Message::Introduction) },
            );
        }
    }

    /// A message has come in.
    pub(crate) fn receive(
        &mut self,
        connection: ConnectionId,
        from: usize,
        message: Message,
        shared: &mut Shared,
    ) {
        let Some(wire) = shared.net.wire(connection) else { return };
        let (me, peer) = (1 - from, wire.ends[from]);
        match message {
            Message::Introduction => self.introduced(connection, peer, true, shared),
            Message::Welcome => self.introduced(connection, peer, false, shared),
            message if wire.stands[me] => {
                let id = shared.id_of(peer);
                self.heard(id, connection, message, shared);
            }
            _ => {}
        }
    }

    fn introduced(&mut self, connection: ConnectionId, peer: usize, inbound: bool, shared: &mut Shared) {
        let Some(wire) = shared.net.wire(connection) else { return };
        let ip = address_of(peer).trim_end_matches(":7072").to_owned();
        let proven = Proven {
            connection,
            peer: shared.id_of(peer),
            address: if inbound { address_of(peer) } else { wire.address.clone() },
            inbound,
            remote: format!("{ip}:{}", 40_000 + connection.0 % 20_000),
            source: ip,
            version: "simulated".into(),
        };
        self.peers(Input::Proven(proven), shared);
    }

    /// A message of a peer; what needs the chain's loop waits for a place there, and all that follows it.
    fn heard(&mut self, peer: NodeId, connection: ConnectionId, message: Message, shared: &mut Shared) {
        let bounded = !shared.sabotage(Sabotage::QueuesWithoutBound);
        let Some(link) = self.running().peers.links.get_mut(&peer) else { return };
        if link.connection != connection {
            return;
        }
        let waits = !link.backlog.is_empty() || link.places >= MAX_PLACES;
        if bounded && waits {
            link.backlog.push_back(message);
            let waiting = link.backlog.len();
            shared.counts.longest_backlog = shared.counts.longest_backlog.max(waiting as u64);
            return;
        }
        self.take(peer, message, shared);
    }

    /// One message of a peer has been taken by the chain's loop.
    pub(crate) fn place_is_free(&mut self, peer: &NodeId, shared: &mut Shared) {
        if let Some(link) = self.running().peers.links.get_mut(peer) {
            link.places = link.places.saturating_sub(1);
        }
        while let Some(link) = self.running().peers.links.get_mut(peer) {
            if link.places >= MAX_PLACES {
                return;
            }
            let Some(message) = link.backlog.pop_front() else { return };
            self.take(*peer, message, shared);
        }
    }

    fn pass_on(&mut self, peer: NodeId, input: importer::Input, shared: &mut Shared) {
        if let Some(link) = self.running().peers.links.get_mut(&peer) {
            link.places += 1;
            if link.places > MAX_PLACES {
                let (now_us, what) = (shared.queue.now_us(), format!("{} places of a peer", link.places));
                shared.checks.broken(now_us, self.who.index, "bound", what);
            }
            self.enqueue(input, Some(peer), shared);
        }
    }

    fn take(&mut self, peer: NodeId, message: Message, shared: &mut Shared) {
        let received = |message| Input::Received { peer, message };
        match message {
            Message::Introduction | Message::Welcome => {}
            Message::Status { times, tip } => {
                self.peers(received(Received::Status(times)), shared);
                let clock = self.peer_clock(&peer, shared);
                self.pass_on(peer, importer::Input::Tip { peer, clock, tip }, shared);
            }
            Message::Block(block) => {
                self.peers(received(Received::Has(block.hash())), shared);
                let clock = self.peer_clock(&peer, shared);
                self.pass_on(peer, importer::Input::Announced { peer, clock, block }, shared);
            }
            Message::Header { header, signature } => {
                self.pass_on(peer, importer::Input::Header { peer, header, signature }, shared);
            }
            Message::Question { request_id, query } => {
                if shared.sabotage(Sabotage::AnswersNothing) {
                    return;
                }
                self.answer(peer, request_id, &query, shared);
            }
            Message::Part { request_id, block } => {
                let block = Box::new(vision_primitives::Block::clone(&block));
                self.peers(received(Received::Part { request_id, block }), shared);
            }
            Message::End { request_id, reason } => {
                self.peers(received(Received::End { request_id, reason }), shared);
            }
            Message::Addresses(list) => self.peers(received(Received::Addresses(list)), shared),
            Message::Transactions(list) => self.screen(list.to_vec(), Some(peer), shared),
        }
    }

    fn answer(&mut self, peer: NodeId, request_id: u64, query: &vision_peering::Query, shared: &mut Shared) {
        let me = self.who.index;
        let Some(link) = self.running().peers.links.get(&peer) else { return };
        let connection = link.connection;
        let Some(end) = shared.net.wire(connection).map(|wire| wire.end_of(me)) else { return };
        let blocks: Vec<SharedBlock> = self.disk.chain.answer(query);
        let found = !blocks.is_empty() || !matches!(query, vision_peering::Query::One(_));
        if !self.answers_badly((connection, end), request_id, &blocks, shared) {
            shared.stream(connection, end, request_id, blocks, found);
        }
    }

    /// A connection of this node is over. Its machine hears of it if it had admitted it, and a caller hears
    /// what has become of its call.
    pub(crate) fn ended(
        &mut self,
        connection: ConnectionId,
        wire: &Wire,
        by: usize,
        why: &Ending,
        in_us: u64,
        shared: &mut Shared,
    ) {
        let end = wire.end_of(self.who.index);
        if wire.lives[end] != self.life || !self.is_up() {
            return;
        }
        let peer = shared.id_of(wire.ends[1 - end]);
        let stood_ms = (shared.queue.now_us() - wire.began_us) / 1000;
        if wire.stands[end] {
            let links = &mut self.running().peers.links;
            if links.get(&peer).is_some_and(|link| link.connection == connection) {
                links.remove(&peer);
            }
            let input = Input::Ended { peer, connection, why: why.why.clone(), stood_ms };
            self.plan(in_us, What::peers(input), shared);
        }
        if end == 0 {
            let input = Input::CallEnded {
                address: wire.address.clone(),
                outcome: outcome(wire, by == 0, peer, why, stood_ms),
            };
            self.plan(in_us, What::peers(input), shared);
        }
    }
}

/// What has become of a call.
fn outcome(wire: &Wire, by_caller: bool, peer: Hash, ending: &Ending, stood_ms: u64) -> CallOutcome {
    let why = ending.why.clone();
    if wire.stands[0] {
        let connected_already = !by_caller && ending.connected_already;
        return CallOutcome::Stood { peer, stood_ms, why, connected_already };
    }
    if ending.itself {
        return CallOutcome::Refused { refused: RefusedCall::Itself, why };
    }
    if by_caller && ending.connected_already {
        return CallOutcome::Known(peer);
    }
    CallOutcome::Refused { refused: RefusedCall::Other, why }
}
