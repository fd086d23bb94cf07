//! A damaged file of claims is refused, or nothing in it is lost; rows that decode encode to the same bytes.

use std::sync::LazyLock;

use vision_fuzz::GoodFile;
use vision_primitives::hash;

use super::*;

const ME: Hash = Hash([1; 32]);
const CHAIN: Hash = Hash([2; 32]);
const FLOOR: Height = Height(2);
const BLOCKS: u64 = 9;

/// A good file.
struct Good {
    home: tempfile::TempDir,
    file: GoodFile,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a folder");
    create_signer_state(home.path()).expect("created");
    let (mut store, _) = SignerState::open(home.path(), &ME, &CHAIN).expect("opened");
    for height in 1..=BLOCKS {
        let write = Write { claims: Vec::new(), proposal: Some(proposal(height)), floor: FLOOR };
        store.write(&write).expect("written");
    }
    drop(store);
    let file = GoodFile::new(std::fs::read(state_path(home.path())).expect("read"));
    Good { home, file }
});

fn proposal(height: u64) -> Arc<Proposal> {
    let name = |what: &str| hash(&[what.as_bytes(), &height.to_le_bytes()]);
    Arc::new(Proposal {
        height: Height(height),
        parent: name("parent"),
        slot: Slot(3),
        hash: name("block"),
        header: vec![1, 2, 3],
        transactions: vec![vec![4], vec![5, 6]],
        claimed_at: TimestampMs(77),
    })
}

fn run_file(bytes: &[u8]) {
    let (file, home) = (GOOD.file.damaged(bytes), GOOD.home.path());
    let is_whole = GOOD.file.is_whole(&file);
    std::fs::write(state_path(home), file).expect("written");
    match SignerState::open(home, &ME, &CHAIN) {
        Err(error) => assert!(!is_whole && !error.to_string().is_empty(), "{error}"),
        Ok((_, loaded)) => {
            assert!(loaded.guard.floor() >= FLOOR);
            for height in FLOOR.get() + 1..=BLOCKS {
                let block = proposal(height);
                let promised = loaded.guard.promised(block.height, &block.parent);
                assert_eq!(promised, Some(block.hash), "the promise at height {height} is lost");
            }
            assert_eq!(loaded.last, Some(proposal(BLOCKS)));
        }
    }
}

fn run_rows(bytes: &[u8]) {
    if let Ok(claim) = decode_strict::<Claim>("claim", bytes) {
        assert_eq!(encode(&claim), bytes);
    }
    if let Ok(record) = decode_strict::<ProposalRecord>("proposal", bytes) {
        assert_eq!(encode(&record), bytes);
        let proposal = record.into_proposal();
        assert_eq!(encode(&ProposalRecord::of(&proposal)), bytes);
    }
}

#[test]
fn a_damaged_file_is_refused_or_nothing_in_it_is_lost() {
    vision_fuzz::check("claims_file", run_file, 200);
}

#[test]
fn rows_that_decode_encode_to_the_same_bytes() {
    vision_fuzz::check("claims_rows", run_rows, 30_000);
}
