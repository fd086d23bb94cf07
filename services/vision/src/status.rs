//! `vision status`.

mod all;

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::StatusArgs;
use vision_terminal::answers::entries;
use vision_terminal::exit::{Exit, Outcome};
use vision_terminal::names::Names;
use vision_terminal::output::{self, Format, cell, count, properties_within, short};
use vision_terminal::rest::Gateway;

/// How often the two answers of a node are asked for again until they are of one head.
const TRIES: u32 = 5;
/// Pause between two of these tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// Said when the node gives no reason.
const NO_REASON: &str = "no reason given";

/// Whether the node is in sync and producing, or how all nodes are.
pub(crate) async fn run(args: &StatusArgs, format: Format) -> Outcome {
    let url = &args.remote.node;
    if args.all {
        return all::run(url, format).await;
    }
    let gateway = Gateway::new(url)?;
    let (chain, mining) = ask(&gateway).await?;
    match format {
        Format::Json => output::json(&json!({ "status": chain, "mining": mining.as_ref().ok() }))?,
        Format::Table => {
            let names = Names::ask(&gateway).await;
            let rows = rows(&chain, mining.as_ref().map_err(ToString::to_string), &names);
            output::write(&properties_within(output::width(), &rows))?;
        }
    }
    mining.map(|_| ())
}

