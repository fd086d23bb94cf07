//! One run has the same audit hash on every machine and in every build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use vision_sim::{Scenario, run};

#[test]
fn the_audit_hash_is_that_of_the_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/sim");
    let text = fs::read_to_string(format!("{folder}/audit.toml")).expect("a scenario");
    let scenario = Scenario::from_toml(&text).expect("a scenario that can be run");
    let [first, second] = [(); 2].map(|()| run(&scenario, 1, |_| {}).expect("it runs"));
    assert_eq!(first, second, "one run twice");
    assert_eq!(first.violations, []);
    let expect = fs::read_to_string(format!("{folder}/audit.hash")).expect("a hash");
    let audit = &first.audit;
    assert!(
        expect.trim() == audit,
        "The audit hash is {audit}, not {}. Every change of what a machine or the simulation does changes \
        it. If one was meant to: echo {audit} > deploy/sim/audit.hash",
        expect.trim()
    );
}
