//! Transactions followed in the order of the chain: through restarts, crashes and reorganisations.

mod support;

use support::follower::{Follower, all_of_the_chain, request};
use support::transactions::{data, produce_with, signed, submit_one, transfer};
use support::{Client, Net, Node, crashed, free_port, head, produce, schedule, wait_for_head};
use vision_primitives::{Action, Hash, NodeId, SignedTransaction, Slot};
use vision_wire::chain as proto;
use vision_wire::chain::follow_transactions_response::What;
use vision_wire::reason_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transaction_is_reported_once_in_order_and_from_any_cursor_on() {
    let net = Net::new(3);
    let (home, genesis_hash) = (net.home(0), net.genesis.hash());
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let pay = |sender: usize, nonce| transfer(&net, &net.senders[sender], nonce, 1);
    produce_with(&net, &mut client, &[&pay(0, 0), &pay(1, 0), &data(&net, 2, 0, "doc:1")]).await;
    produce_with(&net, &mut client, &[]).await;
    produce_with(&net, &mut client, &[&pay(0, 1), &data(&net, 2, 1, "note")]).await;

    let mut live = Follower::open(&mut client, request(""), vec![]).await.expect("a stream");
    let first = live.event().await.expect("no error");
    assert_eq!(first, Some(What::CaughtUp(proto::CaughtUp { height: 3 })), "from now on");
    let mut whole = Follower::from_the_beginning(&mut client).await;
    let mut cursors = vec![("1".to_owned(), 0)];
    for reported in 1..=5 {
        let Some(What::Transaction(info)) = whole.event().await.expect("no error") else {
            panic!("{reported}")
        };
        assert_eq!(info.transaction.as_ref().map(|of| &of.hash), Some(&info.hash));
        cursors.push((whole.cursor.clone(), reported));
    }
    assert_eq!(whole.event().await.expect("no error"), Some(What::CaughtUp(proto::CaughtUp { height: 3 })));
    cursors.push((whole.cursor.clone(), 5));

    let last = pay(3, 0);
    produce_with(&net, &mut client, &[]).await;
    produce_with(&net, &mut client, &[&last]).await;
    live.until(&last).await;
    whole.until(&last).await;
    let all = all_of_the_chain(&mut client, &genesis_hash).await;
    assert_eq!(all.len(), 6);
    assert_eq!(whole.holds, all);
    assert_eq!(live.holds, all[5..]);
    // A cursor without the block's hash is as good while the chain is the same.
    let bare: Vec<_> = cursors.iter().map(|(cursor, reported)| (without_hash(cursor), *reported)).collect();
    for (cursor, reported) in cursors.iter().chain(&bare) {
        let resumed = Follower::open(&mut client, request(cursor), all[..*reported].to_vec()).await;
        let resumed = resumed.expect("a stream").caught_up().await;
        assert_eq!(resumed.holds, all, "{cursor}");
    }
    node.stop().await;
    // And after a restart.
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for (cursor, reported) in &cursors {
        let resumed = Follower::open(&mut client, request(cursor), all[..*reported].to_vec()).await;
        assert_eq!(resumed.expect("a stream").caught_up().await.holds, all, "{cursor}");
    }
    node.stop().await;
}

