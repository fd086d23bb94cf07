//! What `testnet up` shows in the foreground: a live table on a terminal, else a line per block.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;

use super::ends::Watched;
use super::layout::{Facts, Layout};
use super::process::Life;
use super::started::Started;
use super::table::{self, NodeView};
use crate::exit::Outcome;
use crate::output::{self, Format, cell, short};
use crate::rest::Gateway;
use crate::signals::Interrupts;
use crate::status::{blocks_from, height_after, transactions};

/// How often the table is drawn anew.
const REDRAW: Duration = Duration::from_secs(1);
/// How often new blocks are asked for.
const POLL: Duration = Duration::from_millis(250);

/// The terminal cuts long lines, or wraps them again.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// Why it is not watched any longer.
pub enum End {
    /// A signal came.
    Asked,
    /// Another command has taken all nodes away.
    Over,
}

/// Shows the network until a signal comes or another command takes it down. What befalls single nodes is a line each,
/// and the others are watched on.
pub async fn run(
    layout: &Layout,
    started: &mut Started,
    views: &[NodeView],
    format: Format,
    interrupts: &mut Interrupts,
) -> Outcome<End> {
    let live = format == Format::Table && std::io::stdout().is_terminal();
    let highest = views.iter().filter_map(NodeView::height).max().unwrap_or(0);
    let mut screen = Screen { live, drawn_lines: 0, next: highest + 1, format };
    let mut watched = Watched::default();
    loop {
        // Another command may have started or ended nodes.
        let now = Facts::load(layout)?;
        let news = watched.look(layout, &now, started);
        for line in &news.lines {
            eprintln!("{line}");
            screen.drawn_lines = 0;
        }
        if news.is_over {
            eprintln!("no node is left, so there is nothing to watch");
            return Ok(End::Over);
        }
        tokio::select! {
            _ = interrupts.next() => return Ok(End::Asked),
            shown = screen.show(&now) => shown?,
        }
        let pause = if live { REDRAW } else { POLL };
        tokio::select! {
            _ = interrupts.next() => return Ok(End::Asked),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Screen {
    live: bool,
    drawn_lines: usize,
    next: u64,
    format: Format,
}

impl Screen {
    async fn show(&mut self, facts: &Facts) -> Outcome {
        if self.live { self.table(facts).await } else { self.blocks(facts).await }
    }

    async fn table(&mut self, facts: &Facts) -> Outcome {
        let text = table::render_live(&NodeView::of_all(&facts.nodes).await);
        let drawn = drawn_over(self.drawn_lines, &text);
        self.drawn_lines = text.lines().count();
        output::write(&drawn)
    }

    async fn blocks(&mut self, facts: &Facts) -> Outcome {
        for node in facts.nodes.iter().filter(|node| matches!(Life::of(node), Life::Running(_))) {
            // A node that does not answer now is not the only one to ask.
            let Ok(blocks) = blocks_from(&Gateway::new(&node.urls.rest)?, self.next).await else { continue };
            self.next = height_after(&blocks).unwrap_or(self.next);
            for block in &blocks {
                output::line(&match self.format {
                    Format::Json => block.to_string(),
                    Format::Table => line(block, facts),
                })?;
            }
            break;
        }
        Ok(())
    }
}

/// A text drawn in the place of so many lines. Each line takes one row however narrow the terminal is: what does not fit
/// is cut there, since rows that wrap would not be counted and would stay.
fn drawn_over(lines: usize, text: &str) -> String {
    let back = match lines {
        0 => String::new(),
        // Up to the first line, and clear from there.
        lines => format!("\x1b[{lines}A\x1b[J"),
    };
    format!("{back}{WRAP_OFF}{text}{WRAP_ON}")
}

/// One block in one line, its producer by name.
fn line(block: &Value, facts: &Facts) -> String {
    let producer = block["producer"].as_str().unwrap_or_default();
    let name = facts.nodes.iter().find(|node| node.id == producer).map(|node| node.name.as_str());
    format!(
        "block {:>6}  {}  slot {}  by {}  {}",
        cell(&block["height"]),
        short(&block["hash"]),
        cell(&block["slot"]),
        name.unwrap_or(producer),
        transactions(block),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_row() {
        assert_eq!(drawn_over(0, "a\n"), "\x1b[?7la\n\x1b[?7h");
        assert_eq!(drawn_over(2, "b\nc\n"), "\x1b[2A\x1b[J\x1b[?7lb\nc\n\x1b[?7h");
    }
}
