//! Every field of every frozen case of `vectors/selection.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use vision_primitives::{ConsensusParams, Hash, Height, NodeId, Pool, Slot, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    chain_id: String,
    entropy: Hash,
    height: Height,
    active: Vec<NodeId>,
    registered: Vec<NodeId>,
    epoch_salt: Hash,
    seed: Hash,
    winners: Vec<NodeId>,
    slot_owners: BTreeMap<String, NodeId>,
    jitter_ms: BTreeMap<NodeId, u64>,
    slot_start_ms: BTreeMap<String, TimestampMs>,
}

fn slot(text: &str) -> Slot {
    Slot(text.parse().expect("a slot number"))
}

#[test]
fn every_case_is_reproduced() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("vectors/selection.json")).expect("the vectors parse");
    assert!(vectors.cases.len() >= 12);
    for (index, case) in vectors.cases.into_iter().enumerate() {
        assert_eq!(epoch_salt(&case.chain_id), case.epoch_salt, "case {index}: epoch_salt");
        let seed = seed(&case.entropy, case.height, &case.epoch_salt);
        assert_eq!(seed, case.seed, "case {index}: seed");
        let schedule = Schedule::new(
            seed,
            Pool::new(case.active),
            Pool::new(case.registered),
            TimestampMs(1_700_000_000_000),
            SlotTiming::from(&ConsensusParams::default()),
        )
        .expect("a schedule");

        let walked: Vec<_> = schedule.owners(Slot(0)).map(|(_, id)| id).take(case.winners.len()).collect();
        assert_eq!(walked, case.winners, "case {index}: winners");
        assert!(!case.slot_owners.is_empty() && !case.jitter_ms.is_empty() && !case.slot_start_ms.is_empty());
        for (k, owner) in &case.slot_owners {
            assert_eq!(schedule.owner(slot(k)), *owner, "case {index}: owner of slot {k}");
            assert_eq!(schedule.owners(slot(k)).next(), Some((slot(k), *owner)), "case {index}: walk at {k}");
        }
        for (id, jitter) in &case.jitter_ms {
            assert_eq!(schedule.jitter_ms(id), *jitter, "case {index}: jitter of {id}");
        }
        for (k, start) in &case.slot_start_ms {
            assert_eq!(schedule.start(slot(k)), *start, "case {index}: start of slot {k}");
            assert_eq!(schedule.slot_at(*start), slot(k), "case {index}: slot at the start of {k}");
        }
    }
}
