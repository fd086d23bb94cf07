//! Addresses of other nodes, `host:port`: which texts are any, and which of them may be called. Pure.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Deserialize;

/// Most bytes of an address, as an introduction holds one.
pub const MAX_ADDRESS_BYTES: usize = 255;

/// Which addresses are taken from other nodes. Seeds are not affected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accepts {
    /// IP addresses that can lead to another machine, private networks included: no names, no loopback, no
    /// link-local.
    #[default]
    Routable,
    /// Loopback, link-local and names too, for networks on one machine or with names of their own.
    Any,
}

enum Host {
    Name,
    Ip(IpAddr),
    Empty,
    Wrong(&'static str),
}

fn host(text: &str) -> Host {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inner {
        return inner
            .parse::<Ipv6Addr>()
            .map_or(Host::Wrong("the brackets do not contain an IPv6 address"), |ip| Host::Ip(ip.into()));
    }
    if text.contains(':') {
        return Host::Wrong("an IPv6 address must be in brackets, such as [::1]:7072");
    }
    if text.is_empty() {
        return Host::Empty;
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Host::Ip(ip.into());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if number || !text.chars().all(allowed) {
        return Host::Wrong("the host is neither a name nor an IP address");
    }
    Host::Name
}

fn split(text: &str) -> Result<Host, &'static str> {
    const FORM: &str = "it is not HOST:PORT, such as 10.0.0.1:7072, node1:7072 or [2001:db8::1]:7072";
    let (host_text, port) = text.rsplit_once(':').ok_or(FORM)?;
    if text.len() > MAX_ADDRESS_BYTES {
        return Err("it is longer than 255 bytes");
    }
    if port.is_empty()
        || !port.bytes().all(|b| b.is_ascii_digit())
        || !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err("the port is not a number from 1 to 65535");
    }
    match host(host_text) {
        Host::Wrong(why) => Err(why),
        Host::Empty => Err(FORM),
        host => Ok(host),
    }
}

/// Whether a node can be called there at all.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(text: &str) -> Result<(), &'static str> {
    match split(text)? {
        Host::Ip(ip) if ip.to_canonical().is_unspecified() => {
            Err("this address stands for all interfaces of a machine; nobody can connect to it")
        }
        Host::Ip(ip) if !is_one_machine(ip.to_canonical()) => Err("this address does not name one machine"),
        _ => Ok(()),
    }
}

fn is_one_machine(ip: IpAddr) -> bool {
    !ip.is_unspecified()
        && !ip.is_multicast()
        && match ip {
            // 0.0.0.0/8, and 240.0.0.0/4 with the broadcast address, are no machine's.
            IpAddr::V4(ip) => !matches!(ip.octets()[0], 0 | 240..),
            IpAddr::V6(_) => true,
        }
}

impl Accepts {
    /// Whether an address that another node has sent may be called.
    pub fn takes(self, text: &str) -> bool {
        match (split(text), self) {
            (Ok(_), Self::Any) => check(text).is_ok(),
            (Ok(Host::Ip(ip)), Self::Routable) => is_routable(ip.to_canonical()),
            _ => false,
        }
    }
}

fn is_routable(ip: IpAddr) -> bool {
    is_one_machine(ip)
        && !ip.is_loopback()
        && match ip {
            IpAddr::V4(ip) => !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        }
}

/// What several addresses of one owner have in common, as far as one can know: an IPv4 address, or the /64 of
/// an IPv6 address.
pub fn owner_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

