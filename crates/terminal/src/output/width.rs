//! What fits a terminal: ids in full only where there is room for them, or where no terminal is.

use std::io::{self, IsTerminal as _};

use super::properties;

/// Characters of an id or a hash in full.
const ID_CHARS: usize = 64;
/// Characters of one that is cut.
const SHORT_CHARS: usize = 8;
/// Between a name and its value.
const GAP: usize = 2;

/// Columns of the terminal that stdout is; none where it is none, and a line may have any length.
pub fn width() -> Option<usize> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The first of some forms of a text, widest first, of which no line is too wide; else the last.
pub fn fitting<const N: usize>(width: Option<usize>, forms: [String; N]) -> String {
    let last = N.saturating_sub(1);
    let mut forms = forms.into_iter().enumerate();
    forms.find(|(at, text)| *at == last || fits(width, text)).map(|(_, text)| text).unwrap_or_default()
}

fn fits(width: Option<usize>, text: &str) -> bool {
    width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width))
}

/// [`properties`] in so many columns, the values below each other: words go on in the next line, a long name
/// or an id may have a line of its own, and an id that has no room all the same is cut.
pub fn properties_within(width: Option<usize>, pairs: &[(&str, String)]) -> String {
    let whole = properties(pairs);
    let Some(width) = width.filter(|columns| !fits(Some(*columns), &whole)) else { return whole };
    let longest = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let beside_ids = width.saturating_sub(GAP + ID_CHARS).max(SHORT_CHARS);
    let ids = pairs.iter().filter(|(_, value)| value.split_whitespace().any(is_id)).count();
    let long = pairs.iter().filter(|(name, _)| name.chars().count() > beside_ids).count();
    // Whichever is rarer stands in a line of its own: the long names, or the ids.
    let names = if long > ids { longest.min(width / 2) } else { longest.min(beside_ids) };
    pairs.iter().map(|(name, value)| property(name, value, names, width)).collect()
}

/// One name and its value, in as many lines as it takes.
fn property(name: &str, value: &str, names: usize, width: usize) -> String {
    let mut text = String::new();
    let mut line = format!("{name:<names$}  ");
    if name.chars().count() > names && !value.is_empty() {
        text = format!("{name}\n");
        line = " ".repeat(names + GAP);
    }
    let room = width.saturating_sub(line.chars().count());
    if is_id(value) && value.len() > room && value.len() < width {
        return format!("{name}\n{value:>width$}\n");
    }
    let mut is_first = true;
    for word in value.split_whitespace() {
        let word = if is_id(word) && word.len() > room {
            format!("{}…", &word[..SHORT_CHARS])
        } else {
            word.into()
        };
        if !is_first && line.chars().count() + 1 + word.chars().count() > width {
            text += &line;
            text.push('\n');
            (line, is_first) = (" ".repeat(names + GAP), true);
        }
        if !is_first {
            line.push(' ');
        }
        line += &word;
        is_first = false;
    }
    text += line.trim_end();
    text.push('\n');
    text
}

fn is_id(word: &str) -> bool {
    word.len() == ID_CHARS && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_form_that_fits_is_taken() {
        let forms = || ["1234567890".to_owned(), "12345\n12".to_owned(), "12".to_owned()];
        let cases = [
            ("no terminal", None, 10),
            ("wide", Some(10), 10),
            ("narrower", Some(9), 8),
            ("just", Some(5), 8),
            ("narrow", Some(4), 2),
            ("too narrow", Some(1), 2),
        ];
        for (desc, width, expect) in cases {
            assert_eq!(fitting(width, forms()).len(), expect, "{desc}");
        }
    }

    #[test]
    fn among_long_names_an_id_stands_below_its_own() {
        let id = "ab".repeat(32);
        let pairs = [
            ("block_interval_ms", "1800".to_owned()),
            ("eligible_streak", "3".to_owned()),
            ("eligible_streak_required", "3".to_owned()),
            ("hash", id.clone()),
        ];
        let text = properties_within(Some(80), &pairs);
        let gap = " ".repeat(16);
        let expect = format!(
            "block_interval_ms         1800\n\
             eligible_streak           3\n\
             eligible_streak_required  3\n\
             hash\n{gap}{id}\n"
        );
        assert_eq!(text, expect);
        assert!(properties_within(Some(60), &pairs).contains(&format!("{:<26}abababab…\n", "hash")));
    }

    #[test]
    fn properties_keep_within_the_width() {
        let id = "ab".repeat(32);
        let pairs = [
            ("hash", id.clone()),
            ("certificate_hash", id.clone()),
            ("because", "some words about it ".repeat(6)),
            ("url", "http://j/trace/0123456789".into()),
        ];
        let whole = properties_within(None, &pairs);
        assert_eq!(whole, properties(&pairs));
        let cases = [(60, 0), (80, 2), (82, 2), (120, 2)];
        for (width, ids) in cases {
            let text = properties_within(Some(width), &pairs);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert_eq!(text.matches(&id).count(), ids, "{width}\n{text}");
            let words = |text: &str| text.split_whitespace().filter(|word| *word == "words").count();
            assert_eq!(words(&text), words(&whole), "{width}\n{text}");
        }
        let narrow = properties_within(Some(80), &pairs);
        assert!(narrow.contains(&format!("certificate_hash\n{}{id}\n", " ".repeat(16))), "{narrow}");
        for line in narrow.lines().filter(|line| line.len() > 16) {
            let (before, value) = line.split_at(16);
            assert!(before.ends_with("  ") && !value.starts_with(' '), "not aligned: {line:?}\n{narrow}");
        }
        let indent = " ".repeat(16);
        assert!(narrow.lines().any(|line| line.starts_with(&indent)), "under its value:\n{narrow}");
    }
}
