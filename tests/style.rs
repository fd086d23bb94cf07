//! The style that a reader can count on, of all Rust sources: short files, short functions, lines that fit.
//! Where runs must repeat, no choice between futures is left to chance. And one version of Rust, wherever it
//! is named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, lines.
const MAX_FILE_LINES: usize = 400;
/// Longest function, lines from its name to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;
/// Longest line, columns.
const MAX_COLUMNS: usize = 110;

/// Folders with sources.
const ROOTS: [&str; 5] = ["crates", "services", "deploy", "tests", "fuzz"];

/// Folders that run in simulations, where the same seed must give the same run.
const REPEATABLE: [&str; 9] = [
    "crates/host",
    "crates/rpc",
    "crates/sim",
    "crates/wire",
    "services/chain",
    "services/gateway",
    "services/producer",
    "services/selection",
    "services/sync-oracle",
];

/// A source with its path below the root of the repository.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ROOTS {
        collect(&root(), folder, &mut found);
    }
    assert!(found.len() > 300, "{} sources", found.len());
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(root.join(folder)).expect("a readable folder") {
        let name = entry.expect("a readable entry").file_name().into_string().expect("UTF-8");
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            if !["target", "node_modules"].contains(&name.as_str()) {
                collect(root, &path, found);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&path)).expect("a readable source");
            found.push(Source { path, text });
        }
    }
}

/// Functions and how many lines each has. The sources are formatted: a function ends with the first brace
/// that is as far to the left as it begins.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some(name) = function_name(code) else { continue };
        if line.ends_with(['}', ';']) {
            continue;
        }
        let is_end = |line: &&str| {
            let at_the_left = line.len() > indent && !line[..indent].contains(|c: char| c != ' ');
            at_the_left
                && (line[indent..] == *"}" || (line[indent..].starts_with(')') && line.ends_with(';')))
        };
        let body = lines[at + 1..].iter().position(|line| line.is_char_boundary(indent) && is_end(line));
        found.push((name, body.map_or(lines.len() - at, |body| body + 2)));
    }
    found
}

/// The name of the function that a line of code begins.
fn function_name(code: &str) -> Option<&str> {
    const BEFORE: [&str; 6] = ["pub", "const", "async", "unsafe", "extern", "default"];
    let (before, after) = code.split_once("fn ")?;
    let mut words = before.split_whitespace();
    let is_declaration = words.all(|word| {
        BEFORE.contains(&word) || word.starts_with("pub(") || word.ends_with(')') || word.starts_with('"')
    });
    let name = after.split(['(', '<']).next()?;
    (is_declaration && !name.is_empty()).then_some(name)
}

/// How many lines are too wide.
fn wide_lines(text: &str) -> usize {
    text.lines().filter(|line| line.chars().count() > MAX_COLUMNS).count()
}

/// How many choices between futures are made by chance, which no seed decides.
fn choices_by_chance(text: &str) -> usize {
    let choices = text.split("select!").skip(1);
    choices.filter(|rest| !rest.trim_start_matches([' ', '{', '\n']).starts_with("biased;")).count()
}

/// What a service takes from its surroundings, which a simulation replaces.
const OF_THE_ENV: [&str; 5] =
    ["spawn_blocking(", "thread::spawn(", "thread::Builder", "TcpListener::bind(", "TcpStream::connect("];

/// Threads and sockets that code gets by itself; its tests may.
fn own_threads_and_sockets(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    OF_THE_ENV.iter().map(|name| code.matches(name).count()).sum()
}

/// The crate or folder that a source is counted with: two names deep.
fn folder(path: &str) -> String {
    path.split('/').take(2).collect::<Vec<_>>().join("/")
}

/// The numbers that are above a limit.
fn above(found: &BTreeMap<String, usize>, limit: usize) -> Vec<String> {
    let above = found.iter().filter(|(_, number)| **number > limit);
    above.map(|(name, number)| format!("{name}: {number}, at most {limit}")).collect()
}

#[test]
fn files_are_short() {
    let lines = sources().into_iter().map(|source| (source.path, source.text.lines().count()));
    assert_eq!(above(&lines.collect(), MAX_FILE_LINES), Vec::<String>::new());
}

