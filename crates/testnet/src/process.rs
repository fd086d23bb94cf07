//! The node processes: starting, finding again, signalling, ending.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vision_host::Clock;

use super::layout::NodeFacts;
use vision_terminal::exit::{Failure, Outcome};

/// A log longer than this is put aside when its node starts, and by the node itself while it runs.
pub const MAX_LOG_BYTES: u64 = 16 << 20;
/// How long a process may take to end in good order before it is killed.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How often a process is looked at while waiting for it.
const LOOK: Duration = Duration::from_millis(50);

/// What the recorded process of a node does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It runs.
    Running(u32),
    /// It is frozen by SIGSTOP.
    Paused(u32),
    /// There is none, or the recorded number now belongs to something else.
    Stopped,
}

impl Life {
    /// Looks at the process recorded for a node, and if that is gone, for one that somebody started by hand.
    pub(crate) fn of(node: &NodeFacts) -> Self {
        match node.pid.map(|pid| Self::of_process(pid, &node.home)) {
            Some(life) if life != Self::Stopped => life,
            _ => Self::found(&node.home),
        }
    }

    /// What a process does, if it runs this home.
    fn of_process(pid: u32, home: &Path) -> Self {
        if !runs_home(pid, home) {
            return Self::Stopped;
        }
        match state(pid) {
            Some('T' | 't') => Self::Paused(pid),
            Some('Z' | 'X') | None => Self::Stopped,
            Some(_) => Self::Running(pid),
        }
    }

    /// Looks at all processes for one that runs this home.
    fn found(home: &Path) -> Self {
        let Ok(entries) = fs::read_dir("/proc") else { return Self::Stopped };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut lives = pids.map(|pid| Self::of_process(pid, home));
        lives.find(|life| *life != Self::Stopped).unwrap_or(Self::Stopped)
    }

    /// The process, if there is one.
    pub(crate) const fn pid(self) -> Option<u32> {
        match self {
            Self::Running(pid) | Self::Paused(pid) => Some(pid),
            Self::Stopped => None,
        }
    }
}

/// Whether a process is `… node … --home HOME …` of just this home: numbers are reused, and a
/// signal must never hit a stranger.
fn runs_home(pid: u32, home: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    if words.get(1) != Some(&&b"node"[..]) {
        return false;
    }
    let Some(given) = home_in(&words).or_else(|| home_in_environment(pid)) else { return false };
    if given == home {
        return true;
    }
    // Another spelling, from where the process was started; a path that is absolute stays what it is.
    let started_in = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    started_in.join(given).canonicalize().is_ok_and(|given| given == home)
}

/// The home that a command line names.
fn home_in(words: &[&[u8]]) -> Option<PathBuf> {
    let apart = words.windows(2).find(|pair| pair[0] == b"--home").map(|pair| pair[1]);
    let joined = || words.iter().find_map(|word| word.strip_prefix(b"--home="));
    apart.or_else(joined).map(|home| OsStr::from_bytes(home).into())
}

/// The home that the environment names to a process whose command line does not.
fn home_in_environment(pid: u32) -> Option<PathBuf> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let home = variables.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"VISION_HOME="))?;
    Some(OsStr::from_bytes(home).into())
}

/// The one-letter state of a process.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Starts a node with this executable, writing to its log. With `--log-file` it takes a session of
/// its own, so that a terminal's Ctrl-C does not reach it.
pub(crate) fn spawn(node: &NodeFacts) -> Outcome<Child> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find this program's own file: {error}")))?;
    rotate(&node.log)?;
    let log = OpenOptions::new().create(true).append(true).open(&node.log);
    let log = log.map_err(|error| Failure::io("write", &node.log, &error))?;
    let second = log.try_clone().map_err(|error| Failure::io("write", &node.log, &error))?;
    let mut command = Command::new(&program);
    command.arg("node").arg("--home").arg(&node.home).arg("--log-file").arg(&node.log);
    command.stdin(Stdio::null()).stdout(log).stderr(second);
    command.spawn().map_err(|error| Failure::io("start", &program, &error))
}

/// Puts a log that has grown too long aside.
fn rotate(log: &Path) -> Outcome {
    match fs::metadata(log) {
        Ok(meta) if meta.len() > MAX_LOG_BYTES => {
            let aside = log.with_extension("log.1");
            fs::rename(log, &aside).map_err(|error| Failure::io("rename", log, &error))
        }
        _ => Ok(()),
    }
}

/// Sends a signal to a node's process, which was just looked at.
pub(crate) fn signal(pid: u32, signal: Signal) -> Outcome {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.ok_or_else(|| Failure::failed(format!("{pid} is not a process id")))?;
    match kill_process(target, signal) {
        // It ended on its own in the meantime.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot signal process {pid}: {error}"))),
    }
}

/// A node and the process that runs it.
pub(crate) type Process<'a> = (&'a NodeFacts, u32);

