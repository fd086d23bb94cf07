//! `vision verify`: fetches or reads what a node or a proof says, has `vision_light` judge it, and prints the
//! verdict.

mod block;
#[cfg(test)]
mod fake_node;
mod fault;
mod ground;
mod proof;
mod range;
mod report;
mod reported;
mod seal;

use std::path::{Path, PathBuf};

use vision_host::shell::word;
use vision_primitives::Genesis;

use crate::cli::VerifyArgs;
use seal::Trusted;
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::Format;
use vision_terminal::rest::Gateway;

/// Checks a proof or a range of blocks.
pub(crate) async fn run(args: &VerifyArgs, format: Format) -> Outcome {
    match (&args.proof, args.from) {
        (Some(file), None) => {
            let genesis = args.genesis.as_deref().map(read_genesis).transpose()?;
            let file_flag = |file: &PathBuf| format!(" --genesis {}", word(file));
            let flags = args.genesis.as_ref().map(file_flag).unwrap_or_default() + &args.remote.flag();
            proof::run(file, &Trusted { block: args.block, genesis, flags }, format)
        }
        (None, Some(from)) => {
            let range = range::Range::new(from, args.to, args.genesis.as_deref())?;
            range.run(&Gateway::new(&args.remote.node)?, format).await
        }
        _ => Err(Failure::usage("give either --proof FILE or --from HEIGHT")),
    }
}

/// A genesis file that the caller trusts.
fn read_genesis(file: &Path) -> Outcome<Genesis> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::io("read", file, &error).with_exit(Exit::Usage))?;
    Genesis::from_json(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}
