//! `vision verify --proof`: checks a proof from what it bears alone, asking nobody.
//!
//! Nothing in the file is believed. What it shows is recomputed from bytes: the transaction's hash from its signed
//! bytes, the block's hash from the header's. What the file says besides must agree with that. That there is such a block
//! must come from elsewhere: a block hash the caller trusts, or the signature of a producer that the genesis names.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use vision_ledger::AccountProof;
use vision_primitives::{
    Hash, Header, MerkleProof, MerkleStep, SignedTransaction, TimestampMs, decode_strict,
};

use super::seal::{Belief, Claimed, Trusted};
use super::told::{Claims, Facts, bytes, contradictions, field, transaction_claims, transaction_facts};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format, cell, properties, time};

/// Largest proof read: a transaction with all the data it may bear, twice in hex, and its path.
const MAX_PROOF_BYTES: u64 = 4 << 20;

/// Says what a proof shows, and on what that rests. Fails if it does not hold, or if it rests on nothing.
pub fn run(file: &Path, trusted: &Trusted, format: Format) -> Outcome {
    let proven = prove(file, trusted)?;
    match format {
        Format::Json => output::json(&proven.to_json())?,
        Format::Table => output::write(&proven.to_text())?,
    }
    proven.verdict()
}

fn prove(proof: &Path, trusted: &Trusted) -> Outcome<Proven> {
    let text = read(proof)?;
    let shown = shown(proof);
    let file: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::failed(format!(
            "{shown}: not JSON: {error}; it must be the output of `vision query tx` or `vision query account` with \
             --proof -o json"
        ))
    })?;
    if !file["proof"].is_object() {
        return Err(Failure::failed(format!("{shown} contains no proof; query with --proof")));
    }
    check(&file, trusted).map_err(|why| Failure::failed(format!("{shown}: the proof does not hold: {why}")))
}

