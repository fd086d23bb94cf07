//! A fault as it is printed: in words that no node can stretch, and in JSON.

use serde_json::{Value, json};
use vision_host::text::cut_to;
use vision_light::Fault;

/// Longest explanation; the longest of ours names two hashes.
const MAX_WHY_CHARS: usize = 400;

/// Words that may be a node's, who might want to fill the screen or write lines of its own.
pub(super) fn cut(why: &str) -> String {
    cut_to(why, MAX_WHY_CHARS)
}

/// A fault by its name, in words that may be a node's.
pub(super) fn fault(rule: &'static str, why: impl AsRef<str>) -> Fault {
    Fault::new(rule, cut(why.as_ref()))
}

/// For programs.
pub(super) fn to_json(fault: &Fault) -> Value {
    json!({ "rule": fault.rule, "why": fault.why })
}
