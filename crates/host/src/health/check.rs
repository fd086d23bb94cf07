//! Asks another process for its health.

use std::time::Duration;

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use vision_rpc::deadline::within;

use super::BECAUSE_HEADER;

/// A service that does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServing {
    /// It says so itself.
    #[error("not serving: {0}")]
    Because(String),
    /// It does not answer.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Asks `grpc.health.v1` behind a channel; `service` may be empty for the process as a whole.
///
/// # Errors
/// [`NotServing`] for any answer but SERVING, and for none within `deadline`.
pub async fn check(channel: Channel, service: &str, deadline: Duration) -> Result<(), NotServing> {
    let request = within(deadline, HealthCheckRequest { service: service.to_owned() });
    let mut client = HealthClient::new(channel);
    let answer = tokio::time::timeout(deadline, client.check(request)).await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => return Err(NotServing::NoAnswer(innermost(&status))),
        Err(_) => return Err(NotServing::NoAnswer(format!("none within {} ms", deadline.as_millis()))),
    };
    if response.get_ref().status() == ServingStatus::Serving {
        return Ok(());
    }
    let because = response.metadata().get(BECAUSE_HEADER).and_then(|value| value.to_str().ok());
    Err(NotServing::Because(because.unwrap_or("it does not say why").to_owned()))
}

fn innermost(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
