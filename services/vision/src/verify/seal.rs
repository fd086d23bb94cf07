//! What a proof's header rests on, in words.

use serde_json::Value;
use vision_light::{Doubt, Seal, Shown};
use vision_primitives::{Genesis, Hash, PublicKey, Signature};

use super::reported::{bytes, field};

/// What the caller trusts.
#[derive(Default)]
pub(super) struct Trusted {
    /// A block of the chain.
    pub block: Option<Hash>,
    /// The chain's genesis, which names its first producers.
    pub genesis: Option<Genesis>,
    /// The flags by which the caller gave genesis and node, for a command to be typed; each with a blank
    /// before it.
    pub flags: String,
}

/// What trust in a header rests on.
#[derive(Debug, PartialEq)]
pub(super) enum Basis {
    /// It is the block the caller trusts.
    Block,
    /// A producer that the genesis names has signed it.
    Genesis,
    /// Nothing speaks for it, for the reason given.
    None(String),
}

impl Basis {
    /// Judges the header of a proof by the seal that the proof has.
    pub(super) fn of(shown: &Shown, proof: &Value, trusted: &Trusted) -> Result<Self, String> {
        let Trusted { block, genesis, flags } = trusted;
        let trusted = vision_light::Trusted { block: *block, genesis: genesis.clone() };
        let basis = shown.judge(seal(proof)?.as_ref(), &trusted)?;
        Ok(match basis {
            vision_light::Basis::Block => Self::Block,
            vision_light::Basis::Genesis => Self::Genesis,
            vision_light::Basis::None(doubt) => Self::None(in_words(&doubt, flags)),
        })
    }

    /// What it rests on, for programs.
    pub(super) const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Block => Some("block"),
            Self::Genesis => Some("genesis"),
            Self::None(_) => None,
        }
    }

    /// What is not shown by it.
    pub(super) fn open(&self) -> String {
        match self {
            Self::Block => "that the block given by --block is on the chain: you vouch for that".into(),
            Self::Genesis => {
                "that the other producers accepted the block; its signer could have signed another".into()
            }
            Self::None(why) => format!("that there is such a block: {why}"),
        }
    }
}

fn in_words(doubt: &Doubt, flags: &str) -> String {
    match doubt {
        Doubt::NothingTrusted => "there is neither --block HASH nor --genesis FILE to compare with".into(),
        Doubt::NotSigned => "the proof shows no signature of its header; ask a node for a new one".into(),
        Doubt::Unnamed { producer, is_signed, height } => {
            let signed = if *is_signed { "has signed it" } else { "is said to have signed it" };
            format!(
                "{producer} {signed}, which the genesis does not name; whether it was registered later only \
                the chain shows: `vision verify --from 1 --to {height}{flags}` prints its hash, for --block"
            )
        }
    }
}

/// The signature that a proof shows, if it does.
fn seal(proof: &Value) -> Result<Option<Seal>, String> {
    if proof.get("signature").is_none() {
        return Ok(None);
    }
    let given = |name: &str| proof.get(name).map(|_| field(proof, name)).transpose();
    let producer = given("producer")?;
    let signature =
        Signature::from_slice(&bytes(proof, "signature")?).ok_or("its signature is not 64 bytes long")?;
    let key = given("producer_public_key")?.map(|key| PublicKey(key.0));
    Ok(Some(Seal { producer, signature, key }))
}
