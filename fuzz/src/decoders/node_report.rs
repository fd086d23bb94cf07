//! A report that decodes encodes to the same bytes, and nothing in it can harm a terminal.

use vision_primitives::{Hash, Height, MAX_NODE_NAME_CHARS, MAX_REPORT_BYTES, NodeReport, TimestampMs};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(report) = NodeReport::from_bytes(bytes) else { return };
    assert_eq!(report.to_bytes(), bytes);
    assert!(bytes.len() <= MAX_REPORT_BYTES);
    let name = report.name.as_str();
    assert!((1..=MAX_NODE_NAME_CHARS).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(name.parse().as_ref(), Ok(&report.name));
    if let Some(code) = &report.not_eligible {
        assert!(code.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(&NodeReport::reported_code(code), code);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let report = |not_eligible: Option<&str>| NodeReport {
        name: "node1".parse().expect("a name"),
        not_eligible: not_eligible.map(str::to_owned),
        ready_peers: 2,
        height: Height(7),
        hash: Hash([9; 32]),
        arrived_at: TimestampMs(1_700_000_000_000),
        pending: 3,
    };
    [None, Some("STREAK")].map(|code| report(code).to_bytes()).into()
}
