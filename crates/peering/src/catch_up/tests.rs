use super::*;
use vision_primitives::{Hash, Height};

pub(super) fn source(id: u8) -> Source {
    Source {
        node_id: Hash([id; 32]),
        producer: false,
        hash: Hash::ZERO,
        height: Height(9),
        weight: 9,
        verified: true,
    }
}

#[test]
fn the_next_round_begins_when_all_are_stuck_and_strangers_leave_a_place_for_a_producer() {
    let round = |producer, progress_ms| UnderWay { producer, progress_ms };
    let strangers = |count: u8, at| (0..count).map(|_| round(false, at)).collect::<Vec<_>>();
    let producer = Source { producer: true, ..source(9) };
    let (now, stuck) = (60_000, 60_000 - STUCK_MS);
    type Case = (&'static str, Vec<UnderWay>, Vec<Source>, Option<u8>);
    let cases: [Case; 7] = [
        ("nothing under way", vec![], vec![source(7)], Some(7)),
        ("nobody to lead", vec![], vec![], None),
        ("one goes on", vec![round(false, stuck + 1)], vec![source(7)], None),
        ("it is stuck", vec![round(false, stuck)], vec![source(7)], Some(7)),
        ("three strangers", strangers(3, stuck), vec![source(7)], None),
        ("a producer", strangers(3, stuck), vec![source(7), producer.clone()], Some(9)),
        (
            "as many as may be",
            vec![round(true, 0), round(true, 0), round(true, 0), round(true, 0)],
            vec![producer],
            None,
        ),
    ];
    for (desc, under_way, sources, expect) in cases {
        let leader = next_leader(&sources, &under_way, now).map(|source| source.node_id.0[0]);
        assert_eq!(leader, expect, "{desc}");
    }
}
