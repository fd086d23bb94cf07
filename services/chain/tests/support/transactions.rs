//! Transactions made, submitted and looked up.

use tonic::Status;
use vision_primitives::{
    Action, Hash, MAX_DATA_BYTES, SecretKey, SignedTransaction, Tag, Transaction, registration_payload,
};
use vision_wire::chain as proto;
use vision_wire::chain::transaction_info::Place;

use super::{Client, Net, head, produce, wait_until};

pub fn signed(net: &Net, key: &SecretKey, nonce: u64, fee: u64, action: Action) -> SignedTransaction {
    Transaction { sender: key.public_key(), nonce, fee, action }.sign(key, &net.genesis.hash())
}

/// A transfer of 1 to an address that nobody holds.
pub fn transfer(net: &Net, key: &SecretKey, nonce: u64, fee: u64) -> SignedTransaction {
    signed(net, key, nonce, fee, Action::Transfer { to: Hash([5; 32]), amount: 1 })
}

/// Text published by the sender with this number.
pub fn data(net: &Net, sender: usize, nonce: u64, text: &str) -> SignedTransaction {
    signed(net, &net.senders[sender], nonce, 1, Action::Data { bytes: text.into() })
}

/// The largest transaction there is.
pub fn large(net: &Net, key: &SecretKey, nonce: u64) -> SignedTransaction {
    signed(net, key, nonce, 1, Action::Data { bytes: vec![7; MAX_DATA_BYTES] })
}

/// The registration of a producer, proven by this other key.
pub fn registration(
    net: &Net,
    key: &SecretKey,
    producer: &SecretKey,
    prover: &SecretKey,
) -> SignedTransaction {
    let (public_key, payout) = (producer.public_key(), Hash([6; 32]));
    let payload = registration_payload(&public_key, &payout);
    let proof_of_possession = prover.sign(Tag::Register, &net.genesis.hash(), &payload);
    signed(net, key, 0, 1, Action::RegisterProducer { public_key, payout, proof_of_possession })
}

/// The same with a signature that does not verify.
pub fn forged(net: &Net, transaction: &SignedTransaction) -> SignedTransaction {
    let mut bytes = transaction.bytes().to_vec();
    // The lowest byte of the signature's second half: it still decodes.
    let at = bytes.len() - 32;
    bytes[at] ^= 1;
    SignedTransaction::from_bytes(bytes, &net.genesis.hash()).expect("it decodes")
}

pub async fn submit_one(
    client: &mut Client,
    transaction: &SignedTransaction,
    wait: bool,
) -> Result<proto::SubmitTransactionResponse, Status> {
    let transaction = transaction.bytes().to_vec().into();
    let request = proto::SubmitTransactionRequest { transaction, wait };
    Ok(client.submit_transaction(request).await?.into_inner())
}

pub async fn submit_all<'a>(
    client: &mut Client,
    transactions: impl IntoIterator<Item = &'a SignedTransaction>,
) -> Vec<proto::SubmitOutcome> {
    let transactions = transactions.into_iter().map(|signed| signed.bytes().to_vec().into()).collect();
    let request = proto::SubmitTransactionsRequest { transactions };
    client.submit_transactions(request).await.expect("answered").into_inner().outcomes
}

/// Has a block made with just these.
pub async fn produce_with(net: &Net, client: &mut Client, transactions: &[&SignedTransaction]) {
    for transaction in transactions {
        submit_one(client, transaction, false).await.expect("taken");
    }
    produce(net, client, 0).await;
    assert_eq!(head(client).await.tx_count as usize, transactions.len());
}

pub async fn look_up(
    client: &mut Client,
    transaction: &SignedTransaction,
    with_proof: bool,
) -> Result<proto::TransactionInfo, Status> {
    let request = proto::GetTransactionRequest { hash: transaction.hash().to_string(), with_proof };
    let found = client.get_transaction(request).await?.into_inner();
    Ok(found.transaction.expect("a transaction"))
}

/// Where a transaction is: `waiting`, `included HEIGHT/INDEX`, `dropped REASON`, or the reason of a refusal.
pub async fn place(client: &mut Client, transaction: &SignedTransaction) -> String {
    match look_up(client, transaction, false).await {
        Ok(info) => place_text(info.place.as_ref()),
        Err(status) => vision_wire::reason_of(&status).unwrap_or_else(|| status.to_string()),
    }
}

pub fn place_text(place: Option<&Place>) -> String {
    match place {
        Some(Place::Waiting(_)) => "waiting".to_owned(),
        Some(Place::Included(it)) => format!("included {}/{}", it.height, it.index),
        Some(Place::Dropped(it)) => format!("dropped {}", it.reason),
        None => "nowhere".to_owned(),
    }
}

pub async fn wait_for_place(client: &Client, transaction: &SignedTransaction, expect: &str) {
    wait_until(&format!("{} is {expect}", transaction.hash()), || {
        let mut client = client.clone();
        async move { place(&mut client, transaction).await == expect }
    })
    .await;
}

pub async fn account(client: &mut Client, address: Hash, with_proof: bool) -> proto::GetAccountResponse {
    let request = proto::GetAccountRequest { address: address.to_string(), with_proof };
    client.get_account(request).await.expect("an account").into_inner()
}
