//! Does this node's clock stand apart from its peers'?

use vision_primitives::Invariant as _;

use crate::{Direction, NotEligible, SyncParams};

/// Differences past the limit in one direction: from peers whose clocks are earlier or later than ours.
fn apart(offsets_ms: &[Option<i64>], direction: Direction, params: &SyncParams) -> Vec<u64> {
    // A peer whose clock is earlier than ours says that we are ahead.
    let peer_is_earlier = direction == Direction::Ahead;
    let mut apart: Vec<u64> = offsets_ms
        .iter()
        .flatten()
        .filter(|offset| offset.is_negative() == peer_is_earlier)
        .map(|offset| offset.unsigned_abs())
        .filter(|by| *by > params.clock_limit_ms())
        .collect();
    apart.sort_unstable();
    apart
}

/// Judges from the offsets (peer's clock less ours, where measured) of all ready peers. With one peer nobody
/// can say whose clock is wrong, so both stop: the wrong one's stamps would hold up the chain until the
/// other's clock is there.
pub(crate) fn judge(offsets_ms: &[Option<i64>], params: &SyncParams) -> Option<NotEligible> {
    [Direction::Ahead, Direction::Behind].into_iter().find_map(|direction| {
        let apart = apart(offsets_ms, direction, params);
        (apart.len() * 2 > offsets_ms.len()).then(|| NotEligible::ClockSkew {
            direction,
            by_ms: *apart.get(apart.len() / 2).invariant("more than half of none is some"),
            peers: apart.len() as u64,
            ready: offsets_ms.len() as u64,
            limit_ms: params.clock_limit_ms(),
        })
    })
}

/// Whether the clocks that are not measured yet could still show that this one is wrong.
pub(crate) fn unknown(offsets_ms: &[Option<i64>], params: &SyncParams) -> Option<NotEligible> {
    let unmeasured = offsets_ms.iter().filter(|offset| offset.is_none()).count();
    let could_be_skewed = [Direction::Ahead, Direction::Behind]
        .into_iter()
        .any(|direction| (apart(offsets_ms, direction, params).len() + unmeasured) * 2 > offsets_ms.len());
    (unmeasured > 0 && could_be_skewed).then_some(NotEligible::ClockUnknown {
        unmeasured: unmeasured as u64,
        ready: offsets_ms.len() as u64,
    })
}
