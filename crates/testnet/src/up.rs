//! `vision testnet up`: from nothing to nodes that agree, then watching them.

use std::collections::BTreeMap;
use std::time::Duration;

use vision_host::Clock;

use super::config::Neighbours;
use super::control::{self, show_tail};
use super::init::{self, Plan};
use super::layout::{Facts, Layout, UP, Urls};
use super::next::Next;
use super::ports::BasePorts;
use super::process::{self, Life, millis};
use super::same;
use super::started::Started;
use super::table::{self, NodeView};
use super::watch::{End, Watch};
use crate::NewClaims;
use crate::args::{Profile, UpArgs};
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output::{self, Format, count};
use vision_terminal::rest::Gateway;
use vision_terminal::signals::Interrupts;

/// How long the nodes may take to agree on a new block, besides two block intervals.
const AGREE_DEADLINE: Duration = Duration::from_secs(60);
/// How often is said that they wait for their clocks.
const REPORT_AGAIN: Duration = Duration::from_secs(30);
/// How often they are asked meanwhile.
const ASK: Duration = Duration::from_millis(200);

/// Makes what is missing, starts every node that does not run, and waits until all agree. Whoever finds nodes
/// running has only joined: it leaves all running when it ends.
pub(crate) async fn run(args: &UpArgs, clock: &Clock, new_claims: NewClaims, format: Format) -> Outcome {
    let layout = Layout::new(&args.dir.dir)?;
    prepare(&layout, args, clock, new_claims)?;
    let mut interrupts = Interrupts::new()?;
    let mut started = Started::missing(&layout, args.detach, clock).await?;
    let facts = Facts::load(&layout)?;
    let agreed = tokio::select! {
        agreed = agree(&facts, &mut started, clock) => agreed,
        name = interrupts.next() => Err(Failure::failed(format!("{name} arrived before the nodes agreed"))),
    };
    let views = match agreed {
        Ok(views) => views,
        Err(failure) => {
            control::stop(&layout, &started.of(&facts), Some(UP), clock).await?;
            return Err(failure);
        }
    };
    let printed = table::print(&facts, &views, format);
    let next = Next::of(&layout, &facts, end(args.detach, &started, &layout));
    eprintln!("{}", next.text());
    if args.detach {
        return printed;
    }
    let watched = match printed {
        Ok(()) => {
            let watch = Watch { layout: &layout, next: &next, format, clock };
            watch.run(&mut started, &views, &mut interrupts).await
        }
        Err(failure) => Err(failure),
    };
    match watched {
        Ok(End::Over) => return Ok(()),
        _ if started.is_joined => {
            let down = layout.command("down");
            eprintln!("the nodes keep running; stop them with `{down}`");
        }
        _ => stop_everything(&layout, clock, &mut interrupts).await?,
    }
    watched.map(|_| ())
}

/// The network of the directory, made if there is none, with the ports the caller wants.
fn prepare(layout: &Layout, args: &UpArgs, clock: &Clock, new_claims: NewClaims) -> Outcome {
    if !layout.exists() {
        let plan = Plan {
            nodes: args.nodes.unwrap_or(3),
            chain_id: "vision-testnet-1".into(),
            genesis: args.genesis.clone(),
            seed: None,
            profile: Profile::Local,
            genesis_time_ms: clock.now_ms(),
            ports: BasePorts::new(&args.ports),
            clone: None,
            new_claims,
        };
        let facts = init::make(layout, &plan)?;
        let nodes = count(facts.nodes.len(), "node");
        eprintln!("created a network of {nodes} in {}", layout.dir().display());
        return Ok(());
    }
    let facts = Facts::load(layout)?;
    if facts.profile != Profile::Local {
        return Err(same::other(
            layout,
            facts.profile,
            "was not created for this machine's loopback; start it where it was meant to run",
        ));
    }
    same::check_genesis(layout, &facts, args.nodes, &args.genesis)?;
    eprintln!("the network in {} is already there", layout.dir().display());
    move_ports(layout, facts, args)
}

/// Gives the nodes other ports, in the facts and in every configuration, if the caller asks for it.
fn move_ports(layout: &Layout, facts: Facts, args: &UpArgs) -> Outcome {
    let Some(first) = facts.nodes.first() else { return Ok(()) };
    let count = u16::try_from(facts.nodes.len()).unwrap_or(u16::MAX);
    let given = [args.ports.base_p2p_port, args.ports.base_api_port, args.ports.base_grpc_port];
    if given.iter().all(Option::is_none) {
        return Ok(());
    }
    let ports = BasePorts::over(&args.ports, &first.ports).assign(count)?;
    if facts.nodes.iter().zip(&ports).all(|(node, ports)| node.ports == *ports) {
        return Ok(());
    }
    if let Some(running) = facts.nodes.iter().find(|node| Life::of(node) != Life::Stopped) {
        return Err(Failure::refused(format!(
            "{} runs on other ports; stop the network first with `{}`",
            running.name,
            layout.command("down")
        )));
    }
    let named = facts.nodes.iter().map(|node| node.name.clone()).zip(ports.iter().cloned());
    let neighbours = Neighbours::new(facts.profile, named.collect());
    for (index, node) in facts.nodes.iter().enumerate() {
        let file = node.home.join("config.toml");
        let text = std::fs::read_to_string(&file).map_err(|error| Failure::io("read", &file, &error))?;
        std::fs::write(&file, neighbours.edited(index, &text))
            .map_err(|error| Failure::io("write", &file, &error))?;
    }
    Facts::update(layout, |facts| {
        for (node, ports) in facts.nodes.iter_mut().zip(ports) {
            (node.urls, node.ports) = (Urls::new(&ports), ports);
        }
        Ok(())
    })?;
    Ok(())
}

