//! One node: its home, its process, its gateway.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use super::rest::{Answer, get};
use super::{command, wait_for, wait_until};

/// How long a node may take to answer after its start, and to end after SIGTERM.
const PATIENCE_S: u64 = 20;

/// A node that may or may not run.
pub struct Node {
    pub name: String,
    pub id: String,
    pub home: PathBuf,
    pub p2p: u16,
    pub rest: u16,
    pub grpc: u16,
    /// Process id of the last start, for its cables.
    pub process: Arc<AtomicU32>,
    /// Further variables of its environment.
    pub variables: Vec<(&'static str, String)>,
    child: Option<Child>,
}

impl Node {
    /// A node from its entry in `testnet.json`.
    pub fn new(facts: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let port = |name: &str| u16::try_from(facts["ports"][name].as_u64().expect("port")).expect("u16");
        Self {
            name: text(&facts["name"]),
            id: text(&facts["id"]),
            home: text(&facts["home"]).into(),
            p2p: port("p2p"),
            rest: port("rest"),
            grpc: port("chain"),
            process: Arc::default(),
            variables: Vec::new(),
            child: None,
        }
    }

    /// Starts it; does not wait.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let home = self.home.to_str().expect("UTF-8").to_owned();
        self.start_with(&["node", "--home", &home]);
    }

    /// Starts it by another command line.
    pub fn start_with(&mut self, arguments: &[&str]) {
        let log = self.open_log();
        let second = log.try_clone().expect("log");
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let mut command = command(arguments);
        let child = command.envs(variables).stdin(Stdio::null()).stdout(log).stderr(second).spawn();
        let child = child.expect("the program starts");
        self.process.store(child.id(), Ordering::SeqCst);
        self.child = Some(child);
    }

    fn open_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.home.join("node.log")).expect("log")
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        fs::read(self.home.join("node.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until its gateway answers with its own status.
    pub fn wait_ready(&mut self) {
        let name = self.name.clone();
        wait_until(&format!("{name} answers"), PATIENCE_S, || {
            if let Some(status) = self.ended() {
                panic!("{name} ended ({status}) instead of answering");
            }
            self.status().is_some()
        });
    }

    /// How it ended, if it ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("its own child"))
    }

    /// Waits until it ends by itself.
    pub fn wait_end(&mut self, seconds: u64) -> ExitStatus {
        let name = self.name.clone();
        let status = wait_for(&format!("{name} ends"), seconds, || self.ended());
        self.child = None;
        status
    }

    fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("it runs");
        Pid::from_raw(i32::try_from(child.id()).expect("pid")).expect("not zero")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("its own child");
    }

    /// Lets no file of the process grow past this many bytes: for it the disk is full.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("its own child");
    }

    /// SIGKILL, as a crash.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.take().expect("it runs").wait().expect("its own child");
    }

    /// SIGTERM, and waits for the orderly end.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let started = Instant::now();
        let status = self.wait_end(PATIENCE_S);
        assert!(status.success(), "{} did not end in good order: {status}", self.name);
        assert!(started.elapsed() < Duration::from_secs(11), "{} took too long to end", self.name);
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether a process was started and not ended by the test.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// GETs from its gateway.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        get(self.rest, path).ok()
    }

    /// The JSON behind a path; the node must give it.
    pub fn json(&self, path: &str) -> Value {
        wait_for(&format!("{} gives {path}", self.name), 10, || {
            self.try_get(path).filter(|answer| answer.status == 200)
        })
        .body
    }

    /// `/api/status`, if it answers for itself.
    pub fn status(&self) -> Option<Value> {
        let status = self.try_get("/api/status").filter(|answer| answer.status == 200)?.body;
        (status["node_id"] == self.id.as_str()).then_some(status)
    }

    /// Height of its head; 0 while it does not answer.
    pub fn height(&self) -> u64 {
        self.status().and_then(|status| status["height"].as_u64()).unwrap_or(0)
    }

    /// Whether it says that it may produce.
    pub fn eligible(&self) -> bool {
        self.status().is_some_and(|status| status["eligible"] == true)
    }

    /// Why it may not; empty when it may or does not answer.
    pub fn because(&self) -> String {
        let status = self.status().unwrap_or_default();
        status["not_eligible_because"].as_str().unwrap_or_default().to_owned()
    }

    /// A block by height or hash; `None` if the node does not have it.
    pub fn block(&self, id: impl std::fmt::Display) -> Option<Value> {
        let answer = wait_for(&format!("{} shows block {id}", self.name), 10, || {
            self.try_get(&format!("/api/chain/blocks/{id}"))
                .filter(|answer| matches!(answer.status, 200 | 404))
        });
        (answer.status == 200).then_some(answer.body)
    }

    /// Hash of the block at a height of its chain.
    pub fn hash_at(&self, height: u64) -> Option<String> {
        self.block(height).map(|block| block["hash"].as_str().expect("hash").to_owned())
    }

    /// Blocks of its chain from one height to another, both included.
    pub fn blocks(&self, from: u64, to: u64) -> Vec<Value> {
        let mut blocks = Vec::new();
        let mut next = from;
        while next <= to {
            let limit = (to - next + 1).min(200);
            let answer = self.json(&format!("/api/chain/blocks?from={next}&limit={limit}"));
            let page = answer.as_array().or_else(|| answer["blocks"].as_array()).expect("a list").clone();
            assert!(!page.is_empty(), "{} has no block {next}", self.name);
            next += page.len() as u64;
            blocks.extend(page);
        }
        blocks
    }

    /// The registry's entry of a producer in the state after the head.
    pub fn producer(&self, id: &str) -> Option<Value> {
        let answer = self.json("/api/chain/producers");
        answer["registered"].as_array()?.iter().find(|entry| entry["node_id"] == id).cloned()
    }

    /// Whether a producer is active in the state after the head.
    pub fn is_active(&self, id: &str) -> bool {
        let answer = self.json("/api/chain/producers");
        answer["active"].as_array().expect("active").iter().any(|active| active == id)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
