//! Circles of imports between the files of one crate: files that import each other can only be understood,
//! and changed, together.
//!
//! A file and those in the folder of its name are one matter: it composes them, and they stand on what it
//! defines. So an import between a module and one inside it counts for no circle. What a module passes on
//! with a `use` counts as an import of the file that defines it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// A module by its names from the root of the crate, or something in it.
type Names = Vec<String>;

/// The modules of a crate, each a file, and what the file says without comments and tests.
struct Modules(BTreeMap<Names, String>);

/// Files by what they import.
type Imports = BTreeMap<Names, BTreeSet<Names>>;

impl Modules {
    /// Those in a folder of sources.
    fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        super::rust_files(src, &mut files);
        let module = |file: &Path| {
            let names = file.strip_prefix(src).expect("a file in it").with_extension("");
            let names: Names = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            if names == ["lib"] || names == ["main"] { Names::new() } else { names }
        };
        let mut modules = Self(BTreeMap::new());
        for file in files {
            modules.add(module(&file), &fs::read_to_string(&file).expect("a readable source"));
        }
        modules
    }

    fn add(&mut self, module: Names, source: &str) {
        self.0.entry(module).or_default().push_str(&code_of(source));
    }

    /// What a path in a module means, from the root of the crate; none if it leads out of the crate.
    fn absolute(&self, module: &Names, path: &Names) -> Option<Names> {
        let start = path.first()?;
        if start == "crate" {
            return Some(path[1..].to_vec());
        }
        if start == "self" || start == "super" {
            let up = path.iter().filter(|name| *name == "super").count();
            let rest = path.iter().skip_while(|name| *name == "super" || *name == "self");
            let base = module.iter().take(module.len().saturating_sub(up));
            return Some(base.chain(rest).cloned().collect());
        }
        let inside: Names = module.iter().chain([start]).cloned().collect();
        self.0.contains_key(&inside).then(|| module.iter().chain(path).cloned().collect())
    }

    /// The module that something is defined in, whoever passes it on.
    fn home(&self, names: &Names, passed_on: &BTreeMap<Names, Names>) -> Names {
        let mut names = names.clone();
        // A name is passed on through a few files at most.
        for _ in 0..8 {
            let known = (0..=names.len()).rev().find(|length| self.0.contains_key(&names[..*length]));
            let module = known.unwrap_or_default();
            let next = names.get(..=module).and_then(|name| passed_on.get(name));
            match next {
                Some(next) if !names.starts_with(next) => {
                    names = next.iter().chain(&names[module + 1..]).cloned().collect();
                }
                _ => return names[..module].to_vec(),
            }
        }
        panic!("nobody defines {names:?}");
    }

    /// Which files import which, but for those inside one another.
    fn imports(&self) -> Imports {
        let mut passed_on = BTreeMap::new();
        let mut named: Vec<(&Names, Names)> = Vec::new();
        for (module, code) in &self.0 {
            for (path, name) in uses(code) {
                let Some(path) = self.absolute(module, &path) else { continue };
                passed_on.insert(module.iter().chain([&name]).cloned().collect(), path.clone());
                named.push((module, path));
            }
            let paths = paths(code);
            named.extend(paths.into_iter().filter_map(|path| Some((module, self.absolute(module, &path)?))));
        }
        let mut imports = Imports::new();
        for (module, path) in named {
            let home = self.home(&path, &passed_on);
            if !home.starts_with(module) && !module.starts_with(&home) {
                imports.entry(module.clone()).or_default().insert(home);
            }
        }
        imports
    }
}

/// The code of a source: without comments, and without the tests at its end.
fn code_of(source: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let is_tests =
        |two: &[&str]| two[0] == "#[cfg(test)]" && two[1].contains("mod ") && two[1].ends_with('{');
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    let code = lines[..end].iter().map(|line| line.split_once("//").map_or(*line, |(code, _)| code));
    code.collect::<Vec<_>>().join("\n") + "\n"
}

/// The paths that the `use` declarations of a file name, each with the name it has in the file.
fn uses(code: &str) -> Vec<(Names, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
        if line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')')) {
            let tree = code[at + 4..].split(';').next().unwrap_or_default();
            collect(&Names::new(), tree, &mut found);
        }
    }
    found
}

