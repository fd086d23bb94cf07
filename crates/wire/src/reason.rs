//! Errors on the wire: a canonical code and one `google.rpc.ErrorInfo`.

use std::collections::BTreeMap;

use tonic::Status;
use tonic_types::StatusExt;
pub use vision_rpc::{ERROR_DOMAIN, reason_of};

use crate::Reason;

/// A status with the reason's canonical code and an `ErrorInfo` of domain [`ERROR_DOMAIN`].
#[must_use]
pub fn status(reason: Reason, message: impl Into<String>, metadata: &[(&str, String)]) -> Status {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    vision_rpc::status_with_reason(reason.code(), reason.as_str(), message, metadata)
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
}
