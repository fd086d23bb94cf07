//! `vision query`: what the chain holds, through a gateway.

mod block;
mod table;

use serde_json::Value;

use crate::cli::{Query, RemoteArgs};
use table::{blocks_text, peers_text, producers_text, schedule_text};
use vision_terminal::answers::height;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::names::Names;
use vision_terminal::output::{self, Format, cell, properties_within};
use vision_terminal::rest::Gateway;
use vision_terminal::values::{BlockId, BlockName};

/// Fields that are milliseconds since the Unix epoch.
const TIMES: [&str; 5] = ["timestamp_ms", "parent_timestamp_ms", "genesis_time_ms", "since_ms", "at_ms"];

/// Makes text of an answer, for so many columns.
type Show = fn(&Value, Option<usize>) -> String;

/// Runs one query.
pub(crate) async fn run(query: &Query, format: Format) -> Outcome {
    let (mut answer, show): (Value, Show) = match query {
        Query::Head(remote) => (found(&Gateway::new(&remote.node)?, None).await?, block::text),
        Query::Block { id, raw, trace_url, remote } => {
            let gateway = Gateway::new(&remote.node)?;
            let mut answer = found(&gateway, id.and_then(BlockName::id)).await?;
            block::add_trace_link(&gateway, trace_url.as_deref(), &mut answer).await;
            (answer, if *raw { block::raw_text } else { block::text })
        }
        Query::Blocks { from, limit, remote } => {
            let gateway = Gateway::new(&remote.node)?;
            let from = match from {
                Some(from) => *from,
                None => (height(&gateway).await? + 1).saturating_sub(*limit),
            };
            let path = format!("/api/chain/blocks?from={from}&limit={limit}");
            (gateway.get(&path).await?, blocks_text)
        }
        Query::Producers { height, remote } => {
            let at = height.map(|h| format!("?height={h}")).unwrap_or_default();
            let path = format!("/api/chain/producers{at}");
            (Gateway::new(&remote.node)?.get(&path).await?, producers_text)
        }
        Query::Schedule { height, slots, remote } => {
            let pairs = [height.map(|h| format!("height={h}")), slots.as_ref().map(|s| format!("slots={s}"))];
            let given: Vec<String> = pairs.into_iter().flatten().collect();
            let path = format!("/api/mining/schedule?{}", given.join("&"));
            let path = path.trim_end_matches('?');
            (Gateway::new(&remote.node)?.get(path).await?, schedule_text)
        }
        Query::Account { address, proof, remote } => {
            let path = format!(
                "/api/accounts/{address}{}",
                asking(*proof, format, &format!("account {address}"), remote)
            );
            (Gateway::new(&remote.node)?.get(&path).await?, flat)
        }
        Query::Tx { hash, data: true, remote, .. } => {
            let path = format!("/api/transactions/{hash}");
            return output::bytes(&data_of(&Gateway::new(&remote.node)?.get(&path).await?)?);
        }
        Query::Tx { hash, proof, remote, .. } => {
            let path =
                format!("/api/transactions/{hash}{}", asking(*proof, format, &format!("tx {hash}"), remote));
            (Gateway::new(&remote.node)?.get(&path).await?, transaction_text)
        }
        Query::Peers(remote) => (Gateway::new(&remote.node)?.get("/api/peers").await?, peers_text),
        Query::Params(remote) => (Gateway::new(&remote.node)?.get("/api/chain/params").await?, flat),
    };
    match format {
        Format::Json => output::json(&answer),
        Format::Table => {
            if let Some(remote) = of_nodes(query) {
                table::with_names(&mut answer, &Names::ask(&Gateway::new(&remote.node)?).await);
            }
            output::write(&show(&answer, output::width()))
        }
    }
}

/// The node asked, if what it is asked for has ids of nodes in it.
const fn of_nodes(query: &Query) -> Option<&RemoteArgs> {
    match query {
        Query::Head(remote)
        | Query::Block { remote, .. }
        | Query::Blocks { remote, .. }
        | Query::Producers { remote, .. }
        | Query::Schedule { remote, .. }
        | Query::Peers(remote) => Some(remote),
        Query::Account { .. } | Query::Tx { .. } | Query::Params(_) => None,
    }
}

/// The bytes that a transaction publishes.
fn data_of(answer: &Value) -> Outcome<Vec<u8>> {
    let inner = &answer["transaction"];
    if let Some(data) = inner["data"].as_str() {
        return hex::decode(data)
            .map_err(|error| Failure::failed(format!("the node sent invalid hex: {error}")));
    }
    let hash = cell(&answer["hash"]);
    Err(match inner["type"].as_str() {
        Some(kind) => {
            Failure::failed(format!("transaction {hash} is a {kind}; only data transactions publish bytes"))
        }
        None => Failure::not_found(format!("the node no longer keeps the bytes of transaction {hash}")),
    })
}

