//! Whatever comes in, in whatever order, across restarts: never two blocks for one parent.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use support::{T0, block, head, id, schedule, timing};
use vision_authoring::{Ask, Config, Failure, Guard, Head, Input, Machine, Now, Op, Output, Proposal};
use vision_primitives::{Hash, Height, Slot, TimestampMs};

/// What the world does next. Numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Step {
    Head(u8),
    HeadLost,
    Snapshot(bool),
    SnapshotLost,
    Tick,
    Pass(u32),
    JumpBack(u32),
    /// Answers a request, perhaps again, perhaps much too late.
    Answer {
        which: u8,
        good: bool,
        keep: bool,
        variant: u8,
    },
    /// `kill -9` and a start with what is on disk.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..6).prop_map(Step::Head),
        1 => Just(Step::HeadLost),
        3 => prop::bool::weighted(0.9).prop_map(Step::Snapshot),
        1 => Just(Step::SnapshotLost),
        3 => Just(Step::Tick),
        4 => (0_u32..4_000).prop_map(Step::Pass),
        1 => (0_u32..4_000).prop_map(Step::JumpBack),
        24 => (any::<u8>(), prop::bool::weighted(0.8), prop::bool::weighted(0.1), 0_u8..3)
            .prop_map(|(which, good, keep, variant)| Step::Answer { which, good, keep, variant }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default)]
struct Disk {
    rows: Vec<(Height, Hash, Hash)>,
    floor: Height,
    last: Option<Arc<Proposal>>,
}

