use std::cell::RefCell;

use serde_json::json;
use vision_primitives::SecretKey;

use super::super::fake_node::{FULL, Node, World, data, reported, world};
use super::*;
use vision_terminal::exit::Exit;

/// A rule that is broken by a block, or by a node about it, with all that is said of it.
type Case<'a> = (&'a str, Node, &'a [&'a str]);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn range(world: &World, from: u64, to: u64, states: bool) -> Range {
    Range { from, to: Some(to), genesis: states.then(|| world.net.rules.genesis.clone()) }
}

fn audit(world: &World, node: &Node, to: u64, states: bool) -> Outcome<Value> {
    let lines = RefCell::new(0);
    let print = |_: &str| {
        *lines.borrow_mut() += 1;
        Ok(())
    };
    let report = block_on(range(world, 1, to, states).audit(node, print))?.to_json();
    assert_eq!(report["faulty_blocks"], *lines.borrow(), "a line each");
    Ok(report)
}

/// Rules that a height breaks.
fn rules(report: &Value, height: u64) -> Vec<String> {
    let faulty = report["faulty"].as_array().unwrap().iter().find(|block| block["height"] == height);
    let faults = faulty.and_then(|block| block["faults"].as_array()).cloned().unwrap_or_default();
    faults.iter().map(|fault| fault["rule"].as_str().unwrap().to_owned()).collect()
}

fn check(world: &World, cases: Vec<Case<'_>>, states: bool) {
    for (desc, node, expect) in cases {
        let report = audit(world, &node, 8, states).expect(desc);
        assert_eq!(rules(&report, FULL), expect, "{desc}, states {states}: {report}");
        assert_eq!(report["holds"], expect.is_empty() && report["faulty_blocks"] == 0, "{desc}");
    }
}

#[test]
fn a_right_chain_holds_and_it_is_said_what_was_not_computed() {
    let world = world();
    let (node, slots) = (world.node(), json!({ "0": 4, "1": 2, "2": 1, "tail": 1 }));
    for states in [false, true] {
        let report = audit(&world, &node, 8, states).expect("a report");
        assert_eq!((&report["holds"], &report["faulty"]), (&json!(true), &json!([])), "{report}");
        let counts = (&report["blocks"], &report["transactions"], &report["slots"]);
        assert_eq!(counts, (&json!(8), &json!(2), &slots), "{report}");
        let open = report["not_recomputed"].as_array().expect("a list");
        assert_eq!((open.is_empty(), open.contains(&json!("state_root"))), (states, !states));
        assert_eq!(report["states_recomputed_to"], if states { json!(8) } else { Value::Null });
    }
    // What is not there yet is left out, and said to be.
    let tip = world.block(8).hash();
    let report = block_on(range(&world, 3, 100, false).audit(&node, |_| Ok(()))).expect("a report");
    let value = report.to_json();
    assert_eq!((report.ends_early(), ended(&report).is_ok()), (Some((8, 100)), true));
    assert_eq!((&value["to"], &value["asked_to"], &value["tip_hash"]), (&json!(8), &json!(100), &json!(tip)));
    let text = report.to_text(None);
    assert!(
        text.contains("3 to 8, the head; 100 was asked for") && text.contains(&tip.to_string()),
        "{text}"
    );
    // In the middle it stands on a block that is not judged itself.
    let report = block_on(range(&world, 4, 7, false).audit(&node, |_| Ok(()))).expect("a report");
    assert_eq!((report.faulty(), ended(&report).is_ok()), ((0, 4), true));
    assert!(report.to_text(None).contains("that block 3, the parent of the range, is right"));
}

