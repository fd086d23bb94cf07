//! Blocks.

use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Header, Height, Slot, TimestampMs};
use vision_wire::chain::BlockInfo;
use vision_wire::{Reason, status};

use super::transaction::TransactionView;
use crate::ports::ChainInfo;

/// Serializes a view, none of which can fail.
pub(crate) fn to_json(view: &impl Serialize) -> Bytes {
    serde_json::to_vec(view).unwrap_or_default().into()
}

#[derive(Serialize)]
pub(crate) struct BlockView {
    version: u16,
    height: u64,
    hash: String,
    parent: Hash,
    timestamp_ms: u64,
    slot: u64,
    producer: Hash,
    tx_root: Hash,
    state_root: Hash,
    pool_root: Hash,
    weight: u64,
    certificate_hash: Hash,
    certificate: Option<String>,
    reveal: Hash,
    mix: Hash,
    tx_count: u32,
    signature: String,
    header: String,
    trace_id: String,
    canonical: bool,
    finalized: bool,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<Vec<TransactionView>>,
}

#[derive(Serialize)]
pub(crate) struct HistoryView {
    height: u64,
    hash: String,
    producer: Hash,
    slot: u64,
    timestamp_ms: u64,
}

impl HistoryView {
    pub(crate) fn new(block: BlockInfo) -> Result<Self, Status> {
        let header = decode_header(&block)?;
        Ok(Self {
            height: block.height,
            hash: block.hash,
            producer: header.producer,
            slot: header.slot.get(),
            timestamp_ms: header.timestamp_ms.get(),
        })
    }
}

/// Decodes the header of a block above genesis.
pub(crate) fn decode_header(block: &BlockInfo) -> Result<Header, Status> {
    let bytes = block.block.as_ref().map(|block| &block.header[..]).unwrap_or_default();
    Header::from_bytes(bytes).map_err(|error| broken(block.height, &error))
}

fn broken(height: u64, error: &dyn std::error::Error) -> Status {
    status(Reason::Internal, format!("chain sent a block {height} that does not decode: {error}"), &[])
}

/// Block 0 has no header: these values stand in for it.
fn genesis_header(info: &ChainInfo) -> Header {
    Header {
        version: vision_primitives::HEADER_VERSION,
        height: Height::GENESIS,
        parent: Hash::ZERO,
        timestamp_ms: TimestampMs(info.genesis_time_ms),
        slot: Slot(0),
        producer: Hash::ZERO,
        tx_root: Hash::ZERO,
        state_root: Hash::ZERO,
        pool_root: Hash::ZERO,
        weight: 0,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: info.genesis_hash,
    }
}

/// Id of the trace of a block's life.
pub(super) fn trace_id(genesis_hash: &Hash, height: u64) -> String {
    HeightTrace::of(genesis_hash, Height(height)).to_string()
}

impl BlockView {
    /// Without transactions.
    pub(crate) fn new(block: &BlockInfo, info: &ChainInfo) -> Result<Self, Status> {
        let header = if block.height == 0 { genesis_header(info) } else { decode_header(block)? };
        let raw = block.block.clone().unwrap_or_default();
        Ok(Self {
            version: header.version,
            height: block.height,
            hash: block.hash.clone(),
            parent: header.parent,
            timestamp_ms: header.timestamp_ms.get(),
            slot: header.slot.get(),
            producer: header.producer,
            tx_root: header.tx_root,
            state_root: header.state_root,
            pool_root: header.pool_root,
            weight: header.weight,
            certificate_hash: header.certificate_hash,
            certificate: (!raw.certificate.is_empty()).then(|| hex::encode(&raw.certificate)),
            reveal: header.reveal,
            mix: header.mix,
            tx_count: block.tx_count,
            signature: hex::encode(&raw.signature),
            header: hex::encode(&raw.header),
            trace_id: trace_id(&info.genesis_hash, block.height),
            canonical: block.canonical,
            finalized: block.finalized,
            size_bytes: block.size_bytes,
            transactions: None,
        })
    }

    /// With transactions.
    pub(crate) fn whole(block: &BlockInfo, info: &ChainInfo) -> Result<Self, Status> {
        let bytes = block.block.as_ref().map(|block| &block.transactions[..]).unwrap_or_default();
        let views = bytes.iter().map(|bytes| TransactionView::decode(bytes, &info.genesis_hash));
        let transactions: Result<Vec<_>, _> = views.collect();
        let transactions = Some(transactions.map_err(|error| broken(block.height, &error))?);
        Ok(Self { transactions, ..Self::new(block, info)? })
    }
}
