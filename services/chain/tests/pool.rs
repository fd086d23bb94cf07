//! What waits: bounded, kept over a stop and a crash, and taken in under overload.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::time::Duration;

use support::transactions::{
    account, look_up, place, registration, signed, submit_all, submit_one, transfer, wait_for_place,
};
use support::{Net, Node, crashed, head, produce};
use tokio::time::Instant;
use vision_primitives::SecretKey;
use vision_wire::chain::transaction_info::Place;
use vision_wire::reason_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_takes_only_what_pays_more_and_says_what_became_of_the_rest() {
    let net = Net::new(3);
    let home = net.home(0);
    let config = vision_chain::Config { max_waiting_transactions: 3, ..Default::default() };
    let node = Node::start_with(home.path(), config);
    let mut client = node.client().await;
    let by = |number: usize, nonce, fee| transfer(&net, &net.senders[number], nonce, fee);
    let (cheap, behind, dear) = (by(0, 0, 10), by(0, 1, 10), by(1, 0, 30));
    for transaction in [&cheap, &behind, &dear] {
        submit_one(&mut client, transaction, false).await.expect("room");
    }
    let same = by(2, 0, 10);
    let refused = submit_one(&mut client, &same, false).await.expect_err("it pays no more");
    assert_eq!(reason_of(&refused).as_deref(), Some("POOL_FULL"));
    assert_eq!(place(&mut client, &same).await, "TRANSACTION_NOT_FOUND");
    submit_one(&mut client, &by(2, 0, 20), false).await.expect("it pays more");
    for (transaction, expect) in
        [(&cheap, "waiting"), (&behind, "dropped EVICTED"), (&dear, "waiting"), (&by(2, 0, 20), "waiting")]
    {
        assert_eq!(place(&mut client, transaction).await, expect);
    }
    submit_one(&mut client, &by(1, 0, 40), false).await.expect("it replaces");
    assert_eq!(place(&mut client, &dear).await, "dropped REPLACED");
    // What was evicted may come again when there is room.
    produce(&net, &mut client, 0).await;
    submit_one(&mut client, &behind, false).await.expect("room");
    assert_eq!(place(&mut client, &behind).await, "waiting");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_waits_after_a_stop_and_after_a_crash() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let [first, second, third] = [&net.senders[0], &net.senders[1], &net.senders[2]];
    let in_a_block = transfer(&net, third, 0, 1);
    submit_one(&mut client, &in_a_block, false).await.expect("taken");
    produce(&net, &mut client, 0).await;
    // The registration came before the second of the two that it waits behind was replaced by a younger one.
    let producer = SecretKey::from_seed(&[91; 32]);
    let register = |nonce| {
        let proven = registration(&net, first, &producer, &producer);
        let action = proven.transaction().action.clone();
        signed(&net, first, nonce, 50, action)
    };
    let (replaced, kept) = (transfer(&net, first, 1, 1), transfer(&net, first, 1, 60));
    let all = [transfer(&net, first, 0, 70), register(2), kept.clone(), transfer(&net, second, 3, 1)];
    for transaction in [&all[0], &replaced, &all[1], &kept, &all[3]] {
        submit_one(&mut client, transaction, false).await.expect("taken");
        // So that the younger one is of another millisecond.
        while look_up(&mut client, transaction, false).await.is_ok_and(|info| {
            let now = vision_host::Clock::system(0).now_ms();
            matches!(info.place, Some(Place::Waiting(waiting)) if waiting.since_ms >= now)
        }) {}
    }
    let crashed = crashed(home.path());
    node.stop().await;
    for home in [home.path(), crashed.path()] {
        let node = Node::start(home, &[]);
        let mut client = node.client().await;
        for transaction in &all {
            assert_eq!(place(&mut client, transaction).await, "waiting");
        }
        assert_eq!(place(&mut client, &in_a_block).await, "included 1/0");
        assert_eq!(place(&mut client, &replaced).await, "dropped REPLACED");
        let first = account(&mut client, first.public_key().id(), false).await;
        assert_eq!(first.pending_nonce, 3);
        produce(&net, &mut client, 0).await;
        let places = [(0, "included 2/0"), (1, "included 2/2"), (2, "included 2/1"), (3, "waiting")];
        for (at, expect) in places {
            assert_eq!(place(&mut client, &all[at]).await, expect);
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_submits_what_peers_sent_may_rely_on_it_too_and_on_all_that_it_waits_behind() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let first = Node::start(homes[0].path(), &[]);
    let mut first_client = first.client().await;
    let [payer, relayed_sender] = [&net.senders[0], &net.senders[1]];
    let registers = {
        let proven =
            registration(&net, payer, &SecretKey::from_seed(&[91; 32]), &SecretKey::from_seed(&[91; 32]));
        signed(&net, payer, 2, 50, proven.transaction().action.clone())
    };
    let before = [transfer(&net, payer, 0, 1), transfer(&net, payer, 1, 1)];
    let relayed = transfer(&net, relayed_sender, 0, 1);
    for transaction in before.iter().chain([&relayed]) {
        submit_one(&mut first_client, transaction, false).await.expect("taken");
    }
    let second = Node::start(homes[1].path(), &[first.p2p]);
    let mut client = second.client().await;
    for transaction in before.iter().chain([&relayed]) {
        wait_for_place(&client, transaction, "waiting").await;
    }
    submit_one(&mut client, &registers, false).await.expect("taken");
    let replaced = transfer(&net, payer, 1, 90);
    wait_for_place(&first_client, &registers, "waiting").await;
    submit_one(&mut first_client, &replaced, false).await.expect("it pays more");
    wait_for_place(&client, &replaced, "waiting").await;
    let known = submit_one(&mut client, &relayed, false).await.expect_err("it waits already");
    assert_eq!(reason_of(&known).as_deref(), Some("TRANSACTION_KNOWN"));
    let crashed = crashed(homes[1].path());
    second.stop().await;
    first.stop().await;
    // Alone: nobody sends it anything.
    for home in [homes[1].path(), crashed.path()] {
        let node = Node::start(home, &[]);
        let mut client = node.client().await;
        for transaction in [&before[0], &replaced, &registers, &relayed] {
            assert_eq!(place(&mut client, transaction).await, "waiting");
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_overload_everything_is_answered_and_what_was_accepted_is_there() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let keys: Vec<_> = net.senders.iter().chain(net.keys.values()).collect();
    let own = |key: &SecretKey| (0..64).map(|nonce| transfer(&net, key, nonce, 1)).collect::<Vec<_>>();
    let mut open: Vec<Vec<_>> = keys.iter().map(|key| own(key)).collect();
    // Ballast that is never taken: at once, all calls have twice as many as may be on their way.
    let useless: Vec<_> = (64..64 + 960).map(|nonce| transfer(&net, keys[0], nonce, 1)).collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut accepted = Vec::new();
    while open.iter().any(|own| !own.is_empty()) {
        assert!(Instant::now() < deadline, "what was refused gets in later");
        let calls = open.drain(..).map(|own| {
            let (mut client, useless) = (client.clone(), useless.clone());
            tokio::spawn(async move {
                let outcomes = submit_all(&mut client, own.iter().chain(&useless)).await;
                assert_eq!(outcomes.len(), own.len() + useless.len());
                for outcome in &outcomes[own.len()..] {
                    let refused = ["NONCE_GAP", "OVERLOADED"].contains(&&outcome.reason[..]);
                    assert!(refused, "{}", outcome.reason);
                }
                own.into_iter().zip(outcomes).collect::<Vec<_>>()
            })
        });
        for call in calls.collect::<Vec<_>>() {
            let mut again = Vec::new();
            for (transaction, outcome) in call.await.expect("answered") {
                match &outcome.reason[..] {
                    "" => accepted.push(transaction),
                    "OVERLOADED" => again.push(transaction),
                    reason => panic!("{reason}: {}", outcome.detail),
                }
            }
            open.push(again);
        }
    }
    assert_eq!(accepted.len(), keys.len() * 64);
    for transaction in &accepted {
        assert_eq!(place(&mut client, transaction).await, "waiting");
    }
    for expect in [500, 500, 216] {
        produce(&net, &mut client, 0).await;
        assert_eq!(head(&mut client).await.tx_count, expect);
    }
    node.stop().await;
}
