//! What the parts of the service share, and how those around the chain's owner are started.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{mpsc, watch};
use vision_block_tree::{BlockTree, ChainRules};
use vision_host::Env;
use vision_host::health::Condition;
use vision_primitives::{NodeId, NodeName};
use vision_wire::max_block_message_bytes;

use crate::actor;
use crate::config::Config;
use crate::home::STORE;
use crate::ingress::Ingress;
use crate::logs::Logs;
use crate::mailbox::CommandSender;
use crate::metrics::ChainMetrics;
use crate::nodes::{Nodes, Own};
use crate::peer_list;
use crate::peers::{self, Identity, Job, PeerRpc, PeerTable};
use crate::rpc::ChainRpc;
use crate::sampling;
use crate::shown::Shown;
use crate::status_page::StatusPage;
use crate::store::Store;
use crate::verdict::Verdict;
use crate::view::HeadView;

/// What the parts of the service share.
pub(crate) struct Shared {
    /// The settings.
    pub config: Config,
    /// The surroundings.
    pub env: Env,
    /// This node.
    pub node_id: NodeId,
    /// The chain's rules.
    pub rules: Arc<ChainRules>,
    /// Its store.
    pub store: Store,
    /// Its owner.
    pub core: CommandSender,
    /// The connections.
    pub table: Arc<PeerTable>,
    /// Logs that watchers follow.
    pub logs: Logs,
    /// What all who show blocks share.
    pub shown: Shown,
    /// The head as published.
    pub view: watch::Receiver<Arc<HeadView>>,
    /// What the oracle last reported.
    pub verdict: watch::Receiver<Option<Verdict>>,
    /// How many transactions wait.
    pub pending: Arc<AtomicU64>,
    /// What is counted.
    pub metrics: ChainMetrics,
}

impl Shared {
    /// Most bytes of a message with a block.
    pub(crate) fn max_message_bytes(&self) -> usize {
        max_block_message_bytes(&self.rules.genesis.params)
    }

    /// What the chain's owner needs.
    pub(crate) fn actor_parts(
        &self,
        tree: BlockTree,
        view: watch::Sender<Arc<HeadView>>,
        store_condition: Condition,
    ) -> actor::Parts {
        actor::Parts {
            tree,
            store: self.store.clone(),
            clock: self.env.clock.clone(),
            peers: self.table.clone(),
            logs: self.logs.clone(),
            shown: self.shown.clone(),
            pool_limits: self.config.pool_limits(),
            view,
            verdict: self.verdict.clone(),
            store_condition,
            metrics: self.metrics.clone(),
            pending: self.pending.clone(),
        }
    }

    /// Starts the pipeline of transactions.
    pub(crate) fn start_ingress(&self) -> Ingress {
        let (core, drain) = (self.core.clone(), self.env.drain.clone());
        let (metrics, threads) = (self.metrics.clone(), self.env.threads);
        Ingress::start(core, self.table.clone(), self.rules.genesis_hash, drain, metrics, threads)
    }

    /// Starts looking at what is not counted when it happens.
    pub(crate) fn start_sampling(&self) {
        let sampled = sampling::Sampled {
            table: self.table.clone(),
            core: self.core.clone(),
            store: self.env.home.join("data").join(STORE),
            threads: self.env.threads,
        };
        tokio::spawn(sampling::sample(self.metrics.clone(), sampled, self.env.drain.clone()));
    }

    /// Starts the lists of peers and of all nodes.
    pub(crate) fn start_nodes(&self, name: NodeName, address: String) -> Arc<Nodes> {
        let (present_sender, present) = watch::channel(Arc::default());
        let (table, drain) = (self.table.clone(), self.env.drain.clone());
        tokio::spawn(peer_list::publish(table, self.logs.peers.clone(), present_sender, drain));
        let own = Own {
            node_id: self.node_id,
            name,
            address,
            version: self.env.version,
            view: self.view.clone(),
            verdict: self.verdict.clone(),
            pending: self.pending.clone(),
            clock: self.env.clock.clone(),
        };
        let (lists, events) = (self.logs.nodes.clone(), self.logs.events.clone());
        let nodes = Arc::new(Nodes::new(own, self.store.clone(), self.env.threads, lists, events));
        tokio::spawn(nodes.clone().run(present, self.env.drain.clone()));
        nodes
    }

    /// Starts calling, fetching and catching up; gives the face towards other nodes.
    pub(crate) fn start_peers(
        &self,
        identity: Identity,
        jobs: mpsc::Receiver<Job>,
        ingress: &Ingress,
        nodes: &Arc<Nodes>,
    ) -> PeerRpc {
        let context = peers::Context {
            identity,
            table: self.table.clone(),
            max_introductions_per_address: self.config.max_introductions_per_address,
            core: self.core.clone(),
            store: self.store.clone(),
            head: self.view.clone(),
            ingress: ingress.clone(),
            clock: self.env.clock.clone(),
            randomness: self.env.randomness.clone(),
            net: self.env.net.clone(),
            threads: self.env.threads,
            drain: self.env.drain.clone(),
            max_message_bytes: self.max_message_bytes(),
            recorder: self.env.metrics.rpc_client().recorder(),
            nodes: nodes.clone(),
            in_progress: peers::InProgress::default(),
        };
        peers::start(context, jobs)
    }

    /// The face towards this node's own services.
    pub(crate) fn chain_rpc(
        &self,
        ingress: Ingress,
        nodes: Arc<Nodes>,
        verdict: watch::Sender<Option<Verdict>>,
    ) -> ChainRpc {
        let logs = self.logs.clone();
        ChainRpc {
            rules: self.rules.clone(),
            node_id: self.node_id,
            core: self.core.clone(),
            store: self.store.clone(),
            view: self.view.clone(),
            heads: logs.heads,
            stored: logs.stored,
            events: logs.events,
            shown: self.shown.clone(),
            statistics: Arc::default(),
            ingress,
            transaction_events: logs.transactions,
            peers: logs.peers,
            nodes,
            verdict,
            clock: self.env.clock.clone(),
            threads: self.env.threads,
        }
    }

    /// The status page on the port towards other nodes.
    pub(crate) fn status_page(&self) -> StatusPage {
        StatusPage {
            node_id: self.node_id,
            chain_id: self.rules.genesis.chain_id.clone(),
            genesis_hash: self.rules.genesis_hash,
            version: self.env.version,
            view: self.view.clone(),
            verdict: self.verdict.clone(),
            clock: self.env.clock.clone(),
        }
    }
}
