//! `vision testnet up`: from nothing to nodes that agree, then watching them.

use std::process::Child;
use std::time::Duration;

use vision_host::Clock;

use super::config::Neighbours;
use super::control::{self, show_tail};
use super::init::{self, Plan};
use super::layout::{Facts, Layout, NodeFacts, Urls};
use super::ports::BasePorts;
use super::process::{self, Life, millis};
use super::same;
use super::table::{self, NodeView};
use super::watch;
use crate::cli::{Profile, UpArgs};
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::rest::Gateway;
use crate::signals::Interrupts;

/// How long the nodes may take to agree on a block above genesis, besides two block intervals.
const AGREE_DEADLINE: Duration = Duration::from_secs(60);
/// How often they are asked meanwhile.
const ASK: Duration = Duration::from_millis(200);

/// Makes what is missing, starts every node that does not run, and waits until all agree.
pub async fn run(args: &UpArgs, clock: &Clock, format: Format) -> Outcome {
    let layout = Layout::new(&args.dir.dir)?;
    let facts = prepare(&layout, args, clock)?;
    let mut interrupts = Interrupts::new()?;
    let mut started = start_missing(&layout, &facts, clock).await?;
    let facts = Facts::load(&layout)?;
    let agreed = tokio::select! {
        agreed = agree(&facts, &mut started, clock) => agreed,
        name = interrupts.next() => Err(Failure::failed(format!("{name} came before the nodes agreed"))),
    };
    let views = match agreed {
        Ok(views) => views,
        Err(failure) => {
            let ours: Vec<_> = of_started(&facts, &started);
            control::stop(&layout, &ours, clock).await?;
            return Err(failure);
        }
    };
    let printed = table::print(&facts, &views, format);
    next_commands(args, &facts);
    if args.detach {
        return printed;
    }
    let watched = match printed {
        Ok(()) => watch::run(&layout, &facts, &mut started, &views, format, &mut interrupts).await,
        failed => failed,
    };
    stop_everything(&layout, clock, &mut interrupts).await?;
    watched
}

/// The network of the directory, made if there is none, with the ports the caller wants.
fn prepare(layout: &Layout, args: &UpArgs, clock: &Clock) -> Outcome<Facts> {
    if !layout.exists() {
        let plan = Plan {
            nodes: args.nodes.unwrap_or(3),
            chain_id: "vision-testnet-1".into(),
            genesis: args.genesis.clone(),
            seed: None,
            profile: Profile::Local,
            genesis_time_ms: clock.now_ms(),
            ports: BasePorts::new(&args.ports),
        };
        let facts = init::make(layout, &plan)?;
        eprintln!("made a network of {} nodes in {}", facts.nodes.len(), layout.dir().display());
        return Ok(facts);
    }
    let facts = Facts::load(layout)?;
    if facts.profile != Profile::Local {
        return Err(same::other(
            layout,
            facts.profile,
            "is not made for this machine's loopback; start it where it belongs",
        ));
    }
    same::check_genesis(layout, &facts, args.nodes, &args.genesis)?;
    eprintln!("the network in {} is already there", layout.dir().display());
    move_ports(layout, facts, args)
}