fn without_hash(cursor: &str) -> String {
    cursor.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_sent_what_it_wants_and_nothing_else() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let to = net.senders[5].public_key().id();
    let paid = signed(&net, &net.senders[0], 0, 1, Action::Transfer { to, amount: 3 });
    let other = transfer(&net, &net.senders[1], 0, 1);
    let (doc, note, sent) = (data(&net, 2, 0, "doc:1"), data(&net, 3, 0, "note"), data(&net, 5, 0, "doc:2"));
    produce_with(&net, &mut client, &[&paid, &other, &doc]).await;
    produce_with(&net, &mut client, &[&note, &sent]).await;
    let address = to.to_string();
    let cases: [(&str, &str, &str, &[&SignedTransaction]); 5] = [
        ("sent by or paid to an address", &address, "", &[&paid, &sent]),
        ("data", "", "doc:", &[&doc, &sent]),
        ("both", &address, "doc:", &[&sent]),
        ("of nobody", &"ab".repeat(32), "", &[]),
        ("data of nobody", "", "doc:3", &[]),
    ];
    for (desc, address, prefix, expect) in cases {
        let request = proto::FollowTransactionsRequest {
            cursor: "1".into(),
            address: address.to_owned(),
            data_prefix: prefix.as_bytes().to_vec().into(),
        };
        let reported =
            Follower::open(&mut client, request, vec![]).await.expect("a stream").caught_up().await;
        let mut hashes: Vec<_> = reported.holds.into_iter().map(|(.., hash)| hash).collect();
        let mut expect: Vec<_> = expect.iter().map(|transaction| transaction.hash().to_string()).collect();
        // Within a block the order is the block's.
        hashes.sort();
        expect.sort();
        assert_eq!(hashes, expect, "{desc}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_is_none_or_that_nobody_knows_is_refused() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    produce_with(&net, &mut client, &[&transfer(&net, &net.senders[0], 0, 1)]).await;
    let known = head(&mut client).await.hash;
    let unknown = Hash([9; 32]);
    let cases = [
        ("no cursor", "nonsense".to_owned(), "INVALID_CURSOR"),
        ("beyond the head", "2.0".into(), "CURSOR_TOO_OLD"),
        ("a height beyond the next", "3".into(), "CURSOR_TOO_OLD"),
        ("an unknown block", format!("1.0.{unknown}"), "CURSOR_TOO_OLD"),
        ("a block at another height", format!("2.0.{known}"), "CURSOR_TOO_OLD"),
        ("another block 0", format!("0.0.{unknown}"), "CURSOR_TOO_OLD"),
    ];
    for (desc, cursor, expect) in cases {
        let opened = Follower::open(&mut client, request(&cursor), vec![]).await;
        let refused = match opened {
            Err(refused) => refused,
            Ok(mut follower) => follower.event().await.expect_err(desc),
        };
        assert_eq!(reason_of(&refused).as_deref(), Some(expect), "{desc}");
    }
    let request = proto::FollowTransactionsRequest { data_prefix: vec![1; 65].into(), ..request("") };
    let refused = Follower::open(&mut client, request, vec![]).await.err().expect("too long");
    assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"));
    // The next height may be waited for.
    let mut next = Follower::open(&mut client, support::follower::request("2"), vec![]).await.expect("fine");
    assert!(matches!(next.event().await, Ok(Some(What::CaughtUp(_)))));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_a_crash_is_known_after_it_and_nothing_is_missed_or_sent_twice() {
    let net = Net::new(3);
    let genesis_hash = net.genesis.hash();
    let mut home = net.home(0);
    let mut holds = Vec::new();
    let mut cursor = "1".to_owned();
    for crash in 0..3 {
        let node = Node::start(home.path(), &[]);
        let mut client = node.client().await;
        let mut follower = Follower::open(&mut client, request(&cursor), holds).await.expect("known");
        // In blocks of three, of which the follower has seen one, two or three when the node dies.
        let all = [0, 1, 2].map(|sender| transfer(&net, &net.senders[sender], crash, 1));
        produce_with(&net, &mut client, &[&all[0], &all[1], &all[2]]).await;
        let seen = follower.holds.len();
        while follower.holds.len() <= seen + crash as usize {
            follower.event().await.expect("no error");
        }
        let copy = crashed(home.path());
        (holds, cursor) = (follower.holds, follower.cursor);
        node.stop().await;
        home = copy;
    }
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let follower = Follower::open(&mut client, request(&cursor), holds).await.expect("known");
    let follower = follower.caught_up().await;
    assert_eq!(follower.undone, []);
    assert_eq!(follower.holds.len(), 9);
    assert_eq!(follower.holds, all_of_the_chain(&mut client, &genesis_hash).await);
    node.stop().await;
}

/// Has a producer make the next block in its first slot from a number on.
async fn produce_by(net: &Net, client: &mut Client, maker: &NodeId, from: u64) {
    let head = head(client).await;
    let schedule = schedule(net, client, &head).await;
    let slot = (from..from + 100).find(|slot| schedule.owner(Slot(*slot)) == *maker).expect("a slot");
    produce(net, client, slot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_undoes_what_was_sent_and_so_does_a_cursor_of_a_block_that_was_left() {
    const BRANCH: usize = 4;
    let net = Net::new(3);
    let genesis_hash = net.genesis.hash();
    let makers: Vec<NodeId> = net.keys.keys().copied().collect();
    // The heavier branch is made first, by a node that is then away until the other one has its own.
    let (heavier_home, port) = (net.home(1), free_port());
    let heavier = Node::start(heavier_home.path(), &[]);
    let mut client = heavier.client().await;
    for number in 0..BRANCH {
        let transaction = transfer(&net, &net.senders[number], 0, 5);
        submit_one(&mut client, &transaction, false).await.expect("taken");
        produce_by(&net, &mut client, &makers[1], 0).await;
    }
    let heavier_head = head(&mut client).await;
    heavier.stop().await;

    let home = net.home(0);
    let node = Node::start(home.path(), &[port]);
    let mut client = node.client().await;
    let mut live = Follower::from_the_beginning(&mut client).await;
    let mut cursors = Vec::new();
    for number in 0..BRANCH {
        // Two in each block; the first is in the other branch too, at another place.
        for sender in [BRANCH - 1 - number, BRANCH + number] {
            let transaction = transfer(&net, &net.senders[sender], 0, 5);
            submit_one(&mut client, &transaction, false).await.expect("taken");
        }
        produce_by(&net, &mut client, &makers[0], 3).await;
        for _ in 0..2 {
            while !matches!(live.event().await.expect("no error"), Some(What::Transaction(_))) {}
            cursors.push((live.cursor.clone(), live.holds.clone()));
        }
    }
    let left: Vec<(u64, String)> =
        live.holds.iter().step_by(2).rev().map(|(height, block, ..)| (*height, block.clone())).collect();
    assert!(heavier_head.weight > head(&mut client).await.weight);

    let heavier = Node::start_on(heavier_home.path(), free_port(), port, &[]);
    wait_for_head(&mut client, &heavier_head.hash).await;
    heavier.stop().await;
    let all = all_of_the_chain(&mut client, &genesis_hash).await;
    assert_eq!(all.len(), BRANCH);
    live.until(&transfer(&net, &net.senders[BRANCH - 1], 0, 5)).await;
    assert_eq!(live.holds, all);
    assert_eq!(live.undone, left, "each block that was left, the highest first");
    let undone = live.cursor.clone();
    // Every cursor of the branch that was left goes on right, now and after a restart.
    let mut node = Some(node);
    for restarted in [false, true] {
        if restarted {
            node.take().expect("running").stop().await;
            node = Some(Node::start(home.path(), &[]));
            client = node.as_ref().expect("running").client().await;
        }
        for (number, (cursor, holds)) in cursors.iter().enumerate() {
            let resumed = Follower::open(&mut client, request(cursor), holds.clone()).await.expect("known");
            let resumed = resumed.caught_up().await;
            assert_eq!(resumed.holds, all, "{cursor}");
            assert_eq!(resumed.undone, left[BRANCH - 1 - number / 2..], "{cursor}");
        }
        let resumed = Follower::open(&mut client, request(&undone), all.clone()).await.expect("known");
        assert_eq!(resumed.caught_up().await.holds, all);
    }
    node.expect("running").stop().await;
}
