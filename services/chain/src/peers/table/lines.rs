//! The machine's lines of the log.

use vision_peering::Log;

/// Writes a line.
pub(super) fn write(line: &Log) {
    match line {
        Log::Connected { peer, version, inbound } => {
            tracing::info!(peer = %peer, version = %version, inbound, "peer connected");
        }
        Log::Disconnected { peer, why, stood_ms } => {
            tracing::info!(peer = %peer, %why, stood_ms, "peer disconnected");
        }
        Log::Charged { peer, points, charge, why, left_out } => {
            tracing::warn!(peer = %peer.short(), points, charge, why, left_out, "peer charged");
        }
        Log::BrokeOff { peer, why } => {
            tracing::debug!(peer = %peer.short(), why, "an answer broke off");
        }
        Log::CallOver { address, end, why } => tracing::debug!(address, ?end, %why, "call over"),
        Log::OtherChain { address, refused, left_out } => tracing::warn!(
            address, %refused, left_out, "this node is of another chain; not calling it again for a while"
        ),
        Log::SeedFailed { address, why, failures, left_out } => tracing::warn!(
            address, %why, failures, left_out, "a seed cannot be connected with; it is tried again"
        ),
        twin => write_twin(twin),
    }
}

fn write_twin(line: &Log) {
    match line {
        Log::OwnTwin { identity, address } => tracing::warn!(
            identity = %identity, address,
            "this node's identity is in use by another process too, which has proven it: stop one of them; a \
             copied home needs keys of its own"
        ),
        Log::RefusedTwin { identity, address, why } => tracing::warn!(
            identity = %identity, address, why,
            "this node's identity seems to be in use by another process too: a peer keeps its connection \
             with that one; stop one of them; a copied home needs keys of its own"
        ),
        Log::Twin { identity, first, second } => tracing::warn!(
            identity = %identity, first, second,
            "one identity is in use by two processes: another node connects again and again with the \
             identity of a connected peer; its operator must stop one of them"
        ),
        _ => unreachable!("{line:?} is no line about a twin"),
    }
}
