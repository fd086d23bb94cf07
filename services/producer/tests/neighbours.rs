//! Neighbours that die and come back.

mod support;

use support::{Facts, World, eventually, fast};
use vision_wire::producer::{ListClaimsRequest, WatchMiningStatusRequest};
use vision_wire::reason_of;

/// The text of a refusal, with the details, which repeat the sentence.
const MAX_REFUSAL_CHARS: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn no_refusal_repeats_a_long_text_or_what_a_terminal_obeys() {
    let world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(2).await;
    let mut client = running.client();
    let long = "a\u{1b}[2J\n".repeat(3_400);
    assert!(long.len() > 20_000);
    let claims = ListClaimsRequest { page_token: long.clone(), ..Default::default() };
    let refusals = [
        ("page token", "INVALID_PAGE_TOKEN", client.list_claims(claims).await.err()),
        (
            "cursor",
            "INVALID_CURSOR",
            client.watch_mining_status(WatchMiningStatusRequest { cursor: long }).await.err(),
        ),
    ];
    for (field, reason, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{field} is not refused"));
        assert_eq!(reason_of(&refusal).as_deref(), Some(reason), "{field}: {refusal:?}");
        let length = refusal.message().chars().count() + refusal.details().len();
        assert!(length < MAX_REFUSAL_CHARS && !refusal.message().contains(char::is_control), "{refusal:?}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_neighbour_is_named_and_its_return_noticed() {
    let mut world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(3).await;

    world.selection = None;
    running.until_health("selection is named", "selection").await;
    let status = running.until("not eligible", |status| !status.eligible).await;
    assert!(status.not_eligible_because.starts_with("SELECTION_UNAVAILABLE: "), "{status:?}");
    let stuck = world.facts.height();
    world.start_selection();
    world.until_height(stuck + 3).await;
    running.until_health("serving", "").await;

    world.oracle = None;
    running.until_health("the oracle is named", "sync-oracle").await;
    let status = running.until("not eligible", |status| !status.eligible).await;
    assert!(status.not_eligible_because.starts_with("SYNC_ORACLE_UNAVAILABLE: "), "{status:?}");
    let stuck = world.facts.height();
    world.start_oracle();
    world.until_height(stuck + 3).await;
    running.until_health("serving", "").await;

    world.chain = None;
    running.until_health("the chain is named", "chain").await;
    let status = running.until("not eligible", |status| !status.eligible).await;
    assert!(status.not_eligible_because.starts_with("CHAIN_UNAVAILABLE: "), "{status:?}");
    let stuck = world.facts.height();
    world.start_chain();
    world.until_height(stuck + 3).await;
    running.until_health("serving", "").await;
    assert!(running.until("eligible", |status| status.eligible).await.not_eligible_because.is_empty());
    world.facts.assert_never_two();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_before_its_neighbours() {
    let mut world = World::start(Facts::new(fast(), 0));
    (world.chain, world.oracle, world.selection) = (None, None, None);
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until_health("it waits", "chain").await;
    let error = running.status().await.expect_err("nothing is known yet");
    assert_eq!(vision_wire::reason_of(&error).as_deref(), Some("NOT_READY"));
    world.start_selection();
    world.start_oracle();
    world.start_chain();
    world.until_height(3).await;
    running.until_health("serving", "").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_no_block_is_made_is_reported_to_the_oracle_and_again() {
    let mut world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    let running = world.producer(home.path());
    let facts = world.facts.clone();
    let wait_reported = |what: &'static str, begins: &'static str| {
        let facts = facts.clone();
        eventually(what, move || {
            let reported = facts.state().reported.clone();
            let fits = move |said: &String| said.starts_with(begins) && said.is_empty() == begins.is_empty();
            async move { reported.filter(fits) }
        })
    };
    wait_reported("it may produce", "").await;
    world.selection = None;
    wait_reported("selection is missing", "SELECTION_UNAVAILABLE: ").await;
    // What is not changed is said again, for the oracle may have forgotten.
    facts.state().reported = None;
    wait_reported("it is said again", "SELECTION_UNAVAILABLE: ").await;
    world.start_selection();
    wait_reported("it may produce again", "").await;
    running.stop().await;
}
