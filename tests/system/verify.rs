//! `vision verify --from --to`: the chain of nodes that run is computed anew from their REST answers alone.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Net, Plan, get, stderr, stdout, vision, wait_for, wait_until};

fn verify(port: u16, from: u64, to: u64, more: &[&str]) -> Output {
    let (url, from, to) = (format!("http://127.0.0.1:{port}"), from.to_string(), to.to_string());
    let arguments = ["verify", "--from", &from, "--to", &to, "--node", &url, "-o", "json"];
    vision(&[&arguments[..], more].concat())
}

fn report(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{}{}", stdout(output), stderr(output)))
}

#[test]
fn a_chain_with_a_dead_producer_is_computed_anew_and_a_lie_is_named() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 3, 60);
    let key = |number: u32| net.scratch().join(format!("net/accounts/account{number}.key"));
    let (payer, url) = (key(1), format!("http://127.0.0.1:{}", net[0].rest));
    let payer = payer.to_str().expect("UTF-8");
    let paid = vision(&["tx", "data", "--key", payer, "--text", "5 May", "--wait", "--node", &url]);
    assert!(paid.status.success(), "{}", stderr(&paid));

    // Its slots go to backups until it is suspended; a sync proof brings it back.
    let dead = net[2].id.clone();
    net[2].kill();
    wait_until("it is suspended", 120, || !net[0].is_active(&dead));
    net.start_all();
    wait_until("it is active again", 120, || net[0].is_active(&dead));
    let to = net.wait_blocks(&[0, 1, 2], 3, 60);
    net.wait_agree(&[0, 1, 2], to, 30);

    let genesis = net[1].home.join("genesis.json");
    let genesis = genesis.to_str().expect("UTF-8").to_owned();
    let tx_count = |block: &Value| block["tx_count"].as_u64().expect("a number");
    let transactions: u64 = net[0].blocks(1, to).iter().map(tx_count).sum();
    for (node, more) in
        [(0, &[][..]), (1, &[]), (2, &[]), (0, &["--genesis", &genesis]), (2, &["--genesis", &genesis])]
    {
        let output = verify(net[node].rest, 1, to, more);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(0), "{report} {}", stderr(&output));
        assert_eq!((&report["holds"], &report["blocks"]), (&json!(true), &json!(to)), "{report}");
        assert_eq!(report["transactions"], transactions, "{report}");
        assert!(transactions >= 2, "what was paid, and a sync proof: {report}");
        let slots = report["slots"].as_object().expect("an object");
        assert!(slots.iter().any(|(slot, _)| slot != "0"), "backups stood in: {report}");
        let states = if more.is_empty() { Value::Null } else { json!(to) };
        assert_eq!(report["states_recomputed_to"], states, "{report}");
    }
    let middle = vision(&["verify", "--from", "2", "--to", &to.to_string(), "--node", &url]);
    assert!(middle.status.success() && stdout(&middle).contains("wrong blocks    0"), "{}", stdout(&middle));

    let to_the_head = vision(&["verify", "--from", "2", "--node", &url]);
    assert!(to_the_head.status.success(), "{}", stderr(&to_the_head));
    assert!(stdout(&to_the_head).contains(", the head\n"), "{}", stdout(&to_the_head));

    proofs_rest_on_what_is_trusted(&url, &net.scratch().join("proof.json"), &genesis, &paid);

    // Between the node and whoever asks, one block's producer is bent.
    let liar = liar(net[1].rest);
    let output = verify(liar, 1, to, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = report(&output);
    let first = &report["faulty"][0];
    assert_eq!((&report["faulty_blocks"], &first["height"]), (&json!(1), &json!(2)), "{report}");
    assert_eq!(first["faults"][0]["rule"], "WRONG_FIELD", "{report}");
    assert!(stderr(&output).contains(&format!("1 of {to} blocks is wrong")), "{}", stderr(&output));

    let code = |output: Output| output.status.code();
    let longer = verify(net[0].rest, 1, to + 100_000, &[]);
    let report = self::report(&longer);
    let tip = report["to"].as_u64().and_then(|height| net[0].hash_at(height));
    assert_eq!((longer.status.code(), report["tip_hash"].as_str()), (Some(0), tip.as_deref()), "{report}");
    assert!(stderr(&longer).contains("the chain ends at height"), "{}", stderr(&longer));
    let above = (to + 90_000, to + 100_000);
    assert_eq!(code(verify(net[0].rest, above.0, above.1, &[])), Some(4), "nobody has that height yet");
    assert_eq!(code(verify(net[0].rest, 2, to, &["--genesis", &genesis])), Some(2));
    assert_eq!(code(verify(net[0].rest, 1, to, &["--proof", "-"])), Some(2));
    let rest = net[0].rest;
    net.stop_all();
    assert_eq!(code(verify(rest, 1, to, &[])), Some(3), "nobody answers");
}

