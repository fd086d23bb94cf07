//! Blocks and proofs of a real chain, judged as a light client would.

mod support;

use support::Chain;
use vision_light::{
    Audit, Basis, Claim, Doubt, Fault, Proof, RegistryAnswer, Rules, Seal, Seen, Standing, Subject, Trusted,
    Verdict,
};
use vision_primitives::{Block, Hash, Header, Height, MerkleProof, encode, merkle_proof};
use vision_test_blocks::key;

const BLOCKS: u64 = 6;

fn seen(block: &Block) -> Result<Seen, Fault> {
    let (header, hash) = (block.header().clone(), block.hash());
    Ok(Seen { header, hash, block: Ok(block.clone()), contradictions: Vec::new() })
}

fn rules(verdict: &Verdict) -> Vec<&'static str> {
    verdict.faults.iter().map(|fault| fault.rule).collect()
}

/// Both ways to judge a chain: with states, and by registries that a node reports.
fn audits(chain: &Chain) -> [Audit; 2] {
    let with_states = Audit::with_states(&chain.genesis).expect("a valid genesis");
    let rules = Rules::from(&chain.genesis);
    let parent = rules.block_0();
    [with_states, Audit::new(rules, parent)]
}

#[test]
fn a_right_chain_holds_both_ways() {
    let chain = Chain::of(3, BLOCKS);
    for mut audit in audits(&chain) {
        let computes = audit.computes_states();
        for (at, block) in chain.blocks.iter().enumerate() {
            let verdict = audit.judge(block.header().height, seen(block), &Ok(chain.registry(at)));
            assert_eq!(rules(&verdict), Vec::<&str>::new(), "block {}, states {computes}", at + 1);
            assert_eq!(
                (verdict.hash, verdict.transactions),
                (Some(block.hash()), block.transactions().len())
            );
        }
        assert_eq!(audit.computes_states(), computes);
        assert_eq!(audit.parent().map(|parent| parent.hash), chain.blocks.last().map(Block::hash));
    }
}

#[test]
fn sync_proofs_are_counted_apart() {
    let chain = Chain::of(3, BLOCKS);
    for mut audit in audits(&chain) {
        let count = |verdict: &Verdict| (verdict.transactions, verdict.sync_proofs);
        let first = audit.judge(Height(1), seen(&chain.blocks[0]), &Ok(chain.registry(0)));
        let second = audit.judge(Height(2), seen(&chain.with_sync_proof(1)), &Ok(chain.registry(1)));
        assert_eq!((count(&first), count(&second)), ((1, 0), (2, 1)));
    }
}

#[test]
fn what_is_wrong_has_its_name() {
    type Edit = fn(&mut Header);
    let cases: [(&str, Edit, &str); 5] = [
        ("the weight", |h| h.weight += 1, "BAD_WEIGHT"),
        ("the slot's time", |h| h.timestamp_ms.0 = 0, "TOO_EARLY"),
        ("the body", |h| h.tx_root = Hash([1; 32]), "BAD_TX_ROOT"),
        ("the pool", |h| h.pool_root = Hash([1; 32]), "BAD_POOL_ROOT"),
        ("the link", |h| h.parent = Hash([1; 32]), "UNKNOWN_PARENT"),
    ];
    let chain = Chain::of(3, BLOCKS);
    for (desc, edit, expect) in cases {
        for mut audit in audits(&chain) {
            for (at, block) in chain.blocks[..3].iter().enumerate() {
                audit.judge(block.header().height, seen(block), &Ok(chain.registry(at)));
            }
            let wrong = chain.resigned(3, edit);
            let verdict = audit.judge(Height(4), seen(&wrong), &Ok(chain.registry(3)));
            assert_eq!(rules(&verdict), [expect], "{desc}: {:?}", verdict.faults);
            assert!(!audit.computes_states(), "{desc}: no state follows from a wrong block");
        }
    }
}

#[test]
fn a_registry_must_agree_with_itself_and_with_the_block() {
    type Edit = fn(&mut RegistryAnswer);
    let cases: [(&str, Edit); 6] = [
        ("another height", |r| r.height = Height(9)),
        ("another block", |r| r.hash = Hash::ZERO),
        ("a producer left out", |r| r.producers.truncate(2)),
        ("a producer twice", |r| r.producers.push(r.producers[0])),
        ("a suspension that is none", |r| r.producers[0].standing = Standing::Suspended),
        ("another's key", |r| r.producers[0].key = r.producers[1].key),
    ];
    let chain = Chain::of(3, BLOCKS);
    let judge = |registry: Result<RegistryAnswer, String>| {
        let [_, mut audit] = audits(&chain);
        audit.judge(Height(1), seen(&chain.blocks[0]), &registry)
    };
    assert_eq!(rules(&judge(Ok(chain.registry(0)))), Vec::<&str>::new());
    for (desc, edit) in cases {
        let mut answer = chain.registry(0);
        edit(&mut answer);
        let verdict = judge(Ok(answer));
        assert_eq!(rules(&verdict), [Fault::REGISTRY], "{desc}");
        assert!(verdict.faults[0].is_of_link(), "{desc}");
    }
    assert_eq!(rules(&judge(Err("not there".into()))), [Fault::REGISTRY]);
}

