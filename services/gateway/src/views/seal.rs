//! The signature over the header of a proof.

use serde::Serialize;

/// Who signed a header.
#[derive(Serialize)]
pub(crate) struct SealView {
    signature: String,
    producer: String,
    /// Hashes to the producer's id. Left out where the registry of that time does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    producer_public_key: Option<String>,
}

impl SealView {
    pub(crate) fn new(signature: &[u8], producer: String, producer_public_key: Option<String>) -> Self {
        Self { signature: hex::encode(signature), producer, producer_public_key }
    }
}
