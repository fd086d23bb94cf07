//! What must not break a node: wrong use, wrong neighbours, wrong files.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Dice, Net, Plan, VISION, command, init, stderr, vision, wait_until};

/// The lines of an error output that are meant for the caller.
fn errors(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("error:")).collect()
}

#[test]
fn wrong_use_is_exit_two_and_names_the_fault() {
    let cases: [(&str, &[&str], &str); 6] = [
        (
            "a home that is none",
            &["node", "--home", "/nonexistent/home"],
            "/nonexistent/home is not the home of a node",
        ),
        ("unknown flag", &["node", "--home", "/tmp", "--fast"], "--fast"),
        ("unknown command", &["fly"], "fly"),
        ("unknown service flag", &["chain", "--home", "/tmp", "--nope"], "--nope"),
        ("bad parameter", &["testnet", "init", "--dir", "/nonexistent/x", "--param", "speed=1"], "speed=1"),
        ("bad url", &["status", "--node", "ftp://x"], "ftp://x"),
    ];
    for (desc, arguments, expect) in cases {
        let output = vision(arguments);
        assert_eq!(output.status.code(), Some(2), "{desc}");
        assert!(stderr(&output).contains(expect), "{desc}: {}", stderr(&output));
    }
}

#[test]
fn settings_that_can_be_right_nowhere_are_exit_two_and_name_the_fault() {
    let net = Net::new(&Plan::fast(1));
    let file = net[0].home.join("config.toml");
    let home = net[0].home.to_str().expect("UTF-8");
    let whole = fs::read_to_string(&file).expect("settings");
    let cases = [
        ("empty", String::new(), "is empty"),
        ("no brackets", whole.replace("seeds = []", "seeds = [\"::1:17072\"]"), "brackets"),
        (
            "all interfaces",
            whole.replace("p2p_advertise = \"127.0.0.1:", "p2p_advertise = \"0.0.0.0:"),
            "all interfaces",
        ),
    ];
    for (desc, text, expect) in cases {
        assert_ne!(text, whole, "{desc}");
        fs::write(&file, text).expect("written");
        for service in ["node", "chain"] {
            let output = vision(&[service, "--home", home]);
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{desc}: {text}");
            assert!(text.contains(expect) && errors(&text).len() == 1, "{desc}: {text}");
        }
    }
}

#[test]
fn every_fault_of_the_configuration_is_exit_two() {
    let net = Net::new(&Plan::fast(1));
    let file = net[0].home.join("config.toml");
    let home = net[0].home.to_str().expect("UTF-8");
    let whole = fs::read_to_string(&file).expect("settings");
    let within = |line: &str| whole.replacen("[chain]\n", &format!("[chain]\n{line}\n"), 1);
    let added = |text: &str| format!("{whole}\n{text}\n");
    let files = [
        ("no TOML", added("[chain"), "is not TOML"),
        ("an unknown section", added("[chains]\nx = 1"), "[chains]"),
        ("an unknown key", within("no_such = 1"), "no_such"),
        ("another type", within("max_peers = \"many\""), "max_peers"),
    ];
    for (desc, text, expect) in files {
        assert_ne!(text, whole, "{desc}");
        fs::write(&file, text).expect("written");
        for service in ["node", "chain"] {
            let output = vision(&[service, "--home", home]);
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{desc} {service}: {text}");
            assert!(text.contains(expect) && errors(&text).len() == 1, "{desc} {service}: {text}");
        }
    }
    fs::write(&file, &whole).expect("restored");
    let variables = [
        ("sync-oracle", "VISION_SYNC_ORACLE_SNAPSHOT_INTERVAL_MS", "1", "snapshot_interval_ms"),
        ("sync-oracle", "VISION_SYNC_ORACLE_CHAIN", "nowhere", "chain"),
        ("producer", "VISION_PRODUCER_MINING_TICK_MS", "1", "mining_tick_ms"),
        ("producer", "VISION_PRODUCER_SELECTION", "nowhere", "selection"),
        ("gateway", "VISION_GATEWAY_MAX_CONNECTIONS_PER_ADDRESS", "0", "max_connections_per_address"),
        ("gateway", "VISION_GATEWAY_PRODUCER", "nowhere", "nowhere"),
        ("selection", "VISION_SELECTION_GRPC_LISTEN", "nowhere", "grpc_listen"),
    ];
    for (service, name, value, expect) in variables {
        for start in ["node", service] {
            let output = command(&[start, "--home", home]).env(name, value).output().expect("it starts");
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{start} {name}: {text}");
            assert!(text.contains(expect) && errors(&text).len() == 1, "{start} {name}: {text}");
        }
    }
}

