//! The live picture of a test network, as lines that fit the terminal: what is known and what to type next
//! stay in view, the nodes take the rest.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::next::Next;
use super::process::Life;
use super::table::NodeView;
use vision_terminal::names::Names;
use vision_terminal::network::{Picture, Verdict};
use vision_terminal::screen::{Cell, Column, INDENT, Paint, Sheet};
use vision_terminal::words::{cut, number, span};

/// Fewest nodes shown, whatever else there is.
const MIN_ROWS: usize = 3;
/// Longest state, so that the other columns have room.
const STATE_CHARS: usize = 28;
/// Lines of what is wrong; more than anything that is wrong has on 80 columns.
const MAX_REASON_LINES: usize = 5;
/// Lines of what has happened.
const MAX_NEWS: usize = 4;

const COLUMNS: [Column; 7] = [
    Column { heading: "node", rank: 0 },
    Column { heading: "id", rank: 5 },
    Column { heading: "pid", rank: 4 },
    Column { heading: "rest", rank: 2 },
    Column { heading: "head", rank: 1 },
    Column { heading: "last made", rank: 3 },
    Column { heading: "state", rank: 0 },
];

/// One look at the network.
pub(crate) struct Look<'a> {
    /// Name of the chain.
    pub chain_id: &'a str,
    /// Its nodes.
    pub views: &'a [NodeView],
    /// The network as one of its nodes reports it, if one does.
    pub picture: Option<&'a Picture>,
    /// What has happened, oldest first.
    pub news: &'a [String],
    /// What to know and to type.
    pub next: &'a Next,
}

/// The lines of a look at an instant of the nodes' clock.
pub(crate) fn lines(look: &Look<'_>, now_ms: u64, sheet: Sheet, height: usize) -> Vec<Line<'static>> {
    let mut lines = vec![sheet.title(&title(look)), sentence(look, now_ms, sheet)];
    // Whoever is in trouble has no eye for whose turn it is.
    let below = reason(look, now_ms).unwrap_or_else(|| next(look));
    lines.extend(sheet.below(&below, INDENT, MAX_REASON_LINES, Style::new()));
    let bottom = bottom(look, sheet, height, lines.len());
    // Below the heading.
    let room = height.saturating_sub(lines.len() + 1 + bottom.len());
    let rows = look.views.iter().map(|view| row(look, view, now_ms, sheet.paint)).collect();
    lines.extend(sheet.nodes(&COLUMNS, rows, room, "vision testnet status"));
    lines.extend(bottom);
    lines.truncate(height);
    lines
}

fn title(look: &Look<'_>) -> String {
    let nodes = vision_terminal::output::count(look.views.len(), "node");
    format!("{}  {nodes}", look.chain_id)
}

/// Whose turn it is.
fn next(look: &Look<'_>) -> String {
    let next = look.picture.and_then(Picture::next);
    match next.as_ref().and_then(|(height, ids)| Some((*height, *ids.first()?))) {
        Some((height, id)) => format!("next: {} makes block {}", names(look).of(id), number(height)),
        None => String::new(),
    }
}

/// How the network is.
fn sentence(look: &Look<'_>, now_ms: u64, sheet: Sheet) -> Line<'static> {
    let Some(picture) = look.picture else {
        let answering = look.views.iter().filter(|view| view.status.is_some()).count();
        let all = vision_terminal::output::count(look.views.len(), "node");
        return match answering {
            0 => sheet.line("no node answers", sheet.paint.bad()),
            // None was asked for more yet.
            some => sheet.line(&format!("{some} of {all} running"), Style::new()),
        };
    };
    let (verdict, text) = match (picture.verdict(now_ms), away(look, picture)) {
        // The others notice it later than whoever looks at its process.
        (Verdict::Fine, Some(view)) => {
            let head = picture.head().map(|head| span(now_ms.saturating_sub(head.stamp_ms)));
            let head = head.map(|age| format!(", last block {age} ago")).unwrap_or_default();
            (Verdict::Trouble, format!("{} is {}{head}", view.facts.name, view.state()))
        }
        (verdict, _) => (verdict, picture.headline(now_ms)),
    };
    sheet.sentence(verdict.into(), &text, Style::new())
}

/// A node of this machine that the chain counts on and that can answer nobody.
fn away<'a>(look: &Look<'a>, picture: &Picture) -> Option<&'a NodeView> {
    let counts =
        |view: &NodeView| picture.nodes.iter().any(|node| node.id == view.facts.id && node.is_registered());
    look.views.iter().find(|view| view.is_away() && counts(view))
}

/// The worst of what is wrong, below the sentence.
fn reason(look: &Look<'_>, now_ms: u64) -> Option<String> {
    let picture = look.picture.filter(|picture| picture.verdict(now_ms) != Verdict::Fine)?;
    let worst = picture.reasons(now_ms, &names(look)).into_iter().next()?;
    Some(worst.text)
}

