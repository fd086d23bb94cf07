//! The processes that one `testnet up` has started.

use std::process::{Child, ExitStatus};

use vision_host::Clock;

use super::control;
use super::layout::{Facts, Layout, NodeFacts, UP};
use super::ports::check_free;
use super::process::{self, Life};
use vision_terminal::exit::Outcome;
use vision_terminal::output::count;

/// Processes of this command.
pub(crate) struct Started {
    /// By the node's name; those that have ended and been waited for are gone from here.
    pub children: Vec<(String, Child)>,
    /// Whether nodes ran already: then the network is another command's.
    pub is_joined: bool,
}

impl Started {
    /// Starts every node that does not run; if one cannot be started, none stays. No other command starts or
    /// stops nodes meanwhile.
    pub(crate) async fn missing(layout: &Layout, detach: bool, clock: &Clock) -> Outcome<Self> {
        let mut started = Self { children: Vec::new(), is_joined: false };
        let mut failed = None;
        let facts = Facts::update(layout, |facts| {
            failed = started.start(layout, facts, detach).err();
            for (name, child) in &started.children {
                facts.set_pid(name, Some(child.id()));
            }
            Ok(())
        })?;
        match failed {
            None => Ok(started),
            Some(failure) => {
                control::stop(layout, &started.of(&facts), Some(UP), clock).await?;
                Err(failure)
            }
        }
    }

    fn start(&mut self, layout: &Layout, facts: &Facts, detach: bool) -> Outcome {
        let (missing, running): (Vec<_>, Vec<_>) =
            facts.nodes.iter().partition(|node| Life::of(node) == Life::Stopped);
        self.is_joined = !running.is_empty();
        if self.is_joined {
            let all = count(facts.nodes.len(), "node");
            let which = if missing.is_empty() { all } else { format!("{} of {all}", running.len()) };
            let after = if detach { "" } else { "; this command leaves them running when it ends" };
            eprintln!("already running: {which}{after}");
        }
        for node in running.iter().filter(|node| matches!(Life::of(node), Life::Paused(_))) {
            eprintln!("{}", control::paused(layout, node));
        }
        let up = layout.command("up");
        let all: Vec<_> = facts.nodes.iter().map(|node| node.ports.clone()).collect();
        let start: Vec<_> = missing.iter().map(|node| (node.name.as_str(), &node.ports)).collect();
        check_free(&start, &all, &up)?;
        for node in missing {
            self.children.push((node.name.clone(), process::spawn(node)?));
        }
        Ok(())
    }

    /// The nodes they run.
    pub(crate) fn of(&self, facts: &Facts) -> Vec<NodeFacts> {
        let ours = |node: &&NodeFacts| self.children.iter().any(|(name, _)| *name == node.name);
        facts.nodes.iter().filter(ours).cloned().collect()
    }

    /// The first that has ended.
    pub(crate) fn first_ended(&mut self) -> Option<(String, ExitStatus)> {
        self.children.iter_mut().find_map(|(name, child)| Some((name.clone(), child.try_wait().ok()??)))
    }

    /// Waits for those that have ended: process and how it ended.
    pub(crate) fn take_ended(&mut self) -> Vec<(u32, ExitStatus)> {
        let mut ended = Vec::new();
        self.children.retain_mut(|(_, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((child.id(), status));
                false
            }
            _ => true,
        });
        ended
    }
}
