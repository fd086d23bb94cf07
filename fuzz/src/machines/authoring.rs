//! Whatever chain, oracle, disk and clock do, and in whatever order answers come, across restarts: never two
//! blocks for one parent, nothing at or below the floor, and nothing signed that is not on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use vision_authoring::{
    Ask, Config, Failure, Guard, Head, Input, Machine, Now, Output, OwnBlock, OwnRecord, Proposal, Standing,
};
use vision_primitives::{ConsensusParams, Hash, Height, NodeId, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};

use crate::{All, input};

const T0: u64 = 1_700_000_000_000;
const NODES: u8 = 3;
const MAX_STEPS: usize = 200;
/// How many steps there are to choose among.
const VARIANTS: u64 = 11;

#[derive(Arbitrary, Debug)]
enum Step {
    /// The oracle says yes, requests are answered well, and time goes by: what honest neighbours do.
    Honest(u16),
    Head(u8),
    HeadLost,
    Snapshot {
        eligible: bool,
        age_ms: u16,
    },
    SnapshotLost,
    Pass(u16),
    Jump(i16),
    /// Answers a request, perhaps again, perhaps much too late.
    Answer {
        which: u8,
        good: bool,
        keep: bool,
        variant: u8,
    },
    /// A block of this key that somebody stored.
    OwnBlock {
        head: u8,
        variant: u8,
    },
    BlocksMissed,
    /// The process ends, and starts with what is on disk.
    Restart,
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
    open: Vec<Output>,
    /// Signed blocks by parent.
    signed: BTreeMap<Hash, Hash>,
    refused: bool,
}

fn node(at: u8) -> NodeId {
    hash(&[b"node", &[at]])
}

fn timing() -> SlotTiming {
    SlotTiming::from(&ConsensusParams::default())
}

/// Few heads, so that the net comes back to some again and again; two of each height.
fn head(which: u8) -> Head {
    let height = u64::from(which % 8 / 2);
    let hash = hash(&[b"block", &[which % 8]]);
    let timestamp_ms = TimestampMs(T0 + height * 2_000);
    let producer = Some(node(which % NODES));
    let (pool_root, registered_root) = (Hash::ZERO, Hash::ZERO);
    Head { height: Height(height), hash, timestamp_ms, producer, entropy: hash, pool_root, registered_root }
}

fn schedule(head: &Head) -> Schedule {
    let pool = Pool::new((0..NODES).map(node));
    let seed = seed(&head.entropy, head.height.next(), &epoch_salt("fuzz"));
    Schedule::new(seed, pool.clone(), pool, head.timestamp_ms, timing()).expect("a schedule")
}

/// What the chain service would prepare.
fn block(ask: &Ask, variant: u8) -> Arc<Proposal> {
    let parts = [ask.stamp.get(), ask.window.slot.get()].map(u64::to_le_bytes);
    Arc::new(Proposal {
        height: ask.parent.height.next(),
        parent: ask.parent.hash,
        slot: ask.window.slot,
        hash: hash(&[b"own", ask.parent.hash.as_bytes(), &parts[0], &parts[1], &[variant]]),
        header: vec![variant],
        transactions: Vec::new(),
        claimed_at: ask.stamp,
    })
}

impl World {
    fn new() -> Self {
        let disk = Disk::default();
        Self {
            machine: Self::start(&disk),
            disk,
            wall_ms: T0,
            mono_ms: 0,
            head: None,
            open: Vec::new(),
            signed: BTreeMap::new(),
            refused: false,
        }
    }

    fn start(disk: &Disk) -> Machine {
        let guard = Guard::restore(disk.floor, disk.rows.iter().copied());
        Machine::new(Config { me: node(0), timing: timing() }, guard, disk.last.clone())
    }

    fn now(&self) -> Now {
        Now { wall: TimestampMs(self.wall_ms), mono_ms: self.mono_ms }
    }

