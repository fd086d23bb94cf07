//! One entry under libFuzzer: the one that the variable `ENTRY` names.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vision_fuzz::{Entry, entry};

static ENTRY: LazyLock<&Entry> = LazyLock::new(|| {
    let name = std::env::var("ENTRY").expect("ENTRY names an entry");
    entry(&name).unwrap_or_else(|| panic!("no entry {name}"))
});

fuzz_target!(|bytes: &[u8]| (ENTRY.run)(bytes));
