//! The world: all nodes, what is between them, and the loop.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use vision_block_tree::{BlockTree, ChainRules};
use vision_peering::ConnectionId;
use vision_primitives::{Action, Hasher, RecentSet, Transaction};

use crate::chance::Chance;
use crate::checks::Checks;
use crate::event::{Event, Step};
use crate::message::{Ending, Message};
use crate::net::{Net, SILENCE_US};
use crate::node::Node;
use crate::queue::Queue;
use crate::sabotage::Sabotage;
use crate::scenario::{CLIENTS, client_key, node_key};
use crate::shared::{Counts, HungUp, Shared};
use crate::{Progress, Report, Scenario, ScenarioError};

/// Transactions remembered as rightly signed.
const MAX_VERIFIED: usize = 65_536;
/// Between two looks at sums and bounds, microseconds.
const CHECK_US: u64 = 60_000_000;

/// Events after which progress is reported at the latest.
const PROGRESS_EVENTS: u64 = 4_096;

/// The world.
pub(crate) struct World {
    pub nodes: Vec<Node>,
    pub shared: Shared,
    /// The faults are over.
    pub calm: bool,
    /// How long after the faults all were well again.
    pub settled_us: Option<u64>,
    audit: Hasher,
    events: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        let mut genesis = scenario.genesis()?;
        let (reward, supply) = (genesis.params.block_reward, genesis.total_supply().unwrap_or(u64::MAX));
        if scenario.sabotage == Some(Sabotage::PaysTooMuch) {
            genesis.params.block_reward += 1;
        }
        let rules = Arc::new(ChainRules::new(genesis));
        let wrong = |error: vision_block_tree::TreeError| ScenarioError::Params(error.to_string());
        let first_tree = BlockTree::new(rules.clone()).map_err(wrong)?;
        let mut chance = Chance::new(seed);
        let honest = scenario.nodes - scenario.byzantine.len();
        let nodes: Vec<_> =
            (0..scenario.nodes).map(|node| Node::new(node, node_key(node), node < honest)).collect();
        let trusted = nodes.iter().filter(|node| node.who.honest).map(|node| node.who.id).collect();
        let counts = Counts { main_slots: rules.params().main_slots(), ..Counts::default() };
        let shared = Shared {
            queue: Queue::new(),
            net: Net::new(scenario.network.clone(), scenario.nodes, chance.fork()),
            chance,
            first_tree,
            rules,
            scenario: Arc::new(scenario.clone()),
            checks: Checks::new(trusted, supply, reward),
            counts,
            ids: nodes.iter().map(|node| node.who.id).collect(),
            evil: BTreeMap::new(),
            hung_up: Vec::new(),
            verified: RecentSet::new(MAX_VERIFIED),
        };
        Ok(Self { nodes, shared, calm: false, settled_us: None, audit: Hasher::new(), events: 0 })
    }

    /// Runs to the end.
    pub(crate) fn run(mut self, seed: u64, mut progress: impl FnMut(Progress) -> ControlFlow<()>) -> Report {
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
        if scenario.standby_count() > 0 && scenario.members_every_s > 0 {
            shared.queue.after(20_000_000, Event::Members);
        }
        shared.queue.at(scenario.seconds * 1_000_000, Event::Fault(Step::Calm));
        shared.queue.after(CHECK_US, Event::Check);
        let end_us = (scenario.seconds + scenario.calm_s) * 1_000_000;
        while let Some(event) = self.shared.queue.next(end_us) {
            self.events += 1;
            let is_due = matches!(event, Event::Check) || self.events.is_multiple_of(PROGRESS_EVENTS);
            if is_due && progress(self.progress(end_us)).is_break() {
                return self.report(seed);
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
                if let Some(by) = self.shared.net.silent_for(connection, now_us) {
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
            Event::Settle { since_us } => self.settle(since_us),
            Event::Submit => self.submit(),
            Event::Members => self.members(),
            Event::Check => {
                self.look_at_all(now_us);
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
        self.shared.counts.submitted += 1;
        node.screen(vec![transaction.sign(&key, &self.shared.rules.genesis_hash)], None, &mut self.shared);
    }

    fn report(self, seed: u64) -> Report {
        let height = self.height();
        let Self { nodes, shared, mut audit, events, settled_us, .. } = self;
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
            honest_charges: counts.honest_charges,
            members: counts.members,
            settled_ms: settled_us.map(|us| us / 1000),
            longest_pause_ms: checks.longest_pause_us / 1000,
            signed_twice: checks.signed_twice,
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
