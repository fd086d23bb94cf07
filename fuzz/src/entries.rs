//! All entries.

use crate::{Entry, decoders, machines, seeds};

macro_rules! entry {
    ($kind:ident :: $name:ident, $cases:literal, $seeds:expr) => {
        Entry { name: stringify!($name), run: $kind::$name::run, seeds: $seeds, short_cases: $cases }
    };
}

/// Every entry of the pure crates, of the wire and of the host: decoders first, then machines.
pub const ENTRIES: &[Entry] = &[
    entry!(decoders::header, 20_000, seeds::header),
    entry!(decoders::transaction, 3_000, seeds::transaction),
    entry!(decoders::block, 2_000, seeds::steps),
    entry!(decoders::genesis, 3_000, seeds::genesis_files),
    entry!(decoders::node_report, 20_000, decoders::node_report::seeds),
    entry!(decoders::account_proof, 5_000, seeds::account_proof),
    entry!(decoders::proofs, 500, seeds::steps),
    entry!(decoders::peer_message, 10_000, seeds::peer_message),
    entry!(decoders::rest, 5_000, decoders::rest::seeds),
    entry!(decoders::text, 20_000, seeds::text),
    entry!(decoders::address, 20_000, decoders::address::seeds),
    entry!(decoders::config, 5_000, decoders::config::seeds),
    entry!(decoders::shown, 2_000, decoders::shown::seeds),
    entry!(decoders::audit, 200, decoders::audit::seeds),
    entry!(machines::schedule, 2_000, machines::schedule::seeds),
    entry!(machines::ledger, 500, seeds::steps),
    entry!(machines::block_tree, 100, seeds::steps),
    entry!(machines::mempool, 500, seeds::steps),
    entry!(machines::importer, 300, machines::importer::seeds),
    entry!(machines::peering, 2_000, machines::peering::seeds),
    entry!(machines::authoring, 2_000, machines::authoring::seeds),
    entry!(machines::sync_status, 3_000, machines::sync_status::seeds),
    entry!(machines::health, 2_000, machines::health::seeds),
];

/// The entry with this name.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
