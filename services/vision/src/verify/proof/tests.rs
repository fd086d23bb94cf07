use vision_ledger::State;
use vision_primitives::{
    Action, ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, HEADER_VERSION,
    Header, Height, SecretKey, SignedTransaction, Slot, SyncProof, Tag, Transaction, encode, merkle_proof,
    merkle_root,
};

use super::super::reported::action;
use super::*;

/// Of the producer that signs.
fn producer() -> SecretKey {
    SecretKey::from_seed(&[5; 32])
}

/// A genesis that names these producers.
fn genesis_of(producers: &[SecretKey]) -> Genesis {
    let named = |key: &SecretKey| GenesisProducer { public_key: key.public_key(), payout: Hash::ZERO };
    let mut producers: Vec<_> = producers.iter().map(named).collect();
    producers.sort_by_key(|producer| producer.public_key);
    let keys = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public_key());
    let mut accounts = keys.map(|key| GenesisAccount { address: key.id(), balance: 1000 });
    accounts.sort_by_key(|account| account.address);
    Genesis {
        chain_id: "test".into(),
        time_ms: TimestampMs(0),
        producers,
        accounts: accounts.to_vec(),
        params: ConsensusParams::default(),
        entropy: Entropy::PrevHash,
        finality: Finality::Cft,
    }
}

fn genesis_hash() -> Hash {
    genesis_of(&[producer()]).hash()
}

fn check(file: &Value) -> Result<Proven, String> {
    super::check(file, &Trusted::default())
}

/// Puts the seal of a key into a file, in the header's producer's name.
fn seal(file: &mut Value, key: &SecretKey, header: &Header) {
    let signature = key.sign(Tag::Block, &genesis_hash(), block_hash(header).as_bytes());
    let proof = &mut file["proof"];
    proof["signature"] = json!(signature.to_string());
    proof["producer"] = json!(header.producer);
    proof["producer_public_key"] = json!(key.public_key());
}

fn header(tx_root: Hash, state_root: Hash) -> Header {
    Header {
        version: HEADER_VERSION,
        height: Height(9),
        parent: Hash::ZERO,
        timestamp_ms: TimestampMs(1_702_668_960_000),
        slot: Slot(0),
        producer: producer().public_key().id(),
        tx_root,
        state_root,
        pool_root: Hash::ZERO,
        weight: 1,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    }
}

fn block_hash(header: &Header) -> Hash {
    Header::hash_bytes(&genesis_hash(), &header.to_bytes())
}

/// What a gateway answers for the third of five transactions.
fn transaction_file() -> Value {
    let key = SecretKey::from_seed(&[1; 32]);
    let all: Vec<SignedTransaction> = (0..5)
        .map(|nonce| {
            let action = Action::Transfer { to: Hash([9; 32]), amount: 40 + nonce };
            Transaction { sender: key.public_key(), nonce, fee: 1, action }.sign(&key, &genesis_hash())
        })
        .collect();
    let hashes: Vec<Hash> = all.iter().map(SignedTransaction::hash).collect();
    let header = header(merkle_root(&hashes), Hash::ZERO);
    let steps = merkle_proof(&hashes, 2).expect("in range").0;
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| match step {
            MerkleStep::Left(hash) => json!({ "side": "left", "hash": hash }),
            MerkleStep::Right(hash) => json!({ "side": "right", "hash": hash }),
        })
        .collect();
    let mut file = json!({
        "hash": hashes[2], "status": "included", "height": 9, "block_hash": block_hash(&header), "index": 2,
        "transaction": {
            "hash": hashes[2], "bytes": hex::encode(all[2].bytes()),
            "sender": key.public_key().id(), "nonce": 2,
            "fee": "1", "type": "transfer", "to": Hash([9; 32]), "amount": "42",
        },
        "proof": { "genesis_hash": genesis_hash(), "header": hex::encode(header.to_bytes()), "steps": steps },
    });
    seal(&mut file, &producer(), &header);
    file
}

