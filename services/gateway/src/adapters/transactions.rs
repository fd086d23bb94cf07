//! Transactions, of the chain service.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tonic::{Request, Status};
use vision_primitives::Hash;
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::{
    FollowTransactionsRequest, FollowTransactionsResponse, SubmitOutcome, SubmitTransactionRequest,
    SubmitTransactionsRequest, TransactionInfo, WatchTransactionsRequest, WatchTransactionsResponse,
};
use vision_wire::watch::{FollowItem, following};
use vision_wire::{MAX_MESSAGE_BYTES, call, deadline, settle};

use super::{Backends, CHAIN, missing};

/// Longest that a call may take which waits for a block: the chain service answers after 25 s how it stands
/// then.
const WAIT_DEADLINE: Duration = Duration::from_secs(28);

impl Backends {
    /// Submits signed bytes; gives the hash, and the nonce that is missing first before this one, if one is.
    pub(crate) async fn submit(&self, transaction: Bytes) -> Result<(String, Option<u64>), Status> {
        let request = SubmitTransactionRequest { transaction, wait: false };
        let answer = call(CHAIN, self.chain().submit_transaction(deadline(request))).await?;
        let missing_nonce = match answer.transaction.and_then(|info| info.place) {
            Some(Place::Waiting(waiting)) => waiting.missing_nonce,
            _ => None,
        };
        Ok((answer.hash, missing_nonce))
    }

    /// Submits signed bytes and waits for a block; gives the hash, and how it stands in the end.
    pub(crate) async fn submit_and_wait(
        &self,
        transaction: Bytes,
    ) -> Result<(String, Option<TransactionInfo>), Status> {
        let mut request = Request::new(SubmitTransactionRequest { transaction, wait: true });
        request.set_timeout(WAIT_DEADLINE);
        let mut client = self.chain_long();
        let answer = tokio::time::timeout(WAIT_DEADLINE, client.submit_transaction(request));
        let answer = answer.await.unwrap_or_else(|late| Err(Status::deadline_exceeded(late.to_string())));
        let answer = answer.map_err(|error| settle(CHAIN, error))?.into_inner();
        Ok((answer.hash, answer.transaction))
    }

    /// Submits many; what became of each, in their order.
    pub(crate) async fn submit_many(&self, transactions: Vec<Bytes>) -> Result<Vec<SubmitOutcome>, Status> {
        let count = transactions.len();
        let request = deadline(SubmitTransactionsRequest { transactions });
        let outcomes = call(CHAIN, self.chain().submit_transactions(request)).await?.outcomes;
        if outcomes.len() == count { Ok(outcomes) } else { Err(missing(CHAIN, "some outcomes")) }
    }

    /// The transactions of the head's chain after a cursor, or from now on. Outlasts the chain service.
    pub(crate) fn follow_transactions(
        &self,
        wanted: FollowTransactionsRequest,
    ) -> impl Stream<Item = FollowItem<FollowTransactionsResponse>> + Send + use<> {
        let client = ChainServiceClient::new(self.chain_streams.clone());
        following(CHAIN, wanted.cursor.clone(), &self.chance, move |cursor| {
            let mut client = client.clone().max_decoding_message_size(MAX_MESSAGE_BYTES);
            let request = FollowTransactionsRequest { cursor, ..wanted.clone() };
            // No deadline on the wire: it would end the stream.
            async move { client.follow_transactions(request).await }
        })
    }

    /// What happens to transactions after a cursor, or from now on; of one address or of all. Outlasts the
    /// chain service.
    pub(crate) fn watch_transactions(
        &self,
        cursor: String,
        address: Option<Hash>,
    ) -> impl Stream<Item = FollowItem<WatchTransactionsResponse>> + Send + use<> {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let client = ChainServiceClient::new(self.chain_watch.clone());
        following(CHAIN, cursor, &self.chance, move |cursor| {
            let mut client = client.clone().max_decoding_message_size(MAX_MESSAGE_BYTES);
            let address = address.clone();
            // No deadline on the wire: it would end the stream.
            async move { client.watch_transactions(WatchTransactionsRequest { cursor, address }).await }
        })
    }
}
