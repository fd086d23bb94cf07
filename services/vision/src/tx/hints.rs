//! What to do about a transaction that was refused.

use vision_primitives::Address;

use super::Intent;
use vision_terminal::chain::Chain;

/// What the hints need to know of the transaction.
pub(super) struct Facts<'a> {
    /// What it should have done.
    pub intent: &'a Intent,
    /// The paying account.
    pub sender: Address,
    /// The chain it is for.
    pub chain: &'a Chain,
    /// The flag that names the node.
    pub node: &'a str,
}

/// By the rule that was broken, or the reason where there is no rule.
pub(super) fn what_to_do(cause: &str, facts: &Facts<'_>) -> Option<String> {
    let (sender, node) = (facts.sender, facts.node);
    Some(match cause {
        "NONCE_TOO_LOW" | "NONCE_USED" => "leave out --nonce to use the account's next".into(),
        "NONCE_GAP" | "NONCE_TOO_HIGH" => {
            "first send the transactions with the nonces before it, or leave out --nonce".into()
        }
        "INSUFFICIENT_BALANCE" | "UNAFFORDABLE" => match facts.intent {
            Intent::Exit => format!(
                "the producer's own account pays the fee of its exit: first send it that much with \
                 `vision tx transfer --key FILE --to {sender} --amount {}{node}`",
                facts.chain.min_fee
            ),
            _ => format!(
                "see what it holds with `vision query account {sender}{node}`; pending transactions count too"
            ),
        },
        "FEE_TOO_LOW" => {
            format!("the minimum fee of this chain is {}: leave out --fee to pay it", facts.chain.min_fee)
        }
        "UNDERPRICED" => {
            "another transaction with this nonce is pending: pay a tenth more to replace it, or leave out \
            --nonce"
                .into()
        }
        "POOL_FULL" => "try again after a block or two, or pay a higher --fee".into(),
        "OVERLOADED" => "try again in a few seconds".into(),
        "TRANSACTION_KNOWN" => "nothing to do: it is already pending".into(),
        "NOT_A_PRODUCER" => format!(
            "the key given belongs to {sender}: use a registered producer's own key, such as \
            HOME/producer.key"
        ),
        "LAST_PRODUCER" => {
            format!("another producer must be active first: see `vision query producers{node}`")
        }
        "ALREADY_REGISTERED" => {
            "a key can be registered only once: create another with `vision keys new --out FILE`".into()
        }
        "REGISTRY_FULL" => "wait until a producer leaves".into(),
        _ => return None,
    })
}
