//! Blocks and transactions as readers see them: decoded, every field by its name.

use bytes::Bytes;
use vision_primitives::{Action, HEADER_VERSION, Hash, Header, SignedTransaction, TimestampMs};

use crate::chain::{self, BlockInfo, transaction};
use crate::types;

/// The fields of a header.
#[must_use]
pub fn header_info(hash: &Hash, header: &Header) -> BlockInfo {
    BlockInfo {
        hash: hash.to_string(),
        height: header.height.get(),
        version: header.version.into(),
        parent: header.parent.to_string(),
        timestamp_ms: header.timestamp_ms.get(),
        slot: header.slot.get(),
        producer: header.producer.to_string(),
        tx_root: header.tx_root.to_string(),
        state_root: header.state_root.to_string(),
        pool_root: header.pool_root.to_string(),
        weight: header.weight,
        certificate_hash: header.certificate_hash.to_string(),
        reveal: header.reveal.to_string(),
        mix: header.mix.to_string(),
        ..BlockInfo::default()
    }
}

/// Block 0, which has no header: these values stand in for its fields.
#[must_use]
pub fn genesis_info(genesis_hash: &Hash, time: TimestampMs) -> BlockInfo {
    let zeros = || Hash::ZERO.to_string();
    BlockInfo {
        hash: genesis_hash.to_string(),
        block: Some(types::Block::default()),
        canonical: true,
        finalized: true,
        version: HEADER_VERSION.into(),
        parent: zeros(),
        timestamp_ms: time.get(),
        producer: zeros(),
        tx_root: zeros(),
        state_root: zeros(),
        pool_root: zeros(),
        certificate_hash: zeros(),
        reveal: zeros(),
        mix: genesis_hash.to_string(),
        ..BlockInfo::default()
    }
}

/// A transaction's fields.
#[must_use]
pub fn transaction_to_proto(signed: &SignedTransaction) -> chain::Transaction {
    let transaction = signed.transaction();
    chain::Transaction {
        hash: signed.hash().to_string(),
        bytes: Bytes::copy_from_slice(signed.bytes()),
        sender: signed.sender_address().to_string(),
        sender_public_key: transaction.sender.to_string(),
        nonce: transaction.nonce,
        fee: transaction.fee,
        action: Some(action_to_proto(&transaction.action)),
        signature: Bytes::copy_from_slice(&signed.signature().0),
    }
}

fn action_to_proto(action: &Action) -> transaction::Action {
    match action {
        Action::Transfer { to, amount } => {
            transaction::Action::Transfer(chain::Transfer { to: to.to_string(), amount: *amount })
        }
        Action::Data { bytes } => {
            transaction::Action::Data(chain::Data { data: Bytes::copy_from_slice(bytes) })
        }
        Action::RegisterProducer { public_key, payout, proof_of_possession } => {
            transaction::Action::RegisterProducer(chain::RegisterProducer {
                public_key: public_key.to_string(),
                payout: payout.to_string(),
                proof_of_possession: Bytes::copy_from_slice(&proof_of_possession.0),
            })
        }
        Action::ExitProducer => transaction::Action::ExitProducer(chain::ExitProducer {}),
        Action::SyncProof(proof) => transaction::Action::SyncProof(chain::SyncProof {
            block_height: proof.height.get(),
            block_hash: proof.hash.to_string(),
        }),
    }
}

