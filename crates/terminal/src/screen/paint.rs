//! Colours, where the terminal has them: they stand beside words and shapes, never in their place.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

/// What a sign before a sentence says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// All is as it should be.
    Fine,
    /// Something is wrong.
    Trouble,
    /// Nothing goes on.
    Stopped,
    /// Nobody knows.
    Unknown,
}

/// How texts look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paint {
    has_colours: bool,
}

impl Paint {
    /// With colours, unless `NO_COLOR` is set to anything.
    pub fn of_environment() -> Self {
        Self { has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// Without colours.
    pub const fn none() -> Self {
        Self { has_colours: false }
    }

    fn style(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// What is as it should be.
    pub fn good(self) -> Style {
        self.style(Color::Green)
    }

    /// What is wrong.
    pub fn bad(self) -> Style {
        self.style(Color::Red)
    }

    /// What is unusual.
    pub fn unusual(self) -> Style {
        self.style(Color::Yellow)
    }

    /// What is rarer still.
    pub fn rare(self) -> Style {
        self.style(Color::Magenta)
    }

    /// What matters most.
    pub const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What matters least, or is old.
    pub const fn faint() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// A sign before the sentence about a network.
    pub fn sign(self, sign: Sign) -> Span<'static> {
        let (sign, style) = match sign {
            Sign::Fine => ("ok ", self.good()),
            Sign::Trouble => ("!  ", self.bad()),
            Sign::Stopped => ("!! ", self.bad()),
            Sign::Unknown => ("?  ", Self::faint()),
        };
        Span::styled(sign, style.add_modifier(Modifier::BOLD))
    }
}
