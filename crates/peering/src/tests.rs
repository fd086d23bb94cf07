use vision_primitives::{Hash, Height, NodeId, Pool};

use super::claims::BROKEN_CLAIM_POINTS;
use super::*;

/// A machine, and the instant its tests give it.
struct Table {
    machine: Peering,
    now: Now,
    connections: u64,
}

fn table() -> Table {
    let config = Config {
        own: Hash([0xff; 32]),
        max_peers: 8,
        seeds: vec![],
        accepts: Accepts::Routable,
        random_seed: 0,
    };
    Table { machine: Peering::new(config), now: Now { wall_ms: 1_000_000, mono_ms: 1_000 }, connections: 0 }
}

fn id(seed: u8) -> NodeId {
    Hash([seed; 32])
}

impl Table {
    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(input, self.now)
    }

    fn enter(&mut self, peer: NodeId, inbound: bool) -> Result<ConnectionId, Refusal> {
        let connection = ConnectionId(self.connections);
        self.connections += 1;
        let outputs = self.handle(Input::Proven(Proven {
            connection,
            peer,
            address: "10.0.0.1:1".into(),
            inbound,
            remote: "10.0.0.1:5".into(),
            source: "10.0.0.1".into(),
            version: "test".into(),
        }));
        let refused = outputs.into_iter().find_map(|output| match output {
            Output::Refused { refusal, .. } => Some(refusal),
            _ => None,
        });
        refused.map_or(Ok(connection), Err)
    }

    fn entered(&mut self, seed: u8) -> NodeId {
        self.enter(id(seed), true).expect("there is room");
        id(seed)
    }

    fn hears(&mut self, peer: NodeId) {
        let message = Received::Status(StatusTimes::default());
        self.handle(Input::Received { peer, message });
    }

    fn knows(&mut self, peer: NodeId, height: u64, hash: Hash) {
        self.handle(Input::TipKnown { peer, height: Height(height), hash });
    }

    fn claims(&mut self, peer: NodeId, height: u64, hash: Hash, verified: bool) {
        self.handle(Input::TipClaimed { peer, height: Height(height), hash, weight: height, verified });
    }

    fn head(&mut self, height: u64, registered: Pool) {
        self.handle(Input::HeadMoved { height: Height(height), weight: height, registered });
    }

    fn view(&self, id: &NodeId) -> PeerView {
        let mut list = self.machine.list(self.now).into_iter();
        list.find(|peer| peer.node_id == *id).expect("connected")
    }
}

#[test]
fn a_peer_counts_only_once_its_tip_was_judged() {
    type Judge = fn(&mut Table, NodeId);
    let cases: [(&str, Judge, bool, bool, u64); 5] = [
        ("nothing heard", |_, _| {}, false, false, 0),
        ("heard, not judged", |table, id| table.hears(id), false, false, 0),
        (
            "judged: a block we have",
            |table, id| {
                table.hears(id);
                table.knows(id, 7, Hash([1; 32]));
            },
            true,
            true,
            7,
        ),
        (
            "judged: a plausible claim",
            |table, id| {
                table.hears(id);
                table.claims(id, 9, Hash([1; 32]), true);
            },
            true,
            true,
            9,
        ),
        (
            "judged: a claim that is not plausible",
            |table, id| {
                table.hears(id);
                table.claims(id, 9, Hash([1; 32]), false);
            },
            true,
            false,
            0,
        ),
    ];
    for (desc, judge, fresh, delivers, height) in cases {
        let mut table = table();
        let id = table.entered(1);
        judge(&mut table, id);
        let found = table.view(&id);
        assert_eq!((found.fresh, found.delivers, found.height), (fresh, delivers, Height(height)), "{desc}");
    }
}

#[test]
fn offsets_measured_before_this_clock_was_set_are_forgotten() {
    for (desc, step_ms, kept) in
        [("not set", 0, true), ("slewed", 500, true), ("forward", 501, false), ("back", -501, false)]
    {
        let mut table = table();
        let id = table.entered(1);
        let echo =
            StatusTimes { sent_at_ms: 1_000_003, echo_sent_at_ms: 1_000_000, echo_received_at_ms: 1_000_003 };
        table.handle(Input::Received { peer: id, message: Received::Status(echo) });
        assert_eq!(table.view(&id).clock_offset_ms, Some(3.0), "{desc}");
        table.now = Now { wall_ms: 1_001_000_u64.saturating_add_signed(step_ms), mono_ms: 2_000 };
        assert_eq!(table.view(&id).clock_offset_ms.is_some(), kept, "{desc}: before the next status");
        assert_eq!(table.machine.clock_offset_ms(&id, table.now).is_some(), kept, "{desc}");
        assert_eq!(table.view(&id).clock_offset_ms.is_some(), kept, "{desc}");
    }
}

