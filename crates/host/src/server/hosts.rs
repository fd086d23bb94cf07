//! By which names a port may be called over plain HTTP.
//!
//! A web page may point a name of its own at this machine's address and then read the answers, for the
//! browser takes both for one site. The name gives it away: it stands in the request. An IP address in its
//! place can belong to no such page.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::HOST;
use http::{HeaderMap, Uri};

/// The names a port answers to.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    names: Vec<String>,
    /// Names without a dot, which no page on the internet has: those of containers and of machines nearby.
    plain_names: bool,
}

impl Hosts {
    /// `names` besides those that always fit.
    pub(super) fn new(listens: Option<SocketAddr>, names: &[String]) -> Self {
        let names = names.iter().map(|name| normal(name)).filter(|name| !name.is_empty()).collect();
        Self { names, plain_names: listens.is_some_and(|address| !address.ip().is_loopback()) }
    }

    /// The host of a request that must not be answered, without a port, as the configuration would have to
    /// name it; `None` if all is well. No browser leaves its host out.
    pub(super) fn refused<'a>(&self, uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
        let named = headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or("?"));
        let mut named = named.chain(uri.authority().map(|authority| authority.as_str()));
        named.find(|host| !self.fits(host)).map(|host| without_port(host).unwrap_or(host))
    }

    fn fits(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        if let Some(v6) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return v6.parse::<Ipv6Addr>().is_ok();
        }
        let name = normal(name);
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let is_plain = is_name && !name.contains('.');
        name == "localhost"
            || name.parse::<Ipv4Addr>().is_ok()
            || self.names.contains(&name)
            || (self.plain_names && is_plain)
    }
}

fn normal(name: &str) -> String {
    let name = name.trim();
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// `host` of `host` or `host:port`; `None` if what follows is no port.
fn without_port(text: &str) -> Option<&str> {
    let after_v6 = text.rfind(']').map_or(0, |at| at + 1);
    match text[after_v6..].find(':') {
        None if after_v6 == 0 || after_v6 == text.len() => Some(text),
        None => None,
        Some(at) => {
            let (host, port) = text.split_at(after_v6 + at);
            (port.len() > 1 && port[1..].bytes().all(|b| b.is_ascii_digit())).then_some(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it fits a port on loopback, and one that others reach.
    const CASES: [(&str, bool, bool); 22] = [
        ("localhost", true, true),
        ("localhost:8080", true, true),
        ("LocalHost.:8080", true, true),
        ("127.0.0.1:8080", true, true),
        ("10.1.2.3", true, true),
        ("[::1]:8080", true, true),
        ("[fe80::1]", true, true),
        ("Node.Example.org", true, true),
        ("node.example.org:443", true, true),
        ("node1-gateway:8080", false, true),
        ("attacker.example", false, false),
        ("attacker.example:8080", false, false),
        ("localhost.attacker.example", false, false),
        ("127.0.0.1.attacker.example", false, false),
        ("127.0.0.1@attacker.example", false, false),
        ("evil.node.example.org", false, false),
        ("[::1].attacker.example", false, false),
        ("[attacker]", false, false),
        ("localhost:x", false, false),
        ("localhost:", false, false),
        ("", false, false),
        ("a/b", false, false),
    ];

    #[test]
    fn which_names_fit() {
        let names = ["node.example.ORG.".to_owned(), " ".to_owned()];
        let at = |ip: [u8; 4]| Hosts::new(Some((ip, 8080).into()), &names);
        for (host, on_loopback, elsewhere) in CASES {
            assert_eq!(at([127, 0, 0, 1]).fits(host), on_loopback, "{host:?} on loopback");
            assert_eq!(at([0, 0, 0, 0]).fits(host), elsewhere, "{host:?} elsewhere");
        }
    }

    #[test]
    fn every_place_that_names_the_host_counts() {
        let hosts = Hosts::new(None, &[]);
        let cases: [(&str, &[&str], Option<&str>); 6] = [
            ("/", &["localhost"], None),
            ("/", &[], None),
            ("/", &["attacker.example"], Some("attacker.example")),
            ("/", &["localhost", "attacker.example:8080"], Some("attacker.example")),
            ("http://attacker.example:1/", &["localhost"], Some("attacker.example")),
            ("http://localhost:1/", &[], None),
        ];
        for (uri, named, expect) in cases {
            let mut headers = HeaderMap::new();
            for host in named {
                headers.append(HOST, host.parse().expect("a value"));
            }
            let uri: Uri = uri.parse().expect("a URI");
            assert_eq!(hosts.refused(&uri, &headers), expect, "{uri} {named:?}");
        }
    }
}
