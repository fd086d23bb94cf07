//! A block for people, and the link to its trace.

use serde_json::Value;

use super::readable;
use super::table::{Column, table};
use vision_terminal::answers::entries;
use vision_terminal::output::{cell, fitting, properties_within, short};
use vision_terminal::rest::Gateway;

/// Stands for a block's trace in a URL.
const TRACE_ID: &str = "{trace_id}";
/// Jaeger on this machine.
const USUAL_TRACE_URL: &str = "http://127.0.0.1:16686/trace/{trace_id}";
/// What people look for first; whatever else there is follows.
const FIRST: [&str; 12] = [
    "height",
    "hash",
    "timestamp_ms",
    "slot",
    "producer",
    "producer_name",
    "tx_count",
    "size_bytes",
    "canonical",
    "finalized",
    "parent",
    "weight",
];
/// What people look for last.
const LAST: [&str; 2] = ["trace_id", "trace_url"];
/// Hundreds of digits that only a program reads.
const RAW: [&str; 2] = ["signature", "header"];

/// Adds where its trace is looked at: where the caller says, else at the usual place if the node sends traces
/// anywhere.
pub(super) async fn add_trace_link(gateway: &Gateway, url: Option<&str>, block: &mut Value) {
    let Some(link) = trace_link(url.unwrap_or(USUAL_TRACE_URL), block) else { return };
    // A node that cannot say so now has shown the block nevertheless.
    let exports =
        async || gateway.get("/api/status").await.is_ok_and(|status| status["traces_exported"] == true);
    if url.is_some() || exports().await {
        block["trace_url"] = link.into();
    }
}

fn trace_link(url: &str, block: &Value) -> Option<String> {
    let url = url.trim();
    // A variable that is set to nothing counts as unset.
    let id = block["trace_id"].as_str().filter(|_| !url.is_empty())?;
    Some(match url.contains(TRACE_ID) {
        true => url.replace(TRACE_ID, id),
        false => format!("{}/{id}", url.trim_end_matches('/')),
    })
}

/// A block's fields, and its transactions in a table below.
pub(super) fn text(block: &Value, width: Option<usize>) -> String {
    fields(block, &[], width)
}

/// The same with the canonical bytes.
pub(super) fn raw_text(block: &Value, width: Option<usize>) -> String {
    fields(block, &RAW, width)
}

fn fields(block: &Value, raw: &[&str], width: Option<usize>) -> String {
    let Some(all) = block.as_object() else { return cell(block) + "\n" };
    let plain = |name: &&str| all.get(*name).is_some_and(|value| !value.is_object() && !value.is_array());
    let others = all.keys().map(String::as_str);
    let others = others.filter(|name| ![&FIRST[..], &LAST, &RAW].concat().contains(name));
    let names = FIRST.into_iter().chain(others).chain(LAST).chain(raw.iter().copied()).filter(plain);
    let rows: Vec<_> = names.map(|name| (name, readable(name, &all[name]))).collect();
    let text = properties_within(width, &rows);
    let transactions = entries(block, "transactions");
    if transactions.is_empty() {
        return text;
    }
    let of = |hash, others| -> [Column; 6] {
        [
            ("hash", "hash", hash),
            ("type", "type", cell),
            ("sender", "sender", others),
            ("nonce", "nonce", cell),
            ("to", "to", others),
            ("amount", "amount", cell),
        ]
    };
    let below = fitting(
        width,
        [of(cell, cell), of(cell, short), of(short, short)].map(|columns| table(transactions, &columns)),
    );
    format!("{text}\n{below}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_links_to_its_trace() {
        let block = json!({ "trace_id": "ab" });
        let cases = [
            ("a place for the id", "http://j/trace/{trace_id}?x", Some("http://j/trace/ab?x")),
            ("none", "http://j/trace/", Some("http://j/trace/ab")),
            ("unset", " ", None),
        ];
        for (desc, url, expect) in cases {
            assert_eq!(trace_link(url, &block).as_deref(), expect, "{desc}");
        }
        assert_eq!(trace_link("http://j", &json!({})), None);
    }

    #[test]
    fn a_block_begins_with_what_people_look_for_and_shows_raw_bytes_only_when_asked() {
        let block = json!({
            "version": 1, "height": 12, "hash": "aa", "timestamp_ms": 1_700_000_000_123_u64,
            "header": "00".repeat(290),
            "signature": "11", "trace_id": "bb", "newer": true, "certificate": null, "transactions": [],
        });
        let names = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
        };
        let shown = text(&block, None);
        let expect = ["height", "hash", "timestamp_ms", "certificate", "newer", "version", "trace_id"];
        assert_eq!(names(&shown), expect);
        assert!(shown.contains("1700000000123 (2023-11-14 22:13:20.123 UTC)"), "{shown}");
        assert_eq!(names(&raw_text(&block, None))[7..], ["signature", "header"]);
    }

    #[test]
    fn transactions_stand_below() {
        let block =
            json!({ "height": 1, "transactions": [{ "hash": "cc", "type": "transfer", "amount": "5" }] });
        assert_eq!(text(&block, None).lines().next(), Some("height  1"));
        assert!(
            text(&block, None)
                .lines()
                .last()
                .is_some_and(|line| line.starts_with("cc") && line.contains('5'))
        );
    }

    #[test]
    fn a_block_fits_80_columns() {
        let hash = "cd".repeat(32);
        let transfer = json!({ "hash": hash, "type": "register_producer", "sender": hash,
        "nonce": 12_345, "to": hash,
            "amount": "18446744073709551615" });
        let block = json!({ "height": 1, "hash": hash, "certificate_hash": hash, "producer": hash,
            "trace_url": format!("http://127.0.0.1:16686/trace/{}", "ab".repeat(16)),
            "transactions": [transfer] });
        for (width, whole) in [(80, 3), (120, 3)] {
            let text = text(&block, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert_eq!(text.matches(&hash).count(), whole, "{width}\n{text}");
        }
    }
}
