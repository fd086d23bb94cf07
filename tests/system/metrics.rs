//! `docs/metrics.md` says what a running network exposes, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{Net, Node, Plan, get_text, vision, wait_for, wait_until};

const DOCUMENT: &str = include_str!("../../docs/metrics.md");
const SERVICES: [&str; 5] = ["chain", "sync-oracle", "selection", "producer", "gateway"];
/// Families of which a healthy network has no sample, so that their labels cannot be seen.
const WITHOUT_SAMPLES: [&str; 1] = ["vision_chain_blocks_refused_total"];

#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    services: BTreeSet<String>,
}

fn words(cell: &str) -> BTreeSet<String> {
    cell.split(',')
        .map(|word| word.trim().trim_matches('`').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The table by name.
fn documented() -> BTreeMap<String, Family> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, unit, meaning, service, _] = cells[..] else {
            panic!("not six cells: {row}")
        };
        assert!(!unit.is_empty() && !meaning.is_empty(), "{row}");
        let services = match service {
            "all" => SERVICES.map(str::to_owned).into(),
            one => words(one),
        };
        let family = Family { kind: kind.to_owned(), labels: words(labels), services };
        let name = name.trim_matches('`').to_owned();
        assert!(table.insert(name, family).is_none(), "twice: {row}");
    }
    table
}

/// Reads an exposition in the classic text format, which must be a valid one.
fn exposed(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut series) = (String::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("name and type");
            name.clone_into(&mut current);
            let family = Family { kind: kind.to_owned(), ..Family::default() };
            assert!(families.insert(current.clone(), family).is_none(), "declared twice: {line}");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        assert!(series.insert(sample.to_owned()), "twice: {line}");
        let (name, labels) = sample.trim_end_matches('}').split_once('{').expect("at least the service");
        let family = families.get_mut(&current).expect("declared");
        let belongs = match family.kind.as_str() {
            "histogram" => {
                ["_bucket", "_sum", "_count"].map(|end| format!("{current}{end}")).contains(&name.to_owned())
            }
            _ => name == current,
        };
        assert!(belongs, "{line} among {current}");
        for label in labels.split("\",") {
            let (label, value) = label.split_once("=\"").expect("name and value");
            match label {
                "service" => drop(family.services.insert(value.trim_end_matches('"').to_owned())),
                "le" => {}
                other => drop(family.labels.insert(other.to_owned())),
            }
        }
    }
    families
}

fn scrape(port: u16) -> String {
    let (status, text) = get_text(port, "/metrics").expect("an answer");
    assert_eq!(status, 200, "{text:.200}");
    text
}

/// A transaction that waits behind a gap, one that takes its place, and one that may not.
fn make_transactions_go(net: &Net, node: &Node) {
    let key = net.scratch().join("net/accounts/account1.key");
    let (key, url) = (key.to_str().expect("UTF-8"), format!("http://127.0.0.1:{}", node.rest));
    for (text, fee, accepted) in [("a", "1000", true), ("b", "100000", true), ("c", "1000", false)] {
        let sent = ["tx", "data", "--key", key, "--text", text, "--nonce", "1", "--fee", fee, "--node", &url];
        assert_eq!(vision(&sent).status.success(), accepted, "{text}");
    }
}

