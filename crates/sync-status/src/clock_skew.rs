//! Does this node's clock stand apart from its peers'?

use crate::{Direction, NotEligible, SyncParams};

/// Ready peers below which nobody can say whose clock is wrong.
const MIN_PEERS_TO_JUDGE: usize = 2;

/// Judges from the offsets (peer's clock less ours, where measured) of all ready peers.
pub(crate) fn judge(offsets_ms: &[Option<i64>], params: &SyncParams) -> Option<NotEligible> {
    if offsets_ms.len() < MIN_PEERS_TO_JUDGE {
        return None;
    }
    let limit_ms = params.clock_limit_ms();
    // A peer whose clock is earlier than ours says that we are ahead.
    let sides = [(Direction::Ahead, true), (Direction::Behind, false)];
    sides.into_iter().find_map(|(direction, peer_is_earlier)| {
        let mut apart: Vec<u64> = offsets_ms
            .iter()
            .flatten()
            .filter(|offset| offset.is_negative() == peer_is_earlier)
            .map(|offset| offset.unsigned_abs())
            .filter(|by| *by > limit_ms)
            .collect();
        if apart.len() * 2 <= offsets_ms.len() {
            return None;
        }
        apart.sort_unstable();
        Some(NotEligible::ClockSkew {
            direction,
            by_ms: apart[apart.len() / 2],
            peers: apart.len() as u64,
            ready: offsets_ms.len() as u64,
            limit_ms,
        })
    })
}
