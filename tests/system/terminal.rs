//! The commands that draw on a terminal, on one of 80 columns and 24 lines.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};
use serde_json::Value;

use crate::harness::{
    Net, Plan, command, free_block, get, machine, stderr, stdout, vision, wait_for, wait_until,
};

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    /// Keeps the terminal there when the program has gone.
    line: OwnedFd,
    /// What is seen, and the same on a terminal that is far larger than the size the program was given.
    seen: Arc<Mutex<(vt100::Parser, vt100::Parser)>>,
}

impl Terminal {
    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let keyboard = rustix::pty::openpt(flags).expect("a terminal");
        rustix::pty::grantpt(&keyboard).expect("ours");
        rustix::pty::unlockpt(&keyboard).expect("ours");
        let name = rustix::pty::ptsname(&keyboard, Vec::new()).expect("a name");
        let line = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opens");
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&line, size).expect("a size");
        let stdio = || Stdio::from(line.try_clone().expect("a descriptor"));
        // The program's own terminal, not that of whoever runs the tests.
        let plain = command(arguments);
        let mut inside = Command::new("setsid");
        inside.arg("--ctty").arg(plain.get_program()).args(plain.get_args()).env("TERM", "xterm-256color");
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.envs(variables.iter().copied()).stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = inside.spawn().expect("util-linux has setsid");
        let keyboard = File::from(keyboard);
        let mut screen = keyboard.try_clone().expect("a descriptor");
        let parser = |rows: u16, columns: u16| {
            let size = |number| NonZero::new(number).expect("not 0");
            vt100::Parser::new(size(rows), size(columns), 0)
        };
        let parsers = (parser(ROWS, COLUMNS), parser(60, 300));
        let seen = Arc::new(Mutex::new(parsers));
        let filled = seen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let mut seen = filled.lock().expect("no panic");
                seen.0.process(&bytes[..count]);
                seen.1.process(&bytes[..count]);
            }
        });
        Self { child, keyboard, line, seen }
    }

    /// What is seen, a line each.
    fn text(&self) -> String {
        self.seen.lock().expect("no panic").0.screen().contents()
    }

    fn is_drawn_on(&self) -> bool {
        self.seen.lock().expect("no panic").0.screen().alternate_screen()
    }

    /// Waits until all of these are seen at once, and nothing beyond the terminal's edges.
    fn wait_seen(&self, parts: &[&str], seconds: u64) -> String {
        let text = wait_for(&format!("{parts:?} on the terminal"), seconds, || {
            let text = self.text();
            parts.iter().all(|part| text.contains(part)).then_some(text)
        });
        let seen = self.seen.lock().expect("no panic");
        let large = seen.1.screen();
        let right: String = large.rows(COLUMNS, 300 - COLUMNS).collect();
        let below: String = large.rows(0, 300).skip(usize::from(ROWS)).collect();
        assert_eq!((right.trim(), below.trim()), ("", ""), "beyond the edges");
        text
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("a keyboard");
    }

    fn wait_end(&mut self) -> ExitStatus {
        wait_for("it ends", 40, || self.child.try_wait().expect("own child"))
    }

    /// Whether it is as a shell has it: lines are edited, and what is typed is seen.
    fn is_restored(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.line).expect("a terminal").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO) && !self.is_drawn_on()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The directory of a network.
fn directory(net: &Net) -> String {
    net[0].home.parent().and_then(Path::to_str).expect("UTF-8").to_owned()
}

#[test]
fn up_keeps_what_to_type_in_view_and_leaves_the_terminal_as_it_was() {
    let _machine = machine();
    let dir = tempfile::tempdir().expect("temp dir");
    let net = dir.path().join("net");
    let net = net.to_str().expect("UTF-8");
    let base = free_block(36);
    let ports = [
        format!("--base-grpc-port={base}"),
        format!("--base-p2p-port={}", base + 30),
        format!("--base-api-port={}", base + 33),
    ];
    let mut up = vec!["testnet", "up", "--dir", net, "--block-interval-ms=200", "--param=jitter_max_ms=100"];
    up.extend(ports.iter().map(String::as_str));
    let mut terminal = Terminal::run(&up, &[]);
    wait_until("it draws", 90, || terminal.is_drawn_on());
    let page = format!("http://127.0.0.1:{}/", base + 33);
    let export = format!("export VISION_URL=http://127.0.0.1:{}", base + 33);
    let always = [
        "vision-testnet-1",
        "NODE",
        "node1",
        "node2",
        "node3",
        "last block",
        page.as_str(),
        export.as_str(),
        "account1",
        "vision testnet kill node3",
        "Ctrl-C stops all nodes.",
    ];
    let first = terminal.wait_seen(&always, 30);
    wait_until("it is drawn anew", 20, || terminal.text() != first);
    terminal.wait_seen(&always, 10);

    // What happens to a node is shown there too.
    assert!(vision(&["testnet", "kill", "2", "--dir", net]).status.success());
    let reported = [&always[..], &["node2 was ended by `vision testnet kill`", "stopped"]].concat();
    terminal.wait_seen(&reported, 20);
    terminal.press(b"\x03");
    let status = terminal.wait_end();
    assert!(status.success(), "{status}: {}", terminal.text());
    wait_until("the terminal is as it was", 10, || terminal.is_restored());
    assert!(terminal.text().contains("stopping 3 nodes"), "{}", terminal.text());
    let after = stdout(&vision(&["testnet", "status", "--dir", net]));
    assert_eq!(after.matches("stopped").count(), 3, "{after}");
}

