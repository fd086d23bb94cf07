//! The parts of a live picture that all pictures share, as lines that fit the terminal.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Cell, Column, Paint, Sign, grid};
use crate::words::{cut, wrapped};

/// Before what belongs to the sentence above.
pub const INDENT: usize = 3;

/// Lines of so many columns.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Columns of the terminal.
    pub width: usize,
    /// How texts look.
    pub paint: Paint,
}

impl Sheet {
    /// A line of one style, cut where the terminal ends.
    pub fn line(self, text: &str, style: Style) -> Line<'static> {
        Line::styled(cut(text, self.width), style)
    }

    /// The line at the top.
    pub fn title(self, text: &str) -> Line<'static> {
        self.line(text, Paint::strong())
    }

    /// A sentence about the network, behind a sign.
    pub fn sentence(self, sign: Sign, text: &str, style: Style) -> Line<'static> {
        let sign = self.paint.sign(sign);
        let room = self.width.saturating_sub(sign.content.chars().count());
        Line::from(vec![sign, Span::styled(cut(text, room), style)])
    }

    /// A text below a sentence, so deep and in at most so many lines.
    pub fn below(self, text: &str, indent: usize, most: usize, style: Style) -> Vec<Line<'static>> {
        let lines = wrapped(text, self.width.saturating_sub(indent), most);
        lines.iter().map(|text| self.line(&format!("{:indent$}{text}", ""), style)).collect()
    }

    /// Heading and rows of nodes, in at most so many lines below the heading. Where not all have room, those
    /// in trouble come first, and the last line names the command that shows all.
    pub fn nodes(
        self,
        columns: &[Column],
        mut rows: Vec<(bool, Vec<Cell>)>,
        room: usize,
        command: &str,
    ) -> Vec<Line<'static>> {
        let all = rows.len();
        let is_cut = all > room.max(1);
        if is_cut {
            rows.sort_by_key(|(is_fine, _)| *is_fine);
            rows.truncate(room.saturating_sub(1).max(1));
        }
        let others = all - rows.len();
        let rows: Vec<Vec<Cell>> = rows.into_iter().map(|(_, row)| row).collect();
        let mut lines = grid(columns, &rows, self.width);
        if is_cut && room > 1 {
            lines.push(self.line(&format!("and {others} more: {command} shows all"), Paint::faint()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;

    const COLUMNS: [Column; 1] = [Column { heading: "node", rank: 0 }];

    #[test]
    fn those_in_trouble_are_not_left_out() {
        let sheet = Sheet { width: 40, paint: Paint::none() };
        let rows = || {
            (1..=5)
                .map(|number| (number != 4, vec![(format!("node{number}"), Style::new())]))
                .collect::<Vec<_>>()
        };
        let cases: [(usize, &[&str]); 4] = [
            (5, &["NODE", "node1", "node2", "node3", "node4", "node5"]),
            (3, &["NODE", "node4", "node1", "and 3 more: x shows all"]),
            (1, &["NODE", "node4"]),
            (0, &["NODE", "node4"]),
        ];
        for (room, expect) in cases {
            assert_eq!(plain(&sheet.nodes(&COLUMNS, rows(), room, "x")), expect, "{room}");
        }
    }

    #[test]
    fn a_text_below_a_sentence_is_wrapped_and_cut_only_at_the_end() {
        let sheet = Sheet { width: 13, paint: Paint::none() };
        let below = |most| plain(&sheet.below("one two three four", INDENT, most, Style::new()));
        assert_eq!(below(9), ["   one two", "   three four"]);
        assert_eq!(below(1), ["   one two t…"]);
    }
}
