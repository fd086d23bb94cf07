//! A chain service of which a test plays the methods it needs.

use tonic::{Request, Response, Status};
use vision_wire::chain::chain_service_server::{ChainService, ChainServiceServer};
use vision_wire::chain::watch_head_response::Kind;
use vision_wire::chain::*;
use vision_wire::{EventKind, EventLog, ResponseStream};

/// What a method gives back.
type Answer<T> = Result<Response<T>, Status>;
/// What a method that streams gives back.
type Stream<T> = Answer<ResponseStream<T>>;

/// The answer of a method that is not played.
///
/// # Errors
/// Always.
pub fn not_played<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not played"))
}

/// Says of all methods at once what they answer unless they are played, and that a [`FakeChain`] asks what
/// plays it.
macro_rules! methods {
    (
        unary { $($unary:ident($request:ty) -> $response:ty;)* }
        streams { $($stream:ident($watch:ty) -> $associated:ident of $event:ty;)* }
    ) => {
        /// The methods that a test plays. All others answer UNIMPLEMENTED.
        #[tonic::async_trait]
        pub trait PlayedChain: Send + Sync + 'static {
            $(
                #[doc = concat!("Plays `", stringify!($unary), "`.")]
                async fn $unary(&self, _: Request<$request>) -> Answer<$response> {
                    not_played()
                }
            )*
            $(
                #[doc = concat!("Plays `", stringify!($stream), "`.")]
                async fn $stream(&self, _: Request<$watch>) -> Stream<$event> {
                    not_played()
                }
            )*
        }

        #[tonic::async_trait]
        impl<P: PlayedChain> ChainService for FakeChain<P> {
            $(
                async fn $unary(&self, request: Request<$request>) -> Answer<$response> {
                    self.0.$unary(request).await
                }
            )*
            $(
                type $associated = ResponseStream<$event>;

                async fn $stream(&self, request: Request<$watch>) -> Stream<$event> {
                    self.0.$stream(request).await
                }
            )*
        }
    };
}

methods! {
    unary {
        get_chain_info(GetChainInfoRequest) -> GetChainInfoResponse;
        get_head(GetHeadRequest) -> GetHeadResponse;
        get_block(GetBlockRequest) -> GetBlockResponse;
        list_blocks(ListBlocksRequest) -> ListBlocksResponse;
        get_slots(GetSlotsRequest) -> GetSlotsResponse;
        get_statistics(GetStatisticsRequest) -> GetStatisticsResponse;
        get_fork_tree(GetForkTreeRequest) -> GetForkTreeResponse;
        get_producers(GetProducersRequest) -> GetProducersResponse;
        prepare_block(PrepareBlockRequest) -> PrepareBlockResponse;
        submit_block(SubmitBlockRequest) -> SubmitBlockResponse;
        submit_transaction(SubmitTransactionRequest) -> SubmitTransactionResponse;
        submit_transactions(SubmitTransactionsRequest) -> SubmitTransactionsResponse;
        get_transaction(GetTransactionRequest) -> GetTransactionResponse;
        list_transactions(ListTransactionsRequest) -> ListTransactionsResponse;
        list_pending(ListPendingRequest) -> ListPendingResponse;
        get_account(GetAccountRequest) -> GetAccountResponse;
        list_peers(ListPeersRequest) -> ListPeersResponse;
        list_nodes(ListNodesRequest) -> ListNodesResponse;
        get_propagation(GetPropagationRequest) -> GetPropagationResponse;
        report_snapshot(ReportSnapshotRequest) -> ReportSnapshotResponse;
    }
    streams {
        watch_blocks(WatchBlocksRequest) -> WatchBlocksStream of WatchBlocksResponse;
        watch_events(WatchEventsRequest) -> WatchEventsStream of ChainEvent;
        watch_head(WatchHeadRequest) -> WatchHeadStream of WatchHeadResponse;
        watch_transactions(WatchTransactionsRequest) -> WatchTransactionsStream of WatchTransactionsResponse;
        follow_transactions(FollowTransactionsRequest)
            -> FollowTransactionsStream of FollowTransactionsResponse;
        watch_peers(WatchPeersRequest) -> WatchPeersStream of WatchPeersResponse;
        watch_nodes(WatchNodesRequest) -> WatchNodesStream of WatchNodesResponse;
    }
}

/// A chain service played by `P`.
pub struct FakeChain<P>(pub P);

impl<P: PlayedChain> FakeChain<P> {
    /// As a service of a server.
    pub fn into_service(self) -> ChainServiceServer<Self> {
        ChainServiceServer::new(self)
    }
}

/// Plays `watch_head` from a log of heads, each of which extends the one before.
///
/// # Errors
/// As [`EventLog::subscribe`], for a cursor that is none.
pub fn watch_heads(heads: &EventLog<Head>, request: &WatchHeadRequest) -> Stream<WatchHeadResponse> {
    let events = heads.subscribe(&request.cursor)?;
    Ok(Response::new(events.respond(|event| {
        WatchHeadResponse {
            cursor: event.cursor,
            kind: match event.kind {
                EventKind::Current => Kind::Current,
                EventKind::New => Kind::Extended,
                EventKind::Heartbeat => Kind::Heartbeat,
            }
            .into(),
            head: Some(event.event),
            reorg_depth: 0,
        }
    })))
}
