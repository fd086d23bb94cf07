//! The table of connections and what goes out on them, as tables.

mod support;

use support::{Table, id};
use vision_peering::{ConnectionId, Form, Input, Message, Output, Received, Refusal};
use vision_primitives::{Hash, Height, NodeId, Pool};

fn sent_to(outputs: &[Output]) -> Vec<NodeId> {
    let to = outputs.iter().filter_map(|output| match output {
        Output::Send { to, .. } | Output::SendTransactions { to } => Some(to.clone()),
        _ => None,
    });
    to.flatten().collect()
}

fn closes(outputs: &[Output]) -> Vec<(NodeId, Option<Refusal>)> {
    let closed = outputs.iter().filter_map(|output| match output {
        Output::Close { peer, refusal, .. } => Some((*peer, refusal.clone())),
        _ => None,
    });
    closed.collect()
}

const BLOCK: Hash = Hash([0xb1; 32]);

fn gossip(table: &mut Table) -> Vec<NodeId> {
    sent_to(&table.give(Input::GossipBlock { hash: BLOCK, form: Form::Whole }))
}

#[test]
fn a_block_goes_to_those_who_lack_it_and_again_to_one_that_had_no_room() {
    let mut table = Table::new();
    (1..=3).for_each(|peer| table.enter(id(peer), false).map(|_| ()).expect("a place"));
    table.give(Input::Received { peer: id(2), message: Received::Has(BLOCK) });
    assert_eq!(gossip(&mut table), [id(1), id(3)]);
    assert!(gossip(&mut table).is_empty(), "all have it");
    let message = Message::Block { hash: BLOCK, form: Form::Whole };
    table.give(Input::NoRoom { peer: id(3), message });
    assert_eq!(gossip(&mut table), [id(3)]);
    let outputs = table.give(Input::GossipTransactions { from: Some(id(2)) });
    assert_eq!(sent_to(&outputs), [id(1), id(3)]);
}

#[test]
fn a_peer_whose_way_stays_full_is_dropped() {
    for (desc, again, pause_ms, dropped) in [
        ("soon", false, 5_000, false),
        ("for too long", false, 5_001, true),
        ("not all the time", true, 5_001, false),
    ] {
        let mut table = Table::new();
        table.enter(id(1), false).expect("a place");
        let no_room = || Input::NoRoom { peer: id(1), message: Message::Status };
        assert!(closes(&table.give(no_room())).is_empty());
        table.wait(pause_ms);
        if again {
            table.give(Input::RoomAgain { peer: id(1) });
        }
        let expect = if dropped { vec![(id(1), None)] } else { vec![] };
        assert_eq!(closes(&table.give(no_room())), expect, "{desc}");
    }
}

#[test]
fn a_producer_finds_a_place_in_a_full_table_and_a_stranger_does_not() {
    let mut table = Table::new();
    let max_peers = table.max_peers();
    (1..=max_peers).for_each(|peer| table.enter(id(peer), false).map(|_| ()).expect("a place"));
    let newcomer = id(max_peers + 1);
    assert_eq!(table.enter(newcomer, false), Err(Refusal::Full { max_peers }));
    let registered = Pool::new([newcomer]);
    table.give(Input::HeadMoved { height: Height(1), weight: 1, registered });
    table.enter(newcomer, true).expect("a place");
    let connected = table.connected();
    assert!(connected.contains(&newcomer) && !connected.contains(&id(1)) && connected.len() == max_peers);
}

