//! Importing a block of 500 transfers against batch-verifying its 500 signatures, in one run.
//! Also shown: the import when all signatures were verified before, and with 100,000 accounts in the state.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use vision_block_tree::{BlockTree, ChainRules};
use vision_primitives::*;

const TRANSFERS: u32 = 500;
/// Rounds of the comparison; the fastest of each kind counts, which shuts out a busy machine.
const ROUNDS: u32 = 60;
/// Highest ratio of import to bare verification that is good enough.
const TARGET_RATIO: f64 = 1.5;

struct Case {
    tree: BlockTree,
    block: Block,
    genesis_hash: Hash,
}

fn key(index: u32) -> SecretKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&index.to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// A block of 500 transfers by 500 senders to 500 other accounts.
fn case(further_accounts: u64) -> Case {
    let producer = key(1_000_000);
    let mut accounts: Vec<_> = (0..TRANSFERS)
        .map(|i| GenesisAccount { address: key(i).public_key().id(), balance: 1_000_000 })
        .chain(
            (0..further_accounts).map(|i| GenesisAccount { address: hash(&[&i.to_le_bytes()]), balance: 5 }),
        )
        .collect();
    accounts.sort_by_key(|a| a.address);
    let genesis = Genesis {
        chain_id: "bench".into(),
        time_ms: TimestampMs(0),
        producers: vec![GenesisProducer {
            public_key: producer.public_key(),
            payout: producer.public_key().id(),
        }],
        accounts,
        params: ConsensusParams::default(),
        entropy: Entropy::PrevHash,
        finality: Finality::Cft,
    };
    let rules = Arc::new(ChainRules::new(genesis));
    let genesis_hash = rules.genesis_hash;
    let tree = BlockTree::new(rules).expect("a sound genesis");
    let transfers: Vec<_> = (0..TRANSFERS)
        .map(|i| {
            let to = hash(&[b"receiver", &i.to_le_bytes()]);
            let action = Action::Transfer { to, amount: 7 };
            Transaction { sender: key(i).public_key(), nonce: 0, fee: 1, action }.sign(&key(i), &genesis_hash)
        })
        .collect();
    let window = tree.head().schedule().window(Slot(0));
    let (header, chosen) = tree
        .prepare(&tree.head().hash(), Slot(0), window.owner, window.opens_at, transfers)
        .expect("a block");
    assert_eq!(chosen.len(), TRANSFERS as usize);
    let hash = Header::hash_bytes(&genesis_hash, &header.to_bytes());
    let signature = producer.sign(Tag::Block, &genesis_hash, hash.as_bytes());
    Case { tree, block: Block::assemble(header, signature, chosen, &genesis_hash), genesis_hash }
}

fn verify_batch(case: &Case) {
    let mut batch = BatchVerifier::new();
    for tx in case.block.transactions() {
        let sender = &tx.transaction().sender;
        batch.queue(sender, Tag::Transaction, &case.genesis_hash, tx.payload(), tx.signature());
    }
    batch.verify().expect("500 good signatures");
}

fn fresh(case: &Case) -> BlockTree {
    BlockTree::new(case.tree.rules().clone()).expect("a sound genesis")
}

fn import(tree: &mut BlockTree, block: &Block) {
    let checked = tree.check(block).expect("a valid block");
    assert!(tree.insert(checked, false).stored);
}

fn fastest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| run()).min().unwrap_or_default()
}

#[allow(clippy::disallowed_methods)]
fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn ratio(c: &mut Criterion) {
    let case = case(0);
    let (mut verify, mut whole) = (Duration::MAX, Duration::MAX);
    // In turns, so that both meet the same machine.
    for _ in 0..ROUNDS {
        verify = verify.min(timed(|| verify_batch(black_box(&case))));
        let mut tree = fresh(&case);
        whole = whole.min(timed(|| import(&mut tree, black_box(&case.block))));
    }
    let known = fastest(|| {
        timed(|| drop(case.tree.check_with(black_box(&case.block), &|_| true).expect("a valid block")))
    });
    let ratio = whole.as_secs_f64() / verify.as_secs_f64();
    println!("import of {TRANSFERS} transfers {whole:?}, batch verification of their signatures {verify:?}");
    println!("ratio {ratio:.3} (target {TARGET_RATIO}); import with verified signatures {known:?}");

    let mut group = c.benchmark_group("import-500-transfers");
    group.sample_size(20);
    group.bench_function("batch-verify-only", |b| b.iter(|| verify_batch(black_box(&case))));
    group.bench_function("check-and-insert", |b| {
        b.iter_batched(|| fresh(&case), |mut tree| import(&mut tree, &case.block), BatchSize::LargeInput);
    });
    group.bench_function("check-verified-before", |b| {
        b.iter(|| case.tree.check_with(black_box(&case.block), &|_| true).expect("a valid block"));
    });
    group.finish();
}

fn many_accounts(c: &mut Criterion) {
    let case = case(100_000);
    let (mut verify, mut check) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        verify = verify.min(timed(|| verify_batch(black_box(&case))));
        check = check.min(timed(|| drop(case.tree.check(black_box(&case.block)).expect("a valid block"))));
    }
    let ratio = check.as_secs_f64() / verify.as_secs_f64();
    println!("with 100,000 further accounts in the state: check {check:?}, ratio {ratio:.3}");
    let mut group = c.benchmark_group("check-500-transfers-100k-accounts");
    group.sample_size(20);
    group.bench_function("check-verified-before", |b| {
        b.iter(|| case.tree.check_with(black_box(&case.block), &|_| true).expect("a valid block"));
    });
    group.finish();
}

criterion_group!(benches, ratio, many_accounts);
criterion_main!(benches);
