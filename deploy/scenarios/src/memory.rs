//! How much memory containers have used at most, and whether one was ever killed for want of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;

use crate::docker::Docker;
use crate::failure::Outcome;

/// How often the peaks are read: a container's own count ends with its process.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How often the containers are listed anew.
const LIST_EVERY_READS: u32 = 20;

/// Peaks and kills since [`Memory::watch`]. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Highest use of a service, bytes.
    peaks: BTreeMap<String, u64>,
    /// Names of containers killed for want of memory.
    killed: Vec<String>,
}

impl Memory {
    /// Begins to watch; stops when what it gives is dropped.
    pub(crate) fn watch(docker: &Arc<Docker>) -> Outcome<(Self, JoinSet<()>)> {
        let memory = Self::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(read_peaks(memory.clone(), Arc::clone(docker)));
        let mut events = docker.events("oom")?;
        let kills = memory.clone();
        tasks.spawn(async move {
            if let Some(out) = events.stdout.take() {
                let mut lines = BufReader::new(out).lines();
                while let Ok(Some(name)) = lines.next_line().await {
                    kills.with(|seen| seen.killed.push(name));
                }
            }
            // Docker was to report for ever; without it, nobody knows. This also keeps the process until
            // here.
            let ended = format!("any, since `docker events` ended: {:?}", events.wait().await);
            kills.with(|seen| seen.killed.push(ended));
        });
        Ok((memory, tasks))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Highest use of each service so far, bytes.
    pub(crate) fn peaks(&self) -> BTreeMap<String, u64> {
        self.with(|seen| seen.peaks.clone())
    }

    /// Names of containers that were killed for want of memory.
    pub(crate) fn killed(&self) -> Vec<String> {
        self.with(|seen| seen.killed.clone())
    }
}

async fn read_peaks(memory: Memory, docker: Arc<Docker>) {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut reads = 0_u32;
    loop {
        if reads.is_multiple_of(LIST_EVERY_READS)
            && let Ok(containers) = docker.containers().await
        {
            let found = containers.iter().filter_map(|(name, c)| Some((name.clone(), file_of(&c.id)?)));
            files = found.collect();
        }
        for (name, file) in &files {
            let Some(peak) = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) else {
                continue;
            };
            memory.with(|seen| {
                let known = seen.peaks.entry(name.clone()).or_default();
                *known = (*known).max(peak);
            });
        }
        reads = reads.wrapping_add(1);
        tokio::time::sleep(READ_EVERY).await;
    }
}

/// Where the kernel shows the peak of a running container: cgroup 1 or 2, docker's own or systemd's slices.
fn file_of(id: &str) -> Option<PathBuf> {
    let files = [
        format!("/sys/fs/cgroup/memory/docker/{id}/memory.max_usage_in_bytes"),
        format!("/sys/fs/cgroup/memory/system.slice/docker-{id}.scope/memory.max_usage_in_bytes"),
        format!("/sys/fs/cgroup/docker/{id}/memory.peak"),
        format!("/sys/fs/cgroup/system.slice/docker-{id}.scope/memory.peak"),
    ];
    files.into_iter().map(PathBuf::from).find(|file| file.exists())
}
