//! Addresses for servers of tests.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the system gives to callers.
const FIRST_PORT: u16 = 15_000;
const PORTS: u16 = 17_000;
/// Ports looked at before giving up.
const MAX_TRIES: usize = 1_000;

/// An address on loopback that nobody has. It may stay unused for a while: the system gives it to no caller.
///
/// # Panics
/// If none is found among a thousand.
pub fn free_address() -> SocketAddr {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run at the same time begin at different ports.
    let base = std::process::id().wrapping_mul(331);
    let next = || base.wrapping_add(TRIED.fetch_add(1, Ordering::SeqCst)) % u32::from(PORTS);
    std::iter::repeat_with(next)
        .take(MAX_TRIES)
        .map(|offset| FIRST_PORT + u16::try_from(offset).expect("below the number of ports"))
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
