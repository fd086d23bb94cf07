//! Seven winners over sorted pools against the bare permutations of the hashes they need.
//!
//! The seed and six rerolls are one Keccak permutation each. The figure that counts is the ratio, taken
//! from interleaved batches of one run so that both sides see the same machine; at most 1.5 at any size.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use vision_primitives::{Hash, Height, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};

const WINNERS: usize = 7;
const POOL_SIZES: [u64; 3] = [10, 1_000, 100_000];
const MOST_RATIO: f64 = 1.5;
const BATCHES: usize = 200;
const RUNS_PER_BATCH: u32 = 500;

fn pool(n: u64) -> Pool {
    Pool::new((0..n).map(|i| hash(&[&i.to_le_bytes()])))
}

/// From the entropy to seven owners, as a node does it for every height.
fn winners(entropy: &Hash, salt: &Hash, pool: &Pool) -> [Hash; WINNERS] {
    let timing = SlotTiming {
        block_interval_ms: 1800,
        claim_timeout_ms: 1200,
        main_slots: WINNERS as u64,
        jitter_min_ms: 50,
        jitter_max_ms: 400,
    };
    let seed = seed(entropy, Height(7), salt);
    let schedule =
        Schedule::new(seed, pool.clone(), pool.clone(), TimestampMs(0), timing).expect("a schedule");
    std::array::from_fn(|k| schedule.owner(Slot(k as u64)))
}

fn permutations(state: &mut [u64; 25]) {
    keccak::Keccak::new().with_f1600(|f1600| {
        for _ in 0..WINNERS {
            f1600(state);
        }
    });
}

fn batch(mut run: impl FnMut()) -> Duration {
    // A benchmark is measured by the wall clock.
    #[allow(clippy::disallowed_methods)]
    let start = Instant::now();
    for _ in 0..RUNS_PER_BATCH {
        run();
    }
    start.elapsed()
}

fn ratios() {
    let salt = epoch_salt("vision-mainnet");
    for n in POOL_SIZES {
        let pool = pool(n);
        let (mut state, mut entropy) = ([1_u64; 25], Hash::ZERO);
        let (mut bare, mut full) = (Duration::MAX, Duration::MAX);
        for _ in 0..BATCHES {
            bare = bare.min(batch(|| permutations(black_box(&mut state))));
            full = full.min(batch(|| {
                let owners = winners(black_box(&entropy), &salt, &pool);
                entropy.0[0] ^= black_box(owners)[6].0[0];
            }));
        }
        let ratio = full.as_secs_f64() / bare.as_secs_f64();
        println!(
            "winners/{n}: {:.0} ns, {WINNERS} bare permutations {:.0} ns, ratio {ratio:.2}",
            full.as_nanos() as f64 / f64::from(RUNS_PER_BATCH),
            bare.as_nanos() as f64 / f64::from(RUNS_PER_BATCH),
        );
        assert!(ratio <= MOST_RATIO, "seven of {n} cost {ratio:.2} times their permutations");
    }
}

fn bench(c: &mut Criterion) {
    let salt = epoch_salt("vision-mainnet");
    let mut group = c.benchmark_group("winners");
    let mut state = [1_u64; 25];
    group.bench_function("bare_permutations", |b| b.iter(|| permutations(black_box(&mut state))));
    for n in POOL_SIZES {
        let pool = pool(n);
        group.bench_with_input(BenchmarkId::new("seven_of", n), &pool, |b, pool| {
            b.iter(|| winners(black_box(&Hash::ZERO), &salt, pool));
        });
    }
    group.finish();
    ratios();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(2));
    targets = bench
}
criterion_main!(benches);
