//! The command line.

mod notary;
mod sim;
mod tx;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use vision_load::LoadArgs;
use vision_primitives::Hash;
use vision_testnet::Testnet;

use vision_terminal::output::Format;
use vision_terminal::url::{DEFAULT_NODE_URL, NODE_VARIABLE, node_flag};
use vision_terminal::values;

pub(crate) use notary::{NotariseArgs, RecordedArgs};
pub(crate) use sim::{Seconds, SimArgs};
pub(crate) use tx::{DataArgs, SendArgs, Tx};
pub(crate) use verify::VerifyArgs;

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 not healthy, timed out, or nothing trusted \
to check a proof against, 4 not found, 5 refused for safety.";

/// Vision: a tamper-evident, ordered record that several organisations run together.
#[derive(Parser, Debug)]
#[command(name = "vision", version, about, max_term_width = 80, after_help = format!("\
Examples:
  vision testnet up                        three nodes here; Ctrl-C stops them
  vision status                            is the node producing? If not, why?
  vision query block 12 -o json            a block as JSON
  vision tx transfer --help                pay somebody
  vision node --home .vision/testnet/node1 one node alone

{EXIT_CODES}"))]
pub(crate) struct Cli {
    /// Format of the data on stdout.
    #[arg(short, long, value_enum, global = true, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the command line, or ends the process with what is wrong with it.
pub(crate) fn parse() -> Cli {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let command = without_variables(Cli::command(), is_empty);
    let line: Vec<OsString> = std::env::args_os().collect();
    let matches = matches(command, &line).unwrap_or_else(|error| error.exit());
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Reads a line. An error's usage shows what was typed as required: a flag that only a variable has given is
/// not.
fn matches(command: clap::Command, line: &[OsString]) -> Result<clap::ArgMatches, clap::Error> {
    command.clone().try_get_matches_from(line).map_err(|error| {
        // Help is asked for, and names the variables.
        if !error.use_stderr() {
            return error;
        }
        let is_optional: fn(&Arg) -> bool = |arg| !arg.is_required_set();
        match without_variables(command, is_optional).try_get_matches_from(line) {
            Err(plain) if plain.kind() == error.kind() => plain,
            _ => error,
        }
    })
}

/// The command without some of its variables. Those that are empty count as unset, everywhere.
fn without_variables(command: clap::Command, goes: fn(&Arg) -> bool) -> clap::Command {
    let unset = |arg: Arg| if goes(&arg) { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(unset).mut_subcommands(|below| without_variables(below, goes))
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Create and run a test network on this machine.
    #[command(subcommand)]
    Testnet(Testnet),
    /// Run the five services of one node in one process.
    Node(NodeArgs),
    /// Run the chain service alone: blocks, state, peers.
    Chain(ServiceArgs),
    /// Run the sync-oracle service alone: is this node in sync?
    SyncOracle(ServiceArgs),
    /// Run the selection service alone: who owns which slot?
    Selection(ServiceArgs),
    /// Run the producer service alone: holds the key, signs blocks.
    Producer(ServiceArgs),
    /// Run the gateway service alone: REST.
    Gateway(ServiceArgs),
    /// Ask a gRPC port for its health; exit 0 only when it serves.
    Healthcheck(HealthcheckArgs),
    /// Create and show keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Read the chain through a node's gateway.
    #[command(subcommand)]
    Query(Query),
    /// Build, sign and submit transactions.
    #[command(subcommand)]
    Tx(Tx),
    /// Record a file on the chain; only its SHA-256 is published.
    Notarise(NotariseArgs),
    /// Is this file recorded, and if so, in which block, when and by whom? Exit code 4 if it is not.
    Recorded(RecordedArgs),
    /// Check a proof offline, or a node's blocks without trusting the node; exit code 1 if something is
    /// wrong.
    Verify(VerifyArgs),
    /// Send transactions at a steady rate, and measure.
    Load(LoadArgs),
    /// Run whole networks under faults in simulated time, decided by a seed, and check them.
    Sim(SimArgs),
    /// Print a shell completion script.
    #[command(
        after_help = "Example:\n  vision completions bash > ~/.local/share/bash-completion/completions/vision"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Is the node in sync and producing, and if not, why?
    #[command(
        after_help = "Examples:\n  vision status --node http://127.0.0.1:8081 -o json\n  vision status --all"
    )]
    Status(StatusArgs),
    /// Follow the network: a live picture on a terminal, otherwise a line per block and per missed slot.
    #[command(
        after_help = "On a terminal, q, Esc or Ctrl-C quits. With --from, --count or -o json, or if stdout \
        is not a terminal or TERM is dumb: a line per block and per missed slot. NO_COLOR switches colours \
off.\n\nExamples:\n  vision watch\n  vision watch --count 10"
    )]
    Watch(WatchArgs),
}

