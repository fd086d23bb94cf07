//! The five services of a node as processes of their own.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::harness::{Net, Plan, command, get, stderr, stdout, vision, wait_until};

/// The services of one node, each its own process; ended when dropped.
#[derive(Default)]
pub struct Apart {
    processes: Vec<(&'static str, Child)>,
    /// Further variables of their environment.
    pub variables: Vec<(&'static str, String)>,
}

impl Apart {
    /// Starts all five.
    pub fn start_all(&mut self, home: &str) {
        for service in ["gateway", "producer", "selection", "sync-oracle", "chain"] {
            self.start(service, home);
        }
    }

    fn start(&mut self, service: &'static str, home: &str) {
        let child = command(&[service, "--home", home])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        self.processes.push((service, child));
    }

    /// Name and process of each.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.processes.iter().map(|(name, child)| (*name, child.id())).collect()
    }

    fn kill(&mut self, service: &str) {
        let at = self.processes.iter().position(|(name, _)| *name == service).expect("it runs");
        let (_, mut child) = self.processes.remove(at);
        child.kill().expect("own child");
        child.wait().expect("own child");
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Exit code and error text of the health check of a port.
fn health(port: u16, service: &str) -> (Option<i32>, String) {
    let output = vision(&["healthcheck", "--addr", &format!("127.0.0.1:{port}"), "--service", service]);
    (output.status.code(), stderr(&output))
}

#[test]
fn a_node_of_five_processes_takes_part_and_heals() {
    let mut net = Net::new(&Plan::fast(2));
    net[0].start();
    let home = net[1].home.to_str().expect("UTF-8").to_owned();
    let mut apart = Apart::default();
    apart.start_all(&home);
    net[1].wait_ready();
    net.wait_height(&[0, 1], 10, 60);
    let id = net[1].id.clone();
    wait_until("it produces", 60, || {
        let head = net[0].height();
        (1..=head).any(|height| net[0].block(height).is_some_and(|block| block["producer"] == id.as_str()))
    });
    let grpc = net[1].grpc;
    let names = [
        (grpc, "vision.chain.v1.ChainService"),
        (grpc + 1, "vision.sync_oracle.v1.SyncOracleService"),
        (grpc + 2, "vision.selection.v1.SelectionService"),
        (grpc + 3, "vision.producer.v1.ProducerService"),
    ];
    for (port, name) in names {
        wait_until(&format!("{name} serves"), 20, || {
            health(port, name).0 == Some(0) && health(port, "").0 == Some(0)
        });
    }
    assert_eq!(health(grpc, "no.such.Service").0, Some(3));

    apart.kill("chain");
    wait_until("the neighbours say what they miss", 30, || {
        let (oracle, producer) = (health(grpc + 1, ""), health(grpc + 3, ""));
        oracle.0 == Some(3)
            && producer.0 == Some(3)
            && oracle.1.contains("chain")
            && producer.1.contains("chain")
    });
    assert_eq!(health(grpc + 2, "").0, Some(0), "selection needs nobody");
    let answer = get(net[1].rest, "/api/chain/params").expect("the gateway stays up");
    assert_eq!(answer.status, 503);
    assert!(answer.body.to_string().contains("chain"), "{}", answer.body);
    assert_eq!(get(net[1].rest, "/healthz").expect("an answer").status, 200);
    assert_eq!(get(net[1].rest, "/readyz").expect("an answer").status, 503);

    apart.start("chain", &home);
    for (port, name) in names {
        wait_until(&format!("{name} serves again"), 30, || health(port, name).0 == Some(0));
    }
    let height = net.wait_blocks(&[0, 1], 5, 90);
    net.wait_agree(&[0, 1], height, 30);
}

#[test]
fn the_operators_commands_read_a_node() {
    let net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 5, 30);
    let url = format!("http://127.0.0.1:{}", net[0].rest);
    let ask = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--node", url.as_str()]);
        vision(&all)
    };
    let cases: [(&str, &[&str], &str); 12] = [
        ("status", &["status"], "eligible"),
        ("status as JSON", &["status", "-o", "json"], "\"next_height\""),
        ("head", &["query", "head"], "state_root"),
        ("block", &["query", "block", "2"], "tx_root"),
        ("its trace", &["query", "block", "2"], "trace_id"),
        ("its link", &["query", "block", "2", "--trace-url", "http://j/{trace_id}"], "http://j/"),
        ("blocks", &["query", "blocks", "--from", "1", "--limit", "3"], "SLOT"),
        ("producers", &["query", "producers"], &net[0].id),
        ("schedule", &["query", "schedule"], "CLOSES AT"),
        ("peers", &["query", "peers"], "CLOCK OFFSET MS"),
        ("params", &["query", "params"], "claim_timeout_ms"),
        ("watch", &["watch", "--count", "2"], "block"),
    ];
    for (desc, arguments, expect) in cases {
        let output = ask(arguments);
        assert!(output.status.success(), "{desc}: {}", stderr(&output));
        assert!(stdout(&output).contains(expect), "{desc}: {}", stdout(&output));
    }
    // Without --slots the primary and the six backups of the default genesis.
    let schedules: [(&[&str], &[u64]); 4] = [
        (&[], &[0, 1, 2, 3, 4, 5, 6]),
        (&["--slots", "13"], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (&["--slots", "1"], &[0]),
        (&["--slots", "0,5-6"], &[0, 5, 6]),
    ];
    for (slots, expect) in schedules {
        let output = ask(&[&["query", "schedule", "-o", "json"], slots].concat());
        assert!(output.status.success(), "{slots:?}: {}", stderr(&output));
        let answer: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let shown = answer["slots"].as_array().expect("slots").iter();
        let shown: Vec<u64> = shown.map(|slot| slot["slot"].as_u64().expect("a number")).collect();
        assert_eq!(shown, expect, "{slots:?}");
    }
    assert_eq!(ask(&["query", "schedule", "--slots", "1025"]).status.code(), Some(2), "more than one answer");
    assert_eq!(ask(&["query", "block", "1000000"]).status.code(), Some(4));
    assert_eq!(ask(&["query", "block", "zz"]).status.code(), Some(2));
    assert_eq!(vision(&["status", "--node", "http://127.0.0.1:1"]).status.code(), Some(3));
}
