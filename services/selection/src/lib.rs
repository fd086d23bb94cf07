//! Selection service: who owns which slot?
//!
//! A pure function behind a network face: pools, entropy and height in, owners and windows out
//! (`docs/protocol.md`, sections 3 and 5; the function is `vision-schedule`). It keeps nothing and calls
//! nobody.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod config;
mod decode;
mod error;
mod metrics;
mod rpc;

pub use config::Config;
pub use decode::MAX_DRAWS;
pub use error::Error;

use tonic::codec::CompressionEncoding;
use vision_host::server::{GrpcServer, bind};
use vision_host::{Env, Health};
use vision_wire::selection::selection_service_server::SelectionServiceServer;
use vision_wire::{FILE_DESCRIPTOR_SET, MAX_SCHEDULE_BYTES, METHODS};

use crate::metrics::SelectionMetrics;
use crate::rpc::Rpc;

/// The name this service bears in health checks.
pub const SERVICE_NAME: &str = "vision.selection.v1.SelectionService";

/// Runs the service until the environment drains.
///
/// # Errors
/// [`Error`] if the address cannot be bound; nothing is started then.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    let listener = bind(&config.grpc_listen, &env.net).await?;
    let address = listener.local_addr().map_or_else(|_| config.grpc_listen.clone(), Into::into);
    tracing::info!(%address, "selection listens");

    let health = Health::new();
    let rpc = Rpc::new(SelectionMetrics::new(&env.metrics), env.threads);
    let service = SelectionServiceServer::new(rpc)
        .max_decoding_message_size(MAX_SCHEDULE_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let server = GrpcServer::new(&health)
        .traced_as("selection")
        .called(config.grpc_listen.host())
        .add(service)
        .descriptor_set(FILE_DESCRIPTOR_SET)
        .methods(METHODS)
        .show_metrics();
    // It needs nobody, so it is ready as soon as it listens.
    health.set_serving();
    Ok(server.serve(listener, &env).await?)
}
