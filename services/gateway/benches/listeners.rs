//! 1,000 listeners of `GET /api/mining/events`: memory of the gateway for each, and how long an event is
//! under way to them, against the same with one listener. The node runs in a process of its own.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a benchmark measures with the machine's clock")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use support::Node;
use support::others::mining_status;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use vision_wire::producer::Claim;

const LISTENERS: usize = 1_000;
const EVENTS: u64 = 100;
/// Ten blocks a second, of which each sends something.
const EVERY: Duration = Duration::from_millis(100);
/// Makes this program the node.
const SERVE: &str = "--serve-a-node";

/// Microseconds since the Unix epoch.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before 586524")
}

/// The node: prints its address, and makes events as long as anybody reads.
async fn serve() {
    let all = || u32::try_from(LISTENERS + 10).expect("few").try_into().expect("one at least");
    let node = Node::start_with(|config| config.max_streams_per_client = all()).await;
    println!("{}", node.gateway.address);
    std::io::stdout().flush().expect("a reader");
    for height in 10.. {
        tokio::time::sleep(EVERY).await;
        let mut status = mining_status(height + 1);
        // Microseconds, so that the delay can be read to a tenth of a millisecond.
        status.recent_claims[0] =
            Claim { height, claimed_at_ms: now_us(), ..status.recent_claims[0].clone() };
        node.producer.log.publish(status);
    }
}

struct Served(Child, SocketAddr);

impl Served {
    fn start() -> Self {
        let own = std::env::current_exe().expect("a path");
        let mut child =
            Command::new(own).arg(SERVE).stdout(Stdio::piped()).spawn().expect("this program runs again");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("an address");
        Self(child, line.trim().parse().expect("an address"))
    }

    fn kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Seconds of processor time so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("Linux");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: u64 =
            fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
        ticks as f64 / 100.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Microseconds that each of the next events was under way to one listener.
async fn listen(number: usize, address: SocketAddr, begin: std::sync::Arc<tokio::sync::Barrier>) -> Vec<u64> {
    let socket = TcpSocket::new_v4().expect("a socket");
    // One address may hold 512 connections.
    let own = [127, 0, 0, 2 + u8::try_from(number % 8).expect("small")];
    socket.bind((own, 0).into()).expect("a free port");
    let mut stream = socket.connect(address).await.expect("connects");
    let request = b"GET /api/mining/events?events=claim HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut lines = tokio::io::BufReader::with_capacity(1 << 10, stream).lines();
    let mut delays = Vec::new();
    let mut is_open = false;
    while delays.len() < usize::try_from(EVENTS).expect("few") {
        let line = lines.next_line().await.expect("readable").expect("open");
        if !is_open && line.starts_with("id: ") {
            is_open = true;
            begin.wait().await;
            begin.wait().await;
        }
        if let Some(at) = line.split("\"claimed_at_ms\":").nth(1) {
            let at: u64 = at.trim_end_matches('}').parse().expect("a number");
            delays.push(now_us().saturating_sub(at));
        }
    }
    delays
}

struct Measured {
    kib_per_listener: f64,
    median_ms: f64,
    p99_ms: f64,
    cores: f64,
}

async fn measure(count: usize) -> Measured {
    let served = Served::start();
    let begin = std::sync::Arc::new(tokio::sync::Barrier::new(count + 1));
    let before = served.kib();
    let mut listeners = JoinSet::new();
    for number in 0..count {
        listeners.spawn(listen(number, served.1, begin.clone()));
    }
    begin.wait().await;
    let (cpu, began) = (served.cpu(), now_us());
    begin.wait().await;
    let mut delays: Vec<u64> = listeners.join_all().await.into_iter().flatten().collect();
    let seconds = (now_us() - began) as f64 / 1e6;
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 100] as f64 / 1000.0;
    Measured {
        kib_per_listener: served.kib().saturating_sub(before) as f64 / count as f64,
        median_ms: at(50),
        p99_ms: at(99),
        cores: (served.cpu() - cpu) / seconds,
    }
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        return serve().await;
    }
    println!("listeners   KiB each   delay p50 / p99      cores of the node");
    for count in [1, LISTENERS, 1, LISTENERS] {
        let Measured { kib_per_listener, median_ms, p99_ms, cores } = measure(count).await;
        println!("{count:>9} {kib_per_listener:>10.1} {median_ms:>8.2} / {p99_ms:.2} ms {cores:>16.3}");
    }
}
