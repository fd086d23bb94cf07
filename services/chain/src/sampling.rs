//! What is looked at once a second rather than counted when it happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use vision_host::{Drain, Threads};
use vision_peering::PeerView;

use crate::mailbox::CommandSender;
use crate::metrics::ChainMetrics;
use crate::peers::PeerTable;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// What is looked at.
pub(crate) struct Sampled {
    /// The connections.
    pub table: Arc<PeerTable>,
    /// The chain's thread.
    pub core: CommandSender,
    /// The store's file.
    pub store: PathBuf,
    /// Where the disk is asked.
    pub threads: Threads,
}

/// Looks until the drain begins.
pub(crate) async fn sample(metrics: ChainMetrics, sampled: Sampled, drain: Drain) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = drain.begun() => return,
            _ = ticks.tick() => {}
        }
        sample_peers(&metrics, &sampled.table.list());
        metrics.queues.core.set(sampled.core.depth() as f64);
        let (metrics, store) = (metrics.clone(), sampled.store.clone());
        // A disk in trouble may keep its answer for long.
        let looking = sampled.threads.work(move || {
            if let Ok(file) = std::fs::metadata(&store) {
                metrics.store.size.set(file.len() as f64);
            }
            if let Ok(free) = vision_host::files::free_bytes(&store) {
                metrics.store.free.set(free as f64);
            }
        });
        let _ = looking.await;
    }
}

fn sample_peers(metrics: &ChainMetrics, peers: &[PeerView]) {
    let connected = peers.iter().filter(|peer| peer.fresh && peer.delivers).count();
    metrics.peers.get(["connected"]).set(connected as f64);
    metrics.peers.get(["stale"]).set((peers.len() - connected) as f64);
    let trips = sorted(peers.iter().filter_map(|peer| peer.rtt_ms));
    metrics.round_trip.get(["median"]).set(median(&trips) / 1000.0);
    metrics.round_trip.get(["max"]).set(trips.last().copied().unwrap_or(0.0) / 1000.0);
    let offsets = sorted(peers.iter().filter_map(|peer| peer.clock_offset_ms));
    metrics.clock_offset.set(median(&offsets) / 1000.0);
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// 0 of nothing.
fn median(sorted: &[f64]) -> f64 {
    match (sorted.get(sorted.len() / 2), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(upper), 1) => *upper,
        (Some(upper), _) => f64::midpoint(sorted[sorted.len() / 2 - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expect) in [(&[][..], 0.0), (&[3.0], 3.0), (&[-4.0, 2.0], -1.0), (&[1.0, 2.0, 9.0], 2.0)]
        {
            assert!((median(values) - expect).abs() < 1e-9, "{values:?}");
        }
    }
}
