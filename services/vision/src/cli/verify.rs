//! Arguments of `vision verify`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use vision_primitives::Hash;

use super::RemoteArgs;
use vision_terminal::values;

/// `verify`: a proof, or a range of blocks.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("what").required(true).args(["proof", "from"]),
    after_help = "Examples:
  vision query tx HASH --proof -o json | \\
    vision verify --proof - --block HASH
  vision query account ADDRESS --proof -o json | \\
    vision verify --proof - --genesis genesis.json
  vision verify --from 100 --to 200 --node http://127.0.0.1:8081
  vision verify --from 1
  vision verify --from 1 --genesis .vision/testnet/node1/genesis.json

With a range, every block is recomputed, and each fault is reported on a line. What depends on the state \
(state roots, whether transactions apply, who is registered) is taken from the node, unless the range begins \
at 1 and --genesis is given.\n\n\
A proof shows that something is in a block. That the block exists must follow from something you trust: its \
hash (--block), or the genesis (--genesis). With the genesis, a producer that it names must have signed the \
header; this does not show that the other producers accepted the block. The genesis shows nothing about \
blocks of producers that registered later.\n\n\
Exit codes: 0 everything is correct, 1 something is wrong, 3 no node answers, or nothing trusted to check a \
proof against, 4 no such block."
)]
pub(crate) struct VerifyArgs {
    /// Output of `vision query tx` or `vision query account` with `--proof -o json`; - for stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    pub proof: Option<PathBuf>,
    /// Hash of a block you trust; the proof must lead to it.
    #[arg(long, value_name = "HASH", value_parser = values::hash, conflicts_with_all = ["from", "to"])]
    pub block: Option<Hash>,
    /// Height of the first block checked, 1 or more.
    #[arg(long, value_name = "HEIGHT", value_parser = values::within::<u64>(1..=u64::MAX))]
    pub from: Option<u64>,
    /// Height of the last block checked [default: the node's head]. If the chain is shorter, the check ends
    /// at its head.
    #[arg(long, value_name = "HEIGHT", requires = "from", value_parser = values::whole)]
    pub to: Option<u64>,
    /// The chain's genesis. With --from 1, all states are computed from it. With a proof, one of the
    /// producers it names must have signed the header.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    #[command(flatten)]
    pub remote: RemoteArgs,
}
