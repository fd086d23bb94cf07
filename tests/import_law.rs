//! The import law of ARCHITECTURE.md, read from `cargo metadata` and from the sources.
//!
//! A crate that is not in the table fails: decide which room it is before it grows.

#[path = "import_law/circles.rs"]
mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PURE: &[&str] = &[
    "vision-primitives",
    "vision-schedule",
    "vision-ledger",
    "vision-block-tree",
    "vision-mempool",
    "vision-sync-status",
    "vision-finality",
    "vision-authoring",
    "vision-importer",
    "vision-peering",
    "vision-light",
    "vision-test-blocks",
];

/// Each service, and the pure crates it may import besides primitives, wire and host. Never another service.
const PURE_FOR: &[(&str, &[&str])] = &[
    (
        "vision-chain",
        &[
            "vision-schedule",
            "vision-ledger",
            "vision-block-tree",
            "vision-mempool",
            "vision-sync-status",
            "vision-importer",
            "vision-peering",
        ],
    ),
    ("vision-sync-oracle", &["vision-sync-status"]),
    ("vision-selection", &["vision-schedule"]),
    ("vision-producer", &["vision-schedule", "vision-authoring"]),
    // The schedule only for the hash of a draw that its tests recompute.
    ("vision-gateway", &["vision-schedule", "vision-sync-status"]),
];

const SERVICES: &[&str] =
    &["vision-chain", "vision-sync-oracle", "vision-selection", "vision-producer", "vision-gateway"];

/// What every service may import.
const FOR_SERVICES: &[&str] = &["vision-primitives", "vision-wire", "vision-host"];

/// What the binary may import besides the services: rooms of its own. The pure crates are for the tests of
/// `verify`.
const FOR_THE_BINARY: &[&str] = &[
    "vision-primitives",
    "vision-light",
    "vision-host",
    "vision-terminal",
    "vision-testnet",
    "vision-load",
    "vision-sim",
    "vision-wire",
    "vision-schedule",
    "vision-ledger",
    "vision-block-tree",
];

/// Pure crates that the simulation has no machine of.
const NOT_SIMULATED: &[&str] = &["vision-light", "vision-test-blocks"];

/// What the simulation may import: the machines, and nothing that waits or sends.
fn for_the_simulation() -> Vec<&'static str> {
    PURE.iter().copied().filter(|name| !NOT_SIMULATED.contains(name)).collect()
}

/// What only tests may import, and whose. The pure half may not import what builds on the shell, not even
/// there.
const FOR_TESTS: &[(&str, &[&str])] = &[
    (
        "vision-test-blocks",
        &[
            "vision-ledger",
            "vision-block-tree",
            "vision-mempool",
            "vision-light",
            "vision-importer",
            "vision-chain",
            "vision",
        ],
    ),
    ("vision-test-support", SERVICES),
    // Its runner, for decoders that nobody else can call.
    ("vision-fuzz", &["vision-wire", "vision-chain", "vision-producer", "vision-gateway"]),
];

/// Crate of ours, and which others of ours it may import (tests and build scripts included).
fn law() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut law: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("vision-primitives", vec![]),
        ("vision-schedule", vec!["vision-primitives"]),
        ("vision-ledger", vec!["vision-primitives", "vision-schedule"]),
        ("vision-block-tree", vec!["vision-primitives", "vision-schedule", "vision-ledger"]),
        ("vision-mempool", vec!["vision-primitives", "vision-ledger"]),
        ("vision-sync-status", vec!["vision-primitives"]),
        ("vision-finality", vec!["vision-primitives"]),
        ("vision-authoring", vec!["vision-primitives", "vision-schedule"]),
        ("vision-light", vec!["vision-primitives", "vision-schedule", "vision-ledger", "vision-block-tree"]),
        (
            "vision-importer",
            vec!["vision-primitives", "vision-ledger", "vision-block-tree", "vision-mempool"],
        ),
        ("vision-peering", vec!["vision-primitives"]),
        ("vision-rpc", vec![]),
        ("vision-wire", vec!["vision-primitives", "vision-rpc"]),
        ("vision-host", vec!["vision-rpc"]),
        ("vision-terminal", vec!["vision-primitives", "vision-host"]),
        ("vision-testnet", vec!["vision-primitives", "vision-host", "vision-terminal"]),
        ("vision-load", vec!["vision-primitives", "vision-mempool", "vision-host", "vision-terminal"]),
        ("vision-sim", for_the_simulation()),
        ("vision-scenarios", vec!["vision-wire", "vision-host"]),
        ("vision-fuzz", [PURE, &["vision-wire", "vision-host"]].concat()),
        ("vision-test-blocks", vec!["vision-primitives", "vision-ledger", "vision-block-tree"]),
        ("vision-test-support", vec!["vision-primitives", "vision-wire", "vision-host"]),
    ]);
    law.insert("vision", [FOR_THE_BINARY, SERVICES].concat());
    law.extend(PURE_FOR.iter().map(|(service, pure)| (*service, [FOR_SERVICES, pure].concat())));
    law
}