#[test]
fn the_document_says_what_is_exposed() {
    let net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 20, 60);
    let node = &net[0];
    make_transactions_go(&net, node);
    let document = documented();
    let has_samples = |families: &BTreeMap<String, Family>| {
        let empty = families.iter().filter(|(_, family)| family.services.is_empty());
        empty.map(|(name, _)| name.as_str()).eq(WITHOUT_SAMPLES)
    };
    let text = wait_for("a sample of every family", 30, || {
        let text = scrape(node.rest);
        has_samples(&exposed(&text)).then_some(text)
    });
    let families = exposed(&text);
    assert_eq!(families.keys().collect::<Vec<_>>(), document.keys().collect::<Vec<_>>(), "names");
    for (name, family) in &families {
        let said = &document[name];
        assert_eq!(family.kind, said.kind, "{name}");
        assert!(family.services.is_subset(&said.services), "{name}: {family:?}");
        assert!(said.services.len() == 1 || said.services.len() == SERVICES.len(), "{name}");
        if !WITHOUT_SAMPLES.contains(&name.as_str()) {
            assert_eq!(family.labels, said.labels, "{name}");
        }
    }
    for service in SERVICES.iter().filter(|service| **service != "gateway") {
        let line = format!("vision_gateway_scrape_up{{service=\"gateway\",target=\"{service}\"}} 1.0\n");
        assert!(text.contains(&line), "{line}");
    }
    // What the services expose themselves is of the same kind; other nodes see nothing of it.
    let own = exposed(&scrape(node.grpc));
    assert!(own.iter().all(|(name, family)| document[name].kind == family.kind), "{own:#?}");
    assert!(own.values().all(|family| family.services.iter().all(|service| service == "chain")), "{own:#?}");
    assert_eq!(get_text(node.p2p, "/metrics").expect("an answer").0, 404);
}

/// The value of the one sample that begins so.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{sample} in\n{text}"))
}

#[test]
fn the_numbers_are_those_of_the_chain() {
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&[0, 1, 2], 40, 60);
    let texts = wait_for("two nodes at one checkpoint above 0", 30, || {
        let texts = [scrape(net[0].rest), scrape(net[1].rest)];
        let height = |text: &String| value(text, "vision_chain_checkpoint_height{service=\"chain\"}");
        (height(&texts[0]) > 0.0 && height(&texts[0]) == height(&texts[1])).then_some(texts)
    });
    let hashes = texts.each_ref().map(|text| value(text, "vision_chain_checkpoint_hash{service=\"chain\"}"));
    assert_eq!(hashes[0], hashes[1], "one chain");
    let height = value(&texts[0], "vision_chain_checkpoint_height{service=\"chain\"}");
    let hash = net[0].hash_at(height as u64).expect("a final block");
    let first_48_bits = u64::from_str_radix(&hash[..12], 16).expect("hex digits");
    assert_eq!(hashes[0], first_48_bits as f64);

    wait_until("every final height is counted once, and blocks have been produced", 30, || {
        let text = scrape(net[2].rest);
        let slots = |outcome| {
            value(&text, &format!("vision_chain_slots_total{{service=\"chain\",outcome=\"{outcome}\"}}"))
        };
        let chain = |name: &str| value(&text, &format!("vision_chain_{name}{{service=\"chain\"}}"));
        let produced = value(&text, "mining_blocks_produced_total{service=\"producer\"}");
        let claims = value(&text, "mining_claims_total{service=\"producer\"}");
        slots("primary") + slots("backup") == chain("finalized_height")
            && chain("block_interval_seconds_count") >= chain("finalized_height")
            && produced > 0.0
            && claims >= produced
            && value(&text, "mining_eligible_nodes{service=\"producer\"}") == 3.0
            && value(&text, "vision_sync_oracle_eligible{service=\"sync-oracle\"}") == 1.0
            && chain("store_free_bytes") > 0.0
            && chain("store_size_bytes") > 0.0
            && value(&text, "vision_chain_peers{service=\"chain\",state=\"connected\"}") == 2.0
    });

    // Without one of three, slots are missed.
    net[1].kill();
    wait_until("the misses in a row are those of the chain", 60, || {
        let text = scrape(net[0].rest);
        let shown = value(&text, "vision_chain_missed_in_a_row{service=\"chain\"}");
        let head = value(&text, "vision_chain_head_height{service=\"chain\"}") as u64;
        let blocks = net[0].blocks(head.saturating_sub(50), head);
        let slots = blocks.iter().rev().map(|block| block["slot"].as_u64().expect("a slot"));
        shown > 0.0 && shown == slots.take_while(|slot| *slot > 0).sum::<u64>() as f64
    });
}
