//! All entries.

use crate::{Entry, decoders, machines, seeds};

macro_rules! entry {
    ($kind:ident :: $name:ident, $cases:literal, $seeds:expr) => {
        Entry { name: stringify!($name), run: $kind::$name::run, seeds: $seeds, short_cases: $cases }
    };
}

/// Every entry of the pure crates, of the wire and of the host: decoders first, then machines.
pub const ENTRIES: &[Entry] = &[
    entry!(decoders::header, 60_000, seeds::header),
    entry!(decoders::transaction, 30_000, seeds::transaction),
    entry!(decoders::block, 12_000, seeds::steps),
    entry!(decoders::genesis, 40_000, seeds::genesis_files),
    entry!(decoders::node_report, 60_000, decoders::node_report::seeds),
    entry!(decoders::vote, 30_000, decoders::vote::seeds),
    entry!(decoders::account_proof, 50_000, seeds::account_proof),
    entry!(decoders::proofs, 5_000, seeds::steps),
    entry!(decoders::peer_message, 50_000, seeds::peer_message),
    entry!(decoders::rest, 50_000, decoders::rest::seeds),
    entry!(decoders::text, 60_000, seeds::text),
    entry!(decoders::address, 60_000, decoders::address::seeds),
    entry!(decoders::config, 500, decoders::config::seeds),
    entry!(decoders::shown, 12_000, decoders::shown::seeds),
    entry!(decoders::audit, 1_500, decoders::audit::seeds),
    entry!(machines::schedule, 8_000, machines::schedule::seeds),
    entry!(machines::ledger, 1_500, seeds::steps),
    entry!(machines::block_tree, 300, seeds::steps),
    entry!(machines::finality, 1_200, seeds::steps),
    entry!(machines::mempool, 800, seeds::steps),
    entry!(machines::importer, 3_000, seeds::steps),
    entry!(machines::peering, 16_000, seeds::steps),
    entry!(machines::authoring, 10_000, machines::authoring::seeds),
    entry!(machines::sync_status, 30_000, seeds::ticks),
    entry!(machines::health, 30_000, seeds::ticks),
];

/// The entry with this name.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
