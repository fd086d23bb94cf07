//! The `vision` binary: one node or one service of it, a test network, and the operator's commands.
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod cli;
mod completions;
mod healthcheck;
mod keys;
mod logfile;
mod node;
mod notary;
mod open_files;
mod query;
mod service;
mod sim;
mod status;
mod tx;
mod verify;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;

use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::service::Service;

use cli::{Cli, Command};

/// How long work on other threads may still take once a command has ended.
const LEFTOVERS: Duration = Duration::from_secs(2);
/// How long a collector of traces may still be waited for.
const LAST_SPANS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run(&cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli) -> Outcome {
    let mut builder = match &cli.command {
        Command::Node(_)
        | Command::Chain(_)
        | Command::SyncOracle(_)
        | Command::Selection(_)
        | Command::Producer(_)
        | Command::Gateway(_)
        | Command::Load(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::failed(format!("cannot start the runtime: {error}; is the machine out of threads?"))
    })?;
    let outcome = runtime.block_on(Box::pin(dispatch(cli)));
    runtime.shutdown_timeout(LEFTOVERS);
    vision_host::telemetry::flush(LAST_SPANS);
    outcome
}

async fn dispatch(cli: &Cli) -> Outcome {
    let format = cli.output;
    match &cli.command {
        Command::Testnet(command) => vision_testnet::run(command, service::create_claims, format).await,
        Command::Node(args) => node::run(args).await,
        Command::Chain(args) => node::run_one(Service::Chain, args).await,
        Command::SyncOracle(args) => node::run_one(Service::SyncOracle, args).await,
        Command::Selection(args) => node::run_one(Service::Selection, args).await,
        Command::Producer(args) => node::run_one(Service::Producer, args).await,
        Command::Gateway(args) => node::run_one(Service::Gateway, args).await,
        Command::Healthcheck(args) => healthcheck::run(args, format).await,
        Command::Keys(command) => keys::run(command, format),
        Command::Query(query) => query::run(query, format).await,
        Command::Tx(command) => tx::run(command, format).await,
        Command::Notarise(args) => notary::notarise(args, format).await,
        Command::Recorded(args) => notary::recorded(args, format).await,
        Command::Verify(args) => verify::run(args, format).await,
        Command::Load(args) => vision_load::run(args, format).await,
        Command::Sim(args) => sim::run(args, format).await,
        Command::Completions { shell } => completions::run(*shell),
        Command::Status(args) => status::run(args, format).await,
        Command::Watch(args) => watch::run(args, format).await,
    }
}
