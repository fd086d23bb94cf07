//! What the oracle counts. See docs/metrics.md.

use vision_host::metrics::{Gauge, Metrics};
use vision_sync_status::{Snapshot, SyncState};

const STATES: [SyncState; 4] =
    [SyncState::AtTip, SyncState::CatchingUp, SyncState::Behind, SyncState::TooFarAhead];

/// The oracle's metrics.
pub(crate) struct OracleMetrics {
    states: [Gauge; 4],
    eligible: Gauge,
    streak: Gauge,
    lag: Gauge,
    network_height: Gauge,
    ready_peers: Gauge,
    head_ahead: Gauge,
}

impl OracleMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let state = metrics.gauges(
            "vision_sync_oracle_state",
            "Sync state of this node: 1 for the current one",
            ["state"],
        );
        Self {
            states: STATES.map(|name| state.get([name.as_str()])),
            eligible: metrics.gauge("vision_sync_oracle_eligible", "Whether this node may produce"),
            streak: metrics
                .gauge("vision_sync_oracle_eligible_streak_ticks", "Ticks in a row not behind the network"),
            lag: metrics.gauge("vision_sync_oracle_lag_blocks", "Blocks behind the network"),
            network_height: metrics.gauge("vision_sync_oracle_network_height", "Height of the network"),
            head_ahead: metrics.gauge(
                "vision_sync_oracle_head_ahead_seconds",
                "How far the head's timestamp is ahead of this node's clock",
            ),
            ready_peers: metrics.gauge("vision_sync_oracle_ready_peers", "Peers that the verdict rests on"),
        }
    }

    /// Shows a verdict.
    pub(crate) fn show(&self, snapshot: &Snapshot) {
        for (gauge, state) in self.states.iter().zip(STATES) {
            gauge.set(f64::from(u8::from(snapshot.state == state)));
        }
        self.eligible.set(f64::from(u8::from(snapshot.eligible)));
        self.streak.set(snapshot.streak as f64);
        self.lag.set(snapshot.lag as f64);
        self.network_height.set(snapshot.network_height.get() as f64);
        self.ready_peers.set(snapshot.ready_peers as f64);
        self.head_ahead.set(snapshot.head_ahead_ms as f64 / 1000.0);
    }
}
