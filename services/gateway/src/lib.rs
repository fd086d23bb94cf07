//! The gateway: the node's face over HTTP. Translates REST into gRPC, decides nothing.
//!
//! `GET /api/mining/status` is answered from a body kept current by the producer's watch; every
//! other route asks the services behind when it is called. gRPC health stands on the same port.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod adapters;
mod config;
mod error;
mod http;
mod live;
mod metrics;
mod ports;
mod rpc;
mod views;

use tokio::task::JoinSet;
use tracing::info;
use vision_host::net::Listener;
use vision_host::server::{GrpcServer, MAX_CONNECTIONS_PER_ADDRESS, bind};
use vision_host::{Env, Health};
use vision_wire::METHODS;
use vision_wire::gateway::event_service_server::EventServiceServer;

pub use config::{Config, Network, NoNetwork, NoOrigin, NoPages, Origin, Pages};
pub use error::Error;

/// Name of the gateway in `grpc.health.v1`.
pub const SERVICE_NAME: &str = "vision.gateway";

/// Connections of the gateway's port at once: listeners of events hold one each.
pub const MAX_CONNECTIONS: usize = 2_048;

/// Binds the port of the configuration and serves until the drain begins.
///
/// # Errors
/// [`Error`] when the port is taken or a URL of the configuration is none.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    let listener = bind(&config.listen, &env.net).await?;
    serve_on(listener, config, env).await
}

/// [`serve`] on a port that is bound already.
///
/// # Errors
/// [`Error`] when a URL of the configuration is none.
pub async fn serve_on(listener: impl Into<Listener>, config: Config, env: Env) -> Result<(), Error> {
    let listener = listener.into();
    let connections = config.max_connections_per_address;
    if !(1..=MAX_CONNECTIONS_PER_ADDRESS).contains(&connections) {
        return Err(Error::ConnectionsPerAddress(connections));
    }
    let address = listener.local_addr().map_or_else(|_| config.listen.clone(), Into::into);
    let backends = adapters::Backends::new(&config, &env)?;
    let metrics = metrics::GatewayMetrics::new(&env.metrics);
    let scraper = metrics::Scraper::new(&config, env.metrics.clone(), metrics.clone());
    let health = Health::new();
    health.register(SERVICE_NAME);

    let live = live::Live::new(env.clock.now_ms(), env.clock.clone());
    let mining = live::MiningStatusBody::starting();
    let followed = live::Followed {
        mining: mining.clone(),
        health: &health,
        pages: config.pages.clone(),
        clock: env.clock.clone(),
    };
    let following = live::follow(backends.clone(), live.clone(), followed);
    // Dropped, and thereby stopped, when this function returns.
    let mut tasks = JoinSet::new();
    tasks.spawn(env.drain.clone().ends(following));
    let state = http::AppState::new(&config, backends, mining, metrics, scraper, live, &env)?;
    let events = EventServiceServer::new(rpc::EventRpc(state.clone()));
    let events = events.max_decoding_message_size(rpc::MAX_QUESTION_BYTES);
    let server = GrpcServer::new(&health)
        .for_strangers()
        .connections(MAX_CONNECTIONS)
        .connections_per_address(connections)
        .called(config.listen.host())
        .refuse_host_with(http::wrong_host)
        .small_requests()
        .add(events)
        .methods(METHODS)
        .http_routes(http::routes(state));
    let server = config.allowed_hosts.iter().fold(server, |server, host| server.called(host));
    health.set_serving();
    info!(%address, "gateway serving REST on http://{address}");
    server.serve(listener, &env).await?;
    Ok(())
}
