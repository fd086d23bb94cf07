//! Somebody who follows transactions and keeps what holds.

use std::time::Duration;

use futures::StreamExt as _;
use tonic::{Status, Streaming};
use vision_primitives::SignedTransaction;
use vision_wire::chain as proto;
use vision_wire::chain::follow_transactions_response::What;
use vision_wire::chain::transaction_info::Place;

use super::{Client, head};

/// An event must come within this.
const SOON: Duration = Duration::from_secs(30);

/// A transaction reported: height, block, index, hash.
pub type Included = (u64, String, u32, String);

pub struct Follower {
    stream: Streaming<proto::FollowTransactionsResponse>,
    /// Cursor of the last event.
    pub cursor: String,
    /// Every transaction reported that has not been undone.
    pub holds: Vec<Included>,
    /// Blocks undone, in the order reported.
    pub undone: Vec<(u64, String)>,
}

pub fn request(cursor: &str) -> proto::FollowTransactionsRequest {
    proto::FollowTransactionsRequest { cursor: cursor.to_owned(), ..Default::default() }
}

impl Follower {
    /// Goes on with what holds already.
    pub async fn open(
        client: &mut Client,
        request: proto::FollowTransactionsRequest,
        holds: Vec<Included>,
    ) -> Result<Self, Status> {
        let cursor = request.cursor.clone();
        let stream = client.follow_transactions(request).await?.into_inner();
        Ok(Self { stream, cursor, holds, undone: Vec::new() })
    }

    /// From block 1 on.
    pub async fn from_the_beginning(client: &mut Client) -> Self {
        Self::open(client, request("1"), Vec::new()).await.expect("a stream")
    }

    /// The next event, taken into account.
    pub async fn event(&mut self) -> Result<Option<What>, Status> {
        let next = tokio::time::timeout(SOON, self.stream.next()).await.expect("an event in time");
        let event = next.expect("no end")?;
        self.cursor = event.cursor;
        assert_eq!(event.heartbeat, event.what.is_none());
        match &event.what {
            Some(What::Transaction(info)) => {
                let Some(Place::Included(place)) = &info.place else { panic!("{info:?}") };
                let reported = (place.height, place.block_hash.clone(), place.index, info.hash.clone());
                if let Some((height, _, index, _)) = self.holds.last() {
                    assert!(
                        (*height, *index) < (reported.0, reported.2),
                        "in order: {:?} then {reported:?}",
                        self.holds
                    );
                }
                self.holds.push(reported);
            }
            Some(What::Undo(undo)) => {
                self.undone.push((undo.height, undo.block_hash.clone()));
                self.holds.retain(|(_, block, ..)| *block != undo.block_hash);
                let above = self.holds.iter().filter(|(height, ..)| *height >= undo.height);
                assert_eq!(above.count(), 0, "the highest first");
            }
            Some(What::CaughtUp(_)) | None => {}
        }
        Ok(event.what)
    }

    /// Until everything up to the head has been reported for the first time.
    pub async fn caught_up(mut self) -> Self {
        while !matches!(self.event().await.expect("no error"), Some(What::CaughtUp(_))) {}
        self
    }

    /// Until this one is reported.
    pub async fn until(&mut self, transaction: &SignedTransaction) {
        let hash = transaction.hash().to_string();
        while self.holds.last().is_none_or(|(.., last)| *last != hash) {
            self.event().await.expect("no error");
        }
    }
}

/// Every transaction of the head's chain, as its blocks have them.
pub async fn all_of_the_chain(client: &mut Client, genesis_hash: &vision_primitives::Hash) -> Vec<Included> {
    let mut all = Vec::new();
    for height in 1..=head(client).await.height {
        let id = Some(proto::get_block_request::Id::Height(height));
        let request = proto::GetBlockRequest { id, ..Default::default() };
        let info = client.get_block(request).await.expect("a block").into_inner().block.expect("a block");
        for (transaction, index) in info.transactions.iter().zip(0..) {
            let hash = SignedTransaction::hash_bytes(genesis_hash, &transaction.bytes).to_string();
            all.push((height, info.hash.clone(), index, hash));
        }
    }
    all
}
