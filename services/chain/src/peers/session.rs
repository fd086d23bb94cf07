//! One connection: both sides introduce themselves and prove it, then talk until it ends.
//! The same code serves the side that called and the side that was called.

mod answer;
mod introduce;
mod pending;
mod receive;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vision_host::text::cut_to;
use vision_peering::{Fault, Output, Received, of_caller, owner_of};
use vision_primitives::NodeId;
use vision_wire::Reason;
use vision_wire::p2p::{PeerMessage, peer_message::Kind};

use super::answer_permits::AnswerTurns;
use super::channels::{Channels, Gossip, Outbox};
use super::context::Context;
use super::convert::message;
use super::identity::Remote;
use super::refused::{MAX_REASON_CHARS, Refused};
use super::table::{Connection, Entered};

/// Both introductions must be over in this time.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// A connection on which nothing comes for so long is dropped.
const SILENCE_DEADLINE: Duration = Duration::from_secs(10);
/// Questions of one peer that are answered or wait for it.
const MAX_QUESTIONS: usize = 4;
/// Messages of one peer that may wait for the chain's thread, so that one who floods holds up itself and
/// not the others.
const MAX_WAITING_MESSAGES: usize = 8;

/// Why a connection ended, for the one who called.
#[derive(Debug)]
pub(super) enum End {
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
pub(super) enum Endpoint {
    /// We called this address.
    Called(String),
    /// It called from this socket.
    CalledBy(SocketAddr),
}

/// Runs a connection from the first message to its end.
pub(super) async fn run<S>(
    context: Arc<Context>,
    endpoint: Endpoint,
    channels: Channels,
    gives_way: CancellationToken,
    mut inbound: S,
    on_stand: impl FnOnce(NodeId),
) -> End
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let Channels { outbox, gossip, pending, bulk } = channels;
    let introducing = introduce::introduce(&context, &outbox, &mut inbound);
    let introducing = timeout(HANDSHAKE_DEADLINE, introducing);
    let introduced = tokio::select! {
        biased;
        // One that is complete gives its permit back by itself.
        introduced = introducing => introduced,
        () = gives_way.cancelled() => {
            let why = "this place is needed for another handshake, try again";
            Ok(Err(Refused::new(Reason::Overloaded, why)))
        }
    };
    let remote = match introduced {
        Err(_) => return End::Broken("the handshake took too long".into()),
        Ok(Err(refused)) => {
            // The other side may be gone already; then nobody needs the explanation.
            let _ = outbox.try_send(Err(refused.status()));
            return End::Refused(refused);
        }
        Ok(Ok(remote)) => remote,
    };
    let entered = connection(&endpoint, &remote, outbox.clone(), gossip)
        .and_then(|connection| context.table.enter(connection));
    let mut entered = match entered {
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
    let began = context.clock.instant();
    let why = Session {
        context: &context,
        remote: &remote,
        id,
        pending,
        bulk,
        answering: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        turns: AnswerTurns::default(),
        permits: Arc::new(Semaphore::new(MAX_WAITING_MESSAGES)),
        last_report: Mutex::default(),
    }
    .talk(inbound, &mut entered)
    .await;
    context.nodes.parted(&id, &why);
    let stood = context.clock.instant() - began;
    let stood_ms = u64::try_from(stood.as_millis()).unwrap_or(u64::MAX);
    context.table.leave(id, entered.connection, why.to_string(), stood_ms);
    End::After { id, stood, why }
}

/// Whom an address book counts as the source of what a peer sends: ids cost nothing, hosts do.
fn source_of(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Called(address) => {
            address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned()
        }
        Endpoint::CalledBy(socket) => owner_of(socket.ip()).to_string(),
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
    endpoint: &Endpoint,
    remote: &Remote,
    outbox: Outbox,
    gossip: Gossip,
) -> Result<Connection, Refused> {
    let (address, inbound, leads_to) = match endpoint {
        Endpoint::Called(address) => (address.clone(), false, address.clone()),
        Endpoint::CalledBy(socket) => {
            let address = of_caller(&remote.listen_address, socket.ip()).map_err(|why| {
                Refused::new(Reason::MalformedMessage, format!("hello: listen_address: {why}"))
            })?;
            (address, true, socket.to_string())
        }
    };
    Ok(Connection {
        peer: remote.node_id,
        version: remote.version.clone(),
        address,
        inbound,
        remote: leads_to,
        source: source_of(endpoint),
        outbox,
        gossip,
    })
}

struct Session<'a> {
    context: &'a Arc<Context>,
    remote: &'a Remote,
    id: NodeId,
    /// For what is pending.
    pending: Gossip,
    bulk: mpsc::Sender<PeerMessage>,
    /// Questions of this peer that are answered or wait for it.
    answering: Arc<Semaphore>,
    /// Its turns at being answered.
    turns: AnswerTurns,
    /// This peer's permits for the mailbox of the chain's thread.
    permits: Arc<Semaphore>,
    /// What the peer last reported of itself, and its signature, which need not be checked again.
    last_report: Mutex<(Bytes, Bytes)>,
}

impl Session<'_> {
    async fn talk<S>(&self, mut inbound: S, entered: &mut Entered) -> Cow<'static, str>
    where
        S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
    {
        let mut silent_at = self.context.clock.instant() + SILENCE_DEADLINE;
        loop {
            let due_at = self.context.instant_of(*entered.due_ms.borrow_and_update());
            tokio::select! {
                biased;
                () = entered.closed.cancelled() => return "closed from this side".into(),
                () = self.context.drain.begun() => return "this node stops".into(),
                // What is due never waits for a peer that sends without a pause; each time the machine names
                // a later instant, so the peer is heard too.
                () = sleep_until(due_at) => self.send_what_is_due(entered),
                Ok(()) = entered.due_ms.changed() => {}
                received = inbound.next() => match received {
                    Some(Ok(PeerMessage { kind: Some(kind) })) => {
                        silent_at = self.context.clock.instant() + SILENCE_DEADLINE;
                        self.receive(kind).await;
                    }
                    Some(Ok(_)) => self.charge(Fault::Empty),
                    Some(Err(status)) => {
                        if does_not_decode(&status) {
                            self.charge(Fault::Undecodable);
                        }
                        return reason_given(&status).map_or("broken".into(), Cow::Owned);
                    }
                    None => return "ended by the other side".into(),
                },
                () = sleep_until(silent_at) => return "silent".into(),
            }
        }
    }

    fn charge(&self, fault: Fault) {
        self.context.table.received(&self.id, Received::Faulty(fault));
    }

    fn send_what_is_due(&self, entered: &Entered) {
        for output in self.context.table.peer_due(self.id, entered.connection) {
            match output {
                Output::SendStatus { peer, echo } => {
                    let status = message(Kind::Status(self.context.status(echo)));
                    self.context.table.send_status(peer, status);
                }
                Output::SendPending { peer, connection } => {
                    let (context, channel) = (self.context.clone(), self.pending.clone());
                    tokio::spawn(async move {
                        pending::send_all(&context.core, &channel).await;
                        context.table.pending_sent(peer, connection);
                    });
                }
                other => unreachable!("{other:?} is not for a session"),
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
