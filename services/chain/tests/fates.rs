//! What became of what was acknowledged: reported for as long as the documents say, whatever the clock and
//! however full the pool.

mod support;

use support::transactions::{look_up, place, submit_all, submit_one, transfer};
use support::{Net, Node, crashed, produce};
use vision_wire::chain as proto;
use vision_wire::chain::transaction_info::Place;
use vision_wire::reason_of;

/// More than a transaction may wait, milliseconds.
const TWO_HOURS_MS: i64 = 7_200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_a_stepped_clock_expires_nothing() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let all = [transfer(&net, &net.senders[0], 0, 1), transfer(&net, &net.senders[0], 1, 1)];
    for transaction in &all {
        submit_one(&mut client, transaction, false).await.expect("taken");
    }
    node.stop().await;
    for ahead_ms in [TWO_HOURS_MS, -TWO_HOURS_MS, 0] {
        let node = Node::start_ahead(home.path(), ahead_ms);
        let mut client = node.client().await;
        // One more makes a turn in which what is too old goes.
        let other = transfer(&net, &net.senders[1], 0, 1 + ahead_ms.unsigned_abs() / 100);
        let _ = submit_one(&mut client, &other, false).await;
        for transaction in &all {
            assert_eq!(place(&mut client, transaction).await, "waiting", "{ahead_ms} ms ahead");
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fate_of_what_was_acknowledged_is_reported_after_a_stop_and_after_a_crash() {
    let net = Net::new(3);
    let home = net.home(0);
    let config = || vision_chain::Config { max_waiting_transactions: 3, ..Default::default() };
    let node = Node::start_with(home.path(), config());
    let mut client = node.client().await;
    let by = |number: usize, nonce, fee| transfer(&net, &net.senders[number], nonce, fee);
    let (evicted, replaced, used) = (by(0, 1, 10), by(1, 0, 20), by(2, 0, 30));
    for transaction in [&by(0, 0, 40), &evicted, &replaced] {
        submit_one(&mut client, transaction, false).await.expect("room");
    }
    submit_one(&mut client, &by(1, 0, 50), false).await.expect("it replaces");
    submit_one(&mut client, &used, false).await.expect("it pays more");
    let full = submit_one(&mut client, &by(3, 0, 1), false).await.expect_err("no room");
    assert_eq!(reason_of(&full).as_deref(), Some("POOL_FULL"));
    let fates = [(&evicted, "dropped EVICTED"), (&replaced, "dropped REPLACED")];
    for (transaction, expect) in fates {
        assert_eq!(place(&mut client, transaction).await, expect);
    }
    let crashed = crashed(home.path());
    node.stop().await;
    for home in [home.path(), crashed.path()] {
        let node = Node::start_with(home, config());
        let mut client = node.client().await;
        for (transaction, expect) in fates {
            assert_eq!(place(&mut client, transaction).await, expect, "after a restart");
        }
        produce(&net, &mut client, 0).await;
        assert_eq!(place(&mut client, &used).await, "included 1/2");
        // What was dropped may come again, and then this counts.
        submit_one(&mut client, &evicted, false).await.expect("room");
        assert_eq!(place(&mut client, &evicted).await, "waiting");
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_gap_says_which_nonce_is_missing() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let by = |nonce| transfer(&net, &net.senders[0], nonce, 1);
    let missing = |info: Option<proto::TransactionInfo>| match info.and_then(|info| info.place) {
        Some(Place::Waiting(waiting)) => waiting.missing_nonce,
        other => panic!("{other:?}"),
    };
    let answer = submit_one(&mut client, &by(2), false).await.expect("taken");
    assert_eq!(missing(answer.transaction), Some(0), "in the answer");
    let outcomes = submit_all(&mut client, [&by(4), &by(0)]).await;
    let reported: Vec<_> =
        outcomes.iter().map(|outcome| (&outcome.reason[..], outcome.missing_nonce)).collect();
    assert!(
        reported == [("", Some(0)), ("", None)] || reported == [("", Some(1)), ("", None)],
        "{reported:?}"
    );
    let cases = [(0, None), (2, Some(1)), (4, Some(1))];
    for (nonce, expect) in cases {
        let info = look_up(&mut client, &by(nonce), false).await.expect("waits");
        assert_eq!(missing(Some(info)), expect, "nonce {nonce}");
    }
    submit_one(&mut client, &by(1), false).await.expect("taken");
    let info = look_up(&mut client, &by(2), false).await.expect("waits");
    assert_eq!(missing(Some(info)), None, "the gap is filled");
    let info = look_up(&mut client, &by(4), false).await.expect("waits");
    assert_eq!(missing(Some(info)), Some(3));
    node.stop().await;
}
