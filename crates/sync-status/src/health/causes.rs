//! What is wrong now, in words.

use vision_primitives::NodeId;

use super::facts::{Found, NodeFacts, Standing, grouped, plural};
use super::remedy::{Operator, remedy_of};
use crate::{code_of, sentence_of};

/// Names shown of a group.
const MAX_NAMES: usize = 3;
/// Producers with the same trouble that have a reason each; more of them share one.
const MAX_ALONE: usize = 2;

/// How bad a cause is, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rank {
    /// No other producer is to be heard.
    CutOff,
    /// This node itself.
    Here,
    /// A producer that does not answer.
    Lost,
    /// A producer that is suspended.
    Suspended,
    /// A producer that may not produce.
    NotEligible,
    /// Blocks become final late.
    Finality,
    /// No block, which the others explain if there are any.
    NoBlock,
}

impl Rank {
    /// Whether it is about producers that do not produce.
    const fn is_of_nodes(self) -> bool {
        matches!(self, Self::Lost | Self::Suspended | Self::NotEligible)
    }
}

/// Whether a cause that is gone has only given way to another one: its node is down still, or is one of a
/// group now.
pub(super) fn has_given_way(rank: Rank, node: Option<NodeId>, found: &Found<'_>, causes: &[Cause]) -> bool {
    match node {
        Some(id) => {
            found.down.iter().any(|node| node.id == id) || causes.iter().any(|cause| cause.node == Some(id))
        }
        None => {
            let is_of_nodes = |cause: &Cause| cause.rank == Rank::CutOff || cause.rank.is_of_nodes();
            rank.is_of_nodes() && causes.iter().any(is_of_nodes)
        }
    }
}

/// One thing that is wrong.
pub(super) struct Cause {
    pub rank: Rank,
    pub code: String,
    pub node: Option<NodeId>,
    /// Since when, if that is a fact; else since it was first seen.
    pub since_ms: Option<u64>,
    pub text: String,
    pub remedy: String,
    /// What is said when it is gone.
    pub over: String,
}

/// All that is wrong.
pub(super) fn of(found: &Found<'_>, operator: &Operator) -> Vec<Cause> {
    let now_ms = found.input.now_ms;
    let (lost, there): (Vec<&NodeFacts>, Vec<&NodeFacts>) =
        found.down.iter().copied().filter(|node| !node.this_node).partition(|node| !node.answers(now_ms));
    let (suspended, not_eligible): (Vec<&NodeFacts>, Vec<&NodeFacts>) =
        there.into_iter().partition(|node| node.standing == Standing::Suspended);
    let mut causes = Vec::new();
    let others = found.input.nodes.iter().filter(|node| !node.this_node && node.is_registered()).count();
    if others > 1 && lost.len() == others {
        causes.push(cut_off(found, operator, &lost));
    } else {
        group(
            &mut causes,
            &lost,
            |node| lost_one(found, operator, node),
            |nodes| lost_many(found, operator, nodes),
        );
    }
    causes.extend(here(found, !lost.is_empty()));
    group(
        &mut causes,
        &suspended,
        |node| suspended_one(found, node),
        |nodes| Cause {
            text: format!("{} are suspended for missed slots. {}", names(nodes), meaning(found)),
            node: None,
            remedy: "they return by themselves when they are in sync; if not, read their logs".into(),
            ..suspended_one(found, nodes[0])
        },
    );
    group(
        &mut causes,
        &not_eligible,
        |node| not_eligible_one(found, node),
        |nodes| Cause {
            code: "NODE_NOT_ELIGIBLE".into(),
            text: format!("{} may not produce. {}", names(nodes), meaning(found)),
            node: None,
            remedy: "look at each of them in the list of nodes".into(),
            ..not_eligible_one(found, nodes[0])
        },
    );
    if found.finality_lags() {
        causes.push(finality(found));
    }
    if found.is_late() {
        causes.push(no_block(found, causes.is_empty()));
    }
    causes
}

fn group(
    causes: &mut Vec<Cause>,
    nodes: &[&NodeFacts],
    one: impl Fn(&NodeFacts) -> Cause,
    many: impl Fn(&[&NodeFacts]) -> Cause,
) {
    match nodes.len() {
        0..=MAX_ALONE => causes.extend(nodes.iter().map(|node| one(node))),
        _ => causes.push(many(nodes)),
    }
}

fn names(nodes: &[&NodeFacts]) -> String {
    let first: Vec<&str> = nodes.iter().take(MAX_NAMES).map(|node| node.name.as_str()).collect();
    match nodes.len().saturating_sub(MAX_NAMES) {
        0 => match first.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, before)) => format!("{} and {last}", before.join(", ")),
            None => String::new(),
        },
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// What it means for the chain that so many produce.
fn meaning(found: &Found<'_>) -> String {
    let (producing, registered) = (found.producing, found.registered());
    let params = &found.input.params;
    let (needed, for_final) = (params.needed(registered), params.needed_for_final(registered));
    if producing < needed {
        return match registered {
            1 => "It holds every slot: until it produces there is no block.".into(),
            _ => format!("No block is made until {needed} of {registered} producers are up."),
        };
    }
    if producing < for_final {
        return format!(
            "Blocks go on, but none becomes final until {for_final} of {registered} producers are up."
        );
    }
    match producing - for_final {
        0 if needed > registered / 2 + 1 => {
            format!(
                "If one more node stops, no block is made until {needed} of {registered} producers are up."
            )
        }
        0 => "If one more node stops, blocks no longer become final.".into(),
        1 => "Blocks go on; one more node may stop.".into(),
        spare => format!("Blocks go on; {spare} more nodes may stop."),
    }
}

