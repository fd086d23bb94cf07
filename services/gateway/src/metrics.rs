//! What the gateway counts, and the metrics of the whole node. See docs/metrics.md.

mod requests;
mod scrape;

use vision_host::metrics::{CALL_SECONDS, Gauge, Histogram, Labelled, Metrics};

use crate::ports::Neighbour;

pub(crate) use requests::measure;
pub(crate) use scrape::Scraper;

/// The gateway's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GatewayMetrics {
    requests: Labelled<Histogram, 3>,
    /// Open streams of events.
    streams: Gauge,
    scrape_up: Labelled<Gauge, 1>,
}

impl GatewayMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let made = Self {
            requests: metrics.histograms(
                "http_server_request_duration_seconds",
                "Requests, from their head to the head of the answer",
                ["http_request_method", "http_route", "http_response_status_code"],
                CALL_SECONDS,
            ),
            streams: metrics.gauge("vision_gateway_streams", "Open streams of events"),
            scrape_up: metrics.gauges(
                "vision_gateway_scrape_up",
                "Whether a service of the node delivered its metrics at the last scrape",
                ["target"],
            ),
        };
        Neighbour::ALL.iter().for_each(|service| made.answered(*service, false));
        made
    }

    /// Whether a service has answered with its metrics.
    fn answered(&self, service: Neighbour, answered: bool) {
        self.scrape_up.get([service.name()]).set(f64::from(u8::from(answered)));
    }

    /// Counts an open stream until the guard is dropped.
    pub(crate) fn stream(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }
}

/// An open stream.
pub(crate) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
