use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use vision_primitives::{PublicKey, Signature, Tag};

use super::super::{clone, same};
use super::*;
use crate::args::PortArgs;
use vision_terminal::exit::Exit;
use vision_terminal::keys::read_secret;

fn plan(seed: Option<&str>) -> Plan {
    Plan {
        nodes: 3,
        chain_id: "vision-testnet-1".into(),
        genesis: GenesisArgs { block_interval_ms: Some(200), params: vec!["claim_timeout_ms=800".into()] },
        seed: seed.map(|text| text.to_owned().into()),
        profile: Profile::Local,
        genesis_time_ms: 1_700_000_000_000,
        ports: BasePorts::new(&PortArgs::default()),
        clone: None,
        new_claims: |home| write(&home.join("data/claims.redb"), ""),
    }
}

fn made_with(plan: &Plan) -> (tempfile::TempDir, Layout, Facts) {
    let dir = tempfile::tempdir().expect("temp dir");
    let layout = Layout::new(&dir.path().join("net")).expect("a path");
    let facts = make(&layout, plan).expect("made");
    (dir, layout, facts)
}

fn made(seed: Option<&str>) -> (tempfile::TempDir, Layout, Facts) {
    made_with(&plan(seed))
}

/// All files below a directory, relative, sorted.
fn files_below(dir: &std::path::Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).expect("readable");
        let name = name.to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(files_below(&path).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            files.insert(name);
        }
    }
    files
}

#[test]
fn accounts_are_funded_on_what_is_called_a_test_network_only() {
    for (chain_id, funded) in [("vision-testnet-1", ACCOUNTS), ("my-devnet", ACCOUNTS), ("vision-1", 0)] {
        let (_dir, layout, _) = made_with(&Plan { chain_id: chain_id.into(), ..plan(None) });
        let text = fs::read_to_string(layout.genesis()).expect("genesis");
        let genesis = Genesis::from_json(&text).expect("valid");
        let keys = files_below(&layout.accounts()).len();
        assert_eq!((genesis.accounts.len(), keys), (funded, funded), "{chain_id}");
    }
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
    assert!(!layout.is_half_made());
}

#[test]
fn a_seed_gives_the_same_network_and_no_seed_a_new_one() {
    let hash = |seed| made(seed).2.genesis_hash;
    assert_eq!(hash(Some("a")), hash(Some("a")));
    let all: BTreeSet<String> = [Some("a"), Some("b"), None, None].map(hash).into();
    assert_eq!(all.len(), 4);
}

#[test]
fn other_commands_find_the_nodes_in_the_facts() {
    let (_dir, layout, facts) = made(None);
    let known = vision_terminal::names::known_in(layout.dir());
    let shown: Vec<_> = known.iter().map(|node| (&node.id, &node.name, &node.url)).collect();
    let made: Vec<_> = facts.nodes.iter().map(|node| (&node.id, &node.name, &node.urls.rest)).collect();
    assert_eq!(shown, made);
    assert_eq!(vision_terminal::names::known_in(&layout.dir().join("none")), []);
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
fn each_profile_puts_each_file_where_its_service_looks() {
    let cases: [(Profile, &[&str]); 3] = [
        (
            Profile::Local,
            &[
                "config.toml",
                "data/claims.redb",
                "genesis.json",
                "node.pub",
                "peer.cert",
                "peer.key",
                "producer.key",
            ],
        ),
        (
            Profile::Compose,
            &[
                "chain/config.toml",
                "chain/genesis.json",
                "chain/node.pub",
                "chain/peer.cert",
                "chain/peer.key",
                "config/config.toml",
                "config/node.pub",
                "producer/config.toml",
                "producer/data/claims.redb",
                "producer/genesis.json",
                "producer/node.pub",
                "producer/producer.key",
            ],
        ),
        (
            Profile::Kubernetes,
            &["config.toml", "genesis.json", "node.pub", "peer.cert", "peer.key", "producer.key"],
        ),
    ];
    for (profile, expect) in cases {
        let (_dir, layout, facts) = made_with(&Plan { profile, ..plan(None) });
        for node in &facts.nodes {
            let expect: BTreeSet<String> = expect.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(files_below(&node.home), expect, "{profile} {}", node.name);
        }
        assert_eq!(fs::read_dir(layout.accounts()).expect("there").count(), ACCOUNTS, "{profile}");
    }
}

#[test]
fn what_an_interrupted_attempt_left_is_cleared_away() {
    for profile in [Profile::Local, Profile::Compose] {
        let plan = Plan { profile, ..plan(None) };
        let (_dir, layout, first) = made_with(&plan);
        // As if the power had gone just before the last step, on directories that cannot be removed.
        fs::rename(layout.facts(), layout.dir().join(".testnet.json.new")).expect("renamed");
        fs::write(layout.home("node1").join("kept.txt"), "not of our making").expect("written");
        let second = make(&layout, &plan).expect("made anew");
        assert_ne!(first.genesis_hash, second.genesis_hash, "{profile}");
        same::check(&layout, &second, &plan).expect("whole");
        assert!(layout.home("node1").join("kept.txt").exists(), "{profile}");
    }
}

#[test]
fn nothing_that_a_node_has_used_is_cleared_away() {
    let (_dir, layout, facts) = made(None);
    fs::rename(layout.facts(), layout.dir().join(".testnet.json.new")).expect("renamed");
    fs::write(facts.nodes[1].home.join("data/chain.redb"), "blocks").expect("written");
    let failure = make(&layout, &plan(None)).expect_err("a node has run");
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("node2/data/chain.redb"), "{failure}");
    assert!(facts.nodes[0].home.join("producer.key").exists());
}

