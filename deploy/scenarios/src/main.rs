//! Proves the docker-compose test network on real containers: breaks them in every way, and watches them
//! heal.
//!
//! Whatever is claimed about the chain is asked of the nodes, over REST and gRPC; docker is only asked to
//! break and to heal, and how its containers are.
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod block;
mod container;
mod dice;
mod docker;
mod failure;
mod fault;
mod four;
mod memory;
mod net;
mod node;
mod observer;
mod payments;
mod rest;
mod say;
mod scenarios;
mod wait;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum as _};
use tokio::signal::unix::{SignalKind, signal};
use vision_host::Clock;

use docker::Docker;
use failure::{Failure, Outcome};
use memory::Memory;
use net::Net;
use scenarios::{Options, Scenario, clones};

/// Log lines shown of each container concerned.
const LOG_LINES: u32 = 25;
/// Most containers whose logs are shown.
const MAX_LOGS: usize = 6;
/// How long all nodes are gone, seconds.
const SHORT_OUTAGE_S: u64 = 5;
/// The same with --long.
const LONG_OUTAGE_S: u64 = 240;
/// Blocks that the others make while a node is frozen.
const SHORT_FREEZE_BLOCKS: u64 = 6;
/// The same with --long.
const LONG_FREEZE_BLOCKS: u64 = 120;

/// Proves the docker-compose test network on real containers: starts it under a project name of its own,
/// breaks it in every way, watches it heal, and removes it again. Needs docker, its ports free, and for
/// crashes the right to kill processes of containers (root). Exit codes: 0 all came out as it must, 1
/// something did not, 2 wrong usage.
#[derive(Parser, Debug)]
#[command(name = "vision-scenarios", version)]
struct Cli {
    /// The compose command, such as "docker-compose" or "docker compose".
    #[arg(long, default_value = "docker-compose")]
    compose: String,
    /// The compose file. Its variables, such as IMAGE_TARGET, are taken from the environment.
    #[arg(long, default_value = "docker-compose.yml")]
    file: PathBuf,
    /// Project name; containers, networks and volumes of this name are removed in the end.
    #[arg(long, default_value = "vision-scenarios")]
    project: String,
    /// Runs only this scenario; may be given more than once. They run in the order of --list.
    #[arg(long, value_name = "NAME")]
    only: Vec<Scenario>,
    /// Lists the scenarios and ends.
    #[arg(long)]
    list: bool,
    /// Number of nodes; each scenario is for one number.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=4))]
    nodes: u16,
    /// Outage and freeze last minutes, not seconds.
    #[arg(long)]
    long: bool,
    /// How long the chaos lasts, seconds.
    #[arg(long, default_value_t = 300)]
    chaos_seconds: u64,
    /// Repeats the random choices of another run; else the clock chooses.
    #[arg(long)]
    seed: Option<u64>,
    /// Leaves the network up in the end, to look at it.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        for scenario in Scenario::ALL {
            let value = scenario.to_possible_value();
            let (name, about) =
                value.as_ref().map_or(("", None), |value| (value.get_name(), value.get_help()));
            say::line(format!("{name:<16} {}", about.map(ToString::to_string).unwrap_or_default()));
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(run(&cli))),
        Err(error) => Err(Failure::new("a runtime", error.to_string())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::error(failure.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Outcome {
    let made = tempfile::tempdir().map_err(|error| Failure::new("a directory", error.to_string()))?;
    let docker = Docker::new(&cli.compose, &cli.file, &cli.project);
    let docker =
        Arc::new(if cli.nodes == 3 { docker } else { docker.by_file(four_nodes(cli, made.path())?) });
    docker.check_usable().await?;
    nothing_in_the_way(&docker, cli.nodes).await?;
    let interrupted = interrupt()?;
    let outcome = tokio::select! {
        outcome = Box::pin(prove(cli, &docker)) => outcome,
        name = interrupted => Err(Failure::new("to be left to finish", name)),
    };
    if cli.keep {
        drop(made.keep());
        say::line(format!("left up; remove it by: {}", docker.compose_line("down -v")));
        return outcome;
    }
    say::line(format!("removing every container, network and volume of {}", cli.project));
    let other = Docker::new(&cli.compose, docker.file(), &clones::other_name(&cli.project));
    let removed = docker.down().await.and(other.down().await);
    if removed.is_ok() {
        say::line("nothing of it is left");
    }
    outcome.and(removed)
}

/// Writes the compose file of four nodes.
fn four_nodes(cli: &Cli, directory: &Path) -> Outcome<PathBuf> {
    let failed = |path: &Path, why: String| Failure::new(format!("{} to be usable", path.display()), why);
    let three = fs::read_to_string(&cli.file).map_err(|error| failed(&cli.file, error.to_string()))?;
    let four = four::derive(&three);
    let four = four.ok_or_else(|| failed(&cli.file, "it is not known how to add a node to it".into()))?;
    let path = directory.join("docker-compose.yml");
    fs::write(&path, four).map_err(|error| failed(&path, error.to_string()))?;
    Ok(path)
}

/// Fails with one line if the network cannot be started here.
async fn nothing_in_the_way(docker: &Docker, nodes: u16) -> Outcome {
    let left = docker.leftovers().await?;
    if !left.is_empty() {
        let remove = docker.compose_line("down -v");
        let expected = format!("no such project yet (remove it by `{remove}`, or give another --project)");
        return Err(Failure::new(expected, format!("{} and {} more of it", left[0], left.len() - 1)));
    }
    let ports: Vec<u16> = node::Node::first(nodes).iter().flat_map(node::Node::ports).collect();
    let free = async || {
        let is_taken = |port: &&u16| TcpListener::bind(("127.0.0.1", **port)).is_err();
        let taken: Vec<&u16> = ports.iter().filter(is_taken).collect();
        failure::check(taken.is_empty(), "", || format!("taken: {taken:?}"))
    };
    let listened = ports.iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok());
    // What nobody listens on is held by an outgoing connection, at most a minute after its end.
    let patience_s = if listened { 0 } else { 65 };
    let what = "free ports on 127.0.0.1 (is another test network up? stop it: `vision testnet down`)";
    wait::until(what, patience_s, free).await.map_err(|failure| failure.expected(what))
}

/// Takes over the signals that ask to end, and gives what waits for the first.
fn interrupt() -> Outcome<impl Future<Output = &'static str>> {
    let take = |kind| signal(kind).map_err(|error| Failure::new("to handle signals", error.to_string()));
    let mut interrupt = take(SignalKind::interrupt())?;
    let mut terminate = take(SignalKind::terminate())?;
    let mut hangup = take(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            _ = hangup.recv() => "SIGHUP",
        }
    })
}

