//! Looking at and handling the nodes of a network one by one.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use vision_host::Clock;

use super::layout::{DOWN, Facts, Layout, NodeFacts};
use super::ports::check_free;
use super::process::{self, Life, Process, STOP_DEADLINE, millis};
use super::table::{self, NodeView};
use crate::args::{DirArgs, OneNodeArgs};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::{Format, count};
use vision_terminal::rest::Gateway;

/// How long a node that was started may take to answer.
const START_DEADLINE: Duration = Duration::from_secs(15);
/// How often it is asked meanwhile.
const ASK: Duration = Duration::from_millis(100);
const KILL: &str = "vision testnet kill";
/// Log lines shown when it does not.
pub(crate) const TAIL_LINES: usize = 15;

/// Shows every node.
pub(crate) async fn status(args: &DirArgs, format: Format) -> Outcome {
    let facts = Facts::load(&Layout::new(&args.dir)?)?;
    let views = NodeView::of_all(&facts.nodes).await;
    table::print(&facts, &views, format)
}

/// Stops every node.
pub(crate) async fn down(args: &DirArgs, clock: &Clock) -> Outcome {
    let layout = Layout::new(&args.dir)?;
    let facts = Facts::load(&layout)?;
    match stop(&layout, &facts.nodes, Some(DOWN), clock).await? {
        0 => eprintln!("no node was running"),
        n => eprintln!("{n} of {} stopped", count(facts.nodes.len(), "node")),
    }
    Ok(())
}

/// Stops these nodes and forgets their processes; says how many there were. Those who watch them see by
/// whom, if there is somebody to name.
pub(crate) async fn stop(
    layout: &Layout,
    nodes: &[NodeFacts],
    by: Option<&str>,
    clock: &Clock,
) -> Outcome<usize> {
    let processes = process::running(nodes);
    if let Some(by) = by {
        note_end(layout, &processes, by)?;
    }
    for name in process::stop_all(&processes, clock).await? {
        let seconds = STOP_DEADLINE.as_secs();
        eprintln!("{name} did not end within {seconds} s and was killed");
    }
    // A process that another command has started since is not forgotten.
    Facts::update(layout, |facts| {
        for node in nodes {
            if facts.node(&node.name)?.pid == node.pid {
                facts.set_pid(&node.name, None);
            }
        }
        Ok(())
    })?;
    Ok(processes.len())
}

