//! Whatever is known of the nodes: the judgement counts right, names few reasons, and each in words.

use arbitrary::Arbitrary;
use vision_primitives::{NodeId, hash};
use vision_sync_status::{
    HeadFacts, Health, HealthInput, HealthMachine, HealthParams, HealthState, NodeFacts, Operator, Standing,
    code_of,
};

use crate::{All, Few, input};

const MAX_STEPS: usize = 24;
/// Most reasons at once.
const MAX_REASONS: usize = 3;
const NOW_MS: u64 = 1_700_000_000_000;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    params: Option<[u64; 5]>,
    testnet: bool,
    steps: All<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Judge {
        passed_ms: u16,
        jump_ms: i64,
        head: Head,
        because: &'a str,
        nodes: Few<Node<'a>>,
    },
    /// The same nodes again, as much later.
    Again(u16),
    Blind(&'a str),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Head {
    Near { height: u16, final_below: u8, age_ms: u16 },
    Any { height: u64, finalized_height: u64, stamp_ms: u64 },
}

#[derive(Arbitrary, Debug, Clone)]
struct Node<'a> {
    standing: u8,
    this_node: bool,
    connected: bool,
    height: Option<u16>,
    behind: Option<u64>,
    eligible: Option<bool>,
    because: &'a str,
    clock_offset_ms: Option<Offset>,
    seen_ago_ms: Option<u16>,
    suspended_at: u8,
    may_return_at: u8,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Offset {
    Small(i16),
    Any(i64),
}

/// A code and a sentence, or nothing: a sentence alone is no reason.
fn reason(text: &str) -> &str {
    if code_of(text).is_empty() { "" } else { text }
}

fn facts(at: usize, node: &Node<'_>, now_ms: u64) -> NodeFacts {
    let id: NodeId = hash(&[&at.to_le_bytes()]);
    NodeFacts {
        id,
        name: format!("node{at}"),
        standing: [Standing::Active, Standing::Suspended, Standing::Other][usize::from(node.standing % 3)],
        this_node: node.this_node && at == 0,
        connected: node.connected,
        height: node.height.map(u64::from),
        behind: node.behind,
        eligible: node.eligible,
        because: reason(node.because).to_owned(),
        clock_offset_ms: node.clock_offset_ms.map(|offset| match offset {
            Offset::Small(ms) => i64::from(ms),
            Offset::Any(ms) => ms,
        }),
        last_seen_ms: node.seen_ago_ms.map(|ago| now_ms.saturating_sub(u64::from(ago))),
        suspended_at: u64::from(node.suspended_at),
        may_return_at: u64::from(node.may_return_at),
    }
}

fn check(health: &Health, nodes: &[NodeFacts]) {
    let registered = nodes.iter().filter(|node| node.standing != Standing::Other).count() as u64;
    assert_eq!(health.registered, registered);
    assert!(health.producing <= registered);
    assert!(health.spare.is_some_and(|spare| spare <= health.producing));
    assert!(health.reasons.len() <= MAX_REASONS && !health.headline.is_empty());
    for reason in &health.reasons {
        assert!(!reason.code.is_empty() && !reason.text.is_empty() && !reason.remedy.is_empty());
    }
    if health.state == HealthState::Fine {
        assert!(health.reasons.is_empty(), "{:?}", health.reasons);
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(Input { params, testnet, steps: All(steps) }) = input::<Input<'_>>(bytes) else { return };
    let [block_interval_ms, jitter_max_ms, claim_timeout_ms, max_desync_blocks, min_ready_peers] =
        params.unwrap_or([2_000, 200, 1_200, 10, 2]);
    let params = HealthParams {
        block_interval_ms,
        jitter_max_ms,
        claim_timeout_ms,
        max_desync_blocks,
        min_ready_peers,
    };
    let operator = match testnet {
        true => Operator::Testnet { flag: " --dir x".into(), names: Default::default() },
        false => Operator::Unknown,
    };
    let mut machine = HealthMachine::new(operator);
    let (mut now_ms, mut monotonic_ms) = (NOW_MS, 0);
    let mut head = HeadFacts { height: 0, finalized_height: 0, stamp_ms: NOW_MS };
    let (mut nodes, mut this_because): (Vec<NodeFacts>, &str) = (Vec::new(), "");
    for step in steps.into_iter().take(MAX_STEPS) {
        let passed_ms = match step {
            Step::Blind(why) => {
                let blind = machine.blind(now_ms, why);
                assert_eq!((blind.state, blind.spare), (HealthState::Unknown, None));
                continue;
            }
            Step::Again(ms) => u64::from(ms),
            Step::Judge { passed_ms, jump_ms, head: given, because, nodes: known } => {
                now_ms = now_ms.saturating_add_signed(jump_ms);
                head = match given {
                    Head::Near { height, final_below, age_ms } => HeadFacts {
                        height: u64::from(height),
                        finalized_height: u64::from(height.saturating_sub(u16::from(final_below))),
                        stamp_ms: now_ms.saturating_sub(u64::from(age_ms)),
                    },
                    Head::Any { height, finalized_height, stamp_ms } => {
                        HeadFacts { height, finalized_height, stamp_ms }
                    }
                };
                let known = known.0.iter().enumerate();
                nodes = known.map(|(at, node)| facts(at, node, now_ms)).collect();
                this_because = reason(because);
                u64::from(passed_ms)
            }
        };
        (now_ms, monotonic_ms) = (now_ms.saturating_add(passed_ms), monotonic_ms + passed_ms);
        let input = HealthInput { now_ms, monotonic_ms, params, head, nodes: &nodes, this_because };
        check(&machine.judge(&input), &nodes);
    }
}