fn shown(file: &Path) -> String {
    if is_stdin(file) { "stdin".into() } else { file.display().to_string() }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn read(file: &Path) -> Outcome<String> {
    let mut text = String::new();
    let read = if is_stdin(file) {
        std::io::stdin().lock().take(MAX_PROOF_BYTES).read_to_string(&mut text)
    } else {
        let open = std::fs::File::open(file);
        open.and_then(|open| open.take(MAX_PROOF_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| {
        let failure = Failure::io("read", file, &error);
        if error.kind() == std::io::ErrorKind::NotFound { failure.with_exit(Exit::NotFound) } else { failure }
    })?;
    Ok(text)
}

/// What a proof shows, all of it recomputed.
#[derive(Debug, PartialEq)]
struct Proven {
    genesis: Hash,
    block: Hash,
    height: u64,
    /// Time stamp of the block.
    stamp: TimestampMs,
    /// Who shall have made it.
    producer: Hash,
    /// Why there is such a block.
    belief: Belief,
    /// `transaction` or `account`.
    what: &'static str,
    facts: Facts,
}

impl Proven {
    fn frame(&self) -> Facts {
        vec![
            // Null: it would, if there were such a block.
            ("holds", self.belief.name().map_or(Value::Null, |_| json!(true))),
            ("proven_by", json!(self.belief.name())),
            ("not_proven", json!(self.belief.open())),
            ("block_hash", json!(self.block)),
            ("height", json!(self.height)),
            ("timestamp_ms", json!(self.stamp)),
            ("producer", json!(self.producer)),
            ("genesis_hash", json!(self.genesis)),
        ]
    }

    /// Whether the caller may rely on it.
    fn verdict(&self) -> Outcome {
        match &self.belief {
            Belief::Block | Belief::Genesis => Ok(()),
            Belief::None(why) => Err(Failure::unhealthy(format!("nothing is proven: {why}"))),
        }
    }

    fn to_json(&self) -> Value {
        let object = |facts: Facts| -> Map<String, Value> {
            facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let mut frame = object(self.frame());
        frame.insert(self.what.into(), object(self.facts.clone()).into());
        frame.into()
    }

    fn to_text(&self) -> String {
        let word = |(name, value): &(&'static str, Value)| match *name {
            "holds" if value.is_null() => (*name, "not proven".to_owned()),
            "proven_by" if value.is_null() => (*name, "nothing".to_owned()),
            "timestamp_ms" => ("time", time(self.stamp.get())),
            name => (name, cell(value)),
        };
        let text = |facts: &Facts| properties(&facts.iter().map(word).collect::<Vec<_>>());
        format!("{}\n{}", text(&self.frame()), text(&self.facts))
    }
}

fn check(file: &Value, trusted: &Trusted) -> Result<Proven, String> {
    let proof = &file["proof"];
    if !proof.is_object() {
        return Err("it contains none; query with --proof".into());
    }
    let genesis: Hash = field(proof, "genesis_hash")?;
    let header_bytes = bytes(proof, "header")?;
    if header_bytes.is_empty() {
        return Err("it is for block 0, which has no header; query again when there is a block".into());
    }
    let header = Header::from_bytes(&header_bytes).map_err(|error| error.to_string())?;
    let block = Header::hash_bytes(&genesis, &header_bytes);
    let (what, (facts, claims)) = if proof.get("account_proof").is_some() {
        ("account", account(file, &header, &block)?)
    } else {
        ("transaction", transaction(file, &genesis, &header, &block)?)
    };
    if let Some(contradiction) = contradictions(&claims).next() {
        return Err(contradiction);
    }
    let belief = Claimed { proof, genesis, header: &header, block }.judge(trusted)?;
    let (stamp, producer) = (header.timestamp_ms, header.producer);
    Ok(Proven { genesis, block, height: header.height.get(), stamp, producer, belief, what, facts })
}

type Shown<'a> = (Facts, Claims<'a>);

fn transaction<'a>(
    file: &'a Value,
    genesis: &Hash,
    header: &Header,
    block: &Hash,
) -> Result<Shown<'a>, String> {
    let told = &file["transaction"];
    let signed =
        SignedTransaction::from_bytes(bytes(told, "bytes")?, genesis).map_err(|error| error.to_string())?;
    signed.verify(genesis).map_err(|error| format!("the sender's key: {error}"))?;
    let steps = file["proof"]["steps"].as_array().ok_or("proof.steps is not a list")?;
    let path = MerkleProof(steps.iter().map(step).collect::<Result<_, _>>()?);
    if !path.verify(&signed.hash(), &header.tx_root) {
        return Err("the path does not lead to the header's tx_root".into());
    }
    let facts = transaction_facts(&signed);
    let mut claims = transaction_claims(told, &signed);
    claims.push((file, "hash", json!(signed.hash())));
    claims.push((file, "status", json!("included")));
    claims.push((file, "height", json!(header.height.get())));
    claims.push((file, "block_hash", json!(block)));
    Ok((facts, claims))
}

fn step(step: &Value) -> Result<MerkleStep, String> {
    let hash = field(step, "hash")?;
    match step["side"].as_str() {
        Some("left") => Ok(MerkleStep::Left(hash)),
        Some("right") => Ok(MerkleStep::Right(hash)),
        _ => Err("a step's side is neither left nor right".into()),
    }
}

fn account<'a>(file: &'a Value, header: &Header, block: &Hash) -> Result<Shown<'a>, String> {
    let address: Hash = field(file, "address")?;
    let bytes = bytes(&file["proof"], "account_proof")?;
    let proof: AccountProof = decode_strict("account proof", &bytes).map_err(|error| error.to_string())?;
    if !proof.verify(&header.state_root, &address) {
        return Err("the path does not lead to the header's state_root".into());
    }
    let facts = vec![
        ("address", json!(address)),
        ("balance", json!(proof.account.balance.to_string())),
        ("nonce", json!(proof.account.nonce)),
    ];
    let mut claims: Claims<'a> = facts.iter().map(|(name, value)| (file, *name, value.clone())).collect();
    claims.push((file, "height", json!(header.height.get())));
    claims.push((&file["proof"], "block_hash", json!(block)));
    claims.push((&file["proof"], "state_root", json!(header.state_root)));
    Ok((facts, claims))
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