#[test]
fn what_is_due_goes_out_at_its_time() {
    let mut table = Table::new();
    let connection = table.enter(id(1), false).expect("a place");
    let due = |table: &mut Table| {
        let outputs = table.give(Input::PeerDue { peer: id(1), connection });
        let kinds = outputs.iter().filter_map(|output| match output {
            Output::SendStatus { .. } => Some("status"),
            Output::Send { message: Message::Addresses(_), .. } => Some("addresses"),
            Output::SendPending { .. } => Some("pending"),
            _ => None,
        });
        let next = outputs.iter().find_map(|output| match output {
            Output::WakePeerAt { at_ms, .. } => Some(*at_ms - table.now_ms()),
            _ => None,
        });
        (kinds.collect::<Vec<_>>(), next.expect("there is always a next time"))
    };
    assert_eq!(due(&mut table), (vec!["status", "pending"], 1_000), "nobody has answered at an address yet");
    table.wait(999);
    assert_eq!(due(&mut table), (vec![], 1));
    table.wait(1);
    assert_eq!(due(&mut table), (vec!["status"], 1_000));
    // A moved head is sent soon, and moves in between share it.
    for _ in 0..2 {
        table.wait(20);
        table.give(Input::HeadMoved { height: Height(1), weight: 1, registered: Pool::new([]) });
    }
    table.wait(30);
    assert_eq!(due(&mut table), (vec!["status"], 1_000));
    // Transactions that were missed go out again, but not while they are going out.
    table.give(Input::TransactionsMissed { peer: id(1) });
    table.wait(5_000);
    assert_eq!(due(&mut table).0, ["status"], "they are still on their way");
    table.give(Input::PendingSent { peer: id(1), connection: ConnectionId(999) });
    table.give(Input::PendingSent { peer: id(1), connection });
    table.wait(5_000);
    assert_eq!(due(&mut table).0, ["status", "pending"]);
}

/// More peers than the machine's own tests have.
fn many(number: usize) -> NodeId {
    vision_primitives::hash(&[&number.to_le_bytes()])
}

#[test]
fn of_many_places_few_are_kept_for_peers_that_are_called() {
    for (max_peers, expect) in [(12, 9), (256, 192), (260, 196), (1_100, 1_036), (1_280, 1_216)] {
        let mut table = Table::of(max_peers);
        let mut number = 0..;
        let refused = number.by_ref().find_map(|number| table.enter(many(number), true).err());
        assert_eq!(refused, Some(Refusal::FullOfCallers { max_callers: expect }), "{max_peers} places");
        let entered = number.by_ref().take_while(|number| table.enter(many(*number), false).is_ok());
        assert_eq!(expect + entered.count(), max_peers);
    }
}

#[test]
fn the_more_peers_the_later_they_hear_of_a_moved_head() {
    for (peers, expect_ms) in [(1, 50), (200, 50), (201, 50), (400, 100), (1_000, 250)] {
        let mut table = Table::of(1_280);
        for number in 0..peers {
            let connection = table.enter(many(number), false).expect("a place");
            table.give(Input::PeerDue { peer: many(number), connection });
        }
        let now_ms = table.now_ms();
        let head = Input::HeadMoved { height: Height(1), weight: 1, registered: Pool::new([]) };
        let outputs = table.give(head);
        let wakes = outputs.iter().filter_map(|output| match output {
            Output::WakePeerAt { at_ms, .. } => Some(*at_ms - now_ms),
            _ => None,
        });
        assert_eq!(wakes.collect::<Vec<_>>(), vec![expect_ms; peers], "{peers} peers");
    }
}

#[test]
fn a_connection_that_gave_way_takes_nothing_with_it() {
    let mut table = Table::new();
    // The own id is higher, so the one that the peer called stays.
    let first = table.enter(id(1), false).expect("a place");
    let second = table.enter(id(1), true).expect("it replaces the first one");
    assert_eq!(table.enter(id(1), true), Err(Refusal::Connected));
    table.give(Input::Ended { peer: id(1), connection: first, why: String::new(), stood_ms: 0 });
    assert_eq!(table.connected(), [id(1)]);
    table.give(Input::Ended { peer: id(1), connection: second, why: String::new(), stood_ms: 0 });
    assert!(table.connected().is_empty());
}

#[test]
fn points_add_up_to_a_ban_that_ends() {
    let mut table = Table::new();
    table.enter(id(1), false).expect("a place");
    let charge = |table: &mut Table, points| {
        closes(&table.give(Input::Charged { peer: id(1), points, why: "test".into() }))
    };
    assert!(charge(&mut table, 60).is_empty());
    table.wait(21_000);
    assert!(charge(&mut table, 60).is_empty(), "a point is forgotten each second");
    let why = Refusal::Misbehaved { why: "test".into() };
    assert_eq!(charge(&mut table, 1), [(id(1), Some(why))]);
    assert_eq!(table.enter(id(1), false), Err(Refusal::Banned { seconds: 60 }));
    table.wait(60_000);
    let ended = table.ended(id(1));
    table.give(ended);
    assert!(table.enter(id(1), false).is_ok());
}
