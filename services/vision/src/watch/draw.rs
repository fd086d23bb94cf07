//! The live picture as lines that fit the terminal.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::ribbon::{self, ribbon};
use super::scene::{Contact, Scene, Weight};
use vision_terminal::network::{Node, Picture};
use vision_terminal::output::time;
use vision_terminal::screen::{Cell, Column, INDENT, Paint, Sheet, Sign};
use vision_terminal::words::{cut, number, span};

/// Events that keep their place however many nodes there are.
const MIN_EVENTS: usize = 2;
/// From so many lines on, every cause has what to do below it; else the first has.
const ROOMY: usize = 30;
/// Lines of all causes where there are fewer. The worst has its whole text there, others the rest.
const MAX_CAUSE_LINES: usize = 5;
/// Lines of the first cause: more than any has on 80 columns.
const MAX_REASON_LINES: usize = 4;
/// Columns of an age.
const AGE: usize = 14;

const COLUMNS: [Column; 9] = [
    Column { heading: "node", rank: 0 },
    Column { heading: "role", rank: 3 },
    Column { heading: "head", rank: 1 },
    Column { heading: "behind", rank: 4 },
    Column { heading: "peers", rank: 5 },
    Column { heading: "clock ms", rank: 7 },
    Column { heading: "ping ms", rank: 8 },
    Column { heading: "last block", rank: 2 },
    Column { heading: "state", rank: 0 },
];

/// The lines of a scene at an instant of our clock.
pub(super) fn lines(scene: &Scene, now_ms: u64, sheet: Sheet, height: usize) -> Vec<Line<'static>> {
    let mut lines = match &scene.picture {
        Some(picture) => whole(scene, picture, now_ms, sheet, height.saturating_sub(1)),
        None => {
            let asking = sheet.line(&format!("Asking {}", scene.url), Style::new());
            contact(scene, now_ms, sheet).unwrap_or_else(|| vec![asking])
        }
    };
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(footer(scene, sheet));
    lines.truncate(height);
    lines
}

fn footer(scene: &Scene, sheet: Sheet) -> Line<'static> {
    let pending = scene.picture.as_ref().and_then(|picture| picture.pending);
    let pending = pending.filter(|count| *count > 0).map(|count| match count {
        1 => "1 transaction waits. ".into(),
        count => format!("{} transactions wait. ", number(count)),
    });
    let text = format!("{}q quits. `vision status` says more about this node.", pending.unwrap_or_default());
    sheet.line(&text, Paint::faint())
}

/// What is said in the place of the sentence while the node does not answer.
fn contact(scene: &Scene, now_ms: u64, sheet: Sheet) -> Option<Vec<Line<'static>>> {
    let Contact::Lost { heard_ms, why, retry_ms } = &scene.contact else { return None };
    let retry = match retry_ms.saturating_sub(now_ms) {
        0 => "asking again now".to_owned(),
        left => format!("next try in {}", span(left)),
    };
    let since = heard_ms.map(|heard| format!(" for {}", span(now_ms.saturating_sub(heard))));
    let sentence = format!("No answer from {}{}, {retry}", scene.url, since.unwrap_or_default());
    let mut lines = vec![sheet.sentence(Sign::Unknown, &sentence, Style::new())];
    lines.extend(sheet.below(why, INDENT, 1, Paint::faint()));
    if let Some(heard) = heard_ms {
        let reported = format!("what follows is old, from {}", time(scene.node_ms(*heard)));
        lines.extend(sheet.below(&reported, INDENT, 1, sheet.paint.bad()));
    }
    Some(lines)
}

fn whole(scene: &Scene, picture: &Picture, now_ms: u64, sheet: Sheet, height: usize) -> Vec<Line<'static>> {
    let node_ms = scene.node_ms(now_ms);
    let title =
        format!("{}  as seen by {}  {}", picture.chain_id, scene.names.of(&picture.node_id), scene.url);
    let mut lines = vec![sheet.title(&title)];
    let lost = contact(scene, now_ms, sheet);
    let is_old = lost.is_some();
    lines.extend(lost.unwrap_or_else(|| status(scene, picture, node_ms, sheet, height)));
    let at_the_head = lines.len();
    lines.push(Line::default());
    lines.extend(ribbon(picture, &scene.names, sheet.paint, sheet.width));
    debug_assert_eq!(lines.len(), at_the_head + 1 + ribbon::LINES);
    // A blank line before each, and a heading.
    let room = height.saturating_sub(lines.len() + 3);
    let for_events = MIN_EVENTS.min(scene.events.len());
    let for_nodes = picture.nodes.len().min(room.saturating_sub(for_events)).max(1);
    lines.push(Line::default());
    lines.extend(nodes(scene, picture, node_ms, sheet, for_nodes));
    lines.push(Line::default());
    let left = height.saturating_sub(lines.len());
    lines.extend(events(scene, node_ms, sheet, left));
    if is_old {
        for line in lines.iter_mut().skip(at_the_head) {
            *line = Line::styled(line.to_string(), Paint::faint());
        }
    }
    lines
}