/// The query for a proof, which is for programs.
fn asking(proof: bool, format: Format, what: &str, remote: &RemoteArgs) -> &'static str {
    if proof && format == Format::Table {
        eprintln!(
            "a proof is shown in JSON only; check it with `vision query {what} --proof -o json{} | \
            vision verify --proof -`",
            remote.flag()
        );
    }
    if proof { "?proof=true" } else { "" }
}

fn transaction_text(answer: &Value, width: Option<usize>) -> String {
    let Some(inner) = answer["transaction"].as_object() else { return flat(answer, width) };
    let shown = inner.iter().filter(|(name, _)| *name != "hash");
    let pairs: Vec<_> = shown.map(|(name, value)| (name.as_str(), brief(value))).collect();
    format!("{}\n{}", flat(answer, width), properties_within(width, &pairs))
}

async fn found(gateway: &Gateway, id: Option<BlockId>) -> Outcome<Value> {
    let id = match id {
        Some(id) => id,
        None => {
            let tip = cell(&gateway.get("/api/status").await?["tip_hash"]);
            let strange = |_| {
                let url = gateway.url();
                Failure::failed(format!("{url}/api/status has no hash of the head; is it a vision node?"))
            };
            BlockId::Hash(tip.parse().map_err(strange)?)
        }
    };
    gateway.get(&format!("/api/chain/blocks/{id}")).await
}

/// Every field that is no list or object, one a line.
fn flat(answer: &Value, width: Option<usize>) -> String {
    let Some(fields) = answer.as_object() else { return cell(answer) + "\n" };
    let plain = fields.iter().filter(|(_, value)| !value.is_object() && !value.is_array());
    let rows: Vec<_> = plain.map(|(name, value)| (name.as_str(), readable(name, value))).collect();
    properties_within(width, &rows)
}

/// A value as a cell; a time with what it means to people.
fn readable(name: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(ms) if TIMES.contains(&name) => format!("{ms} ({})", output::time(ms)),
        _ => cell(value),
    }
}

/// A cell that may be long, cut to what a line can bear.
fn brief(value: &Value) -> String {
    let text = cell(value);
    if text.chars().count() <= 64 { text } else { text.chars().take(63).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vision_terminal::answers::entries;

    use super::*;

    #[test]
    fn lists_are_found_bare_or_named() {
        let list = json!([{ "height": 1 }, { "height": 2 }]);
        let cases = [
            ("bare", list.clone(), 2),
            ("named", json!({ "blocks": list }), 2),
            ("none", json!({ "other": 1 }), 0),
        ];
        for (desc, answer, expect) in cases {
            assert_eq!(entries(&answer, "blocks").len(), expect, "{desc}");
        }
    }

    #[test]
    fn a_transaction_is_shown_with_what_it_does() {
        let inner = json!({ "hash": "aa", "type": "transfer", "amount": "5", "bytes": "0".repeat(99) });
        let answer = json!({ "hash": "aa", "status": "pending", "transaction": inner });
        let text = transaction_text(&answer, None);
        assert_eq!(text.matches("aa").count(), 1, "{text}");
        assert!(
            text.contains("amount  5") && text.contains("000…") && text.contains("status  pending"),
            "{text}"
        );
        let gone = json!({ "status": "dropped", "reason": "EXPIRED" });
        assert_eq!(transaction_text(&gone, None), "reason  EXPIRED\nstatus  dropped\n");
    }

    #[test]
    fn the_data_of_a_transaction_is_its_bytes() {
        let of = |inner: Value| data_of(&json!({ "hash": "aa", "transaction": inner }));
        assert_eq!(of(json!({ "type": "data", "data": "00ff0a" })).ok(), Some(vec![0, 255, 10]));
        assert_eq!(of(json!({ "type": "data", "data": "" })).ok(), Some(vec![]));
        let cases = [
            ("another kind", json!({ "type": "transfer" }), vision_terminal::exit::Exit::Failed),
            ("gone", json!(null), vision_terminal::exit::Exit::NotFound),
        ];
        for (desc, inner, expect) in cases {
            assert_eq!(of(inner).err().map(|failure| failure.exit()), Some(expect), "{desc}");
        }
    }

    #[test]
    fn times_are_shown_for_people_too() {
        let answer = json!({ "since_ms": 0, "at_ms": 1_700_000_000_123_u64, "rtt_ms": 5 });
        let expect = "at_ms     1700000000123 (2023-11-14 22:13:20.123 UTC)\nrtt_ms    5\nsince_ms  0 \
        (1970-01-01 00:00:00.000 UTC)\n";
        assert_eq!(flat(&answer, None), expect);
        let blocks = json!([{ "height": 1, "timestamp_ms": 1_700_000_000_123_u64 }]);
        let text = blocks_text(&blocks, None);
        assert!(text.contains(" TIME ") && text.contains(" 2023-11-14 22:13:20.123 UTC "), "{text}");
    }

    #[test]
    fn a_flat_answer_leaves_lists_out() {
        assert_eq!(flat(&json!({ "a": 1, "b": [1], "c": "x" }), None), "a  1\nc  x\n");
    }
}
