use vision_primitives::hash;

use super::*;

const ME: Hash = Hash([1; 32]);
const CHAIN: Hash = Hash([2; 32]);

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn proposal(height: u64, parent: &str, block: &str) -> Arc<Proposal> {
    Arc::new(Proposal {
        height: Height(height),
        parent: hash(&[parent.as_bytes()]),
        slot: Slot(3),
        hash: hash(&[block.as_bytes()]),
        header: vec![1, 2, 3],
        transactions: vec![vec![4], vec![5, 6]],
        claimed_at: TimestampMs(77),
    })
}

fn claim(proposal: &Proposal) -> Claim {
    Claim {
        height: proposal.height,
        winner_id: ME,
        tip_hash: proposal.parent,
        claimed_at: proposal.claimed_at,
        slot_idx: proposal.slot,
        block_hash: proposal.hash,
        done: false,
    }
}

fn write(store: &mut SignerState, number: u64, proposal: &Arc<Proposal>, floor: u64) {
    let write = Write {
        claims: vec![(number, claim(proposal))],
        proposal: Some(proposal.clone()),
        floor: Height(floor),
    };
    store.write(&write).unwrap();
}

fn open(home: &Path) -> Result<Loaded, Error> {
    SignerState::open(home, &ME, &CHAIN).map(|(_, loaded)| loaded)
}

#[test]
fn what_is_written_is_there_after_a_kill() {
    let home = home();
    create_signer_state(home.path()).unwrap();
    let (mut store, loaded) = SignerState::open(home.path(), &ME, &CHAIN).unwrap();
    assert!(loaded.guard.is_empty() && loaded.last.is_none());
    let blocks: Vec<_> = (1..=150).map(|i| proposal(i, &format!("p{i}"), &format!("b{i}"))).collect();
    for (number, block) in blocks.iter().enumerate() {
        write(&mut store, number as u64, block, 5);
    }
    // The file as a power cut leaves it: never closed.
    let copy = self::home();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    std::fs::copy(state_path(home.path()), state_path(copy.path())).unwrap();
    let loaded = open(copy.path()).unwrap();
    assert_eq!(loaded.last, blocks.last().cloned());
    assert_eq!(loaded.guard.floor(), Height(5));
    assert_eq!(loaded.guard.len(), 145, "what the floor bars is gone");
    for block in &blocks[5..] {
        assert_eq!(loaded.guard.promised(block.height, &block.parent), Some(block.hash));
    }
    let heights: Vec<_> = loaded.book.newest_first().map(|(n, c)| (n, c.height.get())).collect();
    assert_eq!(heights, (50..150).rev().map(|n| (n, n + 1)).collect::<Vec<_>>());
}

#[test]
fn claims_are_refused_where_they_cannot_be_trusted() {
    let home = home();
    assert!(matches!(open(home.path()), Err(Error::ClaimsMissing { .. })));
    create_signer_state(home.path()).unwrap();
    assert!(matches!(create_signer_state(home.path()), Err(Error::ClaimsExist(_))));
    let (store, _) = SignerState::open(home.path(), &ME, &CHAIN).unwrap();
    assert!(matches!(open(home.path()), Err(Error::ClaimsInUse(_))));
    assert!(matches!(reset_signer_state(home.path(), 7), Err(Error::ClaimsInUse(_))));
    drop(store);
    let other_key = SignerState::open(home.path(), &CHAIN, &CHAIN).err();
    assert!(matches!(other_key, Some(Error::ClaimsForeign { what: "the key", .. })));
    let other_chain = SignerState::open(home.path(), &ME, &ME).err();
    assert!(matches!(other_chain, Some(Error::ClaimsForeign { what: "the chain", .. })));
    assert!(other_chain.is_some_and(|error| error.is_safety_refusal()));

    let whole = std::fs::read(state_path(home.path())).unwrap();
    let half = whole.len() / 2;
    for (desc, bytes) in
        [("empty", Vec::new()), ("text", b"not a database".to_vec()), ("cut", whole[..half].to_vec())]
    {
        std::fs::write(state_path(home.path()), &bytes).unwrap();
        let error = open(home.path()).expect_err(desc);
        assert!(matches!(error, Error::ClaimsCorrupt { .. }), "{desc}: {error}");
        assert!(error.to_string().contains("vision keys reset-claims --home"), "{desc}");
    }
}

#[test]
fn a_reset_bars_all_it_was_given_and_keeps_what_it_can() {
    for (desc, prepare) in [
        ("missing", (|_| {}) as fn(&Path)),
        ("damaged", |home| std::fs::write(state_path(home), b"dust").unwrap()),
        ("whole", |home| create_signer_state(home).unwrap()),
    ] {
        let home = home();
        std::fs::create_dir(home.path().join("data")).unwrap();
        prepare(home.path());
        reset_signer_state(home.path(), 40).expect(desc);
        assert_eq!(open(home.path()).expect(desc).guard, Guard::new(Height(40)), "{desc}");
    }

    let home = home();
    create_signer_state(home.path()).unwrap();
    let (mut store, _) = SignerState::open(home.path(), &ME, &CHAIN).unwrap();
    write(&mut store, 0, &proposal(50, "p", "b"), 0);
    drop(store);
    reset_signer_state(home.path(), 40).unwrap();
    let loaded = open(home.path()).unwrap();
    assert_eq!((loaded.guard.floor(), loaded.guard.highest()), (Height(40), Height(50)));
    assert_eq!(loaded.last, Some(proposal(50, "p", "b")));
    reset_signer_state(home.path(), 60).unwrap();
    reset_signer_state(home.path(), 10).unwrap();
    let loaded = open(home.path()).unwrap();
    assert_eq!(loaded.guard, Guard::new(Height(60)), "a floor never sinks");
    assert_eq!(loaded.last, None, "barred");
    assert_eq!(loaded.book.newest_first().count(), 1);
}

#[test]
fn flipped_bits_never_change_what_was_promised() {
    let home = home();
    create_signer_state(home.path()).unwrap();
    let (mut store, _) = SignerState::open(home.path(), &ME, &CHAIN).unwrap();
    let promised = proposal(9, "p", "b");
    write(&mut store, 0, &promised, 0);
    drop(store);
    let whole = std::fs::read(state_path(home.path())).unwrap();
    let at = |needle: &[u8]| whole.windows(needle.len()).position(|window| window == needle);
    let spot = at(promised.hash.as_bytes()).expect("the promise is in the file");
    let mut bent = whole.clone();
    // Every copy of the page: redb keeps the pages before too.
    for start in 0..bent.len() - 32 {
        if bent[start..start + 32] == *promised.hash.as_bytes() {
            bent[start] ^= 1;
        }
    }
    assert_ne!(bent[spot], whole[spot]);
    std::fs::write(state_path(home.path()), &bent).unwrap();
    assert!(matches!(open(home.path()), Err(Error::ClaimsCorrupt { .. })));
}
