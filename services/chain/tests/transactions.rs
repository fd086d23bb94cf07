//! Transactions submitted: waiting, in blocks, dropped, watched and proven.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::time::Duration;

use futures::StreamExt;
use support::transactions::{
    account, forged, look_up, place, place_text, registration, signed, submit_all, submit_one, transfer,
    wait_for_place,
};
use support::{Client, Net, Node, produce};
use tokio::time::Instant;
use tonic::Streaming;
use vision_ledger::AccountProof;
use vision_primitives::{
    Action, Hash, Header, MerkleProof, MerkleStep, PublicKey, SecretKey, SignedTransaction, decode_strict,
};
use vision_wire::chain as proto;
use vision_wire::chain::merkle_step::Side;
use vision_wire::chain::transaction_info::Place;
use vision_wire::{metadata_of, reason_of, transaction_to_proto};

/// Far less than a call that waits may take.
const AT_ONCE: Duration = Duration::from_secs(10);

fn included(info: proto::TransactionInfo) -> proto::Included {
    match info.place {
        Some(Place::Included(included)) => included,
        other => panic!("not in a block: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_waits_is_included_and_both_it_and_its_account_are_proven() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let [first, second] = [&net.senders[0], &net.senders[1]];
    let all = [transfer(&net, first, 0, 5), transfer(&net, first, 1, 4), transfer(&net, second, 0, 3)];
    assert_eq!(place(&mut client, &all[0]).await, "TRANSACTION_NOT_FOUND");
    for transaction in &all {
        let answer = submit_one(&mut client, transaction, false).await.expect("taken");
        assert_eq!(answer.hash, transaction.hash().to_string());
        assert_eq!(place_text(answer.transaction.expect("where").place.as_ref()), "waiting");
    }
    let waiting = look_up(&mut client, &all[1], true).await.expect("waits");
    assert_eq!(waiting.transaction, Some(transaction_to_proto(&all[1])));
    let before = account(&mut client, first.public_key().id(), true).await;
    assert_eq!((before.nonce, before.pending_nonce, before.height), (0, 2, 0));
    let proven = before.proof.expect("asked for");
    assert!(proven.header.is_empty() && proven.signature.is_empty(), "block 0 has neither");
    assert!(proven.block_hash.is_empty() && proven.state_root.is_empty() && !proven.account_proof.is_empty());

    let stored = produce(&net, &mut client, 0).await;
    for (index, transaction) in all.iter().enumerate() {
        let info = look_up(&mut client, transaction, true).await.expect("in a block");
        assert_eq!(info.transaction, Some(transaction_to_proto(transaction)));
        let place = included(info);
        let got = (place.height, place.index, place.finalized, place.block_hash.clone());
        assert_eq!(got, (1, index as u32, false, stored.hash.clone()));
        let proof = place.proof.expect("a proof");
        let header = Header::from_bytes(&proof.header).expect("a header");
        let key: PublicKey = proof.producer_public_key.parse().expect("a key");
        assert_eq!((key.id(), proof.producer), (header.producer, header.producer.to_string()));
        assert_eq!((proof.signature.len(), proof.genesis_hash), (64, net.genesis.hash().to_string()));
        let hash = Header::hash_bytes(&net.genesis.hash(), &proof.header);
        assert_eq!(hash.to_string(), stored.hash, "the header is that block's");
        let steps = proof.steps.iter().map(|step| {
            let neighbour = Hash(step.hash[..].try_into().expect("32 bytes"));
            match step.side() {
                Side::Right => MerkleStep::Right(neighbour),
                Side::Left => MerkleStep::Left(neighbour),
                Side::Unspecified => panic!("a side"),
            }
        });
        let path = MerkleProof(steps.collect());
        assert!(path.verify(&transaction.hash(), &header.tx_root));
        assert!(!path.verify(&Hash([1; 32]), &header.tx_root));
    }
    assert!(look_up(&mut client, &all[0], false).await.map(included).expect("there").proof.is_none());

    let address = first.public_key().id();
    let after = account(&mut client, address, true).await;
    assert_eq!((after.nonce, after.pending_nonce, after.height), (2, 2, 1));
    let proven = after.proof.expect("asked for");
    let header = Header::from_bytes(&proven.header).expect("a header");
    assert_eq!(Header::hash_bytes(&net.genesis.hash(), &proven.header).to_string(), stored.hash);
    assert_eq!((proven.block_hash, proven.state_root), (stored.hash.clone(), header.state_root.to_string()));
    let id = Some(proto::get_block_request::Id::Hash(stored.hash.clone()));
    let block = client.get_block(proto::GetBlockRequest { id, ..Default::default() }).await.expect("stored");
    let block = block.into_inner().block.and_then(|info| info.block).expect("with its parts");
    assert_eq!((proven.signature, proven.producer), (block.signature, header.producer.to_string()));
    let key: PublicKey = proven.producer_public_key.parse().expect("a key");
    assert_eq!(key.id(), header.producer, "the registry shows whose key it is");
    let proof: AccountProof = decode_strict("proof", &proven.account_proof).expect("a proof");
    assert!(proof.verify(&header.state_root, &address));
    assert!(!proof.verify(&header.state_root, &second.public_key().id()));
    assert_eq!((proof.account.balance, proof.account.nonce), (after.balance, after.nonce));
    assert_eq!(after.balance, 1_000_000 - 5 - 4 - 2);
    node.stop().await;
}

/// What is submitted, with the reason and the rule that refuse it; none if it is taken. `waits` does so
/// already.
fn outcomes_of(
    net: &Net,
    waits: SignedTransaction,
) -> [(&'static str, SignedTransaction, &'static str, &'static str); 12] {
    let (key, stranger) = (|number: usize| &net.senders[number], SecretKey::from_seed(&[90; 32]));
    let (producer, to) = (SecretKey::from_seed(&[91; 32]), Hash([5; 32]));
    [
        ("good", transfer(net, key(1), 0, 1), "", ""),
        ("waits already", waits, "TRANSACTION_KNOWN", "KNOWN"),
        ("used nonce", signed_other(net, key(9), 0), "INVALID_TRANSACTION", "NONCE_TOO_LOW"),
        ("beyond the window", transfer(net, key(2), 64, 1), "NONCE_GAP", "NONCE_GAP"),
        ("last of the window", transfer(net, key(2), 63, 1), "", ""),
        ("replacement a tenth higher", transfer(net, key(0), 1, 11), "", ""),
        ("replacement too cheap", transfer(net, key(0), 1, 12), "UNDERPRICED", "UNDERPRICED"),
        ("no fee", transfer(net, key(3), 0, 0), "INVALID_TRANSACTION", "FEE_TOO_LOW"),
        (
            "too dear",
            signed(net, key(3), 0, 1, Action::Transfer { to, amount: 1_000_000 }),
            "INVALID_TRANSACTION",
            "INSUFFICIENT_BALANCE",
        ),
        ("no account", transfer(net, &stranger, 0, 1), "INVALID_TRANSACTION", "INSUFFICIENT_BALANCE"),
        (
            "wrong signature",
            forged(net, &transfer(net, key(4), 0, 1)),
            "INVALID_TRANSACTION",
            "BAD_SIGNATURE",
        ),
        (
            "not the producer's",
            registration(net, key(5), &producer, &stranger),
            "INVALID_TRANSACTION",
            "PROOF_OF_POSSESSION_INVALID",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_submitted_together_each_is_taken_or_refused_for_itself() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let key = |number: usize| &net.senders[number];
    let known = transfer(&net, key(0), 0, 10);
    submit_one(&mut client, &known, false).await.expect("taken");
    let used = transfer(&net, key(9), 0, 10);
    submit_one(&mut client, &used, false).await.expect("taken");
    produce(&net, &mut client, 0).await;
    let waits = transfer(&net, key(0), 1, 10);
    submit_one(&mut client, &waits, false).await.expect("taken");

    let cases = outcomes_of(&net, waits);
    // One after the other, so that each is judged behind those before it.
    for (desc, transaction, reason, rule) in &cases {
        let outcomes = submit_all(&mut client, [transaction]).await;
        let [outcome] = &outcomes[..] else { panic!("{desc}: {outcomes:?}") };
        assert_eq!((&outcome.reason[..], &outcome.rule[..]), (*reason, *rule), "{desc}: {}", outcome.detail);
        assert_eq!(outcome.hash, transaction.hash().to_string(), "{desc}");
        assert_eq!(outcome.detail.is_empty(), reason.is_empty(), "{desc}");
    }
    // All in one call, together with bytes that are none: what was taken waits already, the rest as before.
    let mut transactions: Vec<_> =
        cases.iter().map(|(_, transaction, ..)| transaction.bytes().to_vec().into()).collect();
    transactions.push(vec![1, 2, 3].into());
    let producer = SecretKey::from_seed(&[91; 32]);
    let proven = registration(&net, key(5), &producer, &producer);
    transactions.push(proven.bytes().to_vec().into());
    let request = proto::SubmitTransactionsRequest { transactions };
    let outcomes = client.submit_transactions(request).await.expect("answered").into_inner().outcomes;
    assert_eq!(outcomes.len(), cases.len() + 2);
    for ((desc, _, reason, _), outcome) in cases.iter().zip(&outcomes) {
        let expect = match (*desc, *reason) {
            ("waits already", _) => "UNDERPRICED",
            (_, "") => "TRANSACTION_KNOWN",
            (_, reason) => reason,
        };
        assert_eq!(outcome.reason, expect, "{desc}: {}", outcome.detail);
    }
    let malformed = &outcomes[cases.len()];
    let reported = (&malformed.hash[..], &malformed.reason[..], &malformed.rule[..]);
    assert_eq!(reported, ("", "INVALID_TRANSACTION", "MALFORMED"));
    assert_eq!(outcomes[cases.len() + 1].reason, "", "a proven registration");
    assert_eq!(place(&mut client, &proven).await, "waiting");

    let many = proto::SubmitTransactionsRequest { transactions: vec![vec![1].into(); 1025] };
    let refused = client.submit_transactions(many).await.expect_err("too many");
    assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"));
    assert_eq!(metadata_of(&refused, "field").as_deref(), Some("transactions"));
    let none = client.submit_transactions(proto::SubmitTransactionsRequest::default()).await.expect("fine");
    assert_eq!(none.into_inner().outcomes, []);
    node.stop().await;
}

fn signed_other(net: &Net, key: &SecretKey, nonce: u64) -> SignedTransaction {
    signed(net, key, nonce, 1, Action::Data { bytes: vec![1] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_may_wait_until_its_transaction_is_in_a_block_or_dropped() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let waiter = client.clone();
    let wait = |transaction: &SignedTransaction| {
        let (mut client, transaction) = (waiter.clone(), transaction.clone());
        tokio::spawn(async move { submit_one(&mut client, &transaction, true).await })
    };
    let begun = Instant::now();
    let (replaced, kept) = (transfer(&net, &net.senders[0], 0, 1), transfer(&net, &net.senders[1], 0, 1));
    let (of_replaced, of_kept) = (wait(&replaced), wait(&kept));
    for transaction in [&replaced, &kept] {
        wait_for_place(&client, transaction, "waiting").await;
    }
    let better = transfer(&net, &net.senders[0], 0, 2);
    submit_one(&mut client, &better, false).await.expect("taken");
    let answer = of_replaced.await.expect("no panic").expect("answered").transaction.expect("where");
    let Some(Place::Dropped(dropped)) = answer.place else { panic!("{:?}", answer.place) };
    assert_eq!((&dropped.reason[..], dropped.replaced_by), ("REPLACED", better.hash().to_string()));
    assert!(!of_kept.is_finished(), "it still waits");
    produce(&net, &mut client, 0).await;
    let answer = of_kept.await.expect("no panic").expect("answered").transaction.expect("where");
    assert_eq!(answer.transaction, Some(transaction_to_proto(&kept)));
    assert_eq!(included(answer).height, 1);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());

    for (again, rule) in [(&kept, "KNOWN"), (&replaced, "NONCE_TOO_LOW")] {
        let refused = submit_one(&mut client, again, true).await.expect_err("its nonce is used");
        assert_eq!(metadata_of(&refused, "rule").as_deref(), Some(rule));
    }
    // Whoever waits when the node stops is answered how it stands.
    let last = transfer(&net, &net.senders[2], 0, 1);
    let of_last = wait(&last);
    wait_for_place(&client, &last, "waiting").await;
    let begun = Instant::now();
    node.stop().await;
    let answer = of_last.await.expect("no panic").expect("answered").transaction.expect("where");
    assert_eq!(place_text(answer.place.as_ref()), "waiting");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

async fn watch_transactions(
    client: &mut Client,
    cursor: &str,
    address: Option<Hash>,
) -> Streaming<proto::WatchTransactionsResponse> {
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let request = proto::WatchTransactionsRequest { cursor: cursor.to_owned(), address };
    client.watch_transactions(request).await.expect("a watch").into_inner()
}

/// The next event that is not a heartbeat: its cursor, and each transaction's hash and place.
async fn next_event(
    stream: &mut Streaming<proto::WatchTransactionsResponse>,
) -> (String, Vec<(String, String)>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let next = tokio::time::timeout_at(deadline, stream.next()).await;
        let event = next.expect("something in 30 s").expect("no end").expect("no error");
        if event.heartbeat {
            assert_eq!(event.transactions, []);
            continue;
        }
        let reported = event.transactions.into_iter();
        let reported = reported.map(|info| (info.hash, place_text(info.place.as_ref()))).collect();
        return (event.cursor, reported);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_are_sent_what_concerns_them_and_resume_where_they_were() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let [other, key] = [&net.senders[0], &net.senders[1]];
    let to = Hash([77; 32]);
    let mut all = watch_transactions(&mut client, "", None).await;
    let mut of_sender = watch_transactions(&mut client, "", Some(key.public_key().id())).await;
    let mut of_receiver = watch_transactions(&mut client, "", Some(to)).await;
    // Begun before the call was answered: nothing done since is missed.
    let (unrelated, first) =
        (transfer(&net, other, 0, 9), signed(&net, key, 0, 1, Action::Transfer { to, amount: 3 }));
    let at =
        |transaction: &SignedTransaction, place: &str| (transaction.hash().to_string(), place.to_owned());
    let begin = all.next().await.expect("no end").expect("no error").cursor;
    for transaction in [&unrelated, &first] {
        submit_one(&mut client, transaction, false).await.expect("taken");
        let (_, reported) = next_event(&mut all).await;
        assert_eq!(reported, [at(transaction, "waiting")]);
    }
    for stream in [&mut of_sender, &mut of_receiver] {
        assert_eq!(next_event(stream).await.1, [at(&first, "waiting")]);
    }
    // Whoever watches all can see whom an event concerns.
    let mut repeated = watch_transactions(&mut client, &begin, None).await;
    let mut parties = Vec::new();
    while parties.len() < 2 {
        let event = repeated.next().await.expect("no end").expect("no error");
        parties.extend(event.transactions.into_iter().map(|info| (info.sender, info.receiver)));
    }
    assert_eq!(parties[1], (key.public_key().id().to_string(), to.to_string()));
    produce(&net, &mut client, 0).await;
    let (cursor, mut reported) = next_event(&mut all).await;
    reported.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(reported, [at(&unrelated, "included 1/0"), at(&first, "included 1/1")]);
    for stream in [&mut of_sender, &mut of_receiver] {
        assert_eq!(next_event(stream).await.1, [at(&first, "included 1/1")]);
    }
    drop((all, of_sender, of_receiver));

    let (second, better) = (transfer(&net, key, 1, 1), transfer(&net, key, 1, 2));
    for transaction in [&second, &better] {
        submit_one(&mut client, transaction, false).await.expect("taken");
    }
    let mut resumed = watch_transactions(&mut client, &cursor, Some(key.public_key().id())).await;
    let (middle, reported) = next_event(&mut resumed).await;
    assert_eq!(reported, [at(&second, "waiting")]);
    let (_, reported) = next_event(&mut resumed).await;
    assert_eq!(reported, [at(&second, "dropped REPLACED"), at(&better, "waiting")]);
    let mut from_middle = watch_transactions(&mut client, &middle, Some(to)).await;
    let heartbeat = tokio::time::timeout(Duration::from_millis(500), next_event(&mut from_middle)).await;
    assert!(heartbeat.is_err(), "nothing of this address: {heartbeat:?}");

    let bad = |cursor: &str, address: &str| proto::WatchTransactionsRequest {
        cursor: cursor.to_owned(),
        address: address.to_owned(),
    };
    let other_start = "0".to_owned() + &cursor;
    for (request, expect) in
        [(bad("", "00"), "INVALID_HASH"), (bad("?", ""), "INVALID_CURSOR"), (bad(&other_start, ""), "")]
    {
        let answer = client.watch_transactions(request).await;
        let reason = answer.err().and_then(|status| reason_of(&status));
        assert!(expect.is_empty() || reason.as_deref() == Some(expect), "{reason:?}");
    }
    drop((resumed, from_middle));
    node.stop().await;
}
