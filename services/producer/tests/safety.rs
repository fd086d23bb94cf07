//! What must never happen, and what the producer refuses.

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Facts, Mood, World, eventually, fast};
use vision_producer::{Error, reset_signer_state};
use vision_wire::producer::MiningStatus;

#[tokio::test(flavor = "multi_thread")]
async fn a_block_signed_before_the_kill_is_submitted_after_it() {
    let world = World::start(Facts::new(fast(), 0));
    {
        let mut state = world.facts.state();
        state.mood = Mood::Dead;
        state.waiting = vec![vec![1; 500], vec![2; 200]];
    }
    let home = world.facts.home();
    let running = world.producer(home.path());
    eventually("a block is signed", || async { (world.facts.state().submitted > 0).then_some(()) }).await;
    let signed = world.facts.state().signed.clone();
    running.stop().await;
    {
        let mut state = world.facts.state();
        state.mood = Mood::Good;
        // The chain service was killed too: it knows of no prepared block, and has other transactions now.
        state.prepared.clear();
        state.waiting = vec![vec![3; 150]];
    }
    let running = world.producer(home.path());
    world.until_height(3).await;
    let first = world.facts.state().blocks[0].clone();
    assert_eq!(signed[&first.header.parent].first(), Some(&first.hash), "the very same block");
    assert_eq!(first.transactions, [vec![1; 500], vec![2; 200]]);
    assert_eq!(world.facts.state().bodies_sent, 1, "once, when the chain service has asked for it");
    world.facts.assert_never_two();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_never_make_two() {
    let world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    for round in 0..5 {
        let running = world.producer(home.path());
        world.until_height((round + 1) * 10).await;
        // In the middle of whatever it does.
        running.stop().await;
        world.facts.assert_never_two();
    }
    let blocks = world.facts.height();
    let running = world.producer(home.path());
    world.until_height(blocks + 5).await;
    running.stop().await;
    world.facts.assert_never_two();
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_older_than_the_key_are_refused_with_the_way_out() {
    let facts = Facts::new(fast(), 1);
    let me = facts.me();
    for producer in [facts.others[0], me, facts.others[0]] {
        facts.foreign_block_by(producer);
    }
    let world = World::start(facts);
    let home = world.facts.home();
    let error = world.producer(home.path()).ended().await.expect_err("refused");
    assert!(error.is_safety_refusal());
    let text = error.to_string();
    assert!(matches!(error, Error::ClaimsTooOld { .. }), "{text}");
    assert!(text.contains("block 2") && text.contains("vision keys reset-claims --home"), "{text}");
    assert!(world.facts.state().signed.is_empty());

    reset_signer_state(home.path(), 5).expect("the way out");
    let running = world.producer(home.path());
    let barred = |status: &MiningStatus| status.not_eligible_because.starts_with("SIGNING_FLOOR: ");
    running.until("it says why it is silent", barred).await;
    for _ in 0..3 {
        world.facts.foreign_block();
    }
    world.until_height(7).await;
    assert!(world.facts.state().blocks[3..5].iter().all(|block| block.header.producer != me), "barred");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_noticed_and_its_heights_are_left_alone() {
    let world = World::start(Facts::new(fast(), 0));
    world.facts.state().eligible = false;
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until("it runs", |status| !status.eligible).await;
    let me = world.facts.me();
    // While this node is not eligible, another one with its key makes blocks.
    for _ in 0..3 {
        world.facts.foreign_block_by(me);
    }
    {
        let mut state = world.facts.state();
        state.last_height = 5;
        state.eligible = true;
    }
    world.until_height(5).await;
    world.facts.state().eligible = false;
    running.until("it pauses", |status| !status.eligible).await;
    // The head goes back to where the twin began, and there is time enough for a block.
    {
        let mut state = world.facts.state();
        state.blocks.truncate(1);
        state.last_height = u64::MAX;
        state.eligible = true;
    }
    world.facts.announce();
    let barred = |status: &MiningStatus| {
        status.local_height == 1 && status.not_eligible_because.starts_with("KEY_USED_ELSEWHERE: ")
    };
    running.until("it says why it is silent", barred).await;
    let seen = world.facts.state().snapshots;
    let later = || async { (world.facts.state().snapshots > seen + 20).then_some(()) };
    eventually("some time passes", later).await;
    assert_eq!(world.facts.height(), 1, "barred");
    world.facts.foreign_block_by(vision_primitives::Hash([9; 32]));
    world.facts.foreign_block_by(vision_primitives::Hash([9; 32]));
    world.until_height(5).await;
    {
        let state = world.facts.state();
        let mut low = state.blocks[..2].iter().map(|block| block.hash);
        assert!(low.all(|parent| !state.signed.contains_key(&parent)), "nothing is signed up to height 3");
    }
    running.stop().await;
}

/// As after a restored backup: the newest own block is far below the head, behind many pages.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_block_of_the_key_behind_many_pages_is_found() {
    let facts = Facts::new(fast(), 1);
    facts.foreign_block_by(facts.me());
    for _ in 0..700 {
        facts.foreign_block();
    }
    facts.state().page_blocks = 7;
    let world = World::start(facts);
    let home = world.facts.home();
    let error = world.producer(home.path()).ended().await.expect_err("refused");
    assert!(matches!(error, Error::ClaimsTooOld { .. }), "{error}");
    assert!(error.to_string().contains("block 1 "), "{error}");
    assert!(world.facts.state().pages_asked >= 701_usize.div_ceil(7), "every page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_chain_neither_bricks_the_key_nor_raises_its_floor() {
    let facts = Facts::new(fast(), 1);
    let (me, other) = (facts.me(), facts.others[0]);
    facts.forged_block_by(me);
    facts.foreign_block_by(other);
    let world = World::start(facts);
    world.facts.state().last_height = 6;
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(4).await;
    // And while it runs.
    world.facts.forged_block_by(me);
    world.facts.state().last_height = u64::MAX;
    world.until_height(10).await;
    let status = running.status().await.expect("a status");
    assert_eq!((status.foreign_blocks, status.highest_foreign_block), (0, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twins_block_beside_the_chain_is_noticed_at_once_and_after_a_restart() {
    let world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(5).await;
    let siblings = [world.facts.foreign_sibling(), world.facts.foreign_sibling()];
    let noticed = |status: &MiningStatus| status.foreign_blocks == 2;
    let status = running.until("both are counted", noticed).await;
    let highest = siblings.iter().map(|header| header.height.get()).max();
    assert_eq!(Some(status.highest_foreign_block), highest);
    let reported = running.env.metrics.encode();
    let mut counted =
        reported.lines().filter(|line| line.starts_with("vision_producer_foreign_blocks_total"));
    assert!(counted.next().is_some_and(|line| line.ends_with(" 2")), "{reported}");
    // One far above the head: the floor is there after a restart too.
    world.facts.state().last_height = world.facts.height() + 50;
    let far = world.facts.foreign_sibling_at(world.facts.height() + 1_000);
    let barred = |status: &MiningStatus| status.not_eligible_because.starts_with("KEY_USED_ELSEWHERE: ");
    running.until("it says why it is silent", barred).await;
    running.stop().await;
    let running = world.producer(home.path());
    let barred = |status: &MiningStatus| {
        let because = &status.not_eligible_because;
        because.starts_with("SIGNING_FLOOR: ") && because.contains(&far.height.to_string())
    };
    running.until("it is still silent", barred).await;
    running.stop().await;
}

/// As when a node without chain and claims fetches what its key has made: hundreds of own blocks a second.
#[tokio::test(flavor = "multi_thread")]
async fn many_blocks_of_the_key_at_once_are_not_a_write_each() {
    // Fewer than the played chain service keeps for a watcher that is slow.
    const BLOCKS: u64 = 200;
    // Each write under way takes a thread.
    const MAX_MORE_THREADS: usize = 64;
    let world = World::start(Facts::new(fast(), 1));
    world.facts.state().last_height = 0;
    let home = world.facts.home();
    let running = world.producer(home.path());
    let reported = |status: &MiningStatus| {
        world.facts.foreign_sibling_at(1);
        status.foreign_blocks > 0
    };
    running.until("stored blocks are reported to it", reported).await;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    let highest = (2..=BLOCKS).map(|above| world.facts.foreign_sibling_at(above).height).max();
    let highest = highest.expect("some").get();
    let most = std::cell::Cell::new(0);
    let all_seen = |status: &MiningStatus| {
        most.set(most.get().max(threads()));
        status.highest_foreign_block == highest
    };
    running.until("all are seen", all_seen).await;
    assert!(most.get() < before + MAX_MORE_THREADS, "{before} threads, then {}", most.get());
    running.stop().await;
    // The last of them is on disk all the same.
    let running = world.producer(home.path());
    let barred = |status: &MiningStatus| {
        let because = &status.not_eligible_because;
        because.starts_with("SIGNING_FLOOR: ") && because.contains(&highest.to_string())
    };
    running.until("it is silent up to there", barred).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_at_the_start() {
    let world = World::start(Facts::new(fast(), 0));
    let key = |home: &std::path::Path| home.join("producer.key");
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    type Edit<'a> = &'a dyn Fn(&std::path::Path);
    let cases: [(&str, Edit<'_>, &str, bool); 6] = [
        ("a key others may read", &|home| chmod(&key(home), 0o644), "chmod 600", false),
        ("no key", &|home| std::fs::remove_file(key(home)).unwrap(), "producer.key", false),
        (
            "dust for a key",
            &|home| std::fs::write(key(home), "dust").unwrap(),
            "64 lowercase hex digits",
            false,
        ),
        (
            "no claims",
            &|home| std::fs::remove_file(home.join("data/claims.redb")).unwrap(),
            "vision keys reset-claims --home",
            true,
        ),
        (
            "no genesis",
            &|home| std::fs::remove_file(home.join("genesis.json")).unwrap(),
            "genesis.json",
            false,
        ),
        (
            "dust for a genesis",
            &|home| std::fs::write(home.join("genesis.json"), "dust").unwrap(),
            "not a genesis file",
            false,
        ),
    ];
    for (desc, edit, expect, safety) in cases {
        let home = world.facts.home();
        edit(home.path());
        let error = world.producer(home.path()).ended().await.expect_err(desc);
        assert!(error.to_string().contains(expect), "{desc}: {error}");
        assert_eq!(error.is_safety_refusal(), safety, "{desc}");
        assert!(!error.to_string().contains(&"07".repeat(32)), "{desc}: the key is never shown");
    }
    assert!(world.facts.state().signed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_is_noticed() {
    let world = World::start(Facts::new(fast(), 0));
    world.facts.state().other_genesis = true;
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until_health("the wrong chain", "follows the chain").await;
    assert!(world.facts.state().signed.is_empty());
    world.facts.state().other_genesis = false;
    world.until_height(2).await;
    running.until_health("serving", "").await;
    running.stop().await;
}
