//! The world: all nodes, what is between them, and the loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_authoring::Proposal;
use vision_block_tree::{BlockTree, ChainRules};
use vision_ledger::State;
use vision_peering::ConnectionId;
use vision_primitives::{Action, Block, Hash, Hasher, NodeId, Transaction};

use crate::byzantine::{Behaviour, Evil};
use crate::chance::Chance;
use crate::checks::Checks;
use crate::event::Event;
use crate::faults::Step;
use crate::message::{Ending, Message};
use crate::net::{Net, SILENCE_US, Sent, Wire};
use crate::node::{Node, Who};
use crate::queue::Queue;
use crate::sabotage::Sabotage;
use crate::scenario::{CLIENTS, client_key, node_key};
use crate::{Progress, Report, Scenario, ScenarioError};

/// Between two looks at sums and bounds, microseconds.
const CHECK_US: u64 = 60_000_000;

/// What is counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub made: [u64; 3],
    pub reorganisations: BTreeMap<u64, u64>,
    pub faults: BTreeMap<&'static str, u64>,
    pub refusals: BTreeMap<&'static str, u64>,
    pub dropped: BTreeMap<&'static str, u64>,
    pub submitted: u64,
    pub acknowledged: u64,
    pub charges: u64,
    pub refused_producers: u64,
    pub equivocations: u64,
    pub longest_backlog: u64,
    pub main_slots: u64,
}

impl Counts {
    pub(crate) fn made(&mut self, proposal: &Proposal) {
        let slot = proposal.slot.get();
        let of = usize::from(slot > 0) + usize::from(slot >= self.main_slots);
        self.made[of] += 1;
    }

    pub(crate) fn reorganised(&mut self, left: u64) {
        if left > 0 {
            *self.reorganisations.entry(left).or_default() += 1;
        }
    }
}

/// A connection that was ended.
struct HungUp {
    connection: ConnectionId,
    wire: Wire,
    by: usize,
    why: Ending,
}

/// Everything but the nodes.
pub(crate) struct Shared {
    pub queue: Queue<Event>,
    pub net: Net,
    pub chance: Chance,
    pub rules: Arc<ChainRules>,
    pub first_tree: BlockTree,
    pub scenario: Arc<Scenario>,
    pub checks: Checks,
    pub counts: Counts,
    ids: Vec<NodeId>,
    evil: BTreeMap<usize, Evil>,
    hung_up: Vec<HungUp>,
}

impl Shared {
    pub(crate) fn sabotage(&self, which: Sabotage) -> bool {
        self.scenario.sabotage == Some(which)
    }

    pub(crate) fn behaviour(&self, node: usize) -> Option<Behaviour> {
        let honest = self.scenario.nodes - self.scenario.byzantine.len();
        self.scenario.byzantine.get(node.checked_sub(honest)?).copied()
    }

    pub(crate) fn evil(&mut self, node: usize) -> &mut Evil {
        self.evil.entry(node).or_default()
    }

    pub(crate) fn runs_producer(&self, node: usize) -> bool {
        node < self.scenario.producer_count()
    }

    pub(crate) fn id_of(&self, node: usize) -> NodeId {
        self.ids[node]
    }

    pub(crate) fn genesis_state(&self) -> &State {
        self.first_tree.head().state()
    }

    /// Sends a message from an end of a connection; whether there was room.
    pub(crate) fn send(&mut self, connection: ConnectionId, from: usize, message: Message) -> bool {
        self.send_bounded(connection, from, message, true)
    }

    fn send_bounded(
        &mut self,
        connection: ConnectionId,
        from: usize,
        message: Message,
        bounded: bool,
    ) -> bool {
        match self.net.send(connection, from, &message, bounded, self.queue.now_us()) {
            Sent::NoRoom => return false,
            Sent::Waits => {}
            Sent::Arrives(times) => {
                for at_us in times {
                    self.queue
                        .at(at_us, Event::Arrive { connection, from, message: Box::new(message.clone()) });
                }
            }
        }
        true
    }

    /// Sends an answer, part by part.
    pub(crate) fn stream(
        &mut self,
        connection: ConnectionId,
        from: usize,
        request_id: u64,
        blocks: Vec<Arc<Block>>,
        found: bool,
    ) {
        for block in blocks {
            self.send_bounded(connection, from, Message::Part { request_id, block }, false);
        }
        let reason = if found { String::new() } else { "BLOCK_NOT_FOUND".to_owned() };
        self.send_bounded(connection, from, Message::End { request_id, reason }, false);
    }