#[test]
fn every_rule_of_the_header_has_its_name() {
    let world = world();
    let window = world.window(1);
    let other = world.window(2).owner;
    let stranger = SecretKey::from_seed(&[99; 32]).public_key().id();
    let node = |edit: &dyn Fn(&mut vision_primitives::Header)| world.node_with(&world.with_header(edit));
    let cases = || -> Vec<Case<'_>> {
        vec![
            ("nothing", node(&|_| {}), &[]),
            ("version", node(&|h| h.version = 2), &["BAD_VERSION"]),
            ("height", node(&|h| h.height.0 += 1), &["BAD_HEIGHT"]),
            ("parent", node(&|h| h.parent = Hash([3; 32])), &["UNKNOWN_PARENT"]),
            ("before the jitter", node(&|h| h.timestamp_ms.0 = window.opens_at.get() - 1), &["TOO_EARLY"]),
            ("before the slot", node(&|h| h.timestamp_ms.0 = 0), &["TOO_EARLY"]),
            ("after the slot", node(&|h| h.timestamp_ms = window.closes_at), &["TOO_LATE"]),
            ("slot", node(&|h| h.slot.0 = 2), &["BAD_WEIGHT", "TOO_EARLY", "NOT_SLOT_OWNER"]),
            ("far slot", node(&|h| h.slot.0 = u64::MAX), &["BAD_WEIGHT", "TOO_EARLY", "NOT_SLOT_OWNER"]),
            ("another's slot", node(&|h| h.producer = other), &["NOT_SLOT_OWNER"]),
            ("a stranger", node(&|h| h.producer = stranger), &["UNKNOWN_PRODUCER", "NOT_SLOT_OWNER"]),
            ("tx_root", node(&|h| h.tx_root = Hash([1; 32])), &["BAD_TX_ROOT"]),
            ("pool_root", node(&|h| h.pool_root = Hash::ZERO), &["BAD_POOL_ROOT"]),
            ("weight", node(&|h| h.weight += 1), &["BAD_WEIGHT"]),
            ("certificate", node(&|h| h.certificate_hash = Hash([1; 32])), &["BAD_CERTIFICATE"]),
            ("reveal", node(&|h| h.reveal = Hash([1; 32])), &["BAD_REVEAL"]),
            ("mix", node(&|h| h.mix = Hash([1; 32])), &["BAD_MIX"]),
        ]
    };
    check(&world, cases(), false);
    // What a block before a wrong one shows is reported too.
    let audited = |states| audit(&world, &cases()[1].1, 8, states).expect("a report");
    for (states, known_to) in [(false, Value::Null), (true, json!(4))] {
        let report = audited(states);
        assert_eq!(rules(&report, 6)[0], "UNKNOWN_PARENT", "{report}");
        assert_eq!((rules(&report, 4), rules(&report, 7)), (vec![], vec![]), "{report}");
        assert_eq!((&report["states_recomputed_to"], &report["holds"]), (&known_to, &json!(false)));
    }
}

#[test]
fn with_states_everything_has_its_name() {
    let world = world();
    let node = |edit: &dyn Fn(&mut vision_primitives::Header)| world.node_with(&world.with_header(edit));
    let good = world.block(FULL).transactions();
    let gap = world.with_body(vec![good[0].clone(), data(&world.net, 2, 1, 3)]);
    let cases = || -> Vec<Case<'_>> {
        vec![
            ("nothing", node(&|_| {}), &[]),
            ("mix and weight", node(&|h| (h.mix, h.weight) = (Hash([1; 32]), 0)), &["BAD_MIX", "BAD_WEIGHT"]),
            ("parent", node(&|h| h.parent = Hash([3; 32])), &["UNKNOWN_PARENT"]),
            ("state_root", node(&|h| h.state_root = Hash::ZERO), &["BAD_STATE_ROOT"]),
            ("a nonce left out", world.node_with(&gap), &["BAD_TRANSACTION"]),
        ]
    };
    check(&world, cases(), true);
    // Without states the last two show nothing of themselves; the next block does not stand on them.
    for (desc, node, _) in &cases()[3..] {
        let report = audit(&world, node, 8, false).expect(desc);
        assert_eq!((rules(&report, FULL), &report["holds"]), (vec![], &json!(false)), "{desc}");
        assert_eq!(audit(&world, node, FULL, false).expect(desc)["holds"], true, "{desc}: its own word");
    }
}