/// Takes a tree of a `use` apart: `a::{b, c::d as e}`.
fn collect(before: &Names, tree: &str, found: &mut Vec<(Names, String)>) {
    let names = |text: &str| -> Names {
        let names = text.split("::").map(str::trim).filter(|name| !name.is_empty());
        before.iter().cloned().chain(names.map(str::to_owned)).collect()
    };
    let Some((head, rest)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path = names(path);
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = if name.is_empty() { path.last().cloned() } else { Some(name.trim().to_owned()) };
        found.extend(name.map(|name| (path, name)));
        return;
    };
    let (before, mut depth, mut from) = (names(head), 0, 0);
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    for (at, character) in inside.char_indices().chain([(inside.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[from..at].trim().is_empty() {
                    collect(&before, &inside[from..at], found);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths in the midst of code that begin at the root of the crate or go up.
fn paths(code: &str) -> Vec<Names> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    let words = code.split(|character: char| !is_part(character));
    let words = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    words.map(|word| word.trim_end_matches(':').split("::").map(str::to_owned).collect()).collect()
}

/// The circles: the files of each, from one of them and back to it.
fn circles(imports: &Imports) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<&Names> = BTreeSet::new();
    for start in imports.keys() {
        let mut came_from: BTreeMap<&Names, &Names> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            for import in imports.get(file).into_iter().flatten() {
                came_from.entry(import).or_insert_with(|| {
                    next.push_back(import);
                    file
                });
            }
        }
        if seen.contains(start) || !came_from.contains_key(start) {
            continue;
        }
        let mut circle = vec![start];
        while let Some(before) = came_from.get(circle[circle.len() - 1]).filter(|before| **before != start) {
            circle.push(before);
        }
        seen.extend(&circle);
        let names = [start].into_iter().chain(circle.into_iter().rev()).map(|file| file.join("/"));
        found.push(names.collect::<Vec<_>>().join(" imports "));
    }
    found
}

/// Crates with circles, and how many. The list only shrinks.
const WITH_CIRCLES: &[(&str, usize)] = &[
    ("vision-authoring", 1),
    ("vision-block-tree", 4),
    ("vision-gateway", 5),
    ("vision-host", 2),
    ("vision-importer", 7),
    ("vision-ledger", 2),
    ("vision-peering", 16),
    ("vision-producer", 1),
    ("vision-sync-oracle", 1),
    ("vision-wire", 1),
];

#[test]
fn no_files_of_a_crate_import_each_other() {
    let allowed: BTreeMap<&str, usize> = WITH_CIRCLES.iter().copied().collect();
    let packages = super::packages();
    for name in allowed.keys() {
        assert!(packages.iter().any(|package| package.name == *name), "{name} is not in the workspace");
    }
    let mut wrong = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let found = circles(&Modules::read(&package.folder.join("src")).imports());
        match allowed.get(name) {
            Some(allowed) if found.len() > *allowed => {
                wrong.push(format!("{name}: {found:?}, not {allowed}"))
            }
            Some(_) if found.is_empty() => wrong.push(format!("{name}: take it off the list")),
            Some(_) => {}
            None => wrong.extend(found.into_iter().map(|circle| format!("{name}: {circle}"))),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What it is about, files with their sources, and the circles of them.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn circles_are_found() {
    let root = ("", "mod a;\nmod b;\nmod c;\npub use a::A;\nuse c::{self, C};\n");
    let cases: [Case<'_>; 11] = [
        ("none", &[root, ("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "")], &[]),
        ("two", &[root, ("a", "use crate::b::B;"), ("b", "use crate::a::A;")], &["a imports b imports a"]),
        (
            "three",
            &[root, ("a", "use crate::b;"), ("b", "use super::c::C;"), ("c", "pub(crate) use crate::a::X;")],
            &["a imports b imports c imports a"],
        ),
        ("passed on", &[root, ("a", "use super::C;"), ("c", "use crate::A;")], &["a imports c imports a"]),
        (
            "in a list",
            &[root, ("a", "use crate::{\n    b::{B, D},\n    c,\n};"), ("b", "use crate::A as X;")],
            &["a imports b imports a"],
        ),
        (
            "in the midst",
            &[root, ("a", "fn f() -> super::b::B {}"), ("b", "fn g() { crate::a::f() }")],
            &["a imports b imports a"],
        ),
        ("in a comment", &[root, ("a", "use crate::b;"), ("b", "// use crate::a;")], &[]),
        (
            "in a test",
            &[root, ("a", "use crate::b;"), ("b", "\n#[cfg(test)]\nmod tests {\nuse crate::a;\n}")],
            &[],
        ),
        ("a folder's file", &[root, ("a", "mod x;\nuse x::X;"), ("a/x", "use super::Y;")], &[]),
        (
            "in a folder",
            &[root, ("a/x", "use super::y::Y;"), ("a/y", "use super::x;")],
            &["a/x imports a/y imports a/x"],
        ),
        ("other crates", &[root, ("a", "use b::B;\nuse std::b;"), ("b", "use crate::a;")], &[]),
    ];
    for (desc, files, expect) in cases {
        let mut modules = Modules(BTreeMap::new());
        for (file, source) in files {
            let names = file.split('/').filter(|name| !name.is_empty()).map(str::to_owned);
            modules.add(names.collect(), source);
        }
        assert_eq!(circles(&modules.imports()), expect, "{desc}");
    }
}
