//! The machine of peers: its inputs, and what it wants done at once.

use std::collections::{BTreeMap, VecDeque};

use vision_importer::{self as importer, PeerClock, TipClaim};
use vision_peering::{
    CallOutcome, ConnectionId, Echo, Form, Input, Log, Message as Wanted, Output, Peering, Refusal,
    StatusTimes, Task,
};
use vision_primitives::{NodeId, SignedTransaction};

use super::chain::Asked;
use super::{Node, SharedBlock};
use crate::event::{Alarm, What};
use crate::message::{Ending, Message};
use crate::sabotage::Sabotage;
use crate::shared::Shared;

/// What a question to the chain's thread takes, microseconds.
const ASK_US: u64 = 150;

/// The way to one peer.
pub(crate) struct Link {
    pub connection: ConnectionId,
    /// It had no room the last time.
    full: bool,
    /// Its messages that wait for the chain's loop.
    pub places: usize,
    /// Messages that wait for a place, in order.
    pub backlog: VecDeque<Message>,
}

/// The machine and the ways to the peers.
pub(crate) struct PeersShell {
    pub machine: Peering,
    pub links: BTreeMap<NodeId, Link>,
    alarm: Alarm,
    /// When the sessions are due, by the clock that never jumps, and when each is looked at next.
    due: BTreeMap<ConnectionId, (u64, Alarm)>,
    /// The block that is being gossiped.
    pub gossiping: Option<SharedBlock>,
    /// The transactions that are.
    gossiped: Vec<SignedTransaction>,
}

impl PeersShell {
    pub(crate) fn new(config: vision_peering::Config) -> Self {
        Self {
            machine: Peering::new(config),
            links: BTreeMap::new(),
            alarm: Alarm::default(),
            due: BTreeMap::new(),
            gossiping: None,
            gossiped: Vec::new(),
        }
    }
}

impl Node {
    pub(crate) fn peering_now(&self, shared: &Shared) -> vision_peering::Now {
        let now_us = shared.queue.now_us();
        vision_peering::Now { wall_ms: self.wall_ms(now_us), mono_ms: self.mono_ms(now_us) }
    }

