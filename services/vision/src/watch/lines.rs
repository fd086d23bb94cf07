//! A line per block, for programs and whoever has no terminal to draw on.

use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::cli::WatchArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::names::Names;
use crate::output::{self, Format, cell, count, short};
use crate::query::{entries, height};
use crate::rest::Gateway;

/// How often the node is asked for new blocks.
const POLL: Duration = Duration::from_millis(200);
/// Pauses between tries while it does not answer; the last of them again and again.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Blocks fetched at once.
const PAGE_BLOCKS: u64 = 200;

/// Prints a line per block until the count is reached, nobody reads any more, or the caller stops it.
pub async fn run(args: &WatchArgs, format: Format) -> Outcome {
    let gateway = Gateway::new(&args.remote.node)?;
    let mut next = match args.from {
        Some(from) => from,
        None => height(&gateway).await? + 1,
    };
    let names = match format {
        Format::Json => Names::default(),
        Format::Table => Names::ask(&gateway).await,
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut failures = 0;
    while left > 0 {
        let mut pause = POLL;
        match blocks_from(&gateway, next).await {
            Ok(blocks) => {
                if failures > 0 {
                    eprintln!("{} answers again", gateway.url());
                }
                failures = 0;
                next = height_after(&blocks).unwrap_or(next);
                for block in blocks.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    output::line(&match format {
                        Format::Json => block.to_string(),
                        Format::Table => block_line(block, &names),
                    })?;
                    left -= 1;
                }
            }
            Err(failure) => {
                if failures == 0 {
                    eprintln!("{failure}; still trying");
                }
                pause = PAUSES[failures.min(PAUSES.len() - 1)];
                failures += 1;
            }
        }
        nobody_reads()?;
        if left > 0 {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// Whether the reader of a pipe has gone away, though there is nothing to write now.
fn nobody_reads() -> Outcome {
    let stdout = std::io::stdout();
    let mut watched = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_gone = poll(&mut watched, Some(&at_once)).is_ok() && watched[0].revents().contains(PollFlags::ERR);
    match is_gone {
        true => Err(Failure::new(Exit::NobodyReads, "nobody reads stdout any more")),
        false => Ok(()),
    }
}

/// One block in one line, nodes by name.
pub fn block_line(block: &Value, names: &Names) -> String {
    let missed = entries(block, "missed").iter().map(|slot| names.of_value(&slot["node_id"]));
    let missed = missed.collect::<Vec<_>>().join(", ");
    let missed = if missed.is_empty() { missed } else { format!("  missed by {missed}") };
    format!(
        "block {:>7}  {}  slot {}  by {}  {}{missed}",
        cell(&block["height"]),
        short(&block["hash"]),
        cell(&block["slot"]),
        names.of_value(&block["producer"]),
        block["tx_count"].as_u64().map_or_else(|| "- txs".into(), |number| count(number, "tx")),
    )
}

/// The blocks of a node's chain from a height on, none if it is not there yet.
pub async fn blocks_from(gateway: &Gateway, from: u64) -> Outcome<Vec<Value>> {
    let path = format!("/api/chain/blocks?from={from}&limit={PAGE_BLOCKS}");
    match gateway.get(&path).await {
        Ok(answer) => Ok(entries(&answer, "blocks").to_vec()),
        Err(failure) if failure.exit() == Exit::NotFound => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// The height after the last of these blocks.
pub fn height_after(blocks: &[Value]) -> Option<u64> {
    blocks.last().and_then(|block| block["height"].as_u64()).map(|height| height + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_is_a_line_with_names() {
        let (known, unknown) = ("ab".repeat(32), "cd".repeat(32));
        let mut names = Names::default();
        names.learn(&known, "node1");
        let block = |producer: &str, missed: Value| {
            let block = json!({
                "height": 12, "hash": "ef".repeat(32), "slot": 1, "producer": producer, "tx_count": 1, "missed": missed,
            });
            block_line(&block, &names)
        };
        let cases = [
            (&known, Value::Null, "block      12  efefefef  slot 1  by node1  1 tx"),
            (
                &unknown,
                json!([{ "node_id": known }]),
                "block      12  efefefef  slot 1  by cdcdcdcd  1 tx  missed by node1",
            ),
        ];
        for (producer, missed, expect) in cases {
            assert_eq!(block(producer, missed), expect);
        }
    }
}
