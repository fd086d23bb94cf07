//! What a node knows of all nodes: names, reports, who is gone, and how long blocks take.

mod support;

use std::sync::Mutex;

use support::adversary::{Adversary, POLITE};
use support::{Client, Net, Node, head, produce, schedule, wait_for_head, wait_until};
use vision_host::{Clock, Env};
use vision_primitives::{Hash, Height, NodeReport, Slot, Tag, TimestampMs};
use vision_wire::chain::node::Role;
use vision_wire::chain::{self as proto};
use vision_wire::p2p::Status as PeerStatus;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::reason_of;
use vision_wire::sync_oracle::Snapshot;

async fn nodes(client: &mut Client) -> Vec<proto::Node> {
    client.list_nodes(proto::ListNodesRequest {}).await.expect("nodes").into_inner().nodes
}

/// Waits until the list of nodes fits.
async fn until(client: &Client, what: &str, fits: impl Fn(&[proto::Node]) -> bool) -> Vec<proto::Node> {
    let found = Mutex::new(Vec::new());
    wait_until(what, || {
        let (mut client, found, fits) = (client.clone(), &found, &fits);
        async move {
            let nodes = nodes(&mut client).await;
            let fits = fits(&nodes);
            *found.lock().expect("no panic") = nodes;
            fits
        }
    })
    .await;
    found.into_inner().expect("no panic")
}

