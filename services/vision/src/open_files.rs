//! How many files the process may hold open, against what its ports may need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// The store, logs, calls to other services and nodes, and what a process holds anyway.
const OTHER_FILES: u64 = 512;

/// What is to be done about a limit.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    /// It is enough.
    Nothing,
    /// The soft limit can be as high as is needed.
    Raise(u64),
    /// Not even the hard one is enough: it is all that there is.
    Short(u64),
}

/// What a process with so many connections may need.
const fn needed(connections: usize) -> u64 {
    connections as u64 + OTHER_FILES
}

/// `None` stands for no limit.
const fn step(needed: u64, soft: Option<u64>, hard: Option<u64>) -> Step {
    match (soft, hard) {
        (None, _) => Step::Nothing,
        (Some(soft), _) if soft >= needed => Step::Nothing,
        (Some(_), Some(hard)) if hard < needed => Step::Short(hard),
        (Some(_), _) => Step::Raise(needed),
    }
}

/// Raises the soft limit to what so many connections may need, and warns if the hard one forbids that.
pub(crate) fn make_room(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = needed(connections);
    let (limit, enough) = match step(needed, current, maximum) {
        Step::Nothing => return,
        Step::Raise(limit) => (limit, true),
        Step::Short(limit) => (limit, false),
    };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum });
    if enough && raised.is_ok() {
        return info!(limit, was = current, "raised the limit of open files");
    }
    let limit = if raised.is_ok() { limit } else { current.unwrap_or(limit) };
    warn!(
        limit,
        needed,
        "too few open files are allowed, and connections are refused when they are used up: allow {needed} \
        with `ulimit -n {needed}`, LimitNOFILE={needed} in a systemd unit, or nofile under ulimits \
         in docker-compose.yml"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_about_a_limit() {
        let cases = [
            ("no limits", None, None, Step::Nothing),
            ("enough", Some(100), Some(100), Step::Nothing),
            ("more than enough", Some(101), None, Step::Nothing),
            ("below", Some(99), Some(100), Step::Raise(100)),
            ("below, far from the hard one", Some(1), Some(1_000), Step::Raise(100)),
            ("below, without a hard one", Some(1), None, Step::Raise(100)),
            ("the hard one is too low", Some(10), Some(99), Step::Short(99)),
            ("both are too low", Some(10), Some(10), Step::Short(10)),
        ];
        for (desc, soft, hard, expect) in cases {
            assert_eq!(step(100, soft, hard), expect, "{desc}");
        }
    }
}
