//! A bar on stderr, if that is a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use vision_terminal::words::span;

/// How far the runs are.
pub(crate) struct Bar {
    bar: ProgressBar,
    seeds: u64,
    each_ms: u64,
}

impl Bar {
    /// Of so many runs of so many simulated milliseconds.
    pub(crate) fn new(seeds: u64, each_ms: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), seeds, each_ms };
        }
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        let bar = ProgressBar::new(seeds.saturating_mul(each_ms)).with_style(style);
        Self { bar, seeds, each_ms }
    }

    /// How far they are.
    pub(crate) fn show(&self, simulated_ms: u64, runs: u64, broken: u64) {
        self.bar.set_position(simulated_ms);
        self.bar.set_message(match self.seeds {
            1 => format!("{} of {} simulated", span(simulated_ms), span(self.each_ms)),
            seeds => format!("{runs} of {seeds} seeds, {broken} broken"),
        });
    }

    /// Prints something without the bar in its way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
