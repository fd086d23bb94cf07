//! The gRPC face towards other nodes.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use vision_peering::Echo;
use vision_wire::Reason;
use vision_wire::p2p::peer_service_server::PeerService;
use vision_wire::p2p::{
    ExchangeRequest, ExchangeResponse, GetBlocksRequest, GetBlocksResponse, GetStatusRequest,
    GetStatusResponse,
};
use vision_wire::types::Block;

use super::blocks::BlockQuery;
use super::channels::channels;
use super::context::Context;
use super::introductions::{Introductions, NoPermit, Permit};
use super::session::{self, Endpoint};

/// Connections that are not proven yet.
const MAX_INTRODUCTIONS: usize = 64;
/// GetBlocks calls served at once.
const MAX_BLOCK_STREAMS: usize = 16;
/// GetBlocks calls of one address served at once.
const MAX_BLOCK_STREAMS_PER_ADDRESS: usize = 2;
/// Blocks one call may ask for.
const MAX_BLOCKS_IN_CALL: usize = 1000;
/// A call whose caller has not read everything in this time ends, so that it keeps no permit.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// Blocks read ahead of the network.
const AHEAD_BLOCKS: usize = 8;

type Stream_<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves [`PeerService`].
pub(crate) struct PeerRpc {
    context: Arc<Context>,
    introductions: Arc<Introductions>,
    block_streams: Arc<Introductions>,
}

impl PeerRpc {
    /// A server over the context.
    pub(crate) fn new(context: Arc<Context>) -> Self {
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

fn permit(of: &Arc<Introductions>, from: SocketAddr, what: &str) -> Result<Permit, Status> {
    of.enter(from.ip()).map_err(|none| {
        let whose = match none {
            NoPermit::OfAddress => "of this address",
            NoPermit::OfAll => "in all",
        };
        vision_wire::status(Reason::Overloaded, format!("too many {what} {whose} at once, try again"), &[])
    })
}

/// These blocks, as fast as the caller reads them. What ends before its time ends with an error, so that it
/// does not look whole.
fn paced(
    gives_way: CancellationToken,
    deadline: Instant,
    blocks: impl Stream<Item = Result<Block, Status>> + Send + 'static,
) -> impl Stream<Item = Result<GetBlocksResponse, Status>> + Send {
    let (sender, receiver) = mpsc::channel(AHEAD_BLOCKS);
    let (end, ended) = oneshot::channel();
    // A task of its own, for its time passes also while the caller reads nothing.
    tokio::spawn(async move {
        let _ = end.send(send(blocks, sender, gives_way, deadline).await);
    });
    let end = stream::once(ended).filter_map(|ended| {
        let broke = || Err(vision_wire::status(Reason::Internal, "the blocks could not be read", &[]));
        std::future::ready(ended.unwrap_or_else(|_| broke()).err().map(Err))
    });
    ReceiverStream::new(receiver).map(Ok).chain(end)
}

/// Sends block after block until the last, or until this must end.
async fn send(
    blocks: impl Stream<Item = Result<Block, Status>>,
    sender: mpsc::Sender<GetBlocksResponse>,
    gives_way: CancellationToken,
    deadline: Instant,
) -> Result<(), Status> {
    let cut = |why: &str| Err(vision_wire::status(Reason::Overloaded, why, &[]));
    let mut blocks = pin!(blocks);
    while let Some(block) = blocks.next().await {
        let sending = timeout_at(deadline, sender.send(GetBlocksResponse { block: Some(block?) }));
        tokio::select! {
            biased;
            () = gives_way.cancelled() => {
                return cut("this place is needed for another caller; request the rest again");
            }
            sent = sending => match sent {
                Ok(Ok(())) => {}
                // The caller has gone; nobody needs the error.
                Ok(Err(_)) => return Err(Status::cancelled("the caller has gone")),
                Err(_) => return cut("the blocks were read too slowly; request the rest again"),
            },
        }
    }
    Ok(())
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
        let permit = permit(&self.introductions, from, "introductions")?;
        let inbound =
            request.into_inner().map(|received| received.map(|sent| sent.message.unwrap_or_default()));
        let (out, outbound) = channels();
        let (context, introductions) = (self.context.clone(), self.introductions.clone());
        tokio::spawn(async move {
            let (table, gives_way) = (context.table.clone(), permit.gives_way());
            let on_stand = |id| {
                if table.is_producer(&id) {
                    introductions.producer_at(from.ip());
                }
                drop(permit);
            };
            let end =
                session::run(context, Endpoint::CalledBy(from), out, gives_way, inbound, on_stand).await;
            tracing::debug!(%from, ?end, "inbound connection ended");
        });
        let outbound = outbound.map(|sent| sent.map(|message| ExchangeResponse { message: Some(message) }));
        Ok(Response::new(Box::pin(outbound)))
    }

    async fn get_blocks(
        &self,
        request: Request<GetBlocksRequest>,
    ) -> Result<Response<Self::GetBlocksStream>, Status> {
        let permit = permit(&self.block_streams, address_of(&request)?, "block streams")?;
        let query = BlockQuery::parse(&request.into_inner(), MAX_BLOCKS_IN_CALL)?;
        let (gives_way, deadline) = (permit.gives_way(), self.context.clock.instant() + CALL_DEADLINE);
        let reader = query.read(self.context.store.clone(), self.context.threads, usize::MAX);
        // The permit is held as long as there is something to read.
        let blocks = stream::try_unfold((reader, permit), |(mut reader, permit)| async move {
            Ok(reader.next().await?.map(|block| (block, (reader, permit))))
        });
        Ok(Response::new(Box::pin(paced(gives_way, deadline, blocks))))
    }

    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let status = self.context.status(Echo::default());
        let hello = self.context.identity.hello(&[]);
        Ok(Response::new(GetStatusResponse { status: Some(status), hello: Some(hello) }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn blocks_that_end_before_their_time_end_with_an_error() {
        let reason = |status: Status| vision_wire::reason_of(&status).unwrap_or_default();
        let no_longer = vision_host::Clock::system(0).instant();
        let soon = no_longer + CALL_DEADLINE;
        let cases: [(&str, usize, bool, Instant, Option<&str>); 4] = [
            ("whole", 3, false, soon, None),
            ("not read", usize::MAX, false, no_longer, Some("OVERLOADED")),
            ("its place is needed", 3, true, soon, Some("OVERLOADED")),
            ("nothing", 0, false, soon, None),
        ];
        for (desc, count, needed, deadline, expect) in cases {
            let gives_way = CancellationToken::new();
            if needed {
                gives_way.cancel();
            }
            let (given, all_given) = oneshot::channel();
            let all = stream::iter((0..count).map(|_| Ok(Block::default())));
            let last =
                stream::once(async move { given.send(()).unwrap_or_default() }).filter_map(|()| ready(None));
            let blocks = paced(gives_way, deadline, all.chain(last));
            // Nothing is read until then.
            assert_eq!(all_given.await.is_ok(), expect.is_none(), "{desc}");
            let mut items: Vec<_> = blocks.collect().await;
            let end = items.pop_if(|last| last.is_err()).and_then(Result::err).map(reason);
            assert_eq!(end.as_deref(), expect, "{desc}");
            assert!(items.iter().all(Result::is_ok), "{desc}");
        }
        let blocks = stream::iter([Err(Status::not_found("no block"))]);
        let refused = paced(CancellationToken::new(), soon, blocks);
        let items: Vec<_> = refused.collect().await;
        assert!(matches!(&items[..], [Err(status)] if status.message() == "no block"), "{items:?}");
    }
}
