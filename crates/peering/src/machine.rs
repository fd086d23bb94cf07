//! The machine: what it knows, and what each input changes in it.

use std::collections::{BTreeMap, BTreeSet};

use vision_primitives::{Height, NodeId, Pool};

use crate::book::{AddressBook, MAX_ADDRESSES};
use crate::catch_up::{Answers, MAX_ROUNDS, Owner, Reputation, Round};
use crate::fetches::{Fetches, MAX_SINGLE_FETCHES};
use crate::peer::Peer;
use crate::twins::Twins;
use crate::{Accepts, Input, LineLimit, Now, Output, Received, RoundId, calls, catch_up};

/// Charges of one peer are logged so often, milliseconds.
const CHARGES_LOGGED_EVERY_MS: u64 = 10_000;
/// Most lines about misbehaviour of all peers in ten seconds.
const MAX_CHARGE_LINES: u32 = 20;
/// What is logged of one address is logged again after this time, milliseconds.
const LOGGED_EVERY_MS: u64 = 60_000;
/// Most lines about addresses, and most about connections, in ten seconds.
const MAX_LINES: u32 = 40;

/// What does not change while the service runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This node.
    pub own: NodeId,
    /// Most connections.
    pub max_peers: usize,
    /// Addresses to call in any case.
    pub seeds: Vec<String>,
    /// Which addresses are taken from other nodes.
    pub accepts: Accepts,
    /// Seeds the random order of calls, which nobody should be able to guess.
    pub random_seed: u64,
}

impl Config {
    /// Most [tasks](crate::Task) under way at once: one for every round, fetch and address.
    #[must_use]
    pub fn max_tasks(&self) -> usize {
        MAX_ROUNDS + MAX_SINGLE_FETCHES + self.seeds.len().max(MAX_ADDRESSES)
    }
}

/// Decides everything about peers.
#[derive(Debug)]
pub struct Peering {
    pub(crate) config: Config,
    pub(crate) book: AddressBook,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Points and when they were last added to.
    pub(crate) charges: BTreeMap<NodeId, (u32, u64)>,
    /// Until when.
    pub(crate) bans: BTreeMap<NodeId, u64>,
    /// How often, and when last, nodes claimed what they did not deliver.
    pub(crate) broken_claims: BTreeMap<NodeId, (u32, u64)>,
    /// How long the claims of nodes that have gone had waited to be met, milliseconds.
    pub(crate) unmet_claims: BTreeMap<NodeId, u64>,
    pub(crate) twins: Twins,
    /// Height and weight of our own head.
    pub(crate) own_head: (Height, u64),
    /// Registered producers in the state after it.
    pub(crate) registered: Option<Pool>,
    /// The wall clock less the one that never jumps, when a status last came.
    pub(crate) wall_lead_ms: Option<u64>,

    pub(crate) answers: Answers,
    pub(crate) fetches: Fetches,
    pub(crate) rounds: BTreeMap<RoundId, Round>,
    pub(crate) next_round: u64,
    pub(crate) reputation: Reputation,
    /// Rounds and fetches that may go on.
    pub(crate) ready: BTreeSet<Owner>,
    /// Claims are to be looked through now.
    pub(crate) look_now: bool,

    pub(crate) charges_logged: LineLimit,
    pub(crate) logged: LineLimit,
    pub(crate) connections_logged: LineLimit,
    calls_due_ms: u64,
    catch_up_due_ms: u64,
    /// The last instant asked for.
    wake_ms: Option<u64>,
    pub(crate) out: Vec<Output>,
}

