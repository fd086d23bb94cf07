//! The mining status, put together from one moment.

use vision_authoring::{Blocked, Standing, View};
use vision_primitives::{Height, NodeId};
use vision_wire::producer::{Claim as ClaimMessage, MiningStatus};
use vision_wire::sync_oracle::{Snapshot, SyncState};

use crate::signer::{Claim, ClaimBook};

/// Receipts in the status.
const RECENT_CLAIMS: usize = 10;

/// The status of the height above the view's head.
///
/// The snapshot may be of a head a little older or newer: what it says of the network is carried over to the
/// view's head, so that the numbers fit one another.
pub(crate) fn compose(view: &View<'_>, snapshot: &Snapshot, me: &NodeId, book: &ClaimBook) -> MiningStatus {
    let local_height = view.head.height.get();
    let caught_up = local_height.saturating_sub(snapshot.local_height);
    let network_height = if snapshot.state() == SyncState::TooFarAhead {
        snapshot.network_height
    } else {
        snapshot.network_height.max(local_height)
    };
    let mut owners = view.main.iter().map(|window| window.owner.to_string());
    MiningStatus {
        next_height: view.head.height.next().get(),
        current_winner: owners.next().unwrap_or_default(),
        backups: owners.collect(),
        my_node_id: me.to_string(),
        my_slot: view.my_slot.map(|slot| slot.get()),
        eligible: true,
        sync_state: snapshot.state,
        local_height,
        network_height,
        lag_blocks: snapshot.lag_blocks.saturating_sub(caught_up),
        eligible_pool_size: view.active_pool_size,
        ready_peers: snapshot.ready_peers,
        eligible_streak: snapshot.streak,
        recent_claims: book
            .newest_first()
            .take(RECENT_CLAIMS)
            .map(|(_, claim)| encode_claim(claim))
            .collect(),
        not_eligible_because: String::new(),
        foreign_blocks: 0,
        highest_foreign_block: 0,
    }
}

/// What the neighbours' failures were, for [`judge`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub chain: Option<String>,
    /// The chain service follows another chain.
    pub other_chain: Option<String>,
    pub sync_oracle: Option<String>,
    pub selection: Option<String>,
    pub claims: Option<String>,
}

/// What keeps the key from signing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bars {
    /// The floor, if it bars the next height.
    pub floor: Option<Height>,
    /// The highest block that bears the key and is not of its claims.
    pub elsewhere: Option<Height>,
}

/// Fills in whether this node may produce, and why not.
pub(crate) fn judge(
    status: &mut MiningStatus,
    blocked: Option<Blocked>,
    bars: Bars,
    standing: Option<Standing>,
    snapshot: Option<&Snapshot>,
    trouble: &Trouble,
) {
    let shown = |code: &str, cause: &Option<String>, otherwise: &str| {
        Some(format!("{code}: {}", cause.as_deref().unwrap_or(otherwise)))
    };
    let because = match blocked {
        Some(Blocked::Refused) => {
            shown("CLAIMS_TOO_OLD", &None, "the claims are older than the key's last use")
        }
        Some(Blocked::NoHead) => {
            shown("CHAIN_UNAVAILABLE", &trouble.chain, "the chain service does not answer")
        }
        Some(Blocked::NoSnapshot) => {
            shown("SYNC_ORACLE_UNAVAILABLE", &trouble.sync_oracle, "the sync-oracle service does not answer")
        }
        Some(Blocked::ClockSet) => shown(
            "CLOCK_SET",
            &None,
            "this clock was just set, the sync-oracle is checking it again: wait a few seconds",
        ),
        Some(Blocked::NotEligible) => {
            let said = snapshot.map(|snapshot| snapshot.not_eligible_because.clone());
            Some(
                said.filter(|said| !said.is_empty())
                    .unwrap_or_else(|| "NOT_ELIGIBLE: the sync-oracle gives no reason".into()),
            )
        }
        None if trouble.other_chain.is_some() => shown("WRONG_GENESIS", &trouble.other_chain, ""),
        None if trouble.selection.is_some() => shown("SELECTION_UNAVAILABLE", &trouble.selection, ""),
        None if standing == Some(Standing::None) => Some(follower(snapshot)),
        None if trouble.claims.is_some() => shown("CLAIMS_UNAVAILABLE", &trouble.claims, ""),
        None if let (Some(floor), Some(elsewhere)) = (bars.floor, bars.elsewhere) => Some(format!(
            "KEY_USED_ELSEWHERE: block {elsewhere} is signed with this key, but not in its claims, so \
             nothing is signed up to height {floor}; stop the other node that uses the key"
        )),
        None if let Some(floor) = bars.floor => Some(format!(
            "SIGNING_FLOOR: its claims were reset or found old, so nothing is signed up to height {floor}; \
             it produces again above that"
        )),
        None => None,
    };
    status.eligible = because.is_none();
    status.not_eligible_because = because.unwrap_or_default();
}

