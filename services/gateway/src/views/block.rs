//! Blocks.

use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_wire::chain::BlockInfo;

use super::transaction::TransactionView;

/// Serializes a view, none of which can fail.
pub(crate) fn to_json(view: &impl Serialize) -> Bytes {
    serde_json::to_vec(view).unwrap_or_default().into()
}

#[derive(Serialize)]
pub(crate) struct BlockView<'a> {
    version: u32,
    height: u64,
    hash: &'a str,
    parent: &'a str,
    timestamp_ms: u64,
    slot: u64,
    producer: &'a str,
    tx_root: &'a str,
    state_root: &'a str,
    pool_root: &'a str,
    weight: u64,
    certificate_hash: &'a str,
    certificate: Option<String>,
    reveal: &'a str,
    mix: &'a str,
    tx_count: u32,
    signature: String,
    header: String,
    trace_id: &'a str,
    canonical: bool,
    finalized: bool,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<Vec<TransactionView<'a>>>,
}

#[derive(Serialize)]
pub(crate) struct HistoryView<'a> {
    height: u64,
    hash: &'a str,
    producer: &'a str,
    slot: u64,
    timestamp_ms: u64,
}

impl<'a> From<&'a BlockInfo> for HistoryView<'a> {
    fn from(block: &'a BlockInfo) -> Self {
        Self {
            height: block.height,
            hash: &block.hash,
            producer: &block.producer,
            slot: block.slot,
            timestamp_ms: block.timestamp_ms,
        }
    }
}

impl<'a> From<&'a BlockInfo> for BlockView<'a> {
    /// Without transactions.
    fn from(block: &'a BlockInfo) -> Self {
        let bytes = block.block.as_ref();
        let hex_of = |part: fn(&vision_wire::types::Block) -> &Bytes| bytes.map(part).map(hex::encode);
        let certificate = hex_of(|bytes| &bytes.certificate).filter(|certificate| !certificate.is_empty());
        Self {
            version: block.version,
            height: block.height,
            hash: &block.hash,
            parent: &block.parent,
            timestamp_ms: block.timestamp_ms,
            slot: block.slot,
            producer: &block.producer,
            tx_root: &block.tx_root,
            state_root: &block.state_root,
            pool_root: &block.pool_root,
            weight: block.weight,
            certificate_hash: &block.certificate_hash,
            certificate,
            reveal: &block.reveal,
            mix: &block.mix,
            tx_count: block.tx_count,
            signature: hex_of(|bytes| &bytes.signature).unwrap_or_default(),
            header: hex_of(|bytes| &bytes.header).unwrap_or_default(),
            trace_id: &block.trace_id,
            canonical: block.canonical,
            finalized: block.finalized,
            size_bytes: block.size_bytes,
            transactions: None,
        }
    }
}

impl<'a> BlockView<'a> {
    /// With transactions.
    pub(crate) fn whole(block: &'a BlockInfo) -> Result<Self, Status> {
        let transactions = block.transactions.iter().map(TransactionView::new).collect::<Result<_, _>>()?;
        Ok(Self { transactions: Some(transactions), ..Self::from(block) })
    }
}
