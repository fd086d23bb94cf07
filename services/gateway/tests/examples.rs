//! Every example of `docs/rest.md` is run, and gives what it says; and every route has one.

mod support;

use std::collections::BTreeSet;

use support::Node;
use support::http::{Answer, parse, raw};
use support::sse::Events;

const DOCUMENT: &str = include_str!("../../../docs/rest.md");
/// What examples call the gateway.
const NODE: &str = "http://127.0.0.1:8080";

/// A command with the status it is answered with, and a member of the answer.
struct Example {
    words: Vec<String>,
    status: u16,
    member: Option<String>,
}

/// Words as a shell has them, with quotes of both kinds.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => (quote, begun) = (Some(letter), true),
            (None, ' ') if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            (None, _) => {
                word.push(letter);
                begun = true;
            }
        }
    }
    assert!(quote.is_none(), "{text}: a quote stays open");
    words.extend(Some(word).filter(|_| begun));
    words
}

fn examples(values: &[(&str, String)]) -> Vec<Example> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("curl "));
    let examples = lines.map(|line| {
        let (command, reported) =
            line.rsplit_once(" # ").unwrap_or_else(|| panic!("{line}: shows no answer"));
        let command = values.iter().fold(command.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!command.contains('$'), "{line}: a variable without a value");
        let mut reported = reported.split_whitespace();
        let status = reported
            .next()
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{line}: no status"));
        Example { words: words(&command), status, member: reported.next().map(str::to_owned) }
    });
    examples.collect()
}

/// What `curl` would ask.
struct Asked {
    method: &'static str,
    path: String,
    headers: String,
    body: String,
}

fn asked(words: &[String]) -> Asked {
    let mut asked = Asked { method: "GET", path: String::new(), headers: String::new(), body: String::new() };
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("a value").clone();
        match word.as_str() {
            "-I" => asked.method = "HEAD",
            "-N" => {}
            "-X" => asked.method = if next() == "OPTIONS" { "OPTIONS" } else { panic!("another method") },
            "-H" => asked.headers += &format!("{}\r\n", next()),
            "-d" => (asked.method, asked.body) = ("POST", next()),
            url => url.strip_prefix(NODE).unwrap_or_else(|| panic!("{url}?")).clone_into(&mut asked.path),
        }
    }
    asked
}

async fn run(node: &Node, asked: &Asked) -> Answer {
    let Asked { method, path, headers, body } = asked;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\
         {headers}\r\n{body}"
    );
    parse(&raw(node.gateway.address, request.as_bytes()).await)
}

/// Whether a path of the description, such as `/blocks/{id}`, is that of a request.
fn fits(described: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (described, path) = (parts(described), parts(path));
    described.len() == path.len() && described.iter().zip(&path).all(|(a, b)| a.starts_with('{') || a == b)
}

#[tokio::test]
async fn every_example_of_the_document_gives_what_it_says_and_every_route_has_one() {
    let node = Node::start().await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    let transaction = &node.chain.block(4).transactions()[0];
    let values = [
        ("$NODE", NODE.to_owned()),
        ("$ADDRESS", "ab".repeat(32)),
        ("$HASH", transaction.hash().to_string()),
        ("$TRANSACTION", hex::encode(transaction.bytes())),
    ];
    let mut paths = BTreeSet::new();
    for Example { words, status, member } in examples(&values) {
        let asked = asked(&words);
        paths.insert(asked.path.clone());
        if asked.path.contains("/events") {
            let mut events = Events::open_at(&node, &asked.path, &asked.headers).await;
            assert!(
                events.head.iter().any(|line| line == "content-type: text/event-stream"),
                "{:?}",
                events.head
            );
            assert!(events.line().await.is_some(), "{words:?}");
            continue;
        }
        let answer = run(&node, &asked).await;
        assert_eq!(answer.status, status, "{words:?}: {answer:?}");
        if let Some(member) = member {
            assert!(!answer.json()[&member].is_null(), "{words:?}: no {member} in {answer:?}");
        }
    }
    let document = node.get("/api/openapi.json").await.json();
    for described in document["paths"].as_object().expect("paths").keys() {
        assert!(paths.iter().any(|path| fits(described, path)), "{described} has no example");
    }
}
