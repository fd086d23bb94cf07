//! What a full pool costs: 20,000 transactions, of 20,000 senders or of 313.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use vision_ledger::{Account, State};
use vision_mempool::{Context, Limits, Mempool, Moment};
use vision_primitives::{
    Action, Address, ConsensusParams, Hash, Height, PublicKey, Signature, SignedTransaction, TimestampMs,
    Transaction, encode, hash,
};

const FULL: u64 = 20_000;
const NOW: Moment = Moment { wall: TimestampMs(0), running_ms: 0 };

fn sender(number: u64) -> PublicKey {
    PublicKey(hash(&[&number.to_le_bytes()]).0)
}

/// Nobody verifies the signature here.
fn transfer(number: u64, nonce: u64, fee: u64) -> SignedTransaction {
    let action = Action::Transfer { to: Hash::ZERO, amount: 1 };
    let transaction = Transaction { sender: sender(number), nonce, fee, action };
    let bytes = [&encode(&transaction)[..], &[0; Signature::BYTES]].concat();
    SignedTransaction::from_bytes(bytes, &Hash::ZERO).expect("a transaction")
}

/// A state of `FULL` accounts that have sent this many.
fn state(nonce: u64) -> State {
    let account = Account { balance: 1 << 40, nonce };
    let accounts = (0..2 * FULL).map(|number| (sender(number).id(), account));
    State::from_parts(accounts, [], (2 * FULL) << 40)
}

/// A pool full of runs of this length, with fees in no order.
fn full(per_sender: u64, context: &Context<'_>) -> Mempool {
    let mut pool = Mempool::new(Limits::default());
    for number in 0..FULL {
        let fee = 100 + number * 7_919 % 1_000;
        let transaction = transfer(number / per_sender, number % per_sender, fee);
        pool.admit(transaction, context, NOW).expect("there is room");
    }
    pool
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn admit(group: &mut Group<'_>, per_sender: u64, context: &Context<'_>) {
    let name = |what: &str| format!("{what}, {per_sender} per sender");
    group.bench_function(name("admit 20000 into an empty pool"), |bencher| {
        let all: Vec<_> = full(per_sender, context).iter().cloned().collect();
        let empty = || (Mempool::new(Limits::default()), all.clone());
        bencher.iter_batched(
            empty,
            |(mut pool, all)| {
                for transaction in all {
                    pool.admit(transaction, context, NOW).expect("there is room");
                }
                pool
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(name("admit 1000 into a full pool"), |bencher| {
        let dear: Vec<_> = (0..1_000).map(|number| transfer(FULL + number, 0, 9_999)).collect();
        bencher.iter_batched(
            || (full(per_sender, context), dear.clone()),
            |(mut pool, dear)| {
                for transaction in dear {
                    pool.admit(transaction, context, NOW).expect("it pays more");
                }
                pool
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(name("refuse 1000 by a full pool"), |bencher| {
        let pool = full(per_sender, context);
        let cheap: Vec<_> = (0..1_000).map(|number| transfer(FULL + number, 0, 1)).collect();
        bencher.iter(|| cheap.iter().filter(|tx| pool.check(tx, context).is_err()).count());
    });
}

fn select(group: &mut Group<'_>, per_sender: u64, context: &Context<'_>, after: &State) {
    let name = |what: &str| format!("{what}, {per_sender} per sender");
    let pool = full(per_sender, context);
    group.bench_function(name("select 10000"), |bencher| {
        bencher.iter(|| black_box(&pool).select(context.state, 10_000, usize::MAX).count());
    });
    group.bench_function(name("select 500"), |bencher| {
        bencher.iter(|| black_box(&pool).select(context.state, 500, usize::MAX).count());
    });
    group.bench_function(name("select 10000 on a state not seen"), |bencher| {
        bencher.iter(|| black_box(&pool).select(after, 10_000, usize::MAX).count());
    });
}

fn move_head(group: &mut Group<'_>, per_sender: u64, context: &Context<'_>, moved: &Context<'_>) {
    let name = |what: &str| format!("{what}, {per_sender} per sender");
    let touched: Vec<Address> = (0..500).map(|number| sender(number).id()).collect();
    group.bench_function(name("head_extended, 500 touched"), |bencher| {
        bencher.iter_batched(
            || full(per_sender, context),
            |mut pool| {
                black_box(pool.head_extended(moved, &context.state.root(), &touched));
                pool
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(name("head_moved, nothing changed"), |bencher| {
        let mut pool = full(per_sender, context);
        bencher.iter(|| pool.head_moved(context).len());
    });
    group.bench_function(name("head_moved, every sender's nonce used"), |bencher| {
        bencher.iter_batched(
            || full(per_sender, context),
            |mut pool| {
                black_box(pool.head_moved(moved));
                pool
            },
            BatchSize::PerIteration,
        );
    });
}

fn pool(criterion: &mut Criterion) {
    let params = ConsensusParams::default();
    let (before, after) = (state(0), state(1));
    let context = Context { state: &before, head: Height(1), params: &params };
    let moved = Context { state: &after, head: Height(2), params: &params };
    let mut group = criterion.benchmark_group("pool");
    group.sample_size(10);
    for per_sender in [1, 64] {
        admit(&mut group, per_sender, &context);
        select(&mut group, per_sender, &context, &after);
        move_head(&mut group, per_sender, &context, &moved);
    }
    group.finish();
}

criterion_group!(benches, pool);
criterion_main!(benches);
