//! A node: the machines of its services, what they are run in, and its disk.

mod answers;
mod byzantine;
mod chain;
mod oracle;
mod peers;
mod producer;
mod session;

use std::sync::Arc;

use vision_importer as importer;
use vision_peering as peering;
use vision_primitives::{Invariant as _, SecretKey, TimestampMs};

use crate::disk::Disk;
use crate::event::{Event, What};
use crate::sabotage::Sabotage;
use crate::shared::Shared;
use crate::who::{WallClock, Who};
pub(crate) use chain::ChainShell;
pub(crate) use oracle::OracleShell;
pub(crate) use peers::PeersShell;
pub(crate) use producer::ProducerShell;

/// What runs while the node is up.
pub(crate) struct Running {
    pub booted_us: u64,
    pub chain: ChainShell,
    pub peers: PeersShell,
    pub oracle: OracleShell,
    pub producer: Option<ProducerShell>,
}

/// A node.
pub(crate) struct Node {
    pub who: Who,
    pub clock: WallClock,
    pub disk: Disk,
    /// How often it was started.
    pub life: u32,
    /// How many times slower than others it is.
    pub slowness: u64,
    /// Until when it is frozen.
    pub frozen_until_us: u64,
    /// Its producer has refused to go on.
    pub refused: bool,
    pub running: Option<Box<Running>>,
}

