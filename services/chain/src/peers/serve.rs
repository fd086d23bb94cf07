//! The gRPC face towards other nodes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
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
use super::session::{self, Way};

/// Connections that are not proven yet.
const MAX_INTRODUCTIONS: usize = 64;
/// GetBlocks calls served at once.
const MAX_BLOCK_STREAMS: usize = 16;
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
    introductions: Arc<Semaphore>,
    block_streams: Arc<Semaphore>,
}

impl PeerRpc {
    /// A server over the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            introductions: Arc::new(Semaphore::new(MAX_INTRODUCTIONS)),
            block_streams: Arc::new(Semaphore::new(MAX_BLOCK_STREAMS)),
        }
    }
}

fn busy(what: &str) -> Status {
    vision_wire::status(Reason::Overloaded, format!("too many {what} at once, try again"), &[])
}

#[tonic::async_trait]
impl PeerService for PeerRpc {
    type ExchangeStream = Stream_<ExchangeResponse>;
    type GetBlocksStream = Stream_<GetBlocksResponse>;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let from = request
            .remote_addr()
            .ok_or_else(|| vision_wire::status(Reason::InvalidArgument, "the caller has no address", &[]))?;
        let permit = self.introductions.clone().try_acquire_owned().map_err(|_| busy("introductions"))?;
        let inbound =
            request.into_inner().map(|received| received.map(|sent| sent.message.unwrap_or_default()));
        let (ways, outbound) = session::ways();
        let context = self.context.clone();
        tokio::spawn(async move {
            let end = session::run(context, Way::CalledBy(from), ways, inbound, |_| drop(permit)).await;
            tracing::debug!(%from, ?end, "inbound connection over");
        });
        let outbound = outbound.map(|sent| sent.map(|message| ExchangeResponse { message: Some(message) }));
        Ok(Response::new(Box::pin(outbound)))
    }

    async fn get_blocks(
        &self,
        request: Request<GetBlocksRequest>,
    ) -> Result<Response<Self::GetBlocksStream>, Status> {
        let permit = self.block_streams.clone().try_acquire_owned().map_err(|_| busy("block streams"))?;
        let query = BlockQuery::parse(&request.into_inner(), MAX_BLOCKS_IN_CALL)?;
        let store = self.context.store.clone();
        let (sender, receiver) = mpsc::channel(AHEAD_BLOCKS);
        let (runtime, deadline) = (tokio::runtime::Handle::current(), Instant::now() + CALL_DEADLINE);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let send = |item| runtime.block_on(timeout_at(deadline, sender.send(item)));
            let sent = query.run(&store, usize::MAX, |block| {
                matches!(send(Ok(GetBlocksResponse { block: Some(block) })), Ok(Ok(())))
            });
            if let Err(status) = sent {
                // The caller may have gone; then nobody needs the error.
                let _ = send(Err(status));
            }
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
