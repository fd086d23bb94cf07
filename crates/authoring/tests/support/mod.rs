//! A machine with a scripted world around it.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use vision_authoring::{
    Ask, Config, Event, Guard, Head, Input, Machine, Now, Op, Output, OwnBlock, Proposal,
};
use vision_primitives::{ConsensusParams, Hash, Height, NodeId, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};

/// The stamp of the first head.
pub const T0: u64 = 1_700_000_000_000;

pub fn id(i: u64) -> NodeId {
    hash(&[b"node", &i.to_le_bytes()])
}

pub fn timing() -> SlotTiming {
    SlotTiming::from(&ConsensusParams::default())
}

pub fn head(height: u64, name: &str, timestamp_ms: u64) -> Head {
    let hash = hash(&[b"block", &height.to_le_bytes(), name.as_bytes()]);
    Head {
        height: Height(height),
        hash,
        timestamp_ms: TimestampMs(timestamp_ms),
        producer: Some(id(99)),
        entropy: hash,
        pool_root: Hash::ZERO,
        registered_root: Hash::ZERO,
    }
}

pub fn schedule(head: &Head, nodes: u64) -> Schedule {
    let pool = Pool::new((0..nodes).map(id));
    let seed = seed(&head.entropy, head.height.next(), &epoch_salt("test"));
    Schedule::new(seed, pool.clone(), pool, head.timestamp_ms, timing()).expect("a schedule")
}

/// What the chain service would prepare.
pub fn block(ask: &Ask, variant: u8) -> Arc<Proposal> {
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

/// A name of an event, short enough for tables.
pub fn name(event: &Event) -> String {
    match event {
        Event::Waiting { height, slot, .. } => format!("waiting {height}/{slot}"),
        Event::Proposing { height, slot } => format!("proposing {height}/{slot}"),
        Event::Created(p) => format!("created {}", p.height),
        Event::Broadcast { height, sent_to, send_failed } => {
            format!("broadcast {height} {sent_to}+{send_failed}")
        }
        Event::Produced(p) => format!("produced {}", p.height),
        Event::AlreadyProduced { height } => format!("already {height}"),
        Event::TipChanged { height } => format!("tip changed {height}"),
        Event::Failed { height, .. } => format!("failed {height}"),
        Event::KeyUsedElsewhere { height, blocks, .. } => format!("elsewhere {height} ({blocks})"),
    }
}

/// The machine of node 0 among `nodes`; schedules, audits and records answer themselves.
pub struct World {
    pub machine: Machine,
    pub nodes: u64,
    pub wall_ms: u64,
    pub mono_ms: u64,
    /// What an audit finds.
    pub own: Vec<OwnBlock>,
    /// All that was logged.
    pub log: Vec<String>,
    /// Schedules and audits asked for.
    pub asked: usize,
}

impl World {
    pub fn new(nodes: u64) -> Self {
        Self::with(nodes, Guard::default(), None)
    }

    pub fn with(nodes: u64, guard: Guard, last: Option<Arc<Proposal>>) -> Self {
        let config = Config { me: id(0), timing: timing() };
        let machine = Machine::new(config, guard, last);
        let log = Vec::new();
        Self { machine, nodes, wall_ms: T0, mono_ms: 0, own: Vec::new(), log, asked: 0 }
    }

    pub fn now(&self) -> Now {
        Now { wall: TimestampMs(self.wall_ms), mono_ms: self.mono_ms }
    }

    pub fn pass(&mut self, ms: u64) {
        self.wall_ms += ms;
        self.mono_ms += ms;
    }

    /// What there is to do, but for what answers itself.
    pub fn take(&mut self, input: Input) -> Vec<Output> {
        let mut todo = vec![input];
        let mut left = Vec::new();
        while let Some(input) = todo.pop() {
            let now = self.now();
            for output in self.machine.handle(input, now) {
                match output {
                    Output::AskSchedule { op, head, slots } => {
                        self.asked += 1;
                        todo.push(self.answer(op, &head, &slots));
                    }
                    Output::Audit { op } => {
                        self.asked += 1;
                        todo.push(Input::Audited { op, own: self.own.clone() });
                    }
                    Output::Log(event) => self.log.push(name(&event)),
                    other => left.push(other),
                }
            }
        }
        left
    }

    pub fn answer(&self, op: Op, head: &Head, slots: &[Slot]) -> Input {
        let schedule = schedule(head, self.nodes);
        let slots = slots.iter().map(|slot| schedule.window(*slot)).collect();
        Input::Scheduled { op, slots, active: true, active_pool_size: self.nodes }
    }

    /// A head and an eligible verdict.
    pub fn follow(&mut self, head: Head) -> Vec<Output> {
        let mut out = self.take(Input::Snapshot { eligible: true, age_ms: 0 });
        out.extend(self.take(Input::Head(head)));
        out
    }

    /// A tick with a fresh verdict.
    pub fn tick(&mut self) -> Vec<Output> {
        let mut out = self.take(Input::Snapshot { eligible: true, age_ms: 0 });
        out.extend(self.take(Input::Tick));
        out
    }
}

/// The one request for a block among the outputs.
pub fn prepare(outputs: &[Output]) -> Option<(Op, Ask)> {
    let mut found = outputs.iter().filter_map(|output| match output {
        Output::Prepare { op, ask } => Some((*op, *ask)),
        _ => None,
    });
    let first = found.next();
    assert!(found.next().is_none(), "asked twice: {outputs:?}");
    first
}

/// The one commit among the outputs.
pub fn commit(outputs: &[Output]) -> Option<(Op, Arc<Proposal>)> {
    outputs.iter().find_map(|output| match output {
        Output::Commit { op, proposal, .. } => Some((*op, proposal.clone())),
        _ => None,
    })
}

/// The one submission among the outputs.
pub fn submit(outputs: &[Output]) -> Option<(Op, Arc<Proposal>)> {
    outputs.iter().find_map(|output| match output {
        Output::Submit { op, proposal } => Some((*op, proposal.clone())),
        _ => None,
    })
}
