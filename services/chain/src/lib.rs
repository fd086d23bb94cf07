//! The chain service: blocks, state and peers of one node.
//!
//! It alone decides what is valid, and it stores before it speaks. [`serve`] puts it together: the
//! store is opened and checked, the block tree rebuilt from it, a thread of its own owns both; around
//! it stand the gRPC face for this node's services (`rpc`), and the one towards other nodes with
//! all that dials, fetches and catches up (`peers`).

mod actor;
mod config;
mod error;
mod events;
#[cfg(test)]
mod fixtures;
mod intake;
mod metrics;
mod nodes;
mod peers;
mod rpc;
mod shown;
mod statistics;
mod status_page;
mod store;
mod trace;
mod transactions;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tonic::codec::CompressionEncoding;
use vision_block_tree::{BlockTree, ChainRules, RestoreBase, StoredBlock};
use vision_host::server::{GrpcServer, bind};
use vision_host::{Env, Health};
use vision_ledger::State;
use vision_mempool::Limits;
use vision_primitives::{Genesis, Height, NodeName, NodeNameError, Signature, TimestampMs};
use vision_wire::chain::chain_service_server::ChainServiceServer;
use vision_wire::p2p::peer_service_server::PeerServiceServer;
use vision_wire::{
    ByMethod, EventLog, FILE_DESCRIPTOR_SET, IntroducedCalls, MAX_BATCH_BYTES, MAX_BLOCK_QUESTION_BYTES,
    MAX_SMALL_MESSAGE_BYTES, METHODS, max_block_message_bytes,
};

use actor::{Core, CoreHandle, HeadEvent, HeadView};
pub use config::{Accepts, Config};
pub use error::Error;
use events::Events;
use intake::Intake;
use metrics::ChainMetrics;
use nodes::{NODE_EVENTS, Nodes, Own};
use peers::{Context, Identity, PeerRpc, PeerTable, PeerView};
use shown::Shown;
use store::{BlockRecord, Store};

/// Moves of the head kept for watchers that reconnect.
const HEAD_EVENTS: usize = 256;
/// Stored blocks kept for watchers that come back.
const STORED_EVENTS: usize = 512;
/// Tables of peers kept for watchers that reconnect.
const PEER_EVENTS: usize = 8;
/// Turns kept in which something happened to transactions.
const TRANSACTION_EVENTS: usize = 64;
/// Changes of the peers within this time are told together.
const PEERS_EVERY: Duration = Duration::from_millis(20);
/// The table of peers is told so often even if nothing changed: ages count.
const PEERS_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// The store's file, in the folder of data.
const STORE: &str = "chain.redb";
/// A genesis file larger than this is none, bytes.
const MAX_GENESIS_BYTES: u64 = 256 << 20;