    /// Ends a connection from one side.
    pub(crate) fn hang_up(&mut self, connection: ConnectionId, by: usize, why: &Ending) {
        if let Some(wire) = self.net.end(connection) {
            self.hung_up.push(HungUp { connection, wire, by, why: why.clone() });
        }
    }

    /// What a caller was answered.
    pub(crate) fn settled(&mut self, who: &Who, transaction: Hash, accepted: bool) {
        if accepted && who.honest {
            self.counts.acknowledged += 1;
            self.checks.acknowledged.insert(transaction, who.index);
        }
    }
}

/// The world.
pub(crate) struct World {
    pub nodes: Vec<Node>,
    pub shared: Shared,
    /// The faults are over.
    pub calm: bool,
    audit: Hasher,
    events: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        let genesis = scenario.genesis()?;
        let (reward, supply) = (genesis.params.block_reward, genesis.total_supply().unwrap_or(u64::MAX));
        let rules = Arc::new(ChainRules::new(genesis));
        let wrong = |error: vision_block_tree::TreeError| ScenarioError::Params(error.to_string());
        let first_tree = BlockTree::new(rules.clone()).map_err(wrong)?;
        let mut chance = Chance::new(seed);
        let honest = scenario.nodes - scenario.byzantine.len();
        let nodes: Vec<_> =
            (0..scenario.nodes).map(|node| Node::new(node, node_key(node), node < honest)).collect();
        let counts = Counts { main_slots: rules.params().main_slots(), ..Counts::default() };
        let shared = Shared {
            queue: Queue::new(),
            net: Net::new(scenario.network.clone(), scenario.nodes, chance.fork()),
            chance,
            first_tree,
            rules,
            scenario: Arc::new(scenario.clone()),
            checks: Checks::new(supply, reward),
            counts,
            ids: nodes.iter().map(|node| node.who.id).collect(),
            evil: BTreeMap::new(),
            hung_up: Vec::new(),
        };
        Ok(Self { nodes, shared, calm: false, audit: Hasher::new(), events: 0 })
    }

    /// Runs to the end.
    pub(crate) fn run(mut self, seed: u64, mut progress: impl FnMut(Progress)) -> Report {
        let (scenario, shared) = (self.shared.scenario.clone(), &mut self.shared);
        for node in &mut self.nodes {
            node.boot(shared);
        }
        if scenario.faults.every_s > 0 {
            shared.queue.after(10_000_000, Event::Fault(Step::Draw));
        }
        if scenario.transfers_per_minute > 0 {
            shared.queue.after(5_000_000, Event::Submit);
        }
        shared.queue.at(scenario.seconds * 1_000_000, Event::Fault(Step::Calm));
        shared.queue.after(CHECK_US, Event::Check);
        let end_us = (scenario.seconds + scenario.calm_s) * 1_000_000;
        while let Some(event) = self.shared.queue.next(end_us) {
            self.events += 1;
            if matches!(event, Event::Check) {
                progress(self.progress(end_us));
            }
            self.happen(event);
            self.hear_of_ends();
            if !self.shared.checks.violations.is_empty() {
                break;
            }
        }
        self.finish();
        self.report(seed)
    }

    fn progress(&self, end_us: u64) -> Progress {
        Progress {
            simulated_ms: self.shared.queue.now_us() / 1000,
            total_ms: end_us / 1000,
            height: self.height(),
        }
    }

    pub(crate) fn height(&self) -> u64 {
        let honest = self.nodes.iter().filter(|node| node.who.honest);
        let running = honest.filter_map(|node| node.running.as_ref());
        running.map(|running| running.chain.view.height().get()).max().unwrap_or_default()
    }

    fn happen(&mut self, event: Event) {
        let now_us = self.shared.queue.now_us();
        match event {
            Event::Arrive { connection, from, message } => self.arrive(connection, from, message, now_us),
            Event::In { node, life, what } => {
                let of = &mut self.nodes[node];
                if of.life != life || !of.is_up() {
                    return;
                }
                if of.frozen_until_us > now_us {
                    let at_us = of.frozen_until_us;
                    return self.shared.queue.at(at_us, Event::In { node, life, what });
                }
                note(&mut self.audit, now_us, node, what.letter());
                of.happen(what, &mut self.shared);
            }
            Event::Silence(connection) => {
                if self.shared.net.is_silent(connection, now_us) {
                    let by = self.shared.net.wire(connection).map_or(0, |wire| wire.ends[0]);
                    self.shared.hang_up(connection, by, &Ending::broken("nothing heard"));
                }
            }
            Event::CallOver(connection) => {
                let wire = self.shared.net.wire(connection);
                if let Some(wire) = wire.filter(|wire| wire.stands != [true; 2]) {
                    let by = wire.ends[0];
                    self.shared.hang_up(connection, by, &Ending::broken("no answer in time"));
                }
            }
            Event::Fault(step) => self.fault(step),
            Event::Submit => self.submit(),
            Event::Check => {
                self.nodes.iter().for_each(|node| self.shared.checks.look_at(now_us, node));
                self.shared.queue.after(CHECK_US, Event::Check);
            }
        }
    }

    fn arrive(&mut self, connection: ConnectionId, from: usize, message: Box<Message>, now_us: u64) {
        let Some(wire) = self.shared.net.wire(connection) else { return };
        let (node, life) = (wire.ends[1 - from], wire.lives[1 - from]);
        let to = &mut self.nodes[node];
        if to.life != life || !to.is_up() {
            return;
        }
        if to.frozen_until_us > now_us {
            let at_us = to.frozen_until_us;
            return self.shared.queue.at(at_us, Event::Arrive { connection, from, message });
        }
        note(&mut self.audit, now_us, node, message.letter());
        to.receive(connection, from, *message, &mut self.shared);
    }

    /// Both ends of connections that were ended hear of it.
    fn hear_of_ends(&mut self) {
        while let Some(HungUp { connection, wire, by, why }) = self.shared.hung_up.pop() {
            let [caller, callee] = wire.ends;
            let by_end = usize::from(by == callee);
            let cut = self.shared.net.is_cut(wire.ends[by_end], wire.ends[1 - by_end]);
            let later_us = if cut { SILENCE_US } else { self.shared.net.latency_us(caller, callee) };
            for end in [0, 1] {
                let in_us = if end == by_end { 0 } else { later_us };
                self.nodes[wire.ends[end]].ended(connection, &wire, by_end, &why, in_us, &mut self.shared);
            }
        }
    }

    /// A client submits a transfer to a node that is up.
    fn submit(&mut self) {
        let per_minute = self.shared.scenario.transfers_per_minute.max(1);
        let in_us = self.shared.chance.around(60_000_000 / per_minute);
        self.shared.queue.after(in_us, Event::Submit);
        let (client, at) = (self.shared.chance.index(CLIENTS), self.shared.chance.index(self.nodes.len()));
        let node = &mut self.nodes[at];
        if !node.is_up() || node.frozen_until_us > self.shared.queue.now_us() {
            return;
        }
        let key = client_key(client);
        let nonce = node.running().chain.importer.next_nonce(&key.public_key().id());
        let to = client_key((client + 1) % CLIENTS).public_key().id();
        let amount = 1 + self.shared.chance.below(100);
        let action = Action::Transfer { to, amount };
        let fee = 1 + self.shared.chance.below(10);
        let transaction = Transaction { sender: key.public_key(), nonce, fee, action };
        let signed = transaction.sign(&key, &self.shared.rules.genesis_hash);
        self.shared.counts.submitted += 1;
        node.screen(vec![signed], None, &mut self.shared);
    }

    fn report(self, seed: u64) -> Report {
        let height = self.height();
        let Self { nodes, shared, mut audit, events, .. } = self;
        let Shared { queue, net, checks, counts, .. } = shared;
        let trees = nodes.iter().filter_map(|node| Some(node.running.as_ref()?.chain.importer.tree()));
        let mut finalized = 0;
        for tree in trees {
            audit.update(tree.head().hash().as_bytes());
            finalized = finalized.max(tree.final_entry().height().get());
        }
        Report {
            seed,
            audit: audit.finish().to_string(),
            nodes: nodes.len(),
            simulated_ms: queue.now_us() / 1000,
            events,
            messages: net.messages,
            bytes: net.bytes,
            height,
            finalized,
            made: counts.made,
            reorganisations: counts.reorganisations,
            faults: counts.faults,
            refusals: counts.refusals,
            dropped: counts.dropped,
            submitted: [counts.submitted, counts.acknowledged],
            charges: counts.charges,
            refused_producers: counts.refused_producers,
            longest_backlog: counts.longest_backlog,
            violations: checks.violations,
        }
    }
}

fn note(audit: &mut Hasher, now_us: u64, node: usize, letter: u8) {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&now_us.to_le_bytes());
    bytes[8..16].copy_from_slice(&(node as u64).to_le_bytes());
    bytes[16] = letter;
    audit.update(&bytes);
}
