//! Answers to a peer's questions for blocks.
//!
//! A peer that asks and does not read must not hold what others need: a question waits, at no cost, for its
//! peer's turn and then for a permit, and producers have permits that strangers never get.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};
use tonic::Status;
use vision_peering::{Fault, MAX_BLOCKS, MAX_BYTES};
use vision_wire::Reason;
use vision_wire::p2p::{BlocksEnd, BlocksPart, BlocksRequest, peer_message::Kind};

use super::super::blocks::BlockQuery;
use super::super::convert::message;
use super::Session;

/// So long a question waits for its turn and a permit; its asker gives up after 10 s without a block.
const PERMIT_DEADLINE: Duration = Duration::from_secs(8);
/// A part that the network does not take in this time ends its answer.
const PART_DEADLINE: Duration = Duration::from_secs(10);
/// An answer that the network does not take in this time is given up.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A peer's turn and a permit, in this order.
async fn acquire(turns: Arc<Semaphore>, permits: Arc<Semaphore>) -> Option<[OwnedSemaphorePermit; 2]> {
    let both = async { Some([turns.acquire_owned().await.ok()?, permits.acquire_owned().await.ok()?]) };
    timeout(PERMIT_DEADLINE, both).await.ok().flatten()
}

impl Session<'_> {
    /// Answers a question for blocks beside the conversation.
    pub(super) fn answer(&self, request: BlocksRequest) {
        let request_id = request.request_id;
        let end = move |reason: String| message(Kind::BlocksEnd(BlocksEnd { request_id, reason }));
        let reason_of = |status: &Status| vision_wire::reason_of(status).unwrap_or_default();
        let Ok(open) = self.answering.clone().try_acquire_owned() else {
            // Without room even for the refusal the asker's own deadline ends its question.
            let _ = self.bulk.try_send(end(Reason::Overloaded.as_str().to_owned()));
            return;
        };
        let query = match BlockQuery::parse(&request.query.unwrap_or_default(), MAX_BLOCKS as usize) {
            Ok(query) => query,
            Err(status) => return self.charge(Fault::Question(reason_of(&status))),
        };
        let permits = &self.context.in_progress.answering;
        let (turns, permits) = if self.context.table.is_producer(&self.id) {
            (self.turns.producer.clone(), permits.producers.clone())
        } else {
            (self.turns.stranger.clone(), permits.strangers.clone())
        };
        let (bulk, context) = (self.bulk.clone(), self.context.clone());
        tokio::spawn(async move {
            let _open = open;
            let permits = tokio::select! {
                biased;
                // The peer has gone.
                () = bulk.closed() => return,
                permits = acquire(turns, permits) => permits,
            };
            let Some(_permits) = permits else {
                let _ = bulk.try_send(end(Reason::Overloaded.as_str().to_owned()));
                return;
            };
            let deadline = context.clock.instant() + ANSWER_DEADLINE;
            let send = async |message| {
                let until = deadline.min(context.clock.instant() + PART_DEADLINE);
                timeout_at(until, bulk.send(message)).await
            };
            let mut blocks = query.read(context.store.clone(), context.threads, MAX_BYTES);
            let reason = loop {
                match blocks.next().await {
                    Ok(None) => break String::new(),
                    Err(status) => break reason_of(&status),
                    Ok(Some(block)) => {
                        let part = BlocksPart { request_id, block: Some(block) };
                        if !matches!(send(message(Kind::BlocksPart(part))).await, Ok(Ok(()))) {
                            break String::new();
                        }
                    }
                }
            };
            // The peer may have gone, or be too slow to receive it.
            let _ = send(end(reason)).await;
        });
    }
}