/// The sentence, its reasons, and who is next.
fn status(scene: &Scene, picture: &Picture, node_ms: u64, sheet: Sheet, height: usize) -> Vec<Line<'static>> {
    let verdict = picture.verdict(node_ms);
    let mut lines = vec![sheet.sentence(verdict.into(), &picture.headline(node_ms), Paint::strong())];
    let mut causes = Vec::new();
    for (at, reason) in picture.reasons(node_ms, &scene.names).iter().enumerate() {
        let most = if at == 0 { MAX_REASON_LINES } else { 1 };
        causes.extend(sheet.below(&reason.text, INDENT, most, Style::new()));
        if !reason.remedy.is_empty() && (at == 0 || height >= ROOMY) {
            causes.extend(sheet.below(&reason.remedy, INDENT + 2, most, sheet.paint.unusual()));
        }
    }
    if height < ROOMY {
        causes.truncate(MAX_CAUSE_LINES);
    }
    lines.extend(causes);
    let next = scene.next_text(node_ms).unwrap_or_else(|| "next: not known yet".into());
    lines.extend(sheet.below(&next, INDENT, 1, Style::new()));
    lines
}

/// The nodes, those in trouble first, in so many rows and a heading.
fn nodes(scene: &Scene, picture: &Picture, node_ms: u64, sheet: Sheet, room: usize) -> Vec<Line<'static>> {
    let mut sorted: Vec<&Node> = picture.nodes.iter().collect();
    let is_fine = |node: &Node| node.trouble(node_ms).is_none();
    sorted.sort_by_cached_key(|node| {
        (is_fine(node), !node.is_registered(), by_number(&scene.names.of(&node.id)))
    });
    let rows = sorted.into_iter().map(|node| (is_fine(node), row(scene, node, node_ms, sheet.paint)));
    sheet.nodes(&COLUMNS, rows.collect(), room, "vision status --all")
}

/// node2 before node10.
fn by_number(name: &str) -> (String, u64, String) {
    let digits = name.chars().rev().take_while(char::is_ascii_digit).count();
    let (stem, digits) = name.split_at(name.len() - digits);
    (stem.to_owned(), digits.parse().unwrap_or(0), name.to_owned())
}

fn row(scene: &Scene, node: &Node, node_ms: u64, paint: Paint) -> Vec<Cell> {
    let plain = |text: String| (text, Style::new());
    let count = |count: Option<u64>| plain(count.map_or_else(|| "-".into(), number));
    let tenth = |ms: Option<f64>| plain(ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1}")));
    let last = node.last_block_at.or_else(|| {
        let blocks = &scene.picture.as_ref()?.blocks;
        Some(blocks.iter().rev().find(|block| block.producer == node.id)?.stamp_ms)
    });
    let last = last.map(|at| format!("{} ago", span(node_ms.saturating_sub(at))));
    let style = if node.trouble(node_ms).is_some() { paint.bad() } else { paint.good() };
    vec![
        (scene.names.of(&node.id), Paint::strong()),
        plain(node.role.name().to_owned()),
        count(node.height),
        count(node.behind),
        count(node.peers),
        tenth(node.clock_ms),
        tenth(node.rtt_ms),
        plain(last.unwrap_or_else(|| "-".into())),
        (node.state(node_ms), style),
    ]
}

