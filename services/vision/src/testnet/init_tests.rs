use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use vision_primitives::{PublicKey, Signature};

use super::*;
use crate::cli::PortArgs;
use crate::exit::Exit;
use crate::keys::read_secret;

fn plan(seed: Option<&str>) -> Plan {
    Plan {
        nodes: 3,
        chain_id: "vision-testnet-1".into(),
        genesis: GenesisArgs { block_interval_ms: Some(200), params: vec!["claim_timeout_ms=800".into()] },
        seed: seed.map(str::to_owned),
        profile: Profile::Local,
        genesis_time_ms: 1_700_000_000_000,
        ports: BasePorts::new(&PortArgs::default()),
    }
}

fn made(seed: Option<&str>) -> (tempfile::TempDir, Layout, Facts) {
    let dir = tempfile::tempdir().expect("temp dir");
    let layout = Layout::new(&dir.path().join("net")).expect("a path");
    let facts = make(&layout, &plan(seed)).expect("made");
    (dir, layout, facts)
}

#[test]
fn every_home_is_complete_and_its_certificate_holds() {
    let (_dir, layout, facts) = made(None);
    let genesis_text = fs::read_to_string(layout.genesis()).expect("genesis");
    let genesis = Genesis::from_json(&genesis_text).expect("valid");
    assert_eq!((genesis.params.block_interval_ms, genesis.params.claim_timeout_ms), (200, 800));
    assert_eq!(facts.genesis_hash, genesis.hash().to_string());
    for node in &facts.nodes {
        let read = |name: &str| fs::read_to_string(node.home.join(name)).expect("home file");
        assert_eq!(read("genesis.json"), genesis_text);
        let key: PublicKey = read("node.pub").trim().parse().expect("key");
        assert_eq!(key.id().to_string(), node.id);
        assert!(genesis.producers.iter().any(|p| p.public_key == key && p.payout == key.id()));
        let peer = read_secret(&node.home.join("peer.key")).expect("peer key").public_key();
        let certificate = hex::decode(read("peer.cert").trim()).expect("hex");
        let certificate = Signature::from_slice(&certificate).expect("64 bytes");
        assert!(key.verify(Tag::PeerKey, &genesis.hash(), &peer.0, &certificate).is_ok());
        for secret in ["producer.key", "peer.key"] {
            let mode = fs::metadata(node.home.join(secret)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }
        assert!(node.home.join("data/claims.redb").exists());
    }
    let account = read_secret(&layout.accounts().join("account10.key")).expect("account");
    assert!(genesis.accounts.iter().any(|a| a.address == account.public_key().id()));
    assert!(!layout.dir().join(MAKING_DIR).exists());
}

#[test]
fn a_seed_gives_the_same_network_and_no_seed_a_new_one() {
    let hash = |seed| made(seed).2.genesis_hash;
    assert_eq!(hash(Some("a")), hash(Some("a")));
    let all: BTreeSet<String> = [Some("a"), Some("b"), None, None].map(hash).into();
    assert_eq!(all.len(), 4);
}

#[test]
fn an_existing_network_is_not_touched() {
    let (_dir, layout, facts) = made(None);
    let failure = make(&layout, &plan(None)).expect_err("exists");
    assert_eq!(failure.exit(), Exit::Refused);
    let genesis = Genesis::from_json(&fs::read_to_string(layout.genesis()).expect("genesis"));
    assert_eq!(genesis.expect("valid").hash().to_string(), facts.genesis_hash);
}

#[test]
fn parameters_are_checked_by_name_and_range() {
    let cases = [
        ("fine", "max_missed_slots=5", None),
        ("finality", "finality=bft", None),
        ("no value", "max_missed_slots", Some("not NAME=VALUE")),
        ("not a number", "max_missed_slots=x", Some("not NAME=VALUE")),
        ("unknown", "speed=9", Some("no such parameter")),
        ("out of range", "claim_timeout_ms=1", Some("claim_timeout_ms is 1, allowed is 100 to 60000")),
        ("bad finality", "finality=pow", Some("allowed are cft and bft")),
    ];
    for (desc, param, expect) in cases {
        let args = GenesisArgs { block_interval_ms: None, params: vec![param.into()] };
        let got = parameters(&args).err();
        match expect {
            None => assert!(got.is_none(), "{desc}: {got:?}"),
            Some(part) => {
                let failure = got.unwrap_or_else(|| panic!("{desc}: accepted"));
                assert_eq!(failure.exit(), Exit::Usage, "{desc}");
                assert!(failure.to_string().contains(part), "{desc}: {failure}");
            }
        }
    }
}
