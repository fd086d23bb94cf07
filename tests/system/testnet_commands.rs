//! `vision testnet …` as a person uses it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Net, Plan, command, free_block, machine, stderr, stdout, vision, wait_until};

/// A directory, and the ports for three nodes.
struct Place {
    _dir: tempfile::TempDir,
    net: PathBuf,
    base: u16,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let net = dir.path().join("net");
        Self { _dir: dir, net, base: free_block(36) }
    }

    fn dir(&self) -> &str {
        self.net.to_str().expect("UTF-8")
    }

    fn up(&self, more: &[&str]) -> Vec<String> {
        let base = self.base;
        let mut arguments: Vec<String> =
            ["testnet", "up", "--dir", self.dir()].iter().map(|text| (*text).to_owned()).collect();
        arguments.push(format!("--base-grpc-port={base}"));
        arguments.push(format!("--base-p2p-port={}", base + 30));
        arguments.push(format!("--base-api-port={}", base + 33));
        arguments.extend(more.iter().map(|text| (*text).to_owned()));
        arguments
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut arguments = vec!["testnet"];
        arguments.extend(words);
        arguments.extend(["--dir", self.dir()]);
        vision(&arguments)
    }

    fn states(&self) -> Vec<(String, Option<u64>, Option<u64>)> {
        let output = self.run(&["status", "-o", "json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let status: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let nodes = status["nodes"].as_array().expect("nodes").iter();
        nodes
            .map(|node| {
                let state = node["state"].as_str().expect("state").to_owned();
                (state, node["pid"].as_u64(), node["height"].as_u64())
            })
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whatever a failed test left running.
        drop(vision(&["testnet", "down", "--dir", self.dir()]));
    }
}

fn as_strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn runs(pid: u64) -> bool {
    Path::new(&format!("/proc/{pid}/cmdline")).metadata().is_ok()
        && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn a_detached_network_is_handled_node_by_node() {
    let _machine = machine();
    let place = Place::new();
    let up = place.up(&["--detach", "--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    let output = vision(&as_strs(&up));
    let (table, text) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{text}");
    assert!(table.contains("node3") && table.contains(&place.base.to_string()), "{table}");
    assert!(text.contains("vision testnet down"), "the next commands are told: {text}");
    let first = place.states();
    assert!(first.iter().all(|(_, pid, height)| pid.is_some() && height.is_some_and(|h| h > 0)), "{first:?}");

    // A second `up` finds everything there.
    let again = vision(&as_strs(&up));
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(place.states()[0].1, first[0].1, "the same processes");
    // A network is what it was made.
    let other = vision(&as_strs(&place.up(&["--detach", "--nodes=5"])));
    assert_eq!(other.status.code(), Some(5), "{}", stderr(&other));
    let other = vision(&as_strs(&place.up(&["--detach", "--block-interval-ms=900"])));
    assert_eq!(other.status.code(), Some(5), "{}", stderr(&other));
    assert_eq!(place.run(&["init"]).status.code(), Some(5));

    let ok = |words: &[&str]| {
        let output = place.run(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        output
    };
    ok(&["kill", "node2"]);
    assert_eq!(place.states()[1].0, "stopped");
    assert_eq!(place.run(&["kill", "2"]).status.code(), Some(4), "it does not run");
    assert_eq!(place.run(&["kill", "node9"]).status.code(), Some(4), "there is none");
    ok(&["start", "2"]);
    assert!(place.states()[1].1.is_some_and(|pid| Some(pid) != first[1].1));
    ok(&["pause", "node3"]);
    assert_eq!(place.states()[2].0, "paused");
    ok(&["resume", "node3"]);
    wait_until("node3 answers", 20, || place.states()[2].2.is_some());
    let logs = stdout(&ok(&["logs", "node1", "-n", "5"]));
    assert!(!logs.is_empty() && logs.lines().count() <= 5, "{logs}");
    wait_until("all agree to be at the tip", 60, || {
        place.states().iter().all(|(state, _, _)| state == "AtTip, eligible")
    });
    let pids: Vec<u64> = place.states().iter().filter_map(|(_, pid, _)| *pid).collect();
    // A frozen node is stopped too.
    ok(&["pause", "node1"]);
    ok(&["down"]);
    assert!(pids.iter().all(|pid| !runs(*pid)), "processes are left");
    assert!(place.states().iter().all(|(state, _, _)| state == "stopped"));
}

#[test]
fn a_node_that_dies_at_once_is_not_said_to_run() {
    let _machine = machine();
    let place = Place::new();
    let up = place.up(&["--detach", "--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    let output = vision(&as_strs(&up));
    assert!(output.status.success(), "{}", stderr(&output));
    let home = place.net.join("node2");
    let break_and_start = |desc: &str, file: &str, bytes: Option<&[u8]>, code: i32, expect: &str| {
        let file = home.join(file);
        let whole = std::fs::read(&file).expect("it is there");
        match bytes {
            Some(bytes) => std::fs::write(&file, bytes).expect("damaged"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        for arguments in [&["start", "node2", "--dir", place.dir()][..], &as_strs(&up)[1..]] {
            let output = vision(&[&["testnet"], arguments].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(code), "{desc}: {text}");
            assert!(
                text.contains("node2 | ") && text.contains("node2 ended while starting"),
                "{desc}: {text}"
            );
            assert!(text.contains(expect) && !text.contains("node2 runs"), "{desc}: {text}");
            let states = place.states();
            assert_eq!((states[1].0.as_str(), states[1].1), ("stopped", None), "{desc}");
            assert!(states[0].1.is_some() && states[2].1.is_some(), "{desc}: the others go on");
        }
        std::fs::write(&file, whole).expect("restored");
    };
    assert!(place.run(&["kill", "node2"]).status.success());
    break_and_start("claims are gone", "data/claims.redb", None, 5, "reset-claims");
    break_and_start(
        "settings are wrong",
        "config.toml",
        Some(b"[chain]\nno_such_key = 1\n"),
        1,
        "no_such_key",
    );
    break_and_start("the store is damaged", "data/chain.redb", Some(b"nothing of the kind"), 1, "chain.redb");
    let output = place.run(&["start", "node2"]);
    assert!(output.status.success() && stderr(&output).contains("node2 runs"), "{}", stderr(&output));
    let again = vision(&as_strs(&up));
    assert!(again.status.success(), "{}", stderr(&again));
}

#[test]
fn in_the_foreground_a_signal_stops_all() {
    let _machine = machine();
    let place = Place::new();
    let up = place.up(&["--nodes=3", "--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    let mut child = command(&as_strs(&up))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut blocks = 0;
    for line in lines {
        let line = line.expect("text");
        blocks += usize::from(line.starts_with("block") && line.contains(" by node"));
        if blocks == 5 {
            break;
        }
    }
    assert_eq!(blocks, 5, "a line per block");
    let pids: Vec<u64> = place.states().iter().filter_map(|(_, pid, _)| *pid).collect();
    assert_eq!(pids.len(), 3);
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("own child");
    let mut status = None;
    wait_until("it ends", 20, || {
        status = child.try_wait().expect("own child");
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert!(pids.iter().all(|pid| !runs(*pid)), "processes are left");
}

#[test]
fn a_taken_port_leaves_nothing_behind() {
    let _machine = machine();
    let place = Place::new();
    // The REST port of node 2.
    let port = place.base + 34;
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let output = vision(&as_strs(&place.up(&["--detach"])));
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&port.to_string()) && text.contains("--base-api-port"), "{text}");
    assert!(place.states().iter().all(|(state, pid, _)| state == "stopped" && pid.is_none()));
    drop(taken);
    let output = vision(&as_strs(&place.up(&["--detach"])));
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_nodes_log_stays_bounded() {
    let mut net = Net::new(&Plan::fast(1));
    let log = net[0].home.join("service.log");
    // Longer than a log may be, without taking the space.
    File::create(&log).expect("log").set_len(17 << 20).expect("a sparse file");
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    let file = log.to_str().expect("UTF-8").to_owned();
    net[0].start_with(&["node", "--home", &home, "--log-file", &file]);
    net[0].wait_ready();
    let aside = log.with_extension("log.1");
    wait_until("the log is put aside", 20, || aside.exists());
    net.wait_blocks(&[0], 2, 30);
    wait_until("the log goes on in a new file", 20, || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Successfully produced block"))
    });
    net.stop_all();
}