async fn prove(cli: &Cli, docker: &Arc<Docker>) -> Outcome {
    let seed = cli.seed.unwrap_or_else(|| Clock::system(0).now_ms());
    let mut net = Net::new(Arc::clone(docker), cli.nodes, seed);
    let started = Box::pin(start(&mut net)).await;
    if let Err(failure) = started {
        return Err(show(&net, "start", failure).await);
    }
    let (memory, _watching) = Memory::watch(docker)?;
    let options = Options {
        chaos_seconds: cli.chaos_seconds,
        outage_seconds: if cli.long { LONG_OUTAGE_S } else { SHORT_OUTAGE_S },
        frozen_blocks: if cli.long { LONG_FREEZE_BLOCKS } else { SHORT_FREEZE_BLOCKS },
        memory,
    };
    let fits = |scenario: &Scenario| scenario.nodes() == cli.nodes;
    let chosen = |scenario: &Scenario| fits(scenario) && (cli.only.is_empty() || cli.only.contains(scenario));
    for scenario in Scenario::ALL.into_iter().filter(chosen) {
        let value = scenario.to_possible_value();
        let name = value.as_ref().map_or("", |value| value.get_name());
        say::line(name);
        if let Err(failure) = scenario.run(&net, &options).await {
            return Err(show(&net, name, failure).await);
        }
    }
    net.say("everything came out as it must");
    Ok(())
}

async fn start(net: &mut Net) -> Outcome {
    say::line("start");
    net.docker.up().await?;
    net.meet().await?;
    let height = net.wait_well().await?;
    net.say(format!("all well, agreed at height {height}"));
    Ok(())
}

/// Shows what went wrong, with the last log lines of the containers concerned; gives the failure with the
/// name of its scenario.
async fn show(net: &Net, scenario: &str, failure: Failure) -> Failure {
    say::line(format!(
        "FAILED: {scenario}\n  expected  {}\n  seen      {}",
        failure.wanted(),
        failure.found()
    ));
    let everybody = net.nodes.iter().map(|node| node.container(node::Service::Chain)).collect::<Vec<_>>();
    let concerned = if failure.concerned().is_empty() { &everybody } else { failure.concerned() };
    for service in concerned.iter().take(MAX_LOGS) {
        let log = net.docker.log_end(service, LOG_LINES).await;
        say::line(format!("--- end of the log of {service}\n{}", log.unwrap_or_else(|why| why.to_string())));
    }
    let expected = format!("{scenario}: {}", failure.wanted());
    failure.expected(expected)
}
