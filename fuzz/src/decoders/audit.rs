//! Blocks of a chain judged as a light client does, with states and without: a right chain has no fault, and
//! whatever is changed in a block or in a registry is found.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use vision_light::{Audit, Fault, Listed, RegistryAnswer, Rules, Seen, Standing};
use vision_primitives::{Block, Hash, Header, Height, SignedTransaction};
use vision_test_blocks::{Net, id, key};

use crate::input;

const BLOCKS: usize = 6;

struct Chain {
    net: Net,
    blocks: Vec<Block>,
    /// Before each block.
    registries: Vec<RegistryAnswer>,
}

static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let net = Net::of(3);
    let mut tree = net.tree();
    let (mut blocks, mut registries) = (Vec::new(), Vec::new());
    for nonce in 0..BLOCKS as u64 {
        let head = tree.head().clone();
        let producers = head.state().producers().map(|(id, producer)| Listed {
            id: *id,
            key: producer.public_key,
            standing: Standing::Active,
        });
        registries.push(RegistryAnswer {
            height: head.height(),
            hash: head.hash(),
            producers: producers.collect(),
            active: head.state().active().ids().to_vec(),
            pool_root: head.state().active().root(),
            registered_root: head.state().registered().root(),
        });
        let block = net.block_at(&tree, &head.hash(), nonce % 2, 0, &[net.transfer(1, nonce, id(2), 5)]);
        net.add(&mut tree, &block, false);
        blocks.push(block);
    }
    Chain { net, blocks, registries }
});

#[derive(Arbitrary, Debug)]
struct Input {
    with_states: bool,
    /// Of each block.
    bends: [Bend; BLOCKS],
}

#[derive(Arbitrary, Debug)]
enum Bend {
    None,
    /// A bit of the header's bytes, without a new signature.
    Header {
        at: u16,
        bit: u8,
    },
    /// The same, signed by its producer.
    Signed {
        at: u16,
        bit: u8,
    },
    Signature {
        at: u8,
        by: u8,
    },
    NoTransactions,
    TwiceTransactions,
    OtherBlock(u8),
    Unreadable,
    Registry(RegistryBend),
}

#[derive(Arbitrary, Debug)]
enum RegistryBend {
    Missing,
    Height(u64),
    Hash(u8),
    Standing { which: u8, to: u8 },
    Without(u8),
    Twice(u8),
    Key { which: u8, of: u8 },
    ActiveReversed,
    PoolRoot(u8),
    RegisteredRoot(u8),
}

/// A block that is not the chain's, if the bend makes one; none if its bytes are no block.
fn bent(good: &Block, bend: &Bend) -> Option<Block> {
    let (genesis_hash, mut bytes) = (&CHAIN.net.rules.genesis_hash, good.header_bytes().to_vec());
    let (mut signature, mut body) = (*good.signature(), good.transactions().to_vec());
    match bend {
        Bend::Header { at, bit } | Bend::Signed { at, bit } => {
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        }
        Bend::Signature { at, by } => signature.0[usize::from(at % 64)] ^= by,
        Bend::NoTransactions => body.clear(),
        Bend::TwiceTransactions => body.extend(good.transactions().iter().cloned()),
        Bend::OtherBlock(which) => return Some(CHAIN.blocks[usize::from(*which) % BLOCKS].clone()),
        _ => {}
    }
    let header = Header::from_bytes(&bytes).ok()?;
    if matches!(bend, Bend::Signed { .. }) && CHAIN.net.keys.contains_key(&header.producer) {
        return Some(CHAIN.net.sign(header, body));
    }
    let bodies = body.iter().map(|signed: &SignedTransaction| signed.bytes().to_vec()).collect();
    Block::from_parts(bytes, &signature.0, bodies, genesis_hash).ok()
}

fn bend_registry(answer: &mut RegistryAnswer, bend: &RegistryBend) {
    let len = answer.producers.len();
    let at = |which: u8| usize::from(which) % len;
    match *bend {
        RegistryBend::Missing => answer.producers.clear(),
        RegistryBend::Height(height) => answer.height = Height(height),
        RegistryBend::Hash(by) => answer.hash.0[0] ^= by,
        RegistryBend::Standing { which, to } => {
            let standings = [Standing::Active, Standing::Suspended, Standing::Candidate];
            answer.producers[at(which)].standing = standings[usize::from(to) % 3];
        }
        RegistryBend::Without(which) => drop(answer.producers.remove(at(which))),
        RegistryBend::Twice(which) => answer.producers.push(answer.producers[at(which)]),
        RegistryBend::Key { which, of } => answer.producers[at(which)].key = key(of).public_key(),
        RegistryBend::ActiveReversed => answer.active.reverse(),
        RegistryBend::PoolRoot(by) => answer.pool_root.0[31] ^= by,
        RegistryBend::RegisteredRoot(by) => answer.registered_root.0[31] ^= by,
    }
}

fn is_stamped_anew(header: &Header, good: &Block) -> bool {
    Header { timestamp_ms: good.header().timestamp_ms, ..header.clone() } == *good.header()
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = input::<Input>(bytes) else { return };
    let genesis = &CHAIN.net.rules.genesis;
    let mut audit = if input.with_states {
        Audit::with_states(genesis).expect("a sound genesis")
    } else {
        let rules = Rules::from(genesis);
        let parent = rules.block_0();
        Audit::new(rules, parent)
    };
    let (mut is_right_so_far, mut has_faults) = (true, false);
    for ((bend, good), right) in input.bends.iter().zip(&CHAIN.blocks).zip(&CHAIN.registries) {
        let height = good.header().height;
        let mut registry = right.clone();
        if let Bend::Registry(bend) = bend {
            bend_registry(&mut registry, bend);
        }
        let block = if matches!(bend, Bend::Unreadable) { None } else { bent(good, bend) };
        let is_good_block = block.as_ref() == Some(good);
        let is_good_registry = audit.computes_states() || registry == *right;
        let seen = block.ok_or(Fault::new(Fault::HEADER_BYTES, "no header")).map(|block| Seen {
            header: block.header().clone(),
            hash: block.hash(),
            block: Ok(block),
            contradictions: Vec::new(),
        });
        let expected: Option<Hash> = seen.as_ref().ok().map(|seen| seen.hash);
        let is_found = match (bend, &seen) {
            // A producer may choose another stamp, and without states nobody knows the root of the state.
            (Bend::Signed { .. }, Ok(seen)) => input.with_states && !is_stamped_anew(&seen.header, good),
            _ => true,
        };
        let verdict = audit.judge(height, seen, &Ok(registry));
        assert_eq!((verdict.hash, verdict.height), (expected, height));
        assert!(verdict.faults.iter().all(|fault| !fault.why.is_empty()));
        if is_right_so_far {
            let is_right = is_good_block && is_good_registry;
            assert!(!is_right || verdict.faults.is_empty(), "{:?}", verdict.faults);
            assert!(is_right || !is_found || !verdict.faults.is_empty(), "{bend:?} was not found");
        }
        has_faults |= !verdict.faults.is_empty();
        is_right_so_far &= is_good_block && is_good_registry;
    }
    assert_eq!(audit.computes_states(), input.with_states && !has_faults);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut signed = vec![1];
    signed.extend([0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x40, 100, 0, 1]);
    vec![vec![0; 40], vec![1; 40], signed, (0..80).map(|at| at * 3).collect()]
}
