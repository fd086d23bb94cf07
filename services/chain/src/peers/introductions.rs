//! Permits for callers of which nothing is proven yet: few per address, and when all are taken the oldest
//! gives way, so that whoever is slow keeps nobody out.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use vision_peering::owner_of;

/// Addresses remembered at which a producer has proven who it is.
const MAX_PRODUCER_ADDRESSES: usize = 256;

/// Why there is no permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoPermit {
    /// This address has as many as it may.
    OfAddress,
    /// Producers have them all.
    OfAll,
}

struct Caller {
    owner: IpAddr,
    gives_way: CancellationToken,
}

#[derive(Default)]
struct Inner {
    /// By number, so the oldest first.
    callers: BTreeMap<u64, Caller>,
    next: u64,
    producers: VecDeque<IpAddr>,
}

/// The permits.
pub(super) struct Introductions {
    max: usize,
    max_per_address: usize,
    inner: Mutex<Inner>,
}

/// A permit, free again when this is dropped.
pub(super) struct Permit {
    of: Arc<Introductions>,
    number: u64,
    gives_way: CancellationToken,
}

impl Introductions {
    /// So many permits, and so many for one address.
    pub(super) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every holder leaves the list whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit for a caller. If all are taken, the oldest caller gives way, those from producers' addresses
    /// only to another one from there.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Result<Permit, NoPermit> {
        let owner = owner_of(from);
        let mut inner = self.lock();
        if inner.callers.values().filter(|caller| caller.owner == owner).count() >= self.max_per_address {
            return Err(NoPermit::OfAddress);
        }
        if inner.callers.len() >= self.max {
            let producer = inner.producers.contains(&owner);
            let mut callers = inner.callers.iter();
            let oldest = callers
                .find(|(_, caller)| !inner.producers.contains(&caller.owner))
                .or_else(|| inner.callers.iter().find(|_| producer));
            let number = *oldest.ok_or(NoPermit::OfAll)?.0;
            if let Some(caller) = inner.callers.remove(&number) {
                caller.gives_way.cancel();
            }
        }
        let (number, gives_way) = (inner.next, CancellationToken::new());
        inner.next += 1;
        inner.callers.insert(number, Caller { owner, gives_way: gives_way.clone() });
        Ok(Permit { of: self.clone(), number, gives_way })
    }

    /// A producer has proven itself from this address.
    pub(super) fn producer_at(&self, from: IpAddr) {
        let owner = owner_of(from);
        let mut inner = self.lock();
        inner.producers.retain(|known| *known != owner);
        inner.producers.push_back(owner);
        if inner.producers.len() > MAX_PRODUCER_ADDRESSES {
            inner.producers.pop_front();
        }
    }
}

impl Permit {
    /// Cancelled when the permit is needed for somebody else.
    pub(super) fn gives_way(&self) -> CancellationToken {
        self.gives_way.clone()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.lock().callers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_has_few_permits_and_gets_them_back() {
        let permits = Introductions::new(9, 2);
        let first = permits.enter(ip(1)).expect("a permit");
        let _second = permits.enter(ip(1)).expect("a permit");
        assert_eq!(permits.enter(ip(1)).err(), Some(NoPermit::OfAddress));
        let _other = permits.enter(ip(2)).expect("a permit");
        drop(first);
        assert!(permits.enter(ip(1)).is_ok());
        let v6 = |text: &str| permits.enter(text.parse().expect("an address"));
        let _held = (v6("2001:db8::1").expect("a permit"), v6("2001:db8::2").expect("a permit"));
        assert_eq!(v6("2001:db8::3").err(), Some(NoPermit::OfAddress));
    }

    #[test]
    fn the_oldest_gives_way_and_a_producers_address_keeps_its_permit() {
        let permits = Introductions::new(3, 2);
        permits.producer_at(ip(1));
        let producer = permits.enter(ip(1)).expect("a permit");
        let strangers = [permits.enter(ip(2)).expect("a permit"), permits.enter(ip(3)).expect("a permit")];
        let one_more = permits.enter(ip(4)).expect("the oldest stranger gives way");
        let cancelled = |permit: &Permit| permit.gives_way.is_cancelled();
        assert_eq!((cancelled(&producer), strangers.each_ref().map(cancelled)), (false, [true, false]));
        permits.producer_at(ip(3));
        permits.producer_at(ip(4));
        assert_eq!(permits.enter(ip(5)).err(), Some(NoPermit::OfAll));
        let _again = permits.enter(ip(1)).expect("one producer's address to another");
        assert!(cancelled(&producer) && !cancelled(&one_more));
    }
}
