//! What to know of a network that runs, and what to type next.

use std::path::Path;

use vision_host::shell::word;

use super::layout::{Facts, Layout};
use vision_terminal::keys::read_secret;

/// Facts and commands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Next {
    /// What is where: a name and a place.
    pub facts: Vec<(&'static str, String)>,
    /// What to type, most wanted first.
    pub commands: Vec<String>,
    /// How this command or its nodes end.
    pub end: String,
}

impl Next {
    /// Of a network; `end` says how it ends.
    pub(crate) fn of(layout: &Layout, facts: &Facts, end: String) -> Self {
        let Some(first) = facts.nodes.first() else { return Self { end, ..Self::default() } };
        let last = facts.nodes.last().map_or("node1", |node| node.name.as_str());
        let mut known = vec![("page", format!("{}/", first.urls.rest)), ("logs", shown(&first.log))];
        // Accounts are there on test networks only.
        if let Ok(key) = read_secret(&facts.accounts_dir.join("account1.key")) {
            known.push(("accounts", format!("{}/", shown(&facts.accounts_dir))));
            known.push(("account1", key.public_key().id().to_string()));
        }
        let mut commands =
            Vec::from_iter(std::env::args_os().next().and_then(|called| alias(Path::new(&called))));
        commands.extend([
            format!("export VISION_URL={}", word(&first.urls.rest)),
            "vision watch".into(),
            "vision status".into(),
            format!("curl {}/api/mining/status", first.urls.rest),
            layout.command("status"),
            layout.command(&format!("kill {last}")),
            layout.command(&format!("start {last}")),
            layout.command(&format!("logs {last} -f")),
        ]);
        Self { facts: known, commands, end }
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        let fact = |(name, place): &(&str, String)| format!("{name:<8}  {place}\n");
        let facts: String = self.facts.iter().map(fact).collect();
        let commands: String = self.commands.iter().map(|command| format!("  {command}\n")).collect();
        format!("\n{facts}\nnext:\n{commands}{}", self.end)
    }
}

/// Makes `vision` this program in a shell, if it was not found by that name.
fn alias(called: &Path) -> Option<String> {
    // A bare name was looked up in PATH, where it is found again.
    if called.components().count() < 2 {
        return None;
    }
    // In full, because the shell may go to another folder. A bare name would be looked up in PATH.
    Some(format!("alias vision={}", word(std::path::absolute(called).ok()?)))
}

/// A path as short as it can be typed from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_alias_runs_this_program_from_any_folder() {
        let here = std::env::current_dir().expect("a folder");
        let cases = [
            ("found in PATH", "vision", None),
            ("in this folder", "./vision", Some(here.join("vision"))),
            ("below this folder", "target/release/vision", Some(here.join("target/release/vision"))),
            ("elsewhere", "/opt/bin/vision", Some(PathBuf::from("/opt/bin/vision"))),
        ];
        for (desc, called, expect) in cases {
            let expect = expect.map(|path| format!("alias vision={}", word(path)));
            assert_eq!(alias(Path::new(called)), expect, "{desc}");
        }
    }
}
