//! What the chain's machine answers, and to whom.

use vision_authoring as authoring;
use vision_importer::{Answer, ImportEnd, Input, NotPrepared, NotStored, Origin, RequestId, Screened};
use vision_peering::{self as peering, Form};

use super::chain::Asked;
use super::{Node, SharedBlock};
use crate::event::What;
use crate::shared::Shared;

impl Node {
    /// A block is stored.
    pub(crate) fn stored(
        &mut self,
        block: SharedBlock,
        origin: Origin,
        reply: Option<RequestId>,
        shared: &mut Shared,
    ) {
        let (hash, height) = (block.hash(), block.header().height);
        let from = origin.peer().copied();
        self.peers(peering::Input::Stored { blocks: vec![(height, hash)], from }, shared);
        let own = block.header().producer == self.who.id && !shared.forgets(self.who.index);
        if own && self.running().producer.is_some() {
            let own = authoring::OwnBlock { height, parent: block.header().parent, hash };
            self.later(200, authoring::Input::OwnBlock(own), None, shared);
        }
        if !matches!(origin, Origin::Fetched(_)) {
            let form = Form::of(&block);
            self.running().peers.gossiping = Some(block);
            self.peers(peering::Input::GossipBlock { hash, form }, shared);
            self.running().peers.gossiping = None;
        }
        let Some(Asked::Submit(op, proposal)) = reply.and_then(|id| self.running().chain.asked.remove(&id))
        else {
            return;
        };
        shared.counts.made(&proposal);
        let became_head = self.running().chain.importer.tree().head().hash() == hash;
        let input = authoring::Input::Submitted { op, proposal, became_head, sent_to: 0, send_failed: 0 };
        self.later(150, input, None, shared);
    }

    /// The machine has answered.
    pub(crate) fn reply(&mut self, id: RequestId, answer: Answer, shared: &mut Shared) {
        let asked = self.running().chain.asked.remove(&id);
        match (asked, answer) {
            (Some(Asked::Prepare(op, ask)), Answer::Prepared(made)) => {
                let about = Some(ask.parent.hash);
                let input = match made {
                    Ok(prepared) => self.verified(op, &ask, prepared, shared),
                    Err(NotPrepared::TipChanged { .. }) => {
                        authoring::Input::PrepareFailed { op, failure: authoring::Failure::TipChanged }
                    }
                    Err(other) => authoring::Input::PrepareFailed { op, failure: unavailable(&other) },
                };
                self.later(200, input, about, shared);
            }
            (Some(Asked::Submit(op, proposal)), Answer::Refused(NotStored::BodyGone)) => {
                self.submit_whole(op, proposal, shared);
            }
            (Some(Asked::Submit(op, proposal)), Answer::Refused(refused)) => {
                self.not_stored(op, proposal, &refused, shared);
            }
            (Some(Asked::Import(round)), Answer::Imported(end)) => {
                let (new, stopped) = match end {
                    ImportEnd::Imported(new) => (new, false),
                    ImportEnd::Stopped(new) => (new, true),
                };
                let finalized = self.running().chain.importer.tree().final_entry().height();
                let input = peering::Input::Imported { round, new, stopped, finalized };
                self.plan(100, What::peers(input), shared);
            }
            (Some(Asked::Screen), Answer::Screened(screened)) => self.screened(screened, shared),
            (_, answer) => {
                let now_us = shared.queue.now_us();
                shared.checks.broken(now_us, self.who.index, "answer", format!("{id:?}: {answer:?}"));
            }
        }
    }

    /// Signatures are verified, and what is right goes on.
    fn screened(&mut self, Screened { mut verified, unverified }: Screened, shared: &mut Shared) {
        for arrival in unverified {
            if shared.is_signed(&arrival.transaction) {
                verified.push(arrival);
            } else if let Some(peer) = arrival.peer {
                let why = "a transaction with a wrong signature".to_owned();
                self.peers(peering::Input::Charged { peer, points: 50, why }, shared);
            }
        }
        if !verified.is_empty() {
            self.enqueue(Input::Admit { batch: verified }, None, shared);
        }
    }
}

fn unavailable(why: &NotPrepared) -> authoring::Failure {
    match why {
        NotPrepared::StoreUnavailable => authoring::Failure::Unavailable(why.to_string()),
        other => authoring::Failure::Refused(other.to_string()),
    }
}