fn names(look: &Look<'_>) -> Names {
    let mut names = Names::default();
    for view in look.views {
        names.learn(&view.facts.id, &view.facts.name);
    }
    names
}

/// Whether the node is as it should be, and its row.
fn row(look: &Look<'_>, view: &NodeView, now_ms: u64, paint: Paint) -> (bool, Vec<Cell>) {
    let is_fine = matches!(view.life, Life::Running(_))
        && view.status.as_ref().is_some_and(|status| status["eligible"] == true);
    let made = look.picture.and_then(|picture| {
        let own = picture.blocks.iter().rev().find(|block| block.producer == view.facts.id)?;
        Some(format!("{} ago", span(now_ms.saturating_sub(own.stamp_ms))))
    });
    let plain = |text: String| (text, Style::new());
    let cells = vec![
        (view.facts.name.clone(), Paint::strong()),
        plain(view.facts.id.chars().take(8).collect()),
        plain(view.life.pid().map_or("-".into(), |pid| pid.to_string())),
        plain(view.facts.ports.rest.to_string()),
        plain(view.height().map_or("-".into(), number)),
        plain(made.unwrap_or_else(|| "-".into())),
        (cut(&view.state(), STATE_CHARS), if is_fine { paint.good() } else { paint.bad() }),
    ];
    (is_fine, cells)
}

