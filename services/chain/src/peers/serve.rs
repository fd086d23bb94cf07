//! The gRPC face towards other nodes.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use vision_primitives::Hash;
use vision_wire::Reason;
use vision_wire::p2p::peer_service_server::PeerService;
use vision_wire::p2p::{
    ExchangeRequest, ExchangeResponse, GetBlocksRequest, GetBlocksResponse, GetStatusRequest,
    GetStatusResponse,
};

use super::Context;
use super::blocks::BlockQuery;
use super::introductions::{Introductions, NoPlace, Place};
use super::session::{self, Way};

/// Connections that are not proven yet.
const MAX_INTRODUCTIONS: usize = 64;
/// GetBlocks calls served at once.
const MAX_BLOCK_STREAMS: usize = 16;
/// GetBlocks calls of one address served at once.
const MAX_BLOCK_STREAMS_PER_ADDRESS: usize = 2;
/// Blocks one call may ask for.
const MAX_BLOCKS_IN_CALL: usize = 1000;
/// A call whose caller has not read everything in this time ends, so that it keeps no place.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// Blocks read ahead of the network.
const AHEAD_BLOCKS: usize = 8;

type Stream_<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves [`PeerService`].
pub struct PeerRpc {
    context: Arc<Context>,
    introductions: Arc<Introductions>,
    block_streams: Arc<Introductions>,
}

impl PeerRpc {
    /// A server over the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            introductions: Introductions::new(MAX_INTRODUCTIONS, context.max_introductions_per_address),
            block_streams: Introductions::new(MAX_BLOCK_STREAMS, MAX_BLOCK_STREAMS_PER_ADDRESS),
            context,
        }
    }
}

fn address_of<T>(request: &Request<T>) -> Result<SocketAddr, Status> {
    let missing = || vision_wire::status(Reason::InvalidArgument, "the caller has no address", &[]);
    request.remote_addr().ok_or_else(missing)
}

fn place(of: &Arc<Introductions>, from: SocketAddr, what: &str) -> Result<Place, Status> {
    of.enter(from.ip()).map_err(|none| {
        let whose = match none {
            NoPlace::OfAddress => "of this address",
            NoPlace::OfAll => "in all",
        };
        vision_wire::status(Reason::Overloaded, format!("too many {what} {whose} at once, try again"), &[])
    })
}

#[tonic::async_trait]
impl PeerService for PeerRpc {
    type ExchangeStream = Stream_<ExchangeResponse>;
    type GetBlocksStream = Stream_<GetBlocksResponse>;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let from = address_of(&request)?;
        let place = place(&self.introductions, from, "introductions")?;
        let inbound =
            request.into_inner().map(|received| received.map(|sent| sent.message.unwrap_or_default()));
        let (ways, outbound) = session::ways();
        let (context, introductions) = (self.context.clone(), self.introductions.clone());
        tokio::spawn(async move {
            let (table, gives_way) = (context.table.clone(), place.gives_way());
            let on_stand = |id| {
                if table.is_producer(&id) {
                    introductions.producer_at(from.ip());
                }
                drop(place);
            };
            let end = session::run(context, Way::CalledBy(from), ways, gives_way, inbound, on_stand).await;
            tracing::debug!(%from, ?end, "inbound connection over");
        });
        let outbound = outbound.map(|sent| sent.map(|message| ExchangeResponse { message: Some(message) }));
        Ok(Response::new(Box::pin(outbound)))
    }

    async fn get_blocks(
        &self,
        request: Request<GetBlocksRequest>,
    ) -> Result<Response<Self::GetBlocksStream>, Status> {
        let place = place(&self.block_streams, address_of(&request)?, "block streams")?;
        let query = BlockQuery::parse(&request.into_inner(), MAX_BLOCKS_IN_CALL)?;
        let store = self.context.store.clone();
        let (sender, receiver) = mpsc::channel(AHEAD_BLOCKS);
        let (runtime, deadline) = (tokio::runtime::Handle::current(), Instant::now() + CALL_DEADLINE);
        tokio::task::spawn_blocking(move || {
            let gives_way = place.gives_way();
            let send = |item| {
                runtime.block_on(async {
                    tokio::select! {
                        sent = timeout_at(deadline, sender.send(item)) => matches!(sent, Ok(Ok(()))),
                        () = gives_way.cancelled() => false,
                    }
                })
            };
            let sent =
                query.run(&store, usize::MAX, |block| send(Ok(GetBlocksResponse { block: Some(block) })));
            if let Err(status) = sent {
                // The caller may have gone; then nobody needs the error.
                send(Err(status));
            }
            drop(place);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let status = self.context.status(&Hash::ZERO);
        let hello = self.context.identity.hello(&[]);
        Ok(Response::new(GetStatusResponse { status: Some(status), hello: Some(hello) }))
    }
}
