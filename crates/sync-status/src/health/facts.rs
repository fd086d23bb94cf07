//! What is judged, and the numbers that follow from it.

use vision_primitives::NodeId;

use crate::STATUS_MAX_AGE_MS;

/// The least time without a block that counts as standing still, milliseconds.
const MIN_STOPPED_MS: u64 = 15_000;
/// Blocks that final ones are behind the head when all is well, by depth.
const FINAL_DEPTH_BLOCKS: u64 = 64;
/// And how many more are no trouble yet.
const FINAL_SLACK_BLOCKS: u64 = 8;
/// Clocks that differ by no more than this are taken for equal, milliseconds, so that instants do not
/// tremble.
const CLOCK_SLACK_MS: u64 = 250;

/// The parameters of the chain that the rules are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HealthParams {
    /// From a block to its child's first slot, milliseconds.
    pub block_interval_ms: u64,
    /// Most jitter of a slot, milliseconds.
    pub jitter_max_ms: u64,
    /// Length of a slot, milliseconds.
    pub claim_timeout_ms: u64,
    /// Most blocks a node may lag and still produce.
    pub max_desync_blocks: u64,
    /// Ready peers needed among n producers; counts as min(this, n − 1).
    pub min_ready_peers: u64,
}

impl HealthParams {
    /// From this age on a last block is late, milliseconds: two slots passed unused.
    #[must_use]
    pub const fn late_ms(&self) -> u64 {
        let slots = self.claim_timeout_ms.saturating_mul(2);
        self.block_interval_ms.saturating_add(self.jitter_max_ms).saturating_add(slots)
    }

    /// From this age on the chain stands still, milliseconds.
    #[must_use]
    pub fn stopped_ms(&self) -> u64 {
        self.late_ms().saturating_mul(4).max(MIN_STOPPED_MS)
    }

    /// Producers that must be up, so that any block is made.
    #[must_use]
    pub fn needed(&self, registered: u64) -> u64 {
        self.min_ready_peers.min(registered.saturating_sub(1)).saturating_add(1)
    }

    /// Producers that must be up, so that blocks become final: more than half of the registered ones must
    /// have built upon a block.
    #[must_use]
    pub fn needed_for_final(&self, registered: u64) -> u64 {
        self.needed(registered).max(registered / 2 + 1)
    }
}

/// What the chain says of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A producer that owns slots.
    Active,
    /// A registered producer that missed slots.
    Suspended,
    /// Anything else.
    Other,
}

/// A node as the chain service knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeFacts {
    /// Its id.
    pub id: NodeId,
    /// What it is called.
    pub name: String,
    /// What the chain says of it.
    pub standing: Standing,
    /// Whether it is this node.
    pub this_node: bool,
    /// Whether there is a connection with it.
    pub connected: bool,
    /// Height of its head.
    pub height: Option<u64>,
    /// Blocks it is behind.
    pub behind: Option<u64>,
    /// Whether it says that it may produce.
    pub eligible: Option<bool>,
    /// Why not, as a code and a sentence.
    pub because: String,
    /// Its clock less this one's, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// When it was last heard, milliseconds.
    pub last_seen_ms: Option<u64>,
    /// Height of its last suspension.
    pub suspended_at: u64,
    /// First height at which it may return.
    pub may_return_at: u64,
}

impl NodeFacts {
    /// Whether it is in the registered pool.
    pub(super) fn is_registered(&self) -> bool {
        self.standing != Standing::Other
    }

    /// Whether it is to be heard.
    pub(super) fn answers(&self, now_ms: u64) -> bool {
        let recent = self.last_seen_ms.is_some_and(|at| now_ms.saturating_sub(at) < STATUS_MAX_AGE_MS);
        self.this_node || (self.connected && recent)
    }

    /// Why it may not produce, as far as is known; empty if nothing is against it.
    pub(super) fn objection<'a>(&'a self, input: &'a HealthInput<'_>) -> &'a str {
        match self.this_node {
            true => input.this_because,
            false if self.eligible == Some(false) => &self.because,
            // An older node does not say.
            false if self.behind.is_some_and(|behind| behind > input.params.max_desync_blocks) => "BEHIND",
            false => "",
        }
    }

    /// Whether it produces at this instant.
    pub(super) fn is_good(&self, input: &HealthInput<'_>) -> bool {
        self.answers(input.now_ms) && self.objection(input).is_empty()
    }
}

