//! Arguments of `vision testnet`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use vision_terminal::names::DEFAULT_TESTNET_DIR;
use vision_terminal::values;

/// Most log lines shown of a node to begin with.
const MAX_LINES: u64 = 1_000_000;

/// What the test network commands share.
#[derive(Args, Debug, Clone)]
pub struct DirArgs {
    /// Directory of the test network.
    #[arg(long, default_value = DEFAULT_TESTNET_DIR, env = "VISION_TESTNET_DIR", value_name = "DIR")]
    pub dir: PathBuf,
}

/// What decides how a new network looks.
#[derive(Args, Debug, Clone, Default)]
pub struct GenesisArgs {
    /// Milliseconds from a block to the start of the next height's first slot.
    #[arg(long, value_name = "MS", value_parser = values::whole)]
    pub block_interval_ms: Option<u64>,
    /// A consensus parameter of the genesis, e.g. claim_timeout_ms=400; repeatable.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
}

/// The first node's ports; the others' follow from them.
#[derive(Args, Debug, Clone, Default)]
pub struct PortArgs {
    /// P2P port of node 1; node i has this + i − 1 [default: 7072].
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub base_p2p_port: Option<u16>,
    /// REST port of node 1; node i has this + i − 1 [default: 8080].
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub base_api_port: Option<u16>,
    /// First of four gRPC ports of node 1; node i's are 10·(i − 1) higher [default: 50051].
    #[arg(long, value_name = "PORT", value_parser = values::port)]
    pub base_grpc_port: Option<u16>,
}

/// Test network commands.
#[derive(Subcommand, Debug)]
pub enum Testnet {
    /// Create keys, genesis and homes, without starting anything.
    #[command(
        after_help = "Example:\n  vision testnet init --nodes 4 --dir /tmp/net --param claim_timeout_ms=600"
    )]
    Init(InitArgs),
    /// Create the home of one more node. Once started, it follows the chain; once registered, it is a
    /// producer.
    Add(DirArgs),
    /// Create what is missing, start every node, and watch them agree.
    #[command(after_help = "Examples:\n  vision testnet up\n  vision testnet up --nodes 5 --detach\n  \
vision testnet up --dir /tmp/net2 --base-p2p-port 9072 \\\n    --base-api-port 9080 --base-grpc-port 51051")]
    Up(UpArgs),
    /// Show every node: process, ports, height, state.
    Status(DirArgs),
    /// Stop every node.
    Down(DirArgs),
    /// Show the nodes' logs.
    #[command(after_help = "Example:\n  vision testnet logs node2 -f")]
    Logs(LogsArgs),
    /// Kill a node at once (SIGKILL), as a crash would.
    Kill(OneNodeArgs),
    /// Start a node that is not running.
    Start(OneNodeArgs),
    /// Freeze a node (SIGSTOP), like a cut cable or a stalled machine.
    Pause(OneNodeArgs),
    /// Resume a frozen node (SIGCONT).
    Resume(OneNodeArgs),
}

/// Where the nodes of a new network will run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// All on this machine's loopback.
    #[default]
    Local,
    /// In containers, one per service, that find each other by service name, e.g. node1-chain.
    Compose,
    /// In pods, one per node, that find each other as node1-vision-0.vision-p2p.
    Kubernetes,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
        })
    }
}

/// `testnet init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    #[command(flatten)]
    pub(crate) dir: DirArgs,
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = values::within::<u16>(1..=100), value_name = "N")]
    pub nodes: u16,
    /// Name of the chain: 1 to 64 of a-z, 0-9 and -. Accounts are funded only if it contains `test` or `dev`.
    #[arg(long, default_value = "vision-testnet-1", value_name = "NAME")]
    pub chain_id: String,
    #[command(flatten)]
    pub(crate) genesis: GenesisArgs,
    /// Derive all keys from this text instead of the system's randomness. For tests only: anyone who knows it
    /// has the keys, and everybody on this machine can see arguments. `-` reads it from stdin.
    #[arg(long, value_name = "TEXT", env = "VISION_TESTNET_SEED", hide_env_values = true)]
    pub seed: Option<String>,
    /// Where the nodes will run.
    #[arg(long, value_enum, default_value = "local")]
    pub profile: Profile,
    /// If the network already exists, check that it is this one and complete, and leave it unchanged.
    #[arg(long)]
    pub if_missing: bool,
    /// A file of the clone, mounted here from the host: the network belongs to the clone's directory, and
    /// --if-missing refuses any other.
    #[arg(long, value_name = "FILE")]
    pub clone_file: Option<PathBuf>,
    /// Timestamp of block 0 in milliseconds since the Unix epoch [default: now].
    #[arg(long, value_name = "MS", value_parser = values::whole)]
    pub genesis_time_ms: Option<u64>,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
}

/// `testnet up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    #[command(flatten)]
    pub(crate) dir: DirArgs,
    /// How many nodes [default: 3, or as many as the network has].
    #[arg(long, value_parser = values::within::<u16>(1..=100), value_name = "N")]
    pub nodes: Option<u16>,
    #[command(flatten)]
    pub(crate) genesis: GenesisArgs,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
    /// Return once the nodes agree; they keep running until `vision testnet down`.
    #[arg(long)]
    pub detach: bool,
}

/// A command about one node.
#[derive(Args, Debug)]
pub struct OneNodeArgs {
    /// Which node: node2 or 2.
    #[arg(value_name = "NODE")]
    pub node: String,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

/// `testnet logs`.
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// Which node: node2 or 2 [default: all].
    #[arg(value_name = "NODE")]
    pub node: Option<String>,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
    /// Keep printing new lines.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each log to print first.
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N",
    value_parser = values::within::<usize>(0..=MAX_LINES))]
    pub lines: usize,
}