struct World {
    machine: Machine,
    disk: Disk,
    wall_ms: u64,
    mono_ms: u64,
    head: Option<Head>,
    asks: BTreeMap<Hash, Ask>,
    /// Requests not yet answered.
    open: Vec<Output>,
    /// Signed blocks by parent.
    signed: BTreeMap<Hash, Hash>,
    signatures: usize,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Self::start(&Disk::default()),
            disk: Disk::default(),
            wall_ms: T0,
            mono_ms: 0,
            head: None,
            asks: BTreeMap::new(),
            open: Vec::new(),
            signed: BTreeMap::new(),
            signatures: 0,
        }
    }

    fn start(disk: &Disk) -> Machine {
        let guard = Guard::restore(disk.floor, disk.rows.iter().copied());
        Machine::new(Config { me: id(0), timing: timing() }, guard, disk.last.clone())
    }

    fn take(&mut self, input: Input) -> Result<(), TestCaseError> {
        let now = Now { wall: TimestampMs(self.wall_ms), mono_ms: self.mono_ms };
        for output in self.machine.handle(input, now) {
            self.judge(&output)?;
            if !matches!(output, Output::Log(_) | Output::MarkDone { .. }) {
                self.open.push(output);
            }
        }
        Ok(())
    }

    fn judge(&mut self, output: &Output) -> Result<(), TestCaseError> {
        match output {
            Output::Prepare { ask, .. } => {
                prop_assert_eq!(Some(ask.parent), self.head, "only on the head");
                prop_assert_eq!(ask.window.owner, id(0), "only its own slot");
                let schedule = schedule(&ask.parent, 3);
                prop_assert!(schedule.check(ask.window.slot, &id(0), ask.stamp).is_ok());
                prop_assert!(ask.stamp.get() <= self.wall_ms, "never from the future");
            }
            Output::Submit { proposal, .. } => {
                // This is where the shell signs.
                prop_assert_eq!(self.head.map(|head| head.hash), Some(proposal.parent));
                let row = (proposal.height, proposal.parent, proposal.hash);
                prop_assert!(self.disk.rows.contains(&row), "promised on disk first");
                let first = *self.signed.entry(proposal.parent).or_insert(proposal.hash);
                prop_assert_eq!(first, proposal.hash, "two blocks for one parent");
                self.signatures += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, which: u8, good: bool, keep: bool, variant: u8) -> Result<(), TestCaseError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let index = usize::from(which) % self.open.len();
        let request = if keep { self.open[index].clone() } else { self.open.remove(index) };
        let input = match request {
            Output::AskSchedule { op, head, slots } if good => {
                let schedule = schedule(&head, 3);
                let slots = slots.iter().map(|slot: &Slot| schedule.window(*slot)).collect();
                Input::Scheduled { op, slots, active: true, active_pool_size: 3 }
            }
            Output::AskSchedule { op, .. } => Input::ScheduleFailed { op },
            Output::Audit { op } if good => Input::Audited { op, own: Vec::new() },
            Output::Audit { op } => Input::AuditFailed { op },
            Output::Prepare { op, ask } if good => {
                let proposal = block(&ask, variant);
                self.asks.insert(proposal.hash, ask);
                Input::Prepared { op, proposal }
            }
            Output::Prepare { op, .. } => Input::PrepareFailed { op, failure: Failure::TipChanged },
            Output::Commit { op, proposal, floor } => self.commit(op, &proposal, floor, good, variant),
            Output::Submit { op, proposal } if good => {
                let became_head = variant != 0;
                Input::Submitted { op, proposal, became_head, sent_to: 2, send_failed: 0 }
            }
            Output::Submit { op, proposal } => {
                let failure = match variant {
                    0 => Failure::TipChanged,
                    1 => Failure::Unavailable("late".into()),
                    _ => Failure::Refused("no".into()),
                };
                Input::SubmitFailed { op, proposal, failure }
            }
            _ => return Ok(()),
        };
        self.take(input)
    }

    /// A commit that fails may still be on disk.
    fn commit(&mut self, op: Op, proposal: &Arc<Proposal>, floor: Height, good: bool, variant: u8) -> Input {
        if good || variant == 0 {
            self.disk.rows.push((proposal.height, proposal.parent, proposal.hash));
            self.disk.floor = floor;
            self.disk.last = Some(proposal.clone());
        }
        if good { Input::Committed { op } } else { Input::CommitFailed { op } }
    }

    fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Head(n) => {
                // Few heads, so that the net comes back to some again and again; two of each height.
                let height = u64::from(n / 2);
                let head = head(height, if n % 2 == 0 { "a" } else { "b" }, T0 + height * 2_000);
                self.head = Some(head);
                self.take(Input::Head(head))
            }
            Step::HeadLost => self.take(Input::HeadLost),
            Step::Snapshot(eligible) => self.take(Input::Snapshot { eligible, age_ms: 0 }),
            Step::SnapshotLost => self.take(Input::SnapshotLost),
            Step::Tick => self.take(Input::Tick),
            Step::Pass(ms) => {
                self.wall_ms += u64::from(ms);
                self.mono_ms += u64::from(ms);
                self.take(Input::Tick)
            }
            Step::JumpBack(ms) => {
                self.wall_ms -= u64::from(ms);
                Ok(())
            }
            Step::Answer { which, good, keep, variant } => self.answer(which, good, keep, variant),
            Step::Restart => {
                self.machine = Self::start(&self.disk);
                self.open.clear();
                self.head = None;
                Ok(())
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn one_block_for_a_parent(steps in prop::collection::vec(step(), 1..250)) {
        let mut world = World::new();
        for step in steps {
            world.run(step)?;
        }
    }
}

#[test]
fn the_random_world_does_sign() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    // A property that holds because nothing ever happens would prove nothing.
    let mut runner = TestRunner::deterministic();
    let (mut signatures, mut parents) = (0, 0);
    for _ in 0..100 {
        let steps = prop::collection::vec(step(), 250).new_tree(&mut runner).expect("steps").current();
        let mut world = World::new();
        for step in steps {
            world.run(step).expect("the property holds");
        }
        signatures += world.signatures;
        parents += world.signed.len();
    }
    assert!(parents >= 50 && signatures > parents, "{signatures} signatures for {parents} parents");
}
