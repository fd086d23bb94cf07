//! `vision watch`: a live picture of the network on a terminal, else a line per block.

mod draw;
mod feed;
mod ribbon;
mod scene;
mod sse;

use std::time::Duration;

use tokio::sync::mpsc;
use vision_host::Clock;

use crate::cli::WatchArgs;
use feed::Update;
use scene::Scene;
use vision_terminal::exit::Outcome;
use vision_terminal::lines;
use vision_terminal::names::Names;
use vision_terminal::output::Format;
use vision_terminal::rest::Gateway;
use vision_terminal::screen::{Screen, Wish};
use vision_terminal::signals::Interrupts;

/// Ages are drawn anew so often.
const REDRAW: Duration = Duration::from_millis(250);

/// Watches until the caller leaves, or as long as was asked for.
pub(crate) async fn run(args: &WatchArgs, format: Format) -> Outcome {
    let gateway = Gateway::new(&args.remote.node)?;
    let wants_lines = args.from.is_some() || args.count.is_some() || format == Format::Json;
    if wants_lines || !Screen::is_possible() {
        return lines::run(&gateway, args.from, args.count, format).await;
    }
    picture(gateway).await
}

async fn picture(gateway: Gateway) -> Outcome {
    let clock = Clock::system(0);
    let mut scene = Scene::new(gateway.url(), Names::of_this_machine());
    let mut interrupts = Interrupts::new()?;
    let (sender, mut updates) = mpsc::channel(feed::QUEUE);
    let mut screen = Screen::open(REDRAW)?;
    let following = tokio::spawn(feed::follow(gateway, clock.clone(), sender));
    let ended = loop {
        let now_ms = clock.now_ms();
        let drawn = screen.draw(|sheet, height| draw::lines(&scene, now_ms, sheet, height));
        if drawn.is_err() {
            break drawn;
        }
        tokio::select! {
            _ = interrupts.next() => break Ok(()),
            wish = screen.wish() => if wish == Wish::Leave { break Ok(()) },
            Some(item) = updates.recv() => {
                take(&mut scene, item, &clock);
                // What has come meanwhile is drawn together.
                while let Ok(item) = updates.try_recv() {
                    take(&mut scene, item, &clock);
                }
            }
        }
    };
    following.abort();
    ended
}

fn take(scene: &mut Scene, update: Update, clock: &Clock) {
    let now_ms = clock.now_ms();
    match update {
        Update::Whole(overview, nodes) => scene.whole(&overview, nodes, now_ms),
        Update::Event(event) => scene.event(&event, now_ms),
        Update::Lost(why, pause) => {
            scene.lost(&why, u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), now_ms);
        }
    }
}
