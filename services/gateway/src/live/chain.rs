//! Follows the chain and the judgement of the network.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::Notify;
use tonic::Status;
use vision_wire::chain::chain_event::What;
use vision_wire::chain::{BlockInfo, ChainEvent, Node};
use vision_wire::rest::{Encoded, api};
use vision_wire::watch::{FollowItem, WatchItem};

use super::board::Board;
use super::event::{EventName, Happened, gap_json};
use super::status::Urgency;
use super::{Live, Part};
use crate::adapters::Backends;
use crate::config::Pages;
use crate::views::to_json;

/// Blocks of the window that statistics are shown of.
const STATISTICS_WINDOW: u32 = 64;
/// Heights of the tree shown.
const TREE_HEIGHTS: u32 = 16;
/// Waiting transactions shown.
const PENDING_SHOWN: u32 = 8;
/// How often what changes all the time is asked for while somebody listens.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// However fast blocks come, the schedule is asked for no sooner than this after the last time.
const REST: Duration = Duration::from_millis(100);

/// What happens on the chain. Says by `moved` that the head may have moved.
pub(super) async fn follow_events(backends: &Backends, live: &Live, moved: &Notify) {
    let mut watch = std::pin::pin!(backends.watch_events());
    let mut missed = None;
    while let Some(item) = watch.next().await {
        if publish(item, live, &mut missed) {
            moved.notify_one();
        }
    }
}

/// Publishes an item of the watch; whether something happened.
fn publish(item: FollowItem<ChainEvent>, live: &Live, missed: &mut Option<Status>) -> bool {
    let event = match item {
        FollowItem::Event(event) => event,
        FollowItem::Gap(cause) => {
            *missed = Some(cause);
            return false;
        }
        // The status says which service is away.
        FollowItem::Lost(_) => return false,
    };
    // Not before the watch has begun anew: who looked up the state by then would miss what happens until it
    // does.
    if let Some(cause) = missed.take() {
        live.publish(Happened::new(EventName::Gap, gap_json(&cause)));
    }
    let Some(happened) = happened(event) else { return false };
    live.publish(happened);
    true
}

fn happened(ChainEvent { at_ms, what, .. }: ChainEvent) -> Option<Happened> {
    let (name, fields) = match what? {
        What::Block(block) => (EventName::Block, Encoded::of(&brief(block))),
        What::MissedSlot(missed) => (EventName::MissedSlot, Encoded::of(&missed)),
        What::Suspended(suspended) => (EventName::Suspended, Encoded::of(&suspended)),
        What::Returned(returned) => (EventName::Returned, Encoded::of(&returned)),
        What::Reorg(reorg) => (EventName::Reorg, Encoded::of(&reorg)),
        What::Finalized(finalized) => (EventName::Finalized, Encoded::of(&finalized)),
        What::CaughtUp(caught_up) => (EventName::CaughtUp, Encoded::of(&caught_up)),
        What::ContactLost(lost) => (EventName::ContactLost, Encoded::of(&lost)),
        What::ContactFound(found) => (EventName::ContactFound, Encoded::of(&found)),
    };
    Some(Happened::of_message(name, at_ms, fields))
}

/// A block without its bytes, which a page looks up when they are wanted.
pub(crate) fn brief(block: BlockInfo) -> BlockInfo {
    BlockInfo { block: None, transactions: Vec::new(), ..block }
}

/// Every node known.
pub(super) async fn follow_nodes(backends: &Backends, board: &Board, pages: &Pages) {
    let mut watch = std::pin::pin!(backends.watch_nodes());
    while let Some(item) = watch.next().await {
        match item {
            WatchItem::Event(event) => {
                if let Some(own) = event.nodes.iter().find(|node| node.this_node) {
                    board.set(Part::Node, Ok(own_json(own)), Urgency::CanWait);
                }
                let nodes: Vec<Node> = event.nodes.into_iter().map(|node| with_page(node, pages)).collect();
                board.set(Part::Nodes, api().json_list(&nodes), Urgency::CanWait);
            }
            WatchItem::Lost(why) => board.set(Part::Nodes, Err(why), Urgency::AtOnce),
        }
    }
}

fn own_json(node: &Node) -> Bytes {
    #[derive(Serialize)]
    struct Own<'a> {
        node_id: &'a str,
        name: &'a str,
    }
    to_json(&Own { node_id: &node.node_id, name: &node.name })
}

fn with_page(mut node: Node, pages: &Pages) -> Node {
    node.page_url = pages.url_of(&node.node_id, &node.name).unwrap_or_default().to_owned();
    node
}

/// The judgement of the network.
pub(super) async fn follow_health(backends: &Backends, board: &Board) {
    let mut watch = std::pin::pin!(backends.watch_network_health());
    let mut state = None;
    while let Some(item) = watch.next().await {
        match item {
            WatchItem::Event(event) => {
                let Some(health) = event.health else { continue };
                let changed = state.replace(health.state) != Some(health.state);
                let urgency = if changed { Urgency::AtOnce } else { Urgency::CanWait };
                board.set(Part::Health, api().json(&health), urgency);
            }
            WatchItem::Lost(why) => {
                state = None;
                board.set(Part::Health, Err(why), Urgency::AtOnce);
            }
        }
    }
}

/// What changes with every block or all the time, as long as somebody listens.
pub(super) async fn follow_head(backends: &Backends, board: &Board, live: &Live, moved: &Notify) {
    loop {
        tokio::select! {
            biased;
            () = moved.notified() => {}
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
        if live.is_heard() {
            ask(backends, board).await;
        }
        tokio::time::sleep(REST).await;
    }
}

/// Asks for all of that now.
pub(super) async fn ask(backends: &Backends, board: &Board) {
    let schedule = async {
        let json = backends.slots().await.and_then(|slots| api().json(&slots));
        board.set(Part::Schedule, json, Urgency::AtOnce);
    };
    let stats = async {
        let json = backends.statistics(STATISTICS_WINDOW).await.and_then(|found| api().json(&found));
        board.set(Part::Stats, json, Urgency::CanWait);
    };
    let tree = async {
        let json = backends.fork_tree(TREE_HEIGHTS).await.and_then(|tree| api().json_list(&tree));
        board.set(Part::Tree, json, Urgency::CanWait);
    };
    let propagation = async {
        let json = backends.propagation().await.and_then(|nodes| api().json_list(&nodes));
        board.set(Part::Propagation, json, Urgency::CanWait);
    };
    let pending = async {
        let json = backends.pending(PENDING_SHOWN).await.and_then(|found| api().json(&found));
        board.set(Part::Pending, json, Urgency::CanWait);
    };
    tokio::join!(schedule, stats, tree, propagation, pending);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_reported_when_the_watch_has_begun_anew() {
        let (live, mut missed) = (Live::new(1, vision_host::Clock::system(0)), None);
        let begin = live.cursor();
        for item in [FollowItem::Gap(Status::out_of_range("x")), FollowItem::Lost(Status::unavailable("x"))] {
            assert!(!publish(item, &live, &mut missed));
            assert_eq!(live.cursor(), begin, "what happens until the watch goes on would be missed unsaid");
        }
        let heartbeat = ChainEvent { heartbeat: true, ..ChainEvent::default() };
        assert!(!publish(FollowItem::Event(heartbeat.clone()), &live, &mut missed));
        let published = live.cursor();
        assert_ne!(published, begin);
        assert!(
            !publish(FollowItem::Event(heartbeat), &live, &mut missed) && live.cursor() == published,
            "once"
        );
    }
}