/// Foreign crates that have a home, seldom two. Tests and benchmarks may use them elsewhere.
const HOMES: &[(&str, &str)] = &[
    ("sha3", "vision-primitives"),
    ("ed25519-zebra", "vision-primitives"),
    ("ed25519-dalek", "vision-primitives"),
    ("prost", "vision-wire"),
    ("prost", "vision-fuzz"),
    ("prost-types", "vision-wire"),
    ("prost-reflect", "vision-wire"),
    ("tonic-prost", "vision-wire"),
    ("tracing-subscriber", "vision-host"),
    ("opentelemetry_sdk", "vision-host"),
    ("opentelemetry-otlp", "vision-host"),
    ("getrandom", "vision-host"),
    ("rand_chacha", "vision-host"),
    ("rand_chacha", "vision-sim"),
    ("rand_chacha", "vision-fuzz"),
];

/// What no pure crate may build on, not even in a test.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "tokio-stream",
    "futures",
    "tonic",
    "prost",
    "axum",
    "hyper",
    "redb",
    "getrandom",
    "rand",
    "rand_chacha",
    "tracing",
    "opentelemetry",
];

/// What a crate does without on purpose: a light client gets values, whatever form they travelled in.
const WITHOUT: &[(&str, &str)] = &[("vision-light", "serde"), ("vision-light", "serde_json")];

/// What no code of a pure crate may name: time, randomness, the world outside, and maps without an order. A
/// scoped thread that is joined for its result is a way to compute and may be.
const UNNAMEABLE: &[&str] = &[
    "SystemTime",
    "Instant",
    "HashMap",
    "HashSet",
    "RandomState",
    "std::fs",
    "std::net",
    "std::env",
    "thread::sleep",
    "thread::spawn",
];

/// A crate of the workspace with its direct dependencies.
struct Package {
    name: String,
    /// (name, whether only for tests)
    dependencies: Vec<(String, bool)>,
    folder: PathBuf,
}

fn packages() -> Vec<Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| (text(&dependency["name"]), dependency["kind"] == "dev"))
                .collect(),
            folder: PathBuf::from(text(&package["manifest_path"])).parent().expect("a folder").to_owned(),
        })
        .collect()
}

/// One sentence per breach of the law.
fn breaches(packages: &[Package]) -> Vec<String> {
    let law = law();
    let homes_of = |dependency| HOMES.iter().filter(move |(foreign, _)| *foreign == dependency);
    let mut found = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = law.get(name) else {
            found.push(format!("{name} is not in the law"));
            continue;
        };
        for (dependency, for_tests) in &package.dependencies {
            let dependency = dependency.as_str();
            let ours = dependency == "vision" || dependency.starts_with("vision-");
            let for_whose_tests = FOR_TESTS.iter().find(|(package, _)| *package == dependency);
            let only_tests = *for_tests && for_whose_tests.is_some_and(|(_, whose)| whose.contains(&name));
            if ours && !allowed.contains(&dependency) && !only_tests {
                found.push(format!("{name} imports {dependency}"));
            }
            let first_home = homes_of(dependency).next().map(|(_, home)| *home);
            let is_home = homes_of(dependency).any(|(_, home)| *home == name);
            if let Some(home) = first_home.filter(|_| !for_tests && !is_home) {
                found.push(format!("{name} depends on {dependency}, whose home is {home}"));
            }
            if PURE.contains(&name) && IMPURE.contains(&dependency) {
                found.push(format!("{name} is pure and depends on {dependency}"));
            }
            if WITHOUT.contains(&(name, dependency)) {
                found.push(format!("{name} does without {dependency}"));
            }
        }
    }
    found
}

/// The names in one source text that a pure crate may not use, each with its line; comments may.
fn unnameables(source: &str) -> Vec<(usize, &'static str)> {
    let lines = source.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            let code = line.split_once("//").map_or(line, |(code, _)| code);
            UNNAMEABLE.iter().filter(move |name| code.contains(**name)).map(move |name| (index + 1, *name))
        })
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_crate_keeps_to_the_law() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for name in law().keys() {
        assert!(names.contains(name), "{name} is in the law, but not in the workspace");
    }
    assert_eq!(breaches(&packages), Vec::<String>::new());
}

#[test]
fn the_fast_checks_test_the_pure_crates() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/run");
    let script = fs::read_to_string(script).expect("a readable script");
    let list = script.split("PURE_CRATES=(").nth(1).and_then(|rest| rest.split(')').next()).expect("a list");
    let named: Vec<String> = list.split_whitespace().map(|name| format!("vision-{name}")).collect();
    assert_eq!(named, PURE);
}

