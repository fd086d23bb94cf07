//! Inputs made of steps.

use vision_peering::{Fault, Form, Input, MAX_ADDRESSES_IN_MESSAGE, Received, StatusTimes};
use vision_primitives::{Height, NodeId, Pool};

use super::world::{World, block_of, host_of, node};
use super::{Address, Step, Time};

impl World {
    fn time(&self, time: Time) -> u64 {
        match time {
            Time::Zero => 0,
            Time::Near(by) => self.wall_ms.saturating_add_signed(i64::from(by)),
            Time::Any(at) => at,
        }
    }

    /// Whom and what a question was asked.
    fn question(&self, which: u8) -> Option<(NodeId, u64)> {
        let at = usize::from(which).checked_rem(self.asked.len())?;
        Some((self.asked[at].peer, self.asked[at].request_id))
    }

    /// The input of a step that changes nothing around the machine.
    pub(super) fn input_of(&self, step: Step<'_>) -> Option<Input> {
        let received = |peer: u8, message| Input::Received { peer: node(peer), message };
        let input = match step {
            Step::Status { peer, sent_at, echo_sent_at, echo_received_at } => {
                let [sent_at_ms, echo_sent_at_ms, echo_received_at_ms] =
                    [sent_at, echo_sent_at, echo_received_at].map(|time| self.time(time));
                received(
                    peer,
                    Received::Status(StatusTimes { sent_at_ms, echo_sent_at_ms, echo_received_at_ms }),
                )
            }
            Step::Has { peer, block } => received(peer, Received::Has(block_of(block).hash())),
            Step::Part { asked, block, any } => {
                let (peer, request_id) = match (any, self.question(asked)) {
                    (None, Some(question)) => question,
                    (any, _) => (node(asked), u64::from(any.unwrap_or(block))),
                };
                let message = Received::Part { request_id, block: Box::new(block_of(block).clone()) };
                Input::Received { peer, message }
            }
            Step::AnswerEnds { asked, reason } => {
                let (peer, request_id) = self.question(asked).unwrap_or((node(asked), 0));
                Input::Received { peer, message: Received::End { request_id, reason: reason.into() } }
            }
            Step::Addresses { peer, addresses } => {
                let text = |address| match address {
                    Address::Of(host) => host_of(host),
                    Address::Any(text) => str::to_owned(text),
                };
                let addresses = addresses.0.into_iter().take(MAX_ADDRESSES_IN_MESSAGE).map(text);
                received(peer, Received::Addresses(addresses.collect()))
            }
            Step::Faulty { peer, which } => {
                let faults = [Fault::Undecodable, Fault::Empty, Fault::SecondIntroduction, Fault::Report];
                received(peer, Received::Faulty(faults[usize::from(which) % 4].clone()))
            }
            Step::Claim { peer, block, weight, verified } => {
                let (height, hash) = (block_of(block).header().height, block_of(block).hash());
                Input::TipClaimed { peer: node(peer), height, hash, weight, verified }
            }
            Step::Known { peer, block } => {
                let (height, hash) = (block_of(block).header().height, block_of(block).hash());
                Input::TipKnown { peer: node(peer), height, hash }
            }
            Step::Excused(peer) => Input::Excused { peer: node(peer) },
            Step::Charged { peer, points } => {
                Input::Charged { peer: node(peer), points: u32::from(points), why: "fuzz".into() }
            }
            Step::Head { height, weight, producer } => {
                Input::HeadMoved { height: Height(height), weight, registered: Pool::new([node(producer)]) }
            }
            Step::Stored { block, from } => {
                let block = block_of(block);
                Input::Stored { blocks: vec![(block.header().height, block.hash())], from: from.map(node) }
            }
            Step::Gossip { block, whole } => {
                let form = if whole { Form::Whole } else { Form::Header };
                Input::GossipBlock { hash: block_of(block).hash(), form }
            }
            Step::GossipTransactions(from) => Input::GossipTransactions { from: from.map(node) },
            Step::Missed(peer) => Input::TransactionsMissed { peer: node(peer) },
            Step::OwnTwin(address) => Input::OwnTwin { address: address.into() },
            _ => return None,
        };
        Some(input)
    }
}
