//! A short run of every entry: what is in its corpus, then cases decided by a seed.

use vision_fuzz::{ENTRIES, check, entry};

macro_rules! short {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            let entry = entry(stringify!($name)).expect("an entry");
            let ran = check(entry.name, entry.run, entry.short_cases);
            assert!(ran.corpus > 0 && ran.cases >= entry.short_cases, "{ran:?}");
        })*

        #[test]
        fn every_entry_is_run() {
            let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

short!(
    header,
    transaction,
    block,
    genesis,
    node_report,
    vote,
    account_proof,
    proofs,
    peer_message,
    rest,
    text,
    address,
    config,
    shown,
    audit,
    schedule,
    ledger,
    block_tree,
    finality,
    mempool,
    importer,
    peering,
    authoring,
    sync_status,
    health,
);
