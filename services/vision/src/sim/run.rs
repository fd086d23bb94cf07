//! Threads that run one seed after the other. Which of them runs which seed changes no result.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use vision_sim::{Progress, Report, ScenarioError};
use vision_terminal::exit::{Failure, Outcome};

use super::ending::Ending;

/// Results that wait to be shown.
const MAX_RESULTS: usize = 64;

/// What a run calls now and then.
pub(crate) type Progressing<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// A run that is over.
pub(crate) struct Ended {
    pub seed: u64,
    pub ending: Ending,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// Runs that have begun.
    begun: AtomicU64,
    simulated_ms: AtomicU64,
    stop: AtomicBool,
}

/// Runs on their way.
pub(crate) struct Runs(Arc<Shared>);

impl Runs {
    /// Starts so many threads, no more than there are seeds.
    pub(crate) fn start<F>(
        first: u64,
        seeds: u64,
        jobs: usize,
        run: F,
    ) -> Outcome<(Self, mpsc::Receiver<Ended>)>
    where
        F: Fn(u64, &mut Progressing<'_>) -> Result<Report, ScenarioError> + Send + Sync + 'static,
    {
        let (shared, run) = (Arc::new(Shared::default()), Arc::new(run));
        let (results_in, results) = mpsc::channel(MAX_RESULTS);
        for number in 0..jobs.min(usize::try_from(seeds).unwrap_or(usize::MAX)) {
            let (shared, run, results) = (shared.clone(), run.clone(), results_in.clone());
            std::thread::Builder::new()
                .name(format!("sim{number}"))
                .spawn(move || work(&shared, first, seeds, &*run, &results))
                .map_err(|error| {
                    Failure::failed(format!("cannot start a thread: {error}; use fewer --jobs"))
                })?;
        }
        Ok((Self(shared), results))
    }

    /// Simulated so far by all of them, milliseconds.
    pub(crate) fn simulated_ms(&self) -> u64 {
        self.0.simulated_ms.load(Ordering::Relaxed)
    }

    /// Has them end where they are.
    pub(crate) fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn work<F>(shared: &Shared, first: u64, seeds: u64, run: &F, results: &mpsc::Sender<Ended>)
where
    F: Fn(u64, &mut Progressing<'_>) -> Result<Report, ScenarioError>,
{
    while !shared.stop.load(Ordering::Relaxed) {
        let number = shared.begun.fetch_add(1, Ordering::Relaxed);
        if number >= seeds {
            return;
        }
        let seed = first + number;
        let ending = one(shared, seed, run);
        // Nobody waits for results any more: the program ends.
        if results.blocking_send(Ended { seed, ending }).is_err() {
            return;
        }
    }
}

fn one<F>(shared: &Shared, seed: u64, run: &F) -> Ending
where
    F: Fn(u64, &mut Progressing<'_>) -> Result<Report, ScenarioError>,
{
    let (mut seen_ms, mut total_ms, mut stopped) = (0, 0, false);
    let mut progress = |now: Progress| {
        shared.simulated_ms.fetch_add(now.simulated_ms.saturating_sub(seen_ms), Ordering::Relaxed);
        (seen_ms, total_ms) = (now.simulated_ms, now.total_ms);
        stopped = shared.stop.load(Ordering::Relaxed);
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| run(seed, &mut progress)));
    // A run that a broken rule has ended leaves nothing to wait for.
    shared.simulated_ms.fetch_add(total_ms.saturating_sub(seen_ms), Ordering::Relaxed);
    match ran {
        Ok(Ok(report)) if stopped => Ending::Part(Box::new(report)),
        Ok(Ok(report)) => Ending::Whole(Box::new(report)),
        Ok(Err(error)) => Ending::Stopped(error.to_string()),
        Err(panic) => Ending::Stopped(words(&*panic)),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}
