//! What a service gets from the process it runs in.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::{Clock, Metrics, Net, Randomness, SimulatedClock, Threads};

/// The surroundings of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// Tells the time, the machine's or a simulation's.
    pub clock: Clock,
    /// Gives random bytes, the machine's or those of a seed.
    pub randomness: Randomness,
    /// Bears connections, the machine's or a simulation's.
    pub net: Net,
    /// Does what would hold up the runtime.
    pub threads: Threads,
    /// Says when to stop.
    pub drain: Drain,
    /// What people call the node; none if nobody named it.
    pub name: Option<String>,
    /// Directory with configuration, keys and data.
    pub home: PathBuf,
    /// Version of the software.
    pub version: &'static str,
    /// What the service counts.
    pub metrics: Metrics,
}

impl Env {
    /// The machine's clock, randomness, network and threads, a drain that has not begun, these facts, and
    /// metrics of no service in particular.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>, version: &'static str) -> Self {
        Self {
            clock: Clock::system(0),
            randomness: Randomness::system(),
            net: Net::machine(),
            threads: Threads::Machine,
            drain: Drain::new(),
            name: None,
            home: home.into(),
            version,
            metrics: Metrics::new("", version),
        }
    }

    /// The same with the time of a simulation, and the chance of a seed; all work is done on the runtime,
    /// whose only thread it holds up. Two nodes of one simulation have two clocks, so that they may disagree.
    /// The network is the machine's unless another one is put in its place.
    #[must_use]
    pub fn simulated(
        home: impl Into<PathBuf>,
        version: &'static str,
        clock: &SimulatedClock,
        seed: u64,
    ) -> Self {
        let (clock, randomness) = (clock.clock(), Randomness::seeded(seed));
        Self { clock, randomness, threads: Threads::Simulated, ..Self::new(home, version) }
    }

    /// The same surroundings for one service of the process, with metrics of its own.
    #[must_use]
    pub fn of_service(&self, name: &'static str) -> Self {
        Self { metrics: Metrics::new(name, self.version), ..self.clone() }
    }
}

/// The signal to stop, once given never taken back. Cheap to clone; all clones are one signal.
#[derive(Clone, Debug, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// A signal not yet given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the signal is given.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// The signal as a future that can be kept.
    pub fn begun_owned(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }

    /// Works until the signal is given: what happens after that is a planned end, which the work shall not
    /// see.
    pub async fn ends(self, work: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.begun() => {}
            () = work => {}
        }
    }

    /// A signal that is given with this one, and can be given alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_sees_nothing_of_what_comes_after_the_signal() {
        let drain = Drain::new();
        let (seen, mut sees) = tokio::sync::mpsc::unbounded_channel();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let working = tokio::spawn(drain.clone().ends(async move {
            while let Some(news) = receiver.recv().await {
                let _ = seen.send(news);
            }
        }));
        sender.send("before").expect("it works");
        assert_eq!(sees.recv().await, Some("before"));
        // Both at once: the work is woken by the news and finds the signal given.
        sender.send("after").expect("it works");
        drain.begin();
        working.await.expect("it ends");
        assert_eq!(sees.recv().await, None);
    }

    #[tokio::test]
    async fn a_child_follows_its_parent_and_not_the_other_way() {
        let (parent, lone) = (Drain::new(), Drain::new());
        let (child, other) = (parent.child(), lone.child());
        other.begin();
        assert!(!lone.has_begun() && other.has_begun());
        parent.begin();
        child.begun().await;
        child.begun_owned().await;
        assert!(child.has_begun());
    }
}