    fn take(&mut self, input: Input) {
        let floor = self.machine.guard().floor();
        let outputs = self.machine.handle(input, self.now());
        assert!(!self.refused || outputs.is_empty(), "nothing is done after a refusal");
        assert!(self.machine.guard().floor() >= floor, "the floor never sinks");
        for output in outputs {
            self.judge(&output);
            match output {
                Output::Log(_) | Output::MarkDone { .. } => {}
                Output::SaveFloor { floor } => self.disk.floor = self.disk.floor.max(floor),
                Output::Refuse { .. } => self.refused = true,
                other => self.open.push(other),
            }
        }
    }

    fn judge(&mut self, output: &Output) {
        match output {
            Output::Prepare { ask, .. } => {
                assert_eq!(Some(ask.parent), self.head, "only on the head");
                assert_eq!(ask.window.owner, node(0), "only its own slot");
                let schedule = schedule(&ask.parent);
                assert_eq!(schedule.check(ask.window.slot, &node(0), ask.stamp), Ok(()));
                assert!(ask.stamp.get() <= self.wall_ms, "never from the future");
                assert_eq!(self.machine.blocked(self.now()), None);
            }
            Output::Submit { proposal, .. } => {
                // This is where the shell signs.
                assert_eq!(self.head.map(|head| head.hash), Some(proposal.parent));
                let row = (proposal.height, proposal.parent, proposal.hash);
                assert!(self.disk.rows.contains(&row), "promised on disk first");
                let first = *self.signed.entry(proposal.parent).or_insert(proposal.hash);
                assert_eq!(first, proposal.hash, "two blocks for one parent");
            }
            Output::Commit { proposal, floor, .. } => {
                let promised = self.machine.guard().promised(proposal.height, &proposal.parent);
                assert_eq!(promised, Some(proposal.hash));
                assert!(*floor <= self.machine.guard().floor());
            }
            _ => {}
        }
    }

    fn answer(&mut self, which: u8, good: bool, keep: bool, variant: u8) {
        if self.open.is_empty() {
            return;
        }
        let index = usize::from(which) % self.open.len();
        let request = if keep { self.open[index].clone() } else { self.open.remove(index) };
        let input = match request {
            Output::AskSchedule { op, head, slots } if good => {
                let schedule = schedule(&head);
                let slots = slots.iter().map(|slot: &Slot| schedule.window(*slot)).collect();
                let active = variant < 200;
                Input::Scheduled { op, slots, active, active_pool_size: u64::from(NODES) }
            }
            Output::AskSchedule { op, .. } => Input::ScheduleFailed { op },
            Output::AskRecord { op, .. } => {
                let standing =
                    [Standing::None, Standing::Active, Standing::Waiting][usize::from(variant % 3)];
                let may_return_at = Height(u64::from(variant / 64));
                Input::Record { op, record: good.then_some(OwnRecord { standing, may_return_at }) }
            }
            Output::Audit { op } if good => Input::Audited { op, own: self.stored() },
            Output::Audit { op } => Input::AuditFailed { op },
            Output::Prepare { op, ask } if good => Input::Prepared { op, proposal: block(&ask, variant) },
            Output::Prepare { op, .. } => Input::PrepareFailed { op, failure: failure(variant) },
            Output::Commit { op, proposal, floor } => {
                // One that fails may still be on disk.
                if good || variant.is_multiple_of(2) {
                    self.disk.rows.push((proposal.height, proposal.parent, proposal.hash));
                    self.disk.floor = self.disk.floor.max(floor);
                    self.disk.last = Some(proposal);
                }
                if good { Input::Committed { op } } else { Input::CommitFailed { op } }
            }
            Output::Submit { op, proposal } if good => {
                Input::Submitted { op, proposal, became_head: variant != 0, sent_to: 2, send_failed: 0 }
            }
            Output::Submit { op, proposal } => {
                Input::SubmitFailed { op, proposal, failure: failure(variant) }
            }
            Output::SendSyncProof { op, .. } => Input::SyncProofSent { op },
            _ => return,
        };
        self.take(input);
    }

