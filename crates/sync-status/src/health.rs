//! Is the network fine as this node sees it, and if not, why, since when, what does it mean, and what helps?
//!
//! The machine is given what the chain service knows of all nodes, and judges. It remembers what it needs to
//! be calm: a single late status changes no number, and trouble is over only when its cause has been gone for
//! a while.
//!
//! Ages stand in texts as `{ago:MS}`, MS being an instant: whoever shows a text puts the age there.

mod causes;
mod facts;
mod remedy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use vision_primitives::NodeId;

use causes::Cause;
use facts::{Found, is_late_by, plural};
pub use facts::{HeadFacts, HealthInput, HealthParams, NodeFacts, Standing};
pub use remedy::{Operator, remedy_of};

/// A producer counts as producing for so long after it was last seen to, milliseconds.
const GRACE_MS: u64 = 2_000;
/// A reason is over when its cause has been gone for so long, milliseconds.
const LINGER_MS: u64 = 5_000;
/// Most reasons reported.
const MAX_REASONS: usize = 3;

/// How the network is, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthState {
    /// Nothing is wrong.
    Fine,
    /// Something is wrong, but blocks come.
    Trouble,
    /// No block has come for long.
    Stopped,
    /// The chain service is not to be heard.
    Unknown,
}

/// Why it is not fine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthReason {
    /// For programs.
    pub code: String,
    /// The node it is about.
    pub node: Option<NodeId>,
    /// Since when, milliseconds since the Unix epoch by this node's clock.
    pub since_ms: u64,
    /// What is wrong and what it means.
    pub text: String,
    /// What helps.
    pub remedy: String,
}

/// The judgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// In one sentence.
    pub headline: String,
    /// Why, worst first; at most three.
    pub reasons: Vec<HealthReason>,
    /// Registered producers that produce.
    pub producing: u64,
    /// Registered producers.
    pub registered: u64,
    /// When the head was stamped, by this node's clock; none at height 0 and when nothing is known.
    pub last_block_at_ms: Option<u64>,
    /// Producers that may stop before blocks stop becoming final; none if this node does not know.
    pub spare: Option<u64>,
}

/// Which reason a cause is, in the order of their weight.
type Key = (causes::Rank, String, Option<NodeId>);

struct Live {
    reason: HealthReason,
    /// What is said when the cause is gone.
    over: String,
    /// When the cause was last there, by the clock that never jumps.
    seen_ms: u64,
}

/// Judges again and again, and remembers.
pub struct HealthMachine {
    operator: Operator,
    /// When each producer was last seen to produce, by the clock that never jumps.
    good: BTreeMap<NodeId, u64>,
    live: BTreeMap<Key, Live>,
    /// When the machine first judged.
    began_ms: Option<u64>,
    /// Since when the chain service is not to be heard.
    lost_ms: Option<u64>,
    registered: u64,
}

impl HealthMachine {
    /// One that has seen nothing.
    #[must_use]
    pub const fn new(operator: Operator) -> Self {
        Self {
            operator,
            good: BTreeMap::new(),
            live: BTreeMap::new(),
            began_ms: None,
            lost_ms: None,
            registered: 0,
        }
    }

    /// Nothing is known, for this cause.
    pub fn blind(&mut self, now_ms: u64, why: &str) -> Health {
        let since_ms = *self.lost_ms.get_or_insert(now_ms);
        self.good.clear();
        self.live.clear();
        let reason = HealthReason {
            code: "CHAIN_UNAVAILABLE".into(),
            node: None,
            since_ms,
            text: format!(
                "This node's chain service does not answer ({why}), so nothing is known about the network."
            ),
            remedy: remedy_of("CHAIN_UNAVAILABLE", "this node"),
        };
        Health {
            state: HealthState::Unknown,
            headline: format!("No answer from this node's chain service for {{ago:{since_ms}}}"),
            reasons: vec![reason],
            producing: 0,
            registered: self.registered,
            last_block_at_ms: None,
            spare: None,
        }
    }

