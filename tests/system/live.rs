//! What listeners of a real node hear: another one dies, is suspended and comes back; a cut network is joined
//! again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Net, Node, Plan, wait_for, wait_until};
use crate::traffic::{account_key, address_of, at, ok};

struct Event {
    name: String,
    id: String,
    data: Value,
}

/// Events of `GET /api/mining/events`, as they come.
struct Events(Receiver<Event>);

impl Events {
    fn open(node: &Node, after: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", node.rest)).expect("connects");
        let head = format!(
            "GET /api/mining/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {after}\r\naccept: \
            text/event-stream\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let (sender, events) = channel();
        std::thread::spawn(move || {
            let (mut name, mut id) = (String::new(), String::new());
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                match line.split_once(": ") {
                    None if line.is_empty() => (name, id) = (String::new(), String::new()),
                    Some(("event", text)) => text.clone_into(&mut name),
                    Some(("id", text)) => text.clone_into(&mut id),
                    Some(("data", text)) => {
                        let data = serde_json::from_str(text).expect("JSON");
                        if sender.send(Event { name: name.clone(), id: id.clone(), data }).is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Self(events)
    }

    /// Reads on until an event is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.0.recv_timeout(left).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_ne!(event.name, "gap", "{what}: {}", event.data);
            if wanted(&event) {
                return event;
            }
        }
    }
}

impl Events {
    /// The next event of a name among those that have come.
    fn come(&self, name: &str) -> Option<Event> {
        self.0.try_iter().find(|event| event.name == name)
    }
}

fn about<'a>(name: &'a str, id: &'a str) -> impl Fn(&Event) -> bool + 'a {
    move |event| event.name == name && event.data["node_id"] == id
}

#[test]
fn a_death_and_a_return_are_heard_in_their_order() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 5, 60);
    let dead = net[2].id.clone();
    let events = Events::open(&net[0], "");
    let block = events.until("a block", |event| event.name == "block");
    let (height, hash) = (block.data["height"].as_u64().expect("a number"), &block.data["hash"]);
    assert_eq!(&net[0].block(height).expect("there")["hash"], hash);
    events.until("fine", |event| event.data["health"]["state"] == "fine");

    net[2].kill();
    let lost = events.until("lost", about("contact_lost", &dead));
    let missed = events.until("missed", about("missed_slot", &dead));
    let at = missed.data["height"].as_u64().expect("a number");
    let shown = net[0].block(at).expect("there");
    assert_eq!(shown["producer"], missed.data["made_by"]);
    assert!(shown["slot"].as_u64() > missed.data["slot"].as_u64(), "{shown}");
    let suspended = events.until("suspended", about("suspended", &dead));
    events.until("trouble", |event| {
        let health = &event.data["health"];
        health["state"] == "trouble" && health["reasons"][0]["node_id"] == dead.as_str()
    });
    // Nodes are notified at most once a second.
    wait_for("a node that is gone stays on the list", 20, || {
        let overview = net[0].json("/api/overview");
        let row = overview["nodes"].as_array()?.iter().find(|node| node["node_id"] == dead.as_str())?.clone();
        (row["connected"] == false && row["role"] == "suspended" && row["name"] == "node3").then_some(())
    });

    net[2].start();
    events.until("found", about("contact_found", &dead));
    let returned = events.until("returned", about("returned", &dead));
    events.until("fine again", |event| event.data["health"]["state"] == "fine");

    // Whoever was away hears the same again, and nothing twice.
    let again = Events::open(&net[0], &lost.id);
    let heard = again.until("suspended, again", about("suspended", &dead));
    assert_eq!((&heard.id, &heard.data), (&suspended.id, &suspended.data));
    assert_eq!(again.until("returned, again", about("returned", &dead)).id, returned.id);
    wait_until("all go on", 30, || net[2].eligible());
    net.stop_all();
}

/// Heights and hashes of blocks in an event.
fn blocks(list: &Value) -> Vec<(u64, String)> {
    let block = |block: &Value| Some((block["height"].as_u64()?, block["hash"].as_str()?.to_owned()));
    list.as_array().expect("a list").iter().map(|one| block(one).expect("a block")).collect()
}

#[test]
fn two_halves_that_meet_again_are_heard_as_a_reorganisation() {
    let mut net = Net::started(&Plan::fast(4).cables());
    let all = [0, 1, 2, 3];
    net.wait_height(&all, 5, 60);
    wait_until("all are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));
    net.partition(&[&[0, 1], &[2, 3]]);
    // Each half makes blocks of its own, with a payment of its own.
    let halves = [0, 2];
    let paid = halves.map(|node| {
        let key = account_key(&net, node + 1);
        let payment = ["tx", "transfer", "--key", &key, "--to", &address_of(&key), "--amount", "1"];
        ok(at(&net[node], &payment))["hash"].as_str().expect("a hash").to_owned()
    });
    let place = |half: usize| {
        let reported = net[halves[half]].json(&format!("/api/transactions/{}", paid[half]));
        reported["height"].as_u64().map(|height| (height, reported["block_hash"].as_str().map(str::to_owned)))
    };
    let own = [0, 1].map(|half| wait_for("a payment in a block of its half", 90, || place(half)));
    let apart = own.iter().map(|(height, _)| *height).max().unwrap_or_default();
    net.wait_height(&all, apart + 2, 90);
    assert_ne!(net[0].hash_at(apart), net[2].hash_at(apart), "the halves went apart");

    let listeners = halves.map(|node| Events::open(&net[node], ""));
    net.heal();
    // One half gives way to the other; which one is none of this test's business.
    let heard = || (0..2).find_map(|half| Some((half, listeners[half].come("reorg")?)));
    let (loser, event) = wait_for("a reorganisation", 120, heard);
    let node = &net[halves[loser]];
    let (left, joined) = (blocks(&event.data["left"]), blocks(&event.data["joined"]));
    let (depth, height) = (event.data["depth"].as_u64(), event.data["height"].as_u64());
    assert_eq!((depth, height), (Some(left.len() as u64), joined.first().map(|(height, _)| *height)));
    assert!(left.iter().any(|(_, hash)| Some(hash) == own[loser].1.as_ref()), "{left:?} lacks {own:?}");
    assert!(
        joined.iter().any(|(_, hash)| Some(hash) == own[1 - loser].1.as_ref()),
        "{joined:?} lacks {own:?}"
    );
    // Another node of its half may have given way before, and the other half has the payment in a block.
    let pays = |hash: &str| node.json(&format!("/api/chain/blocks/{hash}"))["transactions"].to_string();
    let included = joined.iter().any(|(_, hash)| pays(hash).contains(&paid[loser]));
    assert_eq!(event.data["transactions_returned"], u64::from(!included), "its own payment");
    for list in [&left, &joined] {
        assert!(list.is_sorted_by(|above, below| above.0 == below.0 + 1), "the highest first: {list:?}");
    }
    for (height, hash) in &joined {
        assert_eq!(node.hash_at(*height).as_ref(), Some(hash), "on the chain");
    }
    for (height, hash) in &left {
        assert_ne!(node.hash_at(*height).as_ref(), Some(hash), "on the chain no more");
    }
    // A page that opens now shows it, and the payment is not lost.
    let noted = node.json("/api/overview")["events"].clone();
    let noted = noted.as_array().expect("a list").iter().find(|noted| noted["event"] == "reorg").cloned();
    assert_eq!(noted.expect("noted")["id"], event.id.as_str());
    wait_for("the payment is in a block again", 60, || {
        let (_, hash) = place(loser)?;
        (hash != own[loser].1).then_some(())
    });
    net.stop_all();
}