/// Runs the service until the drain begins or it cannot go on.
///
/// # Errors
/// [`Error`] saying what, where and what to do.
pub async fn serve(config: Config, env: Env) -> Result<(), Error> {
    config.check()?;
    let grpc = bind(&config.grpc_listen).await?;
    let p2p = bind(&config.p2p_listen).await?;
    let p2p_address =
        p2p.local_addr().map_err(|error| Error::Setting { field: "p2p_listen", why: error.to_string() })?;

    let rules = Arc::new(ChainRules::new(load_genesis(&env.home.join("genesis.json"))?));
    let now = TimestampMs(env.clock.now_ms());
    let (store, tree) = restore(&env.home.join("data"), &rules, now)?;
    let tree = tree.with_max_open_blocks(config.max_open_blocks);
    let advertise = match config.p2p_advertise.as_str() {
        "" => format!(":{}", p2p_address.port()),
        address => address.to_owned(),
    };
    let identity = Identity::load(
        &env.home,
        &rules.genesis.chain_id,
        rules.genesis_hash,
        advertise.clone(),
        env.version,
    )?;
    let node_id = identity.node_id;
    let name = match env.name.as_deref() {
        None => NodeName::of_id(&node_id),
        Some(text) => text.parse().map_err(|error: NodeNameError| Error::Name(error.to_string()))?,
    };

    let health = Health::new();
    let store_condition = health.condition("store");
    store_condition.ok();
    let start_id = env.clock.now_ms();
    let heads = EventLog::new(start_id, HEAD_EVENTS);
    let first = HeadView::of(tree.head(), tree.final_entry().height());
    tracing::info!(height = first.height.get(), hash = %first.hash, %node_id, "chain restored");
    heads.publish(HeadEvent { head: first.to_proto(), reorg_depth: 0 });
    let (verdict_sender, verdict) = watch::channel(None);
    let (table, fetches) = PeerTable::new(node_id, config.max_peers, env.clock.clone());
    let table = Arc::new(table);
    table.head_moved(first.height, first.weight, first.state.registered());
    let (view_sender, view) = watch::channel(Arc::new(first));
    let happenings = EventLog::new(start_id, TRANSACTION_EVENTS);
    // A watch begins at the last event, of which there must be one.
    happenings.publish(Arc::default());
    let stored = EventLog::new(start_id, STORED_EVENTS);
    stored.publish(Arc::default());
    let events = Events::new(start_id, env.clock.clone());
    let shown = Shown::new(rules.clone());
    let (core, mailbox) = CoreHandle::new();
    let pending = Arc::<AtomicU64>::default();
    let metrics = ChainMetrics::new(&env.metrics);
    let mut owner = Core::new(actor::Parts {
        rules: rules.clone(),
        tree,
        store: store.clone(),
        clock: env.clock.clone(),
        peers: table.clone(),
        heads: heads.clone(),
        stored: stored.clone(),
        events: events.clone(),
        shown: shown.clone(),
        happenings: happenings.clone(),
        pool_limits: Limits {
            transactions: config.max_waiting_transactions,
            bytes: config.max_waiting_bytes,
            ..Limits::default()
        },
        ran_ms: store.running_ms()?,
        view: view_sender,
        verdict: verdict.clone(),
        store_condition,
        metrics: metrics.clone(),
        pending: pending.clone(),
    });
    owner.restore_waiting(store.waiting()?);
    let mut core_ended = start_core(owner, mailbox)?;
    let intake =
        Intake::start(core.clone(), table.clone(), rules.genesis_hash, env.drain.clone(), metrics.clone());
    let looked_at = metrics::Sources {
        table: table.clone(),
        core: core.clone(),
        store: env.home.join("data").join(STORE),
    };
    tokio::spawn(metrics::sample(metrics, looked_at, env.drain.clone()));

    let max_message_bytes = max_block_message_bytes(&rules.genesis.params);
    let peer_events = EventLog::new(start_id, PEER_EVENTS);
    let (present_sender, present) = watch::channel(Arc::default());
    tokio::spawn(tell_peers(table.clone(), peer_events.clone(), present_sender, env.clone()));
    let own = Own {
        node_id,
        name,
        address: advertise,
        version: env.version,
        view: view.clone(),
        verdict: verdict.clone(),
        pending,
        clock: env.clock.clone(),
    };
    let nodes =
        Arc::new(Nodes::new(own, store.clone(), EventLog::new(start_id, NODE_EVENTS), events.clone()));
    tokio::spawn(nodes.clone().run(present, env.drain.clone()));
    let context = Context::start(peers::Parts {
        identity,
        table,
        fetches,
        seeds: config.seeds,
        accepts: config.accept_addresses,
        // Without randomness the calls are merely in an order that others can guess.
        random_seed: u64::from_le_bytes(vision_host::random_bytes().unwrap_or_default()),
        max_introductions_per_address: config.max_introductions_per_address,
        core: core.clone(),
        store: store.clone(),
        head: view.clone(),
        intake: intake.clone(),
        clock: env.clock.clone(),
        drain: env.drain.clone(),
        max_message_bytes,
        recorder: env.metrics.rpc_client().recorder(),
        nodes: nodes.clone(),
    });

    let page = status_page::StatusPage {
        node_id,
        chain_id: rules.genesis.chain_id.clone(),
        genesis_hash: rules.genesis_hash,
        version: env.version,
        view: view.clone(),
        verdict,
        clock: env.clock.clone(),
    };
    let chain_rpc = rpc::ChainRpc {
        rules,
        node_id,
        core: core.clone(),
        store: store.clone(),
        view,
        heads,
        stored,
        events,
        shown,
        statistics: Arc::default(),
        intake,
        happenings,
        peers: peer_events,
        nodes,
        verdict: verdict_sender,
        clock: env.clock.clone(),
    };
    let (chain_rpc, peer_rpc) = (Arc::new(chain_rpc), Arc::new(PeerRpc::new(context)));
    let chain_service = |limit| {
        let service = ChainServiceServer::from_arc(chain_rpc.clone()).max_decoding_message_size(limit);
        service.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip)
    };
    let chain_service = ByMethod::new(
        chain_service(MAX_SMALL_MESSAGE_BYTES),
        chain_service(max_message_bytes.max(MAX_BATCH_BYTES)),
        &["SubmitBlock", "SubmitTransactions"],
    );
    let peer_service = |limit| {
        let service = PeerServiceServer::from_arc(peer_rpc.clone()).max_decoding_message_size(limit);
        service.max_encoding_message_size(max_message_bytes)
    };
    let peer_service =
        ByMethod::new(peer_service(MAX_BLOCK_QUESTION_BYTES), peer_service(max_message_bytes), &["Exchange"]);
    tracing::info!(grpc = %config.grpc_listen, p2p = %p2p_address, "chain service listens");
    let own_face = GrpcServer::new(&health)
        .traced_as(trace::SERVICE)
        .called(config.grpc_listen.host())
        .add(chain_service)
        .descriptor_set(FILE_DESCRIPTOR_SET)
        .methods(METHODS)
        .show_metrics()
        .serve(grpc, &env);
    let advertised_host = config.p2p_advertise.rsplit_once(':').map_or("", |(host, _)| host);
    let peer_face = GrpcServer::new(&health)
        .for_strangers()
        .connections_per_address(config.max_connections_per_address)
        .called(config.p2p_listen.host())
        .called(advertised_host)
        .add(IntroducedCalls::new(peer_service))
        .methods(METHODS)
        .http_routes(page.router())
        .serve(p2p, &env);
    health.set_serving();
    tokio::select! {
        served = async { tokio::try_join!(own_face, peer_face) } => {
            served?;
            core.tell(actor::Command::Stop).await;
            // Whatever it could not write any more is not acknowledged to anybody.
            let _ = core_ended.await;
            store.close();
            Ok(())
        }
        ended = &mut core_ended => match ended {
            Ok(Ok(())) => Err(Error::Core("without being asked to".into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Core("it panicked; its message is in the log above".into())),
        },
    }
}