    /// Judges what is known now.
    pub fn judge(&mut self, input: &HealthInput<'_>) -> Health {
        self.lost_ms = None;
        let began_ms = *self.began_ms.get_or_insert(input.now_ms);
        let found = self.find(input, began_ms);
        self.registered = found.registered();
        let causes = causes::of(&found, &self.operator);
        // Nobody is said to be well who is not. There is another cause then, so that nothing is fine either.
        self.live.retain(|(rank, code, node), _| {
            let is_there = |cause: &Cause| cause.rank == *rank && cause.code == *code && cause.node == *node;
            causes.iter().any(is_there) || !causes::has_given_way(*rank, *node, &found, &causes)
        });
        self.note(causes, input);
        let state = match found.is_stopped() {
            true => HealthState::Stopped,
            false if self.live.is_empty() => HealthState::Fine,
            false => HealthState::Trouble,
        };
        Health {
            state,
            headline: headline(&found),
            reasons: self.reasons(input.monotonic_ms),
            producing: found.producing,
            registered: found.registered(),
            last_block_at_ms: found.last_block_at_ms,
            spare: Some(found.spare()),
        }
    }

    fn find<'a>(&mut self, input: &'a HealthInput<'a>, began_ms: u64) -> Found<'a> {
        let producers: Vec<&NodeFacts> = input.nodes.iter().filter(|node| node.is_registered()).collect();
        self.good.retain(|id, _| producers.iter().any(|node| node.id == *id));
        for node in producers.iter().filter(|node| node.is_good(input)) {
            self.good.insert(node.id, input.monotonic_ms);
        }
        let is_recent = |at: &u64| input.monotonic_ms.saturating_sub(*at) <= GRACE_MS;
        let (up, down): (Vec<&NodeFacts>, Vec<&NodeFacts>) = producers
            .into_iter()
            // A suspension is reported by the chain, and so is nothing that is late.
            .partition(|node| {
                node.standing == Standing::Active && self.good.get(&node.id).is_some_and(is_recent)
            });
        Found::new(input, began_ms, up.len() as u64, down)
    }

    fn note(&mut self, causes: Vec<Cause>, input: &HealthInput<'_>) {
        for cause in causes {
            let key = (cause.rank, cause.code.clone(), cause.node);
            let since_ms = self.live.get(&key).map_or(input.now_ms, |live| live.reason.since_ms);
            let reason = HealthReason {
                code: cause.code,
                node: cause.node,
                since_ms: cause.since_ms.unwrap_or(since_ms),
                text: cause.text,
                remedy: cause.remedy,
            };
            self.live.insert(key, Live { reason, over: cause.over, seen_ms: input.monotonic_ms });
        }
        self.live.retain(|_, live| input.monotonic_ms.saturating_sub(live.seen_ms) < LINGER_MS);
    }

    fn reasons(&self, monotonic_ms: u64) -> Vec<HealthReason> {
        let reported = |live: &Live| match live.seen_ms == monotonic_ms {
            true => live.reason.clone(),
            false => {
                let (text, remedy) = (live.over.clone(), "nothing to do".to_owned());
                HealthReason { text, remedy, ..live.reason.clone() }
            }
        };
        let (there, gone): (Vec<&Live>, Vec<&Live>) =
            self.live.values().partition(|live| live.seen_ms == monotonic_ms);
        there.into_iter().chain(gone).take(MAX_REASONS).map(reported).collect()
    }
}

fn headline(found: &Found<'_>) -> String {
    let (producing, registered) = (found.producing, found.registered());
    let of = format!("{producing} of {registered} {}", plural(registered, "node"));
    if let Some((behind, has, highest)) = found.behind() {
        return format!(
            "This node is {} {} behind; it has {} of {}",
            facts::grouped(behind),
            plural(behind, "block"),
            facts::grouped(has),
            facts::grouped(highest)
        );
    }
    let last = found.last_at_ms();
    let lag = found.finality_lag();
    let lag = format!("final {} {} behind", facts::grouped(lag), plural(lag, "block"));
    let said = match found.last_block_at_ms {
        None if is_late_by(last, found.input) > 0 => {
            format!("No block yet after {{ago:{last}}}, {of} may produce")
        }
        None => format!("No block yet, {of} may produce"),
        Some(_) if found.is_stopped() => format!("No block for {{ago:{last}}}, {of} may produce, {lag}"),
        Some(_) => format!("{of} producing, last block {{ago:{last}}} ago, {lag}"),
    };
    match registered {
        1 if producing == 1 => format!("{said}. One node holds every slot: if it stops, the chain stops."),
        _ => said,
    }
}
