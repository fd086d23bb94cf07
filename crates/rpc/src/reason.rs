//! Errors on the wire: a canonical code and one `google.rpc.ErrorInfo`.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every reason of the project.
pub const ERROR_DOMAIN: &str = "vision";

/// A status with an `ErrorInfo` of domain [`ERROR_DOMAIN`].
#[must_use]
pub fn status_with_reason(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    metadata: HashMap<String, String>,
) -> Status {
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

/// The reason a status bears; `None` when it bears none of domain [`ERROR_DOMAIN`].
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == ERROR_DOMAIN).then_some(info.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_statuses_have_no_reason() {
        let ours = status_with_reason(Code::NotFound, "TIP_CHANGED", "x", HashMap::new());
        assert_eq!((ours.code(), reason_of(&ours).as_deref()), (Code::NotFound, Some("TIP_CHANGED")));
        let foreign = ErrorDetails::with_error_info("TIP_CHANGED", "example.com", HashMap::new());
        for status in [
            Status::not_found("x"),
            Status::with_error_details(Code::NotFound, "x", foreign),
            Status::with_details(Code::NotFound, "x", bytes::Bytes::from_static(b"\xff\xff")),
        ] {
            assert_eq!(reason_of(&status), None);
        }
    }
}