#[test]
fn a_claim_counts_as_far_as_another_peer_bears_it_out() {
    let says = |table: &mut Table, id: NodeId, height: u64, known: bool| {
        table.hears(id);
        let hash = Hash([u8::try_from(height).unwrap_or(0); 32]);
        if known {
            table.knows(id, height, hash);
        } else {
            table.claims(id, height, hash, true);
        }
    };
    // Height and whether we have that block, of a producer that lies and then of the others; who is a
    // producer; what counts of the first.
    type Tip = (u64, bool);
    type Case = (&'static str, Tip, &'static [Tip], &'static [u8], u64);
    let cases: [Case; 7] = [
        ("alone, it is taken at its word", (18, false), &[], &[1], 18),
        ("the other one is where we are", (18, false), &[(10, true)], &[1, 2], 10),
        ("the other one claims some of it", (18, false), &[(12, false)], &[1, 2], 12),
        ("both claim it, as to a node that is behind", (18, false), &[(18, false)], &[1, 2], 18),
        ("a stranger bears out no producer", (18, false), &[(18, false), (10, true)], &[1, 3], 10),
        ("nor does a stranger hold one back", (18, false), &[(10, true)], &[1], 18),
        ("what we have counts whoever agrees", (10, true), &[(3, true)], &[1, 2], 10),
    ];
    for (desc, first, others, producers, expect) in cases {
        let mut table = table();
        let ids: Vec<NodeId> = (1..=3).map(|seed| table.entered(seed)).collect();
        let registered = Pool::new(producers.iter().map(|seed| ids[usize::from(*seed) - 1]));
        table.head(10, registered);
        says(&mut table, ids[0], first.0, first.1);
        for (id, (height, known)) in ids[1..].iter().zip(others) {
            says(&mut table, *id, *height, *known);
        }
        assert_eq!(table.view(&ids[0]).height, Height(expect), "{desc}");
    }
}

#[test]
fn a_claim_that_proves_empty_makes_its_peer_not_count_and_costs_more_each_time() {
    let mut table = table();
    let id = table.entered(1);
    let hash = Hash([9; 32]);
    let claim = |table: &mut Table| {
        table.hears(id);
        table.claims(id, 9, hash, true);
    };
    claim(&mut table);
    assert!(!table.machine.refuted(&id, Hash([8; 32])), "it has said something else meanwhile");
    assert!(table.machine.refuted(&id, hash) && !table.machine.refuted(&id, hash), "once");
    claim(&mut table);
    assert!(!table.view(&id).delivers, "saying it again changes nothing");
    table.machine.charge_broken_claim(&id, "test", table.now.mono_ms);
    assert_eq!(table.view(&id).charge, BROKEN_CLAIM_POINTS);
    table.knows(id, 1, Hash([1; 32]));
    assert!(table.view(&id).delivers);
    claim(&mut table);
    assert!(table.machine.refuted(&id, hash), "a new claim");
    table.machine.charge_broken_claim(&id, "test", table.now.mono_ms);
    let charge = table.view(&id).charge;
    let banned = table.machine.admit(&id, table.now.mono_ms).is_err();
    assert!(banned || charge > 2 * BROKEN_CLAIM_POINTS, "{charge}");
}

#[test]
fn strangers_that_call_leave_places_for_those_that_are_called() {
    let mut table = table();
    for seed in 1..=6 {
        table.entered(seed);
    }
    let seventh = id(7);
    assert_eq!(table.enter(seventh, true), Err(Refusal::FullOfCallers { max_callers: 6 }));
    table.head(1, Pool::new([seventh]));
    let connection = table.enter(seventh, true).expect("a producer finds one");
    let why = String::new();
    table.handle(Input::Ended { peer: seventh, connection, why, stood_ms: 1 });
    table.head(2, Pool::new([]));
    assert!(table.enter(seventh, false).is_ok(), "so does a stranger that is called");
}

#[test]
fn the_time_to_deliver_runs_only_while_a_peer_is_heard() {
    // Seconds after it was asked at which it is heard; when it is looked at; whether it is charged.
    type Case = (&'static str, &'static [(u64, u64)], u64, bool);
    let cases: [Case; 6] = [
        ("heard all the time", &[(0, 10)], 10, false),
        ("heard all the time, and a second later", &[(0, 11)], 11, true),
        ("not heard any more", &[(0, 1)], 30, false),
        ("heard again after a while", &[(0, 1), (30, 30)], 30, false),
        ("heard for the rest of its time", &[(0, 1), (30, 39)], 39, false),
        ("heard for longer than that", &[(0, 1), (30, 40)], 40, true),
    ];
    for (desc, heard, at_s, charged) in cases {
        let mut table = table();
        let (id, began) = (table.entered(1), table.now);
        table.hears(id);
        table.claims(id, 9, Hash([9; 32]), true);
        if let Some(claim) = table.machine.peers.get_mut(&id).and_then(|peer| peer.claim.as_mut()) {
            claim.asked_ms = Some(began.mono_ms);
        }
        for second in heard.iter().flat_map(|(from, to)| *from..=*to) {
            table.now.mono_ms = began.mono_ms + second * 1_000;
            table.hears(id);
        }
        table.now.mono_ms = began.mono_ms + at_s * 1_000;
        table.machine.charge_overdue(table.now.mono_ms);
        let charge = table.view(&id).charge;
        assert_eq!(charge, if charged { BROKEN_CLAIM_POINTS } else { 0 }, "{desc}");
    }
}
