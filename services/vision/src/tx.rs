//! `vision tx`: builds, signs and submits transactions.

mod hints;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vision_primitives::{Action, Address, Hash, MAX_DATA_BYTES, SecretKey, SignedTransaction, Transaction};

use crate::cli::{DataArgs, SendArgs, Tx};
use vision_terminal::chain::{Account, Chain};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::keys::read_secret;
use vision_terminal::output::{self, Format, cell, properties_within};
use vision_terminal::rest::{Gateway, Refusal};

/// Longest wait for the answer to a transaction submitted.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The same when a block shall have it: the node answers after 25 s in any case.
const WAIT_DEADLINE: Duration = Duration::from_secs(35);

/// Runs one command.
pub(crate) async fn run(command: &Tx, format: Format) -> Outcome {
    let (send, intent) = match command {
        Tx::Transfer { send, to, amount } => (send, Intent::Transfer { to: *to, amount: *amount }),
        Tx::Data { send, data } => (send, Intent::Data(data_bytes(data)?)),
        Tx::Register { send, producer_key, payout } => {
            let producer = read_secret(producer_key)?;
            let payout = payout.unwrap_or_else(|| producer.public_key().id());
            (send, Intent::Register { producer: Box::new(producer), payout })
        }
        Tx::Exit { send } => (send, Intent::Exit),
    };
    submit(send, &intent, Shown::new(), format).await
}

/// Publishes bytes; what is printed of the transaction begins with `first`.
pub(crate) async fn publish(send: &SendArgs, bytes: Vec<u8>, first: Shown, format: Format) -> Outcome {
    submit(send, &Intent::Data(bytes), first, format).await
}

async fn submit(send: &SendArgs, intent: &Intent, first: Shown, format: Format) -> Outcome {
    let key = read_secret(&send.key)?;
    let gateway = Gateway::new(&send.remote.node)?;
    let chain = Chain::ask(&gateway).await?;
    let sender = key.public_key().id();
    let nonce = match send.nonce {
        Some(nonce) => nonce,
        None => Account::ask(&gateway, &sender).await?.pending_nonce,
    };
    let fee = send.fee.unwrap_or(chain.min_fee);
    let action = intent.action(&chain.genesis_hash);
    let signed = Transaction { sender: key.public_key(), nonce, fee, action }.sign(&key, &chain.genesis_hash);
    if send.dry_run {
        return show(&[first, dry(&signed)].concat(), format);
    }
    let node = send.remote.flag();
    let answer = post(&gateway, &signed, send)
        .await
        .map_err(|refusal| explain(refusal, &hints::Facts { intent, sender, chain: &chain, node: &node }))?;
    report(&answer, &signed, first, format)?;
    ended(&answer, send.wait, &node)
}

/// What the transaction shall do.
enum Intent {
    Transfer { to: Address, amount: u64 },
    Data(Vec<u8>),
    Register { producer: Box<SecretKey>, payout: Address },
    Exit,
}

impl Intent {
    fn action(&self, genesis_hash: &Hash) -> Action {
        match self {
            Self::Transfer { to, amount } => Action::Transfer { to: *to, amount: *amount },
            Self::Data(bytes) => Action::Data { bytes: bytes.clone() },
            Self::Register { producer, payout } => Action::registration(producer, *payout, genesis_hash),
            Self::Exit => Action::ExitProducer,
        }
    }
}

fn data_bytes(args: &DataArgs) -> Outcome<Vec<u8>> {
    let bytes = if let Some(text) = &args.text {
        text.clone().into_bytes()
    } else if let Some(digits) = &args.hex {
        hex::decode(digits).map_err(|error| Failure::usage(format!("--hex: {error}")))?
    } else {
        let file = args.file.as_deref().unwrap_or(Path::new(""));
        let bytes = std::fs::read(file).map_err(|error| Failure::io("read", file, &error));
        bytes.map_err(|failure| failure.with_exit(Exit::NotFound))?
    };
    if bytes.len() > MAX_DATA_BYTES {
        let got = bytes.len();
        return Err(Failure::usage(format!(
            "{got} bytes of data; a transaction takes at most {MAX_DATA_BYTES}"
        )));
    }
    Ok(bytes)
}

async fn post(gateway: &Gateway, signed: &SignedTransaction, send: &SendArgs) -> Result<Value, Refusal> {
    let body = json!({ "transaction": hex::encode(signed.bytes()), "wait": send.wait });
    let deadline = if send.wait { WAIT_DEADLINE } else { ANSWER_DEADLINE };
    gateway.post("/api/transactions", &body, deadline).await
}

/// A refusal with what to do about it. A transaction that is refused is no wrong use of the command.
fn explain(refusal: Refusal, facts: &hints::Facts<'_>) -> Failure {
    let hint = refusal.cause().and_then(|cause| hints::what_to_do(cause, facts));
    let refused = refusal.reason.is_some();
    let failure = Failure::from(refusal);
    let exit = if refused && failure.exit() == Exit::Usage { Exit::Failed } else { failure.exit() };
    match hint {
        Some(hint) => Failure::new(exit, format!("{failure}; {hint}")),
        None => failure.with_exit(exit),
    }
}

/// Names and values in the order in which people see them.
pub(crate) type Shown = Vec<(&'static str, Value)>;

fn dry(signed: &SignedTransaction) -> Shown {
    let bytes = [("size", json!(signed.bytes().len())), ("bytes", json!(hex::encode(signed.bytes())))];
    described(signed).into_iter().chain(bytes).collect()
}

/// What the caller did not say himself.
fn described(signed: &SignedTransaction) -> Shown {
    let transaction = signed.transaction();
    vec![
        ("hash", json!(signed.hash())),
        ("sender", json!(signed.sender_address())),
        ("nonce", json!(transaction.nonce)),
        ("fee", json!(transaction.fee.to_string())),
    ]
}

fn report(answer: &Value, signed: &SignedTransaction, first: Shown, format: Format) -> Outcome {
    let mut shown = [first, described(signed)].concat();
    for name in
        ["status", "height", "block_hash", "index", "finalized", "missing_nonce", "reason", "replaced_by"]
    {
        shown.extend(answer.get(name).map(|value| (name, value.clone())));
    }
    show(&shown, format)
}

/// Writes them.
pub(crate) fn show(shown: &Shown, format: Format) -> Outcome {
    match format {
        Format::Json => {
            let object = shown.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            output::json(&Value::Object(object.collect()))
        }
        Format::Table => {
            let pairs: Vec<_> = shown.iter().map(|(name, value)| (*name, cell(value))).collect();
            output::write(&properties_within(output::width(), &pairs))
        }
    }
}

/// Whether the transaction got where the caller wanted it. `node` is the flag that names the node.
fn ended(answer: &Value, wait: bool, node: &str) -> Outcome {
    match answer["status"].as_str() {
        Some("dropped") => {
            Err(Failure::failed(format!("the transaction was dropped: {}", cell(&answer["reason"]))))
        }
        Some("pending") if wait => {
            let hash = cell(&answer["hash"]);
            let why = match answer["missing_nonce"].as_u64() {
                Some(nonce) => format!(
                    "it waits for the account's transaction with nonce {nonce}, which is missing: submit \
                     that one, then check"
                ),
                None => "it is still pending; check".to_owned(),
            };
            Err(Failure::unhealthy(format!(
                "no block has the transaction yet, {why} with `vision query tx {hash}{node}`"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
