//! A peer that says what the test wants.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use vision_host::Clock;
use vision_primitives::{Block, Genesis, Hash, SecretKey, Tag};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{
    ExchangeRequest, ExchangeResponse, Hello, HelloProof, PeerMessage, Status as PeerStatus,
};

use super::{Client, peers};

pub struct Adversary {
    pub node_key: SecretKey,
    pub peer_key: SecretKey,
    pub genesis_hash: Hash,
    outbox: mpsc::Sender<ExchangeRequest>,
    inbound: Streaming<ExchangeResponse>,
}

/// What can be bent in the introduction.
pub struct Manners {
    pub hello: fn(&mut Hello),
    pub proof: fn(&mut HelloProof),
}

pub const POLITE: Manners = Manners { hello: |_| {}, proof: |_| {} };

/// A channel from one of this machine's addresses.
pub fn channel_from(from: IpAddr, p2p: u16) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{p2p}")).expect("a URL");
    endpoint.local_address(Some(from)).connect_lazy()
}

impl Adversary {
    /// Calls and introduces itself; an `Err` is what the node answered.
    pub async fn call(p2p: u16, genesis: &Genesis, seed: u8, manners: &Manners) -> Result<Self, Status> {
        Self::call_from(Ipv4Addr::LOCALHOST.into(), p2p, genesis, seed, manners).await
    }

    /// The same from another address of this machine.
    pub async fn call_from(
        from: IpAddr,
        p2p: u16,
        genesis: &Genesis,
        seed: u8,
        manners: &Manners,
    ) -> Result<Self, Status> {
        let node_key = SecretKey::from_seed(&[seed; 32]);
        let peer_key = SecretKey::from_seed(&[seed ^ 0x80; 32]);
        let genesis_hash = genesis.hash();
        let channel = channel_from(from, p2p);
        let (outbox, messages) = mpsc::channel(64);
        let inbound =
            PeerServiceClient::new(channel).exchange(ReceiverStream::new(messages)).await?.into_inner();
        let mut this = Self { node_key, peer_key, genesis_hash, outbox, inbound };
        let mut hello = Hello {
            protocol_version: 1,
            chain_id: genesis.chain_id.clone(),
            genesis_hash: genesis_hash.0.to_vec().into(),
            node_key: this.node_key.public_key().0.to_vec().into(),
            peer_key: this.peer_key.public_key().0.to_vec().into(),
            peer_key_signature: this
                .node_key
                .sign(Tag::PeerKey, &genesis_hash, &this.peer_key.public_key().0)
                .0
                .to_vec()
                .into(),
            challenge: vec![7; 32].into(),
            listen_address: "127.0.0.1:9".into(),
            version: "adversary".into(),
        };
        (manners.hello)(&mut hello);
        this.say(Kind::Hello(hello)).await;
        let theirs = match this.hear().await? {
            Kind::Hello(hello) => hello,
            other => panic!("not a hello: {other:?}"),
        };
        let payload = [b"hello", &theirs.challenge[..], &[7; 32], &theirs.node_key[..]].concat();
        let signature = this.peer_key.sign(Tag::Status, &genesis_hash, &payload);
        let mut proof = HelloProof { signature: signature.0.to_vec().into() };
        (manners.proof)(&mut proof);
        this.say(Kind::Proof(proof)).await;
        // The node's own proof, and then its first status: the connection stands.
        for _ in 0..2 {
            this.hear().await?;
        }
        Ok(this)
    }

    pub async fn say(&self, kind: Kind) {
        let message = Some(PeerMessage { kind: Some(kind) });
        // The node may have hung up, which the test sees when it listens.
        let _ = self.outbox.send(ExchangeRequest { message }).await;
    }

    pub async fn hear(&mut self) -> Result<Kind, Status> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.inbound.next()).await;
        match next.expect("the node says something within 10 s") {
            Some(answer) => Ok(answer?.message.and_then(|message| message.kind).expect("a message")),
            None => Err(Status::cancelled("ended")),
        }
    }

    /// Listens until the node hangs up.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.hear().await {
                return status;
            }
        }
    }

    pub fn status(&self, height: u64, tip_hash: Hash, sent_at_ms: u64) -> PeerStatus {
        let mut status =
            PeerStatus { height, tip_hash: tip_hash.0.to_vec().into(), sent_at_ms, ..PeerStatus::default() };
        self.sign(&mut status);
        status
    }

    /// A status that claims this block as the peer's head.
    pub fn claim(&self, block: &Block) -> Kind {
        let height = block.header().height.get();
        let mut status = self.status(height, block.hash(), Clock::system(0).now_ms());
        status.header = block.header_bytes().to_vec().into();
        status.header_signature = block.signature().0.to_vec().into();
        Kind::Status(status)
    }

    pub fn sign(&self, status: &mut PeerStatus) {
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
}

/// What a node shows of this peer, if it is one.
pub async fn peer_of(client: &mut Client, adversary: &Adversary) -> Option<proto::Peer> {
    let id = adversary.node_key.public_key().id().to_string();
    peers(client).await.into_iter().find(|peer| peer.node_id == id)
}
