//! Answers that are lists, as tables.

use serde_json::Value;

use super::flat;
use vision_terminal::answers::entries;
use vision_terminal::names::Names;
use vision_terminal::output::{self, Table, cell, fitting, short};
use vision_terminal::words::cut;

/// A column: the field's name, its heading, and how its value becomes a cell.
pub(super) type Column = (&'static str, &'static str, fn(&Value) -> String);

/// Longest name that stands in the place of an id, characters.
const WHO_CHARS: usize = 9;
/// Longest name shown beside an id, characters.
const NAME_CHARS: usize = 48;

/// Puts the names of nodes beside their ids, in an answer and in the lists in it.
pub(super) fn with_names(answer: &mut Value, names: &Names) {
    let name_of = |value: &Value| Some(cut(names.get(value.as_str()?)?, NAME_CHARS));
    if let Some(name) = name_of(&answer["producer"]) {
        answer["producer_name"] = name.into();
    }
    let lists = answer.as_object_mut().into_iter().flatten().filter_map(|(_, value)| value.as_array_mut());
    for entry in lists.flatten().filter(|entry| entry.is_object()) {
        let id =
            if entry["node_id"].is_string() { entry["node_id"].clone() } else { entry["producer"].clone() };
        let name = name_of(&id);
        entry["who"] = name.as_ref().map_or_else(|| short(&id), |name| cut(name, WHO_CHARS)).into();
        entry["name"] = name.into();
    }
}

/// The column of the ids where there is little room: names in their place, where there are any.
fn who(entries: &[Value], id: &'static str) -> Column {
    let has_names = entries.iter().any(|entry| entry["name"].is_string());
    if has_names { ("who", id, cell) } else { (id, id, short) }
}

/// A row per entry. A column of names is there only if there are any.
pub(super) fn table(entries: &[Value], columns: &[Column]) -> String {
    let has_names = entries.iter().any(|entry| entry["name"].is_string());
    let columns: Vec<Column> =
        columns.iter().filter(|(name, ..)| has_names || *name != "name").copied().collect();
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

pub(super) fn blocks_text(answer: &Value, width: Option<usize>) -> String {
    let blocks = entries(answer, "blocks");
    let of = |hash, producer, heading, show| -> [Column; 7] {
        [
            ("height", "height", cell),
            ("hash", "hash", hash),
            ("slot", "slot", cell),
            producer,
            ("name", "name", cell),
            ("timestamp_ms", heading, show),
            ("tx_count", "tx_count", cell),
        ]
    };
    let [whole, brief]: [Column; 2] = [("producer", "producer", cell), ("producer", "producer", short)];
    let forms = [
        table(blocks, &of(cell, whole, "time", time)),
        table(blocks, &of(short, brief, "time", time)),
        table(blocks, &without_names(&of(short, who(blocks, "producer"), "time (UTC)", bare_time))),
    ];
    fitting(width, forms)
}

/// The columns but that of the names.
fn without_names(columns: &[Column]) -> Vec<Column> {
    columns.iter().filter(|(name, ..)| *name != "name").copied().collect()
}

pub(super) fn producers_text(answer: &Value, width: Option<usize>) -> String {
    let of = |id| -> [Column; 7] {
        [
            id,
            ("name", "name", cell),
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
    let forms = [
        table(&all, &of(("node_id", "node_id", cell))),
        table(&all, &of(("node_id", "node_id", short))),
        table(&all, &without_names(&of(who(&all, "node_id")))),
    ];
    fitting(width, forms)
}

pub(super) fn schedule_text(answer: &Value, width: Option<usize>) -> String {
    let slots = entries(answer, "slots");
    let whole: [Column; 6] = [
        ("slot", "slot", cell),
        ("node_id", "node_id", cell),
        ("name", "name", cell),
        ("jitter_ms", "jitter_ms", cell),
        ("opens_at_ms", "opens at", time),
        ("closes_at_ms", "closes at", time),
    ];
    let brief: [Column; 5] = [
        ("slot", "slot", cell),
        who(slots, "node_id"),
        ("jitter_ms", "jitter_ms", cell),
        ("opens_at_ms", "opens at (UTC)", bare_time),
        ("closes_at_ms", "closes at (UTC)", bare_time),
    ];
    let slots = fitting(width, [table(slots, &whole), table(slots, &brief)]);
    format!("{}\n{slots}", flat(answer, width))
}

pub(super) fn peers_text(answer: &Value, width: Option<usize>) -> String {
    let peers = entries(answer, "peers");
    let of = |id| -> [Column; 9] {
        [
            ("node_id", "node_id", id),
            ("name", "name", cell),
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
        who(peers, "node_id"),
        ("address", "address", cell),
        ("state", "state", cell),
        ("height", "height", cell),
        ("rtt_ms", "rtt_ms", tenth),
        ("clock_offset_ms", "clock_ms", tenth),
        ("version", "version", cell),
    ];
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
            "height": 123_456_789, "hash": id, "slot": 12_345, "producer": id, "timestamp_ms": at,
            "tx_count": 10_000,
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
    fn nodes_are_named_and_still_fit() {
        let id = "0123456789abcdef".repeat(4);
        for name in ["node1", "a-name-that-has-32-characters-in"] {
            let mut names = Names::default();
            names.learn(&id, name);
            for (desc, show, mut answer) in answers() {
                with_names(&mut answer, &names);
                for width in [80, 120] {
                    let text = show(&answer, Some(width));
                    assert!(
                        text.lines().all(|line| line.chars().count() <= width),
                        "{desc} in {width}:\n{text}"
                    );
                    assert!(text.contains(&name[..5]), "{desc} in {width}:\n{text}");
                }
                let whole = show(&answer, None);
                assert!(whole.contains(&format!("{id}  {name}")), "{desc}:\n{whole}");
            }
        }
        let mut block = json!({ "producer": id, "height": 1 });
        let mut names = Names::default();
        with_names(&mut block, &names);
        assert!(block.get("producer_name").is_none(), "a name that nobody knows");
        names.learn(&id, "node1");
        with_names(&mut block, &names);
        assert_eq!(block["producer_name"], "node1");
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
                "node_id": "aa", "status": "active", "missed": 0, "suspensions": suspensions,
                "suspended_at": at,
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
