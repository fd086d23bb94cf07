//! What a node says in JSON, against what the bytes it shows say.

use serde_json::{Value, json};
use vision_primitives::{Action, Hash, SignedTransaction};

use vision_terminal::output::cell;

/// Names and values as JSON shows them.
pub(super) type Facts = Vec<(&'static str, Value)>;
/// A name in an answer, and what it must say if it is there.
pub(super) type Claims<'a> = Vec<(&'a Value, &'static str, Value)>;

/// What is said otherwise than the bytes say it.
pub(super) fn contradictions<'a>(claims: &'a Claims<'_>) -> impl Iterator<Item = String> + 'a {
    claims.iter().filter_map(|(within, name, recomputed)| {
        let reported = within.get(name).filter(|reported| *reported != recomputed)?;
        Some(format!("it says {name} {}, the bytes say {}", cell(reported), cell(recomputed)))
    })
}

/// The parts of a transaction that people care about.
pub(super) fn transaction_facts(signed: &SignedTransaction) -> Facts {
    let inner = signed.transaction();
    let mut facts = vec![
        ("hash", json!(signed.hash())),
        ("sender", json!(signed.sender_address())),
        ("nonce", json!(inner.nonce)),
        ("fee", json!(inner.fee.to_string())),
    ];
    facts.extend(action(&inner.action));
    facts
}

/// Everything a node says of a transaction.
pub(super) fn transaction_claims<'a>(reported: &'a Value, signed: &SignedTransaction) -> Claims<'a> {
    let mut claims: Claims<'a> =
        transaction_facts(signed).into_iter().map(|(name, value)| (reported, name, value)).collect();
    claims.push((reported, "sender_public_key", json!(signed.transaction().sender)));
    claims.push((reported, "signature", json!(signed.signature().to_string())));
    claims
}

/// As the gateway shows it.
pub(super) fn action(action: &Action) -> Facts {
    match action {
        Action::Transfer { to, amount } => {
            vec![("type", json!("transfer")), ("to", json!(to)), ("amount", json!(amount.to_string()))]
        }
        Action::Data { bytes } => vec![("type", json!("data")), ("data", json!(hex::encode(bytes)))],
        Action::RegisterProducer { public_key, payout, proof_of_possession } => vec![
            ("type", json!("register_producer")),
            ("public_key", json!(public_key)),
            ("payout", json!(payout)),
            ("proof_of_possession", json!(proof_of_possession.to_string())),
        ],
        Action::ExitProducer => vec![("type", json!("exit_producer"))],
        Action::SyncProof(proof) => vec![
            ("type", json!("sync_proof")),
            ("block_height", json!(proof.height.get())),
            ("block_hash", json!(proof.hash)),
        ],
    }
}

/// A field of bytes, in hex.
pub(super) fn bytes(within: &Value, name: &str) -> Result<Vec<u8>, String> {
    let digits = within[name].as_str().ok_or_else(|| format!("{name} is missing"))?;
    hex::decode(digits).map_err(|error| format!("{name}: {error}"))
}

/// A field that is a hash, an id or an address.
pub(super) fn field(within: &Value, name: &str) -> Result<Hash, String> {
    let text = within[name].as_str().ok_or_else(|| format!("{name} is missing"))?;
    text.parse().map_err(|error| format!("{name}: {error}"))
}
