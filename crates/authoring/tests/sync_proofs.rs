//! When a producer out of the active pool sends sync proofs.

mod support;

use support::{T0, World, head};
use vision_authoring::{Input, Op, Output, OwnRecord, Standing};
use vision_primitives::Height;

/// Proofs and questions for the record, with the world's answers to all else.
fn act(world: &mut World, input: Input) -> (Vec<(Op, Height)>, Vec<Op>) {
    let (mut proofs, mut records) = (Vec::new(), Vec::new());
    let mut todo = vec![input];
    while let Some(input) = todo.pop() {
        let now = world.now();
        for output in world.machine.handle(input, now) {
            match output {
                Output::AskSchedule { op, head, slots } => {
                    let Input::Scheduled { slots, .. } = world.answer(op, &head, &slots) else { continue };
                    let active = world.nodes == 0;
                    todo.push(Input::Scheduled { op, slots, active, active_pool_size: 3 });
                }
                Output::Audit { op } => todo.push(Input::Audited { op, own: Vec::new() }),
                Output::SendSyncProof { op, height, .. } => proofs.push((op, height)),
                Output::AskRecord { op, .. } => records.push(op),
                _ => {}
            }
        }
    }
    (proofs, records)
}

fn record(standing: Standing, may_return_at: u64) -> Option<OwnRecord> {
    Some(OwnRecord { standing, may_return_at: Height(may_return_at) })
}

#[test]
fn proofs_are_sent_only_when_they_would_count() {
    let cases = [
        ("suspended, may return", true, record(Standing::Waiting, 11), true),
        ("suspended, not yet", true, record(Standing::Waiting, 12), false),
        ("not eligible", false, record(Standing::Waiting, 11), false),
        ("active again", true, record(Standing::Active, 0), false),
        ("not registered", true, record(Standing::None, 0), false),
        ("nobody answered", true, None, false),
    ];
    for (desc, eligible, record, expect) in cases {
        let mut world = World::new(3);
        act(&mut world, Input::Snapshot { eligible, age_ms: 0 });
        let (proofs, records) = act(&mut world, Input::Head(head(10, "x", T0)));
        assert!(proofs.is_empty(), "{desc}: nothing before the record is known");
        assert_eq!(records.len(), 1, "{desc}");
        let (proofs, _) = act(&mut world, Input::Record { op: records[0], record });
        assert_eq!(proofs.len(), usize::from(expect), "{desc}");
        assert!(proofs.iter().all(|(_, height)| *height == Height(10)));
    }
}

#[test]
fn proofs_go_on_at_every_head_and_tick_one_at_a_time() {
    let mut world = World::new(3);
    act(&mut world, Input::Snapshot { eligible: true, age_ms: 0 });
    let (_, records) = act(&mut world, Input::Head(head(10, "x", T0)));
    let answer = Input::Record { op: records[0], record: record(Standing::Waiting, 5) };
    let (first, _) = act(&mut world, answer);
    assert_eq!(act(&mut world, Input::Tick).0, [], "the first is still under way");
    act(&mut world, Input::SyncProofSent { op: first[0].0 });
    let (second, _) = act(&mut world, Input::Tick);
    assert_eq!(second.len(), 1, "again at the tick");
    act(&mut world, Input::SyncProofSent { op: second[0].0 });
    assert_eq!(act(&mut world, Input::Snapshot { eligible: true, age_ms: 0 }).0, [], "not in between");
    let (third, _) = act(&mut world, Input::Head(head(11, "y", T0 + 2_000)));
    assert_eq!(third.iter().map(|(_, height)| *height).collect::<Vec<_>>(), [Height(11)]);
    let (_, records) = act(&mut world, Input::Head(head(12, "z", T0 + 4_000)));
    assert!(records.is_empty(), "the record is not asked for at every head");
    world.pass(1_000);
    assert_eq!(act(&mut world, Input::Tick).1.len(), 1, "but every second");
}
