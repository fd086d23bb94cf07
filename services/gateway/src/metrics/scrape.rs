//! The metrics of the whole node: those of the gateway and of every service behind it that answers.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::ACCEPT;
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use vision_host::metrics::{Metrics, OPENMETRICS, merge};

use super::GatewayMetrics;
use crate::config::Config;
use crate::ports::Neighbour;

/// Longest that a service may take to send its metrics: shorter than any scraper waits for the gateway.
const DEADLINE: Duration = Duration::from_secs(1);
/// Questions for the metrics of the node at once; more are refused.
const MAX_SCRAPES: usize = 4;
/// Most bytes that are taken from one service.
const MAX_BYTES: usize = 4 << 20;

/// Asks the services of the node for their metrics. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Scraper(Arc<Inner>);

struct Inner {
    own: Metrics,
    metrics: GatewayMetrics,
    client: Client<HttpConnector, Empty<Bytes>>,
    targets: Vec<(Neighbour, String)>,
    places: Semaphore,
}

impl Scraper {
    pub(crate) fn new(config: &Config, own: Metrics, metrics: GatewayMetrics) -> Self {
        let targets = Neighbour::ALL.map(|service| {
            let url = match service {
                Neighbour::Chain => &config.chain,
                Neighbour::SyncOracle => &config.sync_oracle,
                Neighbour::Selection => &config.selection,
                Neighbour::Producer => &config.producer,
            };
            (service, format!("{}/metrics", url.trim_end_matches('/')))
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self(Arc::new(Inner {
            own,
            metrics,
            client,
            targets: targets.into(),
            places: Semaphore::new(MAX_SCRAPES),
        }))
    }

    /// All metrics of the node as one text in OpenMetrics; none if too many ask at once. A service that does
    /// not answer is missing, and the gateway's own metrics say so.
    pub(crate) async fn scrape(&self) -> Option<String> {
        let _place = self.0.places.try_acquire().ok()?;
        let asked = self.0.targets.iter().map(|(service, url)| async move {
            let answer = tokio::time::timeout(DEADLINE, self.ask(url)).await.ok().flatten();
            self.0.metrics.answered(*service, answer.is_some());
            answer
        });
        let answers = futures::future::join_all(asked).await;
        let own = self.0.own.encode();
        Some(merge([own.as_str()].into_iter().chain(answers.iter().flatten().map(String::as_str))))
    }

    async fn ask(&self, url: &str) -> Option<String> {
        let url: Uri = url.parse().ok()?;
        let request = Request::get(url).header(ACCEPT, OPENMETRICS).body(Empty::new()).ok()?;
        let response = self.0.client.request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.ok()?;
        let text = String::from_utf8(body.to_bytes().into()).ok()?;
        // What breaks off is not whole.
        text.ends_with("# EOF\n").then_some(text)
    }
}
