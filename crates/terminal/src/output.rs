//! Data on stdout, as a table for people or JSON for programs.

mod width;

use std::io::{self, Write as _};

use serde_json::Value;

use crate::exit::{Exit, Failure, Outcome};
use crate::words::wrapped;

pub use width::{fitting, properties_within, width};

/// Between two columns of a table.
const GAP: &str = "  ";

/// Form of the data on stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// Writes to stdout. A reader that went away ends the command in silence.
pub fn write(text: &str) -> Outcome {
    bytes(text.as_bytes())
}

/// The same for bytes that are no text.
pub fn bytes(bytes: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::NobodyReads, "the reader of stdout has closed it"))
        }
        Err(error) => Err(Failure::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// Writes one line to stdout.
pub fn line(text: &str) -> Outcome {
    write(&format!("{text}\n"))
}

/// Writes a JSON value over several lines.
pub fn json(value: &Value) -> Outcome {
    line(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Columns with a header line, aligned by the widest cell.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

/// A column's name as it stands above it: the same style in every table, whatever a field is called in JSON.
pub fn heading(name: &str) -> String {
    name.replace('_', " ").to_uppercase()
}

impl Table {
    /// A table with these column names.
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|name| heading(name)).collect()] }
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The same in so many columns: the last cell of a row goes on below itself, if the others leave it so
    /// much room.
    pub fn wrapped(mut self, width: usize, least: usize) -> Option<String> {
        let last = self.rows.iter().map(Vec::len).max()?.checked_sub(1)?;
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widest = |column| cells(column).map(|cell| cell.chars().count()).max();
        let before: usize = (0..last).map(|column| widest(column).unwrap_or(0) + GAP.len()).sum();
        let room = width.checked_sub(before).filter(|room| *room >= least)?;
        let mut rows = Vec::new();
        for mut row in std::mem::take(&mut self.rows) {
            let Some(text) = (row.len() > last).then(|| row.pop()).flatten() else {
                rows.push(row);
                continue;
            };
            let mut lines = wrapped(&text, room, usize::MAX).into_iter();
            row.extend(lines.next());
            rows.push(row);
            rows.extend(lines.map(|line| vec![String::new(); last].into_iter().chain([line]).collect()));
        }
        Some(Self { rows }.render())
    }

    /// The text, one line per row.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widths: Vec<usize> =
            (0..columns).map(|c| cells(c).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let padded: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(padded.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
}

/// `name value` lines for one thing with many properties.
pub fn properties(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs
        .iter()
        .map(|(name, value)| format!("{name:<width$}  {value}").trim_end().to_owned() + "\n")
        .collect()
}

/// A number of things, in words that fit it.
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    match number.try_into() {
        Ok(1) => format!("1 {thing}"),
        Ok(number) => format!("{number} {thing}s"),
        Err(_) => format!("many {thing}s"),
    }
}

/// Milliseconds since the Unix epoch as `2023-11-14 22:13:20.123 UTC`.
pub fn time(ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let (year, month, day) = date(ms / DAY_MS);
    let (seconds, ms) = (ms % DAY_MS / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
const fn date(day: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// A JSON value as a cell: text without quotes, nothing for null.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The first eight characters of a hash or id, which is what fits into a table.
pub fn short(value: &Value) -> String {
    match value.as_str() {
        None | Some("") => "-".into(),
        Some(text) => text.strip_prefix("0x").unwrap_or(text).chars().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_align_and_leave_no_trailing_space() {
        let mut table = Table::new(&["node", "height"]);
        table.row(["node1", "7"]);
        table.row(["n", "12345"]);
        assert_eq!(table.render(), "NODE   HEIGHT\nnode1  7\nn      12345\n");
        assert_eq!(properties(&[("a", "1".into()), ("long", String::new())]), "a     1\nlong\n");
    }

    #[test]
    fn headings_have_one_style() {
        assert_eq!(Table::new(&["node_id", "opens at (UTC)"]).render(), "NODE ID  OPENS AT (UTC)\n");
    }

    #[test]
    fn the_last_column_goes_on_below_itself() {
        let table = || {
            let mut table = Table::new(&["node", "state"]);
            table.row(["node1", "one two three four"]);
            table.row(["node2", "fine"]);
            table
        };
        let cases = [
            (25, Some("NODE   STATE\nnode1  one two three four\nnode2  fine\n")),
            (17, Some("NODE   STATE\nnode1  one two\n       three four\nnode2  fine\n")),
            (16, None),
            (3, None),
        ];
        for (width, expect) in cases {
            assert_eq!(table().wrapped(width, 10).as_deref(), expect, "{width}");
        }
    }

    #[test]
    fn one_thing_is_not_several() {
        let cases = [(0, "0 nodes"), (1, "1 node"), (2, "2 nodes")];
        for (number, expect) in cases {
            assert_eq!(count(number, "node"), expect);
        }
    }

    #[test]
    fn times() {
        let cases = [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_399_999, "2000-02-28 23:59:59.999 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00.000 UTC"),
            (951_868_800_000, "2000-03-01 00:00:00.000 UTC"),
            (1_735_689_599_001, "2024-12-31 23:59:59.001 UTC"),
            (1_700_000_000_123, "2023-11-14 22:13:20.123 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000 UTC"),
        ];
        for (ms, expect) in cases {
            assert_eq!(time(ms), expect);
        }
        assert!(time(u64::MAX).ends_with(" UTC"), "no time overflows");
    }

    #[test]
    fn cells() {
        let cases = [
            ("null", json!(null), "-", "-"),
            ("text", json!("0123456789"), "0123456789", "01234567"),
            ("prefixed", json!("0xabcdef0123"), "0xabcdef0123", "abcdef01"),
            ("number", json!(5), "5", "-"),
            ("empty", json!(""), "", "-"),
        ];
        for (desc, value, full, brief) in cases {
            assert_eq!((cell(&value).as_str(), short(&value).as_str()), (full, brief), "{desc}");
        }
    }
}
