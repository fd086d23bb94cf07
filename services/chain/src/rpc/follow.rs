//! The transactions of the head's chain in their order, read from the store: nobody else waits for a slow
//! follower.

mod cursor;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic::Status;
use vision_host::{Clock, Threads};
use vision_importer::Parties;
use vision_primitives::{Hash, Height, SignedTransaction};
use vision_wire::chain::{self as proto, follow_transactions_response::What};
use vision_wire::{Reason, ResponseStream, parse_optional_hash};

use cursor::Cursor;

use super::listing::data_prefix;
use super::transactions::{SILENCE_MS, included_info};
use super::{ChainRpc, load, store_status};
use crate::store::{Ahead, Position, Store, StoreError, Unsent};
use crate::view::HeadView;

/// Which transactions a follower wants.
struct Filter {
    address: Option<Hash>,
    data: Vec<u8>,
}

impl Filter {
    fn takes(&self, transaction: &SignedTransaction) -> bool {
        let of_address = self.address.is_none_or(|address| Parties::of(transaction).include(&address));
        let is_data = || match &transaction.transaction().action {
            vision_primitives::Action::Data { bytes } => bytes.starts_with(&self.data),
            _ => false,
        };
        of_address && (self.data.is_empty() || is_data())
    }
}

/// A stream of one follower.
struct Follower {
    store: Store,
    threads: Threads,
    genesis_hash: Hash,
    view: watch::Receiver<Arc<HeadView>>,
    clock: Clock,
    filter: Filter,
    position: Position,
    /// What is read and has yet to be sent: of one step of the store.
    ready: VecDeque<proto::FollowTransactionsResponse>,
    caught_up: bool,
    sent_at_ms: u64,
}

impl ChainRpc {
    pub(super) async fn follow(
        &self,
        request: proto::FollowTransactionsRequest,
    ) -> Result<ResponseStream<proto::FollowTransactionsResponse>, Status> {
        let address = parse_optional_hash("address", &request.address)?;
        let filter = Filter { address, data: data_prefix(&request.data_prefix)? };
        let cursor = Cursor::parse(&request.cursor)?;
        // Before the call is answered: whatever happens then is reported.
        let position = self.load(move |store| begin(store, cursor)).await?.ok_or_else(unknown)?;
        let follower = Follower {
            store: self.store.clone(),
            threads: self.threads,
            genesis_hash: self.rules.genesis_hash,
            view: self.view.clone(),
            clock: self.clock.clone(),
            filter,
            position,
            ready: VecDeque::new(),
            caught_up: false,
            sent_at_ms: self.clock.monotonic_ms(),
        };
        Ok(Box::pin(futures::stream::unfold(Some(follower), |follower| async move {
            let mut follower = follower?;
            match follower.next().await {
                Ok(Some(event)) => Some((Ok(event), Some(follower))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })))
    }
}

/// Where a follower begins; nowhere if the block of its cursor is not known.
fn begin(store: &Store, cursor: Cursor) -> Result<Option<Position>, StoreError> {
    let position = match cursor {
        Cursor::Now => return store.position_now().map(Some),
        Cursor::From(height) => return store.position_at(Height(height.get().saturating_sub(1))),
        Cursor::After { height, index, block: None } => {
            let there = store.position_at(height)?;
            return Ok(there.map(|position| Position { index, ..position }));
        }
        Cursor::After { height, index, block: Some(block) } => Position { height, index, block },
    };
    Ok(Some(position)
        .filter(|position| position.height > Height::GENESIS || position.block == store.genesis_hash()))
}

fn unknown() -> Status {
    let why = "this node does not know the block of this cursor, so it cannot tell what came after it: \
               follow again without a cursor, or from a height whose blocks you know to be final";
    vision_wire::status(Reason::CursorTooOld, why, &[])
}

impl Follower {
    /// The next event; none when the service ends.
    async fn next(&mut self) -> Result<Option<proto::FollowTransactionsResponse>, Status> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.sent_at_ms = self.clock.monotonic_ms();
                return Ok(Some(event));
            }
            // Seen before the store is read: a move of the head after that is noticed below.
            let finalized = self.view.borrow_and_update().finalized_height;
            let position = self.position;
            match load(self.threads, &self.store, move |store| store.ahead(&position)).await? {
                Ahead::Unknown => return Err(unknown()),
                Ahead::Left(parent) => {
                    let block_hash = position.block.to_string();
                    let undo = proto::BlockUndone { height: position.height.get(), block_hash };
                    self.position = parent;
                    self.push(parent, Some(What::Undo(undo)));
                }
                Ahead::Blocks(blocks) if !blocks.is_empty() => {
                    for block in &blocks {
                        self.push_block(block, finalized)?;
                    }
                    let silent_ms = self.clock.monotonic_ms().saturating_sub(self.sent_at_ms);
                    if self.ready.is_empty() && silent_ms >= SILENCE_MS {
                        self.push(self.position, None);
                    }
                }
                Ahead::Blocks(_) if !self.caught_up => {
                    self.caught_up = true;
                    let height = position.height.get();
                    self.push(position, Some(What::CaughtUp(proto::CaughtUp { height })));
                }
                Ahead::Blocks(_) => {
                    match tokio::time::timeout(Duration::from_millis(SILENCE_MS), self.view.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Ok(None),
                        Err(_) => self.push(position, None),
                    }
                }
            }
        }
    }

    fn push_block(&mut self, block: &Unsent, finalized: Height) -> Result<(), Status> {
        for (bytes, index) in block.transactions.iter().zip(0..).skip(block.from as usize) {
            let transaction = SignedTransaction::from_bytes(bytes.clone(), &self.genesis_hash);
            let transaction = transaction.map_err(|error| {
                store_status(&StoreError::Corrupt(format!("block {}: {error}", block.block)))
            })?;
            if self.filter.takes(&transaction) {
                let position = Position { height: block.height, index, block: block.block };
                let info = included_info(&transaction, &position, &self.genesis_hash, finalized);
                self.push(position, Some(What::Transaction(info)));
            }
        }
        self.position = block.end();
        Ok(())
    }

    fn push(&mut self, position: Position, what: Option<What>) {
        let (cursor, heartbeat) = (cursor::text(&position), what.is_none());
        self.ready.push_back(proto::FollowTransactionsResponse { cursor, heartbeat, what });
    }
}