#[test]
fn after_a_block_that_cannot_be_read_nothing_is_known() {
    let chain = Chain::of(3, BLOCKS);
    for mut audit in audits(&chain) {
        let unreadable = Err(Fault::new(Fault::HEADER_BYTES, "half a header"));
        let verdict = audit.judge(Height(1), unreadable, &Ok(chain.registry(0)));
        assert_eq!((rules(&verdict), verdict.hash), (vec![Fault::HEADER_BYTES], None));
        let verdict = audit.judge(Height(2), seen(&chain.blocks[1]), &Ok(chain.registry(1)));
        assert_eq!(rules(&verdict), [Fault::NO_PARENT]);
        let verdict = audit.judge(Height(3), seen(&chain.blocks[2]), &Ok(chain.registry(2)));
        assert_eq!(rules(&verdict), Vec::<&str>::new(), "it goes on from the block after");
    }
}

/// Proofs of a transaction and of an account in the last block, with its seal.
fn proofs(chain: &Chain) -> ([Proof; 2], Seal) {
    let block = chain.blocks.last().expect("a block");
    let hashes: Vec<Hash> = block.transactions().iter().map(|signed| signed.hash()).collect();
    let path: MerkleProof = merkle_proof(&hashes, 0).expect("in range");
    let (bytes, address) = (block.transactions()[0].bytes().to_vec(), key(1).public_key().id());
    let proof = encode(&chain.states.last().expect("a state").prove_account(&address));
    let claims = [Claim::Transaction { bytes, path }, Claim::Account { address, proof }];
    let genesis = chain.genesis.hash();
    let of = |claim| Proof { genesis, header: block.header_bytes().to_vec(), claim };
    let signature = *block.signature();
    let producer = block.header().producer;
    (
        claims.map(of),
        Seal { producer: Some(producer), signature, key: Some(chain.key_of(&producer).public_key()) },
    )
}

#[test]
fn a_proof_shows_what_the_bytes_say_and_rests_on_what_is_trusted() {
    let chain = Chain::of(3, BLOCKS);
    let ([transaction, account], seal) = proofs(&chain);
    let block = chain.blocks.last().expect("a block");
    let shown = account.check().expect("a proof");
    let Subject::Account { account, .. } = &shown.subject else { panic!("{:?}", shown.subject) };
    let state = chain.states.last().expect("a state");
    assert_eq!(account, &state.account(&key(1).public_key().id()));
    let shown = transaction.check().expect("a proof");
    let Subject::Transaction(signed) = &shown.subject else { panic!("{:?}", shown.subject) };
    assert_eq!((signed.hash(), shown.block), (block.transactions()[0].hash(), block.hash()));
    let genesis = || Trusted { genesis: Some(chain.genesis.clone()), ..Trusted::default() };
    let other = Trusted { genesis: Some(Chain::of(2, 1).genesis), ..Trusted::default() };
    let of_block = |hash| Trusted { block: Some(hash), ..Trusted::default() };
    let forged = Seal { signature: *chain.blocks[0].signature(), ..seal.clone() };
    let cases = [
        ("nothing", Some(&seal), Trusted::default(), Ok(Basis::None(Doubt::NothingTrusted))),
        ("the block", None, of_block(block.hash()), Ok(Basis::Block)),
        ("another block", Some(&seal), of_block(Hash::ZERO), Err("and not of block")),
        ("the genesis", Some(&seal), genesis(), Ok(Basis::Genesis)),
        ("the genesis, no seal", None, genesis(), Ok(Basis::None(Doubt::NotSigned))),
        ("another genesis", Some(&seal), other, Err("the file is")),
        ("a signature of another block", Some(&forged), genesis(), Err("not signed by its producer")),
    ];
    for (desc, seal, trusted, expect) in cases {
        match (shown.judge(seal, &trusted), expect) {
            (Ok(basis), Ok(expect)) => assert_eq!(basis, expect, "{desc}"),
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{desc}: {why}"),
            (got, _) => panic!("{desc}: {got:?}"),
        }
    }
}

#[test]
fn no_byte_of_a_proof_can_be_another() {
    let chain = Chain::of(3, BLOCKS);
    let (proofs, seal) = proofs(&chain);
    let trusted = Trusted { block: chain.blocks.last().map(Block::hash), ..Trusted::default() };
    let holds = |proof: &Proof| {
        let shown = proof.check().map_err(|_| ())?;
        shown.judge(Some(&seal), &trusted).map_err(|_| ())
    };
    for proof in proofs {
        assert_eq!(holds(&proof), Ok(Basis::Block));
        for at in 0..proof.header.len() {
            let mut other = proof.clone();
            other.header[at] ^= 1;
            assert_eq!(holds(&other), Err(()), "byte {at} of the header");
        }
        let (Claim::Transaction { bytes, .. } | Claim::Account { proof: bytes, .. }) = &proof.claim;
        for at in 0..bytes.len() {
            let mut other = proof.clone();
            let (Claim::Transaction { bytes, .. } | Claim::Account { proof: bytes, .. }) = &mut other.claim;
            bytes[at] ^= 1;
            assert_eq!(holds(&other), Err(()), "byte {at} of what is shown");
        }
    }
}
