//! The docker and compose command lines: to break containers and to look at them. Nothing about the chain is
//! learnt here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::container::{Container, PROJECT_LABEL};
use crate::failure::{Failure, Outcome};
use crate::wait;

/// Longest that a docker command may take, seconds; `docker stop` may need its ten.
const COMMAND_S: u64 = 60;
/// Longest that the network may take to be built and started, seconds.
const UP_S: u64 = 3600;
/// Longest that everything may take to be removed, seconds.
const DOWN_S: u64 = 180;

/// How docker begins a line with what its engine says.
const ENGINE_ERROR: &str = "Error response from daemon";

/// One compose project.
#[derive(Clone)]
pub(crate) struct Docker {
    /// The compose command and its first arguments.
    compose: Vec<String>,
    file: PathBuf,
    /// The directory that the paths in the file start from.
    directory: PathBuf,
    project: String,
    naming: Naming,
}

/// How compose learns the project's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// It is given.
    Given,
    /// From the directory's name, or from the `.env` there.
    Found,
}

impl Docker {
    /// A project by its name, with a compose command such as `docker compose`.
    pub(crate) fn new(compose: &str, file: &Path, project: &str) -> Self {
        let compose = compose.split_whitespace().map(str::to_owned).collect();
        let directory = file.parent().filter(|parent| parent.is_dir()).unwrap_or(Path::new(".")).to_owned();
        Self { compose, file: file.to_owned(), directory, project: project.to_owned(), naming: Naming::Given }
    }

    /// The same project by another file, whose paths start from the same directory.
    #[must_use]
    pub(crate) fn by_file(self, file: PathBuf) -> Self {
        Self { file, ..self }
    }

    /// The project that compose finds in another directory by itself, which must be this one.
    pub(crate) fn found_in(&self, directory: &Path, project: &str) -> Self {
        Self {
            file: directory.join("docker-compose.yml"),
            directory: directory.to_owned(),
            project: project.to_owned(),
            naming: Naming::Found,
            ..self.clone()
        }
    }

    /// The project's name.
    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    /// The compose file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Name of a network or volume of the project.
    pub(crate) fn name_of(&self, short: &str) -> String {
        format!("{}_{short}", self.project)
    }

    /// The compose command in full, as one would type it.
    pub(crate) fn compose_line(&self, arguments: &str) -> String {
        let words = [&self.compose[..], &self.options(), &[arguments.to_owned()]].concat();
        words.join(" ")
    }

    /// What names the project to compose.
    fn options(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut options = vec!["-f".to_owned(), path(&self.file)];
        if self.file.parent().is_some_and(|parent| parent != self.directory && !parent.as_os_str().is_empty())
        {
            options.extend(["--project-directory".to_owned(), path(&self.directory)]);
        }
        if self.naming == Naming::Given {
            options.extend(["-p".to_owned(), self.project.clone()]);
        }
        options
    }

    /// Fails with one clear line unless docker, compose and the file can be used.
    pub(crate) async fn check_usable(&self) -> Outcome {
        let unusable = |failure: Failure| failure.expected("a docker that can be used");
        self.docker(&["version", "--format", "{{.Server.Version}}"]).await.map_err(unusable)?;
        let why = "a compose that can be used and a file it takes (see --compose and --file)";
        self.compose(&["config", "-q"], COMMAND_S).await.map_err(|failure| failure.expected(why)).map(drop)
    }