#[test]
fn homes_without_their_facts_are_refused() {
    let (_dir, layout, facts) = made(None);
    fs::remove_file(layout.facts()).expect("removed");
    fs::remove_file(layout.genesis()).expect("removed");
    fs::remove_dir_all(layout.accounts()).expect("removed");
    let failure = make(&layout, &plan(None)).expect_err("homes are there");
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("node1/"), "{failure}");
    assert!(facts.nodes[0].home.join("producer.key").exists());
}

#[test]
fn a_network_that_is_there_must_be_the_one_asked_for_and_whole() {
    let base = || Plan { profile: Profile::Compose, ..plan(None) };
    let one = |param: &str| GenesisArgs { block_interval_ms: None, params: vec![param.into()] };
    let plans = [
        ("the same", base(), None),
        ("no parameter named", Plan { genesis: GenesisArgs::default(), ..base() }, None),
        ("nodes", Plan { nodes: 4, ..base() }, Some("has 3 nodes")),
        ("profile", plan(None), Some("--profile compose")),
        ("chain", Plan { chain_id: "other".into(), ..base() }, Some("vision-testnet-1")),
        (
            "parameter",
            Plan { genesis: one("claim_timeout_ms=900"), ..base() },
            Some("claim_timeout_ms = 800"),
        ),
        ("finality", Plan { genesis: one("finality=bft"), ..base() }, Some("another finality")),
    ];
    let (_dir, layout, facts) = made_with(&base());
    for (desc, plan, expect) in plans {
        let got = same::check(&layout, &facts, &plan).err();
        match expect {
            None => assert!(got.is_none(), "{desc}: {got:?}"),
            Some(part) => {
                let failure = got.unwrap_or_else(|| panic!("{desc}: accepted"));
                assert_eq!(failure.exit(), Exit::Refused, "{desc}");
                assert!(failure.to_string().contains(part), "{desc}: {failure}");
            }
        }
    }
    let (_other_dir, other, _) = made_with(&base());
    for file in ["chain/genesis.json", "chain/node.pub", "producer/producer.key", "config/config.toml"] {
        let path = layout.home("node2").join(file);
        let right = fs::read(&path).expect("there");
        fs::remove_file(&path).expect("removed");
        let missing = same::check(&layout, &facts, &base()).expect_err(file).to_string();
        assert!(missing.contains("node2") && missing.contains("restore"), "{file}: {missing}");
        if !file.starts_with("config/") {
            fs::copy(other.home("node2").join(file), &path).expect("copied");
            let foreign = same::check(&layout, &facts, &base()).expect_err(file);
            assert!(foreign.to_string().contains("belongs to another"), "{file}: {foreign}");
        }
        fs::write(&path, right).expect("restored");
    }
    same::check(&layout, &facts, &base()).expect("whole again");
}

#[test]
fn parameters_are_checked_by_name_and_range() {
    let cases = [
        ("fine", "max_missed_slots=5", None),
        ("finality", "finality=bft", None),
        ("no value", "max_missed_slots", Some("not NAME=VALUE")),
        ("not a number", "max_missed_slots=x", Some("not NAME=VALUE")),
        ("unknown", "speed=9", Some("no such parameter")),
        ("a sign", "claim_timeout_ms=+900", Some("whole number")),
        ("a space", "claim_timeout_ms= 900", Some("whole number")),
        ("out of range", "claim_timeout_ms=1", Some("claim_timeout_ms is 1, must be 100 to 60000")),
        ("bad finality", "finality=pow", Some("must be cft or bft")),
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

#[test]
fn a_network_in_containers_belongs_to_one_clone() {
    let by = |clone: Option<&str>| Plan {
        profile: Profile::Compose,
        clone: clone.map(str::to_owned),
        ..plan(None)
    };
    for maker in [Some("/a/vision/"), None] {
        let (_dir, layout, made) = made_with(&by(maker));
        assert_eq!(made.clone.as_deref(), maker);
        // What older programs made belongs to the first that comes.
        let facts = clone::check(&layout, Some("/a/vision/")).expect("its own");
        assert_eq!(facts.clone.as_deref(), Some("/a/vision/"));
        let before = fs::read(layout.facts()).expect("there");
        let failure = clone::check(&layout, Some("/b/vision/")).expect_err("another clone");
        assert_eq!(failure.exit(), Exit::Refused);
        let reported = failure.to_string();
        for part in ["/a/vision/", "/b/vision/.env", "COMPOSE_PROJECT_NAME"] {
            assert!(reported.contains(part) && !reported.contains('\n'), "{part}: {reported}");
        }
        assert_eq!(fs::read(layout.facts()).expect("there"), before, "left as it was");
        assert!(clone::check(&layout, None).is_ok(), "who names no clone is not asked");
    }
}
