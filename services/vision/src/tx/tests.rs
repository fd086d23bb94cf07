use vision_primitives::{PublicKey, Signature, Tag, registration_payload};

use super::*;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

const NODE: &str = " --node http://127.0.0.1:8081";
const GENESIS: Hash = Hash([3; 32]);

#[test]
fn a_registration_is_proven_by_the_producers_key() {
    let payout = Hash([7; 32]);
    let intent = Intent::Register { producer: Box::new(key(2)), payout };
    let Action::RegisterProducer { public_key, payout: reported, proof_of_possession } =
        intent.action(&GENESIS)
    else {
        panic!("a registration")
    };
    assert_eq!((public_key, reported), (key(2).public_key(), payout));
    let fits = |key: &PublicKey, genesis: &Hash, proof: &Signature| {
        key.verify(Tag::Register, genesis, &registration_payload(&public_key, &payout), proof).is_ok()
    };
    assert!(fits(&public_key, &GENESIS, &proof_of_possession));
    assert!(!fits(&public_key, &Hash::ZERO, &proof_of_possession), "of this chain only");
    assert!(!fits(&key(1).public_key(), &GENESIS, &proof_of_possession));
}

#[test]
fn data_comes_from_one_of_three_places() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("data");
    std::fs::write(&file, [0, 1, 2]).expect("written");
    let large = dir.path().join("large");
    std::fs::write(&large, vec![0; MAX_DATA_BYTES + 1]).expect("written");
    let args = |text: Option<&str>, hex: Option<&str>, file: Option<&Path>| DataArgs {
        text: text.map(str::to_owned),
        hex: hex.map(str::to_owned),
        file: file.map(Path::to_owned),
    };
    let cases = [
        ("text", args(Some("ä"), None, None), Ok(vec![0xc3, 0xa4])),
        ("no text", args(Some(""), None, None), Ok(vec![])),
        ("hex", args(None, Some("00Ff"), None), Ok(vec![0, 0xff])),
        ("half a digit pair", args(None, Some("0"), None), Err(Exit::Usage)),
        ("a file", args(None, None, Some(&file)), Ok(vec![0, 1, 2])),
        ("too large a file", args(None, None, Some(&large)), Err(Exit::Usage)),
        ("no file", args(None, None, Some(&dir.path().join("none"))), Err(Exit::NotFound)),
    ];
    for (desc, args, expect) in cases {
        assert_eq!(data_bytes(&args).map_err(|failure| failure.exit()), expect, "{desc}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let chain = Chain { genesis_hash: GENESIS, min_fee: 3, block_interval_ms: 1 };
    let transfer = Intent::Transfer { to: Hash::ZERO, amount: 1 };
    let cases = [
        ("INSUFFICIENT_BALANCE", &transfer, Some("query account 0101")),
        ("INSUFFICIENT_BALANCE", &Intent::Exit, Some("producer's own account pays the fee")),
        ("NOT_A_PRODUCER", &Intent::Exit, Some("producer.key")),
        ("FEE_TOO_LOW", &transfer, Some("minimum fee of this chain is 3")),
        ("UNDERPRICED", &transfer, Some("tenth more")),
        ("NONCE_GAP", &transfer, Some("nonces before it")),
        ("LAST_PRODUCER", &Intent::Exit, Some("query producers --node")),
        ("STORE_CORRUPT", &transfer, None),
    ];
    for (cause, intent, expect) in cases {
        let facts = hints::Facts { intent, sender: Hash([1; 32]), chain: &chain, node: NODE };
        let hint = hints::what_to_do(cause, &facts);
        for asks in ["query account", "query producers", "tx transfer"] {
            let command = hint.iter().flat_map(|hint| hint.split('`')).find(|part| part.contains(asks));
            assert!(command.is_none_or(|command| command.ends_with(NODE)), "{cause}: {command:?}");
        }
        assert_eq!(hint.is_some(), expect.is_some(), "{cause}");
        assert!(hint.unwrap_or_default().contains(expect.unwrap_or_default()), "{cause}");
    }
}

#[test]
fn what_became_of_it_decides_the_exit() {
    let cases = [
        ("submitted", json!({ "status": "pending" }), false, None),
        ("waited for in vain", json!({ "status": "pending", "hash": "ab" }), true, Some(Exit::Unhealthy)),
        ("behind a gap", json!({ "status": "pending", "missing_nonce": 3 }), true, Some(Exit::Unhealthy)),
        ("in a block", json!({ "status": "included" }), true, None),
        ("dropped", json!({ "status": "dropped", "reason": "EVICTED" }), true, Some(Exit::Failed)),
    ];
    for (desc, answer, wait, expect) in cases {
        assert_eq!(ended(&answer, wait, NODE).err().map(|failure| failure.exit()), expect, "{desc}");
    }
}

#[test]
fn what_waits_behind_a_gap_names_the_missing_nonce() {
    let reported = |answer| ended(&answer, true, NODE).expect_err("it waits").to_string();
    let behind = reported(json!({ "status": "pending", "hash": "ab", "missing_nonce": 3 }));
    assert!(
        behind.contains("nonce 3, which is missing")
            && behind.contains("`vision query tx ab --node http://127.0.0.1:8081`"),
        "{behind}"
    );
    let next = reported(json!({ "status": "pending", "hash": "ab" }));
    assert!(!next.contains("missing") && next.contains("query tx ab"), "{next}");
}

#[test]
fn a_dry_run_shows_bytes_that_decode() {
    let action = Action::Transfer { to: Hash::ZERO, amount: 5 };
    let signed =
        Transaction { sender: key(1).public_key(), nonce: 0, fee: 1, action }.sign(&key(1), &GENESIS);
    let shown = dry(&signed);
    let reported =
        |wanted: &str| shown.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    let bytes = reported("bytes").and_then(|bytes| hex::decode(bytes.as_str()?).ok()).expect("hex");
    assert_eq!(SignedTransaction::from_bytes(bytes, &GENESIS).as_ref(), Ok(&signed));
    assert_eq!((reported("size"), reported("hash")), (Some(json!(153)), Some(json!(signed.hash()))));
}
