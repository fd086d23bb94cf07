//! How a run ended.

use serde_json::{Value, json};
use vision_sim::Report;
use vision_terminal::words::span;

/// How a run ended.
pub(crate) enum Ending {
    /// It ran to its end, or until a rule was broken.
    Whole(Box<Report>),
    /// It was interrupted.
    Part(Box<Report>),
    /// The program stopped because of a state that cannot be, and said why.
    Stopped(String),
}

impl Ending {
    /// What it has shown, if it was not stopped.
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::Whole(report) | Self::Part(report) => Some(report),
            Self::Stopped(_) => None,
        }
    }

    /// The first rule that it broke, in words.
    pub(crate) fn broken(&self) -> Option<String> {
        match self {
            Self::Stopped(why) => Some(format!("the program stopped: {why}")),
            Self::Whole(report) | Self::Part(report) => report.violations.first().map(|first| {
                let (rule, node, at) = (first.rule, first.node, span(first.at_ms));
                format!("{rule}, node {node}, after {at}: {}", first.what)
            }),
        }
    }

    /// The report for programs, with the command that repeats the run.
    pub(crate) fn json(&self, seed: u64, replay: &str) -> Value {
        let mut value = match self {
            Self::Whole(report) | Self::Part(report) => json!(report),
            Self::Stopped(why) => json!({ "seed": seed, "stopped": why }),
        };
        value["complete"] = json!(matches!(self, Self::Whole(report) if report.violations.is_empty()));
        value["replay"] = json!(replay);
        value
    }
}
