//! The deadline a caller asks for by the header `grpc-timeout`, cut to the server's own.

use std::time::Duration;

use http::HeaderMap;

/// Longest that a call may take, whatever the caller asks for.
pub(super) const MAX_CALL: Duration = Duration::from_secs(30);

pub(super) fn of(headers: &HeaderMap) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
    asked.map_or(MAX_CALL, |asked| asked.min(MAX_CALL))
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let at = text.len().checked_sub(1).filter(|digits| (1..=8).contains(digits))?;
    let (digits, unit) = text.split_at_checked(at)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let cases = [
            ("5S", Duration::from_secs(5)),
            ("250m", Duration::from_millis(250)),
            ("99999999u", MAX_CALL),
            ("7u", Duration::from_micros(7)),
            ("9n", Duration::from_nanos(9)),
            ("99999999H", MAX_CALL),
            ("2M", MAX_CALL),
            ("0S", Duration::ZERO),
            ("", MAX_CALL),
            ("S", MAX_CALL),
            ("5", MAX_CALL),
            ("+5S", MAX_CALL),
            ("999999999S", MAX_CALL),
            ("5x", MAX_CALL),
        ];
        for (text, expect) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header value"));
            assert_eq!(of(&headers), expect, "{text:?}");
        }
        assert_eq!(of(&HeaderMap::new()), MAX_CALL);
    }
}
