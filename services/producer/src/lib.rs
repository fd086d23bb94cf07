//! Producer service: holds the key, claims, signs, proposes.
//!
//! Watches the head of this node's chain service and the verdict of its sync-oracle, asks the selection
//! service who owns which slot, and when one of them is this node's and its time has come, has a block
//! prepared, claims it on disk, signs it and executor it in (`docs/protocol.md`, sections 3, 5, 7 and 10; the
//! machine is `vision-authoring`). It alone holds the key, and it never signs two blocks for one parent.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod actor;
mod adapters;
mod audit;
mod config;
mod error;
mod log_line;
mod metrics;
mod perform;
mod ports;
mod reporter;
mod rpc;
mod signer;
mod status;
mod trace;

use std::sync::Arc;

pub use config::{Config, MAX_MINING_TICK_MS, MIN_MINING_TICK_MS};
pub use error::Error;
pub use signer::{create_signer_state, reset_signer_state};

use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use vision_authoring::Machine;
use vision_host::server::{GrpcServer, bind};
use vision_host::{Env, Health, files};
use vision_primitives::Genesis;
use vision_schedule::SlotTiming;
use vision_wire::producer::producer_service_server::ProducerServiceServer;
use vision_wire::{EventLog, FILE_DESCRIPTOR_SET, MAX_SMALL_MESSAGE_BYTES, METHODS};

use crate::actor::{Actor, Outlets};
use crate::adapters::GrpcNeighbours;
use crate::metrics::ProducerMetrics;
use crate::perform::Executor;
use crate::rpc::Rpc;
use crate::signer::{Signer, SignerState, read_key};

/// The name this service bears in health checks.
pub const SERVICE_NAME: &str = "vision.producer.v1.ProducerService";

/// Statuses kept for watchers that come back.
const KEPT_STATUSES: usize = 256;
/// Largest genesis file.
const MAX_GENESIS_BYTES: u64 = 64 << 20;

/// Runs the service until the environment drains.
///
/// # Errors
/// [`Error`] if configuration, key, genesis or claims are wrong or the address cannot be bound: nothing is
/// started then.
/// [`Error::ClaimsTooOld`] as soon as the chain shows blocks of this key that the claims do not know of.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    config.check()?;
    let neighbours = GrpcNeighbours::new(&config, &env)?;
    let genesis = read_genesis(&env)?;
    let genesis_hash = genesis.hash();
    let timing = SlotTiming::from(&genesis.params);
    let listener = bind(&config.grpc_listen, &env.net).await?;
    let key = read_key(&env.home)?;
    let me = key.public_key().id();
    let (state, loaded) = SignerState::open(&env.home, &me, &genesis_hash)?;
    let address = listener.local_addr().map_or_else(|_| config.grpc_listen.clone(), Into::into);
    tracing::info!(%address, node = %me, chain = config.chain, "producer listens");

    let health = Health::new();
    let statuses = EventLog::new(env.clock.now_ms(), KEPT_STATUSES);
    let (claims, newest_claims) = watch::channel(Arc::new(loaded.book.clone()));
    let (report, newest_report) = watch::channel(reporter::Report::default());
    let oracle = neighbours.clone();
    let executor = Executor {
        neighbours,
        signer: Arc::new(Signer::new(key, genesis_hash, state, loaded.last.as_deref())),
        clock: env.clock.clone(),
        threads: env.threads,
        chain_id: genesis.chain_id.as_str().into(),
        timing,
        genesis_hash,
        metrics: ProducerMetrics::new(&env.metrics),
    };
    let machine = Machine::new(vision_authoring::Config { me, timing }, loaded.guard, loaded.last);
    let outlets = Outlets { health: health.clone(), statuses: statuses.clone(), claims, report };
    let actor = Actor::new(executor, machine, loaded.book, config.mining_tick_ms, outlets);
    let server = GrpcServer::new(&health)
        .traced_as(trace::SERVICE)
        .called(config.grpc_listen.host())
        .add(
            ProducerServiceServer::new(Rpc { statuses, claims: newest_claims })
                .max_decoding_message_size(MAX_SMALL_MESSAGE_BYTES)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip),
        )
        .descriptor_set(FILE_DESCRIPTOR_SET)
        .methods(METHODS)
        .show_metrics();

    // Either of the two ends the other: the actor when it must not go on, the server when it is asked to
    // stop.
    let env = Env { drain: env.drain.child(), ..env };
    let drain = env.drain.clone();
    tokio::spawn(reporter::run(oracle, newest_report, env.clock.clone(), env.drain.clone()));
    let acting = async {
        let ended = actor.run(drain.clone()).await;
        drain.begin();
        ended
    };
    let serving = async {
        let served = server.serve(listener, &env).await;
        env.drain.begin();
        served
    };
    let (acted, served) = tokio::join!(acting, serving);
    acted.map_err(|stale| stale.into_error(&env.home))?;
    Ok(served?)
}

fn read_genesis(env: &Env) -> Result<Genesis, Error> {
    let path = env.home.join("genesis.json");
    let bytes = files::read(&path, MAX_GENESIS_BYTES)?;
    Genesis::from_json(&String::from_utf8_lossy(&bytes)).map_err(|source| Error::Genesis { path, source })
}