/// Gives the nodes other ports, in the facts and in every configuration, if the caller asks for it.
fn move_ports(layout: &Layout, facts: Facts, args: &UpArgs) -> Outcome<Facts> {
    let Some(first) = facts.nodes.first() else { return Ok(facts) };
    let count = u16::try_from(facts.nodes.len()).unwrap_or(u16::MAX);
    let given = [args.ports.base_p2p_port, args.ports.base_api_port, args.ports.base_grpc_port];
    if given.iter().all(Option::is_none) {
        return Ok(facts);
    }
    let ports = BasePorts::over(&args.ports, &first.ports).assign(count)?;
    if facts.nodes.iter().zip(&ports).all(|(node, ports)| node.ports == *ports) {
        return Ok(facts);
    }
    if let Some(running) = facts.nodes.iter().find(|node| Life::of(node) != Life::Stopped) {
        return Err(Failure::refused(format!(
            "{} runs on other ports; stop the network first with `vision testnet down --dir {}`",
            running.name,
            layout.dir().display()
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
    })
}

/// The processes this command started.
pub type Started = Vec<(String, Child)>;

/// Starts every node that does not run; if one cannot be started, none stays.
async fn start_missing(layout: &Layout, facts: &Facts, clock: &Clock) -> Outcome<Started> {
    let missing: Vec<&NodeFacts> = facts.nodes.iter().filter(|n| Life::of(n) == Life::Stopped).collect();
    if missing.is_empty() {
        eprintln!("all {} nodes are already running", facts.nodes.len());
    }
    for node in &missing {
        node.ports.check_free(&node.name)?;
    }
    let mut started = Started::new();
    for node in missing {
        match process::spawn(node) {
            Ok(child) => started.push((node.name.clone(), child)),
            Err(failure) => {
                remember(layout, &started)?;
                control::stop(layout, &of_started(&Facts::load(layout)?, &started), clock).await?;
                return Err(failure);
            }
        }
    }
    remember(layout, &started)?;
    Ok(started)
}

fn remember(layout: &Layout, started: &Started) -> Outcome {
    let change = |facts: &mut Facts| {
        for (name, child) in started {
            facts.set_pid(name, Some(child.id()));
        }
        Ok(())
    };
    Facts::update(layout, change).map(|_| ())
}

fn of_started(facts: &Facts, started: &Started) -> Vec<NodeFacts> {
    let ours = |node: &&NodeFacts| started.iter().any(|(name, _)| *name == node.name);
    facts.nodes.iter().filter(ours).cloned().collect()
}

/// Waits until all nodes have the same block at the lowest of their heights, above genesis.
async fn agree(facts: &Facts, started: &mut Started, clock: &Clock) -> Outcome<Vec<NodeView>> {
    let intervals = Duration::from_millis(facts.block_interval_ms.saturating_mul(2));
    let deadline = clock.monotonic_ms() + millis(AGREE_DEADLINE) + millis(intervals);
    eprintln!("waiting until {} nodes agree on a block above genesis", facts.nodes.len());
    loop {
        let views = NodeView::of_all(&facts.nodes).await;
        if common_block(&views).await.is_some() {
            for (name, child) in started.iter_mut() {
                control::until_serving(facts.node(name)?, child, clock).await?;
            }
            // The heights of the table are those of now, not of before the blocks were compared.
            return Ok(NodeView::of_all(&facts.nodes).await);
        }
        for (name, child) in started.iter_mut() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(control::ended(facts.node(name)?, status));
            }
        }
        if clock.monotonic_ms() >= deadline {
            return Err(not_agreed(&views, facts));
        }
        tokio::time::sleep(ASK).await;
    }
}

/// The hash all nodes have at the lowest of their heights.
async fn common_block(views: &[NodeView]) -> Option<String> {
    let heights: Option<Vec<u64>> = views.iter().map(NodeView::height).collect();
    let lowest = heights?.into_iter().min().filter(|height| *height > 0)?;
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
    eprint!("{}", table::render(views));
    let stuck = views.iter().min_by_key(|view| view.height());
    let name = stuck.map_or("a node", |view| view.facts.name.as_str());
    if let Some(view) = stuck {
        show_tail(&view.facts);
    }
    let state = stuck.map_or_else(String::new, NodeView::state);
    Failure::unhealthy(format!(
        "the {} nodes did not agree on a block in time, {name} is furthest behind ({state}); see its log above",
        facts.nodes.len()
    ))
}

fn next_commands(args: &UpArgs, facts: &Facts) {
    let dir = match args.dir.dir.to_str() {
        Some(crate::cli::DEFAULT_TESTNET_DIR) | None => String::new(),
        Some(dir) => format!(" --dir {dir}"),
    };
    let Some(node) = facts.nodes.first() else { return };
    let url = match node.urls.rest.as_str() {
        crate::cli::DEFAULT_NODE_URL => String::new(),
        url => format!(" --node {url}"),
    };
    let last = facts.nodes.last().map_or("node1", |node| node.name.as_str());
    // As this program was called, so that the lines can be typed as they stand.
    let vision = std::env::args().next().unwrap_or_else(|| "vision".into());
    eprintln!(
        "\nnext:\n  {vision} status{url}\n  {vision} query head{url}\n  curl {}/api/mining/status\n  \
         {vision} testnet status{dir}\n  {vision} testnet kill {last}{dir}\n  {vision} testnet start {last}{dir}\n  \
         {vision} testnet logs {last} -f{dir}",
        node.urls.rest
    );
    if args.detach {
        eprintln!("  {vision} testnet down{dir}");
    } else {
        eprintln!("Ctrl-C stops all nodes.\n");
    }
}

/// Stops all nodes of the network, also those another command has started since. A second signal
/// kills them at once.
async fn stop_everything(layout: &Layout, clock: &Clock, interrupts: &mut Interrupts) -> Outcome {
    let nodes = Facts::load(layout)?.nodes;
    eprintln!("stopping {} nodes", nodes.len());
    tokio::select! {
        stopped = control::stop(layout, &nodes, clock) => return stopped,
        _ = interrupts.next() => {}
    }
    eprintln!("killing what is left");
    for pid in nodes.iter().filter_map(|node| Life::of(node).pid()) {
        process::signal(pid, rustix::process::Signal::KILL)?;
    }
    control::stop(layout, &nodes, clock).await
}
