//! Questions that nobody needs answered, and answers that nobody needs.

use vision_peering::{ConnectionId, Query};
use vision_primitives::Hash;

use super::claims::random_hash;
use crate::behaviour::Behaviour;
use crate::event::What;
use crate::message::{Message, Trickle};
use crate::node::{Node, SharedBlock};
use crate::shared::Shared;

impl Node {
    /// Whether a question is answered as no honest node would; then that has happened.
    pub(crate) fn answers_badly(
        &self,
        (connection, end): (ConnectionId, usize),
        request_id: u64,
        blocks: &[SharedBlock],
        shared: &mut Shared,
    ) -> bool {
        if shared.behaviour(self.who.index) != Some(Behaviour::StallsAnswers) {
            return false;
        }
        let other: Vec<SharedBlock> =
            self.disk.chain.down().skip(shared.chance.index(50)).take(3).cloned().collect();
        match shared.chance.below(7) {
            0 => {}
            1 => {
                let left = blocks.iter().cloned().collect();
                let trickle = Box::new(Trickle { connection, end, request_id, left });
                self.plan(100_000, What::Trickle(trickle), shared);
            }
            2 => shared.stream(connection, end, request_id, other, true),
            3 => shared.stream(connection, end, request_id, Vec::new(), true),
            4 => {
                let twice = blocks.iter().chain(blocks).cloned().collect();
                shared.stream(connection, end, request_id, twice, true);
            }
            5 => {
                let backwards = blocks.iter().rev().cloned().collect();
                shared.stream(connection, end, request_id, backwards, true);
            }
            _ => {
                // One block of an answer, which then never ends.
                if let Some(block) = blocks.first().cloned() {
                    shared.send(connection, end, Message::Part { request_id, block });
                }
            }
        }
        true
    }

    /// The next block of a slow answer.
    pub(crate) fn trickle(&self, mut trickle: Box<Trickle>, shared: &mut Shared) {
        let Trickle { connection, end, request_id, .. } = *trickle;
        let Some(block) = trickle.left.pop_front() else {
            let reason = String::new();
            shared.send(connection, end, Message::End { request_id, reason });
            return;
        };
        shared.send(connection, end, Message::Part { request_id, block });
        let in_us = shared.chance.between(500_000, 9_000_000);
        self.plan(in_us, What::Trickle(trickle), shared);
    }

    /// Asks everybody for much, and for nothing that exists.
    pub(super) fn ask_for_nothing(&self, shared: &mut Shared) {
        let peers = self.peer_ids();
        for request_id in 0..4 {
            let locator: Vec<Hash> = (0..64).map(|_| random_hash(shared)).collect();
            let query = match shared.chance.below(3) {
                0 => Query::One(random_hash(shared)),
                1 => Query::After { locator, max_blocks: u32::MAX },
                _ => Query::Stretch { from: vision_primitives::Height(0), max_blocks: u32::MAX },
            };
            let request_id = u64::MAX - request_id;
            self.send_raw(&peers, &Message::Question { request_id, query }, shared);
        }
    }
}
