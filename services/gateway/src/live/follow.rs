//! Follows the services, and publishes to the hub.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::Notify;
use tonic::Status;
use tracing::{info, warn};
use vision_host::health::Condition;
use vision_host::{Clock, Health};
use vision_wire::producer::{Claim, MiningStatus};
use vision_wire::watch::WatchItem;
use vision_wire::{Reason, status};

use super::board::Board;
use super::chain;
use super::event::{EventName, Happened};
use super::status::Urgency;
use super::{Live, MiningStatusBody, Part};
use crate::adapters::Backends;
use crate::config::Pages;
use crate::ports::Neighbour;
use crate::views::{mining_status_json, to_json};

/// How often the services are asked whether they serve.
const ASK_SERVICES_EVERY: Duration = Duration::from_secs(2);
/// What stands for a service that answers.
const SERVING: &str = "serving";

/// What is kept current besides what listeners hear.
pub(crate) struct Followed<'a> {
    /// The body of `/api/mining/status`.
    pub(crate) mining: MiningStatusBody,
    /// The gateway's health.
    pub(crate) health: &'a Health,
    /// Where the pages of the nodes are.
    pub(crate) pages: Pages,
    pub(crate) clock: Clock,
}

/// Follows all services for ever.
pub(crate) fn follow(
    backends: Backends,
    live: Live,
    followed: Followed<'_>,
) -> impl Future<Output = ()> + Send + use<> {
    // Known to the health before the first answer.
    let conditions = Neighbour::ALL.map(|neighbour| followed.health.condition(neighbour.name()));
    let Followed { mining, pages, clock, .. } = followed;
    async move {
        let (board, moved) = (Arc::clone(&live.board), Notify::new());
        tokio::join!(
            board.publish(&live, &clock),
            follow_services(&backends, &board, &conditions),
            follow_mining(&backends, &board, &live, &mining),
            chain::follow_events(&backends, &live, &moved),
            chain::follow_nodes(&backends, &board, &pages),
            chain::follow_health(&backends, &board),
            chain::follow_head(&backends, &board, &live, &moved),
        );
    }
}

/// Which services answer.
async fn follow_services(backends: &Backends, board: &Board, conditions: &[Condition]) {
    let mut ticks = tokio::time::interval(ASK_SERVICES_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = Neighbour::ALL.map(|neighbour| backends.health(neighbour));
        let answers = futures::future::join_all(asked).await;
        let mut states = BTreeMap::new();
        for ((neighbour, answer), condition) in Neighbour::ALL.iter().zip(answers).zip(conditions) {
            let state = match answer {
                Ok(()) => {
                    condition.ok();
                    SERVING.to_owned()
                }
                Err(why) => {
                    condition.failed(why.to_string());
                    why.to_string()
                }
            };
            states.insert(neighbour.name(), state);
        }
        board.set(Part::Services, Ok(to_json(&states)), Urgency::AtOnce);
    }
}

/// What the producer is about to do, and what it claims.
async fn follow_mining(backends: &Backends, board: &Board, live: &Live, body: &MiningStatusBody) {
    let mut claims = Claims::default();
    let mut watch = std::pin::pin!(backends.watch_mining_status());
    while let Some(item) = watch.next().await {
        match item {
            WatchItem::Event(event) => {
                let Some(mining) = event.status else { continue };
                for claim in claims.new_in(&mining) {
                    live.publish(Happened::new(EventName::Claim, claim_json(claim)));
                }
                let json = mining_status_json(&mining);
                if body.get().is_err() {
                    info!("following the producer's status");
                }
                body.set(Ok(json.clone()));
                board.set(Part::Mining, Ok(json), Urgency::CanWait);
            }
            WatchItem::Lost(cause) => {
                // A producer that has just started, or is not up yet, is how every start looks.
                if body.get().is_ok() {
                    warn!(because = cause.message(), "lost the producer's status");
                } else {
                    info!(because = cause.message(), "waiting for the producer's status");
                }
                body.set(Err(blame_producer(&cause)));
                board.set(Part::Mining, Err(cause), Urgency::AtOnce);
            }
        }
    }
}

/// Whatever ended the watch, to the caller it means that the producer is not there.
fn blame_producer(cause: &Status) -> Status {
    let service = Neighbour::Producer.name();
    status(Reason::DependencyUnavailable, cause.message(), &[("service", service.to_owned())])
}

fn claim_json(claim: &Claim) -> Bytes {
    #[derive(Serialize)]
    struct View<'a> {
        height: u64,
        slot: u64,
        winner_id: &'a str,
        tip_hash: &'a str,
        claimed_at_ms: u64,
    }
    to_json(&View {
        height: claim.height,
        slot: claim.slot_idx,
        winner_id: &claim.winner_id,
        tip_hash: &claim.tip_hash,
        claimed_at_ms: claim.claimed_at_ms,
    })
}

/// Distinguishes new claims from those seen.
#[derive(Default)]
struct Claims(Option<BTreeSet<(u64, String)>>);

impl Claims {
    /// Oldest first; none of the first status, which are of the past.
    fn new_in<'a>(&mut self, status: &'a MiningStatus) -> Vec<&'a Claim> {
        let key = |claim: &Claim| (claim.height, claim.tip_hash.clone());
        let seen = self.0.replace(status.recent_claims.iter().map(key).collect());
        let Some(seen) = seen else { return Vec::new() };
        status.recent_claims.iter().rev().filter(|claim| !seen.contains(&key(claim))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_claims_are_sent() {
        let status = |heights: &[u64]| MiningStatus {
            recent_claims: heights
                .iter()
                .map(|height| Claim { height: *height, ..Claim::default() })
                .collect(),
            ..MiningStatus::default()
        };
        let mut claims = Claims::default();
        let cases: [(&[u64], &[u64]); 5] =
            [(&[3, 2], &[]), (&[3, 2], &[]), (&[5, 4, 3], &[4, 5]), (&[5], &[]), (&[6, 5], &[6])];
        for (heights, expect) in cases {
            let status = status(heights);
            let published: Vec<u64> = claims.new_in(&status).iter().map(|claim| claim.height).collect();
            assert_eq!(published, expect, "{heights:?}");
        }
    }
}