/// Format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What every command that runs services takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct ServiceArgs {
    /// Directory with config.toml, genesis.json, keys and data.
    #[arg(long, env = "VISION_HOME", value_name = "DIR")]
    pub home: PathBuf,
    /// Format of log lines on stderr.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Lowest level to log: error, warn, info, debug or trace, or a filter such as info,vision_chain=debug.
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

/// `node`.
#[derive(Args, Debug, Clone)]
#[command(
    after_help = "Example:\n  vision node --home .vision/testnet/node1 --api-port 9080 --log-format json"
)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// P2P port instead of the configured one.
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub p2p_port: Option<u16>,
    /// REST port instead of the configured one.
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub api_port: Option<u16>,
    /// First of four gRPC ports (chain, sync-oracle, selection, producer) instead of the configured ones.
    #[arg(long, value_name = "PORT", value_parser = values::within::<u16>(1..=65_532))]
    pub grpc_port: Option<u16>,
    /// Write the log to this file, capped in size, and leave the caller's session.
    #[arg(long, hide = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// `healthcheck`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vision healthcheck --addr 127.0.0.1:50051 \\\n    --service \
    vision.chain.v1.ChainService")]
pub(crate) struct HealthcheckArgs {
    /// The gRPC port to ask.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: String,
    /// Name of a gRPC service; the whole process when left out.
    #[arg(long, default_value = "", value_name = "NAME")]
    pub service: String,
}

/// Key commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Keys {
    /// Create a key; the file gets mode 0600.
    #[command(after_help = "Example:\n  vision keys new --out alice.key")]
    New {
        /// File to create; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show a key's public half and address, never the secret.
    #[command(after_help = "Examples:\n  vision keys show alice.key\n  vision keys show --home \
        .vision/testnet/node1")]
    Show(ShowArgs),
    /// Create the key that identifies this node to its peers (peer.key), and certify it with the node's key
    /// (peer.cert). An existing peer key is kept and certified again, as is necessary after a change of
    /// genesis.json.
    #[command(after_help = "Example:\n  vision keys peer --home .vision/testnet/node1")]
    Peer {
        /// Directory of the node, with genesis.json.
        #[arg(long, env = "VISION_HOME", value_name = "DIR")]
        home: PathBuf,
        /// The node's key, which certifies [default: producer.key in the directory].
        #[arg(long, value_name = "FILE")]
        producer_key: Option<PathBuf>,
    },
    /// Create the first claims of a key that has never signed anything. Refused if there are any.
    NewClaims {
        /// Directory of the node.
        #[arg(long, env = "VISION_HOME", value_name = "DIR")]
        home: PathBuf,
    },
    /// Create a new claims file for a key that lost its old one. Only safe above every height the key may
    /// have signed.
    ResetClaims {
        /// Directory of the node.
        #[arg(long, env = "VISION_HOME", value_name = "DIR")]
        home: PathBuf,
        /// The node will sign only above this height. Use the network's height plus a margin.
        #[arg(long, value_name = "HEIGHT", value_parser = values::whole)]
        above: u64,
    },
}

