//! Looking at what is about to be signed.

use vision_primitives::{DecodeError, HEADER_VERSION, Hash, Header, MAX_HEADER_BYTES};

use crate::Ask;

/// A prepared header that is not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreparedFault {
    /// Bytes that are no header.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Too many bytes for a header.
    #[error("a header has at most {MAX_HEADER_BYTES} bytes, got {0}")]
    Length(usize),
    /// A field with another value than asked for.
    #[error("the prepared header's {0} is not the one requested")]
    Field(&'static str),
    /// A hash that is not that of the bytes.
    #[error("the prepared header has hash {computed}, not {reported}")]
    Hash {
        /// Of the bytes.
        computed: Hash,
        /// As reported.
        reported: Hash,
    },
}

/// Verifies that prepared bytes are a header for exactly the parent, slot, stamp and producer asked for.
/// What is left to the chain service is the choice of transactions and the roots that follow from it.
///
/// # Errors
/// [`PreparedFault`] naming the first thing that is wrong.
pub fn verify_prepared(
    ask: &Ask,
    bytes: &[u8],
    reported: &Hash,
    genesis_hash: &Hash,
) -> Result<Header, PreparedFault> {
    if bytes.len() > MAX_HEADER_BYTES {
        return Err(PreparedFault::Length(bytes.len()));
    }
    let header = Header::from_bytes(bytes)?;
    let fields = [
        ("version", header.version == HEADER_VERSION),
        ("height", header.height == ask.parent.height.next()),
        ("parent", header.parent == ask.parent.hash),
        ("timestamp_ms", header.timestamp_ms == ask.stamp),
        ("slot", header.slot == ask.window.slot),
        ("producer", header.producer == ask.window.owner),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, fits)| !fits) {
        return Err(PreparedFault::Field(field));
    }
    let computed = Header::hash_bytes(genesis_hash, bytes);
    if computed != *reported {
        return Err(PreparedFault::Hash { computed, reported: *reported });
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use vision_primitives::{Height, Slot, TimestampMs, hash};
    use vision_schedule::SlotWindow;

    use super::*;
    use crate::Head;

    #[test]
    fn only_the_header_asked_for_passes() {
        let (me, genesis) = (hash(&[b"me"]), hash(&[b"genesis"]));
        let parent = Head {
            height: Height(4),
            hash: hash(&[b"parent"]),
            timestamp_ms: TimestampMs(1000),
            producer: None,
            entropy: hash(&[b"parent"]),
            pool_root: hash(&[b"pool"]),
            registered_root: hash(&[b"registered"]),
        };
        let window = SlotWindow {
            slot: Slot(2),
            owner: me,
            jitter_ms: 7,
            opens_at: TimestampMs(2007),
            closes_at: TimestampMs(3000),
        };
        let ask = Ask { parent, window, stamp: TimestampMs(2500) };
        let good = Header {
            version: HEADER_VERSION,
            height: Height(5),
            parent: parent.hash,
            timestamp_ms: TimestampMs(2500),
            slot: Slot(2),
            producer: me,
            tx_root: Hash::ZERO,
            state_root: hash(&[b"state"]),
            pool_root: parent.pool_root,
            weight: 9,
            certificate_hash: Hash::ZERO,
            reveal: Hash::ZERO,
            mix: Hash::ZERO,
        };
        type Edit = fn(&mut Header);
        let cases: [(Edit, Option<&str>); 8] = [
            (|_| {}, None),
            (|h| h.state_root = Hash::ZERO, None),
            (|h| h.version += 1, Some("version")),
            (|h| h.height = Height(6), Some("height")),
            (|h| h.parent = Hash::ZERO, Some("parent")),
            (|h| h.timestamp_ms = TimestampMs(2501), Some("timestamp_ms")),
            (|h| h.slot = Slot(3), Some("slot")),
            (|h| h.producer = Hash::ZERO, Some("producer")),
        ];
        for (edit, expect) in cases {
            let mut header = good.clone();
            edit(&mut header);
            let bytes = header.to_bytes();
            let reported = Header::hash_bytes(&genesis, &bytes);
            let verdict = verify_prepared(&ask, &bytes, &reported, &genesis);
            assert_eq!(verdict.clone().err(), expect.map(PreparedFault::Field), "{expect:?}");
            if let Ok(verified) = verdict {
                assert_eq!(verified, header);
            }
        }
        let bytes = good.to_bytes();
        let reported = Header::hash_bytes(&genesis, &bytes);
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(verify_prepared(&ask, &longer, &reported, &genesis), Err(PreparedFault::Decode(_))));
        assert!(matches!(
            verify_prepared(&ask, &[0; 600], &reported, &genesis),
            Err(PreparedFault::Length(600))
        ));
        assert!(matches!(verify_prepared(&ask, &bytes, &me, &genesis), Err(PreparedFault::Hash { .. })));
    }
}
