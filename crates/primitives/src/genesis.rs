//! Genesis: the file people read, and the hash that names the chain.

use borsh::BorshSerialize;
use serde::{Deserialize, Serialize};

use crate::{
    Address, ConsensusParams, Entropy, Finality, Hash, Invariant as _, ParamError, PublicKey, TimestampMs,
    encode, hash,
};

/// Longest chain id, in bytes.
pub const MAX_CHAIN_ID_BYTES: usize = 64;

/// A producer that is active from height 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, BorshSerialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisProducer {
    /// The key that signs its blocks.
    pub public_key: PublicKey,
    /// The account that gets its rewards and fees.
    pub payout: Address,
}

/// An account that has a balance from the start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, BorshSerialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// Its balance; decimal text in the file.
    #[serde(with = "amount_text")]
    pub balance: u64,
}

mod amount_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(amount: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = String::deserialize(d)?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(serde::de::Error::custom(format_args!("{text:?} is not an amount: digits only")));
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The first state of a chain and the parameters all its nodes share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Name of the chain, 1 to 64 bytes of `a-z`, `0-9` and `-`.
    pub chain_id: String,
    /// Time stamp of block 0.
    pub time_ms: TimestampMs,
    /// The first producers, strictly ascending by public key.
    pub producers: Vec<GenesisProducer>,
    /// The first balances, strictly ascending by address.
    pub accounts: Vec<GenesisAccount>,
    /// The consensus parameters; those not given have their defaults.
    #[serde(default)]
    pub params: ConsensusParams,
    /// Source of the seed's randomness.
    #[serde(default)]
    pub entropy: Entropy,
    /// Faults the chain is made for.
    #[serde(default)]
    pub finality: Finality,
}

/// Why a genesis is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not the JSON of a genesis.
    #[error("not a genesis file: {0}")]
    Json(String),
    /// A parameter out of range.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// A chain id of another form.
    #[error("chain_id {0:?} must be 1 to {MAX_CHAIN_ID_BYTES} characters of a-z, 0-9 and -")]
    ChainId(String),
    /// A list not strictly ascending.
    #[error("{list} must be strictly ascending by {by}; entry {index} is not")]
    Order {
        /// Which list.
        list: &'static str,
        /// By what it must ascend.
        by: &'static str,
        /// The first entry out of order.
        index: usize,
    },
    /// No producer, or too many.
    #[error("{got} producers; there must be 1 to max_producers ({max})")]
    ProducerCount {
        /// How many there are.
        got: usize,
        /// Most allowed.
        max: u64,
    },
    /// A producer key that no signature can fit.
    #[error("producer {0}: the public key is not a point of the curve")]
    ProducerKey(PublicKey),
    /// Byzantine finality with too few producers.
    #[error("finality \"bft\" needs at least 4 producers, got {0}")]
    TooFewForBft(usize),
    /// Balances that do not fit together into the range of an amount.
    #[error("the balances add up to more than 2^64 - 1")]
    SupplyOverflow,
}

#[derive(BorshSerialize)]
struct Hashed<'a> {
    chain_id: &'a str,
    time_ms: u64,
    producers: &'a [GenesisProducer],
    accounts: &'a [GenesisAccount],
    params: [u64; 15],
    entropy: u8,
    finality: u8,
}

impl Genesis {
    /// Reads and checks the text of a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`] saying which field is wrong and what is allowed.
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        let genesis: Self =
            serde_json::from_str(text).map_err(|error| GenesisError::Json(error.to_string()))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// The text of the genesis file.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every field has a total, infallible serializer.
        serde_json::to_string_pretty(self).invariant("every genesis can be written as JSON") + "\n"
    }

    /// Checks everything a genesis must fulfil.
    ///
    /// # Errors
    /// The first [`GenesisError`] met.
    pub fn check(&self) -> Result<(), GenesisError> {
        self.params.check()?;
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.chain_id.is_empty()
            || self.chain_id.len() > MAX_CHAIN_ID_BYTES
            || !self.chain_id.bytes().all(allowed)
        {
            return Err(GenesisError::ChainId(self.chain_id.clone()));
        }
        ascending("producers", "public_key", self.producers.iter().map(|p| p.public_key))?;
        ascending("accounts", "address", self.accounts.iter().map(|a| a.address))?;
        let (got, max) = (self.producers.len(), self.params.max_producers);
        if got == 0 || got as u64 > max {
            return Err(GenesisError::ProducerCount { got, max });
        }
        if let Some(bad) = self.producers.iter().find(|p| !p.public_key.is_valid()) {
            return Err(GenesisError::ProducerKey(bad.public_key));
        }
        if self.finality == Finality::Bft && got < 4 {
            return Err(GenesisError::TooFewForBft(got));
        }
        self.total_supply().map(|_| ()).ok_or(GenesisError::SupplyOverflow)
    }

    /// Sum of the first balances; `None` if it does not fit.
    #[must_use]
    pub fn total_supply(&self) -> Option<u64> {
        self.accounts.iter().try_fold(0_u64, |sum, account| sum.checked_add(account.balance))
    }

    /// The hash of block 0, which names the chain and enters every signature.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let bytes = encode(&Hashed {
            chain_id: &self.chain_id,
            time_ms: self.time_ms.get(),
            producers: &self.producers,
            accounts: &self.accounts,
            params: self.params.table().map(|(_, value)| value),
            entropy: self.entropy.as_u8(),
            finality: self.finality.as_u8(),
        });
        hash(&[b"vision/genesis/v1", &bytes])
    }
}