fn load_genesis(path: &Path) -> Result<Genesis, Error> {
    let bytes = vision_host::files::read(path, MAX_GENESIS_BYTES)
        .map_err(|error| Error::Home { path: path.to_owned(), why: error.to_string() })?;
    let text = String::from_utf8_lossy(&bytes);
    Genesis::from_json(&text).map_err(|error| Error::Genesis { path: path.to_owned(), error })
}

/// Opens the store and rebuilds the tree; every state root on the way is computed anew and compared.
fn restore(data: &Path, rules: &Arc<ChainRules>, now: TimestampMs) -> Result<(Store, BlockTree), Error> {
    vision_host::files::make_folder(data)
        .map_err(|error| Error::Home { path: data.to_owned(), why: error.to_string() })?;
    let corrupt = |why: &dyn std::fmt::Display| Error::Restore(why.to_string());
    let genesis_state = State::genesis(&rules.genesis).map_err(|error| corrupt(&error))?;
    let store = Store::open(&data.join(STORE), rules.genesis_hash, &genesis_state)?;
    let loaded = store.load()?;
    let base = match loaded.final_record {
        None => None,
        Some(record) => {
            let block = stored_block(loaded.final_hash, &record)?;
            let header = vision_primitives::Header::from_bytes(&record.header).map_err(|e| corrupt(&e))?;
            let trail = store.trail(header.height, rules.genesis.params.max_desync_blocks)?;
            Some(RestoreBase { block, state: loaded.final_state, trail })
        }
    };
    let mut open = Vec::with_capacity(loaded.open.len());
    for (record, changes) in loaded.open {
        let hash = vision_primitives::Header::hash_bytes(&rules.genesis_hash, &record.header);
        open.push((stored_block(hash, &record)?, changes));
    }
    let tree = BlockTree::restore(rules.clone(), base, open).map_err(|error| corrupt(&error))?;
    store.align_chain(&canonical(&tree), now)?;
    Ok((store, tree))
}