/// What a gateway answers for an account that has a balance, or for one never seen.
fn account_file(known: bool) -> Value {
    let genesis = genesis_of(&[producer()]);
    let state = State::genesis(&genesis).expect("a state");
    let owner = SecretKey::from_seed(&[1; 32]).public_key().id();
    let (address, balance) = if known { (owner, "1000") } else { (Hash([0xaa; 32]), "0") };
    let header = header(Hash::ZERO, state.root());
    let mut file = json!({
        "address": address, "balance": balance, "nonce": 0, "pending_nonce": 5, "height": 9,
        "proof": {
            "genesis_hash": genesis_hash(), "header": hex::encode(header.to_bytes()),
            "block_hash": block_hash(&header),
            "state_root": header.state_root,
            "account_proof": hex::encode(encode(&state.prove_account(&address))),
        },
    });
    seal(&mut file, &producer(), &header);
    file
}

#[test]
fn good_proofs_say_under_which_block_they_hold() {
    for (desc, file, shown) in [
        ("a transaction", transaction_file(), ("amount", json!("42"))),
        ("an account", account_file(true), ("balance", json!("1000"))),
        ("an account never seen", account_file(false), ("balance", json!("0"))),
    ] {
        let proven = check(&file).expect(desc);
        assert_eq!((proven.genesis, proven.height), (genesis_hash(), 9), "{desc}");
        let reported = file.get("block_hash").unwrap_or(&file["proof"]["block_hash"]);
        assert_eq!(&json!(proven.block), reported, "{desc}");
        assert!(proven.facts.contains(&shown), "{desc}: {proven:?}");
    }
}

#[test]
fn what_is_shown_and_what_it_is_shown_under_stand_apart() {
    let proven = Proven {
        genesis: genesis_hash(),
        block: Hash([1; 32]),
        height: 9,
        stamp: TimestampMs(1_702_668_960_000),
        producer: Hash([4; 32]),
        basis: Basis::Block,
        what: "transaction",
        facts: action(&Action::SyncProof(SyncProof { height: Height(7), hash: Hash([2; 32]) })),
    };
    let value = proven.to_json();
    let hashes = (&value["block_hash"], &value["transaction"]["block_hash"]);
    assert_eq!(hashes, (&json!(Hash([1; 32])), &json!(Hash([2; 32]))));
    let text = proven.to_text(None);
    assert!(text.starts_with("holds         true\nproven_by     block\n"), "{text}");
    assert!(text.contains("time          2023-12-15 19:36:00.000 UTC\n"), "{text}");
    let made_up = Proven { basis: Basis::None("so it is".into()), ..proven };
    let (value, text) = (made_up.to_json(), made_up.to_text(None));
    assert_eq!((&value["holds"], &value["proven_by"]), (&Value::Null, &Value::Null));
    assert!(text.starts_with("holds         not proven\nproven_by     nothing\n"), "{text}");
    assert!(text.contains("that there is such a block: so it is"), "{text}");
    let wordy = Proven { basis: Basis::None("for this reason and ".repeat(20)), ..made_up };
    let narrow = wordy.to_text(Some(80));
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert_eq!(narrow.matches("reason").count(), 20, "{narrow}");
}

