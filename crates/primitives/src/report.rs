//! What a node reports to its peers about itself, and the name it goes by (`docs/protocol.md`, section 12).
//! Never an input of validity.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{DecodeError, Hash, Height, NodeId, TimestampMs, decode_strict, encode};

/// Longest name of a node, characters.
pub const MAX_NODE_NAME_CHARS: usize = 32;
/// Longest code of a reason in a report, characters.
const MAX_CODE_CHARS: usize = 32;
/// What is reported in place of a reason that has no code.
const NO_CODE: &str = "OTHER";
/// Longest report, canonical bytes.
pub const MAX_REPORT_BYTES: usize = 256;

/// A text that is no name of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_NODE_NAME_CHARS} characters of a-z, 0-9, \".\", \"_\" and \"-\"")]
pub struct NodeNameError;

/// A name that people call a node by. Not proven to be its own alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeName(String);

impl NodeName {
    /// The name of a node that was given none: the first eight hex digits of its id.
    #[must_use]
    pub fn of_id(id: &NodeId) -> Self {
        Self(id.short())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=MAX_NODE_NAME_CHARS).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(NodeNameError) }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshSerialize for NodeName {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for NodeName {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let invalid = |error| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error);
        String::deserialize_reader(reader)?.parse().map_err(invalid)
    }
}

/// What a node reports about itself. Its canonical bytes are these fields in this order.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: NodeName,
    /// Code of the reason why it may not produce; none if it may.
    pub not_eligible: Option<String>,
    /// Peers that count for it.
    pub ready_peers: u64,
    /// Height of its head.
    pub height: Height,
    /// Hash of its head.
    pub hash: Hash,
    /// When that came to it, by its clock; 0 if before its start.
    pub arrived_at: TimestampMs,
    /// Transactions that wait there.
    pub pending: u64,
}

impl NodeReport {
    /// The code as a report may hold it: one that is none would make the peers refuse the whole report.
    #[must_use]
    pub fn reported_code(code: &str) -> String {
        if is_code(code) { code.to_owned() } else { NO_CODE.to_owned() }
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a report that a node sends.
    ///
    /// # Errors
    /// [`DecodeError`] for more than [`MAX_REPORT_BYTES`], bytes that are none, a name that is none, and a
    /// code that is not 1 to 32 of `A-Z`, `0-9` and `_`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = |why: String| DecodeError { what: "report", why };
        if bytes.len() > MAX_REPORT_BYTES {
            return Err(wrong(format!("more than {MAX_REPORT_BYTES} bytes")));
        }
        let report: Self = decode_strict("report", bytes)?;
        match &report.not_eligible {
            Some(code) if !is_code(code) => Err(wrong("the reason is not a code".into())),
            _ => Ok(report),
        }
    }
}

fn is_code(code: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (1..=MAX_CODE_CHARS).contains(&code.len()) && code.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> NodeReport {
        NodeReport {
            name: "node1".parse().unwrap(),
            not_eligible: Some("STREAK".into()),
            ready_peers: 2,
            height: Height(7),
            hash: Hash([9; 32]),
            arrived_at: TimestampMs(1_700_000_000_000),
            pending: 3,
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        let cases = [
            ("node1", true),
            ("a", true),
            ("eu-west.2_b", true),
            (&"x".repeat(32), true),
            (&"x".repeat(33), false),
            ("", false),
            ("Node1", false),
            ("node 1", false),
            ("node1\u{1b}[31m", false),
            ("nöde", false),
            ("node1/../x", false),
        ];
        for (text, expect) in cases {
            assert_eq!(text.parse::<NodeName>().is_ok(), expect, "{text:?}");
        }
        assert!(NodeName::of_id(&Hash([0xab; 32])).as_str().parse::<NodeName>().is_ok());
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let mut expect = b"\x05\0\0\0node1\x01\x06\0\0\0STREAK".to_vec();
        expect.extend(2_u64.to_le_bytes());
        expect.extend(7_u64.to_le_bytes());
        expect.extend([9; 32]);
        expect.extend(1_700_000_000_000_u64.to_le_bytes());
        expect.extend(3_u64.to_le_bytes());
        assert_eq!(report().to_bytes(), expect);
        assert_eq!(NodeReport::from_bytes(&expect), Ok(report()));
        let longest = NodeReport {
            name: "x".repeat(MAX_NODE_NAME_CHARS).parse().unwrap(),
            not_eligible: Some("X".repeat(MAX_CODE_CHARS)),
            ..report()
        };
        assert!(longest.to_bytes().len() <= MAX_REPORT_BYTES);
    }

    #[test]
    fn whatever_the_reason_is_the_peers_can_read_it() {
        for (said, reported) in [
            ("STREAK", "STREAK"),
            ("", "OTHER"),
            ("connection refused", "OTHER"),
            ("\u{1b}[31m", "OTHER"),
            (&"X".repeat(MAX_CODE_CHARS + 1), "OTHER"),
        ] {
            let not_eligible = Some(NodeReport::reported_code(said));
            let report = NodeReport { not_eligible, ..report() };
            assert_eq!(NodeReport::from_bytes(&report.to_bytes()).unwrap().not_eligible.unwrap(), reported);
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let good = report().to_bytes();
        let coded = |code: &str| NodeReport { not_eligible: Some(code.into()), ..report() }.to_bytes();
        let mut named = good.clone();
        named[4] = b'N';
        let cases: [(&str, Vec<u8>); 7] = [
            ("nothing", vec![]),
            ("cut", good[..good.len() - 1].to_vec()),
            ("something behind it", [&good[..], &[0]].concat()),
            ("too long", vec![0; MAX_REPORT_BYTES + 1]),
            ("a name that is none", named),
            ("a code with a colour", coded("\u{1b}[31m")),
            ("a code without end", coded(&"X".repeat(33))),
        ];
        for (desc, bytes) in cases {
            assert!(NodeReport::from_bytes(&bytes).is_err(), "{desc}");
        }
    }
}
