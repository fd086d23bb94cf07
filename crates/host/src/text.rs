//! Text from outside, where it is repeated.

/// Most characters that an error or a log line repeats of a text that somebody sent, where no other bound is
/// given.
pub const MAX_SHOWN_CHARS: usize = 80;

/// The text as it is repeated to people: short, on one line, and nothing in it that a terminal obeys. What is
/// left out is marked.
#[must_use]
pub fn cut(text: &str) -> String {
    cut_to(text, MAX_SHOWN_CHARS)
}

/// The same with at most so many characters, and the mark.
#[must_use]
pub fn cut_to(text: &str, max_chars: usize) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(max_chars).map(shown).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// What is not printable, or changes how others are printed, such as the direction of writing, is a `?`.
fn shown(c: char) -> char {
    match c {
        ' '..='~' => c,
        // Letters of other alphabets stay as they are when escaped, all others become longer.
        _ if c.escape_debug().eq([c]) => c,
        _ => '?',
    }
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
            ("it's \"quoted\" \\", "it's \"quoted\" \\"),
            ("a\u{202e}b\u{200b}c\u{2028}d\u{85}", "a?b?c?d?"),
            ("e\u{301}\u{fffd}", "e?\u{fffd}"),
            (&long, &long),
            (&format!("{long}x"), &format!("{long}…")),
        ];
        for (text, expect) in cases {
            assert_eq!(cut(text), expect, "{text:?}");
        }
        assert_eq!([0, 3, 4].map(|most| cut_to("abcd", most)), ["…", "abc…", "abcd"]);
    }
}
