//! What a command must know of a chain before it signs for it.

use serde_json::{Value, json};
use vision_primitives::{Address, Hash};

use crate::exit::{Failure, Outcome};
use crate::rest::Gateway;
use crate::values::decimal;

/// Of `GET /api/chain/params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Enters every hash and signature.
    pub genesis_hash: Hash,
    /// Least fee, smallest unit.
    pub min_fee: u64,
    /// Milliseconds from a block to the next one's first slot.
    pub block_interval_ms: u64,
}

/// An account as a node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Smallest unit.
    pub balance: u64,
    /// Of its next transaction in a block.
    pub nonce: u64,
    /// Of one more transaction, behind those that wait.
    pub pending_nonce: u64,
}

impl Chain {
    /// Asks a node.
    pub async fn ask(gateway: &Gateway) -> Outcome<Self> {
        let params = gateway.get("/api/chain/params").await?;
        Self::read(&params).ok_or_else(|| strange(gateway, "/api/chain/params"))
    }

    fn read(params: &Value) -> Option<Self> {
        Some(Self {
            genesis_hash: params["genesis_hash"].as_str()?.parse().ok()?,
            min_fee: amount(&params["min_fee"])?,
            block_interval_ms: params["block_interval_ms"].as_u64()?,
        })
    }
}

impl Account {
    /// Asks a node.
    pub async fn ask(gateway: &Gateway, address: &Address) -> Outcome<Self> {
        let path = format!("/api/accounts/{address}");
        let answer = gateway.get(&path).await?;
        Self::read(&answer).ok_or_else(|| strange(gateway, &path))
    }

    fn read(answer: &Value) -> Option<Self> {
        Some(Self {
            balance: amount(&answer["balance"])?,
            nonce: answer["nonce"].as_u64()?,
            pending_nonce: answer["pending_nonce"].as_u64()?,
        })
    }
}

/// Amounts are decimal text in JSON: a number there may have passed through a float.
fn amount(value: &Value) -> Option<u64> {
    decimal(value.as_str()?)
}

/// The body that submits signed transactions.
pub fn batch<'a>(signed: impl Iterator<Item = &'a [u8]>) -> Value {
    json!({ "transactions": signed.map(hex::encode).collect::<Vec<_>>() })
}

fn strange(gateway: &Gateway, path: &str) -> Failure {
    let url = gateway.url();
    Failure::failed(format!(
        "{url}{path} lacks fields that every node has; is it a vision node of this version?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_from_text_only() {
        let account = |balance: Value| json!({ "balance": balance, "nonce": 1, "pending_nonce": 2 });
        let expect = Account { balance: u64::MAX, nonce: 1, pending_nonce: 2 };
        let cases = [
            (json!("18446744073709551615"), Some(expect)),
            (json!(5), None),
            (json!("1.5"), None),
            (Value::Null, None),
        ];
        for (balance, expect) in cases {
            assert_eq!(Account::read(&account(balance.clone())), expect, "{balance}");
        }
        let params = json!({ "genesis_hash": "ab".repeat(32), "min_fee": "3", "block_interval_ms": 1800 });
        let chain = Chain { genesis_hash: Hash([0xab; 32]), min_fee: 3, block_interval_ms: 1800 };
        assert_eq!(Chain::read(&params), Some(chain));
        assert_eq!(Chain::read(&json!({})), None);
    }
}
