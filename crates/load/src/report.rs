//! What a load has shown.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::book::Book;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output::{self, Format, cell, count, properties_within};
use vision_terminal::words::span;

/// What cannot be read from the book.
pub(crate) struct Setting {
    /// Transactions a second, as wanted.
    pub rate: u64,
    /// For how long.
    pub seconds: u64,
    /// How many accounts sent.
    pub accounts: usize,
    /// How many nodes were used.
    pub nodes: usize,
    /// Due and not submitted.
    pub held_back: u64,
    /// When the first one was submitted, by the clock of the book.
    pub started_ms: u64,
}

impl Setting {
    /// From the start until all that was due had been submitted: what was submitted again afterwards counts
    /// as late.
    fn submitted_within_ms(&self, book: &Book) -> u64 {
        book.last_submitted_ms.saturating_sub(self.started_ms).max(self.seconds * 1000)
    }

    /// From the start until the last one was in a block; 0 if none is.
    fn included_after_ms(&self, book: &Book) -> u64 {
        book.last_included_ms.saturating_sub(self.started_ms)
    }
}

/// Shows the result, and fails if something accepted is missing or nothing was accepted.
pub(crate) fn show(book: &Book, setting: &Setting, format: Format) -> Outcome {
    match format {
        Format::Json => output::json(&result(book, setting))?,
        Format::Table => output::write(&table(&result(book, setting)))?,
    }
    verdict(book)
}

fn verdict(book: &Book) -> Outcome {
    match book.missing() {
        0 if book.accepted == 0 => {
            Err(Failure::failed("no transaction was accepted; the reasons are under refused"))
        }
        0 => Ok(()),
        missing => {
            let missing = count(missing, "transaction");
            Err(Failure::unhealthy(format!(
                "no block has {missing} that a node accepted, and no node can say why"
            )))
        }
    }
}

fn result(book: &Book, setting: &Setting) -> Value {
    let [p50, p95, p99] = book.latencies_ms();
    json!({
        "rate": setting.rate,
        "seconds": setting.seconds,
        "accounts": setting.accounts,
        "nodes": setting.nodes,
        "sent": book.submitted,
        "accepted": book.accepted,
        "refused": book.refused,
        "held_back": setting.held_back,
        "included": book.included,
        "waiting": book.waiting,
        "dropped": book.dropped,
        "missing": book.missing(),
        "tps": per_second(book.included, setting.included_after_ms(book)),
        "submission_tps": per_second(book.submitted, setting.submitted_within_ms(book)),
        "last_included_ms": setting.included_after_ms(book),
        "latency_ms": { "p50": p50, "p95": p95, "p99": p99 },
    })
}

/// So many in so long, to a tenth.
fn per_second(count: u64, ms: u64) -> f64 {
    if ms == 0 { 0.0 } else { (count as f64 * 10_000.0 / ms as f64).round() / 10.0 }
}

fn table(result: &Value) -> String {
    let order = [
        "rate",
        "seconds",
        "accounts",
        "nodes",
        "sent",
        "accepted",
        "held_back",
        "included",
        "waiting",
        "missing",
    ];
    let mut pairs: Vec<(String, String)> =
        order.iter().map(|name| (name.replace('_', " "), cell(&result[*name]))).collect();
    pairs.push(("submitted a second".into(), cell(&result["submission_tps"])));
    let after = result["last_included_ms"].as_u64().filter(|ms| *ms > 0);
    let after = after.map_or_else(|| "-".into(), |ms| format!("{} after the first was sent", span(ms)));
    pairs.push(("last included".into(), after));
    pairs.push(("included a second, to the last".into(), cell(&result["tps"])));
    for (group, unit) in [("refused", ""), ("dropped", ""), ("latency_ms", " ms")] {
        let group_name = group.trim_end_matches("_ms");
        for (name, value) in result[group].as_object().into_iter().flatten() {
            let unit = if value.is_null() { "" } else { unit };
            pairs.push((format!("{group_name} {name}"), cell(value) + unit));
        }
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    properties_within(output::width(), &pairs)
}

/// A bar on stderr, if that is a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Of a load that submits so many.
    pub(crate) fn new(due: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} sent  {msg}");
        let bar = ProgressBar::new(due);
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")))
    }

    /// How far it is.
    pub(crate) fn show(&self, book: &Book, held_back: u64) {
        let refused: u64 = book.refused.values().sum();
        self.0.set_position(book.submitted + held_back);
        self.0.set_message(format!(
            "{} accepted  {} in blocks  {refused} refused",
            book.accepted, book.included
        ));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::Hash;

    use super::*;
    use vision_terminal::exit::Exit;

    fn setting() -> Setting {
        Setting { rate: 2, seconds: 1, accounts: 1, nodes: 1, held_back: 3, started_ms: 500 }
    }

    fn book() -> Book {
        let mut book = Book::new([0]);
        for byte in 1..=3 {
            let turn = book.next().expect("free");
            book.submit(turn, Hash([byte; 32]), 500);
        }
        book.accept(&Hash([1; 32]));
        book.refuse(&Hash([2; 32]), "POOL_FULL");
        book.accept(&Hash([3; 32]));
        book.block(1, &[Hash([1; 32])], 1250);
        book
    }

    #[test]
    fn the_result_as_programs_and_people_see_it() {
        let expect = json!({
            "rate": 2, "seconds": 1, "accounts": 1, "nodes": 1, "sent": 3, "accepted": 2,
            "refused": { "POOL_FULL": 1 },
            "held_back": 3, "included": 1, "waiting": 0, "dropped": {}, "missing": 1, "tps": 1.3,
            "submission_tps": 3.0, "last_included_ms": 750,
            "latency_ms": { "p50": 750, "p95": 750, "p99": 750 },
        });
        assert_eq!(result(&book(), &setting()), expect);
        let text = table(&expect);
        for line in [
            "refused POOL_FULL 1",
            "latency p99 750 ms",
            "held back 3",
            "submitted a second 3.0",
            "last included 0.7 s after the first was sent",
            "included a second, to the last 1.3",
        ] {
            let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_wait_for_the_last_block_is_no_part_of_the_rate() {
        let (mut book, setting) = (Book::new([0]), Setting { rate: 2, held_back: 0, ..setting() });
        for (byte, at_ms) in [(1, 500), (2, 1000)] {
            let turn = book.next().expect("free");
            book.submit(turn, Hash([byte; 32]), at_ms);
            book.accept(&Hash([byte; 32]));
        }
        book.block(1, &[Hash([1; 32]), Hash([2; 32])], 4500);
        let result = result(&book, &setting);
        assert_eq!(result["submission_tps"], 2.0);
        assert_eq!((&result["last_included_ms"], &result["tps"]), (&json!(4000), &json!(0.5)));
    }

    #[test]
    fn what_is_missing_fails_the_command() {
        let fails = |book: &Book| verdict(book).err().map(|failure| failure.exit());
        let mut book = book();
        assert_eq!(fails(&book), Some(Exit::Unhealthy));
        book.block(2, &[Hash([3; 32])], 2000);
        assert_eq!(fails(&book), None);
        assert_eq!(fails(&Book::new([0])), Some(Exit::Failed));
    }
}