/// The oracle's word as its service would report it.
async fn judge(client: &mut Client, oracle: &str, joined: &str) {
    let snapshot = Snapshot {
        taken_at_ms: Clock::system(0).now_ms(),
        eligible: oracle.is_empty(),
        not_eligible_because: oracle.into(),
        ready_peers: 2,
        ..Snapshot::default()
    };
    let makes_no_block_because = joined.to_owned();
    let request = proto::ReportSnapshotRequest { snapshot: Some(snapshot), makes_no_block_because };
    client.report_snapshot(request).await.expect("taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_know_each_other_by_name_and_a_dead_one_stays_on_the_list() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1), net.home(2)];
    let first = Node::start_named(homes[0].path(), "node1", &[], 0);
    let second = Node::start_named(homes[1].path(), "node2", &[first.p2p], 0);
    let mut client = first.client().await;
    let mut other = second.client().await;
    judge(&mut other, "STREAK: at the tip for 1 ticks in a row, 3 needed", "").await;
    let ids: Vec<String> = net.keys.keys().map(ToString::to_string).collect();
    let found = until(&client, "the second says who it is and why it may not produce", |nodes| {
        nodes
            .iter()
            .any(|node| node.name == "node2" && !node.not_eligible_because.starts_with("ORACLE_SILENT"))
    })
    .await;
    let [me, peer, absent] = &found[..] else { panic!("three producers: {found:?}") };
    assert!(me.this_node && me.connected && me.name == "node1" && me.node_id == ids[0], "{me:?}");
    assert_eq!((me.role(), me.height, me.behind), (Role::Producer, Some(0), Some(0)));
    assert_eq!(me.not_eligible_because.split(':').next(), Some("ORACLE_SILENT"));
    assert_eq!((&peer.node_id, peer.connected, peer.eligible), (&ids[1], true, Some(false)), "{peer:?}");
    assert_eq!(peer.not_eligible_because, "STREAK: it has not been at the tip for long enough");
    assert_eq!((peer.peers, peer.version.as_str()), (Some(2), "test"));
    // A producer that nobody has heard of is there, with what is not known absent.
    let unknown = proto::Node {
        node_id: ids[2].clone(),
        name: ids[2][..8].into(),
        role: Role::Producer.into(),
        ..proto::Node::default()
    };
    assert_eq!(absent, &unknown);
    // The producer's word goes before that of an oracle which has nothing to say.
    judge(&mut other, "", "SIGNING_FLOOR: up to height 9").await;
    until(&client, "its producer objects", |nodes| {
        nodes[1].not_eligible_because.starts_with("SIGNING_FLOOR: its claims")
    })
    .await;
    // Words without a code make no report that the peers refuse, and charge for.
    judge(&mut other, "", "connection refused").await;
    until(&client, "it objects in words of its own", |nodes| {
        nodes[1].not_eligible_because == "OTHER: it reports only this code"
    })
    .await;
    judge(&mut other, "", "").await;
    until(&client, "it may produce", |nodes| {
        nodes[1].eligible == Some(true) && nodes[1].clock_offset_ms.is_some()
    })
    .await;
    let block = produce(&net, &mut client, 0).await;
    wait_for_head(&mut other, &block.hash).await;
    let found = until(&client, "it has the block", |nodes| nodes[1].height == Some(1)).await;
    let made: Vec<_> = found.iter().filter(|node| node.last_block_height == Some(1)).collect();
    assert_eq!(made.len(), 1, "one has made the block: {found:?}");
    second.stop().await;
    let found = until(&client, "it is gone", |nodes| !nodes[1].connected).await;
    let gone = &found[1];
    assert_eq!((gone.name.as_str(), gone.height, gone.peers), ("node2", Some(1), Some(2)));
    assert!(gone.lost_at_ms >= gone.last_seen_at_ms && gone.last_seen_at_ms.is_some(), "{gone:?}");
    assert_eq!((gone.eligible, gone.not_eligible_because.as_str()), (None, ""), "nobody knows now");
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_are_sent_what_changes() {
    use futures::StreamExt;
    let net = Net::new(2);
    let (home, other) = (net.home(0), net.home(1));
    let node = Node::start_named(home.path(), "node1", &[], 0);
    let mut client = node.client().await;
    let request = proto::WatchNodesRequest::default();
    let mut watch = client.watch_nodes(request).await.expect("a watch").into_inner();
    let first = watch.next().await.expect("an event").expect("no error");
    assert_eq!(first.nodes.iter().map(|node| node.connected).collect::<Vec<_>>(), [true, false]);
    let peer = Node::start_named(other.path(), "node2", &[node.p2p], 0);
    let seen = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            let event = watch.next().await.expect("an event").expect("no error");
            if event.nodes.iter().any(|node| node.name == "node2" && node.connected) {
                return event;
            }
        }
    });
    let seen = seen.await.expect("reported in time");
    let request = proto::WatchNodesRequest { cursor: seen.cursor };
    let mut resumed = client.watch_nodes(request).await.expect("it resumes").into_inner();
    let next = resumed.next().await.expect("an event").expect("no error");
    assert!(next.nodes.iter().any(|node| node.name == "node2"), "{next:?}");
    peer.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_that_come_and_go_are_events() {
    use futures::StreamExt;
    use vision_wire::chain::chain_event::What;
    let net = Net::new(2);
    let (home, other) = (net.home(0), net.home(1));
    let node = Node::start_named(home.path(), "node1", &[], 0);
    let mut client = node.client().await;
    let request = proto::WatchEventsRequest::default();
    let mut events = client.watch_events(request).await.expect("a watch").into_inner();
    let mut contact = async || {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            loop {
                match events.next().await.expect("an event").expect("no error").what {
                    Some(What::ContactFound(it)) => return (it.node_id, it.address, None),
                    Some(What::ContactLost(it)) => return (it.node_id, it.address, Some(it.reason)),
                    _ => {}
                }
            }
        });
        next.await.expect("reported in time")
    };
    let id = net.keys.keys().nth(1).expect("two keys").to_string();
    let peer = Node::start_named(other.path(), "node2", &[node.p2p], 0);
    let address = format!("127.0.0.1:{}", peer.p2p);
    assert_eq!(contact().await, (id.clone(), address.clone(), None));
    peer.stop().await;
    let (lost, at, why) = contact().await;
    assert_eq!((lost, at), (id, address));
    assert!(why.is_some_and(|why| !why.is_empty()), "it says why");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_usable_name_does_not_start_and_one_without_any_has_its_digits() {
    let net = Net::new(1);
    let home = net.home(0);
    let bad = Env { name: Some("Node 1".into()), ..Env::new(home.path(), "test") };
    let config = || vision_chain::Config {
        grpc_listen: ([127, 0, 0, 1], support::free_port()).into(),
        p2p_listen: ([127, 0, 0, 1], support::free_port()).into(),
        ..Default::default()
    };
    let refused = vision_chain::serve(config(), bad).await.expect_err("no name");
    assert!(refused.is_usage() && refused.to_string().starts_with("[node] name: must be "), "{refused}");
    let node = Node::start(home.path(), &[]);
    let found = nodes(&mut node.client().await).await;
    assert_eq!(found[0].name, found[0].node_id[..8]);
    node.stop().await;
}

/// A good report of an adversary.
fn report(name: &str) -> NodeReport {
    NodeReport {
        name: name.parse().expect("a name"),
        not_eligible: Some("WHATEVER_ELSE".into()),
        ready_peers: 7,
        height: Height(0),
        hash: Hash::ZERO,
        arrived_at: TimestampMs(0),
        pending: 0,
    }
}

