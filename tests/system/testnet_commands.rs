//! `vision testnet …` as a person uses it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{
    Net, Plan, VISION, command, free_block, machine, stderr, stdout, vision, wait_for, wait_until,
};

/// A directory, and the ports for three nodes.
struct Place {
    _dir: tempfile::TempDir,
    net: PathBuf,
    base: u16,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        // A name that a shell would take apart.
        let net = dir.path().join("the net's");
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

    /// `testnet up` in the foreground.
    fn foreground(&self, more: &[&str]) -> Foreground {
        let mut child = command(&as_strs(&self.up(more)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        Foreground { child, out: lines_of(out), err: lines_of(err) }
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

/// A command that goes on until it is asked to end, and what it has printed so far.
struct Foreground {
    child: Child,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
}

impl Foreground {
    fn wait_blocks(&self, count: usize) {
        wait_until("a line per block", 90, || {
            let out = self.out.lock().expect("no panic");
            out.iter().filter(|line| line.starts_with("block") && line.contains(" by node")).count() >= count
        });
    }

    fn err(&self) -> Vec<String> {
        self.err.lock().expect("no panic").clone()
    }

    /// The lines of stderr with all these words in them.
    fn said(&self, words: &[&str]) -> Vec<String> {
        self.err().into_iter().filter(|line| words.iter().all(|word| line.contains(word))).collect()
    }

    fn wait_said(&self, words: &[&str]) -> String {
        wait_for(&format!("it says {words:?}"), 30, || self.said(words).pop())
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("pid"), rustix::process::Signal::TERM).expect("own child");
    }

    fn wait_success(&mut self) {
        let status = wait_for("it ends", 30, || self.child.try_wait().expect("own child"));
        assert!(status.success(), "{status}: {:?}", self.err());
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let filled = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            filled.lock().expect("no panic").push(line);
        }
    });
    lines
}

/// Runs the command that a line shows in backticks, as it stands, in a shell.
fn type_in(line: &str) {
    let typed = line.split('`').nth(1).expect("a command in backticks");
    let bin = Path::new(VISION).parent().and_then(Path::to_str).expect("UTF-8");
    let path = format!("{bin}:{}", std::env::var("PATH").expect("a path"));
    let output = Command::new("bash").args(["-c", typed]).env("PATH", path).output().expect("bash");
    assert!(output.status.success(), "{typed}: {}", stderr(&output));
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
    assert!(text.contains("vision testnet down"), "the next commands are shown: {text}");
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
    let frozen = place.run(&["start", "node3"]);
    assert_eq!(frozen.status.code(), Some(1), "{}", stderr(&frozen));
    assert!(stderr(&frozen).contains("vision testnet resume node3"), "{}", stderr(&frozen));
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

    // On a chain that is there, agreeing takes a block that was not.
    let heights = || place.states().iter().filter_map(|(_, _, height)| *height).collect::<Vec<_>>();
    ok(&["start", "1"]);
    let old = wait_for("node1 shows what it has", 20, || heights().into_iter().max());
    let again = vision(&as_strs(&up));
    assert!(again.status.success(), "{}", stderr(&again));
    let new = heights();
    assert!(new.len() == 3 && new.iter().all(|height| *height > old), "{new:?} after {old}");
}

#[test]
fn a_node_started_by_hand_is_known() {
    let _machine = machine();
    let place = Place::new();
    let up = place.up(&["--detach", "--nodes=2", "--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    let output = vision(&as_strs(&up));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(place.run(&["kill", "2"]).status.success());
    // By a path that is not the one `up` would use.
    let mut child = command(&["node", "--log=info", "--home=node2"])
        .current_dir(&place.net)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = u64::from(child.id());
    wait_until("node2 is known by its process and answers", 30, || {
        let state = place.states().remove(1);
        state.1 == Some(pid) && state.2.is_some()
    });
    let again = place.run(&["start", "2"]);
    assert!(again.status.success() && stderr(&again).contains("already running"), "{}", stderr(&again));
    assert!(place.run(&["kill", "2"]).status.success());
    wait_until("it is gone", 20, || child.try_wait().expect("own child").is_some());
    assert_eq!(place.states()[1].0, "stopped");
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
    let mut up = place.foreground(&["--nodes=3", "--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    up.wait_blocks(5);
    let pids: Vec<u64> = place.states().iter().filter_map(|(_, pid, _)| *pid).collect();
    assert_eq!(pids.len(), 3);
    up.terminate();
    up.wait_success();
    assert!(pids.iter().all(|pid| !runs(*pid)), "processes are left");
}

#[test]
fn a_second_up_attaches_and_each_says_what_befalls_its_nodes() {
    let _machine = machine();
    let place = Place::new();
    let mut first = place.foreground(&["--block-interval-ms=200", "--param=jitter_max_ms=100"]);
    first.wait_blocks(2);
    let pids = || place.states().iter().filter_map(|(_, pid, _)| *pid).collect::<Vec<_>>();
    let before = pids();

    // Whoever attaches owns nothing.
    let mut second = place.foreground(&[]);
    second.wait_said(&["3 nodes", "already run", "leaves them running"]);
    second.wait_blocks(2);
    second.terminate();
    second.wait_success();
    assert_eq!(pids(), before, "the nodes go on");

    // What happens to a node is one line, with a command that can be typed as it stands.
    assert!(place.run(&["kill", "2"]).status.success());
    let line = first.wait_said(&["node2", "vision testnet kill"]);
    assert!(line.contains("testnet start node2"), "{line}");
    type_in(&line[line.rfind("`vision testnet start").expect("a command")..]);
    wait_until("node2 runs again", 20, || pids().len() == 3);
    // That it runs again may have been said by now, which is another line.
    let reported = first.said(&["node2"]);
    let of_its_end = |line: &&String| !line.starts_with("  ") && !line.contains("node2 runs again");
    assert_eq!(reported.iter().filter(of_its_end).count(), 1, "{reported:?}");

    // The first sees who took its nodes away, and ends.
    let mut third = place.foreground(&[]);
    third.wait_blocks(1);
    assert!(place.run(&["down"]).status.success());
    for up in [&mut first, &mut third] {
        up.wait_said(&["node1", "vision testnet down"]);
        up.wait_said(&["no node is left"]);
        up.wait_success();
    }
    assert!(before.iter().all(|pid| !runs(*pid)), "processes are left");
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
    assert!(text.contains(&port.to_string()), "{text}");
    let free =
        text.split("--base-api-port ").nth(1).and_then(|rest| rest.split('`').next()).expect("a free port");
    let free: u16 = free.parse().expect("a port");
    assert!(
        (free..free + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()),
        "{free} is free: {text}"
    );
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
