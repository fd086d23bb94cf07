//! A block that decodes from its parts gives back the same parts, is the block that its author would have
//! put together, and every transaction of it can be proved. The parts are those of a good block, bent.
use std::sync::LazyLock;

use crate::values::{GENESIS_HASH, block, transactions};
use crate::{All, input};
use arbitrary::Arbitrary;
use vision_primitives::{Block, Header, SignedTransaction, merkle_proof};

const MAX_BENDS: usize = 8;

static GOOD: LazyLock<Block> = LazyLock::new(|| block(transactions()));

/// Part 0 is the header, 1 the signature, the others are transactions.
#[derive(Arbitrary, Debug)]
enum Bend {
    Set { part: u8, at: u16, to: u8 },
    Insert { part: u8, at: u16, byte: u8 },
    Remove { part: u8, at: u16 },
    Append { part: u8, bytes: Vec<u8> },
    Cut { part: u8, at: u16 },
    AddTransaction(Vec<u8>),
    RemoveTransaction(u8),
    TwiceTransaction(u8),
}

fn bend(parts: &mut Vec<Vec<u8>>, bend: Bend) {
    let count = parts.len();
    let which = |part: u8| usize::from(part) % count;
    let body = |part: u8| 2 + usize::from(part) % count.saturating_sub(2).max(1);
    match bend {
        Bend::Set { part, at, to } => {
            let bytes = &mut parts[which(part)];
            let len = bytes.len().max(1);
            bytes.get_mut(usize::from(at) % len).into_iter().for_each(|byte| *byte = to);
        }
        Bend::Insert { part, at, byte } => {
            let bytes = &mut parts[which(part)];
            bytes.insert(usize::from(at) % (bytes.len() + 1), byte);
        }
        Bend::Remove { part, at } => {
            let bytes = &mut parts[which(part)];
            if !bytes.is_empty() {
                bytes.remove(usize::from(at) % bytes.len());
            }
        }
        Bend::Append { part, bytes } => parts[which(part)].extend(bytes),
        Bend::Cut { part, at } => parts[which(part)].truncate(usize::from(at)),
        Bend::AddTransaction(bytes) => parts.push(bytes),
        Bend::RemoveTransaction(part) if count > 2 => drop(parts.remove(body(part))),
        Bend::TwiceTransaction(part) if count > 2 => parts.push(parts[body(part)].clone()),
        Bend::RemoveTransaction(_) | Bend::TwiceTransaction(_) => {}
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(bends)) = input::<All<Bend>>(bytes) else { return };
    let mut parts = vec![GOOD.header_bytes().to_vec(), GOOD.signature().0.to_vec()];
    parts.extend(GOOD.transactions().iter().map(|signed| signed.bytes().to_vec()));
    bends.into_iter().take(MAX_BENDS).for_each(|one| bend(&mut parts, one));
    let bodies = parts.split_off(2);
    let [header, signature] = [&parts[0], &parts[1]];

    let decoded = Block::from_parts(header.clone(), signature, bodies.clone(), &GENESIS_HASH);
    let Ok(block) = decoded else { return };
    assert_eq!(block.header_bytes(), header);
    assert_eq!(block.header().to_bytes(), *header);
    assert_eq!(&block.signature().0[..], signature);
    assert!(block.transactions().iter().map(SignedTransaction::bytes).eq(&bodies));
    assert_eq!(block.hash(), Header::hash_bytes(&GENESIS_HASH, header));
    let size: usize = bodies.iter().map(Vec::len).sum();
    assert_eq!(block.size_bytes(), (header.len() + signature.len() + size) as u64);

    let transactions = block.transactions().to_vec();
    let hashes: Vec<_> = transactions.iter().map(SignedTransaction::hash).collect();
    for (index, hash) in hashes.iter().enumerate() {
        let proof = merkle_proof(&hashes, index).expect("in range");
        assert!(proof.verify(hash, &block.computed_tx_root()));
    }
    let again = Block::assemble(block.header().clone(), *block.signature(), transactions, &GENESIS_HASH);
    assert_eq!(again, block);
}
