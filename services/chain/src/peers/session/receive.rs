//! What a peer says, by kind.

use std::sync::Arc;

use tracing::{Instrument as _, Span};
use vision_host::telemetry;
use vision_peering::{Fault, Received};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Header, NodeReport, TimestampMs};
use vision_wire::p2p::Status;
use vision_wire::p2p::peer_message::Kind;

use super::super::context::lock;
use super::super::convert;
use super::Session;
use crate::mailbox::Command;
use crate::trace;

impl Session<'_> {
    /// Passes a message on to the chain's thread, once there is room for it.
    async fn pass_on(&self, command: Command) {
        let arrived = self.context.clock.instant();
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
        self.context.core.send(Command::FromPeer { command: Box::new(command), arrived, permit }).await;
    }

    /// The span of a block that came from this peer. What the peer says of its own part is linked, not
    /// followed: it may be anybody's trace.
    fn receive_span(&self, header: &Header, traceparent: &str) -> Span {
        let now = TimestampMs(self.context.clock.now_ms());
        if !trace::is_recent(header, self.context.head.borrow().height, now) {
            return Span::none();
        }
        let span = tracing::info_span!(
            "chain.block.receive",
            "vision.height" = trace::number(header.height.get()),
            "vision.slot" = trace::number(header.slot.get()),
            "vision.peer" = %self.id,
        );
        let genesis_hash = &self.context.identity.genesis_hash;
        let span = trace::under(span, genesis_hash, header.height);
        if !span.is_disabled() {
            telemetry::follow(&span, traceparent, HeightTrace::of(genesis_hash, header.height).trace_id);
        }
        span
    }

    /// Takes what a peer reports about itself with its status, if it does: older ones do not. What it
    /// last reported still stands.
    fn hear_report(&self, status: &Status) -> Result<(), Fault> {
        let (report, signature) = (&status.report, &status.report_signature);
        if report.is_empty() && signature.is_empty() {
            return Ok(());
        }
        let mut last = lock(&self.last_report);
        if last.0 == *report && last.1 == *signature {
            return Ok(());
        }
        let read = NodeReport::from_bytes(report).map_err(|_| Fault::Report)?;
        if !self.context.identity.check_report(self.remote, report, signature) {
            return Err(Fault::ReportSignature);
        }
        *last = (report.clone(), signature.clone());
        self.context.nodes.heard(&self.id, Arc::new(read));
        Ok(())
    }

    /// Passes on what the table is to judge.
    fn hears(&self, message: Received) {
        self.context.table.received(&self.id, message);
    }

    pub(super) async fn receive(&self, kind: Kind) {
        let genesis_hash = &self.context.identity.genesis_hash;
        match kind {
            Kind::Hello(_) | Kind::Proof(_) => self.charge(Fault::SecondIntroduction),
            Kind::Status(status) => {
                if !self.context.identity.check_status(self.remote, &status) {
                    return self.charge(Fault::StatusSignature);
                }
                if let Err(fault) = self.hear_report(&status) {
                    return self.charge(fault);
                }
                self.hears(convert::times(&status));
                self.pass_on(Command::Status { peer: self.id, status }).await;
            }
            Kind::NewBlock(new) => match convert::block(new.block, Fault::NoNewBlock, genesis_hash) {
                Err(fault) => self.charge(fault),
                Ok(block) => {
                    let span = self.receive_span(block.header(), &new.traceparent);
                    self.hears(Received::Has(block.hash()));
                    let command = Command::Announced { peer: self.id, block: Box::new(block) };
                    self.pass_on(command).instrument(span).await;
                }
            },
            Kind::Announcement(new) => {
                let span = match Header::from_bytes(&new.header) {
                    Ok(header) => self.receive_span(&header, &new.traceparent),
                    // The chain's thread says what it thinks of that.
                    Err(_) => Span::none(),
                };
                let (header, signature) = (new.header.to_vec(), new.signature.to_vec());
                self.pass_on(Command::Header { peer: self.id, header, signature }).instrument(span).await;
            }
            Kind::Transactions(batch) => {
                if let Err(why) = self.context.ingress.take_from(self.id, batch.transactions).await {
                    self.charge(Fault::Transactions(why));
                }
            }
            Kind::BlocksRequest(request) => self.answer(request),
            Kind::BlocksPart(part) => self.hears(convert::part(part, genesis_hash)),
            Kind::BlocksEnd(end) => self.hears(convert::end(&end)),
            Kind::Addresses(list) => self.hears(Received::Addresses(list.addresses)),
        }
    }
}
