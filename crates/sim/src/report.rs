//! What a run has shown.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::Violation;

/// The result of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The seed that decided everything.
    pub seed: u64,
    /// Hash over everything that happened: the same for the same seed and scenario, on any machine.
    pub audit: String,
    /// Nodes.
    pub nodes: usize,
    /// Time that passed in the simulation, milliseconds.
    pub simulated_ms: u64,
    /// Things that happened.
    pub events: u64,
    /// Messages sent between nodes.
    pub messages: u64,
    /// Their bytes, about.
    pub bytes: u64,
    /// Height of the highest head of an honest node at the end.
    pub height: u64,
    /// Height of the highest final block.
    pub finalized: u64,
    /// Blocks that producers made, by slot: the primary's, the backups', the tail's.
    pub made: [u64; 3],
    /// Reorganisations by how many blocks they left.
    pub reorganisations: BTreeMap<u64, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Blocks refused by rule.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Waiting transactions dropped by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Transactions submitted, and acknowledged.
    pub submitted: [u64; 2],
    /// Times that misbehaviour was charged.
    pub charges: u64,
    /// Of those, what honest nodes charged to honest ones: points and reason.
    pub honest_charges: BTreeMap<String, u64>,
    /// Transactions by which standby nodes registered and left, by kind.
    pub members: BTreeMap<&'static str, u64>,
    /// How long after the faults all honest nodes were on one chain and eligible again, milliseconds; `None`:
    /// the run ended before.
    pub settled_ms: Option<u64>,
    /// Longest time in which no honest node's head rose above all before, milliseconds.
    pub longest_pause_ms: u64,
    /// Second blocks signed for one parent by a key whose signer's file and chain store were both older
    /// copies: the protocol does not promise to find those.
    pub signed_twice: u64,
    /// Producers that refused to go on because their file was older than the chain.
    pub refused_producers: u64,
    /// Most messages of one peer that waited for a chain's loop.
    pub longest_backlog: u64,
    /// Rules that were broken; empty if all is well.
    pub violations: Vec<Violation>,
}
