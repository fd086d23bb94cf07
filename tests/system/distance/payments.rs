//! Payments all the time, and what becomes of each that a node has acknowledged.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use vision_primitives::{Action, Hash, SecretKey, Transaction};

use crate::harness::{Net, post, wait_for};

/// Accounts that `testnet init` has funded.
const ACCOUNTS: usize = 10;
/// What each payment pays.
const FEE: u64 = 1000;

/// An account, always at one node, so that its nonces have no gaps.
struct Payer {
    key: SecretKey,
    node: usize,
    /// Of its next payment; unknown at first, and after a payment that was not acknowledged.
    nonce: Option<u64>,
}

/// Everything that was paid.
pub struct Payments {
    genesis_hash: Hash,
    payers: Vec<Payer>,
    turns: u64,
    /// Hash and node of what was acknowledged.
    acknowledged: Vec<(Hash, usize)>,
    /// How many were refused, by rule.
    refused: BTreeMap<String, u64>,
    /// How many got no answer: nobody knows what becomes of them.
    unanswered: u64,
}

/// What became of all that was acknowledged.
#[derive(Default)]
pub struct Fates {
    /// Height, block and hash of each that is in a block.
    pub included: Vec<(u64, String, Hash)>,
    /// Hash of each that is in none, and why.
    pub dropped: Vec<(Hash, String)>,
}

impl Payments {
    /// Of the funded accounts of a network whose first node answers.
    pub fn new(net: &Net) -> Self {
        let params = net[0].json("/api/chain/params");
        let genesis_hash = params["genesis_hash"].as_str().and_then(|text| text.parse().ok());
        let payer = |at: usize| {
            let file = net.scratch().join(format!("net/accounts/account{}.key", at + 1));
            let text = fs::read_to_string(file).expect("a key");
            let key = SecretKey::from_hex(text.trim()).expect("a key");
            Payer { key, node: at % net.nodes().len(), nonce: None }
        };
        Self {
            genesis_hash: genesis_hash.unwrap_or_else(|| panic!("genesis_hash in {params}")),
            payers: (0..ACCOUNTS).map(payer).collect(),
            turns: 0,
            acknowledged: Vec::new(),
            refused: BTreeMap::new(),
            unanswered: 0,
        }
    }

    /// One payment by the account whose turn it is, if its node runs.
    pub fn pay(&mut self, net: &Net) {
        let count = self.payers.len() as u64;
        let payer = &mut self.payers[usize::try_from(self.turns % count).expect("small")];
        self.turns += 1;
        let node = &net[payer.node];
        if !node.runs() {
            payer.nonce = None;
            return;
        }
        let address = payer.key.public_key().id();
        let ask = || node.try_get(&format!("/api/accounts/{address}"))?.body["pending_nonce"].as_u64();
        let Some(nonce) = payer.nonce.take().or_else(ask) else { return };
        // No two payments are alike.
        let action = Action::Transfer { to: address, amount: self.turns };
        let unsigned = Transaction { sender: payer.key.public_key(), nonce, fee: FEE, action };
        let signed = unsigned.sign(&payer.key, &self.genesis_hash);
        let body = json!({ "transaction": hex::encode(signed.bytes()) });
        match post(node.rest, "/api/transactions", &body) {
            Ok(answer) if answer.status == 202 => {
                payer.nonce = Some(nonce + 1);
                self.acknowledged.push((signed.hash(), payer.node));
            }
            Ok(answer) if answer.body["reason"].is_string() => {
                let rule = &answer.body["metadata"]["rule"];
                let reason = rule.as_str().or(answer.body["reason"].as_str()).unwrap_or_default();
                *self.refused.entry(reason.to_owned()).or_default() += 1;
            }
            Ok(_) | Err(_) => self.unanswered += 1,
        }
    }

    /// Waits until all that was acknowledged is in a block, or named as dropped by the node that acknowledged
    /// it.
    pub fn fates(&self, net: &Net, seconds: u64) -> Fates {
        let mut fates = Fates::default();
        for (hash, node) in &self.acknowledged {
            let mut last = Value::Null;
            let what = format!("{} knows the fate of {hash}", net[*node].name);
            let fate = wait_for(&what, seconds, || {
                let answer = net[*node].try_get(&format!("/api/transactions/{hash}"))?;
                assert_ne!(answer.status, 404, "acknowledged and unknown: {hash}, last {last}");
                last = answer.body;
                (answer.status == 200 && last["status"] != "pending").then(|| last.clone())
            });
            let text = |name: &str| fate[name].as_str().unwrap_or_default().to_owned();
            match fate["status"].as_str() {
                Some("included") => {
                    let height = fate["height"].as_u64().expect("a height");
                    fates.included.push((height, text("block_hash"), *hash));
                }
                Some("dropped") => {
                    assert!(!text("reason").is_empty(), "dropped for no reason: {fate}");
                    fates.dropped.push((*hash, text("reason")));
                }
                _ => panic!("no fate: {fate}"),
            }
        }
        fates
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// What there was besides, in words.
    pub fn others(&self) -> String {
        format!("refused {:?}, unanswered {}", self.refused, self.unanswered)
    }
}
