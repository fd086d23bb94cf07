//! What every test needs: a network in a temporary directory that is gone when the test is.

mod collector;
mod net;
mod node;
mod ports;
mod proxy;
mod rest;
pub mod schedule;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use collector::{Collector, Seen};
pub use net::{Net, Plan, init};
pub use node::Node;
pub use ports::free_block;
pub use proxy::owner_of;
pub use rest::{get, get_text, post};

/// The program under test.
pub const VISION: &str = env!("CARGO_BIN_EXE_vision");

static MACHINE: Mutex<()> = Mutex::new(());

/// Keeps the machine to the caller until dropped. A test that failed before does not matter.
pub fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the condition gives a value; panics with the description when the time is over.
pub fn wait_for<T>(what: &str, seconds: u64, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// Waits until the condition holds.
pub fn wait_until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    wait_for(what, seconds, || condition().then_some(()));
}

/// Checks again and again for a while that something stays true.
pub fn stays_true(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        assert!(condition(), "ceased to be true: {what}");
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// Waits until a number has been the same for a while, and gives it.
pub fn settled(what: &str, seconds: u64, mut number: impl FnMut() -> u64) -> u64 {
    const CALM: Duration = Duration::from_secs(1);
    let (mut last, mut since) = (number(), Instant::now());
    wait_for(what, seconds, || {
        let now = number();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() >= CALM).then_some(now)
    })
}

/// Runs a command of the program to its end, without settings from the environment.
pub fn vision(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program starts")
}

/// A command of the program, without settings from the environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(VISION);
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("VISION_") || name_text.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A generator of numbers for choosing moments and victims; the same seed gives the same choices.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*, good enough to choose and needs no crate.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}
