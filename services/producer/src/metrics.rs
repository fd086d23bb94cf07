//! What the producer counts. See docs/metrics.md.

use vision_authoring::{Event, Input, View};
use vision_host::metrics::{Counter, Gauge, Histogram, Labelled, Metrics, SHORT_SECONDS};
use vision_primitives::{Hash, Slot};

/// One bucket per slot that has a window of its own, and all later ones together.
const SLOTS: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

/// What may fail on the way to a block.
const STAGES: [&str; 5] = ["schedule", "prepare", "commit", "submit", "audit"];

/// The producer's metrics. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProducerMetrics {
    eligible_nodes: Gauge,
    my_slot: Gauge,
    /// Claims that are on disk.
    pub(crate) claims: Counter,
    produced: Counter,
    slots: Histogram,
    /// How long a claim takes to be on disk.
    pub(crate) claim_commit: Histogram,
    missed_slots: Counter,
    failures: Labelled<Counter, 1>,
    foreign_blocks: Counter,
}

impl ProducerMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let failures = metrics.counters(
            "vision_producer_failures",
            "Steps on the way to a block that failed, by step",
            ["stage"],
        );
        // A count that starts when the first failure comes hides that one from a rate.
        STAGES.iter().for_each(|stage| drop(failures.get([stage])));
        let made = Self {
            eligible_nodes: metrics
                .gauge("mining_eligible_nodes", "Size of the active pool of the next height"),
            my_slot: metrics
                .gauge("mining_my_slot", "Lowest slot of the next height that this node owns, -1 for none"),
            claims: metrics.counter("mining_claims", "Claims written to disk"),
            produced: metrics.counter(
                "mining_blocks_produced",
                "Blocks of this node that became the head when they arrived",
            ),
            slots: metrics.histogram("mining_slot_distribution", "Slots of the blocks produced", SLOTS),
            claim_commit: metrics.histogram(
                "vision_producer_claim_commit_seconds",
                "Writing a claim durably",
                SHORT_SECONDS,
            ),
            missed_slots: metrics
                .counter("vision_producer_missed_slots", "Slots of this node that passed without its block"),
            failures,
            foreign_blocks: metrics.counter(
                "vision_producer_foreign_blocks",
                "Blocks signed with this node's key and unknown to its claims",
            ),
        };
        made.my_slot.set(-1.0);
        made
    }

    /// Shows what is known of the next height.
    pub(crate) fn show(&self, view: &View<'_>) {
        self.eligible_nodes.set(view.active_pool_size as f64);
        self.my_slot.set(view.my_slot.map_or(-1.0, |slot| slot.get() as f64));
    }

    /// A block with this parent and slot is head: has a slot of this node passed before it?
    pub(crate) fn head_moved(&self, before: &View<'_>, parent: &Hash, slot: Slot) {
        if before.head.hash == *parent && before.my_slot.is_some_and(|mine| mine < slot) {
            self.missed_slots.inc();
        }
    }

    /// Counts what is logged.
    pub(crate) fn event(&self, event: &Event) {
        if let Event::Produced(block) = event {
            self.produced.inc();
            self.slots.observe(block.slot.get() as f64);
        }
        if let Event::KeyUsedElsewhere { blocks, .. } = event {
            self.foreign_blocks.inc_by(*blocks);
        }
    }

    /// Counts a failure, if the input is one.
    pub(crate) fn input(&self, input: &Input) {
        let stage = match input {
            Input::ScheduleFailed { .. } => "schedule",
            Input::PrepareFailed { .. } => "prepare",
            Input::CommitFailed { .. } => "commit",
            Input::SubmitFailed { .. } => "submit",
            Input::AuditFailed { .. } => "audit",
            _ => return,
        };
        self.failures.get([stage]).inc();
    }
}
