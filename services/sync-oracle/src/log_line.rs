//! The log line about a snapshot.

use vision_sync_status::Snapshot;

/// The line's text.
pub(crate) fn text(found: &Snapshot) -> String {
    let Snapshot { network_height, lag, ready_peers, state, streak, .. } = found;
    format!(
        "[MINING] Network snapshot: height={network_height}, lag={lag}, peers={ready_peers}, state={state}, \
         streak={streak}"
    )
}

/// Logs the line at a level, its numbers as fields besides, and the trace of its height if that is known.
macro_rules! snapshot_line {
    ($level:expr, $found:expr, $trace_id:expr) => {{
        let found: &vision_sync_status::Snapshot = $found;
        tracing::event!(
            $level,
            tick = found.tick,
            height = found.network_height.get(),
            trace_id = $trace_id.map(tracing::field::display),
            local_height = found.local_height.get(),
            lag = found.lag,
            peers = found.ready_peers,
            state = found.state.as_str(),
            streak = found.streak,
            eligible = found.eligible,
            because = found.because.as_ref().map(tracing::field::display),
            "{}",
            $crate::log_line::text(found),
        );
    }};
}
pub(crate) use snapshot_line;

#[cfg(test)]
mod tests {
    use vision_primitives::{ConsensusParams, Hash, Height, TimestampMs};
    use vision_sync_status::{PeerView, SyncMachine, SyncParams, TickInput};

    #[test]
    fn the_text_is_as_promised() {
        let mut machine = SyncMachine::new(SyncParams::from(&ConsensusParams::default()));
        let peer = PeerView {
            id: Hash::ZERO,
            delivers: true,
            producer: true,
            tip_height: Height(12),
            status_age_ms: 0,
            clock_offset_ms: None,
        };
        let input = TickInput {
            now_ms: TimestampMs(1),
            monotonic_ms: 1,
            head_at: TimestampMs(0),
            local_height: Height(11),
            registered: 3,
            peers: vec![peer; 2],
        };
        let text = super::text(machine.tick(&input));
        assert_eq!(text, "[MINING] Network snapshot: height=12, lag=1, peers=2, state=CatchingUp, streak=0");
    }
}
