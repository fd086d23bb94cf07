use vision_primitives::SecretKey;
use vision_wire::p2p::Status as PeerStatus;

use super::claims::BROKEN_CLAIM_POINTS;
use super::*;
use crate::peers::session::ways;

fn entered(table: &PeerTable, seed: u8) -> NodeId {
    let key = SecretKey::from_seed(&[seed; 32]).public_key();
    let remote =
        Remote { node_id: key.id(), peer_key: key, listen_address: ":1".into(), version: "test".into() };
    let (ways, _outbound) = ways();
    let connection = Connection {
        remote,
        address: "127.0.0.1:1".into(),
        inbound: true,
        outbox: ways.outbox,
        gossip: ways.gossip,
    };
    table.enter(connection).expect("there is room");
    key.id()
}

fn table() -> PeerTable {
    PeerTable::new(Hash([0xff; 32]), 8, Clock::system(0)).0
}

fn view(table: &PeerTable, id: &NodeId) -> PeerView {
    table.list().into_iter().find(|peer| peer.node_id == *id).expect("connected")
}

#[test]
fn a_peer_counts_only_once_its_tip_was_judged() {
    type Judge = fn(&PeerTable, &NodeId);
    let cases: [(&str, Judge, bool, bool, u64); 5] = [
        ("nothing heard", |_, _| {}, false, false, 0),
        ("heard, not judged", |table, id| table.note_status(id, &PeerStatus::default()), false, false, 0),
        (
            "judged: a block we have",
            |table, id| {
                table.note_status(id, &PeerStatus::default());
                table.tip_known(id, Height(7), Hash([1; 32]));
            },
            true,
            true,
            7,
        ),
        (
            "judged: a plausible claim",
            |table, id| {
                table.note_status(id, &PeerStatus::default());
                table.tip_claimed(id, Height(9), Hash([1; 32]), 9, true);
            },
            true,
            true,
            9,
        ),
        (
            "judged: a claim that is not plausible",
            |table, id| {
                table.note_status(id, &PeerStatus::default());
                table.tip_claimed(id, Height(9), Hash([1; 32]), 9, false);
            },
            true,
            false,
            0,
        ),
    ];
    for (desc, judge, fresh, delivers, height) in cases {
        let table = table();
        let id = entered(&table, 1);
        judge(&table, &id);
        let found = view(&table, &id);
        assert_eq!((found.fresh, found.delivers, found.height), (fresh, delivers, Height(height)), "{desc}");
    }
}

#[test]
fn offsets_measured_before_this_clock_was_set_are_forgotten() {
    for (desc, step_ms, kept) in
        [("not set", 0, true), ("slewed", 500, true), ("forward", 501, false), ("back", -501, false)]
    {
        let table = table();
        let id = entered(&table, 1);
        let mut inner = table.lock();
        inner.note_clock(1_000_000, 1_000);
        inner.peers.get_mut(&id).expect("entered").clock_offset_ms = Some(3.0);
        inner.note_clock(1_001_000_u64.saturating_add_signed(step_ms), 2_000);
        drop(inner);
        assert_eq!(view(&table, &id).clock_offset_ms.is_some(), kept, "{desc}");
    }
}

#[test]
fn a_claim_counts_as_far_as_another_peer_bears_it_out() {
    let says = |table: &PeerTable, id: &NodeId, height: u64, known: bool| {
        table.note_status(id, &PeerStatus::default());
        let hash = Hash([u8::try_from(height).unwrap_or(0); 32]);
        if known {
            table.tip_known(id, Height(height), hash);
        } else {
            table.tip_claimed(id, Height(height), hash, height, true);
        }
    };
    // Height and whether we have that block, of a producer that lies and then of the others; who is a producer; what
    // counts of the first.
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
        let table = table();
        let ids: Vec<NodeId> = (1..=3).map(|seed| entered(&table, seed)).collect();
        let registered = Pool::new(producers.iter().map(|seed| ids[usize::from(*seed) - 1]));
        table.head_moved(Height(10), 10, &registered);
        says(&table, &ids[0], first.0, first.1);
        for (id, (height, known)) in ids[1..].iter().zip(others) {
            says(&table, id, *height, *known);
        }
        assert_eq!(view(&table, &ids[0]).height, Height(expect), "{desc}");
    }
}

#[test]
fn a_claim_that_proves_empty_makes_its_peer_not_count_and_costs_more_each_time() {
    let table = table();
    let id = entered(&table, 1);
    let hash = Hash([9; 32]);
    let claim = || {
        table.note_status(&id, &PeerStatus::default());
        table.tip_claimed(&id, Height(9), hash, 9, true);
    };
    claim();
    assert!(!table.refuted(&id, Hash([8; 32])), "it has said something else meanwhile");
    assert!(table.refuted(&id, hash) && !table.refuted(&id, hash), "once");
    claim();
    assert!(!view(&table, &id).delivers, "saying it again changes nothing");
    table.charge_broken_claim(&id, "test");
    assert_eq!(view(&table, &id).charge, BROKEN_CLAIM_POINTS);
    table.tip_known(&id, Height(1), Hash([1; 32]));
    assert!(view(&table, &id).delivers);
    claim();
    assert!(table.refuted(&id, hash), "a new claim");
    table.charge_broken_claim(&id, "test");
    let (charge, banned) = (view(&table, &id).charge, table.admit(&id).is_err());
    assert!(banned || charge > 2 * BROKEN_CLAIM_POINTS, "{charge}");
}

#[test]
fn strangers_that_call_leave_places_for_those_that_are_called() {
    let table = table();
    for seed in 1..=6 {
        entered(&table, seed);
    }
    let key = SecretKey::from_seed(&[7; 32]).public_key();
    let enter = |inbound: bool| {
        let remote =
            Remote { node_id: key.id(), peer_key: key, listen_address: ":1".into(), version: "test".into() };
        let (ways, _outbound) = ways();
        let (outbox, gossip) = (ways.outbox, ways.gossip);
        table.enter(Connection { remote, address: "10.0.0.1:1".into(), inbound, outbox, gossip })
    };
    assert_eq!(enter(true).err().map(|refused| refused.reason), Some(Reason::TooManyPeers));
    table.head_moved(Height(1), 1, &Pool::new([key.id()]));
    assert!(enter(true).is_ok(), "a producer finds one");
    table.leave(&key.id(), 6);
    table.head_moved(Height(2), 2, &Pool::new([]));
    assert!(enter(false).is_ok(), "so does a stranger that is called");
}
