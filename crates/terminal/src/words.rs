//! Numbers and ages in the words that people read: `1,283`, `1.4 s`, `1 min 28 s`.

/// What stands before the instant, in milliseconds since the epoch, of an age in a text of the node.
const AGO: &str = "{ago:";

/// A whole number with a comma before every three digits.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A stretch of time, as exact as it is of use.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{seconds}.{} s", ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..300 => format!("{} min {} s", seconds / 60, seconds % 60),
        300..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A text of the node with ages in the place of the instants in it.
pub fn with_ages(text: &str, now_ms: u64) -> String {
    let mut rendered = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(AGO) {
        rendered += before;
        match after.split_once('}').and_then(|(ms, after)| Some((ms.parse::<u64>().ok()?, after))) {
            Some((ms, after)) => {
                rendered += &span(now_ms.saturating_sub(ms));
                rest = after;
            }
            None => {
                rendered += AGO;
                rest = after;
            }
        }
    }
    rendered + rest
}

/// A text in so many columns, with a mark where the rest is left out. Nothing in it moves the cursor.
pub fn cut(text: &str, columns: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let whole: String = plain.collect();
    if whole.chars().count() <= columns {
        return whole;
    }
    let mut short: String = whole.chars().take(columns.saturating_sub(1)).collect();
    if columns > 0 {
        short.push('…');
    }
    short
}

/// A text in at most so many lines of so many columns, broken between words; the last is cut.
pub fn wrapped(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns
        });
        if is_full && lines.len() < most {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            *line += word;
        }
    }
    lines.iter().map(|line| cut(line, columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [(0, "0"), (999, "999"), (1283, "1,283"), (12_345_678, "12,345,678")];
        for (given, expect) in cases {
            assert_eq!(number(given), expect);
        }
    }

    #[test]
    fn spans() {
        let cases = [
            (0, "0.0 s"),
            (1_449, "1.4 s"),
            (9_999, "9.9 s"),
            (53_700, "53 s"),
            (88_000, "1 min 28 s"),
            (360_000, "6 min"),
            (7_500_000, "2 h 5 min"),
            (180_000_000, "2 d 2 h"),
        ];
        for (ms, expect) in cases {
            assert_eq!(span(ms), expect, "{ms}");
        }
    }

    #[test]
    fn instants_in_a_text_become_ages() {
        let cases = [
            ("last block {ago:1000} ago, final", "last block 1.4 s ago, final"),
            ("{ago:2400} and {ago:0}", "0.0 s and 2.4 s"),
            ("in the future {ago:9000}", "in the future 0.0 s"),
            ("none", "none"),
            ("{ago:x} {ago:1", "{ago:x} {ago:1"),
        ];
        for (text, expect) in cases {
            assert_eq!(with_ages(text, 2_400), expect, "{text}");
        }
    }

    #[test]
    fn a_text_goes_on_in_the_next_line() {
        let cases: [(usize, usize, &[&str]); 4] = [
            (20, 2, &["one two three"]),
            (8, 2, &["one two", "three"]),
            (5, 2, &["one", "two …"]),
            (2, 9, &["o…", "t…", "t…"]),
        ];
        for (columns, most, expect) in cases {
            assert_eq!(wrapped("one two three", columns, most), expect, "{columns}");
        }
    }

    #[test]
    fn a_text_is_cut_to_its_columns() {
        let cases =
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a\x1b[2J", 9, "a [2J"), ("ab", 1, "…"), ("ab", 0, "")];
        for (text, columns, expect) in cases {
            assert_eq!(cut(text, columns), expect, "{text:?}");
        }
    }
}
