//! Why a header is trusted. A header is bytes that anybody can write: only something the caller trusts
//! already says that it is one of the chain.

use vision_primitives::{Genesis, Hash, Header, NodeId, PublicKey, Signature, Tag};

/// What the caller trusts.
#[derive(Clone, Default, Debug)]
pub struct Trusted {
    /// A block of the chain.
    pub block: Option<Hash>,
    /// The chain's genesis, which names its first producers.
    pub genesis: Option<Genesis>,
}

/// The signature that comes with a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seal {
    /// Who is said to have signed; absent if nobody is named.
    pub producer: Option<NodeId>,
    /// The signature.
    pub signature: Signature,
    /// The producer's key, whose hash is its id in the header; absent if it is not shown.
    pub key: Option<PublicKey>,
}

/// What trust in a header rests on.
#[derive(Clone, Debug, PartialEq)]
pub enum Basis {
    /// It is the block the caller trusts.
    Block,
    /// A producer that the genesis names has signed it.
    Genesis,
    /// Nothing speaks for it.
    None(Doubt),
}

/// Why nothing speaks for a header.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// The caller trusts nothing to compare it with.
    NothingTrusted,
    /// It comes without a signature.
    NotSigned,
    /// The genesis does not name its producer; whether it was registered later only the chain shows.
    Unnamed {
        /// The producer.
        producer: NodeId,
        /// Whether its signature was checked: only its key allows that.
        is_signed: bool,
        /// Height of the header.
        height: u64,
    },
}

/// A header, its hash, and the chain it is of by its own word.
pub(crate) struct Sealed<'a> {
    pub(crate) genesis: Hash,
    pub(crate) header: &'a Header,
    pub(crate) block: Hash,
    pub(crate) seal: Option<&'a Seal>,
}

impl Sealed<'_> {
    /// Whether the header can be trusted, or what contradicts what.
    pub(crate) fn judge(&self, trusted: &Trusted) -> Result<Basis, String> {
        self.check_seal()?;
        if let Some(genesis) = &trusted.genesis {
            let hash = genesis.hash();
            if hash != self.genesis {
                return Err(format!(
                    "it is of the chain with the genesis {}, the file is {hash}",
                    self.genesis
                ));
            }
        }
        let basis = match &trusted.genesis {
            None => Basis::None(Doubt::NothingTrusted),
            Some(genesis) => self.by_genesis(genesis)?,
        };
        match trusted.block {
            None => Ok(basis),
            Some(block) if block == self.block => Ok(Basis::Block),
            Some(block) => Err(format!(
                "it is of block {} at height {}, and not of block {block}",
                self.block, self.header.height
            )),
        }
    }

    /// The seal must be that of this header, if there is a key to check with.
    fn check_seal(&self) -> Result<(), String> {
        let Some(seal) = self.seal else { return Ok(()) };
        if let Some(producer) = seal.producer.filter(|producer| *producer != self.header.producer) {
            return Err(format!("it says producer {producer}, the bytes say {}", self.header.producer));
        }
        let Some(key) = &seal.key else { return Ok(()) };
        if key.id() != self.header.producer {
            return Err(format!("its producer_public_key is that of {}, not of its producer", key.id()));
        }
        self.check_signature(key, &seal.signature)
    }

    fn check_signature(&self, key: &PublicKey, signature: &Signature) -> Result<(), String> {
        key.verify(Tag::Block, &self.genesis, self.block.as_bytes(), signature)
            .map_err(|_| format!("its header is not signed by its producer {}", self.header.producer))
    }

    fn by_genesis(&self, genesis: &Genesis) -> Result<Basis, String> {
        let producer = self.header.producer;
        let Some(seal) = self.seal else { return Ok(Basis::None(Doubt::NotSigned)) };
        let named = genesis.producers.iter().map(|named| named.public_key).find(|key| key.id() == producer);
        match named {
            Some(key) => self.check_signature(&key, &seal.signature).map(|()| Basis::Genesis),
            None => {
                let (is_signed, height) = (seal.key.is_some(), self.header.height.get());
                Ok(Basis::None(Doubt::Unnamed { producer, is_signed, height }))
            }
        }
    }
}