/// Head and sync are one answer, what the producer plans is another. They are asked for again while a block
/// falls between them.
async fn ask(gateway: &Gateway) -> Outcome<(Value, Outcome<Value>)> {
    let mut tries = 0;
    loop {
        let (chain, mining) = tokio::join!(gateway.get("/api/status"), gateway.get("/api/mining/status"));
        let chain = chain?;
        if let Err(failure) = &mining
            && failure.exit() == Exit::Usage
        {
            // It is no gateway.
            return mining.map(|mining| (chain, Ok(mining)));
        }
        tries += 1;
        if tries >= TRIES || mining.as_ref().is_ok_and(|mining| is_of_head(&chain, mining)) {
            return Ok((chain, mining));
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Whether the producer speaks of the height above the head.
fn is_of_head(chain: &Value, mining: &Value) -> bool {
    let next = chain["height"].as_u64().and_then(|height| height.checked_add(1));
    next.is_some() && mining["next_height"].as_u64() == next
}

/// A row of the table.
type Row = (&'static str, String);

fn rows(chain: &Value, mining: Result<&Value, String>, names: &Names) -> Vec<Row> {
    let because = chain["not_eligible_because"].as_str().unwrap_or_default();
    let eligible = chain["eligible"] == true;
    let mut rows = vec![
        ("node", names.beside(&chain["node_id"])),
        ("chain", cell(&chain["chain_id"])),
        ("version", cell(&chain["version"])),
        ("head", format!("{} {}", cell(&chain["height"]), short(&chain["tip_hash"]))),
        ("finalized", cell(&chain["finalized_height"])),
    ];
    rows.extend(sync(chain));
    rows.push(("eligible", if eligible { "yes".into() } else { "no".into() }));
    if !eligible {
        rows.push(("because", if because.is_empty() { NO_REASON.into() } else { because.into() }));
    }
    rows.extend(plans(chain, mining, names));
    rows.push(("uptime s", cell(&chain["uptime_seconds"])));
    rows
}

/// What the oracle found at its last look, and how long ago that was.
fn sync(chain: &Value) -> [Row; 6] {
    let known = !chain["network_height"].is_null();
    let of_network = |name: &str| if known { cell(&chain[name]) } else { "unknown".into() };
    let state = if known { in_words(chain) } else { "unknown: no ready peer to compare with".into() };
    let age = chain["measured_ms_ago"].as_u64();
    [
        ("sync", state),
        ("network height", of_network("network_height") + &beside_the_head(chain)),
        ("lag blocks", of_network("lag_blocks")),
        ("ready peers", cell(&chain["ready_peers"])),
        ("streak", cell(&chain["eligible_streak"])),
        ("measured", age.map_or("unknown".into(), |ms| format!("{}.{} s ago", ms / 1000, ms % 1000 / 100))),
    ]
}

/// The state of its sync, as the dashboard says it.
fn in_words(chain: &Value) -> String {
    let behind = chain["lag_blocks"].as_u64().unwrap_or(0);
    let behind = format!("{} behind", count(behind, "block"));
    match chain["sync_state"].as_str() {
        Some("AtTip") => "in sync".into(),
        Some("CatchingUp") => format!("catching up, {behind}"),
        Some("Behind") => behind,
        Some("TooFarAhead") => "far ahead of its peers".into(),
        _ => cell(&chain["sync_state"]),
    }
}

/// Why the network's height is not the head's, if it is not: one is of now, the other of the last
/// measurement.
fn beside_the_head(chain: &Value) -> String {
    let heights = chain["height"].as_u64().zip(chain["network_height"].as_u64());
    match heights {
        Some((head, network)) if head > network => {
            format!(", as measured; this node's head is {} newer", count(head - network, "block"))
        }
        Some((head, network)) if head < network => {
            format!(", as measured; this node lacks {}", count(network - head, "block"))
        }
        _ => String::new(),
    }
}

/// What the producer says of the height above the head, if it is there yet.
fn plans(chain: &Value, mining: Result<&Value, String>, names: &Names) -> Vec<Row> {
    let current = mining.as_ref().is_ok_and(|mining| is_of_head(chain, mining));
    let mining = match mining {
        Ok(mining) => mining,
        Err(why) => return vec![("next height", format!("unknown: {why}"))],
    };
    let claim = entries(mining, "recent_claims").first().map_or("none".into(), |c| cell(&c[0]));
    let next = cell(&mining["next_height"]);
    if !current {
        let stale =
            format!("unknown: the producer last reported on height {next}, which is not the next one");
        return vec![("next height", stale), ("last claim", claim)];
    }
    let my_slot = match mining["my_slot"].as_u64() {
        Some(0) => "0 (primary)".into(),
        Some(slot) => format!("{slot} (backup)"),
        None => "none of the first slots".into(),
    };
    vec![
        ("next height", next),
        ("made by", names.beside(&mining["current_winner"])),
        ("my slot", my_slot),
        ("active pool", cell(&mining["eligible_pool_size"])),
        ("last claim", claim),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Value {
        json!({
            "height": 14, "tip_hash": "aabbccddee", "sync_state": "AtTip", "eligible": true, "ready_peers": 2,
            "network_height": 14, "lag_blocks": 0, "eligible_streak": 7, "measured_ms_ago": 1234,
            "not_eligible_because": null,
        })
    }

    fn mining() -> Value {
        json!({ "next_height": 15, "current_winner": "cc", "my_slot": 0, "recent_claims": [[9, {}]] })
    }

    fn text(chain: &Value, mining: Result<&Value, String>) -> String {
        properties_within(None, &rows(chain, mining, &Names::default()))
    }

    #[test]
    fn a_status_fits_80_columns_with_its_ids_in_full() {
        let mut chain = chain();
        (chain["eligible"], chain["node_id"]) = (json!(false), json!("ab".repeat(32)));
        chain["not_eligible_because"] =
            json!("TOO_FEW_PEERS: ".to_owned() + &"start more nodes, or ".repeat(8));
        for width in [80, 120] {
            let mut names = Names::default();
            names.learn(&"ab".repeat(32), "node1");
            let rows = rows(&chain, Err("no gateway answers ".repeat(9)), &names);
            let text = properties_within(Some(width), &rows);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert!(text.contains(&"ab".repeat(32)) && text.matches("more").count() == 8, "{width}\n{text}");
        }
    }

    type Edit = fn(&mut Value, &mut Value);
    /// What two answers are made to say, and what stands in the text or does not.
    type Case<'a> = (&'a str, Edit, &'a [&'a str], &'a [&'a str]);

    fn check(cases: &[Case<'_>]) {
        for (desc, edit, expect, never) in cases {
            let (mut chain, mut mining) = (chain(), mining());
            edit(&mut chain, &mut mining);
            let text = text(&chain, Ok(&mining));
            let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in *expect {
                assert!(words.contains(part), "{desc}: {part} in\n{text}");
            }
            for part in *never {
                assert!(!words.contains(part), "{desc}: no {part} in\n{text}");
            }
        }
    }

    #[test]
    fn the_state_is_in_words_and_two_heights_are_explained() {
        check(&[
            (
                "a block came since the measurement",
                |c, _| c["network_height"] = json!(13),
                &["network height 13, as measured; this node's head is 1 block newer lag"],
                &["lacks"],
            ),
            (
                "blocks that are not here yet",
                |c, _| {
                    (c["network_height"], c["lag_blocks"]) = (json!(16), json!(2));
                    c["sync_state"] = json!("CatchingUp");
                },
                &[
                    "sync catching up, 2 blocks behind",
                    "network height 16, as measured; this node lacks 2 blocks",
                ],
                &["newer", "CatchingUp"],
            ),
            (
                "far behind",
                |c, _| (c["sync_state"], c["lag_blocks"]) = (json!("Behind"), json!(90)),
                &["sync 90 blocks behind"],
                &["Behind"],
            ),
            (
                "far ahead",
                |c, _| c["sync_state"] = json!("TooFarAhead"),
                &["sync far ahead of its peers"],
                &["TooFarAhead"],
            ),
        ]);
    }

    #[test]
    fn a_reading_is_of_one_moment_and_the_unknown_is_said_to_be_unknown() {
        let cases: [Case; 6] = [
            (
                "all is well",
                |_, _| {},
                &[
                    "head 14 aabbccdd",
                    "sync in sync",
                    "network height 14 lag",
                    "measured 1.2 s ago",
                    "eligible yes",
                    "my slot 0 (primary)",
                    "last claim 9",
                ],
                &["because", "unknown", "AtTip", "measured;"],
            ),
            (
                "it says why not",
                |c, _| (c["eligible"], c["not_eligible_because"]) = (json!(false), json!("BEHIND: by 9")),
                &["eligible no", "because BEHIND: by 9"],
                &["unknown"],
            ),
            ("it does not", |c, _| c["eligible"] = json!(false), &["because no reason given"], &[]),
            (
                "no peer",
                |c, _| (c["network_height"], c["lag_blocks"]) = (Value::Null, Value::Null),
                &["sync unknown: no ready peer", "network height unknown", "lag blocks unknown"],
                &["AtTip", "in sync"],
            ),
            (
                "a producer that stands still",
                |_, m| m["next_height"] = json!(13),
                &["next height unknown: the producer last reported on height 13", "last claim 9"],
                &["made by", "my slot"],
            ),
            ("an older gateway", |c, _| c["measured_ms_ago"] = Value::Null, &["measured unknown"], &[]),
        ];
        check(&cases);
        let text = text(&chain(), Err("no producer".into()));
        assert!(text.contains("unknown: no producer") && text.contains("in sync"), "{text}");
    }
}