/// `keys show`.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ShowArgs {
    /// A key file.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A key file, as a flag.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Directory of a node.
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// What every command that asks a gateway takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct RemoteArgs {
    /// URL of a node's gateway.
    #[arg(long, default_value = DEFAULT_NODE_URL, env = NODE_VARIABLE, value_name = "URL")]
    pub node: String,
}

impl RemoteArgs {
    /// The flag that names this node in a command to be typed, with a blank before it.
    pub(crate) fn flag(&self) -> String {
        node_flag(&self.node)
    }
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Show every node that this one knows; nodes whose gateway is known are asked directly. Exit code 3 if a
    /// producer is not healthy.
    #[arg(long)]
    pub all: bool,
}

/// `watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// First height shown [default: the next block].
    #[arg(long, value_name = "HEIGHT", value_parser = values::whole)]
    pub from: Option<u64>,
    /// Stop after this many blocks.
    #[arg(long, value_name = "N", value_parser = values::whole)]
    pub count: Option<u64>,
}

/// Query commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Query {
    /// The block the node builds on.
    Head(RemoteArgs),
    /// One block with its transactions.
    #[command(
        after_help = "If the node sends traces to a collector (docs/tracing.md), a link opens the trace of \
        the height in Jaeger.\n\nExamples:\n  vision query block 12\n  vision query block latest"
    )]
    Block {
        /// Height or hash; the head if it is `latest` or left out.
        #[arg(value_name = "HEIGHT|HASH|latest")]
        id: Option<values::BlockName>,
        /// Show the signature and the header's bytes too; `-o json` always has them.
        #[arg(long)]
        raw: bool,
        /// URL of the trace viewer; {trace_id} is replaced by the id. Empty: show no link [default, if the
        /// node exports traces: http://127.0.0.1:16686/trace/{trace_id}].
        #[arg(long, env = "VISION_TRACE_URL", value_name = "URL")]
        trace_url: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Blocks from a height upward.
    Blocks {
        /// First height [default: chosen so that the head comes last].
        #[arg(long, value_name = "HEIGHT", value_parser = values::whole)]
        from: Option<u64>,
        /// Maximum number of blocks.
        #[arg(long, default_value_t = 20, value_parser = values::within::<u64>(1..=500), value_name = "N")]
        limit: u64,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Who is registered after a block: active, suspended, or a candidate.
    Producers {
        /// After the block of this height [default: the head].
        #[arg(long, value_name = "HEIGHT", value_parser = values::whole)]
        height: Option<u64>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Who owns which slot of a height, and when.
    Schedule {
        /// The height [default: the next].
        #[arg(long, value_name = "HEIGHT", value_parser = values::whole)]
        height: Option<u64>,
        /// How many slots from slot 0 on, or which, e.g. 0,3 or 5-9 [default: the primary and all backups].
        #[arg(long, value_name = "N|LIST", value_parser = values::slot_list)]
        slots: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// What an account holds.
    #[command(after_help = "Example:\n  vision query account ADDRESS --proof -o json")]
    Account {
        /// Address: 64 lowercase hex digits, with or without a 0x.
        #[arg(value_name = "ADDRESS", value_parser = values::hash)]
        address: Hash,
        /// Include a proof: see `vision verify`.
        #[arg(long)]
        proof: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Where a transaction is: pending, in a block, or dropped.
    #[command(
        after_help = "Example:\n  vision query tx HASH --proof -o json\n  vision query tx HASH --data > file"
    )]
    Tx {
        /// Its hash: 64 lowercase hex digits, with or without a 0x.
        #[arg(value_name = "HASH", value_parser = values::hash)]
        hash: Hash,
        /// Include a proof that it is in its block: see `vision verify`.
        #[arg(long)]
        proof: bool,
        /// Write only the bytes that it publishes to stdout, unchanged.
        #[arg(long, conflicts_with = "proof")]
        data: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// The node's peers.
    Peers(RemoteArgs),
    /// The chain's parameters.
    Params(RemoteArgs),
}

#[cfg(test)]
mod tests;