/// Waits until all nodes have the same new block: one above everything that any of them had when it first
/// answered. On what was stored before, nodes agree without ever having met.
async fn agree(facts: &Facts, started: &mut Started, clock: &Clock) -> Outcome<Vec<NodeView>> {
    let intervals = Duration::from_millis(facts.block_interval_ms.saturating_mul(2));
    let patience_ms = millis(AGREE_DEADLINE) + millis(intervals);
    let mut deadline = clock.monotonic_ms() + patience_ms;
    let mut reported_at = None;
    eprintln!("waiting for a new block to reach {}", count(facts.nodes.len(), "node"));
    let mut before = Before::default();
    loop {
        let views = NodeView::of_all(&facts.nodes).await;
        before.note(&views);
        if common_block(&views, before.highest()).await.is_some() {
            for (name, child) in &mut started.children {
                control::until_serving(facts.node(name)?, child, clock).await?;
            }
            // The heights of the table are those of now, not of before the blocks were compared.
            return Ok(NodeView::of_all(&facts.nodes).await);
        }
        if let Some((name, status)) = started.first_ended() {
            return Err(control::ended(facts.node(&name)?, status));
        }
        let now = clock.monotonic_ms();
        if let Some((name, because)) = views.iter().find_map(NodeView::waits_for_its_clock) {
            // No block can come before then, however long that is.
            deadline = now + patience_ms;
            if reported_at.is_none_or(|at| now >= at + millis(REPORT_AGAIN)) {
                reported_at = Some(now);
                eprintln!("{name} is waiting: {because}");
            }
        }
        if now >= deadline {
            return Err(not_agreed(&views, facts));
        }
        tokio::time::sleep(ASK).await;
    }
}

/// The heights that the nodes came with.
#[derive(Default)]
struct Before {
    heights: BTreeMap<String, u64>,
}

impl Before {
    fn note(&mut self, views: &[NodeView]) {
        for view in views {
            if let Some(height) = view.height() {
                self.heights.entry(view.facts.name.clone()).or_insert(height);
            }
        }
    }

    fn highest(&self) -> u64 {
        self.heights.values().copied().max().unwrap_or(0)
    }
}

/// The hash all nodes have at the lowest of their heights, if that is above the given one.
async fn common_block(views: &[NodeView], above: u64) -> Option<String> {
    let heights: Option<Vec<u64>> = views.iter().map(NodeView::height).collect();
    let lowest = heights?.into_iter().min().filter(|height| *height > above)?;
    let path = format!("/api/chain/blocks/{lowest}");
    let mut common: Option<String> = None;
    for view in views {
        let block = Gateway::new(&view.facts.urls.rest).ok()?.get(&path).await.ok()?;
        let hash = block["hash"].as_str()?.to_owned();
        match &common {
            Some(other) if *other != hash => return None,
            _ => common = Some(hash),
        }
    }
    common
}

fn not_agreed(views: &[NodeView], facts: &Facts) -> Failure {
    eprint!("{}", table::render(views, output::width()));
    let stuck = views.iter().min_by_key(|view| view.height());
    let name = stuck.map_or("a node", |view| view.facts.name.as_str());
    if let Some(view) = stuck {
        show_tail(&view.facts);
    }
    let state = stuck.map_or_else(String::new, NodeView::state);
    Failure::unhealthy(format!(
        "no new block reached {} in time, {name} is furthest behind ({state}); see its log above",
        count(facts.nodes.len(), "node")
    ))
}

/// How this command or its nodes end.
fn end(detach: bool, started: &Started, layout: &Layout) -> String {
    match (detach, started.is_joined) {
        (true, _) => format!("`{}` stops all nodes.", layout.command("down")),
        (false, true) => "Ctrl-C ends this command and leaves the nodes running.".into(),
        (false, false) => "Ctrl-C stops all nodes.".into(),
    }
}

/// Stops all nodes of the network, also those another command has started since. A second signal
/// kills them at once.
async fn stop_everything(layout: &Layout, clock: &Clock, interrupts: &mut Interrupts) -> Outcome {
    let nodes = Facts::load(layout)?.nodes;
    eprintln!("stopping {}", count(nodes.len(), "node"));
    tokio::select! {
        stopped = control::stop(layout, &nodes, Some(UP), clock) => return stopped.map(|_| ()),
        _ = interrupts.next() => {}
    }
    eprintln!("killing what is left");
    for (_, pid) in process::running(&nodes) {
        process::signal(pid, rustix::process::Signal::KILL)?;
    }
    control::stop(layout, &nodes, Some(UP), clock).await.map(|_| ())
}