/// The head of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadFacts {
    /// Its height.
    pub height: u64,
    /// Highest final height.
    pub finalized_height: u64,
    /// Its time stamp, by its producer's clock; at height 0 that of the genesis.
    pub stamp_ms: u64,
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct HealthInput<'a> {
    /// This node's clock, milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The clock that never jumps, milliseconds.
    pub monotonic_ms: u64,
    /// The chain's parameters.
    pub params: HealthParams,
    /// This node's head.
    pub head: HeadFacts,
    /// All nodes.
    pub nodes: &'a [NodeFacts],
    /// Why this node makes no block, as a code and a sentence; empty if it may.
    pub this_because: &'a str,
}

/// What follows.
pub(super) struct Found<'a> {
    pub input: &'a HealthInput<'a>,
    /// When the machine first judged.
    pub began_ms: u64,
    /// Registered producers that produce.
    pub producing: u64,
    /// Those that do not.
    pub down: Vec<&'a NodeFacts>,
    /// When the head was stamped, by this clock.
    pub last_block_at_ms: Option<u64>,
}

impl<'a> Found<'a> {
    pub(super) fn new(
        input: &'a HealthInput<'a>,
        began_ms: u64,
        producing: u64,
        down: Vec<&'a NodeFacts>,
    ) -> Self {
        // The stamp is by a clock that most nodes agree with, this one perhaps not.
        let stamp_ms = input.head.stamp_ms.saturating_add_signed(clock_of_others_ms(input).saturating_neg());
        let last_block_at_ms = (input.head.height > 0).then_some(stamp_ms.min(input.now_ms));
        Self { input, began_ms, producing, down, last_block_at_ms }
    }

    pub(super) fn registered(&self) -> u64 {
        self.producing + self.down.len() as u64
    }

    pub(super) fn spare(&self) -> u64 {
        self.producing.saturating_sub(self.input.params.needed_for_final(self.registered()))
    }

    /// The instant from which the time without a block counts: before the first one, when this was first
    /// looked at.
    pub(super) fn last_at_ms(&self) -> u64 {
        self.last_block_at_ms.unwrap_or_else(|| self.began_ms.max(self.input.head.stamp_ms))
    }

    /// Blocks that this node is behind, that it has, and that there are; none unless it is out of step.
    pub(super) fn behind(&self) -> Option<(u64, u64, u64)> {
        let has = self.input.head.height;
        let nodes = self.input.nodes.iter();
        let highest =
            nodes.filter(|node| node.answers(self.input.now_ms)).filter_map(|node| node.height).max()?;
        let behind = highest.saturating_sub(has);
        (behind > self.input.params.max_desync_blocks).then_some((behind, has, highest))
    }

    pub(super) fn age_ms(&self) -> u64 {
        self.input.now_ms.saturating_sub(self.last_at_ms())
    }

    /// Whether the last block is late. Of a node that is behind its last block says nothing.
    pub(super) fn is_late(&self) -> bool {
        self.behind().is_none() && is_late_by(self.last_at_ms(), self.input) > 0
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.behind().is_none() && self.age_ms() > self.input.params.stopped_ms()
    }

    pub(super) const fn finality_lag(&self) -> u64 {
        self.input.head.height.saturating_sub(self.input.head.finalized_height)
    }

    pub(super) fn finality_lags(&self) -> bool {
        self.behind().is_none() && self.finality_lag() > FINAL_DEPTH_BLOCKS + FINAL_SLACK_BLOCKS
    }
}

/// How much later a block is than it may be, milliseconds.
pub(super) fn is_late_by(last_ms: u64, input: &HealthInput<'_>) -> u64 {
    input.now_ms.saturating_sub(last_ms).saturating_sub(input.params.late_ms())
}

/// What most clocks are less this one, milliseconds: the median of those that are known, producers' if there
/// are any.
fn clock_of_others_ms(input: &HealthInput<'_>) -> i64 {
    let of = |producers: bool| -> Vec<i64> {
        let nodes = input.nodes.iter().filter(|node| !node.this_node && node.is_registered() == producers);
        nodes.filter_map(|node| node.clock_offset_ms).collect()
    };
    let mut offsets = of(true);
    if offsets.is_empty() {
        offsets = of(false);
    }
    // With this clock itself, so that one other clock does not outvote it.
    offsets.push(0);
    offsets.sort_unstable();
    // The one in the middle; of two, that nearer to this clock.
    let (low, high) = (offsets[(offsets.len() - 1) / 2], offsets[offsets.len() / 2]);
    let median = if low.unsigned_abs() <= high.unsigned_abs() { low } else { high };
    if median.unsigned_abs() <= CLOCK_SLACK_MS { 0 } else { median }
}

/// The word for so many.
pub(super) fn plural(count: u64, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// A number with a comma before every three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