fn events(scene: &Scene, node_ms: u64, sheet: Sheet, room: usize) -> Vec<Line<'static>> {
    if scene.events.is_empty() {
        return vec![sheet.line("nothing has happened yet", Paint::faint())];
    }
    let line = |event: &super::scene::Happening| {
        let style = match event.weight {
            Weight::Good => sheet.paint.good(),
            Weight::Plain => Style::new(),
            Weight::Bad => sheet.paint.bad(),
        };
        let age = format!("{} ago", span(node_ms.saturating_sub(event.at_ms)));
        let text = cut(&event.text, sheet.width.saturating_sub(AGE + 2));
        Line::from(vec![Span::styled(format!("{age:>AGE$}  "), Paint::faint()), Span::styled(text, style)])
    };
    scene.events.iter().take(room).map(line).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::text::Text;
    use serde_json::{Value, json};

    use super::super::sse::Event;
    use super::*;
    use vision_terminal::names::Names;
    use vision_terminal::screen::plain;

    /// A network of so many nodes, of which the 50th does not answer.
    fn scene(count: u64, name: &str) -> Scene {
        let node = |number: u64| -> Value {
            json!({
                "node_id": format!("{number:064x}"), "name": format!("{name}{number}"), "role": "producer",
                "this_node": number == 1, "connected": number != 50, "height": 1_234_567, "behind": 0,
                "peers": 99,
                "clock_offset_ms": -123.456, "rtt_ms": 0.25, "version": "0.1.0", "eligible": true,
                "last_block_at_ms": 98_600,
            })
        };
        let block = |height: u64| -> Value {
            json!({
                "height": height, "hash": "ab", "slot": height % 2,
                "producer": format!("{:064x}", 1 + height % count),
                "timestamp_ms": 98_600, "finalized": height < 1_234_560,
            })
        };
        let overview = json!({
            "now_ms": 100_000, "chain": { "chain_id": "vision-testnet-1", "backup_slots": 6 },
            "nodes": (1..=count).map(node).collect::<Vec<_>>(),
            "blocks": (1_234_504..=1_234_567).map(block).collect::<Vec<_>>(),
            "pending": { "count": 1_200 },
            "health": { "state": "trouble", "headline": format!("{count} nodes, last block {{ago:98600}} \
            ago"), "reasons": [
                { "text": "x y ".repeat(50) + "and its end", "remedy": "vision testnet start node2" },
                { "text": "second" }, { "text": "third" },
            ] },
        });
        let mut scene = Scene::new("http://127.0.0.1:8080", Names::default());
        scene.whole(&overview, vision_terminal::network::reported(&overview), 100_000);
        for height in 1..30 {
            let data =
                json!({ "height": height, "node_id": format!("{:064x}", height % 2), "at_ms": 99_000 });
            scene.event(&Event { name: "missed_slot".into(), data }, 100_000);
        }
        scene
    }

    fn sheet(width: usize) -> Sheet {
        Sheet { width, paint: Paint::of_environment() }
    }

    /// As a terminal of that size shows it.
    fn shown(scene: &Scene, now_ms: u64, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let (columns, rows) = (usize::from(width), usize::from(height));
        let lines = lines(scene, now_ms, sheet(columns), rows);
        assert!(lines.len() <= rows, "{} lines in {height}", lines.len());
        for line in plain(&lines) {
            assert!(line.chars().count() <= columns, "{width}x{height}: {line}");
        }
        terminal.draw(|frame| frame.render_widget(Text::from(lines), frame.area())).expect("drawn");
        let row = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
        terminal.backend().buffer().content().chunks(columns).map(row).collect()
    }

    #[test]
    fn the_picture_fits_the_terminal_and_has_all_its_parts() {
        for (width, height) in [(80, 24), (100, 30), (120, 40)] {
            for count in [1, 3, 100] {
                for name in ["node", "a-name-of-thirty-two-characters-"] {
                    let text = shown(&scene(count, name), 100_000, width, height).join("\n");
                    let parts = [
                        "vision-testnet-1",
                        "last block 1.4 s ago",
                        "next:",
                        "made by",
                        "NODE",
                        "STATE",
                        "and its end",
                        "missed its slot",
                        "q quits",
                    ];
                    for part in parts {
                        assert!(
                            text.contains(part),
                            "{width}x{height}, {count} {name}: no {part} in\n{text}"
                        );
                    }
                    assert_eq!(text.contains("more: vision status --all"), count == 100, "{text}");
                    assert!(
                        count < 100 || text.contains("no answer"),
                        "who is in trouble comes first:\n{text}"
                    );
                }
            }
        }
        shown(&scene(3, "node"), 100_000, 10, 3);
        shown(&scene(3, "node"), 100_000, 1, 1);
    }

    #[test]
    fn old_data_are_never_shown_as_fresh() {
        let mut scene = scene(3, "node");
        scene.lost("connection refused", 4_000, 110_000);
        let text = shown(&scene, 112_000, 80, 24).join("\n");
        for part in [
            "No answer from http://127.0.0.1:8080 for 12 s, next try in 2.0 s",
            "connection refused",
            "what follows is old",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        assert!(!text.contains("3 nodes, last block") && !text.contains("next: "), "{text}");
        let lines = lines(&scene, 112_000, sheet(80), 24);
        let is_faint = |line: &Line<'_>| line.style.add_modifier.contains(ratatui::style::Modifier::DIM);
        assert!(lines[5..23].iter().all(is_faint), "what is old is faint");
    }

    #[test]
    fn before_the_first_answer_it_is_said_who_is_asked() {
        let mut scene = Scene::new("http://127.0.0.1:8080", Names::default());
        assert!(shown(&scene, 1_000, 80, 24)[0].contains("Asking http://127.0.0.1:8080"));
        scene.lost("refused", 1_000, 1_000);
        assert!(
            shown(&scene, 1_000, 80, 24)[0]
                .contains("No answer from http://127.0.0.1:8080, next try in 1.0 s")
        );
    }
}
