//! What the commands of the terminal share: exit codes, tables and JSON on stdout, live pictures, key files,
//! and a client of a node's REST gateway. Decides nothing about the chain.
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

pub mod answers;
pub mod chain;
pub mod exit;
pub mod keys;
pub mod lines;
pub mod names;
pub mod network;
pub mod output;
pub mod rest;
pub mod screen;
pub mod service;
pub mod signals;
pub mod url;
pub mod values;
pub mod words;
