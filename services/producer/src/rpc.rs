//! The gRPC face: decode, read, encode.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Request, Response, Status};
use vision_primitives::Height;
use vision_wire::page::{PageRequest, encode_token};
use vision_wire::producer::producer_service_server::ProducerService;
use vision_wire::producer::{
    GetMiningStatusRequest, GetMiningStatusResponse, IsHeightClaimedRequest, IsHeightClaimedResponse,
    ListClaimsRequest, ListClaimsResponse, MiningStatus, WatchMiningStatusRequest, WatchMiningStatusResponse,
};
use vision_wire::{EventKind, EventLog, Reason, ResponseStream, status};

use crate::signer::ClaimBook;
use crate::status::encode_claim;

/// Name of the list in page tokens.
const CLAIMS: &str = "claims";

/// Answers calls from what the actor published.
pub(crate) struct Rpc {
    pub statuses: EventLog<MiningStatus>,
    pub claims: watch::Receiver<Arc<ClaimBook>>,
}

#[tonic::async_trait]
impl ProducerService for Rpc {
    async fn get_mining_status(
        &self,
        _: Request<GetMiningStatusRequest>,
    ) -> Result<Response<GetMiningStatusResponse>, Status> {
        let latest = self.statuses.latest().ok_or_else(|| {
            let message = "nothing is known yet about the next height: try again shortly";
            status(Reason::NotReady, message, &[])
        })?;
        Ok(Response::new(GetMiningStatusResponse { status: Some(latest) }))
    }

    type WatchMiningStatusStream = ResponseStream<WatchMiningStatusResponse>;

    async fn watch_mining_status(
        &self,
        request: Request<WatchMiningStatusRequest>,
    ) -> Result<Response<Self::WatchMiningStatusStream>, Status> {
        let events = self.statuses.subscribe(&request.get_ref().cursor)?;
        let stream = events.respond(|event| WatchMiningStatusResponse {
            heartbeat: event.kind == EventKind::Heartbeat,
            cursor: event.cursor,
            status: Some(event.event),
        });
        Ok(Response::new(stream))
    }

    async fn list_claims(
        &self,
        request: Request<ListClaimsRequest>,
    ) -> Result<Response<ListClaimsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(CLAIMS, request.page_size, &request.page_token)?;
        let book = Arc::clone(&self.claims.borrow());
        // A token stands for the number of the last claim given: new claims do not shift the pages.
        let wanted = book.newest_first().filter(|(number, claim)| {
            page.position.is_none_or(|last| *number < last)
                && request.height.is_none_or(|height| claim.height.get() == height)
        });
        let mut found: Vec<_> = wanted.take(page.items + 1).collect();
        let more = found.len() > page.items;
        found.truncate(page.items);
        let last = found.last().filter(|_| more).map(|(number, _)| encode_token(CLAIMS, *number));
        Ok(Response::new(ListClaimsResponse {
            claims: found.into_iter().map(|(_, claim)| encode_claim(claim)).collect(),
            next_page_token: last.unwrap_or_default(),
        }))
    }

    async fn is_height_claimed(
        &self,
        request: Request<IsHeightClaimedRequest>,
    ) -> Result<Response<IsHeightClaimedResponse>, Status> {
        let height = Height(request.into_inner().height);
        let book = Arc::clone(&self.claims.borrow());
        let claim = book.newest_of(height).map(encode_claim);
        Ok(Response::new(IsHeightClaimedResponse {
            claimed: claim.is_some(),
            claim,
            kept_from_height: book.kept_from().get(),
        }))
    }
}