/// What stays in view, with as many commands as leave room for some nodes below what stands at the top.
fn bottom(look: &Look<'_>, sheet: Sheet, height: usize, top: usize) -> Vec<Line<'static>> {
    let next = look.next;
    let fact = |(name, place): &(&str, String)| {
        let name = format!("{name:<9}");
        let room = sheet.width.saturating_sub(name.len());
        Line::from(vec![Span::styled(name, Paint::faint()), Span::raw(cut(place, room))])
    };
    let news = &look.news[look.news.len().saturating_sub(MAX_NEWS)..];
    // The top, heading, rows, the line that says that there are more, and the lines between the parts.
    let rows = MIN_ROWS.min(look.views.len().max(1));
    let fixed = top + 1 + rows + usize::from(look.views.len() > rows) + 2;
    let room = height.saturating_sub(fixed + next.facts.len() + news.len() + 1);
    let commands =
        next.commands.iter().take(room).map(|command| sheet.line(&format!("  {command}"), Style::new()));
    let mut lines = vec![Line::default()];
    lines.extend(next.facts.iter().map(fact));
    lines.push(sheet.line("Type in another terminal:", Paint::faint()));
    lines.extend(commands);
    lines.extend(news.iter().map(|line| sheet.line(line, sheet.paint.unusual())));
    lines.push(sheet.line(&next.end, Paint::strong()));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::layout::{NodeFacts, Urls};
    use super::super::ports::BasePorts;
    use super::*;
    use crate::args::PortArgs;
    use vision_terminal::network::reported;
    use vision_terminal::screen::plain;

    fn views(count: u16) -> Vec<NodeView> {
        let ports = BasePorts::new(&PortArgs::default()).assign(count).expect("they fit");
        let view = |(number, ports): (u16, super::super::ports::NodePorts)| NodeView {
            facts: NodeFacts {
                name: format!("node{number}"),
                id: format!("{number:064x}"),
                public_key: String::new(),
                home: "/net/node".into(),
                log: "/net/node/node.log".into(),
                pid: Some(4_194_304),
                ended: None,
                urls: Urls::new(&ports),
                ports,
            },
            life: if number == 50 { Life::Paused(7) } else { Life::Running(4_194_304) },
            status: Some(json!({
                "height": 1_234_567, "tip_hash": "ab".repeat(32), "sync_state": "CatchingUp",
                "eligible": number != 50,
            })),
        };
        (1..).zip(ports).map(view).collect()
    }

    fn next() -> Next {
        let dir = "/home/somebody/with/a/very/long/name/of/a/directory/that/goes/on/and/on/.vision/testnet";
        Next {
            facts: vec![
                ("page", "http://127.0.0.1:8080/".into()),
                ("logs", format!("{dir}/node1/node.log")),
                ("accounts", format!("{dir}/accounts/")),
                ("account1", "ab".repeat(32)),
            ],
            commands: (1..=9).map(|number| format!("vision testnet command{number} --dir {dir}")).collect(),
            end: "Ctrl-C stops all nodes.".into(),
        }
    }

    fn picture() -> Picture {
        let overview = json!({
            "now_ms": 5_000, "chain": { "chain_id": "c" },
            "blocks": [{ "height": 9, "hash": "ab", "slot": 0, "producer": format!("{:064x}", 1),
            "timestamp_ms": 3_600 }],
            "mining": { "next_height": 10, "current_winner": format!("{:064x}", 2) },
        });
        Picture::read(&overview, reported(&overview))
    }

    #[test]
    fn the_picture_fits_the_terminal_and_keeps_what_to_type_in_view() {
        let next = next();
        let picture = picture();
        let news: Vec<String> =
            (0..5).map(|n| format!("node{n} was ended by somebody; {}", "x".repeat(200))).collect();
        for (width, height) in [(80, 24), (100, 30), (120, 40), (20, 5)] {
            for count in [1, 3, 100] {
                for news in [&news[..0], &news] {
                    let views = views(count);
                    let look = Look {
                        chain_id: "vision-testnet-1",
                        views: &views,
                        picture: Some(&picture),
                        news,
                        next: &next,
                    };
                    let lines = plain(&lines(&look, 5_000, Sheet { width, paint: Paint::none() }, height));
                    let text = lines.join("\n");
                    assert!(lines.len() <= height, "{width}x{height}, {count}:\n{text}");
                    assert!(
                        lines.iter().all(|line| line.chars().count() <= width),
                        "{width}x{height}:\n{text}"
                    );
                    if height >= 24 {
                        let next = if count > 1 { "next: node2 makes block 10" } else { "next: 0000" };
                        for part in [
                            "http://127.0.0.1:8080/",
                            "command1",
                            "Ctrl-C stops",
                            "node1",
                            "last block 1.4 s ago",
                            next,
                        ] {
                            assert!(text.contains(part), "{width}x{height}, {count}, {part}:\n{text}");
                        }
                        assert_eq!(text.contains("more: vision testnet status"), count == 100, "{text}");
                        assert!(
                            count < 100 || text.contains("node50"),
                            "who is in trouble comes first:\n{text}"
                        );
                        assert!(text.contains("1.4 s ago  "), "when node1 made a block:\n{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_network_that_does_not_answer_is_said_not_to() {
        let (answering, next) = (views(1), next());
        let look = Look { chain_id: "c", views: &answering, picture: None, news: &[], next: &next };
        let text = plain(&lines(&look, 5_000, Sheet { width: 80, paint: Paint::none() }, 24)).join("\n");
        assert!(text.contains("1 of 1 node running") && !text.contains("ago"), "{text}");
        let mut views = views(1);
        views[0].status = None;
        let look = Look { views: &views, ..look };
        let text = plain(&lines(&look, 5_000, Sheet { width: 80, paint: Paint::none() }, 24)).join("\n");
        assert!(text.contains("no node answers") && !text.contains("ago"), "{text}");
    }

    #[test]
    fn the_sentence_agrees_with_the_processes_and_trouble_has_a_reason() {
        let next = next();
        let ids: Vec<String> = (1..=3).map(|number| format!("{number:064x}")).collect();
        let picture = |state: &str, reasons: Value| {
            let nodes: Vec<Value> = ids
                .iter()
                .map(|id| json!({ "node_id": id, "role": "producer", "connected": true, "eligible": true }))
                .collect();
            let overview = json!({
                "now_ms": 5_000, "chain": { "chain_id": "c" }, "nodes": nodes,
                "blocks": [{ "height": 9, "hash": "ab", "slot": 0, "producer": ids[0],
                "timestamp_ms": 3_600 }],
                "health": { "state": state, "headline": "3 of 3 nodes producing", "reasons": reasons },
            });
            Picture::read(&overview, reported(&overview))
        };
        let fine = picture("fine", json!([]));
        let trouble = picture("trouble", json!([{ "text": "node2 was late.", "remedy": "nothing to do" }]));
        let words = "much has to be said of it, ".repeat(5) + "and a word more at the end.";
        let long = picture("trouble", json!([{ "text": words }]));
        let cases = [
            ("all is well", &fine, Life::Running(1), "ok 3 of 3 nodes producing\n", None),
            ("killed just now", &fine, Life::Stopped, "!  node2 is stopped, last block 1.4 s ago\n", None),
            ("paused just now", &fine, Life::Paused(1), "!  node2 is paused, last block 1.4 s ago\n", None),
            (
                "in trouble",
                &trouble,
                Life::Running(1),
                "!  3 of 3 nodes producing\n",
                Some("\n   node2 was late.\n"),
            ),
            ("in long trouble", &long, Life::Running(1), "!  3 of 3 nodes producing\n", Some("the end.\n")),
        ];
        for (desc, picture, life, expect, reason) in cases {
            let mut views = views(3);
            views[1].life = life;
            if life == Life::Stopped {
                views[1].status = None;
            }
            let look = Look { chain_id: "c", views: &views, picture: Some(picture), news: &[], next: &next };
            let text = plain(&lines(&look, 5_000, Sheet { width: 80, paint: Paint::none() }, 24)).join("\n");
            assert!(text.contains(expect), "{desc}:\n{text}");
            assert!(text.contains(reason.unwrap_or_default()), "{desc}:\n{text}");
        }
    }
}
