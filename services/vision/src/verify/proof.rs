//! `vision verify --proof`: checks a proof from what it bears alone, asking nobody.
//!
//! Nothing in the file is trusted. What it shows is recomputed from bytes: the transaction's hash from its
//! signed bytes, the block's hash from the header's. What the file says besides must agree with that. That
//! there is such a block must come from elsewhere: a block hash the caller trusts, or the signature of a
//! producer that the genesis names.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use vision_light::{Claim, Proof, Subject};
use vision_primitives::{Hash, MerkleProof, MerkleStep, TimestampMs};

use super::reported::{Claims, Facts, bytes, contradictions, field, transaction_claims, transaction_facts};
use super::seal::{Basis, Trusted};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::{self, Format, cell, properties_within, time};

/// Largest proof read: a transaction with all the data it may bear, twice in hex, and its path.
const MAX_PROOF_BYTES: u64 = 4 << 20;

/// Says what a proof shows, and on what that rests. Fails if it does not hold, or if it rests on nothing.
pub(super) fn run(file: &Path, trusted: &Trusted, format: Format) -> Outcome {
    let proven = prove(file, trusted)?;
    match format {
        Format::Json => output::json(&proven.to_json())?,
        Format::Table => output::write(&proven.to_text(output::width()))?,
    }
    proven.verdict()
}

fn prove(proof: &Path, trusted: &Trusted) -> Outcome<Proven> {
    let text = read(proof)?;
    let shown = shown(proof);
    let file: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::failed(format!(
            "{shown}: not JSON: {error}; it must be the output of `vision query tx` or `vision query \
            account` with --proof -o json"
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
    basis: Basis,
    /// `transaction` or `account`.
    what: &'static str,
    facts: Facts,
}

impl Proven {
    fn frame(&self) -> Facts {
        vec![
            // Null: it would, if there were such a block.
            ("holds", self.basis.name().map_or(Value::Null, |_| json!(true))),
            ("proven_by", json!(self.basis.name())),
            ("not_proven", json!(self.basis.open())),
            ("block_hash", json!(self.block)),
            ("height", json!(self.height)),
            ("timestamp_ms", json!(self.stamp)),
            ("producer", json!(self.producer)),
            ("genesis_hash", json!(self.genesis)),
        ]
    }

    /// Whether the caller may rely on it.
    fn verdict(&self) -> Outcome {
        match &self.basis {
            Basis::Block | Basis::Genesis => Ok(()),
            Basis::None(why) => Err(Failure::unhealthy(format!("nothing is proven: {why}"))),
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

    fn to_text(&self, width: Option<usize>) -> String {
        let word = |(name, value): &(&'static str, Value)| match *name {
            "holds" if value.is_null() => (*name, "not proven".to_owned()),
            "proven_by" if value.is_null() => (*name, "nothing".to_owned()),
            "timestamp_ms" => ("time", time(self.stamp.get())),
            name => (name, cell(value)),
        };
        let text = |facts: &Facts| properties_within(width, &facts.iter().map(word).collect::<Vec<_>>());
        format!("{}\n{}", text(&self.frame()), text(&self.facts))
    }
}

fn check(file: &Value, trusted: &Trusted) -> Result<Proven, String> {
    let proof = &file["proof"];
    if !proof.is_object() {
        return Err("it contains none; query with --proof".into());
    }
    let genesis: Hash = field(proof, "genesis_hash")?;
    let header = bytes(proof, "header")?;
    let claim = claim(file, proof)?;
    let shown = Proof { genesis, header, claim }.check()?;
    let height = shown.header.height.get();
    let (what, facts, claims) = match &shown.subject {
        Subject::Transaction(signed) => {
            let mut claims = transaction_claims(&file["transaction"], signed);
            claims.push((file, "hash", json!(signed.hash())));
            claims.push((file, "status", json!("included")));
            claims.push((file, "height", json!(height)));
            claims.push((file, "block_hash", json!(shown.block)));
            ("transaction", transaction_facts(signed), claims)
        }
        Subject::Account { address, account } => {
            let facts = vec![
                ("address", json!(address)),
                ("balance", json!(account.balance.to_string())),
                ("nonce", json!(account.nonce)),
            ];
            let mut claims: Claims<'_> =
                facts.iter().map(|(name, value)| (file, *name, value.clone())).collect();
            claims.push((file, "height", json!(height)));
            claims.push((proof, "block_hash", json!(shown.block)));
            claims.push((proof, "state_root", json!(shown.header.state_root)));
            ("account", facts, claims)
        }
    };
    if let Some(contradiction) = contradictions(&claims).next() {
        return Err(contradiction);
    }
    let basis = Basis::of(&shown, proof, trusted)?;
    let (stamp, producer) = (shown.header.timestamp_ms, shown.header.producer);
    Ok(Proven { genesis, block: shown.block, height, stamp, producer, basis, what, facts })
}

/// What the file shall show.
fn claim(file: &Value, proof: &Value) -> Result<Claim, String> {
    if proof.get("account_proof").is_some() {
        let (address, proof) = (field(file, "address")?, bytes(proof, "account_proof")?);
        return Ok(Claim::Account { address, proof });
    }
    let steps = proof["steps"].as_array().ok_or("proof.steps is not a list")?;
    let path = MerkleProof(steps.iter().map(step).collect::<Result<_, _>>()?);
    Ok(Claim::Transaction { bytes: bytes(&file["transaction"], "bytes")?, path })
}

fn step(step: &Value) -> Result<MerkleStep, String> {
    let hash = field(step, "hash")?;
    match step["side"].as_str() {
        Some("left") => Ok(MerkleStep::Left(hash)),
        Some("right") => Ok(MerkleStep::Right(hash)),
        _ => Err("a step's side is neither left nor right".into()),
    }
}

#[cfg(test)]
mod tests;
