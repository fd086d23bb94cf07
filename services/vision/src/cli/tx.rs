//! Arguments of `vision tx`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vision_primitives::Hash;

use super::RemoteArgs;

/// Transaction commands.
#[derive(Subcommand, Debug)]
pub enum Tx {
    /// Pay an amount to an address.
    #[command(after_help = "Example:\n  vision tx transfer --key .vision/testnet/accounts/account1.key \
--to ADDRESS --amount 100 --wait")]
    Transfer {
        #[command(flatten)]
        send: SendArgs,
        /// Address that gets the amount: 64 lowercase hex digits, as `vision keys show` tells it.
        #[arg(long, value_name = "ADDRESS", value_parser = hash)]
        to: Hash,
        /// How much, in the smallest unit.
        #[arg(long, value_name = "N", value_parser = whole)]
        amount: u64,
    },
    /// Put bytes on the chain, at most 65536.
    #[command(after_help = "Example:\n  vision tx data --key alice.key --text 'the 5th of May' --wait")]
    Data {
        #[command(flatten)]
        send: SendArgs,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Register a producer, whoever pays for it. It becomes active some blocks later, once it proves to be in sync.
    #[command(
        after_help = "Example:\n  vision tx register --key alice.key --producer-key node4/producer.key --wait"
    )]
    Register {
        #[command(flatten)]
        send: SendArgs,
        /// File with the producer's key, which proves that its owner wants this.
        #[arg(long, value_name = "FILE")]
        producer_key: PathBuf,
        /// Address that gets its rewards and fees [default: the producer's own].
        #[arg(long, value_name = "ADDRESS", value_parser = hash)]
        payout: Option<Hash>,
    },
    /// Take a producer out for good. Its own key signs, and the account of that key pays the fee.
    #[command(after_help = "Example:\n  vision tx exit --key node4/producer.key --wait")]
    Exit {
        #[command(flatten)]
        send: SendArgs,
    },
}

/// What all transactions take.
#[derive(Args, Debug, Clone)]
pub struct SendArgs {
    /// File with the key that signs; its account pays.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Fee in the smallest unit [default: the chain's least].
    #[arg(long, value_name = "N", value_parser = whole)]
    pub fee: Option<u64>,
    /// Nonce [default: the account's next, behind what waits already].
    #[arg(long, value_name = "N", value_parser = whole)]
    pub nonce: Option<u64>,
    /// Wait until a block has it, at most 25 s.
    #[arg(long)]
    pub wait: bool,
    /// Show the signed bytes and the hash, and hand in nothing.
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Where data comes from.
#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
pub struct DataArgs {
    /// The bytes as text.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The bytes as hex digits.
    #[arg(long, value_name = "HEX")]
    pub hex: Option<String>,
    /// A file with the bytes.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// A number of the smallest unit, or a nonce: digits and nothing else.
fn whole(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            "expected a whole number; amounts are in the smallest unit, there are no fractions".into()
        );
    }
    text.parse().map_err(|_| format!("at most {}", u64::MAX))
}

/// A hash or an address.
pub fn hash(text: &str) -> Result<Hash, String> {
    text.parse().map_err(|error| match text.strip_prefix("0x") {
        Some(_) => format!("{error}; leave the 0x out"),
        None => format!("{error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_numbers() {
        let cases = [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1.0", None),
            ("1e3", None),
            ("+1", None),
            ("-1", None),
            ("1 000", None),
            ("0x10", None),
            ("", None),
        ];
        for (text, expect) in cases {
            assert_eq!(whole(text).ok(), expect, "{text:?}");
        }
    }

    #[test]
    fn addresses_are_strict_and_say_why_not() {
        let good = "ab".repeat(32);
        assert_eq!(hash(&good).map(|hash| hash.to_string()), Ok(good.clone()));
        for (text, expect) in [
            (format!("0x{good}"), "leave the 0x out"),
            (good.to_uppercase(), "lowercase"),
            ("ab".into(), "got 2"),
        ] {
            let error = hash(&text).expect_err("no address");
            assert!(error.contains(expect), "{error}");
        }
    }
}
