//! Which nodes are called, and what a call's end says.

use vision_primitives::NodeId;

use crate::book::{CallEnd, Room};
use crate::{CallOutcome, Log, Output, Peering, RefusedCall, Task};

/// How often the book is looked through, milliseconds.
pub(crate) const LOOK_EVERY_MS: u64 = 200;
/// Calls begun at one look.
const MAX_CALLS: usize = 8;
/// A connection that stood for less has ended at once: the next call waits longer, milliseconds.
const SHORT_MS: u64 = 10_000;
/// Failures of a seed in a row before the log says so: nodes that start together miss each other once or
/// twice.
const FAILURES_UNTIL_LOGGED: u32 = 3;

impl Peering {
    /// Begins the calls that are due.
    pub(crate) fn look_for_calls(&mut self, now_ms: u64) {
        let room = Room { calls: self.room().min(MAX_CALLS), strangers: self.max_called_strangers() };
        let (peers, registered) = (&self.peers, &self.registered);
        let connected = |id: &NodeId| peers.contains_key(id);
        let producer = |id: &NodeId| registered.as_ref().is_some_and(|pool| pool.contains(id));
        for address in self.book.due(now_ms, room, connected, producer) {
            self.out.push(Output::Begin(Task::Call { address }));
        }
    }

    /// How many more connections to call for. A table full of strangers still has room for a producer.
    fn room(&self) -> usize {
        let strangers = self.peers.keys().any(|id| !self.is_producer(id));
        self.config.max_peers.saturating_sub(self.peers.len()).max(usize::from(strangers))
    }

    /// Most calls and connections at a time to addresses that peers have sent and where no producer answers.
    const fn max_called_strangers(&self) -> usize {
        self.config.max_peers.div_ceil(2)
    }

    pub(crate) fn call_ended(&mut self, address: String, outcome: CallOutcome, now_ms: u64) {
        let (end, why) = match outcome {
            CallOutcome::Known(peer) => (CallEnd::Connected(peer), String::new()),
            CallOutcome::Stood { peer, stood_ms, why, connected_already } => {
                // Not with this process, then.
                if connected_already && !self.peers.contains_key(&peer) {
                    self.note_refused_twin(&address, &why, now_ms);
                }
                let end = if stood_ms < SHORT_MS { CallEnd::Short(peer) } else { CallEnd::Connected(peer) };
                (end, why)
            }
            CallOutcome::Refused { refused: RefusedCall::Itself, why } => (CallEnd::Hopeless, why),
            CallOutcome::Refused { refused: RefusedCall::OtherChain, why } => {
                if let Some(left_out) = self.logged.pass(&format!("chain of {address}"), now_ms) {
                    let (address, refused) = (address.clone(), why.clone());
                    self.out.push(Output::Log(Log::OtherChain { address, refused, left_out }));
                }
                (CallEnd::Hopeless, why)
            }
            CallOutcome::Refused { refused: RefusedCall::Other, why } | CallOutcome::Broken { why } => {
                (CallEnd::Failed, why)
            }
        };
        let (place, reason) = (address.clone(), why.clone());
        self.out.push(Output::Log(Log::CallOver { address: place, end, why: reason }));
        let Some(failures) = self.book.ended(&address, end, now_ms) else { return };
        if failures >= FAILURES_UNTIL_LOGGED
            && end != CallEnd::Hopeless
            && let Some(left_out) = self.logged.pass(&format!("seed {address}"), now_ms)
        {
            self.out.push(Output::Log(Log::SeedFailed { address, why, failures, left_out }));
        }
    }

    /// A peer has refused this node because it is connected already, and not with this process.
    fn note_refused_twin(&mut self, address: &str, why: &str, now_ms: u64) {
        let identity = self.config.own;
        if self.twins.sign(identity, now_ms) {
            let (address, why) = (address.to_owned(), why.to_owned());
            self.out.push(Output::Log(Log::RefusedTwin { identity, address, why }));
        }
    }
}
