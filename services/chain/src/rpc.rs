//! The gRPC face towards this node's own services and its operator: decode, ask, encode.

mod blocks;
mod follow;
mod fork_tree;
mod listing;
mod registry;
mod seal;
mod slots;
mod statistics;
mod stored;
mod transactions;

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use vision_block_tree::ChainRules;
use vision_host::{Clock, Threads};
use vision_primitives::{Hash, Height, NodeId, Slot, TimestampMs};
use vision_wire::chain::chain_service_server::ChainService;
use vision_wire::chain::{self as proto, get_producers_request};
use vision_wire::{EventKind, EventLog, Reason, ResponseStream, parse_hash};

use crate::events::Events;
use crate::ingress::Ingress;
use crate::mailbox::{Command, CommandSender};
use crate::nodes::Nodes;
use crate::refusals::store_status;
use crate::shown::Shown;
use crate::statistics::Window;
use crate::store::{Store, StoreError};
use crate::transaction_events::TransactionEvents;
use crate::verdict::Verdict;
use crate::view::{HeadEvent, HeadView, StoredBlocks};

/// Serves [`ChainService`].
#[derive(Clone)]
pub(crate) struct ChainRpc {
    /// The chain's rules.
    pub rules: Arc<ChainRules>,
    /// This node.
    pub node_id: NodeId,
    /// The thread that owns the chain.
    pub core: CommandSender,
    /// Its store.
    pub store: Store,
    /// The head as published.
    pub view: watch::Receiver<Arc<HeadView>>,
    /// Moves of the head.
    pub heads: EventLog<HeadEvent>,
    /// Blocks stored.
    pub stored: StoredBlocks,
    /// What happens to the chain and its peers.
    pub events: Events,
    /// What all who show blocks share.
    pub shown: Shown,
    /// What the newest blocks show, as far as it was asked for.
    pub statistics: Arc<tokio::sync::Mutex<Window>>,
    /// Where transactions are submitted.
    pub ingress: Ingress,
    /// What happens to them.
    pub transaction_events: TransactionEvents,
    /// Tables of peers.
    pub peers: EventLog<Vec<proto::Peer>>,
    /// All nodes.
    pub nodes: Arc<Nodes>,
    /// What the oracle last reported.
    pub verdict: watch::Sender<Option<Verdict>>,
    /// The clock.
    pub clock: Clock,
    /// Where the store is read.
    pub threads: Threads,
}

/// Reads from a store without holding up the runtime.
async fn load<T: Send + 'static>(
    threads: Threads,
    store: &Store,
    read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Status> {
    let store = store.clone();
    threads
        .work(move || read(&store))
        .await
        .map_err(|error| vision_wire::status(Reason::Internal, error.to_string(), &[]))?
        .map_err(|error| store_status(&error))
}

impl ChainRpc {
    fn head(&self) -> Arc<HeadView> {
        self.view.borrow().clone()
    }

    /// Reads from the store without holding up the runtime.
    async fn load<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Status> {
        load(self.threads, &self.store, read).await
    }

    fn height_not_found(&self, height: u64) -> Status {
        let head = self.head().height;
        let metadata = [("height", height.to_string()), ("head_height", head.to_string())];
        vision_wire::status(Reason::HeightNotFound, format!("the head is at height {head}"), &metadata)
    }

    async fn hash_at(&self, height: u64) -> Result<Hash, Status> {
        let found = self.load(move |store| store.hash_at(Height(height))).await?;
        found.ok_or_else(|| self.height_not_found(height))
    }
}

#[tonic::async_trait]
impl ChainService for ChainRpc {
    type FollowTransactionsStream = ResponseStream<proto::FollowTransactionsResponse>;
    type WatchBlocksStream = ResponseStream<proto::WatchBlocksResponse>;
    type WatchEventsStream = ResponseStream<proto::ChainEvent>;
    type WatchHeadStream = ResponseStream<proto::WatchHeadResponse>;
    type WatchPeersStream = ResponseStream<proto::WatchPeersResponse>;
    type WatchNodesStream = ResponseStream<proto::WatchNodesResponse>;
    type WatchTransactionsStream = ResponseStream<proto::WatchTransactionsResponse>;