/// Heights and hashes of the head's chain above the last final block.
fn canonical(tree: &BlockTree) -> Vec<(Height, vision_primitives::Hash)> {
    let (from, to) = (tree.final_entry().height().get() + 1, tree.head().height().get());
    (from..=to)
        .filter_map(|height| tree.canonical(Height(height)).map(|entry| (entry.height(), entry.hash())))
        .collect()
}

fn stored_block(hash: vision_primitives::Hash, record: &BlockRecord) -> Result<StoredBlock, Error> {
    let signature = Signature::from_slice(&record.signature)
        .ok_or_else(|| Error::Restore(format!("block {hash}: its signature has not 64 bytes")))?;
    Ok(StoredBlock {
        hash,
        header_bytes: record.header.clone(),
        signature,
        tx_count: record.transactions.len(),
        size_bytes: record.size_bytes() as u64,
    })
}

/// Starts the thread that owns the chain; its end comes through the channel.
fn start_core(
    core: Core,
    mailbox: tokio::sync::mpsc::Receiver<actor::Letter>,
) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (sender, ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("chain-core".into())
        .spawn(move || {
            let end = actor::run(core, mailbox, &runtime);
            // The service may be gone already.
            let _ = sender.send(end);
        })
        .map_err(|error| Error::Core(error.to_string()))?;
    Ok(ended)
}

/// Tells watchers of the peers' table, changes of a moment together.
async fn tell_peers(
    table: Arc<PeerTable>,
    events: EventLog<Vec<vision_wire::chain::Peer>>,
    present: watch::Sender<Arc<Vec<PeerView>>>,
    env: Env,
) {
    loop {
        let peers = table.list();
        events.publish(peers.iter().cloned().map(peer_to_proto).collect());
        present.send_replace(Arc::new(peers));
        tokio::select! {
            () = env.drain.begun() => return,
            _ = tokio::time::timeout(PEERS_AT_LEAST_EVERY, table.changed.notified()) => {}
        }
        tokio::time::sleep(PEERS_EVERY).await;
    }
}

fn peer_to_proto(peer: PeerView) -> vision_wire::chain::Peer {
    use vision_wire::chain::peer::State;
    let state = if peer.fresh && peer.delivers { State::Connected } else { State::Stale };
    vision_wire::chain::Peer {
        node_id: peer.node_id.to_string(),
        address: peer.address,
        state: state.into(),
        height: peer.height.get(),
        tip_hash: peer.tip_hash.to_string(),
        rtt_ms: peer.rtt_ms,
        clock_offset_ms: peer.clock_offset_ms,
        version: peer.version,
        inbound: peer.inbound,
        last_status_at_ms: peer.last_status_at_ms,
        delivers: peer.delivers,
        charge: peer.charge,
        producer: peer.producer,
    }
}