#[test]
fn pure_crates_name_no_clock_no_randomness_no_world() {
    let mut found = Vec::new();
    for package in packages().iter().filter(|package| PURE.contains(&package.name.as_str())) {
        let mut files = Vec::new();
        rust_files(&package.folder.join("src"), &mut files);
        assert!(!files.is_empty(), "{} has sources", package.name);
        for file in files {
            let source = fs::read_to_string(&file).expect("a readable source");
            found.extend(
                unnameables(&source).into_iter().map(|(line, name)| format!("{file:?}:{line}: {name}")),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn breaches_are_found() {
    let cases: [(&str, &str, bool, &str); 12] = [
        ("allowed", "vision-schedule", false, ""),
        ("upward", "vision-wire", false, "vision-block-tree imports vision-wire"),
        ("upward in a test", "vision-chain", true, "vision-block-tree imports vision-chain"),
        ("foreign, free", "borsh", false, ""),
        (
            "foreign with a home",
            "sha3",
            false,
            "vision-block-tree depends on sha3, whose home is vision-primitives",
        ),
        ("the same in a test", "sha3", true, ""),
        ("impure", "tokio", false, "vision-block-tree is pure and depends on tokio"),
        ("impure in a test", "tonic", true, "vision-block-tree is pure and depends on tonic"),
        ("the binary", "vision", false, "vision-block-tree imports vision"),
        ("host", "vision-host", false, "vision-block-tree imports vision-host"),
        ("a sibling above", "vision-authoring", false, "vision-block-tree imports vision-authoring"),
        ("below", "vision-ledger", false, ""),
    ];
    let package = |name: &str, dependency: &str, for_tests: bool| Package {
        name: name.into(),
        dependencies: vec![(dependency.into(), for_tests)],
        folder: PathBuf::new(),
    };
    for (desc, dependency, for_tests, expect) in cases {
        let found = breaches(&[package("vision-block-tree", dependency, for_tests)]).join("; ");
        assert_eq!(found, expect, "{desc}");
    }
    let others = [
        ("vision-chain", "vision-selection", "vision-chain imports vision-selection"),
        ("vision-chain", "redb", ""),
        ("vision-chain", "vision-authoring", "vision-chain imports vision-authoring"),
        ("vision-selection", "vision-mempool", "vision-selection imports vision-mempool"),
        ("vision-testnet", "vision-chain", "vision-testnet imports vision-chain"),
        ("vision-light", "serde_json", "vision-light does without serde_json"),
        ("vision-gateway", "prost", "vision-gateway depends on prost, whose home is vision-wire"),
        ("vision-wire", "vision-ledger", "vision-wire imports vision-ledger"),
        ("vision-host", "vision-primitives", "vision-host imports vision-primitives"),
        ("vision-host", "vision-rpc", ""),
        ("vision-rpc", "vision-primitives", "vision-rpc imports vision-primitives"),
        ("vision-chain", "vision-rpc", "vision-chain imports vision-rpc"),
        ("vision", "vision-chain", ""),
        ("vision-utils", "borsh", "vision-utils is not in the law"),
    ];
    let (blocks, support) = ("vision-test-blocks", "vision-test-support");
    let for_tests = [
        ("vision-chain", support, true, ""),
        ("vision-chain", support, false, "vision-chain imports vision-test-support"),
        ("vision-ledger", support, true, "vision-ledger imports vision-test-support"),
        ("vision-block-tree", blocks, true, ""),
        ("vision-block-tree", blocks, false, "vision-block-tree imports vision-test-blocks"),
        ("vision-schedule", blocks, true, "vision-schedule imports vision-test-blocks"),
    ];
    for (name, dependency, for_tests, expect) in for_tests {
        let found = breaches(&[package(name, dependency, for_tests)]).join("; ");
        assert_eq!(found, expect, "{name}, for tests: {for_tests}");
    }
    for (name, dependency, expect) in others {
        assert_eq!(breaches(&[package(name, dependency, false)]).join("; "), expect, "{name}, {dependency}");
    }
}

#[test]
fn forbidden_names_are_found_in_code_only() {
    let cases: [(&str, &[(usize, &str)]); 4] = [
        ("let now = std::time::Instant::now();", &[(1, "Instant")]),
        ("// unlike a HashMap\nlet map = BTreeMap::new(); // no HashMap", &[]),
        (
            "use std::collections::HashMap;\n\nuse std::time::SystemTime;",
            &[(1, "HashMap"), (3, "SystemTime")],
        ),
        ("", &[]),
    ];
    for (source, expect) in cases {
        assert_eq!(unnameables(source), expect, "{source:?}");
    }
}
