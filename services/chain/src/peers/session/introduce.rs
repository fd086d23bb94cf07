//! Introductions and their proofs, and what they show of an identity that is in use twice.

use futures::{Stream, StreamExt};
use tonic::Status;
use vision_host::text::cut_to;
use vision_wire::Reason;
use vision_wire::p2p::{Hello, PeerMessage, peer_message::Kind};

use super::super::address::MAX_ADDRESS_BYTES;
use super::super::{Context, lock};
use super::{MAX_REASON_CHARS, Outbox, Refused, Remote, Way, message};

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
    let challenge: [u8; 32] =
        vision_host::random_bytes().map_err(|error| Refused::new(Reason::NotReady, error.to_string()))?;
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
        context.note_own_twin(&theirs.listen_address);
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
        lock(&self.context.challenges).remove(&self.challenge);
    }
}

impl Context {
    fn note_challenge(&self, challenge: [u8; 32]) -> UnderWay<'_> {
        lock(&self.challenges).insert(challenge);
        UnderWay { context: self, challenge }
    }

    fn is_own_challenge(&self, challenge: &[u8]) -> bool {
        <[u8; 32]>::try_from(challenge).is_ok_and(|challenge| lock(&self.challenges).contains(&challenge))
    }

    /// Another process has proven this node's identity.
    fn note_own_twin(&self, address: &str) {
        let id = self.identity.node_id;
        if lock(&self.twins).proof(id, self.clock.monotonic_ms()) {
            let address = cut_to(address, MAX_ADDRESS_BYTES);
            tracing::warn!(
                identity = %id, address,
                "this node's identity is in use by another process too, which has proven it: stop one of them; a \
                 copied home needs keys of its own"
            );
        }
    }

    /// A peer has refused this node because it is connected already, and not with this process.
    pub fn note_refused_twin(&self, address: &str, why: &str) {
        let id = self.identity.node_id;
        if lock(&self.twins).sign(id, self.clock.monotonic_ms()) {
            tracing::warn!(
                identity = %id, address, why,
                "this node's identity seems to be in use by another process too: a peer keeps its connection with that \
                 one; stop one of them; a copied home needs keys of its own"
            );
        }
    }

    /// A second connection of a peer was refused. If both go the same way and the first one is alive, it may be of
    /// another process.
    pub fn note_twin(&self, way: &Way, remote: &Remote, refused: &Refused) {
        let id = remote.node_id;
        let inbound = matches!(way, Way::CalledBy(_));
        if refused.reason != Reason::PeerAlreadyConnected {
            return;
        }
        let Some(first) = self.table.address_if_alive(&id, inbound) else { return };
        if lock(&self.twins).sign(id, self.clock.monotonic_ms()) {
            let second = match way {
                Way::Called(address) => address.clone(),
                Way::CalledBy(socket) => socket.to_string(),
            };
            tracing::warn!(
                identity = %id, first, second,
                "one identity is in use by two processes: another node connects again and again with the identity of a \
                 connected peer; its operator must stop one of them"
            );
        }
    }
}
