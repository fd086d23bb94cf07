//! Arguments of `vision verify`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use vision_primitives::Hash;

use super::{RemoteArgs, values};

/// `verify`: a proof, or a range of blocks.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("what").required(true).args(["proof", "from"]),
    after_help = "Examples:
  vision query tx HASH --proof -o json | vision verify --proof - --block HASH
  vision query account ADDRESS --proof -o json | vision verify --proof - --genesis genesis.json
  vision verify --from 100 --to 200 --node http://127.0.0.1:8081
  vision verify --from 1
  vision verify --from 1 --to 5000 --genesis .vision/testnet/node1/genesis.json

Of a range every block is computed anew, and what is wrong is told in a line each. What takes the state (state roots, \
whether transactions apply, who is registered) is the node's word, unless the range begins at 1 and --genesis is given. \
A proof shows that something is under a block. That there is such a block takes something you trust: its hash (--block), \
or the genesis (--genesis): then a producer that the genesis names must have signed the header. Not shown by that is \
that the other producers have taken the block. Of a block by a producer that registered later the genesis shows nothing.\n\n\
Exit codes: 0 all is right, 1 something is wrong, 3 no node answers, or a proof holds only if there is such a block, \
4 no such block."
)]
pub struct VerifyArgs {
    /// What `vision query tx` or `vision query account` printed with `--proof -o json`; - for stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    pub proof: Option<PathBuf>,
    /// Hash of a block you trust, under which the proof must hold.
    #[arg(long, value_name = "HASH", value_parser = values::hash, conflicts_with_all = ["from", "to"])]
    pub block: Option<Hash>,
    /// Height of the first block checked, 1 or more.
    #[arg(long, value_name = "HEIGHT", value_parser = values::within::<u64>(1..=u64::MAX))]
    pub from: Option<u64>,
    /// Height of the last block checked [default: the node's head]. If the chain is not so long yet, the check ends there.
    #[arg(long, value_name = "HEIGHT", requires = "from", value_parser = values::whole)]
    pub to: Option<u64>,
    /// The chain's genesis. Of a range, all states are computed from it on; with --from 1. Of a proof, the header must be
    /// signed by one of the producers it names.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    #[command(flatten)]
    pub remote: RemoteArgs,
}
