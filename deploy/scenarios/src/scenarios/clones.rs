//! A second clone whose directory has the same name: it is refused before anything is touched, until its
//! `.env` names a project of its own.

use std::collections::BTreeMap;
use std::fs;

use crate::docker::Docker;
use crate::failure::{Failure, Outcome, check};
use crate::net::Net;

/// Log lines of `init` looked at.
const LOG_LINES: u32 = 20;
/// How a program ends that refuses for safety.
const REFUSED: i64 = 5;

pub(super) async fn run(net: &Net) -> Outcome {
    let elsewhere = tempfile::tempdir().map_err(|error| Failure::new("a directory", error.to_string()))?;
    let clone = elsewhere.path().join(net.docker.project());
    let written =
        fs::create_dir(&clone).and_then(|()| fs::copy(net.docker.file(), clone.join("docker-compose.yml")));
    written.map_err(|error| Failure::new("a second clone", error.to_string()))?;
    refused(net, &net.docker.found_in(&clone, net.docker.project())).await?;

    let name = other_name(net.docker.project());
    fs::write(clone.join(".env"), format!("COMPOSE_PROJECT_NAME={name}\n"))
        .map_err(|error| Failure::new("an .env", error.to_string()))?;
    kept_apart(net, &net.docker.found_in(&clone, &name)).await
}

/// Name of the second clone's own project.
pub(crate) fn other_name(project: &str) -> String {
    format!("{project}-other")
}

async fn refused(net: &Net, second: &Docker) -> Outcome {
    let before = facts(net).await?;
    let up = second.up_again().await;
    check(up.is_err(), "`up -d` of a second clone to fail", || "it did not".into())?;
    let containers = net.docker.containers().await?;
    let ended = containers.get("init").map(|init| init.state.exit_code);
    let log = net.docker.log_end("init", LOG_LINES).await?;
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    let said = matches!(errors[..], [line] if line.contains("belongs to the clone \
    in") && line.contains("COMPOSE_PROJECT_NAME"));
    check(ended == Some(REFUSED) && said, "init to refuse with one line", || format!("{ended:?}: {log}"))
        .map_err(|failure| failure.about(["init"]))?;
    unchanged(net, &before).await?;
    net.say(format!("a second clone of the same name is refused: {}", errors[0]));
    net.docker.up_again().await?;
    unchanged(net, &before).await?;
    net.say("nothing was touched, and the first clone's `up -d` is as before");
    Ok(())
}

async fn kept_apart(net: &Net, second: &Docker) -> Outcome {
    let before = facts(net).await?;
    let made = second.create().await;
    let own = second.containers().await.map(|containers| containers.len());
    let removed = second.down().await;
    made?;
    check(own? == before.len() + 1, "as many containers of the second clone's own", || "others".into())?;
    removed?;
    unchanged(net, &before).await?;
    let volumes = net.docker.leftovers().await?.iter().filter(|left| left.starts_with("volume")).count();
    check(volumes > 0, "the volumes of the first clone", || "none".into())?;
    net.say(format!(
        "with COMPOSE_PROJECT_NAME={} it has all of its own, and `down -v` takes only that",
        second.project()
    ));
    Ok(())
}

/// Which containers of nodes there are, and since when they run.
async fn facts(net: &Net) -> Outcome<BTreeMap<String, (String, String)>> {
    let containers = net.docker.containers().await?;
    let nodes = containers.into_iter().filter(|(name, _)| name != "init");
    Ok(nodes.map(|(name, container)| (name, (container.id, container.state.started_at))).collect())
}

async fn unchanged(net: &Net, before: &BTreeMap<String, (String, String)>) -> Outcome {
    let now = facts(net).await?;
    check(now == *before, "the same containers, not restarted", || format!("{before:?} and {now:?}"))?;
    net.look_healthy().await
}
