//! One connection: both sides introduce themselves and prove it, then talk until it ends.
//! The same code serves the side that called and the side that was called.

mod answer;
mod ways;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{Instrument as _, Span};
use vision_host::telemetry;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Header, NodeId, TimestampMs};
use vision_wire::Reason;
use vision_wire::p2p::{Hello, PeerAddresses, PeerMessage, peer_message::Kind};

use super::Context;
use super::book::is_address;
use super::identity::{Refused, Remote};
use super::table::Connection;
use crate::actor::Command;
use crate::trace;
pub use ways::{Gossip, Outbox, Ways, ways};

/// Both introductions must be over in this time.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// A status goes out at least so often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// After a moved head a status goes out so soon; moves in between share it.
const STATUS_AFTER_MOVE: Duration = Duration::from_millis(50);
/// Addresses go out so often.
const ADDRESSES_EVERY: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for so long is dropped.
const SILENCE_DEADLINE: Duration = Duration::from_secs(10);
/// So often a peer that has missed transactions is told all that wait.
const CATCH_UP_EVERY: Duration = Duration::from_secs(5);
/// Answers given to one peer at once.
const MAX_ANSWERS: usize = 4;
/// Most addresses in one message.
const MAX_ADDRESSES_IN_MESSAGE: usize = 64;
/// Most transactions in one message.
pub const MAX_TRANSACTIONS_IN_MESSAGE: usize = 1024;
/// Messages of one peer that may wait for the chain's thread, so that one who floods holds up itself and
/// not the others.
const MAX_WAITING_MESSAGES: usize = 8;

/// Why a connection ended, for the one who called.
#[derive(Debug)]
pub enum End {
    /// It stood and ended.
    After(NodeId),
    /// The other side has proven who it is, and there is a connection with it already.
    Known(NodeId),
    /// It was refused before it stood.
    Refused(Refused),
    /// It broke before it stood.
    Broken(String),
}

/// How the other side is reached.
pub enum Way {
    /// We called this address.
    Called(String),
    /// It called from this socket.
    CalledBy(SocketAddr),
}

fn message(kind: Kind) -> PeerMessage {
    PeerMessage { kind: Some(kind) }
}

async fn next<S>(inbound: &mut S) -> Result<Kind, Refused>
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let broken = |status: Status| Refused::new(Reason::MalformedMessage, status.message().to_owned());
    match inbound.next().await {
        Some(Ok(PeerMessage { kind: Some(kind) })) => Ok(kind),
        Some(Ok(_)) => Err(Refused::new(Reason::MalformedMessage, "an empty message")),
        Some(Err(status)) => Err(broken(status)),
        None => Err(Refused::new(Reason::MalformedMessage, "the other side ended the connection")),
    }
}

async fn introduce<S>(context: &Context, outbox: &Outbox, inbound: &mut S) -> Result<Remote, Refused>
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let gone = |_| Refused::new(Reason::MalformedMessage, "the other side is gone");
    let challenge: [u8; 32] =
        vision_host::random_bytes().map_err(|error| Refused::new(Reason::NotReady, error.to_string()))?;
    outbox.send(Ok(message(Kind::Hello(context.identity.hello(&challenge))))).await.map_err(gone)?;
    let theirs: Hello = match next(inbound).await? {
        Kind::Hello(hello) => hello,
        _ => return Err(Refused::new(Reason::MalformedMessage, "the first message is no hello")),
    };
    let remote = context.identity.check_hello(&theirs)?;
    context.table.admit(&remote.node_id)?;
    outbox.send(Ok(message(Kind::Proof(context.identity.prove(&theirs, &challenge))))).await.map_err(gone)?;
    match next(inbound).await? {
        Kind::Proof(proof) => context.identity.check_proof(&remote, &theirs, &challenge, &proof)?,
        _ => return Err(Refused::new(Reason::MalformedMessage, "the second message is no proof")),
    }
    Ok(remote)
}

