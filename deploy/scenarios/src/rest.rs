//! A small client of REST; every question is a new connection.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// Address from which this program calls. The published gRPC ports lie in the range from which Linux gives
/// ports to outgoing connections; one from 127.0.0.1 could hold such a port, for a minute after its end too,
/// and keep docker from publishing it when it starts a container again.
pub(crate) const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Longest wait for an answer: a container that is paused takes connections and says nothing.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Largest answer read; a page of 500 blocks is well below.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

/// GETs a path from a port of this machine.
pub(crate) async fn get(port: u16, path: &str) -> Outcome<Answer> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let failed = |why: String| Failure::seen(format!("{url}: {why}"));
    match tokio::time::timeout(ANSWER_DEADLINE, exchange(&url)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(failed(why)),
        Err(_) => Err(failed(format!("no answer within {} s", ANSWER_DEADLINE.as_secs()))),
    }
}

async fn exchange(url: &str) -> Result<Answer, String> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(CALLER));
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let uri = url.parse().map_err(|_| "no URL".to_owned())?;
    let answer = client.get(uri).await.map_err(|error| innermost(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
    Ok(Answer { status, body: serde_json::from_slice(&body.to_bytes()).unwrap_or_default() })
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}
