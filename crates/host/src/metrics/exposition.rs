//! Several expositions as one, and one as the classic text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One family of the merged text.
#[derive(Default)]
struct Family<'a> {
    kind: &'a str,
    /// HELP and other lines about the family, each once.
    about: BTreeMap<&'a str, &'a str>,
    samples: Vec<&'a str>,
}

/// Makes one exposition of several: every family once, with the samples of all. A family that one text gives
/// another type than those before it is left out of that one, and so is what belongs to no family.
#[must_use]
pub fn merge<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for text in texts {
        take(text, &mut families);
    }
    let mut merged = String::new();
    for (name, family) in families.iter().filter(|(_, family)| !family.kind.is_empty()) {
        // A string takes everything that is written.
        for (keyword, rest) in &family.about {
            let _ = writeln!(merged, "# {keyword} {name} {rest}");
        }
        let _ = writeln!(merged, "# TYPE {name} {}", family.kind);
        for sample in &family.samples {
            merged.push_str(sample);
            merged.push('\n');
        }
    }
    merged.push_str("# EOF\n");
    merged
}

fn take<'a>(text: &'a str, families: &mut BTreeMap<&'a str, Family<'a>>) {
    let (mut current, mut kind) = ("", "");
    for line in text.lines() {
        if line == "# EOF" {
            return;
        }
        let Some(comment) = line.strip_prefix("# ") else {
            if !kind.is_empty()
                && belongs(line, current)
                && let Some(family) = families.get_mut(current)
            {
                family.samples.push(line);
            }
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(keyword), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = words.next().unwrap_or("");
        if name != current {
            (current, kind) = (name, "");
        }
        let family = families.entry(name).or_default();
        match keyword {
            "TYPE" => {
                if family.kind.is_empty() {
                    family.kind = rest;
                }
                kind = if family.kind == rest { rest } else { "" };
            }
            "HELP" | "UNIT" => drop(family.about.entry(keyword).or_insert(rest)),
            _ => {}
        }
    }
}

/// Whether a sample is one of a family, by its name.
fn belongs(sample: &str, family: &str) -> bool {
    let name = sample.split(['{', ' ']).next().unwrap_or("");
    let suffixes = ["", "_total", "_created", "_sum", "_count", "_bucket", "_info"];
    name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix))
}

/// The same in the classic text format, 0.0.4: a counter is declared by the name of its samples, and what
/// that format does not know (units, exemplars, when a counter began, the end) is left out.
#[must_use]
pub(super) fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let (mut help, mut kind) = (None, "");
    for line in openmetrics.lines() {
        // A string takes everything that is written.
        let Some(comment) = line.strip_prefix("# ") else {
            if let Some((sample, value)) = split_sample(line)
                && !is_birth(sample, kind)
            {
                let _ = writeln!(text, "{sample} {value}");
            }
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(keyword), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = words.next().unwrap_or("");
        match keyword {
            "HELP" => help = Some((name, rest)),
            "TYPE" => {
                kind = rest;
                let (suffix, declared) = classic_kind(kind);
                if let Some((_, about)) = help.take().filter(|(of, _)| *of == name) {
                    let _ = writeln!(text, "# HELP {name}{suffix} {about}");
                }
                let _ = writeln!(text, "# TYPE {name}{suffix} {declared}");
            }
            _ => {}
        }
    }
    text
}

/// What the name of a family ends in, and its type, in the classic format.
fn classic_kind(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "counter" => ("_total", "counter"),
        "gauge" | "stateset" => ("", "gauge"),
        "info" => ("_info", "gauge"),
        "histogram" => ("", "histogram"),
        "summary" => ("", "summary"),
        _ => ("", "untyped"),
    }
}

/// Whether a sample says when a counter or a distribution began.
fn is_birth(sample: &str, kind: &str) -> bool {
    let name = sample.split('{').next().unwrap_or("");
    name.ends_with("_created") && ["counter", "histogram", "summary"].contains(&kind)
}

