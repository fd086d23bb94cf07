//! What the chain service counts. See docs/metrics.md.

mod tally;

use vision_host::metrics::{Counter, Gauge, Histogram, Labelled, Metrics, SHORT_SECONDS};

pub(crate) use tally::Tally;

/// Upper bounds for what takes between 10 ms and a minute, seconds.
const LONG_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0];
/// Blocks left in one reorganisation.
const DEPTH_BLOCKS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0];

/// The chain service's metrics. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ChainMetrics {
    head_height: Gauge,
    finalized_height: Gauge,
    head_timestamp: Gauge,
    checkpoint_height: Gauge,
    checkpoint_hash: Gauge,
    block_interval: Histogram,
    import: Histogram,
    reorg_depth: Histogram,
    slots: Labelled<Counter, 1>,
    missed_in_a_row: Gauge,
    /// From a block's time stamp to its arrival from a peer.
    pub propagation: Histogram,
    /// Steps in the life of a block.
    pub phases: Phases,
    /// Blocks refused, by rule.
    pub blocks_refused: Labelled<Counter, 1>,
    /// Peers by state.
    pub peers: Labelled<Gauge, 1>,
    /// Round trips to the peers.
    pub round_trip: Labelled<Gauge, 1>,
    /// Median of the peers' clocks minus this one.
    pub clock_offset: Gauge,
    /// What waits to be taken.
    pub queues: Queues,
    /// What becomes of transactions.
    pub transactions: TransactionMetrics,
    /// The store and its disk.
    pub store: StoreMetrics,
}

/// What waits to be taken.
#[derive(Clone)]
pub(crate) struct Queues {
    /// Commands for the chain's owner.
    pub core: Gauge,
    /// Transactions of callers that are on their way.
    pub callers: Gauge,
    /// Transactions of peers that are on their way.
    pub peers: Gauge,
}

impl Queues {
    fn new(metrics: &Metrics) -> Self {
        let queues = metrics.gauges(
            "vision_chain_queue_depth",
            "Queued: commands for the chain's thread, transactions of callers and of peers before they \
             are admitted",
            ["queue"],
        );
        Self { core: queues.get(["core"]), callers: queues.get(["callers"]), peers: queues.get(["peers"]) }
    }
}

/// What becomes of transactions.
#[derive(Clone)]
pub(crate) struct TransactionMetrics {
    mempool_transactions: Gauge,
    mempool_bytes: Gauge,
    /// Those that were let in to wait.
    pub admitted: Counter,
    /// Those that were not, by rule.
    pub refused: Labelled<Counter, 1>,
    /// Those that waited and went without a block, by reason.
    pub dropped: Labelled<Counter, 1>,
    /// Those of blocks that joined the head's chain.
    pub included: Counter,
}

impl TransactionMetrics {
    fn new(metrics: &Metrics) -> Self {
        Self {
            mempool_transactions: metrics.gauge("vision_chain_mempool_transactions", "Pending transactions"),
            mempool_bytes: metrics.gauge("vision_chain_mempool_bytes", "Their bytes"),
            admitted: metrics
                .counter("vision_chain_transactions_admitted", "Transactions admitted to the pool"),
            refused: metrics.counters(
                "vision_chain_transactions_refused",
                "Transactions not admitted, by rule",
                ["reason"],
            ),
            dropped: metrics.counters(
                "vision_chain_transactions_dropped",
                "Pending transactions dropped without a block, by reason",
                ["reason"],
            ),
            included: metrics.counter(
                "vision_chain_transactions_included",
                "Transactions of blocks that joined the head's chain",
            ),
        }
    }

    /// Shows what waits in the pool.
    pub(crate) fn pool(&self, transactions: usize, bytes: usize) {
        self.mempool_transactions.set(transactions as f64);
        self.mempool_bytes.set(bytes as f64);
    }
}

/// The store and its disk.
#[derive(Clone)]
pub(crate) struct StoreMetrics {
    /// Size of the file.
    pub size: Gauge,
    /// Room left on its disk.
    pub free: Gauge,
    /// Writing a turn durably.
    pub commit: Histogram,
    /// Failed writes of a turn, each retry counted.
    pub failures: Counter,
}

