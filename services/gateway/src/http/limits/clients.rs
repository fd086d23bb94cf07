//! Who asks, and how much of the gateway each client may have at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::extract::connect_info::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use tokio::sync::Semaphore;

use super::budget::PER_CLIENT_BYTES;
use crate::config::{Config, Network};

/// Proxies on the way, nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Most addresses of that header that are looked at.
const MAX_PROXIES: usize = 16;
/// Answers with the metrics of the node that one client may be given at once, from the question until the
/// last byte is sent: fewer than can be made at once.
const MAX_SCRAPES_PER_CLIENT: usize = 2;
/// Entries of clients that may have gone, after which they are swept.
const MIN_SWEEP_ENTRIES: usize = 64;

/// A client: an IPv4 address, or an IPv6 network of /64, of which one machine has as many addresses as it
/// likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Client(IpAddr);

impl Client {
    fn of_address(address: IpAddr) -> Self {
        const NETWORK: u128 = !0 << 64;
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() & NETWORK).into())),
            v4 => Self(v4),
        }
    }

    /// Whoever called, or, as far as trusted proxies say so, whoever called them. What stands left of an
    /// untrusted address is that address's own invention.
    fn find(remote: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let values = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|value| value.to_str().ok());
        let mut named = values.flat_map(|value| value.rsplit(',')).take(MAX_PROXIES).map(str::trim);
        let mut client = remote;
        while trusted.iter().any(|network| network.contains(client)) {
            let Some(further) = named.next().and_then(address_in) else { break };
            client = further;
        }
        Self::of_address(client)
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn address_in(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// What one client has at once.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) requests: Arc<Semaphore>,
    pub(super) waiting: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    pub(super) scrapes: Arc<Semaphore>,
    pub(super) bytes: Arc<Semaphore>,
}

/// The shares of all clients that have something in progress.
pub(super) struct Clients {
    trusted: Vec<Network>,
    limits: [usize; 3],
    shares: Mutex<BTreeMap<Client, Weak<Share>>>,
}

impl Clients {
    pub(super) fn new(config: &Config) -> Self {
        let limits =
            [config.max_requests_per_client, config.max_waits_per_client, config.max_streams_per_client];
        let limits = limits.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX));
        let limits = limits.map(|limit| limit.min(Semaphore::MAX_PERMITS));
        Self { trusted: config.trusted_proxies.clone(), limits, shares: Mutex::default() }
    }

    /// The share of whoever sent a request.
    pub(super) fn share_of(&self, extensions: &Extensions, headers: &HeaderMap) -> Arc<Share> {
        let remote = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let remote = remote.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.share(Client::find(remote, headers, &self.trusted))
    }

    /// One for each client, as long as anybody holds it.
    fn share(&self, client: Client) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&client).and_then(Weak::upgrade) {
            return share;
        }
        let [requests, waiting, streams] = self.limits.map(|limit| Arc::new(Semaphore::new(limit)));
        let bytes = Arc::new(Semaphore::new(PER_CLIENT_BYTES));
        let scrapes = Arc::new(Semaphore::new(MAX_SCRAPES_PER_CLIENT));
        let share = Arc::new(Share { requests, waiting, streams, scrapes, bytes });
        if shares.len() >= MIN_SWEEP_ENTRIES {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        shares.insert(client, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn who_asks() {
        let trusted = ["10.0.0.0/8", "::1"].map(|text| text.parse::<Network>().expect("a network"));
        let cases: [(&str, &str, &[&str], &str); 12] = [
            ("nobody between", "203.0.113.9", &[], "203.0.113.9"),
            ("a stranger's claim", "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("a proxy", "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("a proxy with a port", "10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("what was invented before the proxy", "10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("two proxies", "10.0.0.1", &["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("two headers", "10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("a proxy that says nothing", "10.0.0.1", &[], "10.0.0.1"),
            ("a proxy that says nonsense", "10.0.0.1", &["unknown"], "10.0.0.1"),
            ("only proxies", "10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
            ("IPv6", "::1", &["2001:db8:0:1:2::3"], "2001:db8:0:1::"),
            ("IPv6 with a port", "::1", &["[2001:db8:0:1:2::3]:80"], "2001:db8:0:1::"),
        ];
        for (desc, remote, values, expect) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().expect("a header"));
            }
            let client = Client::find(address(remote), &headers, &trusted);
            assert_eq!(client, Client(address(expect)), "{desc}");
        }
    }

    #[test]
    fn shares_last_as_long_as_they_are_held() {
        let clients = Clients::new(&Config {
            max_streams_per_client: 2.try_into().expect("one at least"),
            ..Config::default()
        });
        let of = |last: u8| clients.share(Client::of_address([10, 0, 0, last].into()));
        let held = of(1);
        let place = Arc::clone(&held.streams).try_acquire_owned().expect("a place");
        assert_eq!((of(1).streams.available_permits(), of(2).streams.available_permits()), (1, 2));
        for last in 0..=255 {
            of(last);
        }
        assert!(clients.shares.lock().expect("no panic").len() <= MIN_SWEEP_ENTRIES, "those gone are swept");
        assert_eq!(of(1).streams.available_permits(), 1, "what is held is remembered");
        drop((place, held));
        assert_eq!(of(1).streams.available_permits(), 2);
    }
}
