//! Faults of machines and networks: which comes next, what it does, and how it ends.

use vision_peering::ConnectionId;

use crate::disk::{ChainStore, DiskManner, SignerStore};
use crate::event::{Event, Step};
use crate::message::Ending;
use crate::net::{Released, SILENCE_US};
use crate::queue::SECOND_US;
use crate::scenario::Faults;
use crate::who::WallClock;
use crate::world::World;

/// The kinds by name, with their weights.
const fn weights(faults: &Faults) -> [(&'static str, u64); 17] {
    [
        ("crash", faults.crash),
        ("freeze", faults.freeze),
        ("partition", faults.partition),
        ("one-way", faults.one_way),
        ("flapping", faults.flapping),
        ("disk-full", faults.disk_full),
        ("slow-disk", faults.slow_disk),
        ("slow-node", faults.slow_node),
        ("clock-jump", faults.clock_jump),
        ("clock-drift", faults.clock_drift),
        ("all-down", faults.all_down),
        ("old-store", faults.old_store),
        ("old-signer", faults.old_signer),
        ("both-old", faults.both_old),
        ("lost-signer", faults.lost_signer),
        ("crash-loop", faults.crash_loop),
        ("reset", faults.reset),
    ]
}

impl World {
    /// A step of a fault.
    pub(crate) fn fault(&mut self, step: Step) {
        match step {
            Step::Calm => self.calm(),
            Step::Draw if !self.calm => {
                self.draw();
                let in_us = self.shared.chance.around(self.shared.scenario.faults.every_s * SECOND_US);
                self.shared.queue.after(in_us, Event::Fault(Step::Draw));
            }
            Step::Start(node) if !self.nodes[node].is_up() => self.nodes[node].boot(&mut self.shared),
            Step::Draw | Step::Start(_) => {}
            Step::DiskWell(node) => self.nodes[node].disk.manner = DiskManner::default(),
            Step::Fast(node) => self.nodes[node].slowness = 1,
            Step::ClockRight(node) => self.nodes[node].clock = WallClock::default(),
            Step::Cut { pairs, cut, again } => {
                if cut && self.calm {
                    return;
                }
                self.cut(&pairs, cut);
                if again > 0 || cut {
                    let in_us = self.shared.chance.between(SECOND_US, 20 * SECOND_US);
                    let step = Step::Cut { pairs, cut: !cut, again: again.saturating_sub(1) };
                    self.shared.queue.after(in_us, Event::Fault(step));
                }
            }
            // A copy that comes when the faults are over would be one more fault.
            Step::Restore { .. } if self.calm => {}
            Step::Restore { node, chain, signer, copied_us } => {
                self.restore(node, chain, signer, copied_us);
            }
            Step::Crash { node, down_us } => {
                self.kill(node);
                self.shared.queue.after(down_us, Event::Fault(Step::Start(node)));
            }
            Step::CrashAgain { node, times } => self.crash_again(node, times),
            Step::ResetClaims(node) => self.reset_claims(node),
        }
    }

    fn draw(&mut self) {
        let weights = weights(&self.shared.scenario.faults);
        let sum = weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.shared.chance.below(sum);
        for (kind, weight) in weights {
            if drawn < weight {
                *self.shared.counts.faults.entry(kind).or_default() += 1;
                return self.begin(kind);
            }
            drawn -= weight;
        }
    }

    fn begin(&mut self, kind: &str) {
        let faults = self.shared.scenario.faults.clone();
        let chance = &mut self.shared.chance;
        let node = chance.index(self.nodes.len());
        let for_us = chance.between(SECOND_US, 60 * SECOND_US);
        let now_us = self.shared.queue.now_us();
        let end = |step| Event::Fault(step);
        match kind {
            "crash" => {
                self.kill(node);
                self.shared.queue.after(for_us, end(Step::Start(node)));
            }
            "freeze" => {
                let for_us = self.shared.chance.between(SECOND_US / 10, 30 * SECOND_US);
                self.nodes[node].frozen_until_us = now_us + for_us;
                for connection in self.shared.net.freeze(node, now_us, now_us + for_us) {
                    self.shared.queue.after(SILENCE_US, Event::Silence(connection));
                }
            }
            "partition" | "one-way" | "flapping" => self.part(kind, faults.partition_max_s),
            "disk-full" => {
                self.nodes[node].disk.manner.full = true;
                self.shared.queue.after(for_us, end(Step::DiskWell(node)));
            }
            "slow-disk" => {
                self.nodes[node].disk.manner.sync_us = self.shared.chance.between(20_000, 400_000);
                self.shared.queue.after(for_us, end(Step::DiskWell(node)));
            }
            "slow-node" => {
                self.nodes[node].slowness = self.shared.chance.between(10, 1_000);
                self.shared.queue.after(for_us, end(Step::Fast(node)));
            }
            "clock-jump" | "clock-drift" => self.set_clock(kind, node, for_us),
            "all-down" => {
                let down_us = self.shared.chance.between(SECOND_US, faults.all_down_max_s.max(1) * SECOND_US);
                for node in 0..self.nodes.len() {
                    self.kill(node);
                    let in_us = down_us + self.shared.chance.below(20 * SECOND_US);
                    self.shared.queue.after(in_us, end(Step::Start(node)));
                }
            }
            "crash-loop" => {
                let times = self.shared.chance.between(3, 12);
                self.crash_again(node, times);
            }
            "reset" => self.reset(node),
            "lost-signer" => {
                self.nodes[node].disk.signer = SignerStore::default();
                self.nodes[node].disk.signer_lost = true;
                self.shared.checks.signer_rolled_back(self.nodes[node].who.id, false);
                self.kill(node);
                self.shared.queue.after(for_us, end(Step::Start(node)));
                let in_us = self.shared.chance.between(60 * SECOND_US, 600 * SECOND_US);
                self.shared.queue.after(in_us, end(Step::ResetClaims(node)));
            }
            _ => self.copy(kind, node),
        }
    }

    /// Copies what a node has stored; it takes the place of the newest later.
    fn copy(&mut self, kind: &str, node: usize) {
        let now_us = self.shared.queue.now_us();
        let disk = &self.nodes[node].disk;
        let chain = (kind != "old-signer").then(|| Box::new(disk.chain.clone()));
        let signer = (kind != "old-store" && !disk.signer_lost).then(|| Box::new(disk.signer.clone()));
        let in_us = self.shared.chance.between(10 * SECOND_US, 300 * SECOND_US);
        self.shared
            .queue
            .after(in_us, Event::Fault(Step::Restore { node, chain, signer, copied_us: now_us }));
    }

    fn restore(
        &mut self,
        node: usize,
        chain: Option<Box<ChainStore>>,
        signer: Option<Box<SignerStore>>,
        copied_us: u64,
    ) {
        self.kill(node);
        if let Some(signer) = signer {
            self.shared.checks.signer_rolled_back(self.nodes[node].who.id, chain.is_some());
            self.nodes[node].disk.signer = *signer;
        }
        if let Some(chain) = chain {
            let to = chain.tree(&self.shared.rules).map(|tree| tree.final_entry().height());
            self.shared.checks.rolled_back(node, to.unwrap_or_default(), copied_us);
            self.nodes[node].disk.chain = *chain;
        }
        self.shared.queue.after(5 * SECOND_US, Event::Fault(Step::Start(node)));
    }

    /// Kills a node, starts it, and kills it again before or soon after it is ready.
    fn crash_again(&mut self, node: usize, times: u64) {
        if self.calm {
            return;
        }
        self.kill(node);
        let down_us = self.shared.chance.between(SECOND_US / 100, 2 * SECOND_US);
        self.shared.queue.after(down_us, Event::Fault(Step::Start(node)));
        if times > 0 {
            let up_us = self.shared.chance.between(SECOND_US / 1000, 10 * SECOND_US);
            let step = Step::CrashAgain { node, times: times - 1 };
            self.shared.queue.after(down_us + up_us, Event::Fault(step));
        }
    }

    /// Both ends of half of a node's connections hear that they are over.
    fn reset(&mut self, node: usize) {
        for connection in self.shared.net.wires_of(node) {
            if self.shared.chance.per_mille(500) {
                self.shared.hang_up(connection, node, &Ending::broken("connection reset"));
            }
        }
    }

    /// What an operator does whose producer refuses to sign: it may sign again above the
    /// highest head there was.
    fn reset_claims(&mut self, node: usize) {
        if !self.nodes[node].refused {
            return;
        }
        // Not higher: were all to wait for heights that only others may make, nobody would make them.
        let above = self.shared.checks.highest();
        self.kill(node);
        self.nodes[node].disk.signer.write(None, above);
        self.nodes[node].disk.signer_lost = false;
        // In the calm nobody is down for a second.
        let down_us = if self.calm { 0 } else { SECOND_US };
        self.shared.queue.after(down_us, Event::Fault(Step::Start(node)));
    }

    fn set_clock(&mut self, kind: &str, node: usize, for_us: u64) {
        let now_us = self.shared.queue.now_us();
        let chance = &mut self.shared.chance;
        let back = chance.per_mille(500);
        let sign = |value: u64| if back { -value.cast_signed() } else { value.cast_signed() };
        let clock = &mut self.nodes[node].clock;
        if kind == "clock-jump" {
            let longest_ms = if chance.per_mille(500) { 3 * 3_600_000 } else { 5_000 };
            clock.offset_ms = sign(chance.between(100, longest_ms));
        } else {
            clock.drift_ppm = sign(chance.between(100, 50_000));
            clock.drift_since_us = now_us;
        }
        self.shared.queue.after(for_us, Event::Fault(Step::ClockRight(node)));
    }

    /// Cuts some nodes off from the others.
    fn part(&mut self, kind: &str, max_s: u64) {
        let chance = &mut self.shared.chance;
        let mut all: Vec<usize> = (0..self.nodes.len()).collect();
        chance.shuffle(&mut all);
        let (some, others) = all.split_at(1 + chance.index(all.len().div_ceil(2)));
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for one in some {
            for other in others {
                pairs.push((*one, *other));
                if kind != "one-way" {
                    pairs.push((*other, *one));
                }
            }
        }
        let for_us = chance.between(SECOND_US, max_s.max(1) * SECOND_US);
        if kind == "flapping" {
            let again = 2 + 2 * u32::try_from(chance.below(4)).unwrap_or_default();
            return self.shared.queue.after(0, Event::Fault(Step::Cut { pairs, cut: true, again }));
        }
        self.cut(&pairs, true);
        let end = Step::Cut { pairs, cut: false, again: 0 };
        self.shared.queue.after(for_us, Event::Fault(end));
    }

    /// Begins or ends a cut.
    fn cut(&mut self, pairs: &[(usize, usize)], cut: bool) {
        let now_us = self.shared.queue.now_us();
        for (from, to) in pairs {
            let Released { cut, arrives } = self.shared.net.cut(*from, *to, cut, now_us);
            for connection in cut {
                self.shared.queue.after(SILENCE_US, Event::Silence(connection));
            }
            for (at_us, connection, from, message) in arrives {
                self.shared.queue.at(at_us, Event::Arrive { connection, from, message: Box::new(message) });
            }
        }
    }

    /// Kills a node; its peers hear of it at once, or when it has been silent for a while.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill(&mut self.shared);
        let wires: Vec<ConnectionId> = self.shared.net.wires_of(node);
        for connection in wires {
            self.shared.hang_up(connection, node, &Ending::broken("connection reset"));
        }
    }

    /// All faults are over: whatever they have changed is as it was.
    fn calm(&mut self) {
        self.calm = true;
        let since_us = self.shared.queue.now_us();
        self.shared.queue.after(0, Event::Settle { since_us });
        self.shared.net.end_mischief();
        for pair in self.shared.net.cut_pairs() {
            while self.shared.net.is_cut(pair.0, pair.1) {
                self.cut(&[pair], false);
            }
        }
        for node in &mut self.nodes {
            node.disk.manner = DiskManner::default();
            node.slowness = 1;
            node.clock = WallClock::default();
            node.frozen_until_us = 0;
            if !node.is_up() {
                node.boot(&mut self.shared);
            }
        }
        for node in 0..self.nodes.len() {
            self.reset_claims(node);
        }
    }
}
