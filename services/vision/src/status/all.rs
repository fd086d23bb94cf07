//! `vision status --all`: every node that one node knows of, asked itself where its gateway is known.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::names::Names;
use vision_terminal::network::{self, Node};
use vision_terminal::output::{self, Format, Table, count, fitting};
use vision_terminal::rest::Gateway;
use vision_terminal::words::{cut, number, span};

/// How long a node may take to speak for itself.
const DEADLINE: Duration = Duration::from_secs(3);
/// Nodes asked at once.
const MAX_AT_ONCE: usize = 32;
/// Longest state shown, characters.
const MAX_STATE_CHARS: usize = 200;
/// Narrowest column of states on a terminal, characters.
const MIN_STATE_CHARS: usize = 30;

/// Who says what is shown of a node.
#[derive(Clone, PartialEq, Debug)]
enum Word {
    /// The node itself, now.
    Own,
    /// The node that was asked first; the other did not answer, or nobody knows where to ask it.
    Others {
        /// Why the node itself was not heard; absent if nobody knows its gateway.
        because: Option<String>,
    },
}

/// A node, and who says so.
#[derive(Clone, PartialEq, Debug)]
struct Row {
    node: Node,
    word: Word,
}

impl Row {
    /// What is wrong with it, if anything.
    fn trouble(&self, now_ms: u64) -> Option<String> {
        match (&self.word, self.node.trouble(now_ms)) {
            (_, Some(trouble)) => Some(trouble),
            (Word::Others { because: Some(because) }, None) => Some(because.clone()),
            (Word::Own | Word::Others { because: None }, None) => None,
        }
    }

    /// Whether the chain counts on it in vain.
    fn is_sick_producer(&self, now_ms: u64) -> bool {
        self.node.is_registered() && self.trouble(now_ms).is_some()
    }

    /// Since when nothing is known of it, milliseconds; 0 if it speaks for itself or is connected.
    fn age_ms(&self, now_ms: u64) -> Option<u64> {
        match self.word {
            Word::Own => Some(0),
            Word::Others { .. } if self.node.this_node => Some(0),
            Word::Others { .. } => {
                let seen = self.node.last_seen_at.or(self.node.lost_at);
                seen.map(|at| now_ms.saturating_sub(at)).or_else(|| self.node.connected.then_some(0))
            }
        }
    }
}

/// Shows all nodes; fails if a producer is not healthy.
pub(super) async fn run(url: &str, format: Format) -> Outcome {
    let gateway = Gateway::new(url)?;
    let mut names = Names::of_this_machine();
    let overview = gateway.get("/api/overview").await?;
    let nodes = network::nodes(&gateway, &overview).await?;
    names.learn_from(&nodes);
    let now_ms = overview["now_ms"].as_u64().unwrap_or(0);
    let reporter = nodes.iter().find(|node| node.this_node).map(|node| names.of(&node.id));
    let reporter = reporter.unwrap_or_else(|| gateway.url().to_owned());
    let rows = ask_all(nodes, &gateway).await;
    match format {
        Format::Json => output::json(&to_json(&rows, &gateway, &names, now_ms))?,
        Format::Table => output::write(&text(&rows, &names, &reporter, now_ms, output::width()))?,
    }
    verdict(&rows, &names, now_ms)
}

/// Asks every node itself, where its gateway is known: by the node that reports it, or as one of this
/// machine.
async fn ask_all(nodes: Vec<Node>, gateway: &Gateway) -> Vec<Row> {
    let here: BTreeMap<String, String> =
        vision_terminal::names::of_this_machine().into_iter().map(|known| (known.id, known.url)).collect();
    let mut rows = Vec::new();
    let mut nodes = nodes.into_iter();
    loop {
        let some: Vec<Node> = nodes.by_ref().take(MAX_AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        let asked = some.into_iter().map(|node| {
            let own = node.this_node.then(|| gateway.url().to_owned());
            let url = own.or_else(|| node.url.clone()).or_else(|| here.get(&node.id).cloned());
            ask(node, url)
        });
        rows.extend(futures::future::join_all(asked).await);
    }
    rows
}

async fn ask(node: Node, url: Option<String>) -> Row {
    let Some(url) = url else { return Row { node, word: Word::Others { because: None } } };
    let answer = async { Gateway::new(&url)?.get("/api/status").await };
    let answer = match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(failure)) => Err(unheard(&url, &failure)),
        Err(_) => Err(format!("gateway {}: no answer within {} s", place(&url), DEADLINE.as_secs())),
    };
    heard(node, answer)
}