#[test]
fn nothing_in_the_file_is_trusted() {
    type Forgery = (&'static str, fn(&mut Value), &'static str);
    let forgeries: [Forgery; 16] = [
        ("amount", |f| f["transaction"]["amount"] = json!("43"), "it says amount 43, the bytes say 42"),
        ("sender", |f| f["transaction"]["sender"] = json!(Hash::ZERO), "it says sender"),
        ("inner hash", |f| f["transaction"]["hash"] = json!(Hash::ZERO), "it says hash"),
        ("hash", |f| f["hash"] = json!(Hash::ZERO), "it says hash"),
        ("height", |f| f["height"] = json!(8), "it says height 8, the bytes say 9"),
        ("block", |f| f["block_hash"] = json!(Hash::ZERO), "it says block_hash"),
        ("status", |f| f["status"] = json!("pending"), "it says status"),
        ("another chain", |f| f["proof"]["genesis_hash"] = json!(Hash::ZERO), "signature does not verify"),
        ("a byte of the signature", |f| flip(&mut f["transaction"]["bytes"], 200), "the sender's key"),
        ("a byte of the header", |f| flip(&mut f["proof"]["header"], 400), "the bytes say"),
        ("its tx_root", |f| flip(&mut f["proof"]["header"], 200), "does not lead to"),
        ("a step", |f| flip(&mut f["proof"]["steps"][0]["hash"], 4), "does not lead to"),
        ("a step's side", |f| f["proof"]["steps"][0]["side"] = json!("left"), "does not lead to"),
        ("no side", |f| f["proof"]["steps"][0]["side"] = json!("up"), "neither left nor right"),
        ("no step", |f| f["proof"]["steps"] = json!([]), "does not lead to"),
        ("no proof", |f| f["proof"] = Value::Null, "query with --proof"),
    ];
    for (desc, forge, expect) in forgeries {
        let mut file = transaction_file();
        forge(&mut file);
        let why = check(&file).expect_err(desc);
        assert!(why.contains(expect), "{desc}: {why}");
    }
    let forgeries: [Forgery; 7] = [
        ("balance", |f| f["balance"] = json!("1001"), "it says balance 1001, the bytes say 1000"),
        ("nonce", |f| f["nonce"] = json!(1), "it says nonce"),
        ("address", |f| f["address"] = json!(Hash::ZERO), "does not lead to"),
        ("height", |f| f["height"] = json!(8), "it says height"),
        ("root", |f| f["proof"]["state_root"] = json!(Hash::ZERO), "it says state_root"),
        ("the proven balance", |f| flip(&mut f["proof"]["account_proof"], 0), "does not lead to"),
        ("block 0", |f| f["proof"]["header"] = json!(""), "block 0"),
    ];
    for (desc, forge, expect) in forgeries {
        let mut file = account_file(true);
        forge(&mut file);
        let why = check(&file).expect_err(desc);
        assert!(why.contains(expect), "{desc}: {why}");
    }
}

/// Changes a hex digit.
fn flip(text: &mut Value, at: usize) {
    let mut digits = text.as_str().expect("text").to_owned();
    let other = if &digits[at..=at] == "0" { "1" } else { "0" };
    digits.replace_range(at..=at, other);
    *text = json!(digits);
}

