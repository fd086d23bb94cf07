//! Transactions by command: paid, proven, kept over a crash, under load; a producer that joins and leaves.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Net, Node, Plan, stderr, stdout, vision, wait_for, wait_until};

/// What `testnet init` gives each of its ten accounts.
const FUNDED: u64 = 1_000_000_000;

fn url(node: &Node) -> String {
    format!("http://127.0.0.1:{}", node.rest)
}

pub fn account_key(net: &Net, number: usize) -> String {
    path(net.scratch().join(format!("net/accounts/account{number}.key")))
}

fn path(path: PathBuf) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

pub fn address_of(key: &str) -> String {
    let shown = ok(vision(&["keys", "show", "--key", key, "-o", "json"]));
    shown["address"].as_str().expect("an address").to_owned()
}

/// The JSON of a command that must succeed.
pub fn ok(output: Output) -> Value {
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

/// A command at a node, with its answer as JSON.
pub fn at(node: &Node, arguments: &[&str]) -> Output {
    let url = url(node);
    vision(&[arguments, &["--node", &url, "-o", "json"]].concat())
}

fn balance(node: &Node, address: &str) -> u64 {
    let account = node.json(&format!("/api/accounts/{address}"));
    account["balance"].as_str().expect("a decimal string").parse().expect("an amount")
}

#[test]
fn what_is_paid_at_one_node_is_proven_by_another() {
    let net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 3, 60);
    let (payer, receiver) = (account_key(&net, 1), address_of(&account_key(&net, 2)));
    let paid = ok(at(
        &net[0],
        &["tx", "transfer", "--key", &payer, "--to", &receiver, "--amount", "12345", "--wait"],
    ));
    let hash = paid["hash"].as_str().expect("a hash");
    wait_until("the balance is seen at node 3", 30, || balance(&net[2], &receiver) == FUNDED + 12_345);

    for question in [["query", "tx", hash, "--proof"], ["query", "account", &receiver, "--proof"]] {
        let proven = at(&net[2], &question);
        let answer = ok(proven.clone());
        let file = path(net.scratch().join("proof.json"));
        std::fs::write(&file, stdout(&proven)).expect("written");
        // By itself it shows nothing: any header can be made up.
        let output = vision(&["verify", "--proof", &file, "-o", "json"]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let verdict: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let block = verdict["block_hash"].as_str().expect("the block it holds under");
        // Another node has that very block on its chain.
        assert!(net[1].block(block).is_some_and(|block| block["canonical"] == true), "{verdict}");
        assert_eq!(vision(&["verify", "--proof", &file, "--block", block]).status.code(), Some(0));
        let other = "ab".repeat(32);
        assert_eq!(vision(&["verify", "--proof", &file, "--block", &other]).status.code(), Some(1));
        // One more or less in what is claimed, and it does not hold.
        let claimed = answer.to_string();
        let bent = match answer["balance"].as_str() {
            Some(balance) => claimed.replacen(balance, &format!("{balance}0"), 1),
            None => claimed.replacen("12345", "12346", 1),
        };
        assert_ne!(claimed, bent, "{claimed}");
        std::fs::write(&file, bent).expect("written");
        assert_eq!(vision(&["verify", "--proof", &file]).status.code(), Some(1), "{question:?}");
    }
    // The same nonce again, an amount nobody has, and a transaction nobody knows.
    let refused =
        at(&net[1], &["tx", "transfer", "--key", &payer, "--to", &receiver, "--amount", "1", "--nonce", "0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("nonce"), "{}", stderr(&refused));
    let refused = at(
        &net[1],
        &["tx", "transfer", "--key", &payer, "--to", &receiver, "--amount", &u64::MAX.to_string()],
    );
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(at(&net[1], &["query", "tx", &"cd".repeat(32)]).status.code(), Some(4));
}

#[test]
fn what_was_acknowledged_survives_the_end_of_the_process() {
    // Two producers: while one is away no block is made, so what is submitted can only wait.
    let mut net = Net::started(&Plan::fast(2));
    net.wait_height(&[0, 1], 3, 60);
    net[1].kill();
    wait_until("nothing is produced any more", 30, || !net[0].eligible());
    let (payer, receiver) = (account_key(&net, 1), address_of(&account_key(&net, 2)));
    let hashes: Vec<String> = (0..5)
        .map(|_| {
            let sent = at(&net[0], &["tx", "transfer", "--key", &payer, "--to", &receiver, "--amount", "7"]);
            ok(sent)["hash"].as_str().expect("a hash").to_owned()
        })
        .collect();
    net[0].kill();
    net.start_all();
    for hash in &hashes {
        let included = wait_for("the transaction is in a block", 60, || {
            let found = net[1].try_get(&format!("/api/transactions/{hash}"))?;
            (found.body["status"] == "included").then_some(found.body)
        });
        assert!(included["height"].as_u64().is_some(), "{included}");
    }
    assert_eq!(balance(&net[1], &receiver), FUNDED + 5 * 7);
}

#[test]
fn a_fourth_producer_joins_by_command_produces_and_leaves() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 3, 60);
    let dir = path(net.scratch().join("net"));
    let made = ok(vision(&["testnet", "add", "--dir", &dir, "-o", "json"]));
    let fourth = net.adopt(Node::new(&made));
    net.set(fourth, "sync_oracle", "snapshot_interval_ms", 200);
    net.set(fourth, "producer", "mining_tick_ms", 50);
    net.start_all();
    let height = net.wait_blocks(&[0, 1, 2, fourth], 3, 60);
    net.wait_agree(&[0, 1, 2, fourth], height, 30);
    let id = net[fourth].id.clone();
    assert!(!net[0].is_active(&id), "it only follows");

    let key = path(net[fourth].home.join("producer.key"));
    let payer = account_key(&net, 1);
    ok(at(&net[0], &["tx", "register", "--key", &payer, "--producer-key", &key, "--wait"]));
    wait_until("it is active", 60, || net[0].is_active(&id) && net[fourth].is_active(&id));
    let from = net[0].height();
    wait_until("it produces", 120, || {
        let head = net[0].height();
        head >= from && net[0].blocks(from, head).iter().any(|block| block["producer"] == id.as_str())
    });

    // Its own account pays for the exit: from the reward it has earned.
    wait_until("it has earned something", 30, || balance(&net[0], &id) > 0);
    ok(at(&net[1], &["tx", "exit", "--key", &key, "--wait"]));
    wait_until("it is gone from the registry", 30, || net[2].producer(&id).is_none());
    let last = net.wait_blocks(&[0, 1, 2, fourth], 10, 60);
    net.wait_agree(&[0, 1, 2, fourth], last, 30);
    let after = net[0].blocks(last - 5, last);
    assert!(after.iter().all(|block| block["producer"] != id.as_str()), "it has left");
    let again = at(&net[0], &["tx", "register", "--key", &payer, "--producer-key", &key]);
    assert_eq!(again.status.code(), Some(1), "its key may not return");
}

#[test]
fn a_load_is_carried_and_not_a_unit_is_lost_or_made() {
    let mut net = Net::started(&Plan::fast(3));
    let all = [0, 1, 2];
    net.wait_height(&all, 3, 60);
    let accounts = path(net.scratch().join("net/accounts"));
    let urls: Vec<String> = all.iter().map(|node| url(&net[*node])).collect();
    let mut arguments =
        vec!["load", "--rate", "60", "--seconds", "10", "--accounts-dir", &accounts, "-o", "json"];
    for url in &urls {
        arguments.extend(["--node", url]);
    }
    let result = ok(vision(&arguments));
    let number = |name: &str| result[name].as_u64().unwrap_or_else(|| panic!("{name} in {result}"));
    assert!(number("accepted") > 100, "{result}");
    assert_eq!((number("included"), number("missing")), (number("accepted"), 0), "{result}");

    // Alone a node makes no blocks: then all balances are of one height.
    net[1].stop();
    net[2].stop();
    wait_until("no block comes any more", 30, || !net[0].eligible());
    let height = crate::harness::settled("the height", 30, || net[0].height());
    let mut owners: Vec<String> = (1..=10).map(|number| address_of(&account_key(&net, number))).collect();
    owners.extend(net.nodes().iter().map(|node| node.id.clone()));
    let total: u64 = owners.iter().map(|owner| balance(&net[0], owner)).sum();
    let reward: u64 = net[0].json("/api/chain/params")["block_reward"]
        .as_str()
        .expect("a decimal string")
        .parse()
        .expect("an amount");
    assert_eq!(net[0].height(), height, "nothing came meanwhile");
    assert_eq!(total, 10 * FUNDED + height * reward, "supply at height {height}");
    let included: u64 =
        net[0].blocks(1, height).iter().map(|block| block["tx_count"].as_u64().expect("a number")).sum();
    assert!(included >= number("included"), "{included} on the chain, {result}");
}

#[test]
fn under_overload_every_accepted_transaction_has_a_fate() {
    let mut net = Net::new(&Plan::fast(3).param("max_block_txs", 10));
    let all = [0, 1, 2];
    all.iter().for_each(|node| net.set(*node, "chain", "max_waiting_transactions", 60));
    net.start_all();
    net.wait_height(&all, 3, 60);
    let accounts = path(net.scratch().join("net/accounts"));
    let urls: Vec<String> = all.iter().map(|node| url(&net[*node])).collect();
    let mut arguments =
        vec!["load", "--rate", "300", "--seconds", "5", "--accounts-dir", &accounts, "-o", "json"];
    for url in &urls {
        arguments.extend(["--node", url]);
    }
    let result = ok(vision(&arguments));
    let number = |name: &str| result[name].as_u64().unwrap_or_else(|| panic!("{name} in {result}"));
    let sum = |name: &str| -> u64 {
        let counts = result[name].as_object().unwrap_or_else(|| panic!("{name} in {result}"));
        counts.values().filter_map(serde_json::Value::as_u64).sum()
    };
    assert!(result["refused"]["POOL_FULL"].as_u64() > Some(0), "there was no overload: {result}");
    let fates = number("included") + number("waiting") + sum("dropped");
    assert_eq!((fates, number("missing")), (number("accepted"), 0), "{result}");
}
