//! `vision status` and `vision watch`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{RemoteArgs, WatchArgs};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format, cell, count, properties, short};
use crate::query::{entries, height};
use crate::rest::Gateway;

/// How often `watch` asks for the head.
const POLL: Duration = Duration::from_millis(200);
/// Blocks fetched at once by `watch`.
const PAGE_BLOCKS: u64 = 200;

/// Said when the node gives no reason: it is asked twice, and the reason may pass in between.
const UNTOLD: &str = "no reason given; ask again";

/// Whether the node is in sync and producing.
pub async fn run(args: &RemoteArgs, format: Format) -> Outcome {
    let gateway = Gateway::new(&args.node)?;
    let chain = gateway.get("/api/status").await?;
    let mining = gateway.get("/api/mining/status").await?;
    if format == Format::Json {
        return output::json(&json!({ "status": chain, "mining": mining }));
    }
    output::write(&text(&chain, &mining))
}

fn text(chain: &Value, mining: &Value) -> String {
    let my_slot = match mining["my_slot"].as_u64() {
        Some(0) => "0 (primary)".into(),
        Some(slot) => format!("{slot} (backup)"),
        None => "none of the first slots".into(),
    };
    let head = format!("{} {}", cell(&chain["height"]), short(&chain["tip_hash"]));
    let heights = format!("{} of {}", cell(&mining["local_height"]), cell(&mining["network_height"]));
    let claim = entries(mining, "recent_claims").first().map_or("none".into(), |c| cell(&c[0]));
    let because = chain["not_eligible_because"].as_str().unwrap_or_default();
    let mut lines = vec![
        ("node", cell(&chain["node_id"])),
        ("chain", cell(&chain["chain_id"])),
        ("version", cell(&chain["version"])),
        ("head", head),
        ("finalized", cell(&chain["finalized_height"])),
        ("sync", cell(&mining["sync_state"])),
        ("height", heights),
        ("lag blocks", cell(&mining["lag_blocks"])),
        ("ready peers", cell(&mining["ready_peers"])),
        ("streak", cell(&mining["eligible_streak"])),
        ("eligible", if mining["eligible"] == true { "yes".into() } else { "no".into() }),
    ];
    if mining["eligible"] != true {
        lines.push(("because", if because.is_empty() { UNTOLD.into() } else { because.into() }));
    }
    lines.extend([
        ("next height", cell(&mining["next_height"])),
        ("its winner", cell(&mining["current_winner"])),
        ("my slot", my_slot),
        ("active pool", cell(&mining["eligible_pool_size"])),
        ("last claim", claim),
        ("uptime s", cell(&chain["uptime_seconds"])),
    ]);
    properties(&lines)
}

/// Prints a line per block until the count is reached or the caller stops it.
pub async fn watch(args: &WatchArgs, format: Format) -> Outcome {
    let gateway = Gateway::new(&args.remote.node)?;
    let mut next = match args.from {
        Some(from) => from,
        None => height(&gateway).await? + 1,
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut silent = false;
    while left > 0 {
        match blocks_from(&gateway, next).await {
            Ok(blocks) => {
                silent = false;
                next = height_after(&blocks).unwrap_or(next);
                for block in blocks.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    output::line(&match format {
                        Format::Json => block.to_string(),
                        Format::Table => block_line(block),
                    })?;
                    left -= 1;
                }
            }
            Err(failure) if !silent => {
                silent = true;
                eprintln!("{failure}; still trying");
            }
            Err(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// One block in one line.
pub fn block_line(block: &Value) -> String {
    format!(
        "block {:>7}  {}  slot {}  by {}  {}",
        cell(&block["height"]),
        short(&block["hash"]),
        cell(&block["slot"]),
        short(&block["producer"]),
        transactions(block),
    )
}

/// How many transactions a block has, in words.
pub fn transactions(block: &Value) -> String {
    block["tx_count"].as_u64().map_or_else(|| "- txs".into(), |number| count(number, "tx"))
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
    use super::*;

    #[test]
    fn the_status_says_why_not() {
        let chain =
            json!({ "height": 5, "tip_hash": "aabbccddee", "not_eligible_because": "NO_PEERS: none" });
        let mining = json!({ "eligible": false, "my_slot": null, "recent_claims": [[4, {}]] });
        let text = text(&chain, &mining);
        for expect in
            ["because      NO_PEERS: none", "eligible     no", "head         5 aabbccdd", "last claim   4"]
        {
            assert!(text.contains(expect), "{expect} in\n{text}");
        }
        let untold = super::text(&json!({ "not_eligible_because": null }), &mining);
        assert!(untold.contains("because      no reason given"), "{untold}");
        let eligible = json!({ "eligible": true, "my_slot": 0 });
        let text = super::text(&json!({ "not_eligible_because": "" }), &eligible);
        assert!(text.contains("0 (primary)") && !text.contains("because"), "{text}");
    }
}
