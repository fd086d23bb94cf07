//! The peer key of a node. It proves to other nodes who is calling, because the node's own key has vouched
//! for it, once for each chain: section 12 of `docs/protocol.md`.

use std::path::Path;

use vision_host::files;
use vision_primitives::{Genesis, PublicKey, SecretKey, Tag};

use super::{random_key, read_public_file, read_secret, read_text, write_secret};
use crate::exit::{Failure, Outcome};

/// The files of a home that this is about.
const NODE_PUBLIC: &str = "node.pub";
const PEER_KEY: &str = "peer.key";
const CERTIFICATE: &str = "peer.cert";

/// What a home has now.
pub struct Vouched {
    /// The node's own key.
    pub node: PublicKey,
    /// The key that calls in its name.
    pub peer: PublicKey,
    /// The chain on which it may.
    pub chain_id: String,
    /// Whether the key was made just now.
    pub is_new: bool,
}

/// Has a home's peer key vouched for on the chain of its genesis. The key is made if there is none, and kept
/// if there is.
pub fn make(home: &Path, producer_key: Option<&Path>) -> Outcome<Vouched> {
    let genesis_file = home.join("genesis.json");
    let genesis = Genesis::from_json(&read_text(&genesis_file)?)
        .map_err(|error| Failure::failed(format!("{}: {error}", genesis_file.display())))?;
    let node = match producer_key {
        Some(file) => read_secret(file)?,
        None => read_secret(&home.join("producer.key")).map_err(|failure| {
            let exit = failure.exit();
            Failure::new(exit, format!("{failure}; name the node's key with --producer-key FILE"))
        })?,
    };
    let named = home.join(NODE_PUBLIC);
    if named.exists() {
        let public = read_public_file(&named)?;
        if public != node.public_key() {
            return Err(Failure::refused(format!(
                "{} belongs to node {}, the key given to {}: use the key of this home's node",
                named.display(),
                public.id(),
                node.public_key().id()
            )));
        }
    } else {
        write(&named, &node.public_key().to_string())?;
    }
    let file = home.join(PEER_KEY);
    let is_new = !file.exists();
    let peer = if is_new { random_key()? } else { read_secret(&file)? };
    if is_new {
        write_secret(&file, &peer)?;
    }
    vouch(home, &node, &peer.public_key(), &genesis)?;
    let (node, peer) = (node.public_key(), peer.public_key());
    Ok(Vouched { node, peer, chain_id: genesis.chain_id, is_new })
}

/// Writes the peer key and the certificate of a new home.
pub fn write_both(home: &Path, node: &SecretKey, peer: &SecretKey, genesis: &Genesis) -> Outcome {
    write_secret(&home.join(PEER_KEY), peer)?;
    vouch(home, node, &peer.public_key(), genesis)
}

fn vouch(home: &Path, node: &SecretKey, peer: &PublicKey, genesis: &Genesis) -> Outcome {
    let certificate = node.sign(Tag::PeerKey, &genesis.hash(), &peer.0);
    write(&home.join(CERTIFICATE), &certificate.to_string())
}

fn write(file: &Path, line: &str) -> Outcome {
    let text = format!("{line}\n");
    files::write_atomic(file, text.as_bytes()).map_err(|error| Failure::failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vision_primitives::{ConsensusParams, Entropy, Finality, GenesisProducer, Signature, TimestampMs};

    use super::*;
    use crate::exit::Exit;

    fn genesis(node: &SecretKey, time: u64) -> Genesis {
        let public_key = node.public_key();
        Genesis {
            chain_id: "test".into(),
            time_ms: TimestampMs(time),
            producers: vec![GenesisProducer { public_key, payout: public_key.id() }],
            accounts: vec![],
            params: ConsensusParams::default(),
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        }
    }

    /// Whether the certificate in a home vouches for the peer key there.
    fn holds(home: &Path, node: &SecretKey, genesis: &Genesis) -> bool {
        let peer = read_secret(&home.join(PEER_KEY)).expect("a key").public_key();
        let text = fs::read_to_string(home.join(CERTIFICATE)).expect("a certificate");
        let bytes = hex::decode(text.trim_end()).expect("hex");
        let certificate = Signature::from_slice(&bytes).expect("a signature");
        node.public_key().verify(Tag::PeerKey, &genesis.hash(), &peer.0, &certificate).is_ok()
    }

    #[test]
    fn a_home_gets_a_peer_key_and_keeps_it_on_another_chain() {
        let dir = tempfile::tempdir().expect("temp dir");
        let home = dir.path();
        let node = SecretKey::from_seed(&[1; 32]);
        let (first, second) = (genesis(&node, 1), genesis(&node, 2));
        fs::write(home.join("genesis.json"), first.to_json()).expect("written");
        assert_eq!(make(home, None).err().map(|failure| failure.exit()), Some(Exit::NotFound), "no key");
        write_secret(&home.join("producer.key"), &node).expect("new");
        let made = make(home, None).expect("made");
        assert!(made.is_new && holds(home, &node, &first) && !holds(home, &node, &second));
        assert_eq!(read_public_file(&home.join(NODE_PUBLIC)).expect("written"), node.public_key());

        fs::write(home.join("genesis.json"), second.to_json()).expect("written");
        let again = make(home, None).expect("made");
        assert!(!again.is_new && again.peer == made.peer && holds(home, &node, &second));

        // The producer's key may lie elsewhere, and must be this node's.
        fs::rename(home.join("producer.key"), home.join("elsewhere")).expect("moved");
        assert!(make(home, Some(&home.join("elsewhere"))).is_ok());
        let stranger = home.join("stranger");
        write_secret(&stranger, &SecretKey::from_seed(&[2; 32])).expect("new");
        let refused = make(home, Some(&stranger)).err().expect("another node's");
        assert_eq!(refused.exit(), Exit::Refused);
        assert!(holds(home, &node, &second), "nothing has changed");
    }
}
