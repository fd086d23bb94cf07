//! Errors on the wire: a canonical code and one `google.rpc.ErrorInfo`.

use std::collections::{BTreeMap, HashMap};

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::Reason;

/// The domain of every [`Reason`].
pub const ERROR_DOMAIN: &str = "vision";

/// A status with the reason's canonical code and an `ErrorInfo` of domain [`ERROR_DOMAIN`].
#[must_use]
pub fn status(reason: Reason, message: impl Into<String>, metadata: &[(&str, String)]) -> Status {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, metadata);
    Status::with_error_details(reason.code(), message, details)
}

/// The reason a status bears; `None` when it bears none of domain [`ERROR_DOMAIN`].
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == ERROR_DOMAIN).then_some(info.reason)
}

/// One value of a status's metadata.
#[must_use]
pub fn metadata_of(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// All metadata of a status, by key.
#[must_use]
pub fn all_metadata_of(status: &Status) -> BTreeMap<String, String> {
    status.get_details_error_info().map(|info| info.metadata.into_iter().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn a_reason_travels_in_a_status() {
        let status = status(Reason::TipChanged, "the head is another", &[("head", "ab".into())]);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "the head is another");
        assert_eq!(reason_of(&status).as_deref(), Some("TIP_CHANGED"));
        assert_eq!(metadata_of(&status, "head").as_deref(), Some("ab"));
        assert_eq!(metadata_of(&status, "tail"), None);
    }

    #[test]
    fn foreign_statuses_have_no_reason() {
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
