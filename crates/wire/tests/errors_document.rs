//! `docs/errors.md` and the enum of reasons say the same.

use vision_wire::Reason;

const DOCUMENT: &str = include_str!("../../../docs/errors.md");

/// `INVALID_ARGUMENT` for `InvalidArgument`.
fn code_text(reason: Reason) -> String {
    let mut text = String::new();
    for (at, letter) in format!("{:?}", reason.code()).char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn every_reason_has_its_line_and_every_line_its_reason() {
    let lines: Vec<Vec<&str>> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let documented: Vec<String> = lines
        .iter()
        .map(|cells| {
            assert_eq!(cells.len(), 5, "{cells:?}");
            assert!(cells[3].ends_with('.') && cells[4].ends_with('.'), "whole sentences: {cells:?}");
            format!("{} {} {}", cells[0].trim_matches('`'), cells[1], cells[2])
        })
        .collect();
    let known: Vec<String> =
        Reason::ALL.iter().map(|r| format!("{} {} {}", r.as_str(), code_text(*r), r.http_status())).collect();
    assert_eq!(documented, known, "same reasons in the same order");
}

#[test]
fn texts_are_distinct_and_lead_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_text(reason.as_str()), Some(*reason));
        let text = reason.as_str();
        assert!(text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{text}");
    }
    assert_eq!(Reason::from_text("NO_SUCH"), None);
}
