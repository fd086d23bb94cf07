//! What the processes under attack hold in memory, against the limits of their containers in
//! docker-compose.yml.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// `mem_limit` of chain.
const CHAIN_LIMIT_BYTES: u64 = 128 * MIB;
/// `mem_limit` of every other service.
const OTHER_LIMIT_BYTES: u64 = 48 * MIB;
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

struct Watched {
    name: &'static str,
    pid: u32,
    peak_bytes: AtomicU64,
}

/// Samples memory until dropped.
pub struct Memory {
    watched: Arc<Vec<Watched>>,
    over: Arc<AtomicBool>,
    sampler: Mutex<Option<JoinHandle<()>>>,
}

impl Memory {
    pub fn watch(processes: Vec<(&'static str, u32)>) -> Self {
        let watched =
            processes.into_iter().map(|(name, pid)| Watched { name, pid, peak_bytes: AtomicU64::new(0) });
        let (watched, over) = (Arc::new(watched.collect::<Vec<_>>()), Arc::new(AtomicBool::new(false)));
        let (all, ended) = (watched.clone(), over.clone());
        let sampler = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                for one in all.iter() {
                    one.peak_bytes.fetch_max(anonymous_bytes(one.pid).unwrap_or(0), Ordering::Relaxed);
                }
                std::thread::sleep(SAMPLE_EVERY);
            }
        });
        Self { watched, over, sampler: Mutex::new(Some(sampler)) }
    }

    /// Checks that all live and stayed within their limits since the last look; gives the peaks for people.
    pub fn check(&self, during: &str) -> String {
        let mut peaks = Vec::new();
        for Watched { name, pid, peak_bytes } in self.watched.iter() {
            assert!(anonymous_bytes(*pid).is_some(), "{during}: {name} has died");
            let peak = peak_bytes.swap(0, Ordering::Relaxed);
            let limit = if *name == "chain" { CHAIN_LIMIT_BYTES } else { OTHER_LIMIT_BYTES };
            assert!(peak < limit, "{during}: {name} took {} MiB of its {} MiB", peak / MIB, limit / MIB);
            peaks.push(format!("{name} {}", peak / MIB));
        }
        format!("peaks in MiB: {}", peaks.join(", "))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.lock().ok().and_then(|mut sampler| sampler.take()) {
            let _ = sampler.join();
        }
    }
}

/// What a container could not give back: memory that no file stands behind.
fn anonymous_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
