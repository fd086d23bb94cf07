//! Every height is one trace over all nodes, found by an id that anybody can compute.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};

use crate::harness::{Collector, Net, Node, Plan, Seen, get_text, wait_for, wait_until};
use crate::services::Apart;

const SERVICES: [&str; 4] = ["vision-chain", "vision-sync-oracle", "vision-selection", "vision-producer"];

/// A network whose nodes send a collector everything, or what the sampler lets through.
fn traced(plan: &Plan, further: &[(&'static str, &str)]) -> (Net, Collector) {
    let (mut net, collector) = prepared(plan, further);
    net.start_all();
    (net, collector)
}

fn prepared(plan: &Plan, further: &[(&'static str, &str)]) -> (Net, Collector) {
    let collector = Collector::start();
    let mut net = Net::new(plan);
    net.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    net.variable("OTEL_BSP_SCHEDULE_DELAY", "200");
    further.iter().for_each(|(name, value)| net.variable(name, value));
    (net, collector)
}

/// The sampler lets nothing through by itself.
const NONE: [(&str, &str); 2] = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];

fn plan() -> Plan {
    Plan::fast(3).param("block_interval_ms", 400)
}

fn height_trace(net: &Net, height: u64) -> HeightTrace {
    let genesis: Hash = net[0].hash_at(0).expect("block 0").parse().expect("a hash");
    HeightTrace::of(&genesis, Height(height))
}

/// What is wrong with the trace of a height that these nodes took part in; nothing if it is whole.
fn fault(net: &Net, nodes: &[usize], spans: &[Seen], height: u64) -> Option<String> {
    let block = net[nodes[0]].block(height).expect("a block");
    let trace = height_trace(net, height);
    if block["trace_id"] != trace.to_string() {
        return Some(format!("the gateway shows another id: {}", block["trace_id"]));
    }
    let by_id: BTreeMap<&str, &Seen> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    if by_id.len() != spans.len() {
        return Some("two spans of one id".into());
    }
    let roots: Vec<&Seen> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    let [root] = roots[..] else { return Some(format!("{} roots", roots.len())) };
    let root_id: String = trace.root_span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    if (root.name.as_str(), &root.id) != ("height", &root_id)
        || root.attributes["vision.block.hash"] != block["hash"].as_str().expect("hash")
    {
        return Some(format!("not the root: {root:?}"));
    }
    if let Some(orphan) =
        spans.iter().find(|span| !span.parent.is_empty() && !by_id.contains_key(span.parent.as_str()))
    {
        return Some(format!("an orphan: {orphan:?}"));
    }
    for node in nodes {
        let id = &net[*node].id;
        let services: BTreeSet<&str> =
            spans.iter().filter(|span| span.node == *id).map(|span| span.service.as_str()).collect();
        if let Some(missing) = SERVICES.iter().find(|service| !services.contains(**service)) {
            return Some(format!("nothing of {missing} of {}", net[*node].name));
        }
    }
    order_fault(spans, block["producer"].as_str().expect("producer"), block["hash"].as_str().expect("hash"))
}

/// Signed before it was checked by others; checked, stored and announced where it was made.
fn order_fault(spans: &[Seen], producer: &str, hash: &str) -> Option<String> {
    let about =
        |span: &&Seen| span.attributes.get("vision.block.hash").is_some_and(|reported| reported == hash);
    let named = |name: &'static str| spans.iter().filter(about).filter(move |span| span.name == name);
    let Some(sign) = named("producer.block.sign").find(|span| span.node == producer) else {
        return Some("nobody signed".into());
    };
    let checks: Vec<&Seen> = named("chain.block.check").filter(|span| span.node != producer).collect();
    if checks.is_empty() || checks.iter().any(|check| check.start_ns < sign.end_ns) {
        return Some(format!("imports before it was signed, or none: {checks:?}"));
    }
    for name in ["chain.block.check", "chain.block.insert", "chain.store.commit", "chain.block.announce"] {
        if !named(name).any(|span| span.node == producer) {
            return Some(format!("no {name} where it was made"));
        }
    }
    // What a peer did to bring a block is linked.
    let announced: BTreeSet<&str> = named("chain.block.announce").map(|span| span.id.as_str()).collect();
    let linked = spans.iter().filter(|span| span.name == "chain.block.receive");
    let linked = linked.filter(|span| span.links.iter().any(|(_, id)| announced.contains(id.as_str())));
    (linked.count() == 0).then(|| "no import is linked to an announcement".into())
}

fn wait_whole(net: &Net, nodes: &[usize], collector: &Collector, height: u64) {
    let id = height_trace(net, height).to_string();
    let mut last = None;
    let mut tries = 0;
    wait_until(&format!("the trace of height {height} is whole"), 30, || {
        tries += 1;
        let spans = collector.trace(&id);
        last = fault(net, nodes, &spans, height);
        if tries % 50 == 0 {
            eprintln!("height {height}, {} spans: {last:?}", spans.len());
        }
        last.is_none()
    });
}

#[test]
fn a_height_is_one_trace_over_all_nodes() {
    let (mut net, collector) = traced(&plan(), &[]);
    let all = [0, 1, 2];
    net.wait_height(&all, 12, 60);
    for height in 6..=10 {
        wait_whole(&net, &all, &collector, height);
    }

    net[2].kill();
    let after = net.wait_blocks(&[0, 1], 6, 60);
    for height in after - 3..after {
        wait_whole(&net, &[0, 1], &collector, height);
    }
    net.stop_all();
    let every: BTreeSet<String> = collector.all().into_iter().map(|span| span.service).collect();
    let gateway = every.iter().find(|service| !SERVICES.contains(&service.as_str()));
    assert_eq!(gateway.map(String::as_str), Some("vision-gateway"), "requests are traces of their own");
}

#[test]
fn heights_of_interest_survive_the_sampler() {
    let (mut net, collector) = prepared(&plan(), &NONE);
    // One of the nodes is five processes, of which each must come to know by itself which heights are kept.
    let mut apart = Apart::default();
    apart.variables = net[1].variables.clone();
    net[0].start();
    net[2].start();
    apart.start_all(net[1].home.to_str().expect("UTF-8"));
    net[1].wait_ready();
    net.wait_height(&[0, 1, 2], 6, 60);
    net[2].kill();
    // The dead node's slots pass: a block of a later slot says so, and its height is kept.
    let mut missed = None;
    wait_until("a slot is missed", 60, || {
        let head = net[0].height();
        let late = net[0].blocks(6, head).into_iter().find(|block| block["slot"].as_u64() > Some(0));
        missed = late.and_then(|block| block["height"].as_u64()).filter(|height| head > height + 1);
        missed.is_some()
    });
    let missed = missed.expect("found");
    wait_whole(&net, &[0, 1], &collector, missed);
    let kept: BTreeSet<String> = collector.all().into_iter().map(|span| span.trace).collect();
    let plain = net[0].blocks(1, missed).into_iter().filter(|block| block["slot"] == 0);
    let left_out = plain.filter(|block| !kept.contains(block["trace_id"].as_str().expect("an id"))).count();
    assert!(left_out > 0, "heights on which nothing happened are left out");
    net.stop_all();
}

#[test]
fn several_blocks_at_a_height_are_one_trace() {
    let (net, collector) = traced(&Plan { nodes: 4, ..plan() }.cables(), &NONE);
    let all = [0, 1, 2, 3];
    net.wait_height(&all, 4, 60);
    net.partition(&[&[0, 1], &[2, 3]]);
    let fork = wait_for("both sides have built on", 60, || {
        let common = net[0].height().min(net[2].height());
        (1..=common)
            .find(|height| net[0].hash_at(*height) != net[2].hash_at(*height))
            .filter(|fork| common > *fork)
    });
    let hashes = [0, 2].map(|node| net[node].hash_at(fork).expect("a block"));
    net.heal();
    net.wait_agree(&all, fork + 1, 60);
    // The side that left its block keeps the trace, with what it did for both.
    let id = height_trace(&net, fork).to_string();
    let all_left = || {
        let spans = collector.trace(&id);
        let loser = if net[0].hash_at(fork).as_ref() == Some(&hashes[0]) { 2 } else { 0 };
        hashes.iter().all(|hash| {
            spans.iter().any(|span| {
                span.node == net[loser].id
                    && span.name == "chain.block.insert"
                    && span.attributes.get("vision.block.hash") == Some(hash)
            })
        })
    };
    wait_until("both blocks are in the trace of those who left one", 30, all_left);
    let roots: BTreeSet<String> =
        collector.trace(&id).into_iter().filter(|span| span.parent.is_empty()).map(|span| span.id).collect();
    assert!(roots.len() <= 1, "a root recorded twice is still one span: {roots:?}");
}

#[test]
fn a_collector_that_dies_changes_nothing() {
    let (mut net, mut collector) = traced(&plan(), &[]);
    let all = [0, 1, 2];
    net.wait_height(&all, 5, 60);
    wait_whole(&net, &all, &collector, 3);
    collector.kill();
    let height = net.wait_blocks(&all, 15, 60);
    net.wait_agree(&all, height, 20);
    let message = "traces cannot be exported and are lost";
    wait_until("the log says so", 20, || net.nodes().iter().all(|node| node.log().contains(message)));
    assert_eq!(net[0].log().matches(message).count(), 1, "once");
    let lost = |node: &Node| {
        let (_, text) = get_text(node.rest, "/metrics").expect("an answer");
        let mut lines = text.lines().filter(|line| line.starts_with("vision_telemetry_spans_dropped_total"));
        lines.any(|line| line.contains("cause=\"export_failed\"") && !line.ends_with(" 0"))
    };
    wait_until("the drops are counted", 20, || net.nodes().iter().all(lost));
    net.stop_all();
}

#[test]
fn traces_go_over_http_too() {
    let (mut net, collector) = prepared(&Plan::fast(1), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
    net.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.http_url());
    net.start_all();
    net.wait_height(&[0], 5, 60);
    let id = height_trace(&net, 3).to_string();
    wait_until("all services of a height", 20, || {
        let services: BTreeSet<String> = collector.trace(&id).into_iter().map(|span| span.service).collect();
        SERVICES.iter().all(|service| services.contains(*service))
    });
    net.stop_all();
}

#[test]
fn lines_about_a_height_name_its_trace_and_the_level_can_change() {
    let mut net = Net::new(&Plan::fast(1));
    net.set(0, "node", "log_format", "json");
    net.start_all();
    net.wait_height(&[0], 4, 60);
    let lines = |net: &Net| -> Vec<Value> {
        net[0].log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let is = |line: &Value, level: &str| line["level"] == level;
    assert!(lines(&net).iter().all(|line| !is(line, "DEBUG")));
    for part in ["PRIMARY winner", "Proposing", "created:", "broadcast:", "Successfully", "Network snapshot"]
    {
        let of_height = lines(&net).into_iter().find(|line| {
            line["message"].as_str().is_some_and(|text| text.contains(part)) && line["height"].is_u64()
        });
        let line = of_height.unwrap_or_else(|| panic!("no line {part:?}"));
        let height = line["height"].as_u64().expect("a number");
        assert_eq!(line["trace_id"], height_trace(&net, height).to_string(), "{line}");
    }
    net.set(0, "node", "log", "debug");
    net[0].hang_up();
    wait_until("lines of the new level", 20, || lines(&net).iter().any(|line| is(line, "DEBUG")));
    assert!(net[0].log().contains("was read again"));
    net.set(0, "node", "log", "nonsense=loud");
    net[0].hang_up();
    wait_until("a level that is none is named", 20, || net[0].log().contains("nonsense=loud"));
    net.wait_blocks(&[0], 3, 30);
    net.stop_all();
}