#[test]
fn every_rule_of_the_body_has_its_name() {
    let world = world();
    let good = world.block(FULL).transactions().to_vec();
    let many = (0..4).map(|nonce| world.net.transfer(1, nonce, Hash([7; 32]), 1)).collect();
    let mut bent = good[1].bytes().to_vec();
    *bent.last_mut().unwrap() ^= 1;
    let genesis_hash = world.net.rules.genesis_hash;
    let bent = vision_primitives::SignedTransaction::from_bytes(bent, &genesis_hash).unwrap();
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut node = world.node();
        edit(node.full());
        node
    };
    let cut = |text: &mut Value| *text = json!(text.as_str().unwrap()[2..].to_owned());
    let cases: Vec<Case<'_>> = vec![
        ("too many", world.node_with(&world.with_body(many)), &["TOO_MANY_TRANSACTIONS"]),
        (
            "too large",
            world.node_with(&world.with_body(vec![data(&world.net, 1, 0, 4000)])),
            &["BLOCK_TOO_LARGE"],
        ),
        (
            "twice",
            world.node_with(&world.with_body(vec![good[0].clone(), good[0].clone()])),
            &["DUPLICATE_TRANSACTION"],
        ),
        (
            "a bent signature",
            world.node_with(&world.with_body(vec![good[0].clone(), bent])),
            &["BAD_TRANSACTION_SIGNATURE"],
        ),
        (
            "one held back",
            edited(&|b| drop(b["transactions"].as_array_mut().unwrap().pop())),
            &["WRONG_FIELD", "BAD_TX_ROOT"],
        ),
        (
            "in another order",
            edited(&|b| b["transactions"].as_array_mut().unwrap().swap(0, 1)),
            &["BAD_TX_ROOT"],
        ),
        ("bytes cut", edited(&|b| cut(&mut b["transactions"][1]["bytes"])), &["BAD_BYTES"]),
        ("bytes gone", edited(&|b| b["transactions"][1]["bytes"] = Value::Null), &["BAD_BYTES"]),
        ("signature cut", edited(&|b| cut(&mut b["signature"])), &["BAD_BYTES"]),
        (
            "another's signature",
            edited(&|b| b["signature"] = json!("01".repeat(64))),
            &["BAD_BLOCK_SIGNATURE"],
        ),
        ("header cut", edited(&|b| cut(&mut b["header"])), &["BAD_HEADER_BYTES"]),
        (
            "header gone",
            edited(&|b| drop(b.as_object_mut().unwrap().remove("header"))),
            &["BAD_HEADER_BYTES"],
        ),
    ];
    check(&world, cases, false);
    let report = audit(&world, &edited(&|b| cut(&mut b["header"])), 8, true).expect("a report");
    assert_eq!(rules(&report, 6), ["NO_PARENT"], "nobody can say what it stands on");
    assert_eq!(rules(&report, 7), [""; 0]);
}

#[test]
fn whatever_is_said_otherwise_than_the_bytes_say_it_is_named() {
    let world = world();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let other = |value: &Value| match value {
        Value::Bool(reported) => json!(!reported),
        Value::Number(reported) => json!(reported.as_u64().unwrap() + 1),
        Value::String(reported) => json!(format!("{reported}0")),
        _ => json!("00"),
    };
    let whole = reported(world.block(FULL), &world.net.rules.genesis_hash);
    let (block, transaction) = (names(&whole), names(&whole["transactions"][1]));
    // The bytes themselves, what is local to the node, and the signature that is checked itself.
    let own = ["header", "transactions", "finalized", "signature"];
    let paths = block.iter().filter(|name| !own.contains(&name.as_str())).map(|name| format!("/{name}"));
    let inner =
        transaction.iter().filter(|name| *name != "bytes").map(|name| format!("/transactions/1/{name}"));
    for path in paths.chain(inner) {
        for states in [false, true] {
            let mut node = world.node();
            let field = node.full().pointer_mut(&path).unwrap();
            *field = other(field);
            let report = audit(&world, &node, 8, states).expect("a report");
            assert_eq!(rules(&report, FULL), ["WRONG_FIELD"], "{path}");
            let name = path.rsplit('/').next().unwrap();
            let why = report["faulty"][0]["faults"][0]["why"].as_str().unwrap();
            assert!(why.starts_with(&format!("it says {name} ")), "{path}: {why}");
            assert_eq!(report["faulty_blocks"], 1, "the bytes are right: {report}");
        }
    }
}

