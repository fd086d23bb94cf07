//! The watch of stored blocks.

use futures::StreamExt;
use tonic::Status;
use vision_wire::chain as proto;
use vision_wire::{EventKind, ResponseStream, parse_optional_hash};

use super::ChainRpc;
use super::transactions::SILENCE_MS;

impl ChainRpc {
    pub(super) async fn stored_blocks(
        &self,
        request: &proto::WatchBlocksRequest,
    ) -> Result<ResponseStream<proto::WatchBlocksResponse>, Status> {
        let producer = parse_optional_hash("producer", &request.producer)?;
        let mut events = self.stored.subscribe(&request.cursor)?;
        let clock = self.clock.clone();
        let mut sent_at_ms = clock.monotonic_ms();
        // Without a cursor, the place to begin at is taken before the call is answered: whatever is stored
        // then is reported.
        let first = if request.cursor.is_empty() { events.next().await } else { None };
        let answers = futures::stream::iter(first).chain(events).filter_map(move |item| {
            let answer = item.map(|item| {
                let wanted = item.event.as_ref().as_ref().filter(|block| {
                    item.kind == EventKind::New && producer.is_none_or(|producer| block.producer == producer)
                });
                proto::WatchBlocksResponse {
                    heartbeat: wanted.is_none(),
                    begins: item.kind == EventKind::Current,
                    header: wanted.map(|block| block.header.clone()).unwrap_or_default(),
                    signature: wanted.map(|block| block.signature.clone()).unwrap_or_default(),
                    cursor: item.cursor,
                }
            });
            let now_ms = clock.monotonic_ms();
            let silent = answer.as_ref().is_ok_and(|answer| answer.heartbeat && !answer.begins);
            if silent && now_ms.saturating_sub(sent_at_ms) < SILENCE_MS {
                return std::future::ready(None);
            }
            sent_at_ms = now_ms;
            std::future::ready(Some(answer))
        });
        Ok(Box::pin(answers))
    }
}