/// The processes of these nodes.
pub(crate) fn running(nodes: &[NodeFacts]) -> Vec<Process<'_>> {
    nodes.iter().filter_map(|node| Some((node, Life::of(node).pid()?))).collect()
}

/// Ends these processes: asks all, waits, kills what is left. Says which nodes had to be killed.
pub(crate) async fn stop_all(processes: &[Process<'_>], clock: &Clock) -> Outcome<Vec<String>> {
    for (node, pid) in processes {
        let life = Life::of_process(*pid, &node.home);
        if life != Life::Stopped {
            signal(*pid, Signal::TERM)?;
        }
        if matches!(life, Life::Paused(_)) {
            // A frozen process meets its signal only when it goes on.
            signal(*pid, Signal::CONT)?;
        }
    }
    wait_gone(processes, clock, STOP_DEADLINE).await;
    let mut killed = Vec::new();
    for (node, pid) in processes {
        if Life::of_process(*pid, &node.home) != Life::Stopped {
            signal(*pid, Signal::KILL)?;
            killed.push(node.name.clone());
        }
    }
    if wait_gone(processes, clock, STOP_DEADLINE).await {
        Ok(killed)
    } else {
        Err(Failure::unhealthy("a node's process does not end even when killed; the machine may be stuck"))
    }
}

/// Waits until all of the processes are gone; false if the time is over first.
async fn wait_gone(processes: &[Process<'_>], clock: &Clock, limit: Duration) -> bool {
    let deadline = clock.monotonic_ms() + millis(limit);
    while processes.iter().any(|(node, pid)| Life::of_process(*pid, &node.home) != Life::Stopped) {
        if clock.monotonic_ms() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// A duration as the clock counts.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The last lines of a log, for telling why a node does not work.
pub(crate) fn tail(log: &Path, lines: usize) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    /// Enough for a screen of long lines.
    const TAIL_BYTES: u64 = 256 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::Urls;
    use super::super::ports::BasePorts;
    use super::*;
    use crate::args::PortArgs;

    fn node(home: &Path, pid: Option<u32>) -> NodeFacts {
        let ports = BasePorts::new(&PortArgs::default()).assign(1).expect("fits").remove(0);
        NodeFacts {
            name: "node1".into(),
            id: String::new(),
            public_key: String::new(),
            home: home.to_owned(),
            log: home.join("node.log"),
            pid,
            ended: None,
            urls: Urls::new(&ports),
            ports,
        }
    }

    #[test]
    fn a_strangers_process_is_never_taken_for_a_node() {
        let own = std::process::id();
        let cases = [
            ("never started", None),
            ("this test itself", Some(own)),
            ("init", Some(1)),
            ("out of range", Some(u32::MAX)),
        ];
        for (desc, pid) in cases {
            assert_eq!(Life::of(&node(Path::new("/nowhere"), pid)), Life::Stopped, "{desc}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_home_however_it_is_named() {
        let dir = tempfile::tempdir().expect("temp dir");
        let home = dir.path().canonicalize().expect("there");
        // A shell whose command line looks like that of a node.
        fs::write(home.join("node"), "read line\n").expect("script");
        let whole = home.to_str().expect("UTF-8").to_owned();
        let joined = format!("--home={whole}");
        let cases: [(&str, &[&str], Option<&str>); 5] = [
            ("absolute", &["--home", &whole], None),
            ("in one word", &["-x", &joined], None),
            ("relative", &["--home", "."], None),
            ("relative, in one word", &["--home=."], None),
            ("by its environment", &["-x"], Some(&whole)),
        ];
        for (desc, words, variable) in cases {
            let mut command = Command::new("sh");
            command.arg("node").args(words).current_dir(&home).stdin(Stdio::piped());
            if let Some(value) = variable {
                command.env("VISION_HOME", value);
            }
            let mut child = command.spawn().expect("a shell");
            let pid = child.id();
            // A process that is just being started has no command line for a moment.
            for _ in 0..500 {
                if Life::of(&node(&home, None)) != Life::Stopped {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            for recorded in [Some(pid), None, Some(1)] {
                assert_eq!(Life::of(&node(&home, recorded)), Life::Running(pid), "{desc}, {recorded:?}");
            }
            assert_eq!(Life::of(&node(Path::new("/other"), Some(pid))), Life::Stopped, "{desc}");
            child.kill().expect("kill");
            child.wait().expect("wait");
            assert_eq!(Life::of(&node(&home, Some(pid))), Life::Stopped, "{desc}");
        }
    }

    #[test]
    fn the_tail_is_the_end() {
        let dir = tempfile::tempdir().expect("temp dir");
        let log = dir.path().join("node.log");
        assert!(tail(&log, 3).is_empty());
        fs::write(&log, "1\n2\n3\n4\n").expect("write");
        assert_eq!(tail(&log, 3), ["2", "3", "4"]);
        assert_eq!(tail(&log, 9).len(), 4);
    }
}