#[test]
fn a_list_is_trusted_no_more_than_a_block() {
    let world = world();
    let mut node = world.node();
    let mut listed = node.full().clone();
    (listed["slot"], listed["tx_count"]) = (json!(7), json!(0));
    node.listed = vec![(FULL, listed)];
    let report = audit(&world, &node, 8, false).expect("a report");
    assert_eq!(rules(&report, FULL), ["WRONG_FIELD", "WRONG_FIELD"], "{report}");
    assert_eq!(report["faulty"][0]["faults"][0]["why"], "it says slot 7, the bytes say 1");
    assert_eq!(report["faulty"][0]["faults"][1]["why"], "it says tx_count 0, the bytes say 2");
}

#[test]
fn a_node_cannot_write_lines_of_its_own() {
    let world = world();
    let mut node = world.node();
    node.full()["producer"] = json!(format!("\nblock 6\u{1b}[2J{}", "x".repeat(100_000)));
    let lines = RefCell::new(String::new());
    let print = |line: &str| {
        lines.borrow_mut().push_str(line);
        Ok(())
    };
    block_on(range(&world, 1, 8, false).audit(&node, print)).expect("a report");
    let lines = lines.into_inner();
    assert!(lines.starts_with("block       5  ") && lines.len() < 1000, "{lines}");
    assert!(!lines.chars().any(char::is_control), "{lines:?}");
}

#[test]
fn no_byte_of_a_header_can_be_another() {
    let world = world();
    let right = world.block(FULL).header_bytes().to_vec();
    for at in 0..right.len() {
        let mut bytes = right.clone();
        bytes[at] ^= 1;
        let mut node = world.node();
        node.full()["header"] = json!(hex::encode(bytes));
        let report = audit(&world, &node, FULL, false).expect("a report");
        let rules = rules(&report, FULL);
        // A bent id is nobody's, so there is no key either.
        let unsigned = ["BAD_BLOCK_SIGNATURE", "UNKNOWN_PRODUCER"];
        assert!(rules.iter().any(|rule| unsigned.contains(&rule.as_str())), "byte {at}: {rules:?}");
    }
}

#[test]
fn the_registry_must_be_that_of_the_block_before_and_agree_with_itself() {
    let world = world();
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut node = world.node();
        edit(node.registry());
        node
    };
    let swap = |r: &mut Value, name: &str| {
        let first = r["registered"][0][name].take();
        r["registered"][0][name] = r["registered"][1][name].take();
        r["registered"][1][name] = first;
    };
    let wrong: &[&str] = &["BAD_REGISTRY"];
    let cases = || -> Vec<Case<'_>> {
        vec![
            ("hash", edited(&|r| r["hash"] = json!(Hash::ZERO)), wrong),
            ("height", edited(&|r| r["height"] = json!(9)), wrong),
            ("pool_root", edited(&|r| r["pool_root"] = json!(Hash::ZERO)), wrong),
            ("registered_root", edited(&|r| r["registered_root"] = json!(Hash::ZERO)), wrong),
            ("keys of others", edited(&|r| swap(r, "public_key")), wrong),
            ("no key", edited(&|r| r["registered"][0]["public_key"] = json!("")), wrong),
            ("status", edited(&|r| r["registered"][0]["status"] = json!("suspended")), wrong),
            ("unknown status", edited(&|r| r["registered"][0]["status"] = json!("well")), wrong),
            ("one less", edited(&|r| drop(r["registered"].as_array_mut().unwrap().pop())), wrong),
            ("twice", edited(&|r| r["registered"][1] = r["registered"][0].clone()), wrong),
            ("no list", edited(&|r| r["candidates"] = Value::Null), wrong),
            ("order of the list", edited(&|r| r["registered"].as_array_mut().unwrap().reverse()), &[]),
        ]
    };
    check(&world, cases(), false);
    // Computed from block 0, it is not asked for.
    let none: &[&str] = &[];
    check(&world, cases().into_iter().map(|(desc, node, _)| (desc, node, none)).collect(), true);
    // A pool that agrees with itself but is another is against the header.
    let fewer = edited(&|r| {
        r["registered"][0]["status"] = json!("suspended");
        let active: Vec<Hash> = serde_json::from_value(r["active"].take()).unwrap();
        let pool = vision_primitives::Pool::new(active[1..].iter().copied());
        (r["active"], r["pool_root"]) = (json!(pool.ids()), json!(pool.root()));
    });
    let report = audit(&world, &fewer, 8, false).expect("a report");
    assert_eq!(rules(&report, FULL)[0], "BAD_POOL_ROOT", "{report}");
}

