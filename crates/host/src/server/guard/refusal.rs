//! The statuses that the stack itself answers with.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use tonic::{Code, Status};
use vision_rpc::status_with_reason;

use crate::text::cut;

/// How the library begins its message that it cannot unpack a message.
const UNKNOWN_COMPRESSION: &str = "Content is compressed with";

fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    status_with_reason(code, reason, message, HashMap::new())
}

pub(in crate::server) fn overloaded() -> Status {
    status(Code::ResourceExhausted, "OVERLOADED", "too many calls in progress: try again later")
}

pub(in crate::server) fn late(limit: Duration) -> Status {
    let message = format!("not done within the deadline of {} ms", limit.as_millis());
    status(Code::DeadlineExceeded, "DEADLINE", message)
}

pub(in crate::server) fn shutting_down() -> Status {
    status(Code::Unavailable, "SHUTTING_DOWN", "the service is stopping: try again shortly")
}

pub(in crate::server) fn internal() -> Status {
    status(Code::Internal, "INTERNAL", "an internal error of the service: see its log")
}

/// A clearer status for the library's own refusals of a message; `None` if it is clear already.
pub(super) fn clearer(head: &HeaderMap) -> Option<Status> {
    let refused = Status::from_header_map(head)?;
    if !refused.details().is_empty() {
        return None;
    }
    let text = refused.message();
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let unreadable = [
        "failed to decode Protobuf message",
        "Missing request message",
        "Unexpected EOF",
        "protocol error",
        "Error decompressing",
    ];
    match refused.code() {
        Code::OutOfRange if begins(&["Error, decoded message length too large"]) => {
            Some(status(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", text))
        }
        Code::Internal if begins(&unreadable) => {
            Some(status(Code::InvalidArgument, "MALFORMED_MESSAGE", text))
        }
        // How far a compressed message would have gone is not known: no more is read than may be.
        Code::ResourceExhausted if begins(&["Error decompressing: size limit"]) => {
            Some(status(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", text))
        }
        // It repeats the header, and names in its own what is taken.
        Code::Unimplemented if begins(&[UNKNOWN_COMPRESSION]) => {
            Some(Status::with_metadata(Code::Unimplemented, cut(text), refused.metadata().clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use vision_rpc::reason_of;

    use super::*;

    #[test]
    fn only_the_librarys_own_refusals_are_replaced() {
        let too_large = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
        let cases = [
            ("size", Status::out_of_range(too_large), Some((Code::ResourceExhausted, "MESSAGE_TOO_LARGE"))),
            (
                "size, decompressed",
                Status::resource_exhausted(
                    "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
                ),
                Some((Code::ResourceExhausted, "MESSAGE_TOO_LARGE")),
            ),
            (
                "no gzip",
                Status::internal("Error decompressing: invalid gzip header, while sending request"),
                Some((Code::InvalidArgument, "MALFORMED_MESSAGE")),
            ),
            ("a service's own bound", Status::resource_exhausted("pool"), None),
            (
                "protobuf",
                Status::internal("failed to decode Protobuf message: invalid tag"),
                Some((Code::InvalidArgument, "MALFORMED_MESSAGE")),
            ),
            (
                "empty",
                Status::internal("Missing request message."),
                Some((Code::InvalidArgument, "MALFORMED_MESSAGE")),
            ),
            ("a service's own range", Status::out_of_range("cursor"), None),
            ("a service's own fault", Status::internal("store"), None),
            ("with details", status(Code::Internal, "X", "protocol error"), None),
        ];
        for (desc, given, expect) in cases {
            let head = given.into_http::<()>().into_parts().0.headers;
            let found = clearer(&head).map(|s| (s.code(), reason_of(&s).expect("a reason")));
            assert_eq!(found, expect.map(|(code, reason)| (code, reason.to_owned())), "{desc}");
        }
        assert!(clearer(&HeaderMap::new()).is_none());
    }
}
