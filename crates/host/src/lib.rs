//! What every main does once, and no domain word: clock, configuration, files, telemetry, metrics,
//! health, the server stack and the orderly stop.
//!
//! The only crate that reads the machine's clock or its source of randomness; everything else gets
//! an [`Env`].
#![cfg_attr(not(test), warn(unreachable_pub))]

mod clock;
pub mod config;
mod env;
pub mod files;
pub mod health;
pub mod metrics;
pub mod panics;
mod random;
pub mod server;
pub mod shell;
pub mod telemetry;
pub mod text;
mod threads;

pub use clock::{Clock, SimulatedClock};
pub use env::{Drain, Env};
pub use health::Health;
pub use metrics::Metrics;
pub use random::{RandomError, Randomness, random_bytes};
pub use threads::Threads;
pub use vision_rpc::{Net, net};