    /// Gives the machine an input, does what it wants, and gives it what comes of that.
    pub(crate) fn peers(&mut self, input: Input, shared: &mut Shared) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.peering_now(shared);
            for output in self.running().peers.machine.handle(input, now) {
                self.do_for_peers(output, &mut inputs, shared);
            }
        }
    }

    /// The alarm of the machine goes off.
    pub(crate) fn peers_due(&mut self, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        if self.running().peers.alarm.rings(now_us) {
            self.peers(Input::Tick, shared);
        }
    }

    /// The alarm for one peer goes off.
    pub(crate) fn peer_due(&mut self, peer: NodeId, connection: ConnectionId, shared: &mut Shared) {
        let mono_ms = self.mono_ms(shared.queue.now_us());
        let now_us = shared.queue.now_us();
        let Some((at_ms, alarm)) = self.running().peers.due.get_mut(&connection) else { return };
        if !alarm.rings(now_us) {
            return;
        }
        let in_ms = at_ms.saturating_sub(mono_ms);
        if in_ms > 0 {
            // It was put off meanwhile.
            alarm.set(now_us + in_ms * 1000);
            return self.plan(in_ms * 1000, What::PeerDue(peer, connection), shared);
        }
        self.running().peers.due.remove(&connection);
        self.peers(Input::PeerDue { peer, connection }, shared);
    }

    pub(crate) fn peer_clock(&mut self, peer: &NodeId, shared: &Shared) -> PeerClock {
        let now = self.peering_now(shared);
        PeerClock::of_offset(self.running().peers.machine.clock_offset_ms(peer, now))
    }

    /// When the clock that never jumps shows this, microseconds since the run began.
    fn instant_us(&self, at_ms: u64) -> u64 {
        let booted_us = self.running.as_ref().map_or(0, |running| running.booted_us);
        // At that millisecond it shows it for certain.
        booted_us + at_ms * 1000
    }

    fn do_for_peers(&mut self, output: Output, inputs: &mut VecDeque<Input>, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        match output {
            Output::WakeAt(at_ms) => {
                let at_us = self.instant_us(at_ms).max(now_us);
                if self.running().peers.alarm.reset(at_us) {
                    self.plan(at_us - now_us, What::PeersDue, shared);
                }
            }
            Output::WakePeerAt { peer, connection, at_ms } => {
                let at_us = self.instant_us(at_ms).max(now_us);
                let (due_ms, alarm) = self.running().peers.due.entry(connection).or_default();
                *due_ms = at_ms;
                if alarm.set(at_us) {
                    self.plan(at_us - now_us, What::PeerDue(peer, connection), shared);
                }
            }
            Output::Log(Log::Charged { peer, points, why, left_out, .. }) => {
                shared.charged(&self.who, &peer, points, why, left_out);
            }
            Output::Changed | Output::Log(_) | Output::FetchOver(_) => {}
            Output::Admitted { peer, connection } => self.admitted(peer, connection, shared),
            Output::Refused { connection, refusal, peer } => {
                shared.turned_away(&self.who, &peer, &refusal);
                shared.hang_up(connection, self.who.index, &ending(&refusal));
            }
            Output::Close { connection, refusal, peer } => {
                refusal.iter().for_each(|refusal| shared.turned_away(&self.who, &peer, refusal));
                let why = refusal.map_or_else(|| Ending::broken("takes no message"), |why| ending(&why));
                shared.hang_up(connection, self.who.index, &why);
            }
            Output::Send { to, message } => self.send_to(&to, message, inputs, shared),
            Output::SendStatus { peer, echo } => {
                let status = self.status(echo, now_us);
                self.send(peer, status, Some(&Wanted::Status), inputs, shared);
            }
            Output::SendTransactions { to } => {
                let transactions = self.running().peers.gossiped.clone();
                for peer in to {
                    if !self.send_transactions(peer, &transactions, shared) {
                        inputs.push_back(Input::TransactionsMissed { peer });
                    }
                }
            }
            Output::SendPending { peer, connection } => {
                let pool = self.running().chain.importer.pool();
                let all: Vec<_> = pool.iter().cloned().collect();
                self.send_transactions(peer, &all, shared);
                self.plan(1_000, What::peers(Input::PendingSent { peer, connection }), shared);
            }
            Output::Begin(task) => self.begin(task, shared),
        }
    }

    fn admitted(&mut self, peer: NodeId, connection: ConnectionId, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        let link = Link { connection, full: false, places: 0, backlog: VecDeque::new() };
        self.running().peers.links.insert(peer, link);
        if let Some(wire) = shared.net.wire_mut(connection) {
            let end = wire.end_of(self.who.index);
            wire.stands[end] = true;
            if end == 1 {
                shared.send(connection, 1, Message::Welcome);
            }
        }
        let mono_ms = self.mono_ms(now_us);
        let mut alarm = Alarm::default();
        alarm.set(now_us);
        self.running().peers.due.insert(connection, (mono_ms, alarm));
        self.plan(0, What::PeerDue(peer, connection), shared);
    }

    fn send_to(&mut self, to: &[NodeId], wanted: Wanted, inputs: &mut VecDeque<Input>, shared: &mut Shared) {
        let message = match wanted.clone() {
            Wanted::Block { form, .. } => {
                let Some(block) = self.running().peers.gossiping.clone() else { return };
                match form {
                    Form::Whole => Message::Block(block),
                    Form::Header => {
                        let (header, signature) =
                            (block.header_bytes().to_vec(), block.signature().0.to_vec());
                        Message::Header { header, signature }
                    }
                }
            }
            Wanted::Question { request_id, query } => Message::Question { request_id, query },
            Wanted::Addresses(list) => Message::Addresses(list),
            Wanted::Status => return,
        };
        for peer in to {
            self.send(*peer, message.clone(), Some(&wanted), inputs, shared);
        }
    }

    /// Sends a message if there is room; the machine hears of it when there is none, and when there is again.
    fn send(
        &mut self,
        peer: NodeId,
        message: Message,
        wanted: Option<&Wanted>,
        inputs: &mut VecDeque<Input>,
        shared: &mut Shared,
    ) {
        let Some(message) = self.twisted(peer, message, shared) else { return };
        let me = self.who.index;
        let Some(link) = self.running().peers.links.get_mut(&peer) else { return };
        let Some(end) = shared.net.wire(link.connection).map(|wire| wire.end_of(me)) else { return };
        let sent = shared.send(link.connection, end, message);
        match (sent, wanted) {
            (false, Some(wanted)) => inputs.push_back(Input::NoRoom { peer, message: wanted.clone() }),
            (true, _) if link.full => inputs.push_back(Input::RoomAgain { peer }),
            _ => {}
        }
        link.full = !sent;
    }

    fn send_transactions(&mut self, peer: NodeId, all: &[SignedTransaction], shared: &mut Shared) -> bool {
        let me = self.who.index;
        let Some(link) = self.running().peers.links.get(&peer) else { return true };
        let connection = link.connection;
        let Some(end) = shared.net.wire(connection).map(|wire| wire.end_of(me)) else { return true };
        vision_peering::parts(all, |one| one.bytes().len())
            .all(|part| shared.send(connection, end, Message::Transactions(all[part].into())))
    }

    /// Passes transactions on to all peers but one.
    pub(crate) fn gossip(
        &mut self,
        transactions: Vec<SignedTransaction>,
        from: Option<NodeId>,
        shared: &mut Shared,
    ) {
        self.running().peers.gossiped = transactions;
        self.peers(Input::GossipTransactions { from }, shared);
        self.running().peers.gossiped = Vec::new();
    }

    /// The head as published, with the times.
    fn status(&mut self, echo: Echo, now_us: u64) -> Message {
        let sent_at_ms = self.wall_ms(now_us);
        let view = &self.running().chain.view;
        let signature = view.header().map(|_| view.signature().0.to_vec()).unwrap_or_default();
        let tip = TipClaim {
            height: view.height().get(),
            hash: view.hash(),
            header: view.header_bytes().to_vec(),
            signature,
        };
        let times = StatusTimes {
            sent_at_ms,
            echo_sent_at_ms: echo.sent_at_ms,
            echo_received_at_ms: echo.received_at_ms,
        };
        Message::Status { times, tip }
    }

    fn begin(&mut self, task: Task, shared: &mut Shared) {
        match task {
            Task::Call { address } => self.call(address, shared),
            Task::Locate { .. } if shared.sabotage(Sabotage::NeverCatchesUp) => {}
            Task::Locate { round } => {
                let locator = self.running().chain.importer.locator();
                self.plan(ASK_US, What::peers(Input::Located { round, locator }), shared);
            }
            Task::Import { round, from, blocks } => {
                let clock = self.peer_clock(&from, shared);
                let id = self.running().chain.ask(Asked::Import(round));
                self.enqueue(importer::Input::Fetched { id, peer: from, clock, blocks }, None, shared);
            }
            Task::LookUp { round, hash } => {
                let known = self.running().chain.importer.tree().get(&hash).is_some();
                self.plan(ASK_US, What::peers(Input::LookedUp { round, known }), shared);
            }
            Task::Deliver { fetch, peer, block } => {
                let clock = self.peer_clock(&peer, shared);
                let block = SharedBlock::from(block);
                self.enqueue(importer::Input::Announced { peer, clock, block }, None, shared);
                self.plan(ASK_US, What::peers(Input::Delivered { fetch }), shared);
            }
        }
    }

    /// Nobody is there, or the connection has broken before it stood.
    pub(crate) fn call_broke(&mut self, address: String, why: &str, in_us: u64, shared: &mut Shared) {
        let outcome = CallOutcome::Broken { why: why.to_owned() };
        self.plan(in_us, What::peers(Input::CallEnded { address, outcome }), shared);
    }
}

fn ending(refusal: &Refusal) -> Ending {
    Ending {
        why: refusal.to_string(),
        connected_already: matches!(refusal, Refusal::Connected | Refusal::Replaced),
        itself: matches!(refusal, Refusal::Itself),
    }
}
