//! A table that fits its columns: the least important go first, then the last one is cut.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Paint;
use crate::output;
use crate::words::cut;

/// Between two columns.
const GAP: usize = 2;
/// No cell but of the last column is wider.
const MAX_CELL: usize = 24;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above it.
    pub heading: &'static str,
    /// Who goes first where there is no room: the highest. Those of rank 0 stay.
    pub rank: u8,
}

/// A cell and how it looks.
pub type Cell = (String, Style);

/// Heading and rows. A row without cells is left out.
pub fn grid(columns: &[Column], rows: &[Vec<Cell>], width: usize) -> Vec<Line<'static>> {
    let last = columns.len().saturating_sub(1);
    let longest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.chars().count());
        let longest = cells.chain([columns[at].heading.len()]).max().unwrap_or(0);
        if at == last { longest } else { longest.min(MAX_CELL) }
    };
    let widths: Vec<usize> = (0..columns.len()).map(longest).collect();
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let total = |kept: &[usize]| -> usize {
        kept.iter().map(|at| widths[*at]).sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    while total(&kept) > width {
        let least =
            kept.iter().copied().filter(|at| columns[*at].rank > 0).max_by_key(|at| columns[*at].rank);
        let Some(least) = least else { break };
        kept.retain(|at| *at != least);
    }
    let line = |cell: &dyn Fn(usize) -> Option<Cell>| {
        let mut room = width;
        let mut spans = Vec::new();
        for at in &kept {
            let Some((text, style)) = cell(*at) else { continue };
            let is_last = Some(at) == kept.last();
            let wide = if is_last { room } else { widths[*at].min(room) };
            let text = cut(&text, wide);
            let pad = if is_last { 0 } else { (wide + GAP - text.chars().count()).min(room) };
            room = room.saturating_sub(wide + if is_last { 0 } else { GAP });
            spans.push(Span::styled(text, style));
            spans.push(Span::raw(" ".repeat(pad)));
        }
        Line::from(spans)
    };
    let heading = |at: usize| Some((output::heading(columns[at].heading), Paint::faint()));
    let mut lines = vec![line(&heading)];
    lines.extend(rows.iter().filter(|row| !row.is_empty()).map(|row| line(&|at| row.get(at).cloned())));
    lines
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { heading: "node", rank: 0 },
        Column { heading: "head", rank: 1 },
        Column { heading: "version", rank: 2 },
        Column { heading: "state", rank: 0 },
    ];

    fn row(cells: [&str; 4]) -> Vec<Cell> {
        cells.into_iter().map(|cell| (cell.to_owned(), Style::new())).collect()
    }

    #[test]
    fn a_table_fits_its_columns() {
        let rows = [
            row(["node1", "1,283", "0.1.0", "may produce"]),
            row(["n2", "7", "0.1.0", "a long sentence about it"]),
        ];
        let cases: [(usize, &[&str]); 5] = [
            (
                60,
                &[
                    "NODE   HEAD   VERSION  STATE",
                    "node1  1,283  0.1.0    may produce",
                    "n2     7      0.1.0    a long sentence about it",
                ],
            ),
            (
                44,
                &[
                    "NODE   HEAD   STATE",
                    "node1  1,283  may produce",
                    "n2     7      a long sentence about it",
                ],
            ),
            (33, &["NODE   STATE", "node1  may produce", "n2     a long sentence about it"]),
            (20, &["NODE   STATE", "node1  may produce", "n2     a long sente…"]),
            (3, &["NO…", "no…", "n2"]),
        ];
        for (width, expect) in cases {
            let lines = plain(&grid(&COLUMNS, &rows, width));
            assert_eq!(lines, expect, "{width}");
        }
        let long = "n".repeat(80);
        let lines = plain(&grid(&COLUMNS, &[row([&long, "1", "2", "fine"])], 80));
        assert!(lines[1].ends_with("…  1     2        fine"), "{}", lines[1]);
        assert!(lines[1].chars().count() <= 80);
    }
}
