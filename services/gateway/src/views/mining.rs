//! `GET /api/mining/status`.

use bytes::Bytes;
use serde::Serialize;
use vision_wire::producer::{Claim, MiningStatus};

#[derive(Serialize)]
struct MiningStatusView<'a> {
    next_height: u64,
    current_winner: &'a str,
    backups: &'a [String],
    my_node_id: &'a str,
    my_slot: Option<u64>,
    eligible: bool,
    sync_state: &'static str,
    local_height: u64,
    network_height: u64,
    lag_blocks: u64,
    eligible_pool_size: u64,
    ready_peers: u64,
    eligible_streak: u64,
    recent_claims: Vec<(u64, ClaimView<'a>)>,
}

#[derive(Serialize)]
struct ClaimView<'a> {
    winner_id: &'a str,
    tip_hash: String,
    claimed_at: u64,
    slot_idx: u64,
}

fn claim(claim: &Claim) -> (u64, ClaimView<'_>) {
    let view = ClaimView {
        winner_id: &claim.winner_id,
        tip_hash: format!("0x{}", claim.tip_hash),
        claimed_at: claim.claimed_at_ms,
        slot_idx: claim.slot_idx,
    };
    (claim.height, view)
}

/// The whole body.
pub(crate) fn mining_status_json(status: &MiningStatus) -> Bytes {
    let view = MiningStatusView {
        next_height: status.next_height,
        current_winner: &status.current_winner,
        backups: &status.backups,
        my_node_id: &status.my_node_id,
        my_slot: status.my_slot,
        eligible: status.eligible,
        sync_state: status.sync_state().word(),
        local_height: status.local_height,
        network_height: status.network_height,
        lag_blocks: status.lag_blocks,
        eligible_pool_size: status.eligible_pool_size,
        ready_peers: status.ready_peers,
        eligible_streak: status.eligible_streak,
        recent_claims: status.recent_claims.iter().map(claim).collect(),
    };
    super::block::to_json(&view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_wire::sync_oracle::SyncState;

    #[test]
    fn exactly_the_documents_shape() {
        let status = MiningStatus {
            next_height: 12345,
            current_winner: "a1b2".into(),
            backups: vec!["f6e5".into(), "0b0b".into()],
            my_node_id: "1234".into(),
            my_slot: Some(0),
            eligible: true,
            sync_state: SyncState::AtTip.into(),
            local_height: 12344,
            network_height: 12344,
            lag_blocks: 0,
            eligible_pool_size: 3,
            ready_peers: 2,
            eligible_streak: 5,
            recent_claims: vec![Claim {
                height: 12344,
                winner_id: "1234".into(),
                tip_hash: "beef".into(),
                claimed_at_ms: 1_702_668_960_000,
                slot_idx: 0,
                done: true,
                block_hash: "cafe".into(),
            }],
            not_eligible_because: String::new(),
            foreign_blocks: 0,
            highest_foreign_block: 0,
        };
        let expect = concat!(
            r#"{"next_height":12345,"current_winner":"a1b2","backups":["f6e5","0b0b"],"my_node_id":"1234","#,
            r#""my_slot":0,"eligible":true,"sync_state":"AtTip","local_height":12344,"#,
            r#""network_height":12344,"lag_blocks":0,"eligible_pool_size":3,"ready_peers":2,"#,
            r#""eligible_streak":5,"recent_claims":"#,
            r#"[[12344,{"winner_id":"1234","tip_hash":"0xbeef","claimed_at":1702668960000,"slot_idx":0}]]}"#,
        );
        assert_eq!(mining_status_json(&status), expect);
        let outsider = MiningStatus { my_slot: None, recent_claims: vec![], ..status };
        let text = mining_status_json(&outsider);
        let text = std::str::from_utf8(&text).expect("JSON is UTF-8");
        assert!(text.contains(r#""my_slot":null"#) && text.ends_with(r#""recent_claims":[]}"#), "{text}");
    }
}
