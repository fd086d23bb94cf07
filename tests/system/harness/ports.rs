//! Ports that nobody uses.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the system gives ports to outgoing connections.
const LOWEST: u16 = 20_000;
const HIGHEST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// First port of a block of `size` ports of which every one is free now.
pub fn free_block(size: u16) -> u16 {
    let span = HIGHEST - LOWEST;
    // Test programs that run at the same time begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(span)).expect("below the span");
    for _ in 0..1000 {
        let offset = NEXT.fetch_add(size, Ordering::Relaxed);
        let base = LOWEST + start.wrapping_add(offset) % span;
        let bound: Result<Vec<_>, _> =
            (base..base + size).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if bound.is_ok() {
            return base;
        }
    }
    panic!("no {size} free ports in a row");
}