/// Runs a connection from the first message to its end.
pub async fn run<S>(
    context: Arc<Context>,
    way: Way,
    ways: Ways,
    mut inbound: S,
    on_stand: impl FnOnce(NodeId),
) -> End
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let Ways { outbox, gossip, bulk } = ways;
    let introduced = timeout(HANDSHAKE_DEADLINE, introduce(&context, &outbox, &mut inbound)).await;
    let remote = match introduced {
        Err(_) => return End::Broken("the introduction took too long".into()),
        Ok(Err(refused)) => {
            // The other side may be gone already; then nobody needs the explanation.
            let _ = outbox.try_send(Err(refused.status()));
            return End::Refused(refused);
        }
        Ok(Ok(remote)) => remote,
    };
    let entered = connection(&context, &way, remote.clone(), outbox.clone(), gossip.clone())
        .and_then(|connection| context.table.enter(connection));
    let (number, closed) = match entered {
        Ok(entered) => entered,
        Err(refused) => {
            let _ = outbox.try_send(Err(refused.status()));
            return match refused.reason {
                Reason::PeerAlreadyConnected => End::Known(remote.node_id),
                _ => End::Refused(refused),
            };
        }
    };
    let id = remote.node_id;
    on_stand(id);
    tracing::info!(peer = %id, version = %remote.version, inbound = matches!(way, Way::CalledBy(_)), "peer connected");
    let why = Session {
        context: &context,
        remote: &remote,
        id,
        gossip,
        bulk,
        answering: Arc::new(Semaphore::new(MAX_ANSWERS)),
        places: Arc::new(Semaphore::new(MAX_WAITING_MESSAGES)),
        telling: Arc::new(Semaphore::new(1)),
    }
    .talk(inbound, &closed)
    .await;
    context.table.leave(&id, number);
    tracing::info!(peer = %id, why, "peer disconnected");
    End::After(id)
}

/// Whether a stream broke on what the other side has sent. A connection that is cut, as by a restart, may
/// have the same code, but then the transport's error is its source or in its text.
fn does_not_decode(status: &Status) -> bool {
    use std::error::Error;
    let of_the_codec = matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange);
    of_the_codec
        && status.source().is_none()
        && !status.message().starts_with("h2 protocol error")
        && !status.message().starts_with("Unexpected EOF")
}

fn connection(
    context: &Context,
    way: &Way,
    remote: Remote,
    outbox: Outbox,
    gossip: Gossip,
) -> Result<Connection, Refused> {
    let (address, inbound) = match way {
        Way::Called(address) => (address.clone(), false),
        Way::CalledBy(socket) => {
            let address = match remote.listen_address.strip_prefix(':') {
                Some(port) => SocketAddr::new(socket.ip(), port.parse().unwrap_or(0)).to_string(),
                None => remote.listen_address.clone(),
            };
            if !is_address(&address) {
                let why = "hello: listen_address is no host:port";
                return Err(Refused::new(Reason::MalformedMessage, why));
            }
            context.learn(&address);
            (address, true)
        }
    };
    Ok(Connection { remote, address, inbound, outbox, gossip })
}

struct Session<'a> {
    context: &'a Arc<Context>,
    remote: &'a Remote,
    id: NodeId,
    gossip: Gossip,
    bulk: mpsc::Sender<PeerMessage>,
    /// Answers being given to this peer.
    answering: Arc<Semaphore>,
    /// This peer's places in the mailbox of the chain's thread.
    places: Arc<Semaphore>,
    /// Free unless the peer is being told all that waits.
    telling: Arc<Semaphore>,
}

