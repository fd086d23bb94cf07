//! Inputs to start from.

use prost::Message as _;
use vision_primitives::encode;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{
    BlockAnnouncement, BlocksEnd, BlocksPart, BlocksRequest, GetBlocksRequest, Hello, HelloProof, NewBlock,
    PeerAddresses, PeerMessage, Status, Transactions,
};
use vision_wire::{Cursor, block_to_proto, page};

use crate::values::{GENESIS_HASH, account_proofs, genesis, id, transactions};

pub(crate) fn header() -> Vec<Vec<u8>> {
    vec![crate::values::block(transactions()).header_bytes().to_vec()]
}

pub(crate) fn transaction() -> Vec<Vec<u8>> {
    transactions().iter().map(|transaction| transaction.bytes().to_vec()).collect()
}

pub(crate) fn genesis_files() -> Vec<Vec<u8>> {
    vec![genesis().to_json().into_bytes()]
}

pub(crate) fn account_proof() -> Vec<Vec<u8>> {
    account_proofs().iter().map(encode).collect()
}

pub(crate) fn text() -> Vec<Vec<u8>> {
    let texts = [
        page::encode_token("blocks", 0x00ab_cdef),
        Cursor { start_id: 0x1234, sequence: 17 }.to_string(),
        id(1).to_string(),
    ];
    texts.map(String::into_bytes).into()
}

/// For what builds its own input from whatever bytes it gets.
pub(crate) fn steps() -> Vec<Vec<u8>> {
    vec![vec![0; 64], (0..=255).collect(), (0..250).map(|at| at % 5 * 51).collect()]
}

/// The same for what takes many inputs of a few bytes.
pub(crate) fn ticks() -> Vec<Vec<u8>> {
    let mut all = steps();
    all.insert(1, vec![1; 200]);
    all
}

/// A message of every kind.
pub(crate) fn peer_message() -> Vec<Vec<u8>> {
    let block = crate::values::block(transactions());
    let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
    let bytes = transactions().iter().map(|transaction| transaction.bytes().to_vec().into()).collect();
    let status = Status {
        height: 5,
        tip_hash: block.hash().0.to_vec().into(),
        header: header.clone().into(),
        header_signature: signature.clone().into(),
        ..Status::default()
    };
    let hello = Hello {
        protocol_version: 1,
        chain_id: "fuzz-1".into(),
        genesis_hash: GENESIS_HASH.0.to_vec().into(),
        listen_address: "10.0.0.1:7072".into(),
        ..Hello::default()
    };
    let announcement = BlockAnnouncement {
        header: header.into(),
        signature: signature.clone().into(),
        ..Default::default()
    };
    let locator = vec![id(1).0.to_vec().into(), id(2).0.to_vec().into()];
    let query = Some(GetBlocksRequest { locator, max_blocks: 9, ..GetBlocksRequest::default() });
    let addresses = vec!["10.0.0.1:7072".into(), "[2001:db8::1]:7072".into()];
    let kinds = [
        Kind::Hello(hello),
        Kind::Proof(HelloProof { signature: signature.into() }),
        Kind::Status(status),
        Kind::NewBlock(NewBlock { block: Some(block_to_proto(&block)), ..NewBlock::default() }),
        Kind::Announcement(announcement),
        Kind::Transactions(Transactions { transactions: bytes }),
        Kind::Addresses(PeerAddresses { addresses }),
        Kind::BlocksRequest(BlocksRequest { request_id: 7, query }),
        Kind::BlocksPart(BlocksPart { request_id: 7, block: Some(block_to_proto(&block)) }),
        Kind::BlocksEnd(BlocksEnd { request_id: 7, reason: "OVERLOADED".into() }),
    ];
    kinds.into_iter().map(|kind| PeerMessage { kind: Some(kind) }.encode_to_vec()).collect()
}