impl Peering {
    /// A machine without connections.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            book: AddressBook::new(config.seeds.iter().cloned(), config.accepts, config.random_seed),
            config,
            peers: BTreeMap::new(),
            charges: BTreeMap::new(),
            bans: BTreeMap::new(),
            broken_claims: BTreeMap::new(),
            unmet_claims: BTreeMap::new(),
            twins: Twins::default(),
            own_head: (Height::GENESIS, 0),
            registered: None,
            wall_lead_ms: None,
            answers: Answers::default(),
            fetches: Fetches::default(),
            rounds: BTreeMap::new(),
            next_round: 0,
            reputation: Reputation::default(),
            ready: BTreeSet::new(),
            look_now: false,
            charges_logged: LineLimit::new(CHARGES_LOGGED_EVERY_MS, MAX_CHARGE_LINES),
            logged: LineLimit::new(LOGGED_EVERY_MS, MAX_LINES),
            connections_logged: LineLimit::new(0, MAX_LINES),
            calls_due_ms: 0,
            catch_up_due_ms: 0,
            wake_ms: None,
            out: Vec::new(),
        }
    }

    /// Takes what happened, and says what is to be done, in this order.
    ///
    /// # Panics
    /// If given the end of a [task](crate::Task) that it has not begun.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        self.take(input, now);
        self.go_on(now.mono_ms);
        self.plan_wake();
        core::mem::take(&mut self.out)
    }

    fn take(&mut self, input: Input, now: Now) {
        let now_ms = now.mono_ms;
        match input {
            Input::Tick => self.tick(now_ms),
            Input::Proven(proven) => self.proven(proven, now_ms),
            Input::Ended { peer, connection, why, stood_ms } => {
                self.ended(peer, connection, why, stood_ms, now_ms);
            }
            Input::CallEnded { address, outcome } => self.call_ended(address, outcome, now_ms),
            Input::OwnTwin { address } => self.own_twin(address, now_ms),
            Input::Received { peer, message } => self.receive(peer, message, now),
            Input::PeerDue { peer, connection } => self.peer_due(peer, connection, now_ms),
            Input::NoRoom { peer, message } => self.no_room(peer, &message, now_ms),
            Input::RoomAgain { peer } => self.room_again(&peer),
            Input::TransactionsMissed { peer } => self.transactions_missed(&peer),
            Input::PendingSent { peer, connection } => self.pending_sent(&peer, connection),
            Input::TipKnown { peer, height, hash } => self.tip_known(&peer, height, hash),
            Input::TipClaimed { peer, height, hash, weight, verified } => {
                self.tip_claimed(&peer, (height, hash), weight, verified, now_ms);
                // Most peers claim what this node has or is getting.
                self.look_now |= weight > self.own_head.1 || height > self.own_head.0;
            }
            Input::Excused { peer } => self.excuse(&peer, now_ms),
            Input::Charged { peer, points, why } => self.charge(peer, points, &why, now_ms),
            Input::HeadMoved { height, weight, registered } => {
                self.own_head = (height, weight);
                self.registered = Some(registered);
                self.hasten_statuses(now_ms);
            }
            Input::Stored { blocks, from } => self.blocks_stored(&blocks, from.as_ref(), now_ms),
            Input::GossipBlock { hash, form } => self.gossip_block(hash, form),
            Input::GossipTransactions { from } => self.gossip_transactions(from),
            Input::Wanted { fetch, peer, hash } => self.wanted(fetch, peer, hash, now_ms),
            Input::Delivered { fetch } => self.delivered(fetch, now_ms),
            Input::Located { round, locator } => self.located(round, locator, now_ms),
            Input::Imported { round, new, stopped, finalized } => {
                self.imported(round, new, stopped, finalized, now_ms);
            }
            Input::LookedUp { round, known } => self.looked_up(round, known, now_ms),
        }
    }

    fn receive(&mut self, id: NodeId, message: Received, now: Now) {
        match message {
            Received::Status(status) => self.note_status(&id, status, now),
            Received::Has(hash) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.note(hash);
                }
            }
            Received::Part { request_id, block } => self.part(id, request_id, *block, now.mono_ms),
            Received::End { request_id, reason } => self.end(&id, request_id, reason),
            Received::Addresses(addresses) => {
                // It may have given way meanwhile.
                let Some(peer) = self.peers.get(&id) else { return };
                addresses.iter().for_each(|address| self.book.learn(address, &peer.source));
            }
            Received::Faulty(fault) => self.charge(id, fault.points(), fault.why(), now.mono_ms),
        }
    }

    fn tick(&mut self, now_ms: u64) {
        if self.calls_due_ms <= now_ms {
            self.calls_due_ms = now_ms + calls::LOOK_EVERY_MS;
            self.look_for_calls(now_ms);
        }
        if self.catch_up_due_ms <= now_ms {
            self.catch_up_due_ms = now_ms + catch_up::LOOK_EVERY_MS;
            self.charge_overdue(now_ms);
            self.look_now = true;
        }
        let late = self.deadlines().filter(|(at_ms, _)| *at_ms <= now_ms).map(|(_, owner)| owner);
        let late: Vec<Owner> = late.collect();
        self.ready.extend(late);
    }

    /// Lets go on whatever can. It ends: every step takes something that came in.
    fn go_on(&mut self, now_ms: u64) {
        loop {
            match self.ready.pop_first() {
                Some(Owner::Round(round)) => self.advance_round(round, now_ms),
                Some(Owner::Fetch(fetch)) => self.advance_fetch(fetch, now_ms),
                None if core::mem::take(&mut self.look_now) => self.look_for_rounds(now_ms),
                None => return,
            }
        }
    }

    /// Until when who is waited for.
    fn deadlines(&self) -> impl Iterator<Item = (u64, Owner)> {
        let rounds = self.rounds.iter();
        let rounds = rounds.filter_map(|(id, round)| Some((round.deadline_ms()?, Owner::Round(*id))));
        rounds.chain(self.fetches.deadlines())
    }

    fn plan_wake(&mut self) {
        let looks = self.calls_due_ms.min(self.catch_up_due_ms);
        let wake_ms = self.deadlines().map(|(at_ms, _)| at_ms).fold(looks, u64::min);
        if self.wake_ms.replace(wake_ms) != Some(wake_ms) {
            self.out.push(Output::WakeAt(wake_ms));
        }
    }
}
