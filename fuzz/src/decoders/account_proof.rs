//! An account proof that decodes encodes to the same bytes, and any proof can be judged without a panic.
use crate::values::id;
use vision_ledger::{AccountProof, TreeProofEnd};
use vision_primitives::{Hash, decode_strict, encode};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(proof) = decode_strict::<AccountProof>("account proof", bytes) else { return };
    assert_eq!(encode(&proof), bytes);

    assert!(!proof.verify(&Hash::ZERO, &id(1)));
    let key = match &proof.path.end {
        TreeProofEnd::Empty => Hash::ZERO,
        TreeProofEnd::Leaf { key, .. } => *key,
    };
    // A path ends where its own leaf stands, unless it is longer than a key.
    match proof.path.resolve(&key) {
        Some((root, shown)) => assert!(proof.path.verify(&root, &key, shown.as_ref())),
        None => assert!(proof.path.siblings.len() > 256),
    }
}