/// A URL as short as it is clear.
fn place(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// Why a gateway was not heard. What to do about one that was named by hand is no help here.
fn unheard(url: &str, failure: &Failure) -> String {
    failure.cause().map_or_else(|| failure.to_string(), |cause| format!("gateway {}: {cause}", place(url)))
}

/// A node with what it says of itself.
fn heard(mut node: Node, answer: Result<Value, String>) -> Row {
    let status = match answer {
        Ok(status) if status["node_id"] == node.id.as_str() => status,
        // Its port is another's now.
        Ok(_) => {
            return Row {
                node,
                word: Word::Others { because: Some("another node answers at its gateway".into()) },
            };
        }
        Err(why) => return Row { node, word: Word::Others { because: Some(why) } },
    };
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    node.connected = true;
    node.height = status["height"].as_u64();
    node.behind = status["lag_blocks"].as_u64();
    node.peers = status["ready_peers"].as_u64();
    node.eligible = status["eligible"].as_bool();
    (node.because, node.version) = (text("not_eligible_because"), text("version"));
    Row { node, word: Word::Own }
}

fn verdict(rows: &[Row], names: &Names, now_ms: u64) -> Outcome {
    let sick: Vec<String> =
        rows.iter().filter(|row| row.is_sick_producer(now_ms)).map(|row| names.of(&row.node.id)).collect();
    let all = rows.iter().filter(|row| row.node.is_registered()).count();
    match sick.len() {
        0 => Ok(()),
        _ => Err(Failure::unhealthy(format!(
            "{} of {} not healthy: {}",
            sick.len(),
            count(all, "producer"),
            sick.join(", ")
        ))),
    }
}

const COLUMNS: [&str; 11] =
    ["node", "id", "role", "head", "behind", "peers", "last block", "version", "heard", "from", "state"];

fn text(rows: &[Row], names: &Names, reporter: &str, now_ms: u64, width: Option<usize>) -> String {
    let form = |left_out: &[&str]| {
        let kept: Vec<usize> = (0..COLUMNS.len()).filter(|at| !left_out.contains(&COLUMNS[*at])).collect();
        let mut table = Table::new(&kept.iter().map(|at| COLUMNS[*at]).collect::<Vec<_>>());
        for row in rows {
            let cells = cells(row, names, reporter, now_ms);
            table.row(kept.iter().map(|at| cells[*at].clone()));
        }
        table
    };
    let narrow = ["id", "behind", "peers", "version", "from", "last block"];
    let whole = form(&[]).render();
    let Some(columns) = width.filter(|_| fitting(width, [whole.clone(), String::new()]).is_empty()) else {
        return whole;
    };
    // A state is never cut: it goes on below itself, in room enough to be read.
    let forms = [0, 1, 4, narrow.len()].into_iter();
    let mut wrapped =
        forms.filter_map(|left_out| form(&narrow[..left_out]).wrapped(columns, MIN_STATE_CHARS));
    wrapped.next().unwrap_or_else(|| form(&narrow).render())
}

fn cells(row: &Row, names: &Names, reporter: &str, now_ms: u64) -> [String; 11] {
    let node = &row.node;
    let count = |value: Option<u64>| value.map_or_else(|| "-".into(), number);
    let ago = |ms: u64| format!("{} ago", span(ms));
    let heard = match row.age_ms(now_ms) {
        Some(0) => "now".into(),
        Some(ms) => ago(ms),
        None => "never".into(),
    };
    let from = if row.word == Word::Own { "itself".to_owned() } else { reporter.to_owned() };
    let state = row.trouble(now_ms).unwrap_or_else(|| node.state(now_ms));
    [
        cut(&names.of(&node.id), 24),
        node.id.chars().take(8).collect(),
        node.role.name().into(),
        count(node.height),
        count(node.behind),
        count(node.peers),
        node.last_block_at.map_or_else(|| "-".into(), |at| ago(now_ms.saturating_sub(at))),
        if node.version.is_empty() { "-".into() } else { cut(&node.version, 16) },
        heard,
        from,
        cut(&state, MAX_STATE_CHARS),
    ]
}

fn to_json(rows: &[Row], gateway: &Gateway, names: &Names, now_ms: u64) -> Value {
    let node = |row: &Row| {
        let node = &row.node;
        json!({
            "node_id": node.id, "name": names.get(&node.id), "role": node.role.name(), "height": node.height,
            "behind": node.behind, "peers": node.peers, "version": node.version, "eligible": node.eligible,
            "connected": node.connected, "last_block_height": node.last_block,
            "last_block_at_ms": node.last_block_at,
            "own_word": row.word == Word::Own, "heard_ms_ago": row.age_ms(now_ms),
            "state": node.state(now_ms),
            "trouble": row.trouble(now_ms),
        })
    };
    json!({
        "asked": gateway.url(), "now_ms": now_ms, "nodes": rows.iter().map(node).collect::<Vec<_>>(),
        "healthy": !rows.iter().any(|row| row.is_sick_producer(now_ms)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_terminal::exit::Exit;

    fn node(number: u64, connected: bool) -> Node {
        Node::read(&json!({
            "node_id": format!("{number:064x}"), "name": format!("node{number}"), "role": "producer",
            "this_node": number == 1, "connected": connected, "height": 1_283, "eligible": true,
            "last_seen_at_ms": 88_000, "last_block_at_ms": 90_000, "version": "0.1.0",
        }))
    }

    fn answer(number: u64) -> Value {
        json!({ "node_id": format!("{number:064x}"), "height": 1_284, "eligible": true, "lag_blocks": 0,
        "ready_peers": 2, "version": "0.1.0" })
    }

    #[test]
    fn a_node_speaks_for_itself_or_keeps_its_last_known_row() {
        let url_unknown = Row { node: node(2, true), word: Word::Others { because: None } };
        let not_eligible = {
            let mut status = answer(2);
            (status["eligible"], status["not_eligible_because"]) =
                (json!(false), json!("TOO_FEW_PEERS: 1 of 2"));
            status
        };
        let cases = [
            ("itself", heard(node(2, true), Ok(answer(2))), None, Some(1_284), Some(0)),
            (
                "itself, though not connected",
                heard(node(2, false), Ok(answer(2))),
                None,
                Some(1_284),
                Some(0),
            ),
            (
                "in trouble",
                heard(node(2, true), Ok(not_eligible)),
                Some("TOO_FEW_PEERS: 1 of 2"),
                Some(1_284),
                Some(0),
            ),
            ("nobody knows where", url_unknown, None, Some(1_283), Some(12_000)),
            (
                "its gateway is away",
                heard(node(2, true), Err("refused".into())),
                Some("refused"),
                Some(1_283),
                Some(12_000),
            ),
            (
                "it is away",
                heard(node(2, false), Err("refused".into())),
                Some("no answer for 12 s"),
                Some(1_283),
                Some(12_000),
            ),
            (
                "another",
                heard(node(2, true), Ok(answer(3))),
                Some("another node answers at its gateway"),
                Some(1_283),
                Some(12_000),
            ),
        ];
        for (desc, row, trouble, height, age) in cases {
            let got = (row.trouble(100_000), row.node.height, row.age_ms(100_000));
            assert_eq!(got, (trouble.map(str::to_owned), height, age), "{desc}");
            let exit = verdict(&[row], &Names::default(), 100_000).err().map(|failure| failure.exit());
            assert_eq!(exit, trouble.map(|_| Exit::Unhealthy), "{desc}");
        }
        let mut follower = heard(node(2, false), Err("refused".into()));
        follower.node.role = network::Role::Follower;
        assert!(verdict(&[follower], &Names::default(), 100_000).is_ok(), "nobody counts on a follower");
    }

    #[test]
    fn a_gateway_that_is_away_is_named_without_advice() {
        let refused = Failure::unhealthy("no gateway answers at http://h:1 (refused); name another one");
        assert_eq!(unheard("http://h:1", &refused.because("refused")), "gateway h:1: refused");
        let strange = Failure::failed("http://h:1/api/status did not answer as expected");
        assert_eq!(unheard("http://h:1", &strange), strange.to_string());
    }

    #[test]
    fn the_table_fits_and_names_everybody() {
        let mut names = Names::default();
        let rows: Vec<Row> = (1..=100)
            .map(|number| match number % 2 {
                0 => heard(node(number, false), Err("no gateway answers ".repeat(9))),
                _ => heard(node(number, true), Ok(answer(number))),
            })
            .collect();
        for row in &rows {
            names.learn(&row.node.id, &row.node.name);
        }
        for width in [80, 100, 120] {
            let text = text(&rows, &names, "node1", 100_000, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert!(
                text.contains("node100") && text.contains("12 s ago") && text.contains("no answer"),
                "{text}"
            );
        }
        // What is wrong is said to its end.
        let mut status = answer(2);
        let because =
            "TOO_FEW_PEERS: 1 ready peer of 1 connected, 2 needed: start more nodes, or check seeds";
        (status["eligible"], status["not_eligible_because"]) = (json!(false), json!(because));
        let long = text(&[heard(node(2, true), Ok(status))], &names, "node1", 100_000, Some(80));
        assert!(long.lines().all(|line| line.chars().count() <= 80), "{long}");
        let column = long.lines().next().and_then(|heading| heading.find("STATE")).expect("a state");
        let state: Vec<&str> = long.lines().skip(1).map(|line| line[column..].trim()).collect();
        assert_eq!(state.join(" "), because, "{long}");
        let whole = text(&rows[..2], &names, "node1", 100_000, None);
        let lines: Vec<Vec<&str>> = whole.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..5], ["node1", "00000000", "producer", "1,284", "0"]);
        assert!(whole.contains("12 s ago  node1   no answer for 12 s"), "{whole}");
        assert!(whole.contains("now       itself  may produce"), "{whole}");
    }
}
