//! Numbers and names of the command line, read to the letter: nothing is trimmed, no number has a sign or a
//! prefix, and only a hash may have a `0x` before it, once.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use vision_primitives::{Hash, HexError};

/// How many hex digits a hash has. No height has so many.
const HASH_DIGITS: usize = 64;

/// Digits and nothing else, as a number that the type can hold.
pub fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A height, a count or a time.
pub fn whole(text: &str) -> Result<u64, String> {
    within(0..=u64::MAX)(text)
}

/// An amount of the smallest unit.
pub fn amount(text: &str) -> Result<u64, String> {
    whole(text).map_err(|why| format!("{why}; amounts are in the smallest unit, without fractions"))
}

/// A port.
pub fn port(text: &str) -> Result<u16, String> {
    within(0..=u64::from(u16::MAX))(text)
}

/// A whole number of a range.
pub fn within<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let (least, most) = (range.start(), range.end());
        let number = decimal::<u64>(text).filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("expected a whole number from {least} to {most}, digits only"))
    }
}

/// A hash, an id or an address, with or without a `0x` before it.
pub fn hash(text: &str) -> Result<Hash, HexError> {
    text.strip_prefix("0x").unwrap_or(text).parse()
}

/// How a block is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockId {
    /// By its height on the node's chain.
    Height(u64),
    /// By its hash.
    Hash(Hash),
}

impl FromStr for BlockId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("0x") || text.len() == HASH_DIGITS {
            let found = hash(text).map(Self::Hash);
            return found.map_err(|why| format!("not a hash: {why}; a height is decimal and has no 0x"));
        }
        decimal(text)
            .map(Self::Height)
            .ok_or_else(|| format!("expected a height, or a hash of {HASH_DIGITS} lowercase hex digits"))
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Height(height) => height.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

/// A block as people name it: [`BlockId`], or the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockName {
    /// The node's head.
    Latest,
    /// A certain one.
    Of(BlockId),
}

impl BlockName {
    /// Which one; none is the head.
    pub const fn id(self) -> Option<BlockId> {
        match self {
            Self::Latest => None,
            Self::Of(id) => Some(id),
        }
    }
}

impl FromStr for BlockName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" { Ok(Self::Latest) } else { text.parse().map(Self::Of) }
    }
}

/// The slots as the gateway wants them: a number alone counts from slot 0, anything else is a list as it is.
pub fn slot_list(text: &str) -> Result<String, String> {
    if let Some(count) = decimal::<u64>(text) {
        let last = count.checked_sub(1).ok_or("at least one slot")?;
        return Ok(format!("0-{last}"));
    }
    let slot = |text: &str| decimal::<u64>(text).is_some();
    let part = |part: &str| part.split_once('-').map_or_else(|| slot(part), |(a, b)| slot(a) && slot(b));
    if text.split(',').all(part) {
        return Ok(text.to_owned());
    }
    Err("expected a count such as 13, or a list such as 0,3 or 5-9".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        let cases = [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1.0", None),
            ("1e3", None),
            ("+1", None),
            ("-1", None),
            ("1 000", None),
            ("1_000", None),
            (" 1", None),
            ("1\n", None),
            ("0x10", None),
            ("\u{0661}", None),
            ("", None),
        ];
        for (text, expect) in cases {
            assert_eq!(whole(text).ok(), expect, "{text:?}");
            assert_eq!(amount(text).ok(), expect, "{text:?}");
        }
        let ports = [("0", Some(0)), ("65535", Some(u16::MAX)), ("65536", None), ("+80", None)];
        for (text, expect) in ports {
            assert_eq!(port(text).ok(), expect, "{text:?}");
        }
        let few = within::<u16>(2..=3);
        assert_eq!(
            ["1", "2", "3", "4", "65538"].map(|text| few(text).ok()),
            [None, Some(2), Some(3), None, None]
        );
        assert!(few("1").expect_err("too few").contains("from 2 to 3"));
    }

    #[test]
    fn hashes_may_have_one_prefix_and_say_why_not() {
        let good = "ab".repeat(32);
        for text in [good.clone(), format!("0x{good}")] {
            assert_eq!(hash(&text).map(|hash| hash.to_string()), Ok(good.clone()), "{text}");
        }
        for (text, expect) in [
            (format!("0x0x{good}"), "got 66"),
            (format!("0X{good}"), "got 66"),
            (format!(" {good}"), "got 65"),
            (format!("{good}\n"), "got 65"),
            (good.to_uppercase(), "lowercase"),
            ("0x".into(), "got 0"),
            ("ab".into(), "got 2"),
        ] {
            let error = hash(&text).expect_err("no address").to_string();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn blocks_are_named_by_height_or_hash() {
        let (hex, digits) = ("ab".repeat(32), "12".repeat(32));
        let cases = [
            ("0", Some("0")),
            ("12", Some("12")),
            ("18446744073709551616", None),
            ("0x10", None),
            ("0x0x1", None),
            ("0x", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("abc", None),
            ("", None),
            (&hex, Some(hex.as_str())),
            (&digits, Some(digits.as_str())),
            (&format!("0x{hex}"), Some(hex.as_str())),
            (&format!("0x0x{hex}"), None),
        ];
        for (text, expect) in cases {
            let got = text.parse::<BlockId>().ok().map(|id| id.to_string());
            assert_eq!(got.as_deref(), expect, "{text:?}");
        }
    }

    #[test]
    fn slots_are_a_count_or_a_list() {
        let cases = [
            ("one", "1", Some("0-0")),
            ("a count", "13", Some("0-12")),
            ("a list", "0,3", Some("0,3")),
            ("a range", "5-9", Some("5-9")),
            ("both", "0,5-9", Some("0,5-9")),
            ("none", "0", None),
            ("nothing", "", None),
            ("a word", "all", None),
            ("a sign", "+5", None),
            ("a hole", "1,,2", None),
            ("half a range", "5-", None),
            ("a further parameter", "1,2&height=3", None),
        ];
        for (desc, text, expect) in cases {
            assert_eq!(slot_list(text).ok().as_deref(), expect, "{desc}");
        }
    }
}
