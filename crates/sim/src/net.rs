//! The network: what a message takes, what is cut, and which connections stand.

use std::collections::{BTreeMap, VecDeque};

use vision_peering::ConnectionId;

use crate::chance::Chance;
use crate::cities;
use crate::message::Message;
use crate::scenario::{Network as Settings, Placement};

/// A lost packet is sent again after this time, microseconds.
const RETRANSMIT_US: u64 = 200_000;
/// Messages that may wait for one peer, as in the chain service.
pub(crate) const OUTBOX_MESSAGES: usize = 128;
/// A connection on which nothing passes is given up after this time, microseconds.
pub(crate) const SILENCE_US: u64 = 10_000_000;
/// Somebody who does not answer a call is given up after this time, microseconds.
pub(crate) const CALL_US: u64 = 5_000_000;

/// One direction of a connection.
#[derive(Debug, Default)]
struct Lane {
    /// When the last message leaves the sender, and when it arrives.
    leaves_us: u64,
    arrives_us: u64,
    /// When each message leaves that has not left yet.
    leaving: VecDeque<u64>,
    /// Messages that wait for the cut to end.
    held: VecDeque<Message>,
    /// Since when it is cut.
    cut_since_us: Option<u64>,
}

/// A connection between two nodes, from the call on.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The caller and the callee.
    pub ends: [usize; 2],
    /// Which start of each.
    pub lives: [u32; 2],
    /// The address that was called.
    pub address: String,
    /// When it was called.
    pub began_us: u64,
    /// Whether the machine of each end has admitted it.
    pub stands: [bool; 2],
    lanes: [Lane; 2],
}

impl Wire {
    /// The place of a node: 0 for the caller.
    pub(crate) fn end_of(&self, node: usize) -> usize {
        usize::from(self.ends[1] == node)
    }

    /// How much waits in a direction.
    fn waiting(&self, from: usize) -> usize {
        self.lanes[from].leaving.len() + self.lanes[from].held.len()
    }
}

/// What became of a message that was sent.
pub(crate) enum Sent {
    /// It arrives, perhaps more than once, at these times.
    Arrives(Vec<u64>),
    /// It waits for the end of a cut, or was lost.
    Waits,
    /// There was no room.
    NoRoom,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Net {
    settings: Settings,
    chance: Chance,
    wires: BTreeMap<ConnectionId, Wire>,
    next_wire: u64,
    /// Nodes between which nothing passes in this direction, with the number of faults that say so.
    cuts: BTreeMap<(usize, usize), u32>,
    /// From when to when each node is frozen, microseconds.
    frozen_us: BTreeMap<usize, (u64, u64)>,
    /// Which start of a node listens, if it is up.
    pub listening: Vec<Option<u32>>,
    /// Messages and bytes sent, over all.
    pub messages: u64,
    pub bytes: u64,
}

impl Net {
    pub(crate) fn new(settings: Settings, nodes: usize, chance: Chance) -> Self {
        Self {
            settings,
            chance,
            wires: BTreeMap::new(),
            next_wire: 0,
            cuts: BTreeMap::new(),
            frozen_us: BTreeMap::new(),
            listening: vec![None; nodes],
            messages: 0,
            bytes: 0,
        }
    }

    /// No message is lost for good, sent twice or overtaken from now on.
    pub(crate) const fn end_mischief(&mut self) {
        self.settings.mischief_per_mille = 0;
    }

    /// What a message takes from one node to another without any fault, microseconds.
    pub(crate) fn latency_us(&mut self, from: usize, to: usize) -> u64 {
        let base_us = match (self.settings.one_way_ms, self.settings.placement) {
            (0, Placement::World) => cities::one_way_us(from % cities::NAMES.len(), to % cities::NAMES.len()),
            (0, Placement::Local) => 200,
            (ms, _) => ms * 1000,
        };
        base_us + self.chance.below(base_us * self.settings.jitter_percent / 100 + 1)
    }

    pub(crate) fn wire(&self, id: ConnectionId) -> Option<&Wire> {
        self.wires.get(&id)
    }

    pub(crate) fn wire_mut(&mut self, id: ConnectionId) -> Option<&mut Wire> {
        self.wires.get_mut(&id)
    }

    /// A new connection.
    pub(crate) fn call(
        &mut self,
        ends: [usize; 2],
        lives: [u32; 2],
        address: String,
        now_us: u64,
    ) -> ConnectionId {
        let id = ConnectionId(self.next_wire);
        self.next_wire += 1;
        let lane = |from: usize, to: usize| Lane {
            cut_since_us: self.is_cut(from, to).then_some(now_us),
            ..Lane::default()
        };
        let lanes = [lane(ends[0], ends[1]), lane(ends[1], ends[0])];
        self.wires.insert(id, Wire { ends, lives, address, began_us: now_us, stands: [false; 2], lanes });
        id
    }

    /// A connection that is over.
    pub(crate) fn end(&mut self, id: ConnectionId) -> Option<Wire> {
        self.wires.remove(&id)
    }

    /// The connections of a node.
    pub(crate) fn wires_of(&self, node: usize) -> Vec<ConnectionId> {
        self.wires.iter().filter(|(_, wire)| wire.ends.contains(&node)).map(|(id, _)| *id).collect()
    }

    /// How many connections each node has, calls under way included.
    pub(crate) fn connections(&self) -> Vec<usize> {
        let mut counts = vec![0; self.listening.len()];
        self.wires.values().flat_map(|wire| wire.ends).for_each(|node| counts[node] += 1);
        counts
    }

    /// Whether nothing passes from one node to another.
    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// Between which nodes nothing passes.
    pub(crate) fn cut_pairs(&self) -> Vec<(usize, usize)> {
        self.cuts.keys().copied().collect()
    }