/// Leaves word, before the processes end, who ended them.
pub(crate) fn note_end(layout: &Layout, processes: &[Process<'_>], by: &str) -> Outcome {
    let named: Vec<(String, u32)> = processes.iter().map(|(node, pid)| (node.name.clone(), *pid)).collect();
    if named.is_empty() {
        return Ok(());
    }
    Facts::update(layout, |facts| {
        facts.note_end(&named, by);
        Ok(())
    })?;
    Ok(())
}

/// Kills a node as a crash would.
pub(crate) async fn kill(args: &OneNodeArgs, clock: &Clock) -> Outcome {
    let (layout, node) = find(args)?;
    let pid = Life::of(&node).pid().ok_or_else(|| not_running(&layout, &node))?;
    note_end(&layout, &[(&node, pid)], KILL)?;
    process::signal(pid, Signal::KILL)?;
    stop(&layout, std::slice::from_ref(&node), None, clock).await?;
    eprintln!("{} (pid {pid}) killed", node.name);
    Ok(())
}

/// Freezes a node.
pub(crate) fn pause(args: &OneNodeArgs) -> Outcome {
    let (layout, node) = find(args)?;
    match Life::of(&node) {
        Life::Stopped => return Err(not_running(&layout, &node)),
        Life::Paused(_) => eprintln!("{} is already paused", node.name),
        Life::Running(pid) => {
            process::signal(pid, Signal::STOP)?;
            eprintln!("{} (pid {pid}) paused", node.name);
        }
    }
    Ok(())
}

/// Lets a frozen node go on.
pub(crate) fn resume(args: &OneNodeArgs) -> Outcome {
    let (layout, node) = find(args)?;
    match Life::of(&node) {
        Life::Stopped => return Err(not_running(&layout, &node)),
        Life::Running(_) => eprintln!("{} is not paused", node.name),
        Life::Paused(pid) => {
            process::signal(pid, Signal::CONT)?;
            eprintln!("{} (pid {pid}) resumed", node.name);
        }
    }
    Ok(())
}

/// Starts a node that does not run, and waits until it serves.
pub(crate) async fn start(args: &OneNodeArgs, clock: &Clock) -> Outcome {
    let (layout, node) = find(args)?;
    match Life::of(&node) {
        Life::Stopped => {}
        Life::Paused(_) => return Err(Failure::failed(paused(&layout, &node))),
        Life::Running(pid) => {
            eprintln!("{} is already running (pid {pid})", node.name);
            return Ok(());
        }
    }
    let all: Vec<_> = Facts::load(&layout)?.nodes.into_iter().map(|node| node.ports).collect();
    check_free(&[(&node.name, &node.ports)], &all, &layout.command("up"))?;
    let mut child = process::spawn(&node)?;
    let pid = child.id();
    Facts::update(&layout, |facts| {
        facts.set_pid(&node.name, Some(pid));
        Ok(())
    })?;
    let node = NodeFacts { pid: Some(pid), ..node };
    if let Err(failure) = until_serving(&node, &mut child, clock).await {
        stop(&layout, std::slice::from_ref(&node), None, clock).await?;
        return Err(failure);
    }
    eprintln!("{} runs (pid {pid})", node.name);
    Ok(())
}

/// Waits until all services of a node that was just started serve. Its gateway alone is no sign: it
/// answers before another service finds that it must not start, and for a moment after. When the time
/// is over the gateway's answer is enough, as services may wait for something, and it is named what.
pub(crate) async fn until_serving(node: &NodeFacts, child: &mut Child, clock: &Clock) -> Outcome {
    let gateway = Gateway::new(&node.urls.rest)?;
    let deadline = clock.monotonic_ms() + millis(START_DEADLINE);
    loop {
        let ready = gateway.get("/readyz").await;
        let over = clock.monotonic_ms() >= deadline;
        let alive = over && gateway.get("/healthz").await.is_ok();
        if let Ok(Some(status)) = child.try_wait() {
            return Err(ended(node, status));
        }
        match ready {
            Ok(_) => return Ok(()),
            Err(why) if alive => {
                eprintln!("{} answers, but not all of it serves yet: {why}", node.name);
                return Ok(());
            }
            Err(_) if over => {
                show_tail(node);
                let seconds = START_DEADLINE.as_secs();
                return Err(Failure::unhealthy(format!(
                    "{} did not answer within {seconds} s and was stopped; see its log above",
                    node.name
                )));
            }
            Err(_) => tokio::time::sleep(ASK).await,
        }
    }
}

/// Why a node that ended while starting did so: its log's end on stderr, and a refusal stays one.
pub(crate) fn ended(node: &NodeFacts, status: ExitStatus) -> Failure {
    show_tail(node);
    let exit = if status.code() == Some(Exit::Refused as i32) { Exit::Refused } else { Exit::Failed };
    let last = process::tail(&node.log, 1).pop().unwrap_or_default();
    Failure::new(exit, format!("{} ended while starting ({status}): {last}", node.name))
}

/// Shows the end of a node's log on stderr.
pub(crate) fn show_tail(node: &NodeFacts) {
    for line in process::tail(&node.log, TAIL_LINES) {
        eprintln!("{} | {line}", node.name);
    }
}

fn find(args: &OneNodeArgs) -> Outcome<(Layout, NodeFacts)> {
    let layout = Layout::new(&args.dir.dir)?;
    let node = Facts::load(&layout)?.node(&args.node)?.clone();
    Ok((layout, node))
}

/// That a node is frozen, and what to do about it.
pub(crate) fn paused(layout: &Layout, node: &NodeFacts) -> String {
    let resume = layout.command(&format!("resume {}", node.name));
    format!("{} is paused; resume it with `{resume}`", node.name)
}

fn not_running(layout: &Layout, node: &NodeFacts) -> Failure {
    let start = layout.command(&format!("start {}", node.name));
    Failure::not_found(format!("{} is not running; start it with `{start}`", node.name))
}
