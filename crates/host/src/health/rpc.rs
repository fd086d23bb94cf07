//! Answers `grpc.health.v1.Health`.

use std::pin::Pin;

use futures::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{BECAUSE_HEADER, Health, State};
use crate::text::{cut, cut_to};

/// Most characters of a reason that fit into the header.
const MAX_BECAUSE_CHARS: usize = 500;

/// The service behind [`Health::rpc`].
#[derive(Debug)]
pub struct HealthRpc(Health);

impl HealthRpc {
    pub(super) const fn new(health: Health) -> Self {
        Self(health)
    }
}

fn status_of(state: &State, service: &str) -> ServingStatus {
    if service == health_server::SERVICE_NAME {
        // It answers, so it serves, whatever the others lack: what a liveness probe asks for.
        ServingStatus::Serving
    } else if !service.is_empty() && !state.services.contains(service) {
        ServingStatus::ServiceUnknown
    } else if state.because().is_none() {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

/// Header values are visible ASCII; anything else is replaced.
fn header_text(because: &str) -> String {
    cut_to(because, MAX_BECAUSE_CHARS).chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[tonic::async_trait]
impl health_server::Health for HealthRpc {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        let (status, because) = {
            let state = self.0.0.borrow();
            (status_of(&state, &service), state.because())
        };
        if status == ServingStatus::ServiceUnknown {
            return Err(Status::not_found(format!("no service {:?} here", cut(&service))));
        }
        let mut response = Response::new(answer(status));
        let header = because.and_then(|text| MetadataValue::try_from(header_text(&text)).ok());
        if let Some(value) = header {
            response.metadata_mut().insert(BECAUSE_HEADER, value);
        }
        Ok(response)
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let mut last = None;
        let changes = WatchStream::new(self.0.0.subscribe()).filter_map(move |state| {
            let status = status_of(&state, &service);
            let news = last != Some(status);
            last = Some(status);
            news.then(|| Ok(answer(status)))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