    /// Sends a message from one end of a connection.
    /// What is bounded finds no room behind too many others.
    pub(crate) fn send(
        &mut self,
        id: ConnectionId,
        from: usize,
        message: &Message,
        bounded: bool,
        now_us: u64,
    ) -> Sent {
        let size = message.size_bytes();
        let Some(wire) = self.wires.get_mut(&id) else { return Sent::Waits };
        let lane = &mut wire.lanes[from];
        while lane.leaving.front().is_some_and(|leaves_us| *leaves_us <= now_us) {
            lane.leaving.pop_front();
        }
        if bounded && wire.waiting(from) >= OUTBOX_MESSAGES {
            return Sent::NoRoom;
        }
        self.messages += 1;
        self.bytes += size;
        if wire.lanes[from].cut_since_us.is_some() {
            wire.lanes[from].held.push_back(message.clone());
            return Sent::Waits;
        }
        let ends = if from == 0 { (wire.ends[0], wire.ends[1]) } else { (wire.ends[1], wire.ends[0]) };
        self.pass(id, from, ends, size, now_us)
    }

    fn pass(&mut self, id: ConnectionId, from: usize, ends: (usize, usize), size: u64, now_us: u64) -> Sent {
        let takes_us = size * 1000 / self.settings.kilobytes_per_second.max(1);
        let mut latency_us = self.latency_us(ends.0, ends.1);
        if self.chance.per_mille(self.settings.loss_per_mille) {
            latency_us += RETRANSMIT_US;
        }
        let mischief = self.settings.mischief_per_mille;
        let (lost, twice, overtaken) = (
            self.chance.per_mille(mischief),
            self.chance.per_mille(mischief),
            self.chance.per_mille(mischief),
        );
        let Some(wire) = self.wires.get_mut(&id) else { return Sent::Waits };
        let lane = &mut wire.lanes[from];
        lane.leaves_us = lane.leaves_us.max(now_us) + takes_us;
        lane.leaving.push_back(lane.leaves_us);
        if lost {
            return Sent::Waits;
        }
        let arrives_us = (lane.leaves_us + latency_us).max(lane.arrives_us);
        if overtaken {
            return Sent::Arrives(vec![arrives_us + latency_us]);
        }
        lane.arrives_us = arrives_us;
        Sent::Arrives(if twice { vec![arrives_us, arrives_us] } else { vec![arrives_us] })
    }

    /// Begins (`true`) or ends one fault that cuts a direction between two nodes. Gives the connections that
    /// are cut now, or the messages that may pass now.
    pub(crate) fn cut(&mut self, from: usize, to: usize, cut: bool, now_us: u64) -> Released {
        let faults = self.cuts.entry((from, to)).or_default();
        *faults = if cut { *faults + 1 } else { faults.saturating_sub(1) };
        let (cut_now, over) = (cut && *faults == 1, !cut && *faults == 0);
        if *faults == 0 {
            self.cuts.remove(&(from, to));
        }
        let mut released = Released::default();
        if !cut_now && !over {
            return released;
        }
        let direction = |wire: &Wire| match wire.ends {
            ends if ends == [from, to] => Some(0),
            ends if ends == [to, from] => Some(1),
            _ => None,
        };
        let concerned: Vec<_> =
            self.wires.iter().filter_map(|(id, wire)| Some((*id, direction(wire)?))).collect();
        for (id, lane_of) in concerned {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            let lane = &mut wire.lanes[lane_of];
            if cut_now {
                lane.cut_since_us = Some(now_us);
                released.cut.push(id);
                continue;
            }
            lane.cut_since_us = None;
            for message in std::mem::take(&mut lane.held) {
                let size = message.size_bytes();
                if let Sent::Arrives(times) = self.pass(id, lane_of, (from, to), size, now_us) {
                    released
                        .arrives
                        .extend(times.into_iter().map(|at_us| (at_us, id, lane_of, message.clone())));
                }
            }
        }
        released
    }

    /// A node is frozen for a while. Gives its connections.
    pub(crate) fn freeze(&mut self, node: usize, now_us: u64, until_us: u64) -> Vec<ConnectionId> {
        self.frozen_us.insert(node, (now_us, until_us));
        self.wires_of(node)
    }

    fn is_mute(&self, node: usize, now_us: u64) -> bool {
        let frozen = self.frozen_us.get(&node);
        frozen.is_some_and(|(from_us, until_us)| from_us + SILENCE_US <= now_us && now_us < *until_us)
    }

    /// Who gives a connection up because nothing has been heard on it for so long: a direction is cut, or a
    /// node is frozen.
    pub(crate) fn silent_for(&self, id: ConnectionId, now_us: u64) -> Option<usize> {
        let [caller, callee] = self.wires.get(&id)?.ends;
        match (self.is_silent(id, now_us), self.is_mute(caller, now_us), self.is_mute(callee, now_us)) {
            (true, ..) | (_, false, true) => Some(caller),
            (_, true, false) => Some(callee),
            _ => None,
        }
    }

    fn is_silent(&self, id: ConnectionId, now_us: u64) -> bool {
        let silent = |lane: &Lane| lane.cut_since_us.is_some_and(|since_us| since_us + SILENCE_US <= now_us);
        self.wires.get(&id).is_some_and(|wire| wire.lanes.iter().any(silent))
    }
}

/// What the end or the beginning of a cut has changed.
#[derive(Default)]
pub(crate) struct Released {
    /// Connections that are cut now.
    pub cut: Vec<ConnectionId>,
    /// Messages that arrive: when, on which connection, sent by which end.
    pub arrives: Vec<(u64, ConnectionId, usize, Message)>,
}