impl Session<'_> {
    async fn talk<S>(&self, mut inbound: S, closed: &CancellationToken) -> &'static str
    where
        S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
    {
        let mut heads = self.context.head.clone();
        let mut status_due = Instant::now();
        let mut addresses_due = Instant::now();
        let mut catch_up_due = Instant::now();
        let mut silent_at = Instant::now() + SILENCE_DEADLINE;
        loop {
            tokio::select! {
                biased;
                () = closed.cancelled() => return "closed from this side",
                () = self.context.drain.begun() => return "this node stops",
                () = sleep_until(status_due) => {
                    self.send_status();
                    status_due = Instant::now() + STATUS_EVERY;
                }
                () = sleep_until(addresses_due) => {
                    self.send_addresses();
                    addresses_due = Instant::now() + ADDRESSES_EVERY;
                }
                () = sleep_until(catch_up_due) => {
                    self.tell_missed();
                    catch_up_due = Instant::now() + CATCH_UP_EVERY;
                }
                moved = heads.changed() => {
                    if moved.is_err() {
                        return "this node stops";
                    }
                    heads.mark_unchanged();
                    status_due = status_due.min(Instant::now() + STATUS_AFTER_MOVE);
                }
                received = inbound.next() => match received {
                    Some(Ok(PeerMessage { kind: Some(kind) })) => {
                        silent_at = Instant::now() + SILENCE_DEADLINE;
                        self.receive(kind).await;
                    }
                    Some(Ok(_)) => self.charge(20, "an empty message"),
                    Some(Err(status)) => {
                        if does_not_decode(&status) {
                            self.charge(50, "a message that does not decode");
                        }
                        return "broken";
                    }
                    None => return "ended by the other side",
                },
                () = sleep_until(silent_at) => return "silent",
            }
        }
    }

    fn charge(&self, points: u32, why: &str) {
        self.context.table.charge(&self.id, points, why);
    }

    fn send_status(&self) {
        let status = self.context.status(&self.id);
        // A full outbox is watched by the table, which closes the connection when it stays full.
        let _ = self.context.table.send(&self.id, message(Kind::Status(status)));
    }

    fn send_addresses(&self) {
        let addresses = self.context.reached(MAX_ADDRESSES_IN_MESSAGE);
        if !addresses.is_empty() {
            let kind = Kind::Addresses(PeerAddresses { addresses });
            let _ = self.context.table.send(&self.id, message(kind));
        }
    }

    /// Tells the peer all transactions that wait, if it has missed any and is not being told already.
    fn tell_missed(&self) {
        let Ok(turn) = self.telling.clone().try_acquire_owned() else { return };
        if !self.gossip.take_missed() {
            return;
        }
        let (core, gossip) = (self.context.core.clone(), self.gossip.clone());
        tokio::spawn(async move {
            gossip.tell_all(&core).await;
            drop(turn);
        });
    }

    /// Passes a message on to the chain's thread, once there is a place for it.
    async fn tell(&self, command: Command) {
        let arrived = Instant::now();
        let Ok(place) = self.places.clone().acquire_owned().await else { return };
        self.context.core.tell(Command::FromPeer { command: Box::new(command), arrived, place }).await;
    }

    /// The span of a block that came from this peer. What the peer says of its own part is linked, not followed: it may be
    /// anybody's trace.
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

    async fn receive(&self, kind: Kind) {
        match kind {
            Kind::Hello(_) | Kind::Proof(_) => self.charge(100, "a second introduction"),
            Kind::Status(status) => {
                if !self.context.identity.check_status(self.remote, &status) {
                    return self.charge(100, "a status with a wrong signature");
                }
                self.context.table.note_status(&self.id, &status);
                self.tell(Command::Claim { peer: self.id, status }).await;
            }
            Kind::NewBlock(new) => {
                let Some(block) = new.block else { return self.charge(20, "a new block without a block") };
                match vision_wire::block_from_proto(block, &self.context.identity.genesis_hash) {
                    Err(error) => self.charge(50, &error.to_string()),
                    Ok(block) => {
                        let span = self.receive_span(block.header(), &new.traceparent);
                        self.context.table.note_known(&self.id, block.hash());
                        let command = Command::Announced { peer: self.id, block: Box::new(block) };
                        self.tell(command).instrument(span).await;
                    }
                }
            }
            Kind::Announcement(new) => {
                let span = match Header::from_bytes(&new.header) {
                    Ok(header) => self.receive_span(&header, &new.traceparent),
                    // The chain's thread says what it thinks of that.
                    Err(_) => Span::none(),
                };
                let (header, signature) = (new.header.to_vec(), new.signature.to_vec());
                self.tell(Command::Header { peer: self.id, header, signature }).instrument(span).await;
            }
            Kind::Transactions(batch) => {
                if batch.transactions.len() > MAX_TRANSACTIONS_IN_MESSAGE {
                    return self.charge(20, "too many transactions in one message");
                }
                if let Err(why) = self.context.intake.take_from(self.id, batch.transactions).await {
                    self.charge(50, &why);
                }
            }
            Kind::BlocksRequest(request) => self.answer(request),
            Kind::BlocksPart(part) => {
                let Some(block) = part.block else { return self.charge(20, "a part without a block") };
                match vision_wire::block_from_proto(block, &self.context.identity.genesis_hash) {
                    Err(error) => self.charge(50, &error.to_string()),
                    Ok(block) => {
                        if let Err(why) = self.context.table.answer_part(&self.id, part.request_id, block) {
                            self.charge(50, why);
                        }
                    }
                }
            }
            Kind::BlocksEnd(end) => self.context.table.answer_end(&self.id, end.request_id, &end.reason),
            Kind::Addresses(list) => {
                if list.addresses.len() > MAX_ADDRESSES_IN_MESSAGE {
                    return self.charge(20, "too many addresses in one message");
                }
                for address in &list.addresses {
                    self.context.learn(address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_other_side_sent_counts_as_undecodable() {
        let cases = [
            (Status::internal("failed to decode Protobuf message: invalid tag value: 0"), true),
            (Status::out_of_range("decoded message length too large: found 9 bytes"), true),
            (Status::internal("h2 protocol error: error reading a body from connection"), false),
            (Status::internal("Unexpected EOF decoding stream."), false),
            (Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset))), false),
            (Status::unavailable("gone"), false),
            (Status::cancelled("gone"), false),
        ];
        for (status, expect) in cases {
            assert_eq!(does_not_decode(&status), expect, "{status:?}");
        }
    }
}
