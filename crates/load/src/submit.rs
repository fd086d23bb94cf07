//! Handing in at one node: in batches, one after the other, so that an account's transactions keep their
//! order.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use vision_host::Clock;
use vision_primitives::{Hash, SignedTransaction};

use super::book::NO_ANSWER;
use vision_terminal::answers::entries;
use vision_terminal::chain::batch;
use vision_terminal::rest::Gateway;

/// Most transactions of a batch.
const MAX_BATCH: usize = 1024;
/// Most signed bytes of a batch, so that in hex it is below the gateway's limit of 2 MiB.
const MAX_BATCH_BYTES: usize = 900 << 10;
/// Most signed bytes of one transaction.
const MAX_TRANSACTION_BYTES: usize = 65_653;
/// How long a batch waits for more.
const GATHER: Duration = Duration::from_millis(20);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// What became of a batch: of each hash, why it was refused, if it was.
pub(crate) type Answers = Vec<(Hash, Option<String>)>;

/// Submits what comes until nothing comes any more.
pub(crate) async fn run(
    gateway: Gateway,
    clock: Clock,
    mut signed: mpsc::Receiver<SignedTransaction>,
    answers: mpsc::Sender<Answers>,
) {
    while let Some(first) = signed.recv().await {
        let until = clock.instant() + GATHER;
        let mut bytes = first.bytes().len();
        let mut gathered = vec![first];
        while gathered.len() < MAX_BATCH && bytes + MAX_TRANSACTION_BYTES <= MAX_BATCH_BYTES {
            let Ok(Some(next)) = timeout_at(until, signed.recv()).await else { break };
            bytes += next.bytes().len();
            gathered.push(next);
        }
        let body = batch(gathered.iter().map(SignedTransaction::bytes));
        let answer = gateway.post("/api/transactions", &body, ANSWER_DEADLINE).await;
        let hashes = gathered.iter().map(SignedTransaction::hash);
        let outcomes = match answer {
            Ok(answer) => each(hashes, entries(&answer, "results")),
            Err(refusal) => {
                let cause = refusal.cause().unwrap_or(NO_ANSWER).to_owned();
                hashes.map(|hash| (hash, Some(cause.clone()))).collect()
            }
        };
        if answers.send(outcomes).await.is_err() {
            return;
        }
    }
}

fn each(hashes: impl Iterator<Item = Hash>, results: &[Value]) -> Answers {
    let mut results = results.iter();
    let cause = |result: Option<&Value>| {
        let Some(result) = result else { return Some(NO_ANSWER.to_owned()) };
        let text = |name: &str| result[name].as_str().map(str::to_owned);
        let refused = result["accepted"] != true;
        refused.then(|| text("rule").or_else(|| text("reason")).unwrap_or_else(|| "UNTOLD".into()))
    };
    hashes.map(|hash| (hash, cause(results.next()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_has_its_answer() {
        let results = json!([
            { "accepted": true },
            { "accepted": false, "reason": "INVALID_TRANSACTION", "rule": "NONCE_TOO_LOW" },
            { "accepted": false, "reason": "POOL_FULL" },
            { "accepted": false },
        ]);
        let hashes = (0..5).map(|byte| Hash([byte; 32]));
        let causes = each(hashes, results.as_array().expect("a list"));
        let causes: Vec<Option<&str>> = causes.iter().map(|(_, cause)| cause.as_deref()).collect();
        let expect = [None, Some("NONCE_TOO_LOW"), Some("POOL_FULL"), Some("UNTOLD"), Some(NO_ANSWER)];
        assert_eq!(causes, expect);
    }
}
