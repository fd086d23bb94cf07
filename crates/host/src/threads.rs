//! Work that would hold up the runtime: what waits for the disk, or takes the processor for long.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// Where such work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On threads of its own.
    Machine,
    /// On the runtime, which has one thread: nothing happens at the same time, and work takes no time of the
    /// simulation. So one run is like the other.
    Simulated,
}

impl Threads {
    /// Does some work. Without waiting for its result it is done all the same.
    pub fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match self {
            Self::Machine => tokio::task::spawn_blocking(work),
            Self::Simulated => tokio::spawn(async move { work() }),
        }
    }

    /// The same as one of several tasks.
    pub fn work_in<T: Send + 'static>(
        self,
        tasks: &mut JoinSet<T>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> AbortHandle {
        match self {
            Self::Machine => tasks.spawn_blocking(work),
            Self::Simulated => tasks.spawn(async move { work() }),
        }
    }

    /// Runs a loop that now and then holds up its thread: on a thread of this name. Its end comes through the
    /// channel, which is closed if the loop panics.
    ///
    /// # Errors
    /// If the machine gives no thread.
    pub fn run<T: Send + 'static>(
        self,
        name: &str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (sender, ended) = oneshot::channel();
        match self {
            Self::Machine => {
                let runtime = Handle::current();
                // Whoever waits for its end may be gone already.
                let body = move || drop(sender.send(runtime.block_on(work)));
                std::thread::Builder::new().name(name.into()).spawn(body)?;
            }
            Self::Simulated => drop(tokio::spawn(async move { drop(sender.send(work.await)) })),
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_simulation_works_on_the_thread_of_the_runtime() {
        let here = thread::current().id();
        for (threads, expect) in [(Threads::Machine, false), (Threads::Simulated, true)] {
            let is_here = move || thread::current().id() == here;
            let mut tasks = JoinSet::new();
            threads.work_in(&mut tasks, is_here);
            let run = threads.run("some-work", async move { is_here() }).expect("a thread");
            let found = [
                threads.work(is_here).await.expect("no panic"),
                tasks.join_next().await.expect("one").expect("no panic"),
                run.await.expect("no panic"),
            ];
            assert_eq!(found, [expect; 3], "{threads:?}");
        }
    }
}
