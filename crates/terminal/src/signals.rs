//! Signals from the operating system.

use std::io::IsTerminal as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Failure, Outcome};

/// SIGXFSZ, a file grown past the limit of the process, on Linux and macOS.
const FILE_SIZE_SIGNAL: i32 = 25;

/// What a signal asks for.
pub enum Asked {
    /// To end; names the signal.
    End(&'static str),
    /// To read settings again.
    Reread,
}

/// The signals that ask a program to end.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Whether a hangup asks for settings to be read again, as of a program without a terminal that could
    /// hang up.
    rereads: bool,
}

impl Interrupts {
    /// Takes them over: from now on they no longer end the process by themselves.
    pub fn new() -> Outcome<Self> {
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take(SignalKind::hangup())?,
            rereads: false,
        })
    }

    /// The same for a program that serves: unless it runs in a terminal, SIGHUP does not end it.
    pub fn of_a_service() -> Outcome<Self> {
        let rereads = !std::io::stderr().is_terminal();
        Ok(Self { rereads, ..Self::new()? })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        loop {
            if let Asked::End(name) = self.asked().await {
                return name;
            }
        }
    }

    /// Waits for the next one.
    pub async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.hangup.recv() => if self.rereads { Asked::Reread } else { Asked::End("SIGHUP") },
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
