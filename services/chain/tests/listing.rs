//! Lists of transactions: by sender, by data, and those that wait.

mod support;

use support::transactions::{data, produce_with, submit_one, transfer};
use support::{Client, Net, Node, produce};
use vision_primitives::{MAX_DATA_BYTES, SignedTransaction};
use vision_wire::chain as proto;
use vision_wire::chain::transaction_info::Place;
use vision_wire::reason_of;

fn wish(sender: Option<usize>, prefix: &str, net: &Net) -> proto::ListTransactionsRequest {
    let sender = sender.map(|sender| net.senders[sender].public_key().id().to_string());
    proto::ListTransactionsRequest {
        sender: sender.unwrap_or_default(),
        data_prefix: prefix.as_bytes().to_vec().into(),
        ..Default::default()
    }
}

/// Hashes of all pages of this size, newest first.
async fn all(client: &mut Client, wish: &proto::ListTransactionsRequest, page_size: u32) -> Vec<String> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = proto::ListTransactionsRequest { page_size, page_token, ..wish.clone() };
        let page = client.list_transactions(request).await.expect("a page").into_inner();
        found.extend(page.transactions.into_iter().map(|info| info.hash));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

fn hashes(transactions: &[&SignedTransaction]) -> Vec<String> {
    transactions.iter().map(|transaction| transaction.hash().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_listed_by_sender_and_data_newest_first() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let all_of_them = [
        data(&net, 0, 0, "doc:1"),
        transfer(&net, &net.senders[0], 1, 1),
        data(&net, 1, 0, "doc:2"),
        data(&net, 0, 2, "note"),
    ];
    let [first, second, third, fourth] = &all_of_them;
    for transaction in &all_of_them {
        produce_with(&net, &mut client, &[transaction]).await;
    }
    let cases = [
        ("of a sender", wish(Some(0), "", &net), hashes(&[fourth, second, first])),
        ("by data", wish(None, "doc", &net), hashes(&[third, first])),
        ("both", wish(Some(0), "doc", &net), hashes(&[first])),
        ("of nobody", wish(Some(9), "", &net), vec![]),
    ];
    for (desc, wish, expect) in &cases {
        for page_size in [0, 1, 2] {
            assert_eq!(all(&mut client, wish, page_size).await, *expect, "{desc}, {page_size} a page");
        }
    }
    let page = client.list_transactions(wish(None, "doc:2", &net)).await.expect("a page").into_inner();
    assert_eq!(page.up_to_height, 4);
    let [info] = &page.transactions[..] else { panic!("{page:?}") };
    assert_eq!(info.transaction.as_ref().map(|of| &of.hash), Some(&info.hash));
    let Some(Place::Included(place)) = &info.place else { panic!("{info:?}") };
    assert_eq!((place.height, place.index, place.finalized), (3, 0, false));
    // One question's token is none of another's.
    let request = proto::ListTransactionsRequest { page_size: 1, ..wish(Some(0), "", &net) };
    let token = client.list_transactions(request).await.expect("a page").into_inner().next_page_token;
    let with_token = |wish| proto::ListTransactionsRequest { page_token: token.clone(), ..wish };
    let refusals = [
        ("another's token", with_token(wish(Some(1), "", &net)), "INVALID_PAGE_TOKEN"),
        ("another's token, of data", with_token(wish(Some(0), "d", &net)), "INVALID_PAGE_TOKEN"),
        ("nothing asked for", wish(None, "", &net), "INVALID_ARGUMENT"),
        ("too much data", wish(None, &"d".repeat(65), &net), "INVALID_ARGUMENT"),
        ("no address", proto::ListTransactionsRequest { sender: "ab".into(), ..wish(None, "d", &net) }, {
            "INVALID_HASH"
        }),
    ];
    for (desc, request, expect) in refusals {
        let refused = client.list_transactions(request).await.expect_err(desc);
        assert_eq!(reason_of(&refused).as_deref(), Some(expect), "{desc}");
    }
    node.stop().await;
    // After a restart the same is found.
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for (desc, wish, expect) in &cases {
        assert_eq!(all(&mut client, wish, 1).await, *expect, "{desc}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_large_transactions_fits_a_message() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let mut expect = Vec::new();
    for nonce in 0..3 {
        let text = "d".repeat(MAX_DATA_BYTES);
        let of = |sender| data(&net, sender, nonce, &text);
        let block: Vec<_> = (0..15).map(of).collect();
        produce_with(&net, &mut client, &block.iter().collect::<Vec<_>>()).await;
        expect.extend(block.iter().map(|transaction| transaction.hash().to_string()));
    }
    let mut found = all(&mut client, &wish(None, "dd", &net), 500).await;
    found.sort();
    expect.sort();
    assert_eq!(found, expect);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_listed_newest_first_and_gone_when_a_block_has_it() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let list = |page_size| proto::ListPendingRequest { page_size };
    let none = client.list_pending(list(0)).await.expect("a list").into_inner();
    assert_eq!(none, proto::ListPendingResponse::default());
    let long = "l".repeat(100);
    let payment = transfer(&net, &net.senders[0], 0, 7);
    let (first, gapped) = (data(&net, 1, 0, &long), data(&net, 2, 5, ""));
    for transaction in [&payment, &first, &gapped] {
        submit_one(&mut client, transaction, false).await.expect("taken");
    }
    let reported = client.list_pending(list(0)).await.expect("a list").into_inner();
    let bytes: usize = [&payment, &first, &gapped].iter().map(|transaction| transaction.bytes().len()).sum();
    assert_eq!((reported.count, reported.bytes), (3, bytes as u64));
    let listed: Vec<_> = reported.transactions.iter().map(|pending| pending.hash.clone()).collect();
    assert_eq!(listed, hashes(&[&gapped, &first, &payment]));
    let [of_gapped, of_first, of_payment] = &reported.transactions[..] else { panic!("{reported:?}") };
    assert_eq!(reported.oldest_since_ms, Some(of_payment.since_ms));
    assert_eq!((of_gapped.kind.as_str(), of_gapped.data.as_deref()), ("data", Some(&b""[..])));
    assert_eq!(of_first.data.as_deref(), Some(&long.as_bytes()[..64]));
    assert_eq!((of_payment.kind.as_str(), of_payment.fee, of_payment.amount), ("transfer", 7, Some(1)));
    assert_eq!(of_payment.sender, net.senders[0].public_key().id().to_string());
    assert_eq!((of_payment.to.clone(), of_payment.data.clone()), (Some("05".repeat(32)), None));

    let two = client.list_pending(list(2)).await.expect("a list").into_inner();
    assert_eq!((two.count, &two.transactions[..]), (3, &reported.transactions[..2]));
    produce(&net, &mut client, 0).await;
    let left = client.list_pending(list(0)).await.expect("a list").into_inner();
    assert_eq!((left.count, &left.transactions[..]), (1, &reported.transactions[..1]));
    node.stop().await;
}