    /// Builds and starts everything; what compose says is shown.
    pub(crate) async fn up(&self) -> Outcome {
        let line = self.compose_line("up --build -d");
        let mut command = self.compose_command(&["up", "--build", "-d"]);
        apart(&mut command);
        // Building may take many minutes: its progress is for people, on stderr.
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let failed = |why: String| Failure::new(format!("`{line}` to succeed"), why);
        let done = tokio::time::timeout(Duration::from_secs(UP_S), command.status()).await;
        let status = done.map_err(|_| failed(format!("not done after {UP_S} s")))?;
        let status = status.map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(format!("{status}; what it said is above"))) }
    }

    /// `up` once more, which should change nothing.
    pub(crate) async fn up_again(&self) -> Outcome {
        self.compose(&["up", "-d"], UP_S).await.map(drop)
    }

    /// Makes the containers, networks and volumes, and starts nothing.
    pub(crate) async fn create(&self) -> Outcome {
        self.compose(&["create"], UP_S).await.map(drop)
    }

    /// Runs a command of a service once, in a container like the service's.
    pub(crate) async fn run_once(&self, service: &str, arguments: &[&str]) -> Outcome {
        let run = ["run", "--rm", "--no-deps", "-T", service];
        self.compose(&[&run, arguments].concat(), COMMAND_S).await.map(drop)
    }

    /// Runs a `vision` command beside the network, with the ports of this machine and the keys of the funded
    /// accounts in /testnet: what it writes to stdout.
    pub(crate) async fn vision(&self, image: &str, arguments: &[&str]) -> Outcome<String> {
        let (label, volume) =
            (format!("{PROJECT_LABEL}={}", self.project), format!("{}:/testnet:ro", self.name_of("testnet")));
        let run = ["run", "--rm", "--network", "host", "--label", &label, "-v", &volume, image];
        self.docker(&[&run, arguments].concat()).await
    }

    /// Loses what some volumes hold in their directory `data`. Their containers must not run.
    pub(crate) async fn wipe(&self, volumes: &[String]) -> Outcome {
        for volume in volumes {
            let name = self.name_of(volume);
            let mountpoint =
                self.docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &name]).await?;
            let data = Path::new(mountpoint.trim()).join("data");
            std::fs::remove_dir_all(&data).map_err(|error| {
                let hint = "run as root, on docker's machine";
                Failure::new(format!("{} to be removed", data.display()), format!("{error}; {hint}"))
            })?;
        }
        Ok(())
    }

    /// Makes a network of the project that the compose file does not know.
    pub(crate) async fn add_network(&self, short: &str) -> Outcome {
        let label = format!("{PROJECT_LABEL}={}", self.project);
        let create = ["network", "create", "--internal", "--label", &label, &self.name_of(short)];
        self.docker(&create).await.map(drop)
    }

    /// Removes what [`Self::add_network`] made.
    pub(crate) async fn remove_network(&self, short: &str) -> Outcome {
        self.docker(&["network", "rm", &self.name_of(short)]).await.map(drop)
    }

    /// Stops and removes everything of the project, and says what is left.
    pub(crate) async fn down(&self) -> Outcome {
        // Something may still have been in the making when the work was interrupted.
        wait::until("nothing of the project left", DOWN_S, async || {
            self.compose(&["down", "-v", "--remove-orphans", "-t", "2"], DOWN_S).await?;
            let left = self.leftovers().await?;
            for network in left.iter().filter_map(|left| left.strip_prefix("network ")) {
                // One that the compose file does not know.
                self.docker(&["network", "rm", network]).await?;
            }
            if left.is_empty() { Ok(()) } else { Err(Failure::seen(left.join(", "))) }
        })
        .await
    }

    /// Containers, networks and volumes of the project.
    pub(crate) async fn leftovers(&self) -> Outcome<Vec<String>> {
        let filter = format!("label={PROJECT_LABEL}={}", self.project);
        let mut left = Vec::new();
        let lists: [(&str, &[&str]); 3] = [
            ("container", &["ps", "-a", "--format", "{{.Names}}"]),
            ("network", &["network", "ls", "--format", "{{.Name}}"]),
            ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
        ];
        for (kind, list) in lists {
            let names = self.docker(&[list, &["--filter", &filter]].concat()).await?;
            left.extend(names.lines().map(|name| format!("{kind} {name}")));
        }
        Ok(left)
    }

    /// All containers of the project by their service.
    pub(crate) async fn containers(&self) -> Outcome<BTreeMap<String, Container>> {
        let filter = format!("label={PROJECT_LABEL}={}", self.project);
        let ids = self.docker(&["ps", "-a", "-q", "--no-trunc", "--filter", &filter]).await?;
        let mut all = BTreeMap::new();
        if !ids.trim().is_empty() {
            let arguments: Vec<&str> = ["inspect"].into_iter().chain(ids.lines()).collect();
            let text = self.docker(&arguments).await?;
            let found: Vec<Container> = serde_json::from_str(&text)
                .map_err(|error| Failure::new("docker inspect as expected", error.to_string()))?;
            all.extend(found.into_iter().map(|container| (container.service().to_owned(), container)));
        }
        Ok(all)
    }

    /// A docker verb, such as `kill`, for the containers of some services at once.
    pub(crate) async fn each(&self, verb: &[&str], services: &[String]) -> Outcome {
        let containers = self.containers().await?;
        let mut arguments = verb.to_vec();
        for service in services {
            let container = containers.get(service);
            let container =
                container.ok_or_else(|| Failure::new(format!("a container {service}"), "none"))?;
            arguments.push(&container.id);
        }
        self.docker(&arguments).await.map(drop).map_err(|failure| failure.about(services.iter().cloned()))
    }

    /// Runs a command in a container: its exit code, and what it said.
    pub(crate) async fn exec(&self, id: &str, arguments: &[&str]) -> Outcome<(Option<i32>, String)> {
        let mut command = Command::new("docker");
        command.args(["exec", id]).args(arguments);
        let output = run(command, "docker exec", COMMAND_S).await?;
        Ok((output.status.code(), said(&output)))
    }

    /// The last log lines of a service.
    pub(crate) async fn log_end(&self, service: &str, lines: u32) -> Outcome<String> {
        let containers = self.containers().await?;
        let Some(container) = containers.get(service) else {
            return Ok("(there is no such container)".into());
        };
        let mut command = Command::new("docker");
        command.args(["logs", "--tail", &lines.to_string(), &container.id]);
        Ok(said(&run(command, "docker logs", COMMAND_S).await?))
    }

    /// Follows docker's events of one kind for the project until dropped.
    pub(crate) fn events(&self, kind: &str) -> Outcome<tokio::process::Child> {
        let mut command = Command::new("docker");
        command.args([
            "events",
            "--filter",
            &format!("event={kind}"),
            "--format",
            "{{.Actor.Attributes.name}}",
        ]);
        command.args(["--filter", &format!("label={PROJECT_LABEL}={}", self.project)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        apart(&mut command);
        command.spawn().map_err(|error| Failure::new("docker events", error.to_string()))
    }

    /// A docker command that must succeed: what it said on stdout.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = Command::new("docker");
        command.args(arguments);
        self.finish(command, &format!("docker {}", arguments.join(" ")), COMMAND_S).await
    }

    async fn compose(&self, arguments: &[&str], seconds: u64) -> Outcome<String> {
        let line = self.compose_line(&arguments.join(" "));
        self.finish(self.compose_command(arguments), &line, seconds).await
    }

    fn compose_command(&self, arguments: &[&str]) -> Command {
        let (program, first) =
            self.compose.split_first().map_or(("docker-compose", &[][..]), |(p, f)| (p, f));
        let mut command = Command::new(program);
        command.args(first).args(self.options()).args(arguments);
        if self.naming == Naming::Found {
            command.env_remove("COMPOSE_PROJECT_NAME");
        }
        command
    }

    async fn finish(&self, command: Command, line: &str, seconds: u64) -> Outcome<String> {
        let output = run(command, line, seconds).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(
            format!("`{line}` to succeed"),
            format!("{}: {}", output.status, gist(&said(&output))),
        ))
    }
}