impl BlockInfo {
    /// The block as it travels, of an answer that has its transactions.
    #[must_use]
    pub fn into_whole(self) -> Option<types::Block> {
        let transactions = self.transactions.into_iter().map(|transaction| transaction.bytes).collect();
        self.block.map(|block| types::Block { transactions, ..block })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use vision_primitives::{Block, Height, SecretKey, Signature, Slot, SyncProof, Transaction};

    use super::*;
    use crate::MAX_SHOWN_BLOCK_BYTES;

    const GENESIS: Hash = Hash([8; 32]);

    fn signed(action: Action) -> SignedTransaction {
        let key = SecretKey::from_seed(&[7; 32]);
        Transaction { sender: key.public_key(), nonce: 4, fee: u64::MAX, action }.sign(&key, &GENESIS)
    }

    fn actions() -> [Action; 5] {
        let public_key = SecretKey::from_seed(&[6; 32]).public_key();
        let proof_of_possession = Signature([5; 64]);
        [
            Action::Transfer { to: Hash([9; 32]), amount: 3 },
            Action::Data { bytes: vec![0xca, 0xfe] },
            Action::RegisterProducer { public_key, payout: Hash([4; 32]), proof_of_possession },
            Action::ExitProducer,
            Action::SyncProof(SyncProof { height: Height(3), hash: Hash([2; 32]) }),
        ]
    }

    #[test]
    fn every_action_is_shown_with_its_fields() {
        let public_key = SecretKey::from_seed(&[6; 32]).public_key().to_string();
        let hex = |byte: &str| byte.repeat(32);
        let expect = [
            transaction::Action::Transfer(chain::Transfer { to: hex("09"), amount: 3 }),
            transaction::Action::Data(chain::Data { data: Bytes::from_static(&[0xca, 0xfe]) }),
            transaction::Action::RegisterProducer(chain::RegisterProducer {
                public_key,
                payout: hex("04"),
                proof_of_possession: vec![5; 64].into(),
            }),
            transaction::Action::ExitProducer(chain::ExitProducer {}),
            transaction::Action::SyncProof(chain::SyncProof { block_height: 3, block_hash: hex("02") }),
        ];
        for (action, expect) in actions().into_iter().zip(expect) {
            let signed = signed(action);
            let shown = transaction_to_proto(&signed);
            assert_eq!(shown.action.as_ref(), Some(&expect));
            assert_eq!((&shown.bytes[..], shown.nonce, shown.fee), (signed.bytes(), 4, u64::MAX));
            let bytes = shown.bytes.to_vec();
            let again = SignedTransaction::from_bytes(bytes, &GENESIS).expect("the signed bytes");
            assert_eq!(
                (again.hash().to_string(), again.sender_address().to_string()),
                (shown.hash, shown.sender)
            );
            assert_eq!(shown.sender_public_key, again.transaction().sender.to_string());
            assert_eq!(&shown.signature[..], &again.signature().0);
        }
    }

    #[test]
    fn a_shown_block_has_all_fields_of_its_header_and_gives_the_block_back() {
        let at = |byte| Hash([byte; 32]);
        let header = Header {
            version: 1,
            height: Height(5),
            parent: at(1),
            timestamp_ms: TimestampMs(1_700_000_000_000),
            slot: Slot(2),
            producer: at(2),
            tx_root: at(3),
            state_root: at(4),
            pool_root: at(5),
            weight: 17,
            certificate_hash: at(6),
            reveal: at(7),
            mix: at(8),
        };
        let block =
            Block::assemble(header.clone(), Signature([4; 64]), actions().map(signed).into(), &GENESIS);
        let whole = crate::block_to_proto(&block);
        let bare = types::Block { transactions: vec![], ..whole.clone() };
        let transactions = block.transactions().iter().map(transaction_to_proto).collect();
        let info = BlockInfo { block: Some(bare), transactions, ..header_info(&block.hash(), &header) };
        let hashes = [
            &info.hash,
            &info.parent,
            &info.producer,
            &info.tx_root,
            &info.state_root,
            &info.pool_root,
            &info.certificate_hash,
            &info.reveal,
            &info.mix,
        ];
        let reported: Vec<Hash> = hashes.iter().map(|text| text.parse().expect("a hash")).collect();
        let rest: Vec<Hash> = (1..=8).map(at).collect();
        assert_eq!((reported[0], &reported[1..]), (block.hash(), &rest[..]));
        let numbers = (info.version, info.height, info.timestamp_ms, info.slot, info.weight);
        assert_eq!(numbers, (1, 5, 1_700_000_000_000, 2, 17));
        assert_eq!(info.into_whole(), Some(whole));
    }

    #[test]
    fn the_largest_block_fits_into_a_message_however_small_its_transactions() {
        let largest = vision_primitives::ConsensusParams {
            max_block_bytes: 32 << 20,
            max_block_txs: 100_000,
            ..vision_primitives::ConsensusParams::default()
        };
        largest.check().expect("the largest that is allowed");
        // As many as there may be, of such a size that they fill the block.
        let filling = Action::Data { bytes: vec![1; 210] };
        for action in actions().into_iter().chain([filling]) {
            let signed = signed(action);
            let shown = transaction_to_proto(&signed).encoded_len() + 8;
            let count =
                (largest.max_block_bytes / signed.bytes().len() as u64).min(largest.max_block_txs) as usize;
            let bytes = count * shown + (1 << 20);
            assert!(bytes <= MAX_SHOWN_BLOCK_BYTES, "{bytes} of {count} {signed:?}");
        }
    }
}
