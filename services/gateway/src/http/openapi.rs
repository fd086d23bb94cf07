//! `GET /api/openapi.json`: what every route takes and gives. The routes of the protocol files describe
//! themselves; those with code of their own are described beside that code, in `*.openapi.json`.

use std::sync::OnceLock;

use axum::extract::State;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use vision_wire::rest::api;

use super::query::Params;
use super::{Answer, AppState, json_bytes};
use crate::views::to_json;

/// Descriptions of routes with code of their own. They stand in the place of what the protocol files say of
/// the same route.
const BESIDE_CODE: [&str; 10] = [
    include_str!("node.openapi.json"),
    include_str!("metrics.openapi.json"),
    include_str!("mining.openapi.json"),
    include_str!("blocks.openapi.json"),
    include_str!("transactions.openapi.json"),
    include_str!("events.openapi.json"),
    include_str!("follow.openapi.json"),
    include_str!("overview.openapi.json"),
    include_str!("live.openapi.json"),
    include_str!("openapi.openapi.json"),
];

pub(super) async fn openapi(State(state): State<AppState>, params: Params) -> Answer {
    static BODY: OnceLock<Bytes> = OnceLock::new();
    params.allow(&[])?;
    let body = BODY.get_or_init(|| {
        let mut document = describe();
        document["info"]["version"] = state.version.into();
        to_json(&document)
    });
    Ok(json_bytes(body.clone()))
}

/// The whole description, but for the version of the software.
fn describe() -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vision",
            "description": "What the gateway of a node answers. Numbers are numbers, amounts are decimal \
                text, times are milliseconds since the Unix epoch; hashes, ids, addresses and bytes are \
                lowercase hex.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": "0",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "node", "description": "The node itself."},
            {"name": "chain", "description": "Blocks, producers, accounts, peers."},
            {"name": "mining", "description": "Who produces, produced, and is to produce."},
            {"name": "transactions", "description": "Submitting transactions and finding them again."},
        ],
        "paths": {},
        "components": {
            "responses": {"Problem": {
                "description": "Why the request was refused: docs/errors.md has every reason.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "schemas": {"Problem": {
                "type": "object",
                "description": "An error (RFC 9457).",
                "properties": {
                    "type": {"type": "string", "description": "urn:vision:error: and the reason."},
                    "title": {"type": "string", "description": "The reason in words."},
                    "status": {
                        "type": "integer", "description": "The HTTP status.", "minimum": 400, "maximum": 599,
                    },
                    "detail": {"type": "string", "description": "What is wrong, for people."},
                    "reason": {"type": "string", "description": "What is wrong, for programs."},
                    "trace_id": {"type": "string", "description": "Id of the trace of the request."},
                    "request_id": {"type": "string", "description": "As in X-Request-Id."},
                    "metadata": {"type": "object", "additionalProperties": {"type": "string"},
                        "description": "Further facts about the error."},
                },
                "required": ["type", "title", "status", "detail", "reason", "trace_id"],
            }},
        },
    });
    add(&mut document, api().openapi());
    for text in BESIDE_CODE {
        // A test reads them all.
        add(&mut document, serde_json::from_str(text).unwrap_or_default());
    }
    document
}

/// Adds the operations and schemas of a part; what was described before gives way.
fn add(document: &mut Value, part: Value) {
    for (path, operations) in members(&part["paths"]) {
        for (verb, operation) in members(&operations) {
            document["paths"][&path][verb] = operation;
        }
    }
    for (name, schema) in members(&part["components"]["schemas"]) {
        document["components"]["schemas"][name] = schema;
    }
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All targets of references.
    fn references(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_part_is_read_and_every_reference_leads_somewhere() {
        let document = describe();
        for text in BESIDE_CODE {
            let part: Value = serde_json::from_str(text).expect("JSON");
            for (path, operations) in members(&part["paths"]) {
                for (verb, operation) in members(&operations) {
                    assert_eq!(document["paths"][&path][&verb], operation, "{verb} {path}");
                }
            }
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for target in found {
            let at = target.strip_prefix('#').expect("within the document");
            assert!(document.pointer(at).is_some_and(|schema| schema.is_object()), "{target}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = describe();
        let paths = members(&document["paths"]);
        let operations = paths.values().flat_map(|path| members(path).into_values());
        let mut names: Vec<String> = operations
            .map(|operation| operation["operationId"].as_str().expect("a name").to_owned())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
