//! Who this node is towards others, and how both sides of a connection prove it.
//!
//! Only the producer service may hold the producer key, so the chain service has a key of its own for
//! connections (`peer.key`), and the node's key has vouched for it once (`peer.cert`). Each side signs
//! the other's random challenge, so nobody can pass for another node or replay an old connection.

use std::path::Path;

use bytes::Bytes;
use vision_host::files::FileError;
use vision_host::text::cut_to;
use vision_peering::MAX_ADDRESS_BYTES;
use vision_primitives::{Hash, NodeId, PublicKey, SecretKey, Signature, Tag};
use vision_wire::p2p::{Hello, HelloProof, Status as PeerStatus};
use vision_wire::{MAX_HELLO_TEXT_BYTES, Reason};

use super::refused::Refused;
use crate::error::Error;

/// The only version of the peer protocol there is.
pub(super) const PROTOCOL_VERSION: u32 = 1;
/// Most characters of a peer's version that are shown.
const MAX_VERSION_CHARS: usize = 32;
/// A key file holds 64 hex digits and perhaps a line end.
const MAX_KEY_FILE_BYTES: u64 = 256;

/// This node's identity on the network.
pub(crate) struct Identity {
    /// Name of the chain.
    pub chain_id: String,
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// Public key of the node.
    pub node_key: PublicKey,
    /// Its id.
    pub node_id: NodeId,
    peer_key: SecretKey,
    certificate: Signature,
    listen_address: String,
    version: String,
}

/// Who is at the other end, proven.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// Its id.
    pub node_id: NodeId,
    /// Key that signs its messages on connections.
    pub peer_key: PublicKey,
    /// Where it says it can be called; the host may be empty.
    pub listen_address: String,
    /// Its software version, fit to be shown.
    pub version: String,
}

impl Identity {
    /// Reads `node.pub`, `peer.key` and `peer.cert` of a home and checks that they belong together.
    pub(crate) fn load(
        home: &Path,
        chain_id: &str,
        genesis_hash: Hash,
        listen_address: String,
        version: &str,
    ) -> Result<Self, Error> {
        let make = format!("`vision keys peer --home {}`", vision_host::shell::word(home));
        let unread = |name: &str, error: &std::io::Error| {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => format!("is missing; {make} creates it"),
                _ => error.to_string(),
            };
            Error::Home { path: home.join(name), why }
        };
        let read = |name: &'static str| {
            std::fs::read_to_string(home.join(name)).map_err(|error| unread(name, &error))
        };
        let bad = |name: &str, why: &str| Error::Home { path: home.join(name), why: why.to_owned() };
        let node_key: PublicKey =
            read("node.pub")?.trim().parse().map_err(|_| bad("node.pub", "is not a public key in hex"))?;
        let path = home.join("peer.key");
        let secret = match vision_host::files::read_secret(&path, MAX_KEY_FILE_BYTES) {
            Ok(secret) => secret,
            Err(FileError::Io { source, .. }) => return Err(unread("peer.key", &source)),
            Err(error) => return Err(Error::HomeFile(error)),
        };
        let text = std::str::from_utf8(&secret).unwrap_or_default();
        let peer_key =
            SecretKey::from_hex(text).map_err(|_| bad("peer.key", "is not a secret key in hex"))?;
        let certificate = hex::decode(read("peer.cert")?.trim())
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes))
            .ok_or_else(|| bad("peer.cert", "is not a signature in hex"))?;
        node_key.verify(Tag::PeerKey, &genesis_hash, &peer_key.public_key().0, &certificate).map_err(
            |_| {
                let why = "does not vouch for peer.key on this chain, as after a change of genesis.json";
                bad("peer.cert", &format!("{why}; {make} creates it again, with the node's key"))
            },
        )?;
        Ok(Self {
            chain_id: chain_id.to_owned(),
            genesis_hash,
            node_key,
            node_id: node_key.id(),
            peer_key,
            certificate,
            listen_address,
            version: version.to_owned(),
        })
    }

    /// The introduction with a challenge for the other side.
    pub(crate) fn hello(&self, challenge: &[u8]) -> Hello {
        Hello {
            protocol_version: PROTOCOL_VERSION,
            chain_id: self.chain_id.clone(),
            genesis_hash: self.genesis_hash.0.to_vec().into(),
            node_key: self.node_key.0.to_vec().into(),
            peer_key: self.peer_key.public_key().0.to_vec().into(),
            peer_key_signature: self.certificate.0.to_vec().into(),
            challenge: challenge.to_vec().into(),
            listen_address: self.listen_address.clone(),
            version: self.version.clone(),
        }
    }

    /// Checks an introduction; what it claims is proven only with the [`HelloProof`].
    pub(crate) fn check_hello(&self, hello: &Hello) -> Result<Remote, Refused> {
        if hello.protocol_version != PROTOCOL_VERSION {
            let detail = format!(
                "peer protocol version {} is not supported, only {PROTOCOL_VERSION}",
                hello.protocol_version
            );
            return Err(Refused::new(Reason::ProtocolVersion, detail));
        }
        if hello.chain_id != self.chain_id {
            let detail = format!("this node follows chain {}", self.chain_id);
            return Err(Refused::new(Reason::WrongChain, detail));
        }
        if hello.genesis_hash.as_ref() != self.genesis_hash.as_bytes() {
            let detail = format!("this node's genesis hash is {}", self.genesis_hash);
            return Err(Refused::new(Reason::WrongGenesis, detail));
        }
        let malformed = |what: &str| Refused::new(Reason::MalformedMessage, format!("hello: {what}"));
        let key = |bytes: &[u8]| bytes.try_into().map(PublicKey).ok();
        let node_key = key(&hello.node_key).ok_or_else(|| malformed("node_key is not 32 bytes long"))?;
        let peer_key = key(&hello.peer_key).ok_or_else(|| malformed("peer_key is not 32 bytes long"))?;
        let vouched = Signature::from_slice(&hello.peer_key_signature)
            .ok_or_else(|| malformed("peer_key_signature is not 64 bytes long"))?;
        if hello.challenge.len() != 32 {
            return Err(malformed("challenge is not 32 bytes long"));
        }
        if hello.listen_address.len() > MAX_ADDRESS_BYTES || hello.version.len() > MAX_HELLO_TEXT_BYTES {
            return Err(malformed("a text is longer than 255 bytes"));
        }
        node_key.verify(Tag::PeerKey, &self.genesis_hash, &peer_key.0, &vouched).map_err(|_| {
            Refused::new(Reason::BadPeerProof, "the node key has not vouched for the peer key")
        })?;
        Ok(Remote {
            node_id: node_key.id(),
            peer_key,
            listen_address: hello.listen_address.clone(),
            version: cut_to(&hello.version, MAX_VERSION_CHARS),
        })
    }

    /// Answers the other side's challenge.
    pub(crate) fn prove(&self, theirs: &Hello, own_challenge: &[u8]) -> HelloProof {
        let payload = proof_payload(&theirs.challenge, own_challenge, &theirs.node_key);
        let signature = self.peer_key.sign(Tag::Status, &self.genesis_hash, &payload);
        HelloProof { signature: signature.0.to_vec().into() }
    }

    /// Checks the other side's answer to our challenge.
    pub(crate) fn check_proof(
        &self,
        remote: &Remote,
        theirs: &Hello,
        own_challenge: &[u8],
        proof: &HelloProof,
    ) -> Result<(), Refused> {
        let payload = proof_payload(own_challenge, &theirs.challenge, &self.node_key.0);
        Signature::from_slice(&proof.signature)
            .filter(|signature| {
                remote.peer_key.verify(Tag::Status, &self.genesis_hash, &payload, signature).is_ok()
            })
            .map(|_| ())
            .ok_or_else(|| Refused::new(Reason::BadPeerProof, "the peer key has not signed the challenge"))
    }

    /// Signs a head status.
    pub(crate) fn sign_status(&self, status: &mut PeerStatus) {
        let signature = self.peer_key.sign(Tag::Status, &self.genesis_hash, &status_payload(status));
        status.signature = signature.0.to_vec().into();
    }

    /// Signs what this node reports about itself.
    pub(crate) fn sign_report(&self, report: &[u8]) -> Bytes {
        self.peer_key.sign(Tag::Report, &self.genesis_hash, report).0.to_vec().into()
    }

    /// Whether what a peer reports about itself is signed by it.
    pub(crate) fn check_report(&self, remote: &Remote, report: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_some_and(|signature| {
            remote.peer_key.verify(Tag::Report, &self.genesis_hash, report, &signature).is_ok()
        })
    }

    /// Whether a head status is signed by the peer.
    pub(crate) fn check_status(&self, remote: &Remote, status: &PeerStatus) -> bool {
        Signature::from_slice(&status.signature).is_some_and(|signature| {
            let payload = status_payload(status);
            remote.peer_key.verify(Tag::Status, &self.genesis_hash, &payload, &signature).is_ok()
        })
    }
}

