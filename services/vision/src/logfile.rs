//! The log of a node that `testnet` started: a file of bounded size.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use vision_terminal::exit::{Failure, Outcome};
use vision_testnet::MAX_LOG_BYTES;

/// How often the size is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Leaves the caller's session and writes everything printed to the file.
pub(crate) fn enter(file: &Path) -> Outcome {
    // Fails only for a process that leads a group, which then has a session of its own already.
    let _ = rustix::process::setsid();
    redirect(file).map_err(|error| Failure::io("write", file, &error))
}

fn redirect(file: &Path) -> std::io::Result<()> {
    let log = open(file)?;
    rustix::stdio::dup2_stdout(&log)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(())
}

fn open(file: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(file)
}

/// Puts the file aside whenever it has grown too long, over the one put aside before. Never ends.
pub(crate) async fn keep_bounded(file: &Path) {
    loop {
        tokio::time::sleep(LOOK).await;
        let too_long = std::fs::metadata(file).is_ok_and(|meta| meta.len() > MAX_LOG_BYTES);
        if too_long && let Err(error) = begin_anew(file) {
            tracing::warn!(file = %file.display(), %error, "the log cannot be rotated and keeps growing");
        }
    }
}

fn begin_anew(file: &Path) -> std::io::Result<()> {
    std::fs::rename(file, file.with_extension("log.1"))?;
    redirect(file)
}
