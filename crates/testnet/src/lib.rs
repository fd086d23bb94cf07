//! A test network on this machine: one process per node, one directory for everything.
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod add;
mod args;
mod clone;
mod config;
mod control;
mod ends;
mod homes;
mod init;
mod layout;
mod live;
mod logs;
mod next;
mod ports;
mod process;
mod same;
mod started;
mod table;
mod up;
mod watch;

use std::path::Path;

use vision_host::Clock;
use zeroize::Zeroizing;

use init::Plan;
use layout::Layout;
use ports::BasePorts;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output::{self, Format, properties};

pub use args::{DirArgs, GenesisArgs, InitArgs, LogsArgs, OneNodeArgs, PortArgs, Profile, Testnet, UpArgs};
pub use process::MAX_LOG_BYTES;

/// Creates the first claims of a new key in a home: what only the producer's own code knows to do.
pub type NewClaims = fn(&Path) -> Outcome;

/// A text that keys are derived from is no longer.
const MAX_SEED_BYTES: usize = 4096;

/// `vision testnet …`.
pub async fn run(command: &Testnet, new_claims: NewClaims, format: Format) -> Outcome {
    let clock = Clock::system(0);
    match command {
        Testnet::Init(args) => make(args, &clock, new_claims, format),
        Testnet::Add(args) => add::run(args, new_claims, format),
        Testnet::Up(args) => up::run(args, &clock, new_claims, format).await,
        Testnet::Status(args) => control::status(args, format).await,
        Testnet::Down(args) => control::down(args, &clock).await,
        Testnet::Logs(args) => logs::run(args).await,
        Testnet::Kill(args) => control::kill(args, &clock).await,
        Testnet::Start(args) => control::start(args, &clock).await,
        Testnet::Pause(args) => control::pause(args),
        Testnet::Resume(args) => control::resume(args),
    }
}

/// The text that keys are derived from: what was given, or for `-` the first line of `input`.
fn read_seed(given: &str, input: impl std::io::BufRead) -> Outcome<Zeroizing<String>> {
    if given != "-" {
        return Ok(Zeroizing::new(given.to_owned()));
    }
    let mut line = Zeroizing::new(String::with_capacity(MAX_SEED_BYTES));
    let mut input = std::io::Read::take(input, MAX_SEED_BYTES as u64);
    std::io::BufRead::read_line(&mut input, &mut line)
        .map_err(|error| Failure::failed(format!("cannot read the seed from stdin: {error}")))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    match line.is_empty() {
        true => Err(Failure::usage("--seed -: stdin holds no text")),
        false => Ok(line),
    }
}

fn make(args: &InitArgs, clock: &Clock, new_claims: NewClaims, format: Format) -> Outcome {
    let layout = Layout::new(&args.dir.dir)?;
    let plan = Plan {
        nodes: args.nodes,
        chain_id: args.chain_id.clone(),
        genesis: args.genesis.clone(),
        seed: args.seed.as_deref().map(|text| read_seed(text, std::io::stdin().lock())).transpose()?,
        profile: args.profile,
        genesis_time_ms: args.genesis_time_ms.unwrap_or_else(|| clock.now_ms()),
        ports: BasePorts::new(&args.ports),
        clone: args.clone_file.as_deref().map(clone::directory).transpose()?,
        new_claims,
    };
    let facts = if args.if_missing && layout.exists() {
        // Before anything else is compared: another clone may well want another network.
        let facts = clone::check(&layout, plan.clone.as_deref())?;
        same::check(&layout, &facts, &plan)?;
        eprintln!("the network in {} is already there", layout.dir().display());
        facts
    } else {
        let facts = init::make(&layout, &plan)?;
        if !init::is_test_net(&plan.chain_id) {
            eprintln!(
                "no account is funded: the name {} does not mark a test network (it has neither test nor dev \
                in it)",
                plan.chain_id
            );
        }
        facts
    };
    match format {
        Format::Json => output::json(&serde_json::to_value(&facts).unwrap_or_default())?,
        Format::Table => output::write(&properties(&[
            ("directory", layout.dir().display().to_string()),
            ("chain_id", facts.chain_id),
            ("genesis_hash", facts.genesis_hash),
            ("nodes", facts.nodes.len().to_string()),
        ]))?,
    }
    if args.profile == Profile::Local {
        eprintln!("start it with: {}", layout.command("up"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_an_argument_or_the_first_line_of_the_input() {
        let cases = [
            ("given", "unread", Some("given")),
            ("-", "a text\r\nand more", Some("a text")),
            ("-", "no line end", Some("no line end")),
            ("-", "\n", None),
            ("-", "", None),
        ];
        for (given, input, expect) in cases {
            let read = read_seed(given, input.as_bytes()).ok();
            assert_eq!(read.as_ref().map(|text| text.as_str()), expect, "{given:?} {input:?}");
        }
    }
}
