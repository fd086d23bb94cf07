//! Arguments of `vision load`.

use std::path::PathBuf;

use clap::Args;

use vision_terminal::url::{DEFAULT_NODE_URL, NODE_VARIABLE};
use vision_terminal::values;

/// `load`.
#[derive(Args, Debug)]
#[command(
    after_help = "Transactions become due at this rate, whether the network keeps up or not. A node accepts \
    64 pending transactions per account. While every account has that many, due transactions are held back: \
    they are reported, and not sent later. So ten accounts and a block every 2 s allow 320 a second; \
    --accounts adds accounts.\n\n\
Example:\n  vision load --rate 200 --seconds 30 \\\n    --node http://127.0.0.1:8080 --node \
http://127.0.0.1:8081"
)]
pub struct LoadArgs {
    /// Transactions a second.
    #[arg(long, value_name = "N", value_parser = values::within::<u64>(1..=100_000))]
    pub rate: u64,
    /// For how long. After that, accepted transactions have 30 s more to get into blocks.
    #[arg(long, value_name = "S", value_parser = values::within::<u64>(1..=86_400))]
    pub seconds: u64,
    /// Directory of the funded accounts' keys, account*.key, as `testnet init` creates them.
    #[arg(long, value_name = "DIR", default_value = ".vision/testnet/accounts")]
    pub accounts_dir: PathBuf,
    /// How many accounts send [default: those of the directory]. More are derived from these and funded
    /// first.
    #[arg(long, value_name = "N", value_parser = values::within::<u32>(1..=10_000))]
    pub accounts: Option<u32>,
    /// Send data transactions of this many signed bytes, instead of transfers, which have 153.
    #[arg(long, value_name = "BYTES", value_parser = values::within::<u32>(117..=65_653))]
    pub size: Option<u32>,
    /// URL of a gateway; repeatable. Accounts are spread over them in turn.
    #[arg(long = "node", value_name = "URL", default_value = DEFAULT_NODE_URL, env = NODE_VARIABLE)]
    pub nodes: Vec<String>,
}