    async fn get_chain_info(
        &self,
        _request: Request<proto::GetChainInfoRequest>,
    ) -> Result<Response<proto::GetChainInfoResponse>, Status> {
        use vision_primitives::{Entropy, Finality};
        let genesis = &self.rules.genesis;
        let entropy = match genesis.entropy {
            Entropy::PrevHash => "prev_hash",
        };
        let finality = match genesis.finality {
            Finality::Cft => "cft",
            Finality::Bft => "bft",
        };
        Ok(Response::new(proto::GetChainInfoResponse {
            chain_id: genesis.chain_id.clone(),
            genesis_hash: self.rules.genesis_hash.to_string(),
            genesis_time_ms: genesis.time_ms.get(),
            entropy: entropy.into(),
            finality: finality.into(),
            params: genesis.params.table().iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            node_id: self.node_id.to_string(),
            parameters: Some(vision_wire::params_to_proto(&genesis.params)),
        }))
    }

    async fn get_head(
        &self,
        _request: Request<proto::GetHeadRequest>,
    ) -> Result<Response<proto::GetHeadResponse>, Status> {
        Ok(Response::new(proto::GetHeadResponse { head: Some(self.head().to_proto()) }))
    }

    async fn get_block(
        &self,
        request: Request<proto::GetBlockRequest>,
    ) -> Result<Response<proto::GetBlockResponse>, Status> {
        self.block(request.into_inner()).await
    }

    async fn list_blocks(
        &self,
        request: Request<proto::ListBlocksRequest>,
    ) -> Result<Response<proto::ListBlocksResponse>, Status> {
        self.list(&request.into_inner()).await
    }

    async fn watch_blocks(
        &self,
        request: Request<proto::WatchBlocksRequest>,
    ) -> Result<Response<Self::WatchBlocksStream>, Status> {
        Ok(Response::new(self.stored_blocks(&request.into_inner()).await?))
    }

    async fn watch_events(
        &self,
        request: Request<proto::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Ok(Response::new(self.events.watch(&request.into_inner().cursor).await?))
    }

    async fn watch_head(
        &self,
        request: Request<proto::WatchHeadRequest>,
    ) -> Result<Response<Self::WatchHeadStream>, Status> {
        use proto::watch_head_response::Kind;
        let events = self.heads.subscribe(&request.into_inner().cursor)?;
        Ok(Response::new(events.respond(|item| {
            let kind = match item.kind {
                EventKind::Current => Kind::Current,
                EventKind::Heartbeat => Kind::Heartbeat,
                EventKind::New if item.event.reorg_depth > 0 => Kind::Reorganised,
                EventKind::New => Kind::Extended,
            };
            let reorg_depth = if kind == Kind::Reorganised { item.event.reorg_depth } else { 0 };
            proto::WatchHeadResponse {
                cursor: item.cursor,
                kind: kind.into(),
                head: Some(item.event.head),
                reorg_depth,
            }
        })))
    }

    async fn get_slots(
        &self,
        request: Request<proto::GetSlotsRequest>,
    ) -> Result<Response<proto::GetSlotsResponse>, Status> {
        Ok(Response::new(self.slots(request.into_inner()).await?))
    }

    async fn get_statistics(
        &self,
        request: Request<proto::GetStatisticsRequest>,
    ) -> Result<Response<proto::GetStatisticsResponse>, Status> {
        Ok(Response::new(self.statistics_of(&request.into_inner()).await?))
    }

    async fn get_fork_tree(
        &self,
        request: Request<proto::GetForkTreeRequest>,
    ) -> Result<Response<proto::GetForkTreeResponse>, Status> {
        Ok(Response::new(self.fork_tree(&request.into_inner()).await?))
    }

    async fn get_producers(
        &self,
        request: Request<proto::GetProducersRequest>,
    ) -> Result<Response<proto::GetProducersResponse>, Status> {
        let hash = match request.into_inner().at {
            None => self.head().hash,
            Some(get_producers_request::At::Hash(text)) => parse_hash("hash", &text)?,
            Some(get_producers_request::At::Height(height)) => self.hash_at(height).await?,
        };
        Ok(Response::new(self.registry(hash).await?))
    }

    async fn prepare_block(
        &self,
        request: Request<proto::PrepareBlockRequest>,
    ) -> Result<Response<proto::PrepareBlockResponse>, Status> {
        let request = request.into_inner();
        let parent = parse_hash("parent", &request.parent)?;
        let producer = parse_hash("producer", &request.producer)?;
        let (slot, stamp) = (Slot(request.slot), TimestampMs(request.timestamp_ms));
        let prepared =
            self.core.ask(|reply| Command::Prepare { parent, slot, producer, stamp, reply }).await?;
        Ok(Response::new(proto::PrepareBlockResponse {
            header: prepared.header.into(),
            hash: prepared.hash.to_string(),
            height: prepared.height.get(),
            tx_count: u32::try_from(prepared.transactions.len()).unwrap_or(u32::MAX),
            transactions: prepared.transactions.into_iter().map(Into::into).collect(),
        }))
    }