impl StoreMetrics {
    fn new(metrics: &Metrics) -> Self {
        Self {
            size: metrics.gauge("vision_chain_store_size_bytes", "Size of the store's file"),
            free: metrics.gauge("vision_chain_store_free_bytes", "Free space on the store's disk"),
            commit: metrics.histogram(
                "vision_chain_store_commit_seconds",
                "Writing a turn durably",
                SHORT_SECONDS,
            ),
            failures: metrics
                .counter("vision_chain_store_failures", "Failed writes of a turn, each retry counted"),
        }
    }
}

/// How long the steps in the life of a block take.
#[derive(Clone)]
pub(crate) struct Phases {
    /// A block is put together for this node's producer.
    pub prepare: Histogram,
    /// A block is checked and executed.
    pub check: Histogram,
    /// It is entered into the tree, which chooses the head.
    pub insert: Histogram,
    /// The turn is written.
    pub commit: Histogram,
    /// Watchers and peers are sent events and blocks.
    pub announce: Histogram,
}

impl Phases {
    fn new(metrics: &Metrics) -> Self {
        let phases = metrics.histograms(
            "vision_chain_phase_duration_seconds",
            "Steps in the life of a block",
            ["phase"],
            SHORT_SECONDS,
        );
        Self {
            prepare: phases.get(["prepare"]),
            check: phases.get(["check"]),
            insert: phases.get(["insert"]),
            commit: phases.get(["commit"]),
            announce: phases.get(["announce"]),
        }
    }
}

impl ChainMetrics {
    /// All at zero.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let gauge = |name, help| metrics.gauge(name, help);
        let histogram = |name, help, bounds| metrics.histogram(name, help, bounds);
        let made = Self {
            head_height: gauge("vision_chain_head_height", "Height of the head"),
            finalized_height: gauge("vision_chain_finalized_height", "Height of the last final block"),
            head_timestamp: gauge("vision_chain_head_timestamp_seconds", "Time stamp of the head, Unix time"),
            checkpoint_height: gauge(
                "vision_chain_checkpoint_height",
                "Highest final height that is a multiple of 16",
            ),
            checkpoint_hash: gauge(
                "vision_chain_checkpoint_hash",
                "First 48 bits of the hash of the block at the checkpoint height, as a number",
            ),
            block_interval: histogram(
                "vision_chain_block_interval_seconds",
                "Between the time stamps of a block that became head and its parent",
                LONG_SECONDS,
            ),
            import: histogram(
                "vision_chain_import_duration_seconds",
                "From a block's arrival until it is durable",
                SHORT_SECONDS,
            ),
            reorg_depth: histogram(
                "vision_chain_reorg_depth_blocks",
                "Blocks that the head left in one reorganisation",
                DEPTH_BLOCKS,
            ),
            slots: metrics.counters(
                "vision_chain_slots",
                "Slots of final blocks, by what became of them",
                ["outcome"],
            ),
            missed_in_a_row: gauge(
                "vision_chain_missed_in_a_row",
                "Slots missed since the last block of a primary winner, on the head's chain",
            ),
            propagation: histogram(
                "vision_chain_block_propagation_seconds",
                "From a block's time stamp to its arrival from a peer",
                SHORT_SECONDS,
            ),
            phases: Phases::new(metrics),
            blocks_refused: metrics.counters(
                "vision_chain_blocks_refused",
                "Blocks refused, by rule",
                ["reason"],
            ),
            peers: metrics.gauges("vision_chain_peers", "Peers", ["state"]),
            round_trip: metrics.gauges(
                "vision_chain_peer_round_trip_seconds",
                "Round trips to the peers",
                ["stat"],
            ),
            clock_offset: gauge(
                "vision_chain_clock_offset_seconds",
                "Median of the peers' clocks minus this one",
            ),
            queues: Queues::new(metrics),
            transactions: TransactionMetrics::new(metrics),
            store: StoreMetrics::new(metrics),
        };
        // A count that starts when the first event comes hides that one from a rate.
        ["primary", "backup", "missed"].iter().for_each(|outcome| drop(made.slots.get([outcome])));
        made
    }
}