/// Where a caller can be called that has said to listen here: one that does not know its own address says
/// `:port`, or every interface, and is called where it calls from.
///
/// # Errors
/// Says what is wrong with it.
pub fn of_caller(listens: &str, caller: IpAddr) -> Result<String, &'static str> {
    let port = match listens.parse::<SocketAddr>() {
        Ok(every) if every.ip().to_canonical().is_unspecified() => Some(every.port()),
        _ => listens.strip_prefix(':').map(|port| port.parse().unwrap_or(0)),
    };
    // Others may have no IPv6 to call an IPv4 address by.
    let here = |port| SocketAddr::new(caller.to_canonical(), port).to_string();
    let address = port.map_or(listens.to_owned(), here);
    check(&address).map(|()| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port_and_name_one_machine() {
        let cases = [
            ("node1-chain:7072", "", true),
            ("10.0.0.1:1", "", true),
            ("[::1]:7072", "", true),
            ("127.0.0.1:7072", "", true),
            (":7072", "HOST:PORT", false),
            ("host", "HOST:PORT", false),
            ("", "HOST:PORT", false),
            ("host:0", "the port", false),
            ("host:65536", "the port", false),
            ("host:+1", "the port", false),
            ("host:", "the port", false),
            ("ho st:1", "neither a name", false),
            (" host:1", "neither a name", false),
            ("300.1.1.1:1", "neither a name", false),
            ("http://host/x:1", "brackets", false),
            ("::1:17072", "brackets", false),
            ("[::1:17072", "brackets", false),
            ("[host]:1", "not contain an IPv6", false),
            ("0.0.0.0:7072", "all interfaces", false),
            ("[::]:7072", "all interfaces", false),
            ("[::ffff:0.0.0.0]:7072", "all interfaces", false),
            ("224.0.0.1:7072", "one machine", false),
            ("255.255.255.255:7072", "one machine", false),
            ("[ff02::1]:7072", "one machine", false),
        ];
        for (text, why, good) in cases {
            match check(text) {
                Ok(()) => assert!(good, "{text}"),
                Err(said) => assert!(!good && said.contains(why), "{text}: {said}"),
            }
        }
        assert!(check(&format!("{}:1", "a".repeat(254))).is_err());
    }

    #[test]
    fn what_peers_send_is_called_only_where_it_can_lead_to_another_machine() {
        let cases = [
            ("8.8.8.8:7072", true),
            ("10.0.0.1:7072", true),
            ("172.16.0.1:7072", true),
            ("192.168.1.2:7072", true),
            ("[2001:db8::1]:7072", true),
            ("[fd00::1]:7072", true),
            ("127.0.0.1:7072", false),
            ("127.9.9.9:7072", false),
            ("[::1]:7072", false),
            ("[::ffff:127.0.0.1]:7072", false),
            ("169.254.169.254:80", false),
            ("[fe80::1]:7072", false),
            ("node1:7072", false),
            ("localhost:7072", false),
        ];
        for (text, routable) in cases {
            assert_eq!(Accepts::Routable.takes(text), routable, "{text}");
            assert!(Accepts::Any.takes(text), "{text}");
        }
        for text in ["0.0.0.0:7072", "224.0.0.1:7072", "::1:7072", "no port"] {
            assert!(!Accepts::Any.takes(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_one_owner_are_one() {
        let owner = |text: &str| owner_of(text.parse().expect("an address"));
        assert_eq!(owner("2001:db8::1"), owner("2001:db8::ffff:1"));
        assert_ne!(owner("2001:db8::1"), owner("2001:db8:0:1::1"));
        assert_eq!(owner("::ffff:10.0.0.1"), owner("10.0.0.1"));
        assert_ne!(owner("10.0.0.1"), owner("10.0.0.2"));
    }

    #[test]
    fn callers_are_called_where_they_listen_or_call_from() {
        let cases = [
            ("node1:7072", "10.0.0.1", Ok("node1:7072")),
            (":7072", "10.0.0.1", Ok("10.0.0.1:7072")),
            ("0.0.0.0:7072", "10.0.0.1", Ok("10.0.0.1:7072")),
            ("[::]:7072", "2001:db8::1", Ok("[2001:db8::1]:7072")),
            // As a port sees it that listens for both.
            (":7072", "::ffff:10.0.0.1", Ok("10.0.0.1:7072")),
            (":0", "10.0.0.1", Err(())),
            (":x", "10.0.0.1", Err(())),
            ("", "10.0.0.1", Err(())),
        ];
        for (listens, caller, expect) in cases {
            let got = of_caller(listens, caller.parse().expect("an address"));
            assert_eq!(got.as_deref().map_err(|_| ()), expect, "{listens:?} {caller}");
        }
    }
}
