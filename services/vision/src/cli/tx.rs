//! Arguments of `vision tx`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vision_primitives::Hash;

use super::RemoteArgs;
use vision_terminal::values;

/// Transaction commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Tx {
    /// Pay an amount to an address.
    #[command(after_help = "Example:\n  vision tx transfer --key alice.key --to ADDRESS --amount 100 --wait")]
    Transfer {
        #[command(flatten)]
        send: SendArgs,
        /// Address that gets the amount: 64 lowercase hex digits, as `vision keys show` prints it.
        #[arg(long, value_name = "ADDRESS", value_parser = values::hash)]
        to: Hash,
        /// How much, in the smallest unit.
        #[arg(long, value_name = "N", value_parser = values::amount)]
        amount: u64,
    },
    /// Publish bytes on the chain, at most 65536.
    #[command(
        override_usage = "vision tx data [OPTIONS] --key <FILE>\n       <--text <TEXT>|--hex <HEX>|--file \
        <FILE>>",
        after_help = "Example:\n  vision tx data --key alice.key --text 'the 5th of May' --wait"
    )]
    Data {
        #[command(flatten)]
        send: SendArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Register a producer; anyone may pay for it. It becomes active some blocks later, once it proves that
    /// it is in sync.
    #[command(
        after_help = "Example:\n  vision tx register --key alice.key --producer-key node4/producer.key --wait"
    )]
    Register {
        #[command(flatten)]
        send: SendArgs,
        /// File with the producer's key, which proves that its owner consents.
        #[arg(long, value_name = "FILE")]
        producer_key: PathBuf,
        /// Address that gets its rewards and fees [default: the producer's own].
        #[arg(long, value_name = "ADDRESS", value_parser = values::hash)]
        payout: Option<Hash>,
    },
    /// Remove a producer for good. Its own key signs, and the account of that key pays the fee.
    #[command(after_help = "Example:\n  vision tx exit --key node4/producer.key --wait")]
    Exit {
        #[command(flatten)]
        send: SendArgs,
    },
}

/// What all transactions take.
#[derive(Args, Debug, Clone)]
pub(crate) struct SendArgs {
    /// File with the key that signs; its account pays.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Fee in the smallest unit [default: the chain's minimum].
    #[arg(long, value_name = "N", value_parser = values::amount)]
    pub fee: Option<u64>,
    /// Nonce [default: the account's next, after its pending transactions].
    #[arg(long, value_name = "N", value_parser = values::whole)]
    pub nonce: Option<u64>,
    /// Wait until it is in a block, at most 25 s.
    #[arg(long)]
    pub wait: bool,
    /// Show the signed bytes and the hash, and submit nothing.
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Where data comes from.
#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
pub(crate) struct DataArgs {
    /// The bytes as text.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The bytes as hex digits.
    #[arg(long, value_name = "HEX")]
    pub hex: Option<String>,
    /// A file with the bytes.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}
