//! One connection: both sides introduce themselves and prove it, then talk until it ends.
//! The same code serves the side that called and the side that was called.

mod answer;
mod introduce;
mod receive;
mod ways;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vision_host::text::cut_to;
use vision_primitives::NodeId;
use vision_wire::p2p::{PeerAddresses, PeerMessage, peer_message::Kind};
use vision_wire::{MAX_ADDRESSES_IN_MESSAGE, Reason};

use super::Context;
use super::address;
use super::identity::{Refused, Remote};
use super::table::Connection;
pub use answer::AnswerPlaces;
use answer::AnswerTurns;
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
/// Questions of one peer that are answered or wait for it.
const MAX_QUESTIONS: usize = 4;
/// Most characters of another side's reason that are shown.
const MAX_REASON_CHARS: usize = 120;
/// Messages of one peer that may wait for the chain's thread, so that one who floods holds up itself and
/// not the others.
const MAX_WAITING_MESSAGES: usize = 8;

/// Why a connection ended, for the one who called.
#[derive(Debug)]
pub enum End {
    /// It stood for so long and ended.
    After {
        /// With whom.
        id: NodeId,
        /// How long it stood.
        stood: Duration,
        /// Why it ended: the other side's reason, if it gave one.
        why: Cow<'static, str>,
    },
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

/// Runs a connection from the first message to its end.
pub async fn run<S>(
    context: Arc<Context>,
    way: Way,
    ways: Ways,
    gives_way: CancellationToken,
    mut inbound: S,
    on_stand: impl FnOnce(NodeId),
) -> End
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let Ways { outbox, gossip, bulk } = ways;
    let introduced = tokio::select! {
        introduced = timeout(HANDSHAKE_DEADLINE, introduce::introduce(&context, &outbox, &mut inbound)) => introduced,
        () = gives_way.cancelled() => {
            Ok(Err(Refused::new(Reason::Overloaded, "this place is needed for another introduction, try again")))
        }
    };
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
            context.note_twin(&way, &remote, &refused);
            return match refused.reason {
                Reason::PeerAlreadyConnected => End::Known(remote.node_id),
                _ => End::Refused(refused),
            };
        }
    };
    let id = remote.node_id;
    on_stand(id);
    let began = Instant::now();
    let called_us = matches!(way, Way::CalledBy(_));
    if context.may_say_of_connection(&id) {
        tracing::info!(peer = %id, version = %remote.version, inbound = called_us, "peer connected");
    }
    let why = Session {
        context: &context,
        remote: &remote,
        id,
        gossip,
        bulk,
        source: source_of(&way),
        answering: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        turns: AnswerTurns::default(),
        places: Arc::new(Semaphore::new(MAX_WAITING_MESSAGES)),
        telling: Arc::new(Semaphore::new(1)),
        last_report: Mutex::default(),
    }
    .talk(inbound, &closed)
    .await;
    context.nodes.parted(&id, &why);
    context.table.leave(&id, number);
    let stood = began.elapsed();
    if context.may_say_of_connection(&id) {
        tracing::info!(peer = %id, %why, stood_ms = stood.as_millis() as u64, "peer disconnected");
    }
    End::After { id, stood, why }
}

/// Whom an address book counts as the source of what a peer tells: ids cost nothing, hosts do.
fn source_of(way: &Way) -> String {
    match way {
        Way::Called(address) => {
            address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned()
        }
        Way::CalledBy(socket) => address::owner_of(socket.ip()).to_string(),
    }
}

/// Why the other side ended the stream, if it says so.
fn reason_given(status: &Status) -> Option<String> {
    let reason = vision_wire::reason_of(status)?;
    Some(cut_to(&format!("{reason}: {}", status.message()), MAX_REASON_CHARS))
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
            let address = address::of_caller(&remote.listen_address, socket.ip());
            let address = address.map_err(|why| {
                Refused::new(Reason::MalformedMessage, format!("hello: listen_address: {why}"))
            })?;
            context.learn(&address, &source_of(way));
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
    /// Whom the address book counts as the source of what this peer tells.
    source: String,
    /// Questions of this peer that are answered or wait for it.
    answering: Arc<Semaphore>,
    /// Its turns at being answered.
    turns: AnswerTurns,
    /// This peer's places in the mailbox of the chain's thread.
    places: Arc<Semaphore>,
    /// Free unless the peer is being told all that waits.
    telling: Arc<Semaphore>,
    /// What the peer last told of itself, and its signature, which need not be checked again.
    last_report: Mutex<(Bytes, Bytes)>,
}

impl Session<'_> {
    async fn talk<S>(&self, mut inbound: S, closed: &CancellationToken) -> Cow<'static, str>
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
                () = closed.cancelled() => return "closed from this side".into(),
                () = self.context.drain.begun() => return "this node stops".into(),
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
                        return "this node stops".into();
                    }
                    heads.mark_unchanged();
                    status_due = status_due.min(Instant::now() + STATUS_AFTER_MOVE);
                }
                received = inbound.next() => match received {
                    Some(Ok(PeerMessage { kind: Some(kind) })) => {
                        silent_at = Instant::now() + SILENCE_DEADLINE;
                        self.receive(kind).await;
                    }
                    Some(Ok(_)) => self.charge(20, "an empty message, or one with too long a list"),
                    Some(Err(status)) => {
                        if does_not_decode(&status) {
                            self.charge(50, "a message that does not decode");
                        }
                        return reason_given(&status).map_or("broken".into(), Cow::Owned);
                    }
                    None => return "ended by the other side".into(),
                },
                () = sleep_until(silent_at) => return "silent".into(),
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