/// Why a node whose key is no producer's makes no block, and why none may come to it either.
fn follower(snapshot: Option<&Snapshot>) -> String {
    let ready = snapshot.map_or(0, |snapshot| snapshot.ready_peers);
    if snapshot.is_some_and(|snapshot| snapshot.ready_producers > 0) {
        return "NOT_A_PRODUCER: this node's key is not registered on this chain, or has left it for good: \
                it follows the chain and produces no blocks"
            .into();
    }
    format!(
        "NO_PRODUCER: this node's key is not registered on this chain, or has left it for good, and none \
         of its {ready} ready peers is a registered producer: if no block comes, start a producer, or \
         check [chain] seeds"
    )
}

/// A receipt as people read it.
pub(crate) fn encode_claim(claim: &Claim) -> ClaimMessage {
    ClaimMessage {
        height: claim.height.get(),
        winner_id: claim.winner_id.to_string(),
        tip_hash: claim.tip_hash.to_string(),
        claimed_at_ms: claim.claimed_at.get(),
        slot_idx: claim.slot_idx.get(),
        done: claim.done,
        block_hash: claim.block_hash.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use vision_authoring::Head;
    use vision_primitives::{Hash, Height, Slot, TimestampMs, hash};
    use vision_schedule::SlotWindow;

    use super::*;

    fn head(height: u64) -> Head {
        Head {
            height: Height(height),
            hash: Hash::ZERO,
            timestamp_ms: TimestampMs(0),
            producer: None,
            entropy: Hash::ZERO,
            pool_root: Hash::ZERO,
            registered_root: Hash::ZERO,
        }
    }

    fn window(slot: u64) -> SlotWindow {
        SlotWindow {
            slot: Slot(slot),
            owner: hash(&[&[slot as u8]]),
            jitter_ms: 0,
            opens_at: TimestampMs(0),
            closes_at: TimestampMs(1),
        }
    }

    #[test]
    fn a_snapshot_of_another_moment_is_carried_over() {
        // (local, network, lag, state) of the snapshot, the head now, and what fits it.
        let cases = [
            ("the same moment", (10, 10, 0, SyncState::AtTip), 10, (10, 0)),
            ("a block later", (10, 10, 0, SyncState::AtTip), 11, (11, 0)),
            ("a block earlier", (11, 11, 0, SyncState::AtTip), 10, (11, 0)),
            ("catching up", (100, 600, 500, SyncState::Behind), 300, (600, 300)),
            ("caught up", (100, 600, 500, SyncState::Behind), 700, (700, 0)),
            ("far ahead", (110, 100, 0, SyncState::TooFarAhead), 111, (100, 0)),
        ];
        let main = [window(0), window(1)];
        for (desc, (local, network, lag, state), now, expect) in cases {
            let snapshot = Snapshot {
                local_height: local,
                network_height: network,
                lag_blocks: lag,
                state: state.into(),
                ..Snapshot::default()
            };
            let head = head(now);
            let view = View { head: &head, main: &main, my_slot: None, active_pool_size: 2 };
            let status = compose(&view, &snapshot, &Hash::ZERO, &ClaimBook::default());
            assert_eq!((status.local_height, status.next_height), (now, now + 1), "{desc}");
            assert_eq!((status.network_height, status.lag_blocks), expect, "{desc}");
            assert_eq!(status.current_winner, main[0].owner.to_string());
            assert_eq!(status.backups, [main[1].owner.to_string()]);
        }
    }

    #[test]
    fn the_reason_is_reported_whoever_it_comes_from() {
        let no = Snapshot { not_eligible_because: "CLOCK_SKEW: set it".into(), ..Snapshot::default() };
        let selection = Trouble { selection: Some("gone".into()), ..Trouble::default() };
        let chain = Trouble { chain: Some("gone too".into()), ..selection.clone() };
        let none = Trouble::default();
        let cases = [
            (None, &none, ""),
            (None, &selection, "SELECTION_UNAVAILABLE: gone"),
            (Some(Blocked::NoHead), &chain, "CHAIN_UNAVAILABLE: gone too"),
            (Some(Blocked::NotEligible), &selection, "CLOCK_SKEW: set it"),
            (
                Some(Blocked::ClockSet),
                &none,
                "CLOCK_SET: this clock was just set, the sync-oracle is checking it again: wait a few \
                 seconds",
            ),
            (
                Some(Blocked::NoSnapshot),
                &none,
                "SYNC_ORACLE_UNAVAILABLE: the sync-oracle service does not answer",
            ),
        ];
        for (blocked, trouble, expect) in cases {
            let mut status = MiningStatus::default();
            judge(&mut status, blocked, Bars::default(), Some(Standing::Active), Some(&no), trouble);
            assert_eq!((status.eligible, status.not_eligible_because.as_str()), (expect.is_empty(), expect));
        }
        let mut status = MiningStatus::default();
        let floor = Some(Height(9));
        judge(&mut status, None, Bars { floor, elsewhere: None }, None, None, &none);
        assert!(!status.eligible && status.not_eligible_because.starts_with("SIGNING_FLOOR: "));
        assert!(status.not_eligible_because.contains("up to height 9"));
        judge(&mut status, None, Bars { floor, elsewhere: Some(Height(7)) }, None, None, &none);
        assert!(status.not_eligible_because.starts_with("KEY_USED_ELSEWHERE: block 7 "));
        assert!(status.not_eligible_because.contains("up to height 9;"));
        judge(&mut status, None, Bars { floor: None, elsewhere: Some(Height(7)) }, None, None, &none);
        assert!(status.eligible, "free above");
    }

    #[test]
    fn a_node_that_is_no_producer_says_so() {
        let ready =
            |ready_peers, ready_producers| Snapshot { ready_peers, ready_producers, ..Snapshot::default() };
        // Where it stands, what the oracle sees, and the words the reason must have; none if it may produce.
        let cases: [(&str, Option<Standing>, Snapshot, &[&str]); 6] = [
            ("not asked yet", None, ready(2, 2), &[]),
            ("active", Some(Standing::Active), ready(2, 2), &[]),
            ("suspended, or a candidate: it sends sync proofs", Some(Standing::Waiting), ready(2, 2), &[]),
            (
                "no producer, or one that has left",
                Some(Standing::None),
                ready(2, 2),
                &["NOT_A_PRODUCER: ", "left"],
            ),
            (
                "its producers are gone",
                Some(Standing::None),
                ready(0, 0),
                &["NO_PRODUCER: ", "none of its 0 ready"],
            ),
            (
                "only other followers are there",
                Some(Standing::None),
                ready(2, 0),
                &["NO_PRODUCER: ", "of its 2"],
            ),
        ];
        for (desc, standing, snapshot, words) in cases {
            let mut status = MiningStatus::default();
            judge(&mut status, None, Bars::default(), standing, Some(&snapshot), &Trouble::default());
            let said = &status.not_eligible_because;
            assert_eq!(
                (status.eligible, said.is_empty()),
                (words.is_empty(), words.is_empty()),
                "{desc}: {said}"
            );
            assert!(words.iter().all(|word| said.contains(word)), "{desc}: {said}");
            let mut behind = MiningStatus::default();
            judge(
                &mut behind,
                Some(Blocked::NotEligible),
                Bars::default(),
                standing,
                Some(&snapshot),
                &Trouble::default(),
            );
            assert!(
                behind.not_eligible_because.starts_with("NOT_ELIGIBLE: "),
                "the oracle has the first word"
            );
        }
    }
}