fn status_with(peer: &Adversary, net: &Net, bytes: Vec<u8>) -> PeerStatus {
    let mut status = peer.status(0, net.genesis.hash(), Clock::system(0).now_ms());
    let signature = peer.peer_key.sign(Tag::Report, &net.genesis.hash(), &bytes);
    (status.report, status.report_signature) = (bytes.into(), signature.0.to_vec().into());
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_count_only_as_far_as_they_are_signed_and_well_formed() {
    let net = Net::new(1);
    let home = net.home(0);
    let node = Node::start_named(home.path(), "node1", &[], 0);
    let client = node.client().await;
    // Seed of the peer, what it says, and the charge; 100 ends the connection at once.
    type Bend = fn(&mut PeerStatus);
    let cases: [(&str, u8, Bend, u32); 6] = [
        ("an older node", 20, |status| (status.report, status.report_signature) = Default::default(), 0),
        ("a forged one", 21, |status| status.report_signature = vec![1; 64].into(), 100),
        ("none, but signed", 22, |status| status.report = Default::default(), 50),
        ("not signed", 23, |status| status.report_signature = Default::default(), 100),
        ("cut", 24, |status| status.report = status.report.slice(1..), 50),
        ("too long", 25, |status| status.report = vec![0; 64 << 10].into(), 50),
    ];
    for (desc, seed, bend, charge) in cases {
        let mut peer = Adversary::call(node.p2p, &net.genesis, seed, &POLITE).await.expect(desc);
        let id = peer.node_key.public_key().id().to_string();
        let mut status = status_with(&peer, &net, report("liar").to_bytes());
        bend(&mut status);
        peer.say(Kind::Status(status)).await;
        if charge == 100 {
            let why = peer.end().await;
            assert_eq!(reason_of(&why).as_deref(), Some("PEER_BANNED"), "{desc}");
            assert!(why.message().contains("a report with a wrong signature"), "{desc}: {why:?}");
        } else {
            wait_until("it is judged", || {
                let (mut client, id) = (client.clone(), id.clone());
                async move {
                    let peers =
                        client.list_peers(proto::ListPeersRequest {}).await.expect("peers").into_inner();
                    let peer = peers.peers.into_iter().find(|peer| peer.node_id == id);
                    // A charge loses a point a second.
                    peer.is_some_and(|peer| match charge {
                        0 => peer.last_status_at_ms > 0 && peer.charge == 0,
                        _ => (charge - 20..=charge).contains(&peer.charge) && peer.last_status_at_ms == 0,
                    })
                }
            })
            .await;
        }
        let found = nodes(&mut client.clone()).await;
        assert!(found.iter().all(|node| node.name != "liar"), "{desc}: {found:?}");
    }
    // Whoever takes a producer's name is shown with its digits.
    let good = Adversary::call(node.p2p, &net.genesis, 26, &POLITE).await.expect("a good introduction");
    good.say(Kind::Status(status_with(&good, &net, report("node1").to_bytes()))).await;
    let id = good.node_key.public_key().id().to_string();
    let shown = format!("node1 ({})", &id[..8]);
    let found =
        until(&client, "it is shown", |nodes| nodes.iter().any(|node| node.name == shown && node.connected))
            .await;
    let row = found.iter().find(|node| node.node_id == id).expect("the row");
    assert_eq!((row.role(), row.peers, row.eligible), (Role::Follower, Some(7), Some(false)));
    assert_eq!(row.not_eligible_because, "WHATEVER_ELSE: it reports only this code");
    assert_eq!(found[0].name, "node1");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_apart_do_not_change_how_long_blocks_take() {
    // Blocks whose stamps are of now.
    let mut net = Net::new(3);
    net.genesis.time_ms = TimestampMs(Clock::system(0).now_ms());
    let homes = [net.home(0), net.home(1), net.home(2)];
    let first = Node::start_named(homes[0].path(), "node1", &[], 0);
    // An hour ahead, and a little behind: who is further behind takes no block from others.
    let ahead = Node::start_named(homes[1].path(), "node2", &[first.p2p], 3_600_000);
    let behind = Node::start_named(homes[2].path(), "node3", &[first.p2p, ahead.p2p], -400);
    let mut client = first.client().await;
    let found = until(&client, "all clocks are compared", |nodes| {
        nodes.len() == 3 && nodes.iter().all(|node| node.clock_offset_ms.is_some())
    })
    .await;
    let offset = found[1].clock_offset_ms.expect("compared");
    assert!((3_599_000.0..3_601_000.0).contains(&offset), "{offset}");
    // A block of the node whose clock is right.
    let own = found[0].node_id.clone();
    let genesis = head(&mut client).await;
    let schedule = schedule(&net, &mut client, &genesis).await;
    let slot = (0..).find(|slot| schedule.window(Slot(*slot)).owner.to_string() == own).expect("a slot");
    let block = produce(&net, &mut client, slot).await;
    for node in [&ahead, &behind] {
        wait_for_head(&mut node.client().await, &block.hash).await;
    }
    let reported = Mutex::new(Vec::new());
    wait_until("both report when it came", || {
        let (mut client, reported) = (client.clone(), &reported);
        async move {
            let request = proto::GetPropagationRequest {};
            let nodes = client.get_propagation(request).await.expect("reported").into_inner().nodes;
            let count = nodes.len();
            *reported.lock().expect("no panic") = nodes;
            count == 2
        }
    })
    .await;
    for (node, row) in reported.into_inner().expect("no panic").iter().zip(&found[1..]) {
        assert_eq!(node.node_id, row.node_id, "and this node has none of its own blocks");
        let heights: Vec<_> = node.samples.iter().map(|sample| sample.height).collect();
        assert_eq!(heights, [1]);
        // An hour of clock does not show.
        assert!(node.median_ms < 60_000.0 && node.median_ms == node.p95_ms, "{node:?}");
    }
    for node in [first, ahead, behind] {
        node.stop().await;
    }
}
