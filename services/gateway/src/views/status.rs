//! `GET /api/status`.

use serde::Serialize;
use tonic::Status;
use vision_wire::chain::Head;
use vision_wire::producer::MiningStatus;
use vision_wire::sync_oracle::Snapshot;

use crate::ports::ChainInfo;

/// Why the node makes no block, by what the oracle and the producer say. Empty: it may.
pub(crate) fn not_eligible_because(snapshot: &Snapshot, mining: &Result<MiningStatus, Status>) -> String {
    let producer =
        mining.as_ref().map(|mining| mining.not_eligible_because.as_str()).map_err(Status::message);
    vision_sync_status::makes_no_block_because(&snapshot.not_eligible_because, producer)
}

/// Why no block can be made on this node's head until its clock is there, if that is so.
pub(crate) fn stands_still_because(snapshot: &Snapshot) -> Option<&str> {
    let because = snapshot.not_eligible_because.as_str();
    because.starts_with("HEAD_AHEAD: ").then_some(because)
}

#[derive(Serialize)]
pub(crate) struct StatusView<'a> {
    node_id: &'a str,
    chain_id: &'a str,
    genesis_hash: String,
    version: &'a str,
    height: u64,
    tip_hash: &'a str,
    finalized_height: u64,
    safe_height: u64,
    sync_state: &'static str,
    eligible: bool,
    not_eligible_because: Option<&'a str>,
    ready_peers: u64,
    now_ms: u64,
    uptime_seconds: u64,
    /// Whether the gateway's process sends its traces to a collector.
    traces_exported: bool,
    /// Of the oracle's last look, like all below; null when no peer counts that could know.
    network_height: Option<u64>,
    /// Null likewise.
    lag_blocks: Option<u64>,
    eligible_streak: u64,
    measured_ms_ago: u64,
}

impl<'a> StatusView<'a> {
    pub(crate) fn new(
        info: &'a ChainInfo,
        head: &'a Head,
        snapshot: &'a Snapshot,
        because: &'a str,
        (version, now_ms, uptime_seconds, traces_exported): (&'a str, u64, u64, bool),
    ) -> Self {
        // Without a peer that counts the network's height is the node's own, which is no news, unless it
        // needs none.
        let is_known = snapshot.ready_peers > 0 || snapshot.eligible;
        Self {
            node_id: &info.node_id,
            chain_id: &info.chain_id,
            genesis_hash: info.genesis_hash.to_string(),
            version,
            height: head.height,
            tip_hash: &head.hash,
            finalized_height: head.finalized_height,
            safe_height: head.safe_height,
            sync_state: snapshot.state().word(),
            eligible: because.is_empty(),
            not_eligible_because: (!because.is_empty()).then_some(because),
            ready_peers: snapshot.ready_peers,
            now_ms,
            uptime_seconds,
            traces_exported,
            network_height: is_known.then_some(snapshot.network_height),
            lag_blocks: is_known.then_some(snapshot.lag_blocks),
            eligible_streak: snapshot.streak,
            measured_ms_ago: now_ms.saturating_sub(snapshot.taken_at_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_ahead_of_the_clock_is_no_readiness() {
        for (said, expect) in
            [("", None), ("BEHIND: 9", None), ("HEAD_AHEAD: by 9 s", Some("HEAD_AHEAD: by 9 s"))]
        {
            let snapshot = Snapshot { not_eligible_because: said.into(), ..Snapshot::default() };
            assert_eq!(stands_still_because(&snapshot), expect, "{said}");
        }
    }

    #[test]
    fn what_no_peer_knows_is_not_shown() {
        let info = ChainInfo {
            chain_id: String::new(),
            genesis_hash: vision_primitives::Hash::ZERO,
            node_id: String::new(),
        };
        let cases = [
            ("peers count", 2, true, Some(12)),
            ("too few of them", 1, false, Some(12)),
            ("none", 0, false, None),
            ("none is needed", 0, true, Some(12)),
        ];
        for (desc, ready_peers, eligible, expect) in cases {
            let snapshot = Snapshot {
                network_height: 12,
                ready_peers,
                eligible,
                taken_at_ms: 900,
                ..Snapshot::default()
            };
            let head = Head::default();
            let view = StatusView::new(&info, &head, &snapshot, "", ("1", 1000, 5, false));
            assert_eq!((view.network_height, view.lag_blocks), (expect, expect.map(|_| 0)), "{desc}");
            assert_eq!(view.measured_ms_ago, 100);
        }
    }
}