#[test]
fn another_port_of_a_node_is_no_gateway_and_said_to_be_none() {
    let mut net = Net::started(&Plan::fast(1));
    for port in [net[0].grpc, net[0].grpc + 1, net[0].p2p] {
        let url = format!("http://127.0.0.1:{port}");
        for command in [&["status"][..], &["query", "peers"]] {
            let output = vision(&[command, &["--node", &url]].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{port} {command:?}: {text}");
            assert!(text.contains(&url) && text.contains("gRPC or P2P port"), "{port} {command:?}: {text}");
        }
    }
    net.stop_all();
}

#[test]
fn a_peer_key_is_made_and_vouched_for_by_the_command_that_is_named() {
    let mut net = Net::new(&Plan::fast(1));
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    let file = |name: &str| net[0].home.join(name);
    let other = init(&Plan::fast(1).param("min_ready_peers", 0), &net.scratch().join("other"));
    let other = std::path::PathBuf::from(other["nodes"][0]["home"].as_str().expect("home"));
    let genesis = fs::read_to_string(file("genesis.json")).expect("genesis");
    let changed = genesis.replace("\"vision-testnet-1\"", "\"vision-testnet-2\"");
    assert_ne!(genesis, changed);
    let refused = |desc: &str| {
        let output = vision(&["node", "--home", &home]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{desc}: {text}");
        assert!(text.contains(&format!("`vision keys peer --home {home}`")), "{desc}: {text}");
        let made = vision(&["keys", "peer", "--home", &home]);
        assert!(made.status.success(), "{desc}: {}", stderr(&made));
    };
    for name in ["peer.key", "peer.cert"] {
        fs::remove_file(file(name)).expect("there");
        refused(name);
    }
    // A genesis that was changed is another chain, of which the claims know nothing.
    fs::write(file("genesis.json"), changed).expect("written");
    let output = vision(&["node", "--home", &home]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    fs::rename(file("data"), file("data.old")).expect("there");
    assert!(vision(&["keys", "new-claims", "--home", &home]).status.success());
    refused("another genesis");
    // Only this node's key vouches.
    let stranger = other.join("producer.key");
    let stranger = stranger.to_str().expect("UTF-8");
    let output = vision(&["keys", "peer", "--home", &home, "--producer-key", stranger]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    net.start_all();
    net.wait_height(&[0], 2, 30);
    net.stop_all();
}

#[test]
fn a_collector_that_cannot_be_reached_by_its_url_is_exit_two_and_names_the_variable() {
    let net = Net::new(&Plan::fast(1));
    let home = net[0].home.to_str().expect("UTF-8");
    for start in ["node", "chain", "sync-oracle", "selection", "producer", "gateway"] {
        for url in ["https://127.0.0.1:4317", "127.0.0.1:4317", "http://:4317"] {
            let mut command = command(&[start, "--home", home]);
            let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).output().expect("it starts");
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{start} {url}: {text}");
            let errors = errors(&text);
            assert!(
                errors.len() == 1 && errors[0].contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
                "{start} {url}: {text}"
            );
        }
    }
}

#[test]
fn a_taken_port_is_one_line_and_nothing_stays() {
    let mut net = Net::new(&Plan::fast(1));
    for port in [net[0].p2p, net[0].rest, net[0].grpc] {
        let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
        let home = net[0].home.to_str().expect("UTF-8").to_owned();
        let output = vision(&["node", "--home", &home]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].contains(&port.to_string()) && errors[0].contains("taken"), "{text}");
        drop(taken);
    }
    // What failed has left nothing behind that hinders the next start.
    net.start_all();
    net.wait_height(&[0], 2, 30);
    net.stop_all();
}

#[test]
fn a_peer_that_sends_garbage_for_ever_harms_nobody() {
    let net = Net::started(&Plan::fast(2));
    net.wait_height(&[0, 1], 3, 60);
    let mut dice = Dice(17);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let openings: [&[u8]; 4] =
        [b"", preface, b"POST /vision.p2p.v1.PeerService/Exchange HTTP/1.1\r\n", b"\0\0\0\0\xff"];
    let end = Instant::now() + Duration::from_secs(8);
    let before = net[0].height();
    let mut round = 0;
    while Instant::now() < end {
        for port in [net[0].p2p, net[0].grpc, net[0].rest] {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            stream.set_write_timeout(Some(Duration::from_millis(50))).expect("a timeout");
            // The node may hang up at any point of it.
            let _ = stream.write_all(openings[round % openings.len()]);
            for _ in 0..16 {
                let bytes: Vec<u8> =
                    (0..4096).map(|_| u8::try_from(dice.below(256)).expect("byte")).collect();
                if stream.write_all(&bytes).is_err() {
                    break;
                }
            }
        }
        round += 1;
    }
    assert!(round > 10);
    assert!(net[0].height() > before + 5, "blocks went on meanwhile");
    wait_until("both are eligible", 20, || net[0].eligible() && net[1].eligible());
    net.wait_agree(&[0, 1], before + 5, 20);
    assert!(!net[0].log().contains("panic"), "no panic");
}

#[test]
fn a_node_of_another_genesis_is_no_peer() {
    let mut net = Net::started(&Plan::fast(2));
    net.wait_height(&[0, 1], 3, 60);
    let dir = net.scratch().join("stranger");
    let facts = init(&Plan::fast(1), &dir);
    let stranger = crate::harness::Node::new(&facts["nodes"][0]);
    let seed = toml::Value::from(format!("127.0.0.1:{}", net[0].p2p));
    let stranger = net.adopt(stranger);
    net.set(stranger, "chain", "seeds", vec![seed]);
    net[stranger].start();
    net[stranger].wait_ready();
    // Both chains go on side by side and nobody counts the other.
    net.wait_blocks(&[stranger], 10, 60);
    net.wait_blocks(&[0, 1], 10, 60);
    let id = net[stranger].id.clone();
    let peers = net[0].json("/api/peers").to_string();
    assert!(!peers.contains(&id), "{peers}");
    assert_eq!(net[stranger].status().expect("it runs")["ready_peers"], 0);
    assert_ne!(net[stranger].hash_at(1), net[0].hash_at(1));
}

#[test]
fn data_of_another_genesis_is_refused() {
    let mut net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 3, 30);
    net.stop_all();
    let other = init(&Plan::fast(1), &net.scratch().join("other"));
    let theirs = std::path::PathBuf::from(other["nodes"][0]["home"].as_str().expect("home"));
    let own = fs::read(net[0].home.join("genesis.json")).expect("genesis");
    fs::copy(theirs.join("genesis.json"), net[0].home.join("genesis.json")).expect("copy");
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    let output = vision(&["node", "--home", &home]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert_eq!(errors(&text).len(), 1, "{text}");
    // Whichever of the services finds out first: chain by its store, producer by its claims.
    let reported = errors(&text)[0].contains("genesis") || errors(&text)[0].contains("belongs to the chain");
    assert!(reported, "{text}");
    fs::write(net[0].home.join("genesis.json"), own).expect("restored");
    net.start_all();
    net.wait_blocks(&[0], 3, 30);
    net.stop_all();
}

#[test]
fn a_damaged_store_is_refused_and_never_served() {
    let mut net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 5, 30);
    net.stop_all();
    let store = net[0].home.join("data/chain.redb");
    let whole = fs::read(&store).expect("store");
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut scribbled = whole.clone();
    for byte in scribbled.iter_mut().skip(64).step_by(97) {
        *byte ^= 0x5a;
    }
    for (desc, bytes) in [("truncated", truncated), ("scribbled", scribbled), ("empty", Vec::new())] {
        fs::write(&store, bytes).expect("damaged");
        let home = net[0].home.to_str().expect("UTF-8").to_owned();
        let output = Command::new("timeout")
            .args(["20", VISION, "node", "--home", &home])
            .output()
            .expect("it starts");
        let text = stderr(&output);
        if desc == "empty" && output.status.code() == Some(124) {
            // An empty file is a new store: the node begins at block 0.
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{desc}: {text}");
        assert_eq!(errors(&text).len(), 1, "{desc}: {text}");
        assert!(errors(&text)[0].contains("chain.redb"), "{desc}: {text}");
    }
    fs::write(&store, whole).expect("restored");
    net.start_all();
    net.wait_blocks(&[0], 3, 30);
    net.stop_all();
}

#[test]
fn a_missing_claims_file_is_refused_until_reset() {
    let mut net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 3, 30);
    net.stop_all();
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    fs::remove_file(net[0].home.join("data/claims.redb")).expect("there");
    let output = vision(&["node", "--home", &home]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(errors(&text).len() == 1 && errors(&text)[0].contains("reset-claims"), "{text}");
    let above = net[0].log().len() as u64;
    let reset = vision(&["keys", "reset-claims", "--home", &home, "--above", &above.min(8).to_string()]);
    assert!(reset.status.success(), "{}", stderr(&reset));
    net.start_all();
    net.stop_all();
}

#[test]
fn settings_are_refused_by_name() {
    let net = Net::new(&Plan::fast(1));
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    let refused = |name: &str, value: &str| {
        let output =
            command(&["node", "--home", &home]).env(name, value).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        stderr(&output)
    };
    let cases = [
        ("VISION_CHAIN_NO_SUCH_KEY", "1"),
        ("VISION_CHAIN_MAX_PEERS", "many"),
        ("VISION_GATEWAY_LISTEN", "nowhere"),
    ];
    for (name, value) in cases {
        let text = refused(name, value);
        let key =
            name.rsplit_once("VISION_").expect("prefix").1.split_once('_').expect("section").1.to_lowercase();
        assert!(text.contains(name) || text.contains(&key), "{name}: {text}");
        assert_eq!(errors(&text).len(), 1, "{name}: {text}");
    }
}
