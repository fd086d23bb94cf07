//! A signed transaction that decodes encodes to the same bytes, and its signature is judged alike alone
//! and in a batch: two nodes that batch differently must agree.
use std::sync::LazyLock;

use crate::values::{GENESIS_HASH, transactions};
use vision_primitives::{BatchVerifier, SignedTransaction, Tag, encode};

static GOOD: LazyLock<Option<SignedTransaction>> = LazyLock::new(|| transactions().into_iter().next());

fn in_a_batch(with: &SignedTransaction, beside: Option<&SignedTransaction>) -> bool {
    let mut batch = BatchVerifier::new();
    for signed in beside.into_iter().chain([with]) {
        let (sender, signature) = (&signed.transaction().sender, signed.signature());
        batch.queue(sender, Tag::Transaction, &GENESIS_HASH, signed.payload(), signature);
    }
    batch.verify().is_ok()
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(signed) = SignedTransaction::from_bytes(bytes.to_vec(), &GENESIS_HASH) else { return };
    assert_eq!([&encode(signed.transaction())[..], &signed.signature().0].concat(), bytes);
    assert_eq!(signed.bytes(), bytes);
    assert_eq!(signed.hash(), SignedTransaction::hash_bytes(&GENESIS_HASH, bytes));

    let alone = signed.verify(&GENESIS_HASH).is_ok();
    assert_eq!(in_a_batch(&signed, None), alone);
    assert_eq!(in_a_batch(&signed, GOOD.as_ref()), alone);
}
