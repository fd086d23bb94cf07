//! Which clone a network in containers belongs to. Two clones whose directories have one base name share a
//! compose project, and so its volumes; a file of the clone, mounted from the host, tells them apart.

use std::fs;
use std::path::Path;

use super::layout::{Facts, Layout};
use vision_terminal::exit::{Failure, Outcome};

/// Where the kernel shows a process what is mounted where, and from what.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The directory on the host of a file that is mounted here.
pub(crate) fn directory(mounted: &Path) -> Outcome<String> {
    let mounts = fs::read_to_string(MOUNTS).map_err(|error| Failure::io("read", MOUNTS.as_ref(), &error))?;
    let file = mounted.to_str().and_then(|point| source(&mounts, point));
    match file.as_deref().and_then(|file| file.rsplit_once('/')) {
        Some((directory, _)) => Ok(format!("{directory}/").replace("//", "/")),
        None => Err(Failure::usage(format!("--clone-file: {} is not a mount of its own", mounted.display()))),
    }
}

/// What is mounted at a point, as a path within its file system; of several mounts the last one is seen.
fn source(mounts: &str, point: &str) -> Option<String> {
    let mut found = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(3);
        if let (Some(root), Some(at)) = (fields.next(), fields.next())
            && unescaped(at) == point
        {
            found = Some(unescaped(root));
        }
    }
    found
}

/// The kernel writes what would end a field as a backslash and three octal digits.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// Refuses a network that belongs to another clone. One that belongs to none yet, as older programs made it,
/// is taken.
pub(crate) fn check(layout: &Layout, clone: Option<&str>) -> Outcome<Facts> {
    let facts = Facts::load(layout)?;
    match (clone, facts.clone.as_deref()) {
        (None, _) => Ok(facts),
        (Some(here), None) => Facts::update(layout, |facts| {
            facts.clone = Some(here.to_owned());
            Ok(())
        }),
        (Some(here), Some(owner)) if here == owner => Ok(facts),
        (Some(here), Some(owner)) => Err(Failure::refused(format!(
            "this compose project belongs to the clone in {owner}, not to the one in {here}; its volumes \
            were left alone; write COMPOSE_PROJECT_NAME=other into {here}.env: `docker-compose down -v` \
            without it removes the other's network"
        ))),
    }
}

#[cfg(test)]
mod tests;
