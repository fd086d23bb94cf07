//! Names of attributes, all of them; most are OpenTelemetry's semantic conventions.

pub use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME, URL_PATH,
};
pub use opentelemetry_semantic_conventions::resource::{
    SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION,
};

/// Value of [`RPC_SYSTEM_NAME`].
pub const GRPC: &str = "grpc";
/// Which service of the process a span is of. It becomes the span's resource and is not sent as an attribute.
pub(super) const SERVICE: &str = "vision.service";
