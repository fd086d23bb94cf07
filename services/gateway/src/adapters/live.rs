//! What is followed and asked for all who listen.

use futures::Stream;
use tonic::Status;
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{
    ChainEvent, GetForkTreeRequest, GetPropagationRequest, GetSlotsRequest, GetSlotsResponse,
    GetStatisticsRequest, GetStatisticsResponse, ListPendingRequest, ListPendingResponse, Propagation,
    TreeBlock, WatchEventsRequest, WatchNodesRequest, WatchNodesResponse,
};
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{WatchNetworkHealthRequest, WatchNetworkHealthResponse};
use vision_wire::watch::{FollowItem, WatchItem, following, resuming};
use vision_wire::{MAX_MESSAGE_BYTES, call, deadline};

use super::{Backends, CHAIN, SYNC_ORACLE};

impl Backends {
    /// What happens on the chain, from now on.
    pub(crate) fn watch_events(&self) -> impl Stream<Item = FollowItem<ChainEvent>> + Send + use<> {
        let client = ChainServiceClient::new(self.chain.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        following(CHAIN, String::new(), &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_events(WatchEventsRequest { cursor }).await }
        })
    }

    /// Every node that the chain service knows.
    pub(crate) fn watch_nodes(&self) -> impl Stream<Item = WatchItem<WatchNodesResponse>> + Send + use<> {
        let client = ChainServiceClient::new(self.chain.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        resuming(CHAIN, &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_nodes(WatchNodesRequest { cursor }).await }
        })
    }

    /// The judgement of the network.
    pub(crate) fn watch_network_health(
        &self,
    ) -> impl Stream<Item = WatchItem<WatchNetworkHealthResponse>> + Send + use<> {
        let client = SyncOracleServiceClient::new(self.sync_oracle.clone());
        resuming(SYNC_ORACLE, &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_network_health(WatchNetworkHealthRequest { cursor }).await }
        })
    }

    /// The slots of the next height.
    pub(crate) async fn slots(&self) -> Result<GetSlotsResponse, Status> {
        call(CHAIN, self.chain().get_slots(deadline(GetSlotsRequest::default()))).await
    }

    /// What the newest blocks show of the producers.
    pub(crate) async fn statistics(&self, window: u32) -> Result<GetStatisticsResponse, Status> {
        call(CHAIN, self.chain().get_statistics(deadline(GetStatisticsRequest { window }))).await
    }

    /// The known blocks of the newest heights.
    pub(crate) async fn fork_tree(&self, heights: u32) -> Result<Vec<TreeBlock>, Status> {
        Ok(call(CHAIN, self.chain().get_fork_tree(deadline(GetForkTreeRequest { heights }))).await?.blocks)
    }

    /// What waits for a block, the newest first.
    pub(crate) async fn pending(&self, page_size: u32) -> Result<ListPendingResponse, Status> {
        call(CHAIN, self.chain().list_pending(deadline(ListPendingRequest { page_size }))).await
    }

    /// How long blocks take to each node.
    pub(crate) async fn propagation(&self) -> Result<Vec<Propagation>, Status> {
        Ok(call(CHAIN, self.chain().get_propagation(deadline(GetPropagationRequest {}))).await?.nodes)
    }
}
