//! The chain service: blocks, state and peers of one node.
//!
//! It alone decides what is valid, and it stores before it speaks. [`serve`] puts it together: the
//! store is opened and checked, the block tree rebuilt from it, a thread of its own owns both; around
//! it stand the gRPC face for this node's services (`rpc`), and the one towards other nodes with
//! all that dials, fetches and catches up (`peers`).
#![cfg_attr(not(test), warn(unreachable_pub))]

mod actor;
mod adapters;
mod config;
mod error;
mod events;
mod faces;
#[cfg(test)]
mod fixtures;
mod home;
mod incoming;
mod ingress;
mod logs;
mod mailbox;
mod metrics;
mod nodes;
mod peer_list;
mod peers;
mod ports;
mod refusals;
mod rpc;
mod sampling;
mod shared;
mod shown;
mod statistics;
mod status_page;
mod store;
mod trace;
mod transaction_events;
mod verdict;
mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;
use vision_host::server::bind;
use vision_host::{Env, Health};

use actor::Actor;
pub use config::{Accepts, Config};
pub use error::Error;
use faces::Faces;
use home::Home;
use logs::Logs;
use mailbox::{Command, CommandSender};
use metrics::ChainMetrics;
use peers::PeerTable;
use shared::Shared;
use shown::Shown;
use view::HeadView;

/// Runs the service until the drain begins or it cannot go on.
///
/// # Errors
/// [`Error`] saying what, where and what to do.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    config.check()?;
    let (grpc, p2p) = (bind(&config.grpc_listen, &env.net).await?, bind(&config.p2p_listen, &env.net).await?);
    let p2p_address =
        p2p.local_addr().map_err(|error| Error::Setting { field: "p2p_listen", why: error.to_string() })?;
    let Home { rules, store, tree, identity, name, address } = Home::open(&config, &env, p2p_address.port())?;
    let node_id = identity.node_id;
    let health = Health::new();
    let store_condition = health.condition("store");
    store_condition.ok();

    let head = HeadView::of(tree.head(), tree.final_entry().height());
    tracing::info!(height = head.height.get(), hash = %head.hash, %node_id, "chain restored");
    let (logs, shown) = (Logs::new(&env.clock, &head), Shown::new(rules.clone()));
    let (table, jobs) = PeerTable::start(config.peering(node_id, &env.randomness), env.clock.clone());
    let table = Arc::new(table);
    table.head_moved(head.height, head.weight, head.state.registered());
    let (view_sender, view) = watch::channel(Arc::new(head));
    let (verdict_sender, verdict) = watch::channel(None);
    let (pending, metrics) = (Arc::<AtomicU64>::default(), ChainMetrics::new(&env.metrics));
    let (core, mailbox) = CommandSender::new();
    let shared = Shared {
        config,
        env,
        node_id,
        rules,
        store,
        core,
        table,
        logs,
        shown,
        view,
        verdict,
        pending,
        metrics,
    };

    let actor = Actor::new(shared.actor_parts(tree, view_sender, store_condition))?;
    let mut core_ended = actor::start(actor, mailbox, shared.env.threads)?;
    let ingress = shared.start_ingress();
    shared.start_sampling();
    let nodes = shared.start_nodes(name, address);
    let peer_rpc = shared.start_peers(identity, jobs, &ingress, &nodes);
    let chain_rpc = shared.chain_rpc(ingress, nodes, verdict_sender);
    let (config, env) = (&shared.config, &shared.env);
    tracing::info!(grpc = %config.grpc_listen, p2p = %p2p_address, "chain service listens");
    let faces = Faces { grpc, p2p, health, max_message_bytes: shared.max_message_bytes() };
    tokio::select! {
        biased;
        // First, because its end says more: it is an error, even if the drain begins at that moment.
        ended = &mut core_ended => match ended {
            Ok(Ok(())) => Err(Error::Core("without being asked to".into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Core("it panicked; its message is in the log above".into())),
        },
        served = faces.serve(config, env, (chain_rpc, peer_rpc, shared.status_page())) => {
            served?;
            shared.core.send(Command::Stop).await;
            // Whatever it could not write any more is not acknowledged to anybody.
            let _ = core_ended.await;
            shared.store.close();
            Ok(())
        }
    }
}
