//! Which nodes have ended since the last look, and why: a line for each.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;

use super::layout::{DOWN, Facts, Layout, NodeFacts, UP};
use super::process::{Life, tail};
use super::started::Started;

/// Longest end of a log line that is shown; its beginning names time and place.
const MAX_LAST_CHARS: usize = 200;

/// What one look found.
#[derive(Default, Debug, PartialEq)]
pub(crate) struct Changes {
    /// For each node that ended, or that runs again.
    pub events: Vec<Event>,
    /// Somebody has taken the whole network down: nothing is left to watch.
    pub is_over: bool,
}

/// What has happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub node: String,
    /// What it was.
    pub what: String,
    /// The command that starts it again, if that is for somebody to do.
    pub start: Option<String>,
}

impl Event {
    /// All of it in one line.
    pub(crate) fn line(&self) -> String {
        match &self.start {
            Some(start) => format!("{}; start it again with `{start}`", self.what),
            None => self.what.clone(),
        }
    }
}

/// The lines to be shown of what has happened: the last of each node, and each command in a line of its own,
/// where it is not cut off.
pub(crate) fn standing(events: &[Event]) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, event) in events.iter().enumerate() {
        if events.iter().skip(at + 1).any(|later| later.node == event.node) {
            continue;
        }
        lines.push(event.what.clone());
        lines.extend(event.start.as_ref().map(|start| format!("  start it again: {start}")));
    }
    lines
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
pub(crate) struct Watched {
    alive: BTreeMap<String, u32>,
    /// Names of those that have ended and do not run.
    gone: BTreeSet<String>,
    is_taken_down: bool,
}

impl Watched {
    /// Looks at every node; `started` are the processes of this command, which it must wait for.
    pub(crate) fn look(&mut self, layout: &Layout, facts: &Facts, started: &mut Started) -> Changes {
        let ended = started.take_ended();
        let mut seen = Vec::new();
        for node in &facts.nodes {
            let before = self.alive.get(&node.name);
            let status = ended.iter().find(|(pid, _)| Some(pid) == before).map(|(_, status)| *status);
            seen.push(Seen { node, pid: Life::of(node).pid(), status });
        }
        self.compare(layout, &seen)
    }

