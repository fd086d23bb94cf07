//! Answers that are lists, as tables.

use serde_json::Value;

use super::{entries, flat};
use crate::output::{self, Table, cell, fitting, short};

/// A column: the field's name, its heading, and how its value becomes a cell.
pub type Column = (&'static str, &'static str, fn(&Value) -> String);

/// A row per entry.
pub fn table(entries: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new(&columns.iter().map(|(_, heading, _)| *heading).collect::<Vec<_>>());
    for entry in entries {
        table.row(columns.iter().map(|(name, _, show)| show(&entry[*name])));
    }
    table.render()
}

/// A time alone.
fn time(value: &Value) -> String {
    value.as_u64().map_or_else(|| cell(value), output::time)
}

/// The same where the heading names the zone.
fn bare_time(value: &Value) -> String {
    time(value).trim_end_matches(" UTC").to_owned()
}

/// Milliseconds to a tenth.
fn tenth(value: &Value) -> String {
    value.as_f64().map_or_else(|| cell(value), |ms| format!("{ms:.1}"))
}

pub fn blocks_text(answer: &Value, width: Option<usize>) -> String {
    let of = |id, heading, show| -> [Column; 6] {
        [
            ("height", "height", cell),
            ("hash", "hash", id),
            ("slot", "slot", cell),
            ("producer", "producer", id),
            ("timestamp_ms", heading, show),
            ("tx_count", "tx_count", cell),
        ]
    };
    let blocks = entries(answer, "blocks");
    let forms = [of(cell, "time", time), of(short, "time", time), of(short, "time (UTC)", bare_time)];
    fitting(width, forms.map(|columns| table(blocks, &columns)))
}

pub fn producers_text(answer: &Value, width: Option<usize>) -> String {
    let of = |id| -> [Column; 6] {
        [
            ("node_id", "node_id", id),
            ("status", "status", cell),
            ("missed", "missed", cell),
            ("suspensions", "suspensions", cell),
            ("suspended_at", "suspended_at", cell),
            ("may_return_at", "may_return_at", cell),
        ]
    };
    let mut all = [entries(answer, "registered"), entries(answer, "candidates")].concat();
    // The record of one that was never suspended has the height of its registration there.
    for producer in all.iter_mut().filter(|producer| producer["suspensions"] == 0) {
        (producer["suspended_at"], producer["may_return_at"]) = (Value::Null, Value::Null);
    }
    fitting(width, [cell, short].map(|id| table(&all, &of(id))))
}

pub fn schedule_text(answer: &Value, width: Option<usize>) -> String {
    let whole: [Column; 5] = [
        ("slot", "slot", cell),
        ("node_id", "node_id", cell),
        ("jitter_ms", "jitter_ms", cell),
        ("opens_at_ms", "opens at", time),
        ("closes_at_ms", "closes at", time),
    ];
    let brief: [Column; 5] = [
        ("slot", "slot", cell),
        ("node_id", "node_id", short),
        ("jitter_ms", "jitter_ms", cell),
        ("opens_at_ms", "opens at (UTC)", bare_time),
        ("closes_at_ms", "closes at (UTC)", bare_time),
    ];
    let slots = entries(answer, "slots");
    let slots = fitting(width, [table(slots, &whole), table(slots, &brief)]);
    format!("{}\n{slots}", flat(answer, width))
}

pub fn peers_text(answer: &Value, width: Option<usize>) -> String {
    let of = |id| -> [Column; 8] {
        [
            ("node_id", "node_id", id),
            ("address", "address", cell),
            ("state", "state", cell),
            ("height", "height", cell),
            ("tip_hash", "tip_hash", id),
            ("rtt_ms", "rtt_ms", cell),
            ("clock_offset_ms", "clock_offset_ms", cell),
            ("version", "version", cell),
        ]
    };
    let brief: [Column; 7] = [
        ("node_id", "node_id", short),
        ("address", "address", cell),
        ("state", "state", cell),
        ("height", "height", cell),
        ("rtt_ms", "rtt_ms", tenth),
        ("clock_offset_ms", "clock_ms", tenth),
        ("version", "version", cell),
    ];
    let peers = entries(answer, "peers");
    fitting(width, [table(peers, &of(cell)), table(peers, &of(short)), table(peers, &brief)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a gateway answers, each number and text as long as it gets in years.
    fn answers() -> [(&'static str, super::super::Show, Value); 4] {
        let (id, at) = ("0123456789abcdef".repeat(4), 1_700_000_000_123_u64);
        let producers = json!({
            "node_id": id, "status": "candidate", "missed": 3, "suspensions": 12, "suspended_at": 123_456_789,
            "may_return_at": 123_456_789,
        });
        let slot =
            json!({ "slot": 12_345, "node_id": id, "jitter_ms": 400, "opens_at_ms": at, "closes_at_ms": at });
        let block = json!({
            "height": 123_456_789, "hash": id, "slot": 12_345, "producer": id, "timestamp_ms": at, "tx_count": 10_000,
        });
        let peer = json!({
            "node_id": id, "address": "203.0.113.111:65535", "state": "connected", "height": 123_456_789,
            "tip_hash": id, "rtt_ms": 123.456_789, "clock_offset_ms": -123.456_789, "version": "10.20.30",
        });
        let schedule = json!({ "seed": id, "parent": id, "parent_timestamp_ms": at, "slots": [slot] });
        [
            ("producers", producers_text, json!({ "registered": [producers] })),
            ("schedule", schedule_text, schedule),
            ("blocks", blocks_text, json!({ "blocks": [block] })),
            ("peers", peers_text, json!({ "peers": [peer] })),
        ]
    }

    #[test]
    fn every_table_fits_80_and_120_columns_and_shows_ids_in_full_without_a_terminal() {
        for (desc, show, answer) in answers() {
            for width in [80, 120] {
                let text = show(&answer, Some(width));
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{desc} in {width}:\n{text}");
                }
                assert!(text.contains("01234567"), "{desc} in {width}:\n{text}");
            }
            assert_eq!(show(&answer, None), show(&answer, Some(1000)), "{desc}");
        }
        for (desc, show, answer) in &answers() {
            let last = |width| show(answer, width).lines().last().unwrap_or_default().to_owned();
            let id = "0123456789abcdef".repeat(4);
            assert!(last(None).contains(&id) && !last(Some(80)).contains(&id), "{desc}");
        }
    }

    #[test]
    fn candidates_are_listed_below_the_registered() {
        let answer = json!({
            "registered": [{ "node_id": "aa", "status": "suspended", "missed": 3 }],
            "candidates": [{ "node_id": "bb", "status": "candidate", "missed": 0 }],
        });
        let text = producers_text(&answer, None);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().take(3).collect()).collect();
        assert_eq!(rows, [["aa", "suspended", "3"], ["bb", "candidate", "0"]]);
    }

    #[test]
    fn only_who_was_suspended_has_heights_of_that() {
        let producer = |suspensions: u64, at: u64, back: u64| {
            json!({ "registered": [{
                "node_id": "aa", "status": "active", "missed": 0, "suspensions": suspensions, "suspended_at": at,
                "may_return_at": back,
            }] })
        };
        let cases = [
            ("of the genesis", producer(0, 0, 0), ["0", "-", "-"]),
            ("registered at 40", producer(0, 40, 42), ["0", "-", "-"]),
            ("suspended", producer(1, 50, 52), ["1", "50", "52"]),
        ];
        for (desc, answer, expect) in cases {
            let text = producers_text(&answer, None);
            let row: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().skip(3).collect();
            assert_eq!(row, expect, "{desc}");
        }
    }
}
