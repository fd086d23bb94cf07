//! A block as a node shows it, read from its bytes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vision_light::{Fault, Seen};
use vision_primitives::{Block, Hash, Header, SignedTransaction, hash};

use super::fault::fault;
use super::reported::{Claims, bytes, contradictions, transaction_claims};

/// How many bytes of a hash are a trace id.
const TRACE_ID_BYTES: usize = 16;

/// Whether a header commits to any transactions: only then must they be fetched. No list but the empty one
/// has the root zero.
pub(super) fn has_transactions(reported: &Value) -> bool {
    let header = bytes(reported, "header").ok().and_then(|bytes| Header::from_bytes(&bytes).ok());
    header.is_none_or(|header| !header.tx_root.is_zero())
}

/// Reads an answer, which bears its transactions unless it has none, and what a list said of the same block.
pub(super) fn read(reported: &Value, listed: Option<&Value>, genesis_hash: &Hash) -> Result<Seen, Fault> {
    let unreadable = |why: String| fault(Fault::HEADER_BYTES, why);
    let header_bytes = bytes(reported, "header").map_err(unreadable)?;
    let header = Header::from_bytes(&header_bytes).map_err(|error| unreadable(error.to_string()))?;
    let hash = Header::hash_bytes(genesis_hash, &header_bytes);
    let none = Vec::new();
    let entries = reported["transactions"].as_array().unwrap_or(&none);
    let block = whole(reported, header_bytes, entries, genesis_hash).map_err(|why| fault(Fault::BYTES, why));
    let facts = facts(&header, &hash, entries.len(), genesis_hash);
    // One of another header is not of this block: the node's chain may have changed in between.
    let listed = listed.filter(|listed| listed["header"] == reported["header"]);
    let mut claims = Claims::new();
    for said in [Some(reported), listed].into_iter().flatten() {
        claims.extend(facts.iter().map(|(name, value)| (said, *name, value.clone())));
    }
    let transactions = block.as_ref().map(Block::transactions).unwrap_or_default();
    for (entry, signed) in entries.iter().zip(transactions) {
        claims.extend(transaction_claims(entry, signed));
    }
    // Said in both places it is one fault.
    let said: BTreeSet<String> = contradictions(&claims).collect();
    let contradictions = said.into_iter().map(|why| fault(Fault::FIELD, why)).collect();
    Ok(Seen { header, hash, block, contradictions })
}

fn whole(reported: &Value, header: Vec<u8>, entries: &[Value], genesis_hash: &Hash) -> Result<Block, String> {
    let signature = bytes(reported, "signature")?;
    let of = |(index, entry): (usize, &Value)| {
        bytes(entry, "bytes").map_err(|why| format!("transaction {index}: {why}"))
    };
    let transactions: Vec<Vec<u8>> = entries.iter().enumerate().map(of).collect::<Result<_, _>>()?;
    let which = |bytes: &[Vec<u8>]| {
        bytes.iter().position(|one| SignedTransaction::from_bytes(one.clone(), genesis_hash).is_err())
    };
    Block::from_parts(header, &signature, transactions.clone(), genesis_hash).map_err(|error| {
        let place = which(&transactions).map(|index| format!("transaction {index}: ")).unwrap_or_default();
        format!("{place}{error}")
    })
}

/// Everything a node says of a block on its chain, transactions apart.
fn facts(
    header: &Header,
    block: &Hash,
    transactions: usize,
    genesis_hash: &Hash,
) -> Vec<(&'static str, Value)> {
    vec![
        ("version", json!(header.version)),
        ("height", json!(header.height.get())),
        ("hash", json!(block)),
        ("parent", json!(header.parent)),
        ("timestamp_ms", json!(header.timestamp_ms.get())),
        ("slot", json!(header.slot.get())),
        ("producer", json!(header.producer)),
        ("tx_root", json!(header.tx_root)),
        ("state_root", json!(header.state_root)),
        ("pool_root", json!(header.pool_root)),
        ("weight", json!(header.weight)),
        ("certificate_hash", json!(header.certificate_hash)),
        ("reveal", json!(header.reveal)),
        ("mix", json!(header.mix)),
        ("tx_count", json!(transactions)),
        ("trace_id", json!(trace_id(genesis_hash, header.height.get()))),
        // There are none yet (section 9), and a list by height is of the head's chain.
        ("certificate", Value::Null),
        ("canonical", json!(true)),
    ]
}

fn trace_id(genesis_hash: &Hash, height: u64) -> String {
    let digest = hash(&[b"vision/trace/v1", genesis_hash.as_bytes(), &height.to_le_bytes()]);
    hex::encode(&digest.as_bytes()[..TRACE_ID_BYTES])
}
