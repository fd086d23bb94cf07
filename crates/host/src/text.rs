//! Text from outside, where it is repeated.

/// Most characters that an error or a log line repeats of a text that somebody sent.
pub const MAX_SHOWN_CHARS: usize = 80;

/// The text as it is repeated to people: short, on one line, and nothing in it that a terminal obeys. What is left out is marked.
#[must_use]
pub fn cut(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(MAX_SHOWN_CHARS).map(printable).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_text() {
        let long = "ä".repeat(MAX_SHOWN_CHARS);
        let cases = [
            ("", ""),
            ("a b", "a b"),
            ("a\nb\u{1b}[2J\u{7f}", "a?b?[2J?"),
            (&long, &long),
            (&format!("{long}x"), &format!("{long}…")),
        ];
        for (text, expect) in cases {
            assert_eq!(cut(text), expect, "{text:?}");
        }
    }
}
