//! Arguments of `vision notarise` and `vision recorded`.

use std::path::PathBuf;

use clap::Args;

use super::{RemoteArgs, SendArgs};

/// `notarise`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vision notarise contract.pdf --key alice.key --wait")]
pub(crate) struct NotariseArgs {
    /// The file; it is read and not sent.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub send: SendArgs,
}

/// `recorded`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vision recorded contract.pdf\n\nThis trusts the node. `vision query tx HASH \
    --proof -o json` gives a proof of the transaction it names, which `vision verify` checks without \
    trusting the node."
)]
pub(crate) struct RecordedArgs {
    /// The file; it is read and not sent.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub remote: RemoteArgs,
}
