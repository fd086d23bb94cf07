//! A whole terminal that is drawn anew again and again, and left as it was found.

mod grid;
mod paint;
mod sheet;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::text::{Line, Text};
use ratatui::{DefaultTerminal, crossterm};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use crate::exit::{Failure, Outcome};

pub use grid::{Cell, Column, grid};
pub use paint::{Paint, Sign};
pub use sheet::{INDENT, Sheet};

/// How often the reader of keys sees whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Keys that wait; more are dropped.
const KEYS: usize = 16;

/// What is wanted of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// To leave: q, Esc or Ctrl-C.
    Leave,
    /// A fresh picture: some time has passed, or the terminal has another size.
    Redraw,
}

/// The terminal while this is alive. A panic gives it back too.
pub struct Screen {
    terminal: DefaultTerminal,
    wishes: mpsc::Receiver<Wish>,
    ticks: Interval,
    paint: Paint,
    is_over: Arc<AtomicBool>,
}

impl Screen {
    /// Whether stdout is a terminal that can be drawn on.
    pub fn is_possible() -> bool {
        let kind = std::env::var_os("TERM").unwrap_or_default();
        std::io::stdout().is_terminal() && !kind.is_empty() && kind != "dumb"
    }

    /// Takes the terminal over, for a picture that is drawn anew so often at least.
    pub fn open(redraw: Duration) -> Outcome<Self> {
        let terminal = ratatui::try_init().map_err(|error| {
            ratatui::restore();
            Failure::failed(format!("cannot draw on this terminal: {error}; TERM=dumb prints lines instead"))
        })?;
        let (wished, wishes) = mpsc::channel(KEYS);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        std::thread::spawn(move || read_keys(&wished, &over));
        let mut ticks = tokio::time::interval(redraw);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { terminal, wishes, ticks, paint: Paint::of_environment(), is_over })
    }

    /// Draws lines, of which only those that fit are seen.
    pub fn draw(&mut self, lines: impl FnOnce(Sheet, usize) -> Vec<Line<'static>>) -> Outcome {
        let paint = self.paint;
        let drawn = self.terminal.draw(|frame| {
            let area = frame.area();
            let lines = lines(Sheet { width: area.width.into(), paint }, area.height.into());
            frame.render_widget(Text::from(lines), area);
        });
        drawn.map(|_| ()).map_err(|error| Failure::failed(format!("cannot draw on the terminal: {error}")))
    }

    /// What is wished next; the only wish left once the keyboard is gone is to leave.
    pub async fn wish(&mut self) -> Wish {
        tokio::select! {
            wish = self.wishes.recv() => wish.unwrap_or(Wish::Leave),
            _ = self.ticks.tick() => Wish::Redraw,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        ratatui::restore();
    }
}

fn read_keys(wished: &mpsc::Sender<Wish>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let wish = match crossterm::event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read().ok().as_ref().and_then(wish),
            // The terminal has gone away.
            Err(_) => Some(Wish::Leave),
        };
        let Some(wish) = wish else { continue };
        if let Err(mpsc::error::TrySendError::Closed(_)) = wished.try_send(wish) {
            return;
        }
    }
}

fn wish(event: &Event) -> Option<Wish> {
    match event {
        Event::Resize(..) => Some(Wish::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                KeyCode::Char('c') if is_control => Some(Wish::Leave),
                KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Leave),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Lines as they are read, without their colours.
pub fn plain(lines: &[Line<'_>]) -> Vec<String> {
    lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn keys_that_leave() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        let cases = [
            (key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Wish::Leave)),
            (key(KeyCode::Esc, KeyModifiers::NONE), Some(Wish::Leave)),
            (key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Leave)),
            (key(KeyCode::Char('c'), KeyModifiers::NONE), None),
            (Event::Resize(80, 24), Some(Wish::Redraw)),
            (Event::FocusGained, None),
        ];
        for (event, expect) in cases {
            assert_eq!(wish(&event), expect, "{event:?}");
        }
    }
}
