//! `vision verify`: computes anew what a proof or a node says, and believes neither.

mod audit;
mod block;
#[cfg(test)]
mod fake_node;
mod fault;
mod ground;
mod proof;
mod range;
mod report;
mod told;

use crate::cli::VerifyArgs;
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::rest::Gateway;

/// Checks a proof or a range of blocks.
pub async fn run(args: &VerifyArgs, format: Format) -> Outcome {
    match (&args.proof, args.from.zip(args.to)) {
        (Some(file), None) => proof::run(file, args.block, format),
        (None, Some((from, to))) => {
            let range = range::Range::new(from, to, args.genesis.as_deref())?;
            range.run(&Gateway::new(&args.remote.node)?, format).await
        }
        _ => Err(Failure::usage("give either --proof FILE, or --from HEIGHT and --to HEIGHT")),
    }
}
