//! A line per block, for programs and whoever has no terminal to draw on.

use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::answers::{entries, height};
use crate::exit::{Exit, Failure, Outcome};
use crate::names::Names;
use crate::output::{self, Format, cell, short};
use crate::rest::Gateway;

/// How often the node is asked for new blocks.
const POLL: Duration = Duration::from_millis(200);
/// Pauses between tries while it does not answer; the last of them again and again.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Blocks fetched at once.
const PAGE_BLOCKS: u64 = 200;

/// Prints a line per block until the count is reached, nobody reads any more, or the caller stops it.
pub async fn run(gateway: &Gateway, from: Option<u64>, count: Option<u64>, format: Format) -> Outcome {
    let mut next = match from {
        Some(from) => from,
        None => height(gateway).await? + 1,
    };
    let names = match format {
        Format::Json => Names::default(),
        Format::Table => Names::ask(gateway).await,
    };
    let mut left = count.unwrap_or(u64::MAX);
    let mut failures = 0;
    while left > 0 {
        let mut pause = POLL;
        match blocks_from(gateway, next).await {
            Ok(blocks) => {
                if failures > 0 {
                    eprintln!("{} answers again", gateway.url());
                }
                failures = 0;
                next = height_after(&blocks).unwrap_or(next);
                for block in blocks.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    output::write(&lines_of(block, &names, format))?;
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
        true => Err(Failure::new(Exit::NobodyReads, "the reader of stdout has closed it")),
        false => Ok(()),
    }
}

/// One block as it is printed: for programs one line of JSON; for people a line for each slot that its owner
/// missed before it, and one for the block, nodes by name.
pub fn lines_of(block: &Value, names: &Names, format: Format) -> String {
    if format == Format::Json {
        return format!("{block}\n");
    }
    let height = cell(&block["height"]);
    let missed = entries(block, "missed").iter().map(|missed| {
        let (slot, owner) = (cell(&missed["slot"]), names.of_value(&missed["node_id"]));
        format!("missed {height:>6}  slot {slot}  {owner} produced no block\n")
    });
    let missed: String = missed.collect();
    format!("{missed}{}\n", block_line(block, names))
}

fn block_line(block: &Value, names: &Names) -> String {
    format!(
        "block {:>7}  {}  slot {}  by {}  {}",
        cell(&block["height"]),
        short(&block["hash"]),
        cell(&block["slot"]),
        names.of_value(&block["producer"]),
        block["tx_count"].as_u64().map_or_else(|| "- txs".into(), |number| output::count(number, "tx")),
    )
}

/// The blocks of a node's chain from a height on, none if it is not there yet.
pub async fn blocks_from(gateway: &Gateway, from: u64) -> Outcome<Vec<Value>> {
    let path = format!("/api/chain/blocks?from={from}&limit={PAGE_BLOCKS}");
    match gateway.get(&path).await {
        Ok(answer) => {
            let mut blocks = entries(&answer, "blocks").to_vec();
            for block in &mut blocks {
                add_missed(gateway, block).await;
            }
            Ok(blocks)
        }
        Err(failure) if failure.exit() == Exit::NotFound => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// Adds the slots of the primary and its backups that passed unused before a block, as events report them.
/// Where the node cannot say whose they were, nothing is added.
async fn add_missed(gateway: &Gateway, block: &mut Value) {
    let (height, slot) = (block["height"].as_u64().unwrap_or(0), block["slot"].as_u64().unwrap_or(0));
    // At height 1 nobody can know when to begin, so nobody misses a slot. Nearly all other blocks are the
    // primary's.
    if height <= 1 || slot == 0 || block["missed"].is_array() {
        return;
    }
    let path = format!("/api/mining/schedule?height={height}");
    if let Ok(schedule) = gateway.get(&path).await {
        block["missed"] = missed_in(&schedule, slot);
    }
}

/// The slots of a schedule before the one that was used, and their owners.
fn missed_in(schedule: &Value, used: u64) -> Value {
    let before = entries(schedule, "slots").iter().filter(|slot| slot["slot"].as_u64() < Some(used));
    before.map(|slot| json!({ "slot": slot["slot"], "node_id": slot["node_id"] })).collect()
}

/// The height after the last of these blocks.
pub fn height_after(blocks: &[Value]) -> Option<u64> {
    blocks.last().and_then(|block| block["height"].as_u64()).map(|height| height + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_line_with_names() {
        let (known, unknown) = ("ab".repeat(32), "cd".repeat(32));
        let mut names = Names::default();
        names.learn(&known, "node1");
        let block = |producer: &str, missed: Value| {
            let block = json!({
                "height": 12, "hash": "ef".repeat(32), "slot": 1, "producer": producer,
                "tx_count": 1, "missed": missed,
            });
            lines_of(&block, &names, Format::Table)
        };
        let cases = [
            (&known, Value::Null, "block      12  efefefef  slot 1  by node1  1 tx\n"),
            (
                &unknown,
                json!([{ "slot": 0, "node_id": known }]),
                "missed     12  slot 0  node1 produced no block\n\
                 block      12  efefefef  slot 1  by cdcdcdcd  1 tx\n",
            ),
        ];
        for (producer, missed, expect) in cases {
            assert_eq!(block(producer, missed), expect);
        }
        assert_eq!(lines_of(&json!({ "slot": 1 }), &names, Format::Json), "{\"slot\":1}\n");
    }

    #[test]
    fn the_slots_before_the_one_used_were_missed() {
        let slots: Vec<Value> =
            (0..3).map(|slot| json!({ "slot": slot, "node_id": slot.to_string() })).collect();
        let missed = |used| missed_in(&json!({ "slots": slots }), used);
        let of = |slot: u64| json!({ "slot": slot, "node_id": slot.to_string() });
        assert_eq!(missed(2), json!([of(0), of(1)]));
        assert_eq!(
            missed(9),
            json!([of(0), of(1), of(2)]),
            "a tail slot: the primary and all backups missed theirs"
        );
    }
}
