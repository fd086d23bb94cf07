//! Signals from the operating system.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Failure, Outcome};

/// SIGXFSZ, a file grown past the limit of the process, on Linux and macOS.
const FILE_SIZE_SIGNAL: i32 = 25;

/// The signals that ask a program to end.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// Takes them over: from now on they no longer end the process by themselves.
    pub fn new() -> Outcome<Self> {
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Makes a write past a file size limit an error of that write, where it can be handled, instead of
/// the end of the process.
pub fn survive_file_size_limit() -> Outcome {
    // The handler stays after its receiver is gone.
    take(SignalKind::from_raw(FILE_SIZE_SIGNAL)).map(drop)
}

fn take(kind: SignalKind) -> Outcome<Signal> {
    signal(kind).map_err(|error| Failure::failed(format!("cannot handle signals: {error}")))
}