#[test]
fn watch_draws_the_network_and_says_when_what_is_seen_is_old() {
    let mut net = Net::started(&Plan::fast(2));
    let url = format!("http://127.0.0.1:{}", net[0].rest);
    let dir = directory(&net);
    let mut terminal =
        Terminal::run(&["watch", "--node", &url], &[("VISION_TESTNET_DIR", &dir), ("NO_COLOR", "1")]);
    let parts =
        ["as seen by node1", "last block", "next: ", "made by", "NODE", "node2", "producer", "q quits"];
    let first = terminal.wait_seen(&parts, 60);
    wait_until("it goes on", 20, || terminal.text() != first);
    net[0].kill();
    terminal.wait_seen(&["No answer from", "next try in", "what follows is old"], 40);
    net[0].start();
    net[0].wait_ready();
    wait_until("it comes back", 60, || !terminal.text().contains("No answer from"));
    terminal.wait_seen(&parts, 30);
    terminal.press(b"q");
    assert!(terminal.wait_end().success(), "{}", terminal.text());
    wait_until("the terminal is as it was", 10, || terminal.is_restored());
    net.stop_all();
}

#[test]
fn watch_on_a_pipe_is_a_line_per_block_and_ends_quietly_with_it() {
    let mut net = Net::started(&Plan::fast(1));
    let url = format!("http://127.0.0.1:{}", net[0].rest);
    for (form, is_block) in [
        ("table", (|line: &str| line.starts_with("block ") && line.contains(" by ")) as fn(&str) -> bool),
        ("json", |line| serde_json::from_str::<Value>(line).is_ok_and(|block| block["height"].is_u64())),
    ] {
        let mut child = command(&["watch", "--node", &url, "-o", form])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        for _ in 0..3 {
            let mut reported = lines.by_ref().map(|line| line.expect("UTF-8"));
            // On a busy machine a slot may pass, which has a line of its own.
            let line = reported.find(|line| !line.starts_with("missed ")).expect("a line");
            assert!(is_block(&line), "{form}: {line}");
        }
        drop(lines);
        let status = wait_for("it ends with its reader", 20, || child.try_wait().expect("own child"));
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
        assert!(status.success() && said.is_empty(), "{form}: {status} {said}");
    }
    // Also while there is nothing to write.
    net.wait_height(&[0], 1, 20);
    let mut child = command(&["watch", "--node", &url, "--from", "1000000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    assert!(wait_for("it ends", 20, || child.try_wait().expect("own child")).success());
    net.stop_all();
}

#[test]
fn status_of_all_keeps_a_dead_node_on_the_list() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_agree(&[0, 1, 2], 3, 60);
    let (url, dir) = (format!("http://127.0.0.1:{}", net[0].rest), directory(&net));
    let all = |more: &[&str]| {
        let arguments = [&["status", "--all", "--node", &url], more].concat();
        command(&arguments).env("VISION_TESTNET_DIR", &dir).output().expect("it starts")
    };
    let healthy = wait_for("all are healthy", 60, || Some(all(&[])).filter(|output| output.status.success()));
    let text = stdout(&healthy);
    for name in ["node1", "node2", "node3"] {
        assert!(text.lines().any(|line| line.starts_with(name) && line.contains("itself")), "{text}");
    }
    net[2].kill();
    let sick = wait_for("node3 is missed", 60, || {
        Some(all(&[])).filter(|output| output.status.code() == Some(3) && stderr(output).contains("node3"))
    });
    let text = stdout(&sick);
    let row = text.lines().find(|line| line.starts_with("node3")).expect("it stays on the list");
    assert!(row.contains("no answer") || row.contains("gateway 127.0.0.1"), "{text}");
    let json: Value = serde_json::from_slice(&all(&["-o", "json"]).stdout).expect("JSON");
    assert_eq!((json["nodes"].as_array().map(Vec::len), &json["healthy"]), (Some(3), &Value::Bool(false)));
    // Whoever has no terminal sees who missed a slot, too.
    wait_for("a slot of node3 passes", 60, || {
        let head = get(net[0].rest, "/api/status").ok()?.body["height"].as_u64()?;
        let count = (head - 1).to_string();
        let watch = command(&["watch", "--node", &url, "--from", "2", "--count", &count])
            .env("VISION_TESTNET_DIR", &dir)
            .output()
            .expect("it starts");
        let text = stdout(&watch);
        let blocks = text.lines().filter(|line| line.starts_with("block ")).count();
        assert_eq!(blocks as u64, head - 1, "{text}");
        let missed = |line: &str| line.starts_with("missed ") && line.ends_with("node3 produced no block");
        text.lines().any(missed).then_some(())
    });
    net.stop_all();
}