impl Node {
    pub(crate) fn new(index: usize, key: SecretKey, honest: bool) -> Self {
        let id = key.public_key().id();
        Self {
            who: Who { index, key, id, honest },
            clock: WallClock::default(),
            disk: Disk::default(),
            life: 0,
            slowness: 1,
            frozen_until_us: 0,
            refused: false,
            running: None,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// What runs. Only called while the node is up.
    pub(crate) fn running(&mut self) -> &mut Running {
        self.running.as_mut().invariant("only a node that is up is asked")
    }

    /// Starts it.
    pub(crate) fn boot(&mut self, shared: &mut Shared) {
        self.life += 1;
        self.refused = self.disk.signer_lost;
        if !self.who.honest {
            self.boots_badly(shared);
        }
        let booted_us = shared.queue.now_us();
        let chain = match self.disk.chain.is_empty() {
            true => shared.first_tree.clone(),
            false => match self.disk.chain.tree(&shared.rules) {
                Ok(tree) => tree,
                Err(error) => {
                    return shared.checks.broken(booted_us, self.who.index, "store", error.to_string());
                }
            },
        };
        let wall = TimestampMs(self.wall_ms(booted_us));
        self.disk.chain.align(&chain, wall);
        shared.checks.started(booted_us, &self.who, &chain);
        let now = self.importer_now(booted_us);
        let chain = ChainShell::new(chain, &self.disk.chain, now);
        let registered = chain.importer.tree().head().state().registered().clone();
        let peers = PeersShell::new(self.peering_config(shared));
        let producer = (shared.runs_producer(self.who.index) && !self.refused).then(|| {
            let (guard, last) = self.disk.signer.read();
            ProducerShell::new(&self.who, &shared.rules, guard, last)
        });
        let oracle = OracleShell::new(shared.rules.params());
        self.running = Some(Box::new(Running { booted_us, chain, peers, oracle, producer }));
        shared.net.listening[self.who.index] = Some(self.life);
        let head = self.running().chain.view.clone();
        let (height, weight) = (head.height(), head.weight());
        self.peers(peering::Input::HeadMoved { height, weight, registered }, shared);
        self.peers(peering::Input::Tick, shared);
        self.plan(0, What::Turn, shared);
        self.running().chain.alarm.set(booted_us);
        self.plan(500, What::OracleHead, shared);
        self.plan(800, What::OracleTick, shared);
        if self.running().producer.is_some() {
            self.plan(900, What::ProducerHead, shared);
            self.producer(vision_authoring::Input::BlocksMissed, shared);
        }
        if !self.who.honest {
            self.plan(1_000_000, What::Misbehave, shared);
        }
    }

    /// Kills it: what is not on disk is gone.
    pub(crate) fn kill(&mut self, shared: &mut Shared) {
        let Some(mut running) = self.running.take() else { return };
        shared.net.listening[self.who.index] = None;
        self.frozen_until_us = 0;
        // A write under way is on disk as a whole, or not at all.
        if let Some((_, batch)) = running.chain.writing.take()
            && !self.disk.manner.full
            && shared.chance.per_mille(500)
        {
            self.store(batch, shared);
        }
        if let Some((proposal, floor)) = running.producer.take().and_then(|producer| producer.promising)
            && !self.disk.manner.full
            && shared.chance.per_mille(500)
        {
            self.disk.signer.write(Some(&proposal), floor);
        }
    }

    /// Puts a batch on the disk.
    pub(crate) fn store(&mut self, mut batch: importer::Batch, shared: &mut Shared) {
        let at_once = shared.sabotage(Sabotage::AllFinalizeAtOnce)
            || self.who.index == 0 && shared.sabotage(Sabotage::OneFinalizesAtOnce);
        if at_once {
            let new = batch.chain.iter().filter_map(|(height, hash)| Some((*height, (*hash)?)));
            batch.finalized = new.collect();
        }
        shared.checks.durable(shared.queue.now_us(), &self.who, &batch);
        let finals: Vec<_> = batch.finalized.iter().map(|(_, hash)| *hash).collect();
        self.disk.chain.write(batch, shared.genesis_state(), shared.scenario.sabotage);
        if self.who.honest {
            // Whoever looks for what it has acknowledged finds it there.
            for one in finals.iter().flat_map(|hash| self.disk.chain.transactions(hash)) {
                shared.checks.acknowledged.remove(&one.hash());
            }
        }
    }

    fn peering_config(&self, shared: &mut Shared) -> peering::Config {
        let (nodes, me) = (shared.scenario.nodes, self.who.index);
        let mut seeds: Vec<usize> = match shared.scenario.seeds {
            0 if nodes <= 17 => (0..nodes).filter(|node| *node != me).collect(),
            count => {
                let count = if count == 0 { 16 } else { count };
                // The next one, so that all hang together, and others anywhere.
                let others = (1..count).map(|_| shared.chance.index(nodes));
                std::iter::once((me + 1) % nodes).chain(others).filter(|node| *node != me).collect()
            }
        };
        seeds.sort_unstable();
        seeds.dedup();
        peering::Config {
            own: self.who.id,
            max_peers: shared.scenario.max_peers,
            seeds: seeds.into_iter().map(address_of).collect(),
            accepts: peering::Accepts::Routable,
            random_seed: shared.chance.any(),
        }
    }

    /// Plans something for this node, so many microseconds from now.
    pub(crate) fn plan(&self, in_us: u64, what: What, shared: &mut Shared) {
        let (node, life) = (self.who.index, self.life);
        shared.queue.after(in_us, Event::In { node, life, what });
    }

    /// Something happens.
    pub(crate) fn happen(&mut self, what: What, shared: &mut Shared) {
        match what {
            What::Turn => self.turn(shared),
            What::Written => self.written(shared),
            What::PeersDue => self.peers_due(shared),
            What::PeerDue(peer, connection) => self.peer_due(peer, connection, shared),
            What::Peers(input) => self.peers(*input, shared),
            What::OracleHead => self.oracle_head(shared),
            What::OracleTick => self.oracle_tick(shared),
            What::OracleAnswer(question) => self.oracle_answer(question, shared),
            What::Verdict(until_ms) => self.decide(importer::Input::InSyncUntil(until_ms), shared),
            What::ProducerHead => self.producer_head(shared),
            What::ProducerDue => self.producer_due(shared),
            What::Producer { input, about } => self.producer_hears(*input, about, shared),
            What::Promised { op, proposal, floor } => self.promised(op, &proposal, floor, shared),
            What::FloorSaved(floor) => self.floor_saved(floor, shared),
            What::Misbehave => self.misbehave(shared),
            What::Release => self.release(shared),
            What::Trickle(trickle) => self.trickle(trickle, shared),
        }
    }

    /// The wall clock, milliseconds since the Unix epoch.
    pub(crate) fn wall_ms(&self, now_us: u64) -> u64 {
        self.clock.now_ms(now_us)
    }

    /// The clock that never jumps, milliseconds since the start.
    pub(crate) fn mono_ms(&self, now_us: u64) -> u64 {
        let booted_us = self.running.as_ref().map_or(now_us, |running| running.booted_us);
        (now_us - booted_us) / 1000
    }

    /// Now by all clocks, as the chain counts.
    pub(crate) fn importer_now(&self, now_us: u64) -> importer::Now {
        let ran = |running: &Running| running.chain.ran_ms;
        let ran_ms = self.running.as_deref().map_or_else(|| self.disk.chain.running_ms(), ran);
        let mono_ms = self.mono_ms(now_us);
        importer::Now { wall: TimestampMs(self.wall_ms(now_us)), mono_ms, running_ms: ran_ms + mono_ms }
    }
}

/// The address of a node.
pub(crate) fn address_of(node: usize) -> String {
    format!("10.{}.{}.{}:7072", node >> 16 & 255, node >> 8 & 255, node & 255)
}

/// The node of an address.
pub(crate) fn node_of(address: &str) -> Option<usize> {
    let host = address.strip_suffix(":7072")?;
    let mut parts = host.split('.').map(|part| part.parse::<usize>().ok());
    let (ten, high, middle, low) = (parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    (ten == 10).then_some(high << 16 | middle << 8 | low)
}

/// Used where several shells share an owned block.
pub(crate) type SharedBlock = Arc<vision_primitives::Block>;