#[test]
fn a_branch_that_the_node_left_is_no_fault_of_a_block() {
    let world = world();
    let parent = world.block(3).hash();
    let other = world.net.block_at(&world.tree, &parent, 1, 7, &[]);
    let mut node = world.node();
    node.listed = vec![(4, reported(&other, &world.net.rules.genesis_hash))];
    for states in [false, true] {
        let failure = audit(&world, &node, 8, states).expect_err("it moved");
        assert_eq!(failure.exit(), Exit::Unhealthy, "{failure}");
    }
    // One that insists is lying.
    node.blocks[3] = node.listed[0].1.clone();
    assert_eq!(rules(&audit(&world, &node, 8, false).expect("a report"), 5)[0], "UNKNOWN_PARENT");
}

#[test]
fn without_a_last_height_the_check_ends_at_the_head_and_names_it() {
    let world = world();
    let (node, tip) = (world.node(), world.block(8).hash());
    let open = Range { to: None, ..range(&world, 3, 0, false) };
    let report = block_on(open.audit(&node, |_| Ok(()))).expect("a report");
    assert_eq!((report.ends_early(), ended(&report).is_ok()), (None, true));
    let value = report.to_json();
    let reported = (&value["to"], &value["asked_to"], &value["tip_hash"], &value["blocks"]);
    assert_eq!(reported, (&json!(8), &Value::Null, &json!(tip), &json!(6)));
    let text = report.to_text(None);
    assert!(text.contains("3 to 8, the head\n") && text.contains(&tip.to_string()), "{text}");
    let above = Range { to: None, ..range(&world, 9, 0, false) };
    let failure = block_on(above.audit(&node, |_| Ok(()))).err().map(|failure| failure.exit());
    assert_eq!(failure, Some(Exit::NotFound), "the chain ends below");
}

#[test]
fn the_exit_code_says_what_kind_of_trouble_it_is() {
    let world = world();
    let right = world.node();
    let mut bent = world.node();
    bent.full()["weight"] = json!(0);
    let mut strange = world.node();
    strange.params["entropy"] = json!("reveal");
    let mut lacking = world.node();
    lacking.params["min_fee"] = Value::Null;
    let cases = [
        ("right", &right, 8, None),
        ("a wrong block", &bent, 8, Some(Exit::Failed)),
        ("before it", &bent, 4, None),
        ("above the head", &right, 9, None),
        ("a newer chain", &strange, 8, Some(Exit::Failed)),
        ("no parameter", &lacking, 8, Some(Exit::Failed)),
    ];
    for (desc, node, to, expect) in cases {
        let report = block_on(range(&world, 1, to, false).audit(node, |_| Ok(())));
        let outcome = report.and_then(|report| ended(&report));
        assert_eq!(outcome.err().map(|failure| failure.exit()), expect, "{desc}");
    }

    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("genesis.json");
    std::fs::write(&file, world.net.rules.genesis.to_json()).expect("written");
    let usage =
        |from, to, genesis: Option<&Path>| Range::new(from, Some(to), genesis).err().map(|f| f.exit());
    assert_eq!(usage(1, 8, Some(&file)), None);
    assert_eq!(usage(2, 8, Some(&file)), Some(Exit::Usage), "a state needs all blocks");
    assert_eq!(usage(1, 8, Some(&dir.path().join("none"))), Some(Exit::Usage));
    assert_eq!(usage(3, 2, None), Some(Exit::Usage));
    let mut other = world.net.rules.genesis.clone();
    other.chain_id = "other".into();
    let range = Range { genesis: Some(other), ..range(&world, 1, 8, true) };
    assert_eq!(block_on(range.audit(&right, |_| Ok(()))).err().map(|f| f.exit()), Some(Exit::Usage));
}
