//! Sync-oracle service: are we in sync, and who is eligible?
//!
//! Watches the head and the peers of this node's chain service, judges at every tick by the rules of
//! Proof-of-Sync (`docs/protocol.md`, section 8a; the machine is `vision-sync-status`), and reports the
//! verdict to whoever watches, and to the chain service. It also answers whom the slots of the next height
//! are dealt over.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod actor;
mod adapters;
mod config;
mod encode;
mod error;
mod health;
mod heard_heads;
mod intervals;
mod log_line;
mod metrics;
mod pools;
mod ports;
mod producer_report;
mod reporter;
mod rpc;
#[cfg(test)]
mod simulation;
mod testnet;
mod trace;

pub use config::{Config, MAX_SNAPSHOT_INTERVAL_MS, MIN_SNAPSHOT_INTERVAL_MS};
pub use error::Error;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::CompressionEncoding;
use vision_host::server::{GrpcServer, bind};
use vision_host::{Env, Health};
use vision_wire::sync_oracle::sync_oracle_service_server::SyncOracleServiceServer;
use vision_wire::{EventLog, FILE_DESCRIPTOR_SET, MAX_SMALL_MESSAGE_BYTES, METHODS};

use crate::actor::{Oracle, Outlets};
use crate::adapters::GrpcChain;
use crate::health::HealthLoop;
use crate::heard_heads::HeardHeads;
use crate::metrics::OracleMetrics;
use crate::pools::Pools;
use crate::ports::Chain;
use crate::producer_report::ProducerReport;
use crate::rpc::Rpc;

/// The name this service bears in health checks.
pub const SERVICE_NAME: &str = "vision.sync_oracle.v1.SyncOracleService";

/// Snapshots kept for watchers that come back; in a fast network every block makes one.
const KEPT_SNAPSHOTS: usize = 256;

/// Judgements of the network's health kept for watchers that come back.
const KEPT_JUDGEMENTS: usize = 64;

/// Runs the service until the environment drains.
///
/// # Errors
/// [`Error`] if the configuration is wrong or the address cannot be bound; nothing is started then.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    config.check()?;
    let chain = GrpcChain::new(&config.chain, &env)?;
    let listener = bind(&config.grpc_listen, &env.net).await?;
    let address = listener.local_addr().map_or_else(|_| config.grpc_listen.clone(), Into::into);
    tracing::info!(%address, chain = config.chain, "sync-oracle listens");

    let Parts { health, rpc, tasks } = Parts::new(chain, &config, &env);
    let server = GrpcServer::new(&health)
        .traced_as(trace::SERVICE)
        .called(config.grpc_listen.host())
        .add(
            SyncOracleServiceServer::new(rpc)
                .max_decoding_message_size(MAX_SMALL_MESSAGE_BYTES)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip),
        )
        .descriptor_set(FILE_DESCRIPTOR_SET)
        .methods(METHODS)
        .show_metrics();

    let _working: Vec<_> = tasks.into_iter().map(|task| AbortOnDropHandle::new(tokio::spawn(task))).collect();
    Ok(server.serve(listener, &env).await?)
}

/// The service without its port.
struct Parts<C> {
    health: Health,
    rpc: Rpc<C>,
    tasks: [BoxFuture<'static, ()>; 3],
}

impl<C: Chain> Parts<C> {
    fn new(chain: C, config: &Config, env: &Env) -> Self {
        let (health, clock) = (Health::new(), env.clock.clone());
        let snapshots = EventLog::new(clock.now_ms(), KEPT_SNAPSHOTS);
        let judgements = EventLog::new(clock.now_ms(), KEPT_JUDGEMENTS);
        let producer = ProducerReport::new(&clock);
        let pools = Pools::new(chain.clone());
        let (reports, newest) = watch::channel(None);
        let heads = HeardHeads::new();
        let outlets = Outlets {
            health: health.clone(),
            snapshots: snapshots.clone(),
            reports,
            heads: heads.clone(),
            metrics: OracleMetrics::new(&env.metrics),
        };
        let oracle =
            Oracle::new(chain.clone(), pools.clone(), clock.clone(), config.snapshot_interval_ms, outlets);
        let health_loop = HealthLoop {
            chain: chain.clone(),
            heads,
            clock: clock.clone(),
            operator: testnet::operator(&env.home),
            snapshots: snapshots.clone(),
            producer: producer.clone(),
            judgements: judgements.clone(),
        };
        // The oracle works until the drain begins: that the chain service ends too is then no finding. The
        // reporter ends with it.
        let tasks = [
            env.drain.clone().ends(oracle.run()).boxed(),
            env.drain.clone().ends(health_loop.run()).boxed(),
            reporter::run(chain, newest, producer.clone(), clock.clone()).boxed(),
        ];
        let rpc = Rpc { snapshots, pools, judgements, producer, clock };
        Self { health, rpc, tasks }
    }
}
