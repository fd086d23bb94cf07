//! The accounts that send: read, derived, funded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use vision_primitives::{Action, Address, SecretKey, SignedTransaction, Transaction, hash};

use vision_terminal::answers::entries;
use vision_terminal::chain::{Account, Chain, batch};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::keys::read_secret;
use vision_terminal::rest::Gateway;

/// Questions to the nodes at once.
const QUESTIONS_AT_ONCE: usize = 16;
/// Transactions of one account that a node lets wait.
const WAVE: usize = 64;
/// Most transactions submitted at once.
const MAX_BATCH: usize = 1024;
/// Longest wait until the fundings of one wave are in blocks.
const FUNDING_DEADLINE: Duration = Duration::from_secs(60);
const FUNDING_POLL: Duration = Duration::from_millis(200);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// An account that sends.
pub(crate) struct Sender {
    /// Its key.
    pub key: SecretKey,
    /// Its address.
    pub address: Address,
    /// The node it sends to, by its place in the list.
    pub node: usize,
    /// What it has.
    pub account: Account,
}

/// The keys of a directory, in the order of their numbers.
pub(crate) fn read_keys(dir: &Path) -> Outcome<Vec<SecretKey>> {
    let listed = std::fs::read_dir(dir).map_err(|error| {
        let failure = Failure::io("read", dir, &error);
        if error.kind() == std::io::ErrorKind::NotFound { failure.with_exit(Exit::NotFound) } else { failure }
    })?;
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for entry in listed {
        let path = entry.map_err(|error| Failure::io("read", dir, &error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let middle = name.strip_prefix("account").and_then(|rest| rest.strip_suffix(".key"));
        if let Some(middle) = middle {
            files.push((middle.parse().unwrap_or(u64::MAX), path));
        }
    }
    files.sort();
    if files.is_empty() {
        let dir = dir.display();
        return Err(Failure::not_found(format!(
            "no account*.key in {dir}; `vision testnet init` creates some"
        )));
    }
    files.iter().map(|(_, path)| read_secret(path)).collect()
}

/// As many keys as wanted: further ones are derived, always the same, so that what they hold is not lost.
pub(crate) fn extend(funded: &[SecretKey], wanted: usize) -> Vec<SecretKey> {
    let derived = (0..wanted.saturating_sub(funded.len())).map(|at| {
        let parent = funded[at % funded.len()].to_secret_hex();
        let number = (at as u64).to_le_bytes();
        SecretKey::from_seed(hash(&[b"vision/load-account/v1", parent.as_bytes(), &number]).as_bytes())
    });
    funded.iter().take(wanted).cloned().chain(derived).collect()
}

/// Asks for all accounts, each at its node.
pub(crate) async fn ask(keys: &[SecretKey], gateways: &[Gateway]) -> Outcome<Vec<Sender>> {
    let questions = keys.iter().enumerate().map(|(at, key)| async move {
        let (address, node) = (key.public_key().id(), at % gateways.len());
        let account = Account::ask(&gateways[node], &address).await?;
        Ok(Sender { key: key.clone(), address, node, account })
    });
    let answers: Vec<Outcome<Sender>> =
        futures::stream::iter(questions).buffered(QUESTIONS_AT_ONCE).collect().await;
    answers.into_iter().collect()
}

/// A payment that funds an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Funding {
    from: usize,
    to: Address,
    amount: u64,
}

/// Who pays whom, in turn, so that each account behind the first `funders` has `needed`.
fn plan(senders: &[Sender], funders: usize, needed: u64, fee: u64) -> Outcome<Vec<Funding>> {
    let poor = senders[funders..].iter().filter(|sender| sender.account.balance < needed);
    let plan: Vec<Funding> = poor
        .enumerate()
        .map(|(at, sender)| Funding {
            from: at % funders,
            to: sender.address,
            amount: needed - sender.account.balance,
        })
        .collect();
    for (at, funder) in senders[..funders].iter().enumerate() {
        let own = plan.iter().filter(|funding| funding.from == at);
        let cost = own.fold(0_u64, |sum, funding| sum.saturating_add(funding.amount).saturating_add(fee));
        if cost > funder.account.balance {
            return Err(Failure::failed(format!(
                "account {} has {} and would have to fund others with {cost}; use fewer --accounts, or fund \
                it",
                funder.address, funder.account.balance
            )));
        }
    }
    Ok(plan)
}

/// Sees to it that each account behind the first `funders` has `needed`; gives how many had to be funded.
pub(crate) async fn fund(
    senders: &[Sender],
    funders: usize,
    needed: u64,
    gateways: &[Gateway],
    chain: &Chain,
) -> Outcome<usize> {
    let plan = plan(senders, funders, needed, chain.min_fee)?;
    let mut nonces: Vec<u64> = senders[..funders].iter().map(|funder| funder.account.pending_nonce).collect();
    for wave in plan.chunks(WAVE * funders) {
        for (at, gateway) in gateways.iter().enumerate() {
            let own = wave.iter().filter(|funding| senders[funding.from].node == at);
            let signed: Vec<SignedTransaction> = own
                .map(|funding| {
                    let (key, nonce) = (&senders[funding.from].key, &mut nonces[funding.from]);
                    let action = Action::Transfer { to: funding.to, amount: funding.amount };
                    let (sender, fee) = (key.public_key(), chain.min_fee);
                    let transaction = Transaction { sender, nonce: *nonce, fee, action };
                    *nonce += 1;
                    transaction.sign(key, &chain.genesis_hash)
                })
                .collect();
            for part in signed.chunks(MAX_BATCH) {
                let body = batch(part.iter().map(SignedTransaction::bytes));
                let answer = gateway.post("/api/transactions", &body, ANSWER_DEADLINE).await?;
                all_accepted(&answer)?;
            }
        }
        for (funder, nonce) in senders[..funders].iter().zip(&nonces) {
            until(&gateways[funder.node], funder, |account| account.nonce >= *nonce).await?;
        }
    }
    // A node may be a block behind the one that was paid through.
    for sender in senders.iter().filter(|sender| plan.iter().any(|funding| funding.to == sender.address)) {
        until(&gateways[sender.node], sender, |account| account.balance >= needed).await?;
    }
    Ok(plan.len())
}

fn all_accepted(answer: &Value) -> Outcome {
    match entries(answer, "results").iter().find(|result| result["accepted"] != true) {
        None => Ok(()),
        Some(refused) => {
            let text = |name: &str| refused[name].as_str().unwrap_or_default();
            Err(Failure::failed(format!(
                "a funding transfer was refused: {} ({})",
                text("detail"),
                text("reason")
            )))
        }
    }
}

async fn until(gateway: &Gateway, sender: &Sender, wanted: impl Fn(&Account) -> bool) -> Outcome {
    let waiting = async {
        while !wanted(&Account::ask(gateway, &sender.address).await?) {
            tokio::time::sleep(FUNDING_POLL).await;
        }
        Ok(())
    };
    let late = |_| {
        let seconds = FUNDING_DEADLINE.as_secs();
        Failure::unhealthy(format!(
            "funding transfers of {} are in no block after {seconds} s",
            sender.address
        ))
    };
    tokio::time::timeout(FUNDING_DEADLINE, waiting).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_terminal::keys::write_secret;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn senders(balances: &[u64]) -> Vec<Sender> {
        let sender = |(at, balance): (usize, &u64)| {
            let key = key(u8::try_from(at).expect("few"));
            let account = Account { balance: *balance, nonce: 0, pending_nonce: 0 };
            Sender { address: key.public_key().id(), key, node: 0, account }
        };
        balances.iter().enumerate().map(sender).collect()
    }

    #[test]
    fn keys_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().expect("temp dir");
        for (name, seed) in [("account10.key", 3), ("account2.key", 2), ("account1.key", 1)] {
            write_secret(&dir.path().join(name), &key(seed)).expect("new");
        }
        std::fs::write(dir.path().join("notes.txt"), "no key").expect("written");
        let read = read_keys(dir.path()).expect("keys");
        assert_eq!(
            read.iter().map(SecretKey::public_key).collect::<Vec<_>>(),
            [1, 2, 3].map(|seed| key(seed).public_key())
        );
        for missing in [dir.path().join("none"), tempfile::tempdir().expect("temp dir").path().to_owned()] {
            assert_eq!(read_keys(&missing).expect_err("none").exit(), Exit::NotFound);
        }
    }

    #[test]
    fn further_keys_are_always_the_same_and_all_differ() {
        let funded = [key(1), key(2)];
        let public = |keys: Vec<SecretKey>| keys.iter().map(SecretKey::public_key).collect::<Vec<_>>();
        let (few, many) = (public(extend(&funded, 3)), public(extend(&funded, 9)));
        assert_eq!(few, many[..3]);
        assert_eq!(many[..2], [key(1).public_key(), key(2).public_key()]);
        assert_eq!(many.iter().collect::<std::collections::BTreeSet<_>>().len(), 9);
        assert_eq!(extend(&funded, 1).len(), 1);
    }

    #[test]
    fn the_poor_are_funded_in_turn_by_who_can() {
        type Case = (&'static str, &'static [u64], usize, Option<Vec<(usize, u64)>>);
        let cases: [Case; 4] = [
            ("in turn", &[100, 100, 0, 4, 0], 2, Some(vec![(0, 10), (1, 6), (0, 10)])),
            ("none needs it", &[100, 10], 1, Some(vec![])),
            ("just enough", &[11, 0], 1, Some(vec![(0, 10)])),
            ("not enough", &[10, 0], 1, None),
        ];
        for (desc, balances, funders, expect) in cases {
            let plan = plan(&senders(balances), funders, 10, 1).ok();
            let plan = plan.map(|plan| plan.iter().map(|funding| (funding.from, funding.amount)).collect());
            assert_eq!(plan, expect, "{desc}");
        }
    }
}
