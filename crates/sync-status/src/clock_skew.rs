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

/// Judges from the offsets (peer's clock less ours, where measured) of all ready peers. A clock counts as
/// right only if it agrees with at least half of them, for then it is one of a majority. To be in the middle
/// of some that all differ proves nothing, and a block stamped hours ahead would stop the chain for hours,
/// even if all clocks are right again at once.
pub(crate) fn judge(offsets_ms: &[Option<i64>], params: &SyncParams) -> Option<NotEligible> {
    let [ahead, behind] = [Direction::Ahead, Direction::Behind].map(|of| (of, apart(offsets_ms, of, params)));
    let (ready, limit_ms) = (offsets_ms.len() as u64, params.clock_limit_ms());
    let is_most = |peers: u64| peers * 2 > ready;
    let (ahead_of, behind_of) = (ahead.1.len() as u64, behind.1.len() as u64);
    let one_way = [ahead, behind].into_iter().find(|(_, apart)| is_most(apart.len() as u64));
    if let Some((direction, apart)) = one_way {
        let by_ms = *apart.get(apart.len() / 2).invariant("more than half of none is some");
        return Some(NotEligible::ClockSkew { direction, by_ms, peers: apart.len() as u64, ready, limit_ms });
    }
    is_most(ahead_of + behind_of).then_some(NotEligible::ClocksApart { ahead_of, behind_of, ready, limit_ms })
}

/// Whether the clocks that are not measured yet could still show that this one is wrong.
pub(crate) fn unknown(offsets_ms: &[Option<i64>], params: &SyncParams) -> Option<NotEligible> {
    let unmeasured = offsets_ms.iter().filter(|offset| offset.is_none()).count();
    let apart: usize =
        [Direction::Ahead, Direction::Behind].map(|of| apart(offsets_ms, of, params).len()).into_iter().sum();
    (unmeasured > 0 && (apart + unmeasured) * 2 > offsets_ms.len()).then_some(NotEligible::ClockUnknown {
        unmeasured: unmeasured as u64,
        ready: offsets_ms.len() as u64,
    })
}
