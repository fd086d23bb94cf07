//! Data on stdout, as a table for people or JSON for programs.

use std::io::{self, Write as _};

use serde_json::Value;

use crate::exit::{Exit, Failure, Outcome};

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
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::NobodyReads, "nobody reads stdout any more"))
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

impl Table {
    /// A table with these column names.
    pub fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|name| name.to_uppercase()).collect()] }
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
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
            text.push_str(padded.join("  ").trim_end());
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
    fn one_thing_is_not_several() {
        let cases = [(0, "0 nodes"), (1, "1 node"), (2, "2 nodes")];
        for (number, expect) in cases {
            assert_eq!(count(number, "node"), expect);
        }
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