/// Runs a command to its end. Dropped, it is killed.
async fn run(mut command: Command, line: &str, seconds: u64) -> Outcome<Output> {
    let failed = |why: String| Failure::new(format!("`{line}` to run"), why);
    apart(&mut command);
    command.stdin(Stdio::null());
    let done = tokio::time::timeout(Duration::from_secs(seconds), command.output()).await;
    done.map_err(|_| failed(format!("not done after {seconds} s")))?
        .map_err(|error| failed(error.to_string()))
}

/// In a process group of its own, so that a Ctrl-C does not end what cleans up.
fn apart(command: &mut Command) {
    command.process_group(0).kill_on_drop(true);
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).trim_end().to_owned()
}

/// The engine's own error, or else the first line, and the last one: one of them says what is wrong.
fn gist(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while text.contains(ENGINE_ERROR) && lines.peek().is_some_and(|line| !line.starts_with(ENGINE_ERROR)) {
        lines.next();
    }
    match (lines.next(), lines.next_back()) {
        (None, _) => "it does not say why".into(),
        (Some(only), None) => only.to_owned(),
        (Some(first), Some(last)) => format!("{first} … {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn gists() {
        let cases = [
            ("", "it does not say why"),
            ("a\n\n", "a"),
            ("a\nb\n", "a … b"),
            (" a\nb\n\nc\n", "a … c"),
            ("id\nError response from daemon: no\nid\nend", "Error response from daemon: no … end"),
        ];
        for (text, expect) in cases {
            assert_eq!(gist(text), expect, "{text:?}");
        }
    }
}
