use std::collections::BTreeSet;

use super::*;

const ALL: Room = Room { calls: 10_000, strangers: 10_000 };

fn id(n: u8) -> NodeId {
    vision_primitives::Hash([n; 32])
}

fn book(seeds: &[&str]) -> AddressBook {
    AddressBook::new(seeds.iter().map(|&seed| seed.to_owned()), Accepts::Routable, 7)
}

fn due(book: &mut AddressBook, now_ms: u64, room: Room) -> Vec<String> {
    book.due(now_ms, room, |_| false, |_| false)
}

#[test]
fn an_address_is_called_once_at_a_time_and_pauses_double_also_if_connections_end_at_once() {
    for end in [CallEnd::Failed, CallEnd::Short(id(1))] {
        let mut book = book(&["a:1"]);
        let mut now = 0;
        for (failures, pause) in [500, 1000, 2000, 4000, 8000, 15_000, 15_000].into_iter().enumerate() {
            assert_eq!(due(&mut book, now, ALL), ["a:1"]);
            assert!(due(&mut book, now, ALL).is_empty(), "already being called");
            book.stands("a:1", id(1));
            assert_eq!(book.ended("a:1", end, now), Some(failures as u32 + 1), "{end:?}");
            assert!(due(&mut book, now + pause - 1, ALL).is_empty(), "{end:?}");
            now += pause + pause / 4;
        }
        assert_eq!(due(&mut book, now, ALL), ["a:1"]);
        assert_eq!(book.ended("a:1", CallEnd::Connected(id(1)), now), None);
        assert_eq!(due(&mut book, now + 625, ALL), ["a:1"], "after one that stood it begins anew");
    }
}

#[test]
fn a_connected_node_is_not_called_at_any_of_its_addresses() {
    let mut book = book(&["a:1", "b:1"]);
    assert_eq!(due(&mut book, 0, ALL).len(), 2);
    book.ended("a:1", CallEnd::Connected(id(1)), 0);
    book.ended("b:1", CallEnd::Connected(id(1)), 0);
    assert!(book.due(10_000, ALL, |other| *other == id(1), |_| false).is_empty());
    let one = Room { calls: 1, ..ALL };
    assert_eq!(due(&mut book, 10_000, one).len(), 1, "once it is gone, at most as many as wanted");
}

#[test]
fn one_source_cannot_fill_the_book_and_many_make_room_for_one_more() {
    let mut book = book(&["seed:1"]);
    for port in 1..2000 {
        book.learn(&format!("10.0.0.1:{port}"), "chatty");
    }
    assert_eq!(book.entries.len(), 1 + MAX_ADDRESSES_OF_SOURCE);
    for source in 0..20 {
        for port in 1..2000 {
            book.learn(&format!("10.1.{source}.1:{port}"), &format!("chatty {source}"));
        }
    }
    assert_eq!(book.entries.len(), MAX_ADDRESSES);
    book.learn("10.2.0.1:7072", "quiet");
    assert!(book.entries.contains_key("10.2.0.1:7072") && book.entries.contains_key("seed:1"));
    assert_eq!(book.entries.len(), MAX_ADDRESSES);
    for address in book.entries.keys().cloned().collect::<Vec<_>>() {
        for _ in 0..MAX_FAILURES {
            book.ended(&address, CallEnd::Failed, 0);
        }
    }
    assert_eq!(book.entries.keys().collect::<Vec<_>>(), ["seed:1"], "only seeds outlive their failures");
}

#[test]
fn only_addresses_that_may_be_called_are_learned() {
    let cases = [("10.0.0.1:1", true), ("127.0.0.1:1", false), ("node1:1", false), ("nonsense", false)];
    for (address, taken) in cases {
        let mut routable = book(&[]);
        routable.learn(address, "peer");
        assert_eq!(routable.entries.contains_key(address), taken, "{address}");
    }
    let mut any = AddressBook::new([], Accepts::Any, 0);
    ["127.0.0.1:1", "node1:1"].into_iter().for_each(|address| any.learn(address, "peer"));
    assert_eq!(any.entries.len(), 2);
}

#[test]
fn seeds_come_first_and_the_rest_in_an_order_that_nobody_can_choose() {
    let learned: Vec<String> = (0..30).map(|last| format!("10.0.0.{last}:1")).collect();
    let firsts: BTreeSet<Vec<String>> = (0..10)
        .map(|random_seed| {
            let mut book = AddressBook::new(["z:1".to_owned()], Accepts::Routable, random_seed);
            learned.iter().for_each(|address| book.learn(address, "peer"));
            let due = due(&mut book, 0, Room { calls: 4, ..ALL });
            assert_eq!(due.first().map(String::as_str), Some("z:1"));
            due
        })
        .collect();
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn strangers_get_no_more_than_their_part_of_the_calls() {
    let mut book = book(&["z:1"]);
    (0..30).for_each(|last| book.learn(&format!("10.0.0.{last}:1"), "peer"));
    let room = Room { calls: 100, strangers: 4 };
    let called = due(&mut book, 0, room);
    assert_eq!(called.len(), 5, "the seed and four");
    assert!(due(&mut book, 0, room).is_empty());
    let learned: Vec<&String> = called.iter().filter(|address| *address != "z:1").collect();
    book.stands(learned[0], id(1));
    assert!(due(&mut book, 0, room).is_empty(), "who answers keeps the place");
    assert_eq!(book.due(0, room, |_| false, |node| *node == id(1)).len(), 1, "a producer takes none");
    book.ended(learned[1], CallEnd::Failed, 0);
    assert_eq!(book.due(0, room, |_| false, |node| *node == id(1)).len(), 1);
}

#[test]
fn an_address_that_answered_once_gives_way_when_it_answers_no_longer() {
    let mut book = book(&["seed:1"]);
    for source in 0..8 {
        for port in 1..=32 {
            book.learn(&format!("10.0.{source}.1:{port}"), &format!("source {source}"));
        }
    }
    let addresses: Vec<String> =
        book.entries.iter().filter(|(_, entry)| entry.source.is_some()).map(|(a, _)| a.clone()).collect();
    assert_eq!(book.entries.len(), MAX_ADDRESSES);
    for address in &addresses {
        book.ended(address, CallEnd::Connected(id(1)), 0);
    }
    book.learn("10.2.0.1:7072", "quiet");
    assert!(!book.entries.contains_key("10.2.0.1:7072"), "all others answer");
    book.ended(&addresses[40], CallEnd::Failed, 0);
    // Its source must have more of them than whoever asks.
    book.learn("10.2.0.1:7072", "quiet");
    assert!(book.entries.contains_key("10.2.0.1:7072"));
    assert!(!book.entries.contains_key(&addresses[40]), "it has given way");
    book.learn("10.2.0.2:7072", "another");
    assert_eq!(book.entries.len(), MAX_ADDRESSES);
    assert!(addresses.iter().enumerate().all(|(at, a)| at == 40 || book.entries.contains_key(a)));
}
