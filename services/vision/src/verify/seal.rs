//! Why the header of a proof may be believed. A header is bytes that anybody can write: only something the caller trusts
//! already says that it is one of the chain.

use serde_json::Value;
use vision_primitives::{Genesis, Hash, Header, PublicKey, Signature, Tag};

use super::told::{bytes, field};

/// What the caller trusts.
#[derive(Default)]
pub struct Trusted {
    /// A block of the chain.
    pub block: Option<Hash>,
    /// The chain's genesis, which names its first producers.
    pub genesis: Option<Genesis>,
    /// The flags by which the caller gave genesis and node, for a command to be typed; each with a blank before it.
    pub flags: String,
}

/// How far a header is to be believed.
#[derive(Debug, PartialEq)]
pub enum Belief {
    /// It is the block the caller trusts.
    Block,
    /// A producer that the genesis names has signed it.
    Genesis,
    /// Nothing speaks for it, for the reason given.
    None(String),
}

impl Belief {
    /// What it rests on, for programs.
    pub const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Block => Some("block"),
            Self::Genesis => Some("genesis"),
            Self::None(_) => None,
        }
    }

    /// What is not shown by it.
    pub fn open(&self) -> String {
        match self {
            Self::Block => "that the block given by --block is on the chain: that is your word".into(),
            Self::Genesis => {
                "that the other producers accepted the block; its signer could have signed another".into()
            }
            Self::None(why) => format!("that there is such a block: {why}"),
        }
    }
}

/// The signature that a proof shows.
struct Seal {
    signature: Signature,
    /// The producer's key, whose hash is its id in the header.
    key: Option<PublicKey>,
}

/// A header and where it comes from.
pub struct Claimed<'a> {
    /// The proof it is in.
    pub proof: &'a Value,
    /// The chain it is of, as the proof says.
    pub genesis: Hash,
    /// The header.
    pub header: &'a Header,
    /// Its hash.
    pub block: Hash,
}

impl Claimed<'_> {
    /// Whether the header may be believed, or what contradicts what.
    pub fn judge(&self, trusted: &Trusted) -> Result<Belief, String> {
        let seal = self.seal()?;
        if let Some(genesis) = &trusted.genesis {
            let hash = genesis.hash();
            if hash != self.genesis {
                return Err(format!(
                    "it is of the chain with the genesis {}, the file is {hash}",
                    self.genesis
                ));
            }
        }
        let belief = match &trusted.genesis {
            None => Belief::None("there is neither --block HASH nor --genesis FILE to compare with".into()),
            Some(genesis) => self.by_genesis(genesis, &trusted.flags, seal.as_ref())?,
        };
        match trusted.block {
            None => Ok(belief),
            Some(block) if block == self.block => Ok(Belief::Block),
            Some(block) => Err(format!(
                "it is of block {} at height {}, and not of block {block}",
                self.block, self.header.height
            )),
        }
    }

    /// The seal, which is that of this header if there is a key to tell.
    fn seal(&self) -> Result<Option<Seal>, String> {
        if self.proof.get("signature").is_none() {
            return Ok(None);
        }
        if self.proof.get("producer").is_some() {
            let producer: Hash = field(self.proof, "producer")?;
            if producer != self.header.producer {
                return Err(format!("it says producer {producer}, the bytes say {}", self.header.producer));
            }
        }
        let signature = Signature::from_slice(&bytes(self.proof, "signature")?)
            .ok_or("its signature has not 64 bytes")?;
        let key = match self.proof.get("producer_public_key") {
            None => None,
            Some(_) => Some(PublicKey(field(self.proof, "producer_public_key")?.0)),
        };
        if let Some(key) = &key {
            if key.id() != self.header.producer {
                return Err(format!("its producer_public_key is that of {}, not of its producer", key.id()));
            }
            self.signed_by(key, &signature)?;
        }
        Ok(Some(Seal { signature, key }))
    }

    fn signed_by(&self, key: &PublicKey, signature: &Signature) -> Result<(), String> {
        key.verify(Tag::Block, &self.genesis, self.block.as_bytes(), signature)
            .map_err(|_| format!("its header is not signed by its producer {}", self.header.producer))
    }

    fn by_genesis(&self, genesis: &Genesis, flags: &str, seal: Option<&Seal>) -> Result<Belief, String> {
        let producer = self.header.producer;
        let Some(seal) = seal else {
            return Ok(Belief::None(
                "the proof shows no signature of its header; ask a node for a new one".into(),
            ));
        };
        let named = genesis.producers.iter().map(|named| named.public_key).find(|key| key.id() == producer);
        match named {
            Some(key) => self.signed_by(&key, &seal.signature).map(|()| Belief::Genesis),
            None => {
                let signed = if seal.key.is_some() { "has signed it" } else { "shall have signed it" };
                Ok(Belief::None(format!(
                    "{producer} {signed}, which the genesis does not name; whether it was registered later only the \
                     chain shows: `vision verify --from 1 --to {}{flags}` prints its hash, for --block",
                    self.header.height
                )))
            }
        }
    }
}
