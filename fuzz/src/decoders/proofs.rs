//! Whatever is done to a proof, it verifies for nothing but what is there: a proof of an account only as
//! the state's own proof of that account, a proof of a transaction only for one that is in the block.
use crate::{Few, input};
use arbitrary::Arbitrary;
use vision_ledger::{Account, AccountProof, State, TreeProofEnd};
use vision_primitives::{Address, Hash, MerkleProof, MerkleStep, hash, merkle_proof, merkle_root};

const MAX_BENDS: usize = 8;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Accounts of the state before; the first of them change.
    accounts: Few<(u8, u8)>,
    changed: Vec<u8>,
    /// Whose proof is bent, and taken from the state before or after.
    of: u8,
    stale: bool,
    /// Whose proof it is said to be.
    shown_for: u8,
    bends: Few<Bend>,
    leaves: u8,
    leaf: u8,
    steps: Few<(StepBend, u8)>,
}

/// A change of an account's proof; parts of others' proofs are the likeliest to fit.
#[derive(Arbitrary, Debug)]
enum Bend {
    Balance(u64),
    Nonce(u64),
    Supply(u64),
    ProducersRoot(u8),
    Account { from: u8 },
    Path { from: u8 },
    End { from: u8 },
    Sibling { at: u8, from: u8, other: u8 },
    Insert { at: u8, from: u8, other: u8 },
    Flip { at: u8, bit: u8 },
    Remove(u8),
    Zero(u8),
    Swap(u8, u8),
    Empty,
    Key(u8),
    ValueOf(u8),
}

#[derive(Arbitrary, Debug)]
enum StepBend {
    Turn,
    Remove,
    Twice,
    Item(u8),
    Zero,
}

fn address(seed: u8) -> Address {
    Hash([seed; 32])
}

fn pick(index: u8, len: usize) -> usize {
    usize::from(index) % len.max(1)
}

fn bend(proof: &mut AccountProof, bend: &Bend, state: &State) {
    let other = |seed: u8| state.prove_account(&address(seed));
    let siblings = &mut proof.path.siblings;
    let len = siblings.len();
    match *bend {
        Bend::Balance(to) => proof.account.balance = to,
        Bend::Nonce(to) => proof.account.nonce = to,
        Bend::Supply(to) => proof.supply = to,
        Bend::ProducersRoot(bit) => proof.producers_root.0[pick(bit, 32)] ^= 1,
        Bend::Account { from } => proof.account = other(from).account,
        Bend::Path { from } => proof.path = other(from).path,
        Bend::End { from } => proof.path.end = other(from).path.end,
        Bend::Insert { at, from, other: seed } => {
            let taken = other(seed).path.siblings;
            if let Some(hash) = taken.get(pick(from, taken.len())) {
                siblings.insert(pick(at, len + 1), *hash);
            }
        }
        Bend::Sibling { at, from, other: seed } => {
            let taken = other(seed).path.siblings;
            if let (Some(here), Some(hash)) =
                (siblings.get_mut(pick(at, len)), taken.get(pick(from, taken.len())))
            {
                *here = *hash;
            }
        }
        Bend::Empty => proof.path.end = TreeProofEnd::Empty,
        Bend::Key(seed) => {
            if let (TreeProofEnd::Leaf { key, .. }, TreeProofEnd::Leaf { key: taken, .. }) =
                (&mut proof.path.end, other(seed).path.end)
            {
                *key = taken;
            }
        }
        Bend::ValueOf(seed) => {
            if let TreeProofEnd::Leaf { value_hash, .. } = &mut proof.path.end {
                *value_hash = other(seed).account.value_hash();
            }
        }
        _ if len == 0 => {}
        Bend::Flip { at, bit } => siblings[pick(at, len)].0[pick(bit, 32)] ^= 1 << (bit / 32),
        Bend::Remove(at) => drop(siblings.remove(pick(at, len))),
        Bend::Zero(at) => siblings[pick(at, len)] = Hash::ZERO,
        Bend::Swap(a, b) => siblings.swap(pick(a, len), pick(b, len)),
    }
}

fn bend_steps(proof: &mut MerkleProof, kind: &StepBend, at: u8, items: &[Hash]) {
    let steps = &mut proof.0;
    if steps.is_empty() {
        return;
    }
    let at = pick(at, steps.len());
    steps[at] = match (kind, steps[at]) {
        (StepBend::Remove, _) => {
            steps.remove(at);
            return;
        }
        (StepBend::Twice, step) => return steps.insert(at, step),
        (StepBend::Turn, MerkleStep::Left(hash)) => MerkleStep::Right(hash),
        (StepBend::Turn, MerkleStep::Right(hash)) => MerkleStep::Left(hash),
        (StepBend::Item(item), MerkleStep::Left(_)) => MerkleStep::Left(items[pick(*item, items.len())]),
        (StepBend::Item(item), MerkleStep::Right(_)) => MerkleStep::Right(items[pick(*item, items.len())]),
        (StepBend::Zero, _) => MerkleStep::Left(Hash::ZERO),
    };
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = input::<Input>(bytes) else { return };
    let accounts = |add: u64, only: &[u8]| -> Vec<(Address, Account)> {
        let chosen = input.accounts.0.iter().filter(|(seed, _)| only.is_empty() || only.contains(seed));
        let holds = |balance: u8| Account { balance: u64::from(balance) + add, nonce: add };
        chosen.map(|(seed, balance)| (address(*seed), holds(*balance))).collect()
    };
    let before = State::from_parts(accounts(0, &[]), [], 1);
    let all = accounts(0, &[]).into_iter().chain(accounts(3, &input.changed));
    let after = State::from_parts(all, [], 1);

    let source = if input.stale { &before } else { &after };
    let mut proof = source.prove_account(&address(input.of));
    assert!(proof.verify(&source.root(), &address(input.of)));
    for one in input.bends.0.iter().take(MAX_BENDS) {
        bend(&mut proof, one, source);
    }
    for (state, shown_for) in [(&before, input.of), (&after, input.of), (&after, input.shown_for)] {
        let own = state.prove_account(&address(shown_for));
        assert_eq!(own.account, state.account(&address(shown_for)));
        assert!(own.verify(&state.root(), &address(shown_for)));
        assert_eq!(proof.verify(&state.root(), &address(shown_for)), proof == own);
    }

    let items: Vec<Hash> = (0..=input.leaves % 20).map(|leaf| hash(&[&[leaf]])).collect();
    let (root, leaf) = (merkle_root(&items), pick(input.leaf, items.len()));
    let mut proof = merkle_proof(&items, leaf).expect("in range");
    assert!(proof.verify(&items[leaf], &root));
    for (kind, at) in input.steps.0.iter().take(MAX_BENDS) {
        bend_steps(&mut proof, kind, *at, &items);
    }
    for foreign in [Hash::ZERO, root, hash(&[&[0], items[leaf].as_bytes()])] {
        assert!(items.contains(&foreign) || !proof.verify(&foreign, &root));
    }
    for (at, item) in items.iter().enumerate() {
        assert_eq!(proof.verify(item, &root), Some(&proof) == merkle_proof(&items, at).as_ref());
    }
}