fn ascending<K: Ord>(
    list: &'static str,
    by: &'static str,
    keys: impl Iterator<Item = K>,
) -> Result<(), GenesisError> {
    let mut before = None;
    for (index, key) in keys.enumerate() {
        if before.as_ref().is_some_and(|b| *b >= key) {
            return Err(GenesisError::Order { list, by, index });
        }
        before = Some(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn genesis() -> Genesis {
        let mut producers: Vec<_> = (1..=3_u8)
            .map(|i| SecretKey::from_seed(&[i; 32]).public_key())
            .map(|public_key| GenesisProducer { public_key, payout: public_key.id() })
            .collect();
        producers.sort_by_key(|p| p.public_key);
        let mut accounts: Vec<_> =
            producers.iter().map(|p| GenesisAccount { address: p.payout, balance: 1000 }).collect();
        accounts.sort_by_key(|a| a.address);
        Genesis {
            chain_id: "vision-testnet-1".into(),
            time_ms: TimestampMs(1_700_000_000_000),
            producers,
            accounts,
            params: ConsensusParams::default(),
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        }
    }

    #[test]
    fn the_file_round_trips_and_the_hash_covers_every_field() {
        let base = genesis();
        assert_eq!(Genesis::from_json(&base.to_json()), Ok(base.clone()));
        let mut seen = vec![base.hash()];
        let edits: [fn(&mut Genesis); 7] = [
            |g| g.chain_id.push('x'),
            |g| g.time_ms.0 += 1,
            |g| g.producers[0].payout = Hash::ZERO,
            |g| g.producers.truncate(2),
            |g| g.accounts[1].balance += 1,
            |g| g.params.min_fee += 1,
            |g| g.finality = Finality::Bft,
        ];
        for edit in edits {
            let mut changed = base.clone();
            edit(&mut changed);
            assert!(!seen.contains(&changed.hash()));
            seen.push(changed.hash());
        }
    }

    #[test]
    fn faults_are_named() {
        type Case = (&'static str, fn(&mut Genesis), &'static str);
        let cases: [Case; 8] = [
            ("param", |g| g.params.backup_slots = 99, "backup_slots is 99, must be 0 to 63"),
            (
                "chain id",
                |g| g.chain_id = "A b".into(),
                "chain_id \"A b\" must be 1 to 64 characters of a-z, 0-9 and -",
            ),
            (
                "order",
                |g| g.producers.swap(0, 1),
                "producers must be strictly ascending by public_key; entry 1 is not",
            ),
            (
                "twin",
                |g| g.accounts[1] = g.accounts[0].clone(),
                "accounts must be strictly ascending by address; entry 1 is not",
            ),
            ("none", |g| g.producers.clear(), "0 producers; there must be 1 to max_producers (100)"),
            ("many", |g| g.params.max_producers = 2, "3 producers; there must be 1 to max_producers (2)"),
            ("bft", |g| g.finality = Finality::Bft, "finality \"bft\" needs at least 4 producers, got 3"),
            ("supply", |g| g.accounts[2].balance = u64::MAX, "the balances add up to more than 2^64 - 1"),
        ];
        for (desc, edit, expect) in cases {
            let mut genesis = genesis();
            edit(&mut genesis);
            assert_eq!(genesis.check().err().map(|e| e.to_string()).as_deref(), Some(expect), "{desc}");
        }
        let json = genesis().to_json();
        let edited = |from: &str, to: &str| {
            let edited = json.replace(from, to);
            assert_ne!(edited, json);
            edited
        };
        let accounts = edited("\"accounts\"", "\"acounts\"");
        let amounts =
            ["1.5", "+1000", " 1000", "0x10", ""].map(|text| edited("\"1000\"", &format!("{text:?}")));
        for bad in ["".into(), "{}".into(), accounts].iter().chain(&amounts) {
            assert!(matches!(Genesis::from_json(bad), Err(GenesisError::Json(_))), "{bad}");
        }
    }
}
