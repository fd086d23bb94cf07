//! Everything but the nodes: time, network, chance, and what is looked at and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_authoring::Proposal;
use vision_block_tree::{BlockTree, ChainRules};
use vision_ledger::State;
use vision_peering::{ConnectionId, Refusal};
use vision_primitives::{Block, Hash, NodeId, RecentSet, SignedTransaction};

use crate::Scenario;
use crate::behaviour::{Behaviour, Evil};
use crate::chance::Chance;
use crate::checks::{Acknowledged, Checks};
use crate::event::Event;
use crate::message::{Ending, Message};
use crate::net::{Net, Sent, Wire};
use crate::queue::Queue;
use crate::sabotage::Sabotage;
use crate::who::Who;

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
    pub honest_charges: BTreeMap<String, u64>,
    pub members: BTreeMap<&'static str, u64>,
    pub refused_producers: u64,
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
pub(crate) struct HungUp {
    pub connection: ConnectionId,
    pub wire: Wire,
    pub by: usize,
    pub why: Ending,
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
    pub ids: Vec<NodeId>,
    pub evil: BTreeMap<usize, Evil>,
    pub hung_up: Vec<HungUp>,
    /// Transactions whose signatures are right. All nodes would find the same, so it is found once.
    pub verified: RecentSet<Hash>,
}

impl Shared {
    pub(crate) fn sabotage(&self, which: Sabotage) -> bool {
        self.scenario.sabotage == Some(which)
    }

    pub(crate) fn behaviour(&self, node: usize) -> Option<Behaviour> {
        let honest = self.scenario.nodes - self.scenario.byzantine.len();
        self.scenario.byzantine.get(node.checked_sub(honest)?).copied()
    }

    /// Whether a node does not look for blocks that it has signed.
    pub(crate) fn forgets(&self, node: usize) -> bool {
        self.behaviour(node) == Some(Behaviour::Amnesiac)
    }

    /// A node charges another one misbehaviour; so many charges before were not reported.
    pub(crate) fn charged(&mut self, by: &Who, to: &NodeId, points: u32, why: String, before: u64) {
        if by.honest && self.checks.is_honest(to) {
            *self.counts.honest_charges.entry(format!("{points}: {why}")).or_default() += 1 + before;
        }
    }

    /// A node refuses another one; no honest one may be dropped or banned for misbehaviour.
    pub(crate) fn turned_away(&mut self, by: &Who, peer: &NodeId, refusal: &Refusal) {
        let banned = matches!(refusal, Refusal::Misbehaved { .. } | Refusal::Banned { .. });
        // An answer of which a part is lost, as TCP loses none, looks like a lie.
        let certain = self.scenario.network.mischief_per_mille == 0;
        if banned && certain && by.honest && self.checks.is_honest(peer) {
            let what = format!("it bans {}: {refusal}", peer.short());
            self.checks.broken(self.queue.now_us(), by.index, "honest-ban", what);
        }
    }

    pub(crate) fn evil(&mut self, node: usize) -> &mut Evil {
        self.evil.entry(node).or_default()
    }

    pub(crate) fn runs_producer(&self, node: usize) -> bool {
        self.scenario.is_producer(node) || self.scenario.standby().contains(&node)
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

    /// Whether a transaction's signature is right.
    pub(crate) fn is_signed(&mut self, transaction: &SignedTransaction) -> bool {
        let hash = transaction.hash();
        if self.verified.contains(&hash) {
            return true;
        }
        let right = transaction.verify(&self.rules.genesis_hash).is_ok();
        if right {
            self.verified.insert(hash);
        }
        right
    }

    /// What a caller was answered.
    pub(crate) fn settled(&mut self, who: &Who, transaction: Hash, accepted: bool) {
        if accepted && who.honest {
            self.counts.acknowledged += 1;
            let at_us = self.queue.now_us();
            self.checks.acknowledged.insert(transaction, Acknowledged { node: who.index, at_us });
        }
    }
}
