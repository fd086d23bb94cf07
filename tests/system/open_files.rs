//! However it is started, a node sees to it that it may hold open as many files as its ports may need.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::harness::{Net, Plan, VISION, wait_until};

/// Too few for any service.
const FEW: u64 = 300;
/// How each can be started, and the files that it needs.
const STARTS: [(&str, u64); 6] = [
    ("node", 5 * 1024 + 2048 + 512),
    ("chain", 2 * 1024 + 512),
    ("sync-oracle", 1024 + 512),
    ("selection", 1024 + 512),
    ("producer", 1024 + 512),
    ("gateway", 2048 + 512),
];

/// Ended when dropped.
struct Limited(Child);

impl Limited {
    /// Starts under limits that a shell sets, and writes all that it says to a file.
    fn start(limits: &str, start: &str, home: &str, log: &std::path::Path) -> Self {
        let log = fs::File::create(log).expect("a log");
        let script = format!("{limits} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, VISION, start, "--home", home]).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        Self(command.spawn().expect("a shell"))
    }

    /// Soft and hard limit.
    fn limits(&self) -> Option<(u64, u64)> {
        let text = fs::read_to_string(format!("/proc/{}/limits", self.0.id())).ok()?;
        let mut words = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
        let mut next = || words.next()?.parse().ok();
        Some((next()?, next()?))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_limit_of_open_files_is_raised_and_one_that_cannot_be_is_said() {
    let net = Net::new(&Plan::fast(1));
    let home = net[0].home.to_str().expect("UTF-8");
    for (start, needed) in STARTS {
        let log = net.scratch().join(format!("{start}.log"));
        let soft = Limited::start(&format!("ulimit -S -n {FEW}"), start, home, &log);
        wait_until(&format!("{start} has raised its limit"), 30, || {
            soft.limits().is_some_and(|(soft, hard)| soft == needed.min(hard))
        });
        drop(soft);
        let hard = Limited::start(&format!("ulimit -n {FEW}"), start, home, &log);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait_until(&format!("{start} says what it needs"), 30, || said().contains("too few open files"));
        let lines = said();
        let lines: Vec<_> = lines.lines().filter(|line| line.contains("too few open files")).collect();
        assert_eq!(lines.len(), 1, "{start}: {lines:?}");
        for part in [format!("ulimit -n {needed}"), format!("LimitNOFILE={needed}"), format!("limit={FEW}")] {
            assert!(lines[0].contains(&part), "{start}: no {part} in {}", lines[0]);
        }
        drop(hard);
    }
}
