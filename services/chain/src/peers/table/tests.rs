use vision_primitives::SecretKey;

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