    fn compare(&mut self, layout: &Layout, seen: &[Seen<'_>]) -> Changes {
        let runs = seen.iter().any(|seen| seen.pid.is_some());
        let mut events = Vec::new();
        for Seen { node, pid, status } in seen {
            let before = match pid {
                Some(pid) => self.alive.insert(node.name.clone(), *pid),
                None => self.alive.remove(&node.name),
            };
            let event = |what, start| Event { node: node.name.clone(), what, start };
            let Some(gone) = before.filter(|before| Some(*before) != *pid) else {
                if let Some(pid) = pid
                    && self.gone.remove(&node.name)
                {
                    events.push(event(format!("{} runs again (pid {pid})", node.name), None));
                }
                continue;
            };
            if pid.is_none() {
                self.gone.insert(node.name.clone());
            }
            let by = node.ended.as_ref().filter(|ended| ended.pid == gone).map(|ended| ended.by.as_str());
            let is_taken_down = by.is_some_and(|by| [DOWN, UP].contains(&by));
            self.is_taken_down |= is_taken_down;
            let start = || Some(layout.command(&format!("start {}", node.name)));
            let (then, start) = match pid {
                Some(pid) => (format!("; it runs again (pid {pid})"), None),
                None if is_taken_down => (String::new(), None),
                None if runs => ("; the others keep running".into(), start()),
                None => ("; no other node runs".into(), start()),
            };
            let why = match by {
                Some(by) => format!("{} was ended by `{by}`", node.name),
                None => alone(node, *status),
            };
            events.push(event(why + &then, start));
        }
        Changes { events, is_over: self.is_taken_down && !runs }
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
    use crate::args::PortArgs;

    fn nodes(layout: &Layout) -> Vec<NodeFacts> {
        let ports = BasePorts::new(&PortArgs::default()).assign(2).expect("they fit");
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        (1..).zip(ports).map(|(i, ports)| NodeFacts::new(layout, &format!("node{i}"), &key, &ports)).collect()
    }

    /// Both nodes, of which another command may have ended the second's process.
    fn nodes_of(layout: &Layout, ended: Option<(u32, &str)>) -> Vec<NodeFacts> {
        let mut nodes = nodes(layout);
        nodes[1].ended = ended.map(|(pid, by)| Ended { pid, by: by.into() });
        nodes
    }

    /// After a look at which node 2 ran, and perhaps node 1.
    fn watched(both: bool) -> Watched {
        let alive = [("node1", 11), ("node2", 12)].map(|(name, pid)| (name.to_owned(), pid));
        let alive = alive.into_iter().filter(|(name, _)| name == "node2" || both).collect();
        Watched { alive, ..Watched::default() }
    }

    /// Both nodes' processes as they are now; that of the second was killed.
    fn looked_at(nodes: &[NodeFacts], first: Option<u32>, second: Option<u32>) -> [Seen<'_>; 2] {
        let killed = Some(ExitStatus::from_raw(9));
        let seen = |node, pid, status| Seen { node, pid, status };
        [seen(&nodes[0], first, None), seen(&nodes[1], second, killed)]
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
        let by_itself = format!(
            "node2 ended by itself (signal: 9 (SIGKILL)), its log with: {cut}; the others keep running; \
            {start}"
        );
        // (what it is, who ended process 12 or another, node 2's process now, node 1's, what is said, whether
        // it is over)
        type Case<'a> = (&'a str, Option<(u32, &'a str)>, Option<u32>, Option<u32>, Option<String>, bool);
        let cases: [Case<'_>; 8] = [
            ("nothing", None, Some(12), Some(11), None, false),
            (
                "killed by a command",
                Some((12, "vision testnet kill")),
                None,
                Some(11),
                Some(format!("node2 was ended by `vision testnet kill`; the others keep running; {start}")),
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
            ("by itself", None, None, Some(11), Some(by_itself.clone()), false),
            (
                "another process was killed before",
                Some((5, "vision testnet kill")),
                None,
                Some(11),
                Some(by_itself.clone()),
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
            let (mut watched, nodes) = (watched(other.is_some()), nodes_of(&layout, ended));
            let seen = looked_at(&nodes, other, now);
            let changes = watched.compare(&layout, &seen);
            let lines: Vec<String> = changes.events.iter().map(Event::line).collect();
            assert_eq!((lines, changes.is_over), (expect.into_iter().collect(), is_over), "{desc}");
            assert_eq!(watched.compare(&layout, &seen).events, Vec::<Event>::new(), "{desc}: once");
        }
    }

    #[test]
    fn an_end_is_shown_until_the_node_runs_again() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::new(dir.path()).expect("a path");
        let mut nodes = nodes(&layout);
        nodes[1].ended = Some(Ended { pid: 12, by: "vision testnet kill".into() });
        let mut watched = Watched::default();
        let mut reported = Vec::new();
        let command = format!("  start it again: {}", layout.command("start node2"));
        let ended = ["node2 was ended by `vision testnet kill`; the others keep running", command.as_str()];
        // (what it is, node 2's process, what is shown then)
        let looks: [(&str, Option<u32>, &[&str]); 5] = [
            ("it runs", Some(12), &[]),
            ("it was killed", None, &ended),
            ("and is still gone", None, &ended),
            ("it was started", Some(13), &["node2 runs again (pid 13)"]),
            ("and runs", Some(13), &["node2 runs again (pid 13)"]),
        ];
        for (desc, pid, expect) in looks {
            let seen =
                [(0, Some(11)), (1, pid)].map(|(at, pid)| Seen { node: &nodes[at], pid, status: None });
            reported.extend(watched.compare(&layout, &seen).events);
            assert_eq!(standing(&reported), expect, "{desc}");
        }
    }
}