    /// Blocks of this key that the chain shows.
    fn stored(&self) -> Vec<OwnBlock> {
        let rows = self.disk.rows.iter();
        let signed = rows.filter(|(_, parent, block)| self.signed.get(parent) == Some(block));
        signed
            .map(|(height, parent, hash)| OwnBlock { height: *height, parent: *parent, hash: *hash })
            .collect()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Honest(ms) => {
                self.take(Input::Snapshot { eligible: true, age_ms: 0 });
                // Another time, another block.
                (0..4).for_each(|_| self.answer(0, true, false, ms.to_le_bytes()[0] % 200));
                self.pass(u64::from(ms % 1_024));
            }
            Step::Head(which) => {
                let head = head(which);
                self.head = Some(head);
                self.take(Input::Head(head));
            }
            Step::HeadLost => self.take(Input::HeadLost),
            Step::Snapshot { eligible, age_ms } => {
                self.take(Input::Snapshot { eligible, age_ms: u64::from(age_ms) });
            }
            Step::SnapshotLost => self.take(Input::SnapshotLost),
            Step::Pass(ms) => self.pass(u64::from(ms % 8_192)),
            Step::Jump(ms) => {
                self.wall_ms = self.wall_ms.saturating_add_signed(i64::from(ms));
            }
            Step::Answer { which, good, keep, variant } => self.answer(which, good, keep, variant),
            Step::OwnBlock { head: which, variant } => {
                let head = head(which);
                let hash = hash(&[b"elsewhere", &[which, variant]]);
                let own = OwnBlock { height: head.height.next(), parent: head.hash, hash };
                self.take(Input::OwnBlock(own));
                assert!(self.refused || self.machine.guard().floor() >= own.height);
            }
            Step::BlocksMissed => self.take(Input::BlocksMissed),
            Step::Restart => {
                self.machine = Self::start(&self.disk);
                self.open.clear();
                (self.head, self.refused) = (None, false);
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        (self.wall_ms, self.mono_ms) = (self.wall_ms + ms, self.mono_ms + ms);
        self.take(Input::Tick);
    }
}

fn failure(variant: u8) -> Failure {
    match variant % 3 {
        0 => Failure::TipChanged,
        1 => Failure::Unavailable("late".into()),
        _ => Failure::Refused("no".into()),
    }
}

/// Runs the steps; how many parents have a signed block.
fn signed(steps: &[Step]) -> usize {
    let mut world = World::new();
    steps.iter().take(MAX_STEPS).for_each(|step| world.step(step));
    world.signed.len()
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step>>(bytes) else { return };
    signed(&steps);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // What an enum is made of: which of its variants, of all 32-bit numbers.
    let variant = |at: u64| u32::try_from((at << 32) / VARIANTS + 1).expect("32 bits").to_le_bytes();
    let honest = |ms: u16| [&variant(0)[..], &ms.to_le_bytes()].concat();
    let head = |which: u8| [&variant(1)[..], &[which]].concat();
    let height = |which: u8, ms: u16| [head(which), honest(ms).repeat(16)].concat();
    let restart = variant(VARIANTS - 1).to_vec();
    vec![
        (0..=255).collect(),
        [height(0, 300), height(2, 300), height(4, 300)].concat(),
        [height(0, 300), restart.clone(), height(0, 301), restart, height(0, 302)].concat(),
        [height(0, 300), height(1, 301), height(0, 302), height(1, 303)].concat(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_steps_sign_a_block_for_every_parent() {
        // A property that holds because nothing ever happens would prove nothing.
        let height = |which| [Step::Head(which)].into_iter().chain((0..40).map(|_| Step::Honest(300)));
        let steps: Vec<Step> = [0, 2, 4].into_iter().flat_map(height).collect();
        assert!(signed(&steps) > 0);
    }
}
