//! Tests of the whole system: the real binary, real processes, real ports.
//!
//! They run one after the other, whatever the number of test threads: each wants the machine for itself.
#![allow(clippy::disallowed_methods, reason = "these tests wait in real time for real processes")]
#![allow(missing_docs, reason = "a test program has no readers of its interface")]

mod harness;

mod alone;
mod attacks;
mod bad_input;
mod clocks;
mod crash;
mod crowd;
mod distance;
mod full_disk;
mod live;
mod metrics;
mod normal;
mod offline;
mod open_files;
mod partition;
mod pause;
mod rapid;
mod services;
mod sim;
mod terminal;
mod testnet_commands;
mod traces;
mod traffic;
mod transactions;
mod twins;
mod verify;
