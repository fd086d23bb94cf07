//! A small client of a node's REST gateway.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tonic::transport::Endpoint;
use vision_host::health;

use crate::exit::{Failure, Outcome};
use crate::url::DEFAULT_NODE_URL;

/// Longest wait for an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait to learn whether a port speaks gRPC instead.
const GRPC_DEADLINE: Duration = Duration::from_secs(1);
/// Largest answer read; a page of 500 blocks is well below.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A body as it comes.
pub type Stream = hyper::body::Incoming;

/// A gateway by its URL.
#[derive(Clone)]
pub struct Gateway {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Gateway {
    /// A gateway at a URL such as `http://127.0.0.1:8080`; connects when asked something.
    pub fn new(url: &str) -> Outcome<Self> {
        let base = url.trim_end_matches('/').to_owned();
        let wrong = || {
            Failure::usage(format!("{url:?} is not a gateway URL; it must look like http://127.0.0.1:8080"))
        };
        let uri: Uri = base.parse().map_err(|_| wrong())?;
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
        Ok(self.ask(path).await?)
    }

    /// The same, with what a program can make of a refusal.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.exchange(Method::GET, path, Bytes::new(), ANSWER_DEADLINE).await
    }

    /// Submits JSON.
    pub async fn post(&self, path: &str, body: &Value, deadline: Duration) -> Result<Value, Refusal> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.exchange(Method::POST, path, body.into(), deadline).await
    }

    /// The body behind a path as it comes, which may be without end.
    pub async fn open(&self, path: &str) -> Outcome<Stream> {
        let url = format!("{}{path}", self.base);
        let uri: Uri =
            url.parse().map_err(|error| Failure::usage(format!("{url:?} is not a URL: {error}")))?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = uri;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, self.client.request(request)).await;
        let answer = answer.map_err(|_| self.too_late(ANSWER_DEADLINE))?;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        let body = tokio::time::timeout(ANSWER_DEADLINE, body).await.ok().and_then(Result::ok);
        let problem = body.and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        Err(refused(&url, status, problem.as_ref()).into())
    }

    fn too_late(&self, deadline: Duration) -> Failure {
        let seconds = deadline.as_secs();
        Failure::unhealthy(format!("{} gave no answer within {seconds} s; is the node stuck?", self.base))
    }

    fn unanswered(&self, error: &dyn std::error::Error) -> Failure {
        let why = innermost(error);
        Failure::unhealthy(format!(
            "no gateway answers at {} ({why}); start a node or name another one with --node URL",
            self.base
        ))
        .because(why)
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<T, Refusal> {
        let url = format!("{}{path}", self.base);
        let uri: Uri =
            url.parse().map_err(|error| Failure::usage(format!("{url:?} is not a URL: {error}")))?;
        let answer = tokio::time::timeout(deadline, self.send(method, &url, uri, body)).await;
        let answer = answer.map_err(|_| self.too_late(deadline))?;
        let refusal = match answer {
            Ok((status, body)) if status.is_success() => match serde_json::from_slice(&body) {
                Ok(answer) => return Ok(answer),
                Err(_) => {
                    let why = "did not answer as expected; is it a gateway of a vision node?";
                    Failure::failed(format!("{url} {why}")).into()
                }
            },
            Ok((status, body)) => refused(&url, status, serde_json::from_slice(&body).ok().as_ref()),
            Err(Unanswered { failure, is_connected: false }) => return Err(failure.into()),
            Err(Unanswered { failure, is_connected: true }) => failure.into(),
        };
        // Every refusal of a gateway has a reason: without one, something else listens there.
        if refusal.reason.is_none() && self.speaks_grpc().await {
            return Err(Failure::usage(format!(
                "{} is a gRPC or P2P port of a node; give the URL of its gateway, such as {DEFAULT_NODE_URL}",
                self.base
            ))
            .into());
        }
        Err(refusal)
    }

    async fn speaks_grpc(&self) -> bool {
        let Ok(endpoint) = Endpoint::from_shared(self.base.clone()) else { return false };
        let health = health::check(endpoint.connect_lazy(), "", GRPC_DEADLINE).await;
        matches!(health, Ok(()) | Err(health::NotServing::Because(_)))
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        uri: Uri,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Unanswered> {
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|error| Unanswered {
            failure: self.unanswered(&error),
            is_connected: !error.is_connect(),
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| {
            let failure = Failure::failed(format!("{url}: the answer was cut off: {error}"));
            Unanswered { failure, is_connected: true }
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// Why there is no whole answer.
struct Unanswered {
    failure: Failure,
    /// Whether anybody listens there at all.
    is_connected: bool,
}

/// An answer that was not what was asked for, or none.
#[derive(Debug)]
pub struct Refusal {
    /// The node's reason; none if no node answered.
    pub reason: Option<String>,
    /// The rule that was broken, where the reason has several.
    pub rule: Option<String>,
    failure: Failure,
}

impl Refusal {
    /// The rule if there is one, else the reason.
    pub fn cause(&self) -> Option<&str> {
        self.rule.as_deref().or(self.reason.as_deref())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { reason: None, rule: None, failure }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.failure
    }
}

fn refused(url: &str, status: StatusCode, problem: Option<&Value>) -> Refusal {
    let text = |name: &str| problem.and_then(|p| p.get(name)).and_then(Value::as_str);
    let detail = text("detail").or_else(|| text("title")).unwrap_or("no reason given");
    let rule = problem.and_then(|problem| problem["metadata"]["rule"].as_str());
    let message = match (text("reason"), rule) {
        (Some(reason), Some(rule)) if rule != reason => format!("{url}: {detail} ({reason}, {rule})"),
        (Some(reason), _) => format!("{url}: {detail} ({reason})"),
        (None, _) => format!("{url}: {detail} (HTTP {})", status.as_u16()),
    };
    let failure = match status.as_u16() {
        404 => Failure::not_found(message),
        400 | 422 => Failure::usage(message),
        502..=504 => Failure::unhealthy(message),
        _ => Failure::failed(message),
    };
    Refusal { reason: text("reason").map(str::to_owned), rule: rule.map(str::to_owned), failure }
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
        let problem =
            json!({ "detail": "no block 9", "reason": "BLOCK_NOT_FOUND", "metadata": { "rule": "A_RULE" } });
        let cases = [(404, Exit::NotFound), (400, Exit::Usage), (503, Exit::Unhealthy), (500, Exit::Failed)];
        for (status, expect) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            let refusal = refused("http://n/x", status, Some(&problem));
            let reported = (refusal.reason.as_deref(), refusal.rule.as_deref(), refusal.cause());
            assert_eq!(reported, (Some("BLOCK_NOT_FOUND"), Some("A_RULE"), Some("A_RULE")));
            let failure = Failure::from(refusal);
            assert_eq!(failure.exit(), expect);
            assert_eq!(failure.to_string(), "http://n/x: no block 9 (BLOCK_NOT_FOUND, A_RULE)");
        }
    }
}
