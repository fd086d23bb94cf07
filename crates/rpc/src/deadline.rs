//! How long a call may take: what callers ask for by the header `grpc-timeout`, and what servers allow.

use std::time::Duration;

use http::HeaderMap;
use tonic::{IntoRequest, Request};

/// Longest a unary call from service to service may take, as the caller sends it to the server.
pub const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// Longest that a server works on a call, whatever the caller asks for.
pub const MAX_CALL: Duration = Duration::from_secs(30);

const TIMEOUT_HEADER: &str = "grpc-timeout";

/// A request that must be answered within `limit`; the server is sent the limit.
#[must_use]
pub fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = message.into_request();
    request.set_timeout(limit);
    request
}

/// What a caller asks for, cut to [`MAX_CALL`]; that if it asks for nothing that can be read.
#[must_use]
pub fn asked(headers: &HeaderMap) -> Duration {
    let asked = headers.get(TIMEOUT_HEADER).and_then(|value| parse(value.to_str().ok()?));
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
    fn what_callers_ask_for_is_cut_to_what_is_allowed() {
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
            headers.insert(TIMEOUT_HEADER, text.parse().expect("a header value"));
            assert_eq!(asked(&headers), expect, "{text:?}");
        }
        assert_eq!(asked(&HeaderMap::new()), MAX_CALL);
    }
    #[test]
    fn requests_carry_their_deadline() {
        let request = within(CALL_DEADLINE, ());
        assert_eq!(request.metadata().get(TIMEOUT_HEADER).and_then(|v| v.to_str().ok()), Some("5000000u"));
        let head = request.metadata().clone().into_headers();
        assert_eq!(asked(&head), CALL_DEADLINE, "as the server reads it");
    }
}
