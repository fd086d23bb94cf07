//! Introductions and their proofs.

use futures::{Stream, StreamExt};
use tonic::Status;
use vision_host::text::cut_to;
use vision_peering::MAX_ADDRESS_BYTES;
use vision_wire::Reason;
use vision_wire::p2p::{Hello, PeerMessage, peer_message::Kind};

use super::super::channels::Outbox;
use super::super::context::{Context, lock};
use super::super::convert::message;
use super::super::identity::Remote;
use super::super::refused::{MAX_REASON_CHARS, Refused};

/// Why there is no next message: it was too large to be read, or the other side says so in words of its own.
fn broken(status: &Status) -> Refused {
    let too_large = Reason::MessageTooLarge;
    let reason = match vision_wire::reason_of(status) {
        Some(given) if given == too_large.as_str() => too_large,
        _ => Reason::MalformedMessage,
    };
    Refused::new(reason, cut_to(status.message(), MAX_REASON_CHARS))
}

async fn next<S>(inbound: &mut S) -> Result<Kind, Refused>
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    match inbound.next().await {
        Some(Ok(PeerMessage { kind: Some(kind) })) => Ok(kind),
        Some(Ok(_)) => Err(Refused::new(Reason::MalformedMessage, "an empty message")),
        Some(Err(status)) => Err(broken(&status)),
        None => Err(Refused::new(Reason::MalformedMessage, "the other side ended the connection")),
    }
}

/// Says something. When the other side is gone it may have said why.
async fn say<S>(outbox: &Outbox, kind: Kind, inbound: &mut S) -> Result<(), Refused>
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    if outbox.send(Ok(message(kind))).await.is_ok() {
        return Ok(());
    }
    let gone = Refused::new(Reason::MalformedMessage, "the other side is gone");
    Err(next(inbound).await.err().unwrap_or(gone))
}

/// Both introductions and proofs.
pub(super) async fn introduce<S>(
    context: &Context,
    outbox: &Outbox,
    inbound: &mut S,
) -> Result<Remote, Refused>
where
    S: Stream<Item = Result<PeerMessage, Status>> + Unpin,
{
    let challenge = context.randomness.bytes::<32>();
    let challenge = challenge.map_err(|error| Refused::new(Reason::NotReady, error.to_string()))?;
    let _under_way = context.note_challenge(challenge);
    say(outbox, Kind::Hello(context.identity.hello(&challenge)), inbound).await?;
    let theirs: Hello = match next(inbound).await? {
        Kind::Hello(hello) => hello,
        _ => return Err(Refused::new(Reason::MalformedMessage, "the first message is not a hello")),
    };
    let remote = context.identity.check_hello(&theirs)?;
    let ourselves = remote.node_id == context.identity.node_id;
    // Whoever else shows this node's id must prove it before anything is said of a second node.
    if !ourselves || context.is_own_challenge(&theirs.challenge) {
        context.table.admit(&remote.node_id)?;
    }
    say(outbox, Kind::Proof(context.identity.prove(&theirs, &challenge)), inbound).await?;
    match next(inbound).await? {
        Kind::Proof(proof) => context.identity.check_proof(&remote, &theirs, &challenge, &proof)?,
        _ => return Err(Refused::new(Reason::MalformedMessage, "the second message is not a proof")),
    }
    if ourselves {
        context.table.own_twin(cut_to(&theirs.listen_address, MAX_ADDRESS_BYTES));
        context.table.admit(&remote.node_id)?;
    }
    Ok(remote)
}

/// A challenge of an introduction that is under way.
struct UnderWay<'a> {
    context: &'a Context,
    challenge: [u8; 32],
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.context.in_progress.challenges).remove(&self.challenge);
    }
}

impl Context {
    fn note_challenge(&self, challenge: [u8; 32]) -> UnderWay<'_> {
        lock(&self.in_progress.challenges).insert(challenge);
        UnderWay { context: self, challenge }
    }

    fn is_own_challenge(&self, challenge: &[u8]) -> bool {
        <[u8; 32]>::try_from(challenge)
            .is_ok_and(|challenge| lock(&self.in_progress.challenges).contains(&challenge))
    }
}
