//! Between the machine's messages and those on the wire.

use bytes::Bytes;
use vision_host::text::cut;
use vision_peering::{
    Fault, Form, MAX_ADDRESS_BYTES, MAX_ADDRESSES_IN_MESSAGE, MAX_TRANSACTIONS_IN_MESSAGE, Query, Received,
    StatusTimes, parts,
};
use vision_primitives::{Block, Hash};
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{
    BlockAnnouncement, BlocksEnd, BlocksPart, BlocksRequest, GetBlocksRequest, NewBlock, PeerAddresses,
    PeerMessage, Status, Transactions,
};
use vision_wire::types;

// The machine fills messages up to what the wire lets through.
const _: () = assert!(MAX_ADDRESS_BYTES == vision_wire::MAX_HELLO_TEXT_BYTES);
const _: () = assert!(MAX_ADDRESSES_IN_MESSAGE == vision_wire::MAX_ADDRESSES_IN_MESSAGE);
const _: () = assert!(MAX_TRANSACTIONS_IN_MESSAGE == vision_wire::MAX_TRANSACTIONS_IN_MESSAGE);

/// A message of this kind.
pub(super) const fn message(kind: Kind) -> PeerMessage {
    PeerMessage { kind: Some(kind) }
}

/// A question for blocks.
pub(super) fn question(request_id: u64, query: Query) -> PeerMessage {
    let bytes = |hash: Hash| Bytes::from(hash.0.to_vec());
    let query = match query {
        Query::One(hash) => GetBlocksRequest { block_hash: bytes(hash), ..GetBlocksRequest::default() },
        Query::After { locator, max_blocks } => {
            let locator = locator.into_iter().map(bytes).collect();
            GetBlocksRequest { locator, max_blocks, ..GetBlocksRequest::default() }
        }
        Query::Stretch { from, max_blocks } => {
            GetBlocksRequest { from_height: from.get(), max_blocks, ..GetBlocksRequest::default() }
        }
    };
    message(Kind::BlocksRequest(BlocksRequest { request_id, query: Some(query) }))
}

/// Addresses of other nodes.
pub(super) fn addresses(addresses: Vec<String>) -> PeerMessage {
    message(Kind::Addresses(PeerAddresses { addresses }))
}

/// A new block, or its announcement.
pub(super) fn new_block(block: &Block, form: Form, traceparent: &str) -> PeerMessage {
    let traceparent = traceparent.to_owned();
    message(match form {
        Form::Whole => {
            Kind::NewBlock(NewBlock { block: Some(vision_wire::block_to_proto(block)), traceparent })
        }
        Form::Header => Kind::Announcement(BlockAnnouncement {
            header: block.header_bytes().to_vec().into(),
            signature: block.signature().0.to_vec().into(),
            traceparent,
        }),
    })
}

/// Transactions in messages of a size that any peer takes.
pub(super) fn transactions(transactions: &[Bytes]) -> impl Iterator<Item = PeerMessage> {
    parts(transactions, Bytes::len).map(|part| {
        let transactions = transactions[part].to_vec();
        message(Kind::Transactions(Transactions { transactions }))
    })
}

/// The times of a status.
pub(super) fn times(status: &Status) -> Received {
    Received::Status(StatusTimes {
        sent_at_ms: status.sent_at_ms,
        echo_sent_at_ms: status.echo_sent_at_ms,
        echo_received_at_ms: status.echo_received_at_ms,
    })
}

/// A block that a peer has sent; `missing` if it has sent none.
pub(super) fn block(
    block: Option<types::Block>,
    missing: Fault,
    genesis_hash: &Hash,
) -> Result<Block, Fault> {
    let block = block.ok_or(missing)?;
    vision_wire::block_from_proto(block, genesis_hash).map_err(|error| Fault::Block(error.to_string()))
}

/// A block of an answer.
pub(super) fn part(part: BlocksPart, genesis_hash: &Hash) -> Received {
    match block(part.block, Fault::NoPart, genesis_hash) {
        Ok(block) => Received::Part { request_id: part.request_id, block: Box::new(block) },
        Err(fault) => Received::Faulty(fault),
    }
}

/// The end of an answer.
pub(super) fn end(end: &BlocksEnd) -> Received {
    Received::End { request_id: end.request_id, reason: cut(&end.reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_keep_their_order_over_all_messages() {
        let all: Vec<Bytes> = (0..=255_u8).cycle().take(1500).map(|n| Bytes::from(vec![n; 400])).collect();
        let sent: Vec<_> = transactions(&all)
            .map(|message| match message.kind {
                Some(Kind::Transactions(message)) => message.transactions,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [655, 655, 190]);
        assert_eq!(sent.concat(), all);
    }

    #[test]
    fn what_a_peer_gives_as_a_reason_is_fit_to_be_shown() {
        let reason = format!("\u{1b}[2J\n{}", "x".repeat(20_000));
        let cases = [("", "", 0), ("OVERLOADED", "OVERLOADED", 10), (&reason, "?[2J?x", 81)];
        for (given, starts, chars) in cases {
            match end(&BlocksEnd { request_id: 7, reason: given.into() }) {
                Received::End { request_id: 7, reason } => {
                    assert!(reason.starts_with(starts) && reason.chars().count() == chars, "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
