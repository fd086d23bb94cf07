//! What many commands read from the answers of a node.

use serde_json::Value;

use crate::exit::{Failure, Outcome};
use crate::rest::Gateway;

/// Height of the node's head.
pub async fn height(gateway: &Gateway) -> Outcome<u64> {
    let status = gateway.get("/api/status").await?;
    status["height"].as_u64().ok_or_else(|| {
        Failure::failed(format!("{}/api/status has no height; is it a vision node?", gateway.url()))
    })
}

/// The entries of an answer that is a list, bare or under the one field that holds a list.
pub fn entries<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer.as_array().or_else(|| answer[name].as_array()).map(Vec::as_slice).unwrap_or_default()
}