/// What the file shows, the file, what is trusted, and what the header rests on or why it is refused.
type Case = (&'static str, Value, Trusted, Result<Option<&'static str>, &'static str>);

fn check_all(cases: Vec<Case>) {
    for (desc, file, trusted, expect) in cases {
        match (super::check(&file, &trusted), expect) {
            (Ok(proven), Ok(by)) => {
                assert_eq!(proven.basis.name(), by, "{desc}");
                let exit = proven.verdict().err().map(|failure| failure.exit());
                assert_eq!(exit, by.is_none().then_some(Exit::Unhealthy), "{desc}");
                let open = proven.basis.open();
                let typed =
                    open.contains("`vision verify --from 1 --to 9 --genesis net/g.json --node http://n`");
                assert_eq!(typed, open.contains("registered later"), "{desc}: {open}");
            }
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{desc}: {why}"),
            (got, _) => panic!("{desc}: {got:?}"),
        }
    }
}

/// The header of [`transaction_file`].
fn its_header() -> Header {
    Header::from_bytes(&bytes(&transaction_file()["proof"], "header").expect("hex")).expect("a header")
}

fn trusting(block: Hash) -> Trusted {
    Trusted { block: Some(block), ..Trusted::default() }
}

/// Trusts the genesis that names the producer.
fn trusting_genesis() -> Trusted {
    Trusted {
        genesis: Some(genesis_of(&[producer()])),
        flags: " --genesis net/g.json --node http://n".into(),
        ..Trusted::default()
    }
}

/// The file with another proof.
fn edited(edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut file = transaction_file();
    edit(file["proof"].as_object_mut().expect("an object"));
    file
}

/// The file with this header, sealed by this key.
fn forged(header: &Header, signer: &SecretKey) -> Value {
    let mut file = transaction_file();
    file["proof"]["header"] = json!(hex::encode(header.to_bytes()));
    file["block_hash"] = json!(block_hash(header));
    seal(&mut file, signer, header);
    file
}

#[test]
fn a_header_is_accepted_for_what_the_caller_trusts() {
    let block = block_hash(&its_header());
    let stranger = SecretKey::from_seed(&[6; 32]);
    let without_key = edited(|proof| drop(proof.remove("producer_public_key")));
    let unsigned = || edited(|proof| drop(proof.remove("signature")));
    check_all(vec![
        ("nothing trusted", transaction_file(), Trusted::default(), Ok(None)),
        ("the block", transaction_file(), trusting(block), Ok(Some("block"))),
        ("another block", transaction_file(), trusting(Hash::ZERO), Err("not of block 0000")),
        ("its genesis", transaction_file(), trusting_genesis(), Ok(Some("genesis"))),
        ("an account", account_file(true), trusting_genesis(), Ok(Some("genesis"))),
        ("its genesis, without the key", without_key, trusting_genesis(), Ok(Some("genesis"))),
        ("no signature", unsigned(), trusting_genesis(), Ok(None)),
        ("no signature, the block", unsigned(), trusting(block), Ok(Some("block"))),
        (
            "another chain's genesis",
            transaction_file(),
            Trusted { genesis: Some(genesis_of(std::slice::from_ref(&stranger))), ..Trusted::default() },
            Err("the file is"),
        ),
    ]);
}

#[test]
fn a_forged_header_is_refused_or_shows_nothing() {
    let (known, stranger) = (producer(), SecretKey::from_seed(&[6; 32]));
    let header = its_header();
    // One that names itself as the producer: the signature is right, and shows nothing.
    let own = Header { producer: stranger.public_key().id(), ..header.clone() };
    let later = Header { timestamp_ms: TimestampMs(5), ..header.clone() };
    check_all(vec![
        ("a stranger's own header", forged(&own, &stranger), trusting_genesis(), Ok(None)),
        (
            "a stranger's own block, trusted",
            forged(&own, &stranger),
            trusting(block_hash(&own)),
            Ok(Some("block")),
        ),
        (
            "in a producer's name",
            forged(&header, &stranger),
            trusting_genesis(),
            Err("producer_public_key is that of"),
        ),
        (
            "in a producer's name, with its key",
            {
                let mut file = forged(&header, &stranger);
                file["proof"]["producer_public_key"] = json!(known.public_key());
                file
            },
            trusting_genesis(),
            Err("is not signed by its producer"),
        ),
        (
            "in a producer's name, without a key",
            {
                let mut file = forged(&header, &stranger);
                file["proof"].as_object_mut().expect("an object").remove("producer_public_key");
                file
            },
            trusting_genesis(),
            Err("is not signed by its producer"),
        ),
        (
            "another header under the old signature",
            {
                let mut file = forged(&later, &known);
                file["proof"]["signature"] = transaction_file()["proof"]["signature"].clone();
                file
            },
            Trusted::default(),
            Err("is not signed by its producer"),
        ),
        (
            "another producer named",
            edited(|proof| drop(proof.insert("producer".into(), json!(Hash::ZERO)))),
            trusting_genesis(),
            Err("it says producer"),
        ),
        (
            "half a signature",
            edited(|proof| drop(proof.insert("signature".into(), json!("abcd")))),
            trusting_genesis(),
            Err("64 bytes"),
        ),
    ]);
}

#[test]
fn the_block_compared_with_decides() {
    let dir = tempfile::tempdir().expect("temp dir");
    let proof = dir.path().join("proof.json");
    let file = transaction_file();
    std::fs::write(&proof, file.to_string()).expect("written");
    let block: Hash = file["block_hash"].as_str().and_then(|text| text.parse().ok()).expect("a hash");
    let run = |proof: &Path, block| {
        let trusted = Trusted { block, ..Trusted::default() };
        prove(proof, &trusted).and_then(|proven| proven.verdict()).err().map(|failure| failure.exit())
    };
    assert_eq!(run(&proof, None), Some(Exit::Unhealthy));
    assert_eq!(run(&proof, Some(block)), None);
    assert_eq!(run(&proof, Some(Hash::ZERO)), Some(Exit::Failed));
    assert_eq!(run(&dir.path().join("none"), None), Some(Exit::NotFound));
    std::fs::write(&proof, "no JSON").expect("written");
    assert_eq!(run(&proof, None), Some(Exit::Failed));
}
