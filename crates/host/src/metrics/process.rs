//! The process, read when somebody asks. In one process with others, each service shows the same.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use crate::Clock;

/// When the first service of the process was made, seconds since the Unix epoch.
static STARTED: OnceLock<f64> = OnceLock::new();

#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started: *STARTED.get_or_init(|| Clock::system(0).now_ms() as f64 / 1000.0) }
    }
}

/// What no counter here has.
pub(super) const NO_EXEMPLAR: Option<&Exemplar<[(&str, &str); 0], f64>> = None;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encoder
            .encode_descriptor("process_cpu_seconds", "CPU time spent.", None, MetricType::Counter)?
            .encode_counter(&cpu_seconds(), NO_EXEMPLAR)?;
        let gauges = [
            ("process_resident_memory_bytes", "Memory that is in RAM.", resident_bytes().unwrap_or(0.0)),
            ("process_start_time_seconds", "When the process started, Unix time.", self.started),
            ("process_open_fds", "Open file descriptors.", open_fds().unwrap_or(0.0)),
        ];
        for (name, help, value) in gauges {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// None where there is no `/proc`.
fn resident_bytes() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages as f64 * rustix::param::page_size() as f64)
}

fn open_fds() -> Option<f64> {
    let listed = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is open for the listing.
    Some(listed.saturating_sub(1) as f64)
}
