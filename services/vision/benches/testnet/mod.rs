//! A network of three real nodes on this machine, for benchmarks.
#![allow(dead_code, reason = "each benchmark uses part of it")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

/// The program.
pub const VISION: &str = env!("CARGO_BIN_EXE_vision");
/// REST port of the first node; the others' follow.
pub const API: u16 = 28_080;
/// P2P port of the first node.
pub const P2P: u16 = 27_072;
const GRPC: u16 = 25_051;

/// A running test network; stopped when dropped.
pub struct Testnet {
    dir: tempfile::TempDir,
}

impl Testnet {
    /// Starts one with these further flags.
    pub fn up(extra: &[&str]) -> Self {
        Self::up_in(extra, [])
    }

    /// The same with environment variables, which its nodes have too.
    pub fn up_in<'a>(extra: &[&str], variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let net = dir.path().join("net");
        let done = Command::new(VISION)
            .args(["testnet", "up", "--detach", "--nodes", "3", "--dir"])
            .arg(&net)
            .args(["--base-p2p-port", &P2P.to_string(), "--base-api-port", &API.to_string()])
            .args(["--base-grpc-port", &GRPC.to_string()])
            .args(extra)
            .envs(variables)
            .output()
            .expect("started");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Self { dir }
    }

    pub fn net(&self) -> std::path::PathBuf {
        self.dir.path().join("net")
    }

    pub fn run(&self, words: &[&str]) {
        let done = Command::new(VISION).arg("testnet").args(words).arg("--dir").arg(self.net()).output();
        let done = done.expect("started");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn pids(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.net().join("testnet.json")).expect("facts");
        let facts: Value = serde_json::from_str(&text).expect("JSON");
        let nodes = facts["nodes"].as_array().expect("nodes");
        nodes.iter().map(|node| node["pid"].as_u64().expect("pid")).collect()
    }
}

impl Drop for Testnet {
    fn drop(&mut self) {
        let _ = Command::new(VISION).args(["testnet", "down", "--dir"]).arg(self.net()).output();
    }
}

/// What a node answers.
pub fn get(port: u16, path: &str) -> Value {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    write!(socket, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("asked");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("answered");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).expect("JSON")
}

/// Memory of a process.
pub fn resident_mib(pid: u64) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

/// Clock ticks of processor time a process has used.
pub fn ticks(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}
