//! A peer that says what the attacker wants, from an address of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use vision_primitives::{Genesis, Hash, Header, SecretKey, Tag, hash};
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{self, ExchangeRequest, ExchangeResponse, Hello, HelloProof, PeerMessage};

/// Longest wait for a word of the node.
const DEADLINE: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 64 << 20;
/// How often a follower sends a status, and how soon after its head has moved.
const STATUS_EVERY: Duration = Duration::from_secs(1);
const STATUS_SOON: Duration = Duration::from_millis(50);

/// The address of an attacker: all of 127/8 is this machine.
pub const fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 1, number))
}

/// A connection from an attacker's address.
pub fn channel(from: IpAddr, port: u16) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("a URL");
    endpoint.local_address(Some(from)).connect_timeout(DEADLINE).connect_lazy()
}

/// An introduced peer.
pub struct Stranger {
    peer_key: SecretKey,
    genesis_hash: Hash,
    outbox: mpsc::Sender<ExchangeRequest>,
    pub inbound: Streaming<ExchangeResponse>,
}

impl Stranger {
    /// Calls and introduces itself; an `Err` is what the node answered.
    pub async fn call(from: IpAddr, p2p: u16, genesis: &Genesis, number: u32) -> Result<Self, Status> {
        let key = |which: &[u8]| SecretKey::from_seed(&hash(&[which, &number.to_le_bytes()]).0);
        let (node_key, peer_key) = (key(b"node"), key(b"peer"));
        let genesis_hash = genesis.hash();
        let certificate = node_key.sign(Tag::PeerKey, &genesis_hash, &peer_key.public_key().0);
        let peer_public = peer_key.public_key().0.to_vec();
        let (outbox, messages) = mpsc::channel(64);
        let mut client = PeerServiceClient::new(channel(from, p2p)).max_encoding_message_size(MAX_BYTES);
        let opening = client.exchange(ReceiverStream::new(messages));
        let opened = tokio::time::timeout(DEADLINE, opening).await;
        let inbound = opened.map_err(|_| Status::deadline_exceeded("no stream"))??.into_inner();
        let mut this = Self { peer_key, genesis_hash, outbox, inbound };
        let hello = Hello {
            protocol_version: 1,
            chain_id: genesis.chain_id.clone(),
            genesis_hash: genesis_hash.0.to_vec().into(),
            node_key: node_key.public_key().0.to_vec().into(),
            peer_key: peer_public.into(),
            peer_key_signature: certificate.0.to_vec().into(),
            challenge: vec![7; 32].into(),
            listen_address: "127.0.0.1:9".into(),
            version: "attacker".into(),
        };
        this.say(Kind::Hello(hello)).await;
        let Kind::Hello(theirs) = this.hear().await? else { return Err(Status::internal("not a hello")) };
        let payload = [b"hello", &theirs.challenge[..], &[7; 32], &theirs.node_key[..]].concat();
        let signature = this.peer_key.sign(Tag::Status, &genesis_hash, &payload).0.to_vec().into();
        this.say(Kind::Proof(HelloProof { signature })).await;
        // The node's own proof, and then its first status: the connection stands.
        for _ in 0..2 {
            this.hear().await?;
        }
        Ok(this)
    }

    /// Says something; false when the node has hung up.
    pub async fn say(&self, kind: Kind) -> bool {
        let message = Some(PeerMessage { kind: Some(kind) });
        let sent = tokio::time::timeout(DEADLINE, self.outbox.send(ExchangeRequest { message })).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Signs what it claims of its head.
    pub fn sign(&self, status: &mut p2p::Status) {
        let payload = [
            b"status".as_slice(),
            &status.height.to_le_bytes(),
            &status.tip_hash,
            &status.finalized_height.to_le_bytes(),
            &status.sent_at_ms.to_le_bytes(),
        ]
        .concat();
        let signature = self.peer_key.sign(Tag::Status, &self.genesis_hash, &payload);
        status.signature = signature.0.to_vec().into();
    }

    pub async fn hear(&mut self) -> Result<Kind, Status> {
        match tokio::time::timeout(DEADLINE, self.inbound.next()).await {
            Ok(Some(answer)) => answer?.message.and_then(|m| m.kind).ok_or_else(|| Status::internal("empty")),
            Ok(None) => Err(Status::cancelled("ended")),
            Err(_) => Err(Status::deadline_exceeded("silent")),
        }
    }

    /// Lives as an honest node that follows the chain: takes what comes, and claims the head that it has
    /// heard of, every second and soon after it has moved. Gives why the node hangs up.
    pub async fn follow(mut self, mut hears: impl FnMut(&Kind)) -> Status {
        let mut head: Option<p2p::Status> = None;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(due), if head.is_some() => {
                    due = Instant::now() + STATUS_EVERY;
                    let mut status = p2p::Status { sent_at_ms: now_ms(), ..head.clone().unwrap_or_default() };
                    self.sign(&mut status);
                    // If it has hung up, it says why.
                    self.say(Kind::Status(status)).await;
                }
                heard = self.hear() => match heard {
                    Err(status) => return status,
                    Ok(kind) => {
                        hears(&kind);
                        if self.take(&mut head, kind) {
                            due = due.min(Instant::now() + STATUS_SOON);
                        }
                    }
                }
            }
        }
    }

    /// Learns of the node's head; whether it has moved.
    fn take(&self, head: &mut Option<p2p::Status>, kind: Kind) -> bool {
        let (header, signature) = match kind {
            Kind::Status(theirs) => {
                let before = head.take();
                let moved = before.as_ref().is_none_or(|before| before.tip_hash != theirs.tip_hash);
                let (echo_sent_at_ms, echo_received_at_ms) = (theirs.sent_at_ms, now_ms());
                *head = Some(p2p::Status {
                    echo_sent_at_ms,
                    echo_received_at_ms,
                    report: <_>::default(),
                    report_signature: <_>::default(),
                    ..theirs
                });
                return moved;
            }
            Kind::NewBlock(new) => new.block.map(|block| (block.header, block.signature)).unwrap_or_default(),
            Kind::Announcement(new) => (new.header, new.signature),
            _ => return false,
        };
        let (Some(head), Ok(read)) = (head.as_mut(), Header::from_bytes(&header)) else { return false };
        if read.height.get() <= head.height {
            return false;
        }
        head.height = read.height.get();
        head.tip_hash = Header::hash_bytes(&self.genesis_hash, &header).0.to_vec().into();
        (head.header, head.header_signature) = (header, signature);
        true
    }

    /// Why the node hangs up.
    pub async fn end(mut self) -> Status {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.hear().await {
                Err(status) => return status,
                Ok(_) if Instant::now() > deadline => return Status::ok("still connected"),
                Ok(_) => {}
            }
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("in range")
}
