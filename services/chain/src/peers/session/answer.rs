//! Answers to a peer's questions for blocks.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::Status;
use vision_wire::Reason;
use vision_wire::p2p::{BlocksEnd, BlocksPart, BlocksRequest, peer_message::Kind};

use super::super::blocks::BlockQuery;
use super::super::questions;
use super::{Session, message};

/// An answer that the network does not take in this time is given up, so that a peer that asks and does not
/// read keeps no place.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

impl Session<'_> {
    /// Answers a question for blocks beside the conversation.
    pub(super) fn answer(&self, request: BlocksRequest) {
        let request_id = request.request_id;
        let end = move |reason: String| message(Kind::BlocksEnd(BlocksEnd { request_id, reason }));
        let reason_of = |status: &Status| vision_wire::reason_of(status).unwrap_or_default();
        let permits = self.answering.clone().try_acquire_owned().ok();
        let permits = permits.zip(self.context.answering.clone().try_acquire_owned().ok());
        let Some(permits) = permits else {
            // Without room even for the refusal the asker's own deadline ends its question.
            let _ = self.bulk.try_send(end(Reason::Overloaded.as_str().to_owned()));
            return;
        };
        let query =
            match BlockQuery::parse(&request.query.unwrap_or_default(), questions::MAX_BLOCKS as usize) {
                Ok(query) => query,
                Err(status) => return self.charge(20, &reason_of(&status)),
            };
        let (bulk, store) = (self.bulk.clone(), self.context.store.clone());
        let (runtime, deadline) = (tokio::runtime::Handle::current(), Instant::now() + ANSWER_DEADLINE);
        tokio::task::spawn_blocking(move || {
            let _permits = permits;
            let send = |message| runtime.block_on(timeout_at(deadline, bulk.send(message)));
            let given = query.run(&store, questions::MAX_BYTES, |block| {
                let part = BlocksPart { request_id, block: Some(block) };
                matches!(send(message(Kind::BlocksPart(part))), Ok(Ok(())))
            });
            let reason = given.err().map(|status| reason_of(&status)).unwrap_or_default();
            // The peer may have gone, or be too slow to be told.
            let _ = send(end(reason));
        });
    }
}
