//! What `testnet up` shows in the foreground: a live picture on a terminal, else a line per block.

use std::time::Duration;

use vision_host::Clock;

use super::ends::{Event, Watched, standing};
use super::layout::{Facts, Layout};
use super::live::{self, Look};
use super::next::Next;
use super::process::Life;
use super::started::Started;
use super::table::NodeView;
use vision_terminal::exit::Outcome;
use vision_terminal::lines::{blocks_from, height_after, lines_of};
use vision_terminal::names::Names;
use vision_terminal::network::{Picture, nodes};
use vision_terminal::output::{self, Format};
use vision_terminal::rest::Gateway;
use vision_terminal::screen::{Screen, Wish};
use vision_terminal::signals::Interrupts;

/// How often the picture is drawn anew, at least.
const REDRAW: Duration = Duration::from_secs(1);
/// Pause before the nodes are asked again for what it shows.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often new blocks are asked for.
const POLL: Duration = Duration::from_millis(250);

/// Why it is not watched any longer.
pub(crate) enum End {
    /// A signal came.
    Asked,
    /// Another command has taken all nodes away.
    Over,
}

/// What is watched.
pub(crate) struct Watch<'a> {
    /// The network.
    pub layout: &'a Layout,
    /// What to know and to type.
    pub next: &'a Next,
    /// Form of the lines, where there is no terminal.
    pub format: Format,
    /// Tells ages.
    pub clock: &'a Clock,
}

impl Watch<'_> {
    /// Shows the network until a signal comes or another command takes it down. What befalls single nodes is
    /// a line each, and the others are watched on.
    pub(crate) async fn run(
        &self,
        started: &mut Started,
        views: &[NodeView],
        interrupts: &mut Interrupts,
    ) -> Outcome<End> {
        if self.format == Format::Table && Screen::is_possible() {
            return self.picture(started, views, interrupts).await;
        }
        let mut watched = Watched::default();
        let highest = views.iter().filter_map(NodeView::height).max().unwrap_or(0);
        let mut next = highest + 1;
        loop {
            // Another command may have started or ended nodes.
            let now = Facts::load(self.layout)?;
            let changes = watched.look(self.layout, &now, started);
            for event in &changes.events {
                eprintln!("{}", event.line());
            }
            if changes.is_over {
                return Ok(over());
            }
            tokio::select! {
                _ = interrupts.next() => return Ok(End::Asked),
                shown = self.blocks(&now, &mut next) => shown?,
            }
            tokio::select! {
                _ = interrupts.next() => return Ok(End::Asked),
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn picture(
        &self,
        started: &mut Started,
        views: &[NodeView],
        interrupts: &mut Interrupts,
    ) -> Outcome<End> {
        let mut reported = Vec::new();
        let ended = self.drawn(started, views, interrupts, &mut reported).await;
        // What has happened goes with the picture: it is said again where it stays.
        for event in &reported {
            eprintln!("{}", event.line());
        }
        if matches!(ended, Ok(End::Over)) {
            return Ok(over());
        }
        ended
    }

    async fn drawn(
        &self,
        started: &mut Started,
        views: &[NodeView],
        interrupts: &mut Interrupts,
        reported: &mut Vec<Event>,
    ) -> Outcome<End> {
        let mut watched = Watched::default();
        let mut screen = Screen::open(REDRAW)?;
        let mut seen = (views.to_vec(), None);
        loop {
            let facts = Facts::load(self.layout)?;
            let changes = watched.look(self.layout, &facts, started);
            reported.extend(changes.events);
            let shown = standing(reported);
            if changes.is_over {
                return Ok(End::Over);
            }
            let asked = async { tokio::join!(NodeView::of_all(&facts.nodes), picture(&facts)) };
            tokio::pin!(asked);
            // A node may let others wait for seconds: ages go on meanwhile.
            let mut has_answered = false;
            while !has_answered {
                seen.0.iter_mut().for_each(NodeView::look_at_process);
                let look = Look {
                    chain_id: &facts.chain_id,
                    views: &seen.0,
                    picture: seen.1.as_ref(),
                    news: &shown,
                    next: self.next,
                };
                // All nodes of this machine have its clock.
                let now_ms = self.clock.now_ms();
                screen.draw(|sheet, height| live::lines(&look, now_ms, sheet, height))?;
                tokio::select! {
                    _ = interrupts.next() => return Ok(End::Asked),
                    wish = screen.wish() => if wish == Wish::Leave { return Ok(End::Asked) },
                    new = &mut asked => (seen, has_answered) = (new, true),
                }
            }
            tokio::select! {
                _ = interrupts.next() => return Ok(End::Asked),
                () = left(&mut screen) => return Ok(End::Asked),
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            }
        }
    }

    async fn blocks(&self, facts: &Facts, next: &mut u64) -> Outcome {
        let mut names = Names::default();
        for node in &facts.nodes {
            names.learn(&node.id, &node.name);
        }
        for node in facts.nodes.iter().filter(|node| matches!(Life::of(node), Life::Running(_))) {
            // A node that does not answer now is not the only one to ask.
            let Ok(blocks) = blocks_from(&Gateway::new(&node.urls.rest)?, *next).await else { continue };
            *next = height_after(&blocks).unwrap_or(*next);
            for block in &blocks {
                output::write(&lines_of(block, &names, self.format))?;
            }
            break;
        }
        Ok(())
    }
}

fn over() -> End {
    eprintln!("no node is left, so there is nothing to watch");
    End::Over
}

/// Waits until somebody at the keyboard leaves.
async fn left(screen: &mut Screen) {
    while screen.wish().await != Wish::Leave {}
}

/// The network as reported by the first node that runs and answers.
async fn picture(facts: &Facts) -> Option<Picture> {
    for node in facts.nodes.iter().filter(|node| matches!(Life::of(node), Life::Running(_))) {
        let Ok(gateway) = Gateway::new(&node.urls.rest) else { continue };
        if let Ok(overview) = gateway.get("/api/overview").await {
            let nodes = nodes(&gateway, &overview).await.unwrap_or_default();
            return Some(Picture::read(&overview, nodes));
        }
    }
    None
}
