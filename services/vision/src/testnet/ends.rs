//! Which nodes have ended since the last look, and why: a line for each.

use std::collections::BTreeMap;
use std::process::ExitStatus;

use super::control::DOWN;
use super::layout::{Facts, Layout, NodeFacts};
use super::process::{Life, tail};
use super::started::Started;
use super::up::UP;

/// Longest end of a log line that is shown; its beginning names time and place.
const MAX_LAST_CHARS: usize = 200;

/// What one look found.
#[derive(Default, Debug, PartialEq)]
pub struct News {
    /// A line for each node that ended.
    pub lines: Vec<String>,
    /// Somebody has taken the whole network down: nothing is left to watch.
    pub is_over: bool,
}

/// A node at one look.
struct Seen<'a> {
    node: &'a NodeFacts,
    /// Its process now.
    pid: Option<u32>,
    /// How its process ended, if it was started by this command.
    status: Option<ExitStatus>,
}

/// The processes that ran at the last look.
#[derive(Default)]
pub struct Watched {
    alive: BTreeMap<String, u32>,
    is_taken_down: bool,
}

impl Watched {
    /// Looks at every node; `started` are the processes of this command, which it must wait for.
    pub fn look(&mut self, layout: &Layout, facts: &Facts, started: &mut Started) -> News {
        let ended = started.take_ended();
        let mut seen = Vec::new();
        for node in &facts.nodes {
            let before = self.alive.get(&node.name);
            let status = ended.iter().find(|(pid, _)| Some(pid) == before).map(|(_, status)| *status);
            seen.push(Seen { node, pid: Life::of(node).pid(), status });
        }
        self.compare(layout, &seen)
    }

    fn compare(&mut self, layout: &Layout, seen: &[Seen<'_>]) -> News {
        let runs = seen.iter().any(|seen| seen.pid.is_some());
        let mut lines = Vec::new();
        for Seen { node, pid, status } in seen {
            let before = match pid {
                Some(pid) => self.alive.insert(node.name.clone(), *pid),
                None => self.alive.remove(&node.name),
            };
            let Some(gone) = before.filter(|before| Some(*before) != *pid) else { continue };
            let by = node.ended.as_ref().filter(|ended| ended.pid == gone).map(|ended| ended.by.as_str());
            let is_taken_down = by.is_some_and(|by| [DOWN, UP].contains(&by));
            self.is_taken_down |= is_taken_down;
            let start = layout.command(&format!("start {}", node.name));
            let then = match pid {
                Some(pid) => format!("it runs again (pid {pid})"),
                None if is_taken_down => String::new(),
                None if runs => format!("the others go on; start it again with `{start}`"),
                None => format!("no other node runs; start it again with `{start}`"),
            };
            let why = match by {
                Some(by) => format!("{} was ended by `{by}`", node.name),
                None => alone(node, *status),
            };
            lines.push([why, then].join("; ").trim_end_matches("; ").to_owned());
        }
        News { lines, is_over: self.is_taken_down && !runs }
    }
}

/// Nobody has left word that it would end.
fn alone(node: &NodeFacts, status: Option<ExitStatus>) -> String {
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    let last = tail(&node.log, 1).pop().unwrap_or_default();
    let skipped = last.chars().count().saturating_sub(MAX_LAST_CHARS);
    let last: String = last.chars().skip(skipped).filter(|c| !c.is_control()).collect();
    let last = if last.is_empty() { last } else { format!(", its log with: {last}") };
    format!("{} ended by itself{status}{last}", node.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use vision_primitives::SecretKey;

    use super::super::layout::Ended;
    use super::super::ports::BasePorts;
    use super::*;
    use crate::cli::PortArgs;

    fn nodes(layout: &Layout) -> Vec<NodeFacts> {
        let ports = BasePorts::new(&PortArgs::default()).assign(2).expect("they fit");
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        (1..).zip(ports).map(|(i, ports)| NodeFacts::new(layout, &format!("node{i}"), &key, &ports)).collect()
    }

    #[test]
    fn every_end_is_a_line_that_says_why() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::new(&dir.path().join("a net")).expect("a path");
        std::fs::create_dir_all(layout.home("node2")).expect("made");
        let long = format!("{}no room left", "x".repeat(900));
        std::fs::write(layout.log("node2"), format!("first\n{long}\n")).expect("written");
        let start = format!("start it again with `{}`", layout.command("start node2"));
        let cut = format!("{}no room left", "x".repeat(188));
        let killed = Some(ExitStatus::from_raw(9));
        // (what it is, who ended process 12 or another, node 2's process now, node 1's, what is said, whether it is over)
        type Case<'a> = (&'a str, Option<(u32, &'a str)>, Option<u32>, Option<u32>, Option<String>, bool);
        let cases: [Case<'_>; 8] = [
            ("nothing", None, Some(12), Some(11), None, false),
            (
                "killed by a command",
                Some((12, "vision testnet kill")),
                None,
                Some(11),
                Some(format!("node2 was ended by `vision testnet kill`; the others go on; {start}")),
                false,
            ),
            (
                "killed and started since",
                Some((12, "vision testnet kill")),
                Some(13),
                Some(11),
                Some("node2 was ended by `vision testnet kill`; it runs again (pid 13)".into()),
                false,
            ),
            (
                "by itself",
                None,
                None,
                Some(11),
                Some(format!(
                    "node2 ended by itself (signal: 9 (SIGKILL)), its log with: {cut}; the others go on; {start}"
                )),
                false,
            ),
            (
                "another process was killed before",
                Some((5, "vision testnet kill")),
                None,
                Some(11),
                Some(format!(
                    "node2 ended by itself (signal: 9 (SIGKILL)), its log with: {cut}; the others go on; {start}"
                )),
                false,
            ),
            (
                "killed as the last",
                Some((12, "vision testnet kill")),
                None,
                None,
                Some(format!("node2 was ended by `vision testnet kill`; no other node runs; {start}")),
                false,
            ),
            (
                "taken down first",
                Some((12, DOWN)),
                None,
                Some(11),
                Some(format!("node2 was ended by `{DOWN}`")),
                false,
            ),
            ("taken down", Some((12, DOWN)), None, None, Some(format!("node2 was ended by `{DOWN}`")), true),
        ];
        for (desc, ended, now, other, expect, is_over) in cases {
            let mut nodes = nodes(&layout);
            nodes[1].ended = ended.map(|(pid, by)| Ended { pid, by: by.into() });
            let alive = [("node1", 11), ("node2", 12)].map(|(name, pid)| (name.to_owned(), pid));
            let alive = alive.into_iter().filter(|(name, _)| name == "node2" || other.is_some()).collect();
            let mut watched = Watched { alive, is_taken_down: false };
            let seen = |node, pid, status| Seen { node, pid, status };
            let seen = [seen(&nodes[0], other, None), seen(&nodes[1], now, killed)];
            let news = watched.compare(&layout, &seen);
            assert_eq!(news, News { lines: expect.into_iter().collect(), is_over }, "{desc}");
            assert_eq!(watched.compare(&layout, &seen).lines, Vec::<String>::new(), "{desc}: once");
        }
    }
}
