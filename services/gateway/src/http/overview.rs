//! `GET /api/overview`: all that a page shows first, in one answer, so that a reader sees one state of the
//! node.
//!
//! Made of parts. One whose service does not answer is null, and `missing` says why: the rest is shown
//! nevertheless.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use tonic::Status;
use vision_wire::rest::api;

use super::limits::Admission;
use super::query::Params;
use super::{Answer, AppState, json_bytes};
use crate::live::{Happened, brief};
use crate::ports::Stretch;
use crate::views::to_json;

/// Newest blocks shown.
const BLOCKS: u32 = 64;
/// What the parts of an answer take while they are read.
const ANSWER_BYTES: usize = 1 << 20;
/// Room for the names of the parts.
const HEAD_BYTES: usize = 1 << 10;

pub(super) async fn overview(
    State(state): State<AppState>,
    Extension(admission): Extension<Admission>,
    params: Params,
) -> Answer {
    params.allow(&[])?;
    admission.reserve(ANSWER_BYTES).await?;
    // First, so that nothing is missed between what is read and what follows the cursor.
    let cursor = state.live.cursor();
    let status = state.live.status(&state.backends, state.clock.now_ms());
    let ((status, missing), chain, blocks) = tokio::join!(status, chain(&state), blocks(&state));
    let mut answer = Object { missing, ..Object::default() };
    answer.put("version", to_json(&state.version));
    answer.put("uptime_seconds", to_json(&(state.clock.monotonic_ms() / 1000)));
    answer.put("selection_address", to_json(&state.selection_address));
    answer.put("cursor", to_json(&cursor));
    answer.put("events", recent_events(&state));
    answer.part("chain", chain);
    answer.part("blocks", blocks);
    // The parts, and the answer that is made of them.
    admission.at_least(2 * answer.bytes(&status)).await?;
    Ok(json_bytes(answer.end(&status, state.clock.now_ms())))
}

async fn chain(state: &AppState) -> Result<Bytes, Status> {
    api().json(&state.backends.chain_info_message().await?)
}

/// The newest blocks, oldest first.
async fn blocks(state: &AppState) -> Result<Bytes, Status> {
    let found = state.backends.blocks(Stretch::Before(u64::MAX), BLOCKS).await?;
    let oldest_first: Vec<_> = found.into_iter().rev().map(brief).collect();
    api().json_list(&oldest_first)
}

/// Newest first.
fn recent_events(state: &AppState) -> Bytes {
    let noted = state.live.noted();
    let shown: Vec<Vec<u8>> = noted.iter().map(|(cursor, event)| event_json(cursor, event)).collect();
    [b"[", &shown.join(&b","[..])[..], b"]"].concat().into()
}

fn event_json(cursor: &str, event: &Happened) -> Vec<u8> {
    let head = format!("{{\"event\":\"{}\",\"id\":\"{cursor}\",\"data\":", event.name);
    [head.as_bytes(), event.data(), b"}"].concat()
}

/// A JSON object that is put together from finished parts.
#[derive(Default)]
struct Object {
    parts: Vec<(&'static str, Bytes)>,
    missing: BTreeMap<&'static str, String>,
}

impl Object {
    fn put(&mut self, name: &'static str, json: Bytes) {
        self.parts.push((name, json));
    }

    fn part(&mut self, name: &'static str, part: Result<Bytes, Status>) {
        let json = part.unwrap_or_else(|why| {
            self.missing.insert(name, why.message().to_owned());
            Bytes::from_static(b"null")
        });
        self.put(name, json);
    }

    /// How long all parts are, with those of the status.
    fn bytes(&self, status: &[u8]) -> usize {
        self.parts.iter().map(|(_, part)| part.len()).sum::<usize>() + status.len()
    }

    /// With all parts of the status, which is an object itself, or empty as long as nothing is known.
    fn end(mut self, status: &[u8], now_ms: u64) -> Bytes {
        self.put("missing", to_json(&self.missing));
        let status = status.strip_suffix(b"}").unwrap_or_default();
        // Whatever the status says of the time is older than this.
        let status = status.iter().position(|byte| *byte == b',').map_or(&[][..], |comma| &status[comma..]);
        let mut json = Vec::with_capacity(self.bytes(status) + HEAD_BYTES);
        json.extend_from_slice(format!("{{\"now_ms\":{now_ms}").as_bytes());
        json.extend_from_slice(status);
        for (name, part) in &self.parts {
            json.extend_from_slice(format!(",\"{name}\":").as_bytes());
            json.extend_from_slice(part);
        }
        json.push(b'}');
        json.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_one_object() {
        let mut object = Object::default();
        object.put("version", to_json(&"1"));
        object.part("blocks", Err(Status::unavailable("chain is away")));
        let text = object.end(b"{\"now_ms\":7,\"services\":{\"chain\":\"away\"}}", 9);
        let expect = concat!(
            r#"{"now_ms":9,"services":{"chain":"away"},"version":"1","blocks":null,"#,
            r#""missing":{"blocks":"chain is away"}}"#,
        );
        assert_eq!(text, expect);
        assert_eq!(Object::default().end(b"", 9), r#"{"now_ms":9,"missing":{}}"#);
        assert_eq!(Object::default().end(b"{\"now_ms\":7}", 9), r#"{"now_ms":9,"missing":{}}"#);
    }
}
