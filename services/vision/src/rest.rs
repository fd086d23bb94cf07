//! A small client of a node's REST gateway.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::exit::{Failure, Outcome};

/// Longest wait for an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Largest answer read; a page of 500 blocks is well below.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A gateway by its URL.
#[derive(Clone)]
pub struct Gateway {
    base: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Gateway {
    /// A gateway at a URL such as `http://127.0.0.1:8080`; connects when asked something.
    pub fn new(url: &str) -> Outcome<Self> {
        let base = url.trim_end_matches('/').to_owned();
        let wrong =
            || Failure::usage(format!("{url:?} is no gateway URL; it must look like http://127.0.0.1:8080"));
        let uri: http::Uri = base.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(wrong());
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(2)));
        Ok(Self { base, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The JSON behind a path, which starts with a slash.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        let late = |_| {
            let seconds = ANSWER_DEADLINE.as_secs();
            Failure::unhealthy(format!("{} gave no answer within {seconds} s; is the node stuck?", self.base))
        };
        tokio::time::timeout(ANSWER_DEADLINE, self.exchange(path)).await.map_err(late)?
    }

    async fn exchange(&self, path: &str) -> Outcome<Value> {
        let url = format!("{}{path}", self.base);
        let uri = url.parse().map_err(|error| Failure::usage(format!("{url:?} is no URL: {error}")))?;
        let answer = self.client.get(uri).await.map_err(|error| {
            let why = innermost(&error);
            Failure::unhealthy(format!(
                "no gateway answers at {} ({why}); start a node or name another one with --node URL",
                self.base
            ))
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::failed(format!("{url}: the answer broke off: {error}")))?;
        let value: Option<Value> = serde_json::from_slice(&body.to_bytes()).ok();
        if !status.is_success() {
            return Err(refused(&url, status, value.as_ref()));
        }
        value.ok_or_else(|| {
            Failure::failed(format!("{url} answered no JSON; is it a gateway of a vision node?"))
        })
    }
}

fn refused(url: &str, status: http::StatusCode, problem: Option<&Value>) -> Failure {
    let text = |name: &str| problem.and_then(|p| p.get(name)).and_then(Value::as_str);
    let detail = text("detail").or_else(|| text("title")).unwrap_or("no reason given");
    let message = match text("reason") {
        Some(reason) => format!("{url}: {detail} ({reason})"),
        None => format!("{url}: {detail} (HTTP {})", status.as_u16()),
    };
    match status.as_u16() {
        404 => Failure::not_found(message),
        400 | 422 => Failure::usage(message),
        502..=504 => Failure::unhealthy(message),
        _ => Failure::failed(message),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    let text = current.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn urls_are_checked_at_the_edge() {
        let cases = [
            ("plain", "http://127.0.0.1:8080", true),
            ("slash", "http://localhost:8080/", true),
            ("no scheme", "127.0.0.1:8080", false),
            ("tls", "https://127.0.0.1:8080", false),
            ("nonsense", "http://", false),
        ];
        for (desc, url, expect) in cases {
            assert_eq!(Gateway::new(url).is_ok(), expect, "{desc}");
        }
    }

    #[test]
    fn the_exit_code_follows_the_answer() {
        let problem = json!({ "detail": "no block 9", "reason": "BLOCK_NOT_FOUND" });
        let cases = [(404, Exit::NotFound), (400, Exit::Usage), (503, Exit::Unhealthy), (500, Exit::Failed)];
        for (status, expect) in cases {
            let status = http::StatusCode::from_u16(status).expect("a status");
            let failure = refused("http://n/x", status, Some(&problem));
            assert_eq!(failure.exit(), expect);
            assert_eq!(failure.to_string(), "http://n/x: no block 9 (BLOCK_NOT_FOUND)");
        }
    }
}