/// A transaction's proof, checked with nothing, the genesis and the block's hash to go by, and one with
/// another header.
fn proofs_rest_on_what_is_trusted(url: &str, file: &Path, genesis: &str, paid: &Output) {
    let text = stdout(paid);
    let hash = text.lines().find_map(|line| line.strip_prefix("hash")).expect("its hash").trim();
    let asked = vision(&["query", "tx", hash, "--proof", "-o", "json", "--node", url]);
    assert!(asked.status.success(), "{}", stderr(&asked));
    let proof: Value = serde_json::from_str(&stdout(&asked)).expect("JSON");
    let block = proof["block_hash"].as_str().expect("a hash").to_owned();
    let shown = file.to_str().expect("UTF-8");
    let judged = |proof: &Value, more: &[&str]| {
        std::fs::write(file, proof.to_string()).expect("written");
        let output = vision(&[&["verify", "--proof", shown], more].concat());
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, text, why) = judged(&proof, &[]);
    assert_eq!(code, Some(3), "{text}{why}");
    assert!(text.starts_with("holds         not proven\n") && text.contains(" UTC\n"), "{text}");
    for more in [&["--genesis", genesis][..], &["--block", &block], &["--block", &format!("0x{block}")]] {
        let (code, text, why) = judged(&proof, more);
        assert_eq!(code, Some(0), "{more:?}: {text}{why}");
        assert!(text.starts_with("holds         true\n"), "{more:?}: {text}");
    }
    // A header of somebody else's making, with everything else changed to fit.
    let mut made_up = proof.clone();
    let header = made_up["proof"]["header"].as_str().expect("hex");
    let bent = format!("{}{}", &header[..header.len() - 1], if header.ends_with('0') { '1' } else { '0' });
    made_up["proof"]["header"] = json!(bent);
    made_up.as_object_mut().expect("an object").remove("block_hash");
    for more in [&[][..], &["--genesis", genesis]] {
        let (code, text, why) = judged(&made_up, more);
        assert_eq!(code, Some(1), "{more:?}: {text}{why}");
        assert!(why.contains("not signed by its producer"), "{more:?}: {why}");
    }
}

/// Reports what a node reports, but for the producer of block 2.
fn liar(node: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || lie(stream, node));
        }
    });
    port
}

fn lie(mut stream: TcpStream, node: u16) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let line = String::from_utf8_lossy(&request);
    let path = line.split(' ').nth(1).unwrap_or("/");
    let mut answer = wait_for("the node answers", 10, || get(node, path).ok());
    for block in answer.body["blocks"].as_array_mut().into_iter().flatten() {
        if block["height"] == 2 {
            block["producer"] = json!("ab".repeat(32));
        }
    }
    let body = answer.body.to_string();
    let head =
        format!("HTTP/1.1 {} \r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.status, body.len());
    drop(stream.write_all(format!("{head}{body}").as_bytes()));
}
