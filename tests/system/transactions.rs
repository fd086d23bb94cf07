//! Transactions found and followed, with the real binary: through kills of nodes, and a file that is
//! recorded.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Net, Node, Plan, stderr, stdout, vision, wait_until};

#[test]
fn a_file_is_recorded_and_found_again_on_every_node() {
    let net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 2, 60);
    let url = |node: usize| format!("http://127.0.0.1:{}", net[node].rest);
    let file = |name: &str| net.scratch().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(file("contract"), "the 5th of May").expect("written");
    std::fs::write(file("other"), "the 6th of May").expect("written");
    let recorded =
        |name: &str, node: usize| vision(&["recorded", &file(name), "--node", &url(node), "-o", "json"]);
    assert_eq!(recorded("contract", 0).status.code(), Some(4), "{}", stderr(&recorded("contract", 0)));

    let mut reported = Vec::new();
    for account in [1, 2] {
        let key = file(&format!("net/accounts/account{account}.key"));
        let arguments =
            ["notarise", &file("contract"), "--key", &key, "--wait", "--node", &url(0), "-o", "json"];
        let output = vision(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        reported.push(serde_json::from_str::<Value>(&stdout(&output)).expect("JSON"));
    }
    let height = reported[1]["height"].as_u64().expect("a height");
    net.wait_height(&[0, 1, 2], height, 60);
    net.wait_agree(&[0, 1, 2], height, 60);
    for node in 0..3 {
        let output = recorded("contract", node);
        assert!(output.status.success(), "{}", stderr(&output));
        let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        // By whom it was recorded first.
        for name in ["sha256", "height", "block_hash", "hash", "sender"] {
            assert_eq!(found[name], reported[0][name], "{name} of node {node}: {found}");
        }
        assert_eq!(found["records"], 2, "{found}");
        let block = net[node].block(&found["height"]).expect("a block");
        assert_eq!(found["timestamp_ms"], block["timestamp_ms"]);
        assert_eq!(recorded("other", node).status.code(), Some(4));
    }
    let away = vision(&["recorded", &file("contract"), "--node", "http://127.0.0.1:1"]);
    assert_eq!(away.status.code(), Some(3), "that nobody answers is not that it is not recorded");
}

/// A client of the stream of the chain's transactions, as in docs/rest.md.
struct Follower {
    cursor: String,
    /// Height, block and hash of each transaction that holds.
    holds: Vec<(u64, String, String)>,
}

impl Follower {
    /// Reads events until this many transactions hold or the node is gone.
    fn read(&mut self, node: &Node, wanted: usize) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", node.rest)) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        let resume = match self.cursor.as_str() {
            "" => String::new(),
            cursor => format!("last-event-id: {cursor}\r\n"),
        };
        let path = "/api/chain/transactions/events?from=1";
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{resume}\r\n");
        if stream.write_all(request.as_bytes()).is_err() {
            return;
        }
        let (mut name, mut id) = (String::new(), String::new());
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            match line.split_once(": ") {
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("id", text)) => text.clone_into(&mut id),
                Some(("data", text)) => {
                    self.take(&name, serde_json::from_str(text).expect("JSON"));
                    self.cursor.clone_from(&id);
                }
                _ => {}
            }
            if self.holds.len() >= wanted {
                return;
            }
        }
    }

    fn take(&mut self, name: &str, data: Value) {
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        match name {
            "transaction" => {
                let height = data["height"].as_u64().expect("a height");
                assert!(self.holds.last().is_none_or(|(last, ..)| *last <= height), "in order");
                self.holds.push((height, text("block_hash"), text("hash")));
            }
            "undo" => self.holds.retain(|(_, block, _)| *block != text("block_hash")),
            "caught_up" => {}
            other => panic!("{other}: {data}"),
        }
    }
}

#[test]
fn a_follower_misses_nothing_and_hears_nothing_twice_though_its_node_is_killed_again_and_again() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 2, 60);
    let mut follower = Follower { cursor: String::new(), holds: Vec::new() };
    let mut sent = Vec::new();
    let url = format!("http://127.0.0.1:{}", net[0].rest);
    for round in 0..4 {
        for account in 1..=5 {
            let key = net.scratch().join(format!("net/accounts/account{account}.key"));
            let (key, text) = (key.to_str().expect("UTF-8"), format!("{round} {account}"));
            let output = vision(&["tx", "data", "--key", key, "--text", &text, "--node", &url, "-o", "json"]);
            assert!(output.status.success(), "{}", stderr(&output));
            let answer: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
            sent.push(answer["hash"].as_str().expect("a hash").to_owned());
        }
        // Another node has them before the third one, which the follower reads from, is killed in the midst
        // of it.
        follower.read(&net[2], sent.len() - 3);
        net[2].kill();
        net.start_all();
    }
    wait_until("everything is reported", 120, || {
        follower.read(&net[2], sent.len());
        let holds = follower.holds.iter().filter(|(.., hash)| sent.contains(hash)).count();
        holds == sent.len()
    });
    let mut hashes: Vec<_> = follower.holds.iter().map(|(.., hash)| hash.clone()).collect();
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count, "none twice");
    // All of them, of whoever sent them, are what the blocks have.
    let last = follower.holds.last().expect("some").0;
    let mut blocks = Vec::new();
    for height in 1..=last {
        let block = net[2].block(height).expect("a block");
        let transactions = block["transactions"].as_array().cloned().unwrap_or_default();
        blocks.extend(transactions.into_iter().map(|transaction| transaction["hash"].clone()));
    }
    let reported: Vec<Value> = follower.holds.iter().map(|(.., hash)| json!(hash)).collect();
    assert_eq!(reported, blocks[..reported.len()], "in the order of the chain");
}
