//! Several expositions as one.

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

/// Makes one exposition of several: every family once, with the samples of all. A family that one text gives another type than those
/// before it is left out of that one, and so is what belongs to no family.
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

#[cfg(test)]
mod tests {
    use super::*;

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
                    "# HELP x X.\n# TYPE x counter\nx_total 2\n# HELP up Else.\n# TYPE up gauge\nup{service=\"b\"} 0\n# EOF\n",
                ],
                format!(
                    "{up}up{{service=\"a\"}} 1\nup{{service=\"b\"}} 0\n# HELP x X.\n# TYPE x counter\nx_total 2\n# EOF\n"
                ),
            ),
            (
                "histogram, and a family without samples",
                vec!["# TYPE h histogram\nh_sum 1.0\nh_count 1\nh_bucket{le=\"+Inf\"} 1\n# TYPE none counter\n# EOF\n"],
                "# TYPE h histogram\nh_sum 1.0\nh_count 1\nh_bucket{le=\"+Inf\"} 1\n# TYPE none counter\n# EOF\n".to_owned(),
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