/// Name and labels of a sample, and its value, without a time and an exemplar.
fn split_sample(line: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    let end = line.find(|c| {
        let ends = c == ' ' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (sample, rest) = line.split_at(end);
    Some((sample, rest.split_ascii_whitespace().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_format_names_counters_by_their_samples_and_knows_no_more() {
        let cases = [
            ("nothing", "# EOF\n", ""),
            (
                "a counter",
                "# HELP x Some help.\n# TYPE x counter\n# UNIT x seconds\nx_total{a=\"b\"} 2\n\
                 x_created{a=\"b\"} 1.5\n# EOF\n",
                "# HELP x_total Some help.\n# TYPE x_total counter\nx_total{a=\"b\"} 2\n",
            ),
            (
                "a counter with neither help nor samples",
                "# HELP w Of another.\n# TYPE x counter\n# EOF\n",
                "# TYPE x_total counter\n",
            ),
            (
                "labels that look like the end, an exemplar, a time",
                "# TYPE x counter\nx_total{a=\"} 1 # {\\\" \"} 2 3.5 # {id=\"1\"} 1 2\n# EOF\n",
                "# TYPE x_total counter\nx_total{a=\"} 1 # {\\\" \"} 2\n",
            ),
            (
                "gauge, histogram",
                "# TYPE g_created gauge\ng_created 1.0\n# TYPE h histogram\nh_sum 1.0\nh_count 1\n\
                 h_bucket{le=\"+Inf\"} 1 # {} 1\n# EOF\n",
                "# TYPE g_created gauge\ng_created 1.0\n# TYPE h histogram\nh_sum 1.0\nh_count 1\n\
                 h_bucket{le=\"+Inf\"} 1\n",
            ),
            (
                "info, unknown",
                "# TYPE i info\ni_info 1\n# TYPE u unknown\nu 1\n",
                "# TYPE i_info gauge\ni_info 1\n# TYPE u untyped\nu 1\n",
            ),
        ];
        for (desc, openmetrics, expect) in cases {
            assert_eq!(classic(openmetrics), expect, "{desc}");
        }
    }

    #[test]
    fn families_are_grouped_and_what_does_not_fit_is_left_out() {
        let up = "# HELP up Up.\n# TYPE up gauge\n";
        let cases = [
            ("nothing", vec![], "# EOF\n".to_owned()),
            ("empty", vec!["", "# EOF\n"], "# EOF\n".to_owned()),
            (
                "one family of two",
                vec![
                    "# HELP up Up.\n# TYPE up gauge\nup{service=\"a\"} 1\n# EOF\n",
                    "# HELP x X.\n# TYPE x counter\nx_total 2\n# HELP up Else.\n# TYPE up gauge\n\
                     up{service=\"b\"} 0\n# EOF\n",
                ],
                format!(
                    "{up}up{{service=\"a\"}} 1\nup{{service=\"b\"}} 0\n# HELP x X.\n# TYPE x counter\n\
                     x_total 2\n# EOF\n"
                ),
            ),
            (
                "histogram, and a family without samples",
                vec![
                    "# TYPE h histogram\nh_sum 1.0\nh_count 1\nh_bucket{le=\"+Inf\"} 1\n\
                    # TYPE none counter\n# EOF\n",
                ],
                "# TYPE h histogram\nh_sum 1.0\nh_count 1\nh_bucket{le=\"+Inf\"} 1\n# TYPE none counter\n\
                 # EOF\n"
                    .to_owned(),
            ),
            (
                "another type, a stray sample, text after the end, a comment",
                vec![
                    "# HELP up Up.\n# TYPE up gauge\nup 1\nupper 2\n# free text\nstray 1\n# EOF\nup 7\n",
                    "# TYPE up counter\nup_total 3\n<html>\n# HELP only Help.\n",
                ],
                format!("{up}up 1\n# EOF\n"),
            ),
        ];
        for (desc, texts, expect) in cases {
            assert_eq!(merge(texts), expect, "{desc}");
        }
    }
}