/// `"hello" || challenge received || challenge sent || node key of the receiver`, from the signer's side.
fn proof_payload(received: &[u8], sent: &[u8], receiver_key: &[u8]) -> Vec<u8> {
    [b"hello", received, sent, receiver_key].concat()
}

/// Whether a status needs the same signature as one that has been signed.
pub(super) fn signs_alike(signed: &PeerStatus, status: &PeerStatus) -> bool {
    !signed.signature.is_empty() && status_payload(signed) == status_payload(status)
}

fn status_payload(status: &PeerStatus) -> Vec<u8> {
    [
        b"status".as_slice(),
        &status.height.to_le_bytes(),
        &status.tip_hash,
        &status.finalized_height.to_le_bytes(),
        &status.sent_at_ms.to_le_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_signed_needs_another_signature() {
        let signed = PeerStatus { height: 7, sent_at_ms: 9, signature: vec![1].into(), ..<_>::default() };
        let status = PeerStatus { signature: Bytes::new(), ..signed.clone() };
        let cases = [
            ("the same", status.clone(), true),
            (
                "another echo",
                PeerStatus { echo_sent_at_ms: 3, echo_received_at_ms: 4, ..status.clone() },
                true,
            ),
            ("another height", PeerStatus { height: 8, ..status.clone() }, false),
            ("another tip", PeerStatus { tip_hash: vec![2].into(), ..status.clone() }, false),
            ("another final height", PeerStatus { finalized_height: 1, ..status.clone() }, false),
            ("a millisecond later", PeerStatus { sent_at_ms: 10, ..status.clone() }, false),
        ];
        for (desc, next, expect) in cases {
            assert_eq!(signs_alike(&signed, &next), expect, "{desc}");
        }
        assert!(!signs_alike(&PeerStatus::default(), &PeerStatus::default()), "nothing is signed yet");
    }
}