    async fn submit_block(
        &self,
        request: Request<proto::SubmitBlockRequest>,
    ) -> Result<Response<proto::SubmitBlockResponse>, Status> {
        let request = request.into_inner();
        let (header, signature) = (request.header.to_vec(), request.signature.to_vec());
        let transactions = request.transactions.iter().map(|bytes| bytes.to_vec()).collect();
        let stored =
            self.core.ask(|reply| Command::Submit { header, signature, transactions, reply }).await?;
        Ok(Response::new(proto::SubmitBlockResponse {
            height: stored.height,
            hash: stored.hash.to_string(),
            became_head: stored.became_head,
            sent_to: stored.sent_to,
            send_failed: stored.send_failed,
        }))
    }

    async fn submit_transaction(
        &self,
        request: Request<proto::SubmitTransactionRequest>,
    ) -> Result<Response<proto::SubmitTransactionResponse>, Status> {
        self.submit_one(request.into_inner()).await
    }

    async fn submit_transactions(
        &self,
        request: Request<proto::SubmitTransactionsRequest>,
    ) -> Result<Response<proto::SubmitTransactionsResponse>, Status> {
        self.submit_many(request.into_inner()).await
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        self.transaction(request.into_inner()).await
    }

    async fn watch_transactions(
        &self,
        request: Request<proto::WatchTransactionsRequest>,
    ) -> Result<Response<Self::WatchTransactionsStream>, Status> {
        Ok(Response::new(self.transaction_events(&request.into_inner()).await?))
    }

    async fn list_transactions(
        &self,
        request: Request<proto::ListTransactionsRequest>,
    ) -> Result<Response<proto::ListTransactionsResponse>, Status> {
        self.list_of_transactions(&request.into_inner()).await
    }

    async fn list_pending(
        &self,
        request: Request<proto::ListPendingRequest>,
    ) -> Result<Response<proto::ListPendingResponse>, Status> {
        self.list_of_pending(&request.into_inner()).await
    }

    async fn follow_transactions(
        &self,
        request: Request<proto::FollowTransactionsRequest>,
    ) -> Result<Response<Self::FollowTransactionsStream>, Status> {
        Ok(Response::new(self.follow(request.into_inner()).await?))
    }

    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        self.account(request.into_inner()).await
    }

    async fn list_peers(
        &self,
        _request: Request<proto::ListPeersRequest>,
    ) -> Result<Response<proto::ListPeersResponse>, Status> {
        let peers = self.peers.latest().unwrap_or_default();
        Ok(Response::new(proto::ListPeersResponse { peers }))
    }

    async fn watch_peers(
        &self,
        request: Request<proto::WatchPeersRequest>,
    ) -> Result<Response<Self::WatchPeersStream>, Status> {
        let events = self.peers.subscribe(&request.into_inner().cursor)?;
        let answers = events.map(|item| {
            item.map(|item| proto::WatchPeersResponse {
                cursor: item.cursor,
                heartbeat: item.kind == EventKind::Heartbeat,
                peers: item.event,
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_nodes(
        &self,
        _request: Request<proto::ListNodesRequest>,
    ) -> Result<Response<proto::ListNodesResponse>, Status> {
        Ok(Response::new(proto::ListNodesResponse { nodes: self.nodes.list() }))
    }

    async fn watch_nodes(
        &self,
        request: Request<proto::WatchNodesRequest>,
    ) -> Result<Response<Self::WatchNodesStream>, Status> {
        let events = self.nodes.events().subscribe(&request.into_inner().cursor)?;
        Ok(Response::new(events.respond(|item| proto::WatchNodesResponse {
            cursor: item.cursor,
            heartbeat: item.kind == EventKind::Heartbeat,
            nodes: item.event,
        })))
    }

    async fn get_propagation(
        &self,
        _request: Request<proto::GetPropagationRequest>,
    ) -> Result<Response<proto::GetPropagationResponse>, Status> {
        Ok(Response::new(proto::GetPropagationResponse { nodes: self.nodes.propagation() }))
    }

    async fn report_snapshot(
        &self,
        request: Request<proto::ReportSnapshotRequest>,
    ) -> Result<Response<proto::ReportSnapshotResponse>, Status> {
        let request = request.into_inner();
        let snapshot = request.snapshot.ok_or_else(|| {
            vision_wire::status(Reason::InvalidArgument, "no snapshot", &[("field", "snapshot".into())])
        })?;
        let verdict = Verdict::received(snapshot, request.makes_no_block_because, &self.clock);
        self.verdict.send_replace(Some(verdict));
        Ok(Response::new(proto::ReportSnapshotResponse {}))
    }
}