#[test]
fn functions_are_short() {
    let mut found = BTreeMap::new();
    for Source { path, text } in sources() {
        for (name, lines) in functions(&text) {
            let longest = found.entry(format!("{path} {name}")).or_insert(0);
            *longest = lines.max(*longest);
        }
    }
    assert!(found.len() > 2000, "{} functions", found.len());
    assert_eq!(above(&found, MAX_FUNCTION_LINES), Vec::<String>::new());
}

#[test]
fn lines_fit() {
    let mut found = BTreeMap::new();
    for Source { path, text } in sources() {
        *found.entry(folder(&path)).or_insert(0) += wide_lines(&text);
    }
    assert_eq!(above(&found, 0), Vec::<String>::new());
}

#[test]
fn choices_between_futures_have_an_order() {
    let mut found = BTreeMap::new();
    for Source { path, text } in sources() {
        if REPEATABLE.contains(&folder(&path).as_str()) && path.contains("/src/") {
            *found.entry(path).or_insert(0) += choices_by_chance(&text);
        }
    }
    assert!(found.len() > 100, "{} sources", found.len());
    assert_eq!(above(&found, 0), Vec::<String>::new());
}

#[test]
fn services_take_threads_and_sockets_from_their_surroundings() {
    let services = sources().into_iter().filter(|Source { path, .. }| {
        path.contains("/src/") && path.starts_with("services/") && REPEATABLE.contains(&folder(path).as_str())
    });
    let found: BTreeMap<String, usize> =
        services.map(|source| (source.path, own_threads_and_sockets(&source.text))).collect();
    assert!(found.len() > 100, "{} sources", found.len());
    assert_eq!(above(&found, 0), Vec::<String>::new());
}

#[test]
fn what_is_pub_is_for_other_crates() {
    const LINT: &str = "#![cfg_attr(not(test), warn(unreachable_pub))]";
    let is_root = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        matches!(parts[..], ["crates" | "services" | "deploy", _, "src", "lib.rs" | "main.rs"])
    };
    let sources = sources();
    let roots: Vec<&Source> = sources.iter().filter(|source| is_root(&source.path)).collect();
    assert!(roots.len() > 15, "{} crates", roots.len());
    let without = roots.iter().filter(|root| !root.text.lines().any(|line| line == LINT));
    let without: Vec<&str> = without.map(|root| root.path.as_str()).collect();
    assert!(without.is_empty(), "crates whose `pub` nobody checks: {without:?}");
}

#[test]
fn one_version_of_rust_is_named_everywhere() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a readable file");
    let between = |text: &str, before: &str, after: &str| {
        let found = text.split(before).nth(1).and_then(|rest| rest.split(after).next());
        found.unwrap_or_else(|| panic!("no {before:?}")).to_owned()
    };
    let pinned = between(&read("rust-toolchain.toml"), "channel = \"", "\"");
    assert_eq!(pinned.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{pinned}");
    let images: Vec<String> = read("Dockerfile")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("FROM rust:")?.split('-').next()?.to_owned()))
        .collect();
    assert!(!images.is_empty() && images.iter().all(|image| *image == pinned), "{images:?}, not {pinned}");
    let least = between(&read("Cargo.toml"), "rust-version = \"", "\"");
    assert!(pinned.starts_with(&format!("{least}.")), "rust-version {least}, pinned {pinned}");
}

#[test]
fn the_checks_can_fail() {
    let text = "pub(crate) async fn a() {\n    fn b(c: u8) -> u8 {\n        c\n    }\n}\n\nfn d();\nfn e() \
    {}\nlet fn_f = 1;\n";
    assert_eq!(functions(text), [("a", 5), ("b", 3)]);
    assert_eq!(functions("    fn g(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n"), [("g", 5)]);
    assert_eq!(functions("    fn h(\n        a: u8,\n    );\n    fn i() {\n    }\n"), [("h", 3), ("i", 2)]);
    assert_eq!(wide_lines(&format!("{}\n{}\n", "ä".repeat(110), "a".repeat(111))), 1);
    let choices = "select! {\n    biased;\n}\nwhile select! { biased; a => {} } {}\nselect! { a }";
    assert_eq!(choices_by_chance(choices), 1);
    let own = "tokio::task::spawn_blocking(f);\n#[cfg(test)]\nmod tests {\n    thread::spawn(f);\n}";
    assert_eq!(own_threads_and_sockets(own), 1);
    let found = BTreeMap::from([("long".to_owned(), 401), ("fine".to_owned(), 400)]);
    assert_eq!(above(&found, 400), ["long: 401, at most 400"]);
}
