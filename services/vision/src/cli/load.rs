//! Arguments of `vision load`.

use std::path::PathBuf;

use clap::Args;

use super::{DEFAULT_NODE_URL, values};

/// `load`.
#[derive(Args, Debug)]
#[command(
    after_help = "Transactions fall due at the rate whether the network keeps up or not. What is due while every account has \
64 transactions waiting, which is all a node takes of one, is held back: told, and not made up for. Ten accounts and \
blocks every 2 s thus bear 320 a second; --accounts makes more of them.\n\n\
Example:\n  vision load --rate 200 --seconds 30 --node http://127.0.0.1:8080 --node http://127.0.0.1:8081"
)]
pub struct LoadArgs {
    /// Transactions a second.
    #[arg(long, value_name = "N", value_parser = values::within::<u64>(1..=100_000))]
    pub rate: u64,
    /// For how long; then what is accepted may still get into blocks for 30 s.
    #[arg(long, value_name = "S", value_parser = values::within::<u64>(1..=86_400))]
    pub seconds: u64,
    /// Directory of the funded accounts' keys, account*.key, as `testnet init` makes them.
    #[arg(long, value_name = "DIR", default_value = ".vision/testnet/accounts")]
    pub accounts_dir: PathBuf,
    /// How many accounts send [default: those of the directory]. Further ones are derived from these and funded first.
    #[arg(long, value_name = "N", value_parser = values::within::<u32>(1..=10_000))]
    pub accounts: Option<u32>,
    /// Send data that makes signed transactions of so many bytes, instead of transfers, which have 153.
    #[arg(long, value_name = "BYTES", value_parser = values::within::<u32>(117..=65_653))]
    pub size: Option<u32>,
    /// URL of a gateway; repeatable. Accounts are dealt over them in turn.
    #[arg(long = "node", value_name = "URL", default_value = DEFAULT_NODE_URL)]
    pub nodes: Vec<String>,
}
