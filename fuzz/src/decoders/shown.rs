//! Whatever is done to a proof for a light client: it shows nothing of a trusted block but what is there.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use vision_ledger::State;
use vision_light::{Basis, Claim, Proof, Seal, Subject, Trusted};
use vision_primitives::{
    Address, Block, Hash, MerkleProof, MerkleStep, SignedTransaction, encode, merkle_proof,
};
use vision_test_blocks::{Net, id};

use crate::{All, input};

const MAX_BENDS: usize = 6;

/// A block with transactions, and the state after it.
struct Good {
    net: Net,
    block: Block,
    state: State,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let net = Net::of(3);
    let mut tree = net.tree();
    let root = tree.head().hash();
    let candidates: Vec<_> = (0..3).map(|nonce| net.transfer(1, nonce, id(2), 5)).collect();
    let block = net.block_at(&tree, &root, 0, 0, &candidates);
    net.add(&mut tree, &block, false);
    let state = tree.head().state().clone();
    Good { net, block, state }
});

#[derive(Arbitrary, Debug)]
struct Input {
    /// A proof of an account instead of one of a transaction.
    of_account: bool,
    which: u8,
    shown_for: u8,
    sealed: bool,
    knows_genesis: bool,
    bends: All<Bend>,
}

#[derive(Arbitrary, Debug)]
enum Bend {
    Genesis(u8),
    Header { at: u16, by: u8 },
    HeaderCut(u16),
    Bytes { at: u16, by: u8 },
    BytesCut(u16),
    OtherBytes(u8),
    StepTurned(u8),
    StepGone(u8),
    StepTwice(u8),
    Seal { at: u8, by: u8 },
    SealKey(u8),
    SealProducer(u8),
}

fn claim(input: &Input) -> Claim {
    let transactions = GOOD.block.transactions();
    let at = usize::from(input.which) % transactions.len();
    if input.of_account {
        let proof = encode(&GOOD.state.prove_account(&address(input.which)));
        return Claim::Account { address: address(input.shown_for), proof };
    }
    let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
    let path = merkle_proof(&hashes, at).expect("in range");
    let shown = usize::from(input.shown_for) % transactions.len();
    Claim::Transaction { bytes: transactions[shown].bytes().to_vec(), path }
}

/// Of a producer, or one that nobody knows.
fn address(which: u8) -> Address {
    id(1 + which % 5)
}

fn flip(bytes: &mut [u8], at: u16, by: u8) {
    let len = bytes.len().max(1);
    bytes.get_mut(usize::from(at) % len).into_iter().for_each(|byte| *byte ^= by);
}

fn bend_path(MerkleProof(steps): &mut MerkleProof, bend: &Bend) {
    let len = steps.len();
    match *bend {
        _ if len == 0 => {}
        Bend::StepTurned(at) => {
            let at = usize::from(at) % len;
            steps[at] = match steps[at] {
                MerkleStep::Left(hash) => MerkleStep::Right(hash),
                MerkleStep::Right(hash) => MerkleStep::Left(hash),
            };
        }
        Bend::StepGone(at) => drop(steps.remove(usize::from(at) % len)),
        Bend::StepTwice(at) => steps.push(steps[usize::from(at) % len]),
        _ => {}
    }
}

fn bend(proof: &mut Proof, seal: &mut Seal, bend: &Bend) {
    if let Claim::Transaction { path, .. } = &mut proof.claim {
        bend_path(path, bend);
    }
    let (Claim::Transaction { bytes, .. } | Claim::Account { proof: bytes, .. }) = &mut proof.claim;
    match *bend {
        Bend::Genesis(by) => proof.genesis.0[0] ^= by,
        Bend::Header { at, by } => flip(&mut proof.header, at, by),
        Bend::HeaderCut(to) => proof.header.truncate(usize::from(to)),
        Bend::Bytes { at, by } => flip(bytes, at, by),
        Bend::BytesCut(to) => bytes.truncate(usize::from(to)),
        Bend::OtherBytes(which) => *bytes = encode(&GOOD.state.prove_account(&address(which))),
        Bend::Seal { at, by } => flip(&mut seal.signature.0, u16::from(at), by),
        Bend::SealKey(of) => seal.key = GOOD.net.keys.get(&address(of)).map(|key| key.public_key()),
        Bend::SealProducer(of) => seal.producer = Some(address(of)),
        _ => {}
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = input::<Input>(bytes) else { return };
    let (genesis, block) = (&GOOD.net.rules.genesis, &GOOD.block);
    let header = block.header_bytes().to_vec();
    let mut proof = Proof { genesis: genesis.hash(), header, claim: claim(&input) };
    let mut seal = Seal { producer: None, signature: *block.signature(), key: None };
    input.bends.0.iter().take(MAX_BENDS).for_each(|one| bend(&mut proof, &mut seal, one));

    let shown = match proof.check() {
        Ok(shown) => shown,
        Err(why) => return assert!(!why.is_empty()),
    };
    let trusted =
        Trusted { block: Some(block.hash()), genesis: input.knows_genesis.then(|| genesis.clone()) };
    let basis = shown.judge(input.sealed.then_some(&seal), &trusted);
    if shown.block != block.hash() {
        return assert!(basis.is_err(), "another block is trusted");
    }
    if let Ok(basis) = basis {
        assert_eq!(basis, Basis::Block);
    }
    match shown.subject {
        Subject::Transaction(signed) => {
            assert!(block.transactions().iter().any(|included| included.bytes() == signed.bytes()));
        }
        Subject::Account { address, account } => assert_eq!(account, GOOD.state.account(&address)),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    vec![vec![0; 6], vec![1, 2, 2, 1, 1], vec![1, 4, 4, 0, 1], vec![0, 1, 1, 1, 1, 3, 2, 1, 0, 9, 1]]
}
