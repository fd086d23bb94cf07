//! The last blocks as a ribbon: a column each, distinguished by letters first and colours second.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use vision_terminal::names::Names;
use vision_terminal::network::{Block, Kind, MAX_BLOCKS, Picture};
use vision_terminal::screen::Paint;
use vision_terminal::words::{cut, number};

/// What stands before each row.
const LABEL: usize = 9;
/// Rows, with the line of heights above and the legend below.
pub(super) const LINES: usize = 6;

/// The ribbon, as many of the newest blocks as fit.
pub(super) fn ribbon(picture: &Picture, names: &Names, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let room = width.saturating_sub(LABEL).min(MAX_BLOCKS);
    let blocks = &picture.blocks[picture.blocks.len().saturating_sub(room)..];
    let row = |label: &str, cell: &dyn Fn(&Block) -> (char, Style)| {
        let mut spans = vec![Span::styled(format!("{label:<LABEL$}"), Paint::faint())];
        spans.extend(blocks.iter().map(cell).map(|(letter, style)| Span::styled(letter.to_string(), style)));
        Line::from(spans)
    };
    let is_final =
        |block: &Block| block.is_final || picture.final_height.is_some_and(|last| block.height <= last);
    let legend = "- primary  B backup  T tail  x missed slot (2-9, +: several)  = final";
    vec![
        heights(blocks, width),
        row("missed", &|block| (missed(block.missed_slots()), paint.bad())),
        row("made by", &|block| (digit(&names.of(&block.producer)), Style::new())),
        row("as", &|block| match block.kind {
            Kind::Primary => ('-', Style::new()),
            Kind::Backup(_) => ('B', paint.unusual()),
            Kind::Tail(_) => ('T', paint.rare()),
        }),
        row("final", &|block| (if is_final(block) { '=' } else { '.' }, Style::new())),
        Line::styled(cut(&format!("{:<LABEL$}{legend}", ""), width), Paint::faint()),
    ]
}

/// The first and the last height, above their columns.
fn heights(blocks: &[Block], width: usize) -> Line<'static> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Line::default() };
    let (first, last) = (number(first.height), number(last.height));
    let room = blocks.len().saturating_sub(first.len() + 1);
    let text = match last.len() <= room {
        true => format!("{:<LABEL$}{first} {last:>room$}", "height"),
        false => format!("{:<LABEL$}{last}", "height"),
    };
    Line::styled(cut(&text, width), Paint::faint())
}

fn missed(slots: u64) -> char {
    match slots {
        0 => ' ',
        1 => 'x',
        2..=9 => char::from_digit(u32::try_from(slots).unwrap_or(0), 10).unwrap_or('+'),
        _ => '+',
    }
}

/// The digit of a node whose name ends with just one; the table below names the others.
fn digit(name: &str) -> char {
    let digits = name.chars().rev().take_while(char::is_ascii_digit).count();
    match (digits == 1 && name.len() > 1, name.chars().last()) {
        (true, Some(digit)) => digit,
        _ => '#',
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use vision_terminal::screen::plain;

    fn picture(blocks: &[(u64, u64)]) -> Picture {
        let block = |(height, slot): &(u64, u64)| -> Value {
            json!({ "height": height, "hash": "ab", "slot": slot,
            "producer": format!("id{}", height % 3), "timestamp_ms": 1, "finalized": *height <= 1221 })
        };
        let blocks: Vec<Value> = blocks.iter().map(block).collect();
        Picture::read(&json!({ "blocks": blocks, "chain": { "backup_slots": 6 } }), Vec::new())
    }

    #[test]
    fn blocks_are_distinguished_without_colours() {
        let mut names = Names::default();
        for (id, name) in [("id0", "node1"), ("id1", "node12"), ("id2", "7")] {
            names.learn(id, name);
        }
        let blocks: Vec<(u64, u64)> = (1220..1232).zip([0, 0, 1, 0, 2, 7, 12, 0, 0, 0, 0, 0]).collect();
        let lines = plain(&ribbon(&picture(&blocks), &names, Paint::none(), 80));
        let expect = [
            "height   1,220  1,231",
            "missed     x 27+",
            "made by  #1##1##1##1#",
            "as       --B-BTT-----",
            "final    ==..........",
        ];
        assert_eq!(lines[..5], expect);
        assert_eq!(lines.len(), LINES);
    }

    #[test]
    fn the_newest_blocks_fit_the_columns() {
        let blocks: Vec<(u64, u64)> = (1..=64).map(|height| (height, 0)).collect();
        for (width, shown) in [(80, 64), (40, 31), (10, 1), (0, 0)] {
            let lines = ribbon(&picture(&blocks), &Names::default(), Paint::none(), width);
            let made = lines[3].to_string();
            assert_eq!(made.matches('-').count(), shown, "{width}: {made}");
        }
        assert_eq!(plain(&ribbon(&picture(&[]), &Names::default(), Paint::none(), 80))[0], "");
    }
}