fn lost_one(found: &Found<'_>, operator: &Operator, node: &NodeFacts) -> Cause {
    let name = &node.name;
    let suspended = match node.standing {
        Standing::Suspended => format!(" and has been suspended since block {}", grouped(node.suspended_at)),
        Standing::Active | Standing::Other => String::new(),
    };
    let what = match node.last_seen_ms {
        Some(at) => format!("{name} has not answered for {{ago:{at}}}{suspended}."),
        None => format!(
            "{name} has not been heard from since this node began to look, for {{ago:{}}}{suspended}.",
            found.began_ms
        ),
    };
    Cause {
        rank: Rank::Lost,
        code: "NODE_LOST".into(),
        node: Some(node.id),
        since_ms: Some(node.last_seen_ms.unwrap_or(found.began_ms)),
        text: format!("{what} {}", meaning(found)),
        remedy: operator.start(&node.id, name),
        over: format!("{name} answers again."),
    }
}

fn lost_many(found: &Found<'_>, operator: &Operator, nodes: &[&NodeFacts]) -> Cause {
    Cause {
        rank: Rank::Lost,
        code: "NODE_LOST".into(),
        node: None,
        since_ms: None,
        text: format!("{} do not answer. {}", names(nodes), meaning(found)),
        remedy: operator.start_all(nodes.iter().map(|node| &node.id)).unwrap_or("start them again".into()),
        over: "They answer again.".into(),
    }
}

fn cut_off(found: &Found<'_>, operator: &Operator, lost: &[&NodeFacts]) -> Cause {
    let last_seen_ms = lost.iter().filter_map(|node| node.last_seen_ms).max();
    let since_ms = last_seen_ms.unwrap_or(found.began_ms);
    Cause {
        rank: Rank::CutOff,
        code: "CUT_OFF".into(),
        node: None,
        since_ms: Some(since_ms),
        text: format!(
            "This node has heard from none of the {} other producers for {{ago:{since_ms}}}: they are down, \
             or this node is cut off. It knows of no block that they make.",
            lost.len()
        ),
        remedy: operator.start_all(lost.iter().map(|node| &node.id)).unwrap_or_else(|| {
            "start them again; if they run, check this node's network and [chain] seeds".into()
        }),
        over: "This node hears other producers again.".into(),
    }
}

/// What this node has against itself.
fn here(found: &Found<'_>, others_lost: bool) -> Option<Cause> {
    let because = found.input.this_because;
    let me = found.input.nodes.iter().find(|node| node.this_node)?;
    // A producer that is late by one look is no news yet.
    let is_down = !me.is_registered() || found.down.iter().any(|node| node.this_node);
    let code = code_of(because);
    let explained = match code {
        // That is what being no producer means.
        "NOT_A_PRODUCER" | "NO_PRODUCER" => !me.is_registered(),
        "TOO_FEW_PEERS" => others_lost,
        _ => false,
    };
    let cause = match me.standing {
        _ if !is_down || explained => return None,
        Standing::Suspended if because.is_empty() => suspended_one(found, me),
        _ if because.is_empty() => return None,
        _ => {
            let sentence = because.split_once(": ").map_or(because, |(_, sentence)| sentence);
            Cause {
                rank: Rank::Here,
                code: code.to_owned(),
                node: Some(me.id),
                since_ms: None,
                text: format!("{}, this node, may not produce: {sentence}", me.name),
                remedy: remedy_of(code, &me.name),
                over: format!("{}, this node, may produce again.", me.name),
            }
        }
    };
    Some(Cause { rank: Rank::Here, ..cause })
}

fn suspended_one(found: &Found<'_>, node: &NodeFacts) -> Cause {
    let (name, at) = (&node.name, grouped(node.suspended_at));
    let next = node.may_return_at.max(found.input.head.height.saturating_add(1));
    Cause {
        rank: Rank::Suspended,
        code: "NODE_SUSPENDED".into(),
        node: Some(node.id),
        since_ms: None,
        text: format!("{name} has been suspended since block {at} for missed slots. {}", meaning(found)),
        remedy: format!(
            "it returns by itself from block {} on, once it is in sync; if it does not, read its log",
            grouped(next)
        ),
        over: format!("{name} is active again."),
    }
}

fn not_eligible_one(found: &Found<'_>, node: &NodeFacts) -> Cause {
    let (name, code) = (&node.name, code_of(node.objection(found.input)));
    // It may again, and only has not for long enough.
    let code = if code.is_empty() { "STREAK" } else { code };
    Cause {
        rank: Rank::NotEligible,
        code: code.to_owned(),
        node: Some(node.id),
        since_ms: None,
        text: format!("{name} may not produce: {}. {}", sentence_of(code), meaning(found)),
        remedy: remedy_of(code, name),
        over: format!("{name} may produce again."),
    }
}

fn finality(found: &Found<'_>) -> Cause {
    let lag = found.finality_lag();
    Cause {
        rank: Rank::Finality,
        code: "FINALITY_LAGS".into(),
        node: None,
        since_ms: None,
        text: format!(
            "The last {} {} are not final: what they hold may still change.",
            grouped(lag),
            plural(lag, "block")
        ),
        remedy: "wait; if it lasts, read the chain service's log".into(),
        over: "Blocks become final in time again.".into(),
    }
}

fn no_block(found: &Found<'_>, alone: bool) -> Cause {
    let last_ms = found.last_at_ms();
    let remedy = match alone {
        true => "wait for the next owner's turn; if it lasts, read the producers' logs",
        false => "see the other reasons",
    };
    Cause {
        rank: Rank::NoBlock,
        code: "NO_BLOCK".into(),
        node: None,
        since_ms: Some(last_ms),
        text: format!("No block has come for {{ago:{last_ms}}}. Transactions wait until one does."),
        remedy: remedy.into(),
        over: "Blocks come again.".into(),
    }
}
