//! How many connections one address may hold: whoever has a single address never holds all of the places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by the address they come from. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Addresses(Arc<Inner>);

struct Inner {
    limit: usize,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's share of its address, given back when dropped.
pub(super) struct Seat {
    of: Arc<Inner>,
    address: IpAddr,
}

impl Addresses {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, held: Mutex::default() }))
    }

    /// `None` if the address holds as many connections as it may.
    pub(super) fn take(&self, remote: IpAddr) -> Option<Seat> {
        let address = origin(remote);
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.0.limit {
            return None;
        }
        *count += 1;
        Some(Seat { of: Arc::clone(&self.0), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

/// What counts as one address. Whoever has one of IPv6 has the 2^64 of its network.
fn origin(remote: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match remote.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & NETWORK).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_one_address() {
        let cases = [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::1", "127.0.0.1", false),
        ];
        for (a, b, one) in cases {
            let [first, second] = [a, b].map(|text| origin(text.parse().expect("an address")));
            assert_eq!(first == second, one, "{a} {b}");
        }
    }

    #[test]
    fn an_address_has_its_limit_and_gives_back() {
        let addresses = Addresses::new(2);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().expect("an address"));
        let held = [addresses.take(one).expect("room"), addresses.take(one).expect("room")];
        assert!(addresses.take(one).is_none());
        let _others = addresses.take(other).expect("room for others");
        let [first, _second] = held;
        drop(first);
        let _again = addresses.take(one).expect("given back");
        assert!(addresses.take(one).is_none());
        drop((_second, _again, _others));
        assert!(
            addresses.0.held.lock().expect("sound").is_empty(),
            "nothing is remembered of those that left"
        );
    }
}
