//! Binding a port.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;
use vision_rpc::Net;
use vision_rpc::net::Listener;

/// Where to listen, `host:port`. The host is an IP address, or a name of this machine: a container in several
/// networks does not know its address in one of them before it runs, but it has a name there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress {
    text: String,
    port: u16,
}

/// A text that says no place to listen at.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")]
pub struct NoListenAddress(String);

impl ListenAddress {
    /// Its port; 0 stands for any free one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its host: a name, or an IP address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text.rsplit_once(':').map_or("", |(host, _)| host)
    }
}

impl FromStr for ListenAddress {
    type Err = NoListenAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoListenAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_name = |host: &str| {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        let is_v6 = host.starts_with('[') && text.parse::<SocketAddr>().is_ok();
        if !is_v6 && !is_name(host) {
            return Err(wrong());
        }
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        // Digits only: the library takes a sign, too.
        let digits = port.bytes().all(|b| b.is_ascii_digit()).then_some(port).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), port: digits.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = NoListenAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self { text: address.to_string(), port: address.port() }
    }
}

impl From<([u8; 4], u16)> for ListenAddress {
    fn from(address: ([u8; 4], u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "port {address} is taken: stop the other program (`ss -ltnp 'sport = :{port}'` shows it) or give \
         another port"
    )]
    Taken {
        /// The address.
        address: ListenAddress,
        /// Its port.
        port: u16,
    },
    /// The operating system refused otherwise, or the host's name is unknown.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: ListenAddress,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Binds a TCP port; port 0 takes any free one. Of a name's several addresses, the first that can be bound.
///
/// # Errors
/// [`BindError`] naming the address and the way out.
pub async fn bind(address: &ListenAddress, net: &Net) -> Result<Listener, BindError> {
    let address = address.clone();
    net.bind(&address.text).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { port: address.port, address },
        _ => BindError::Refused { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: Net = Net::machine();

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_way_out() {
        let held = bind(&([127, 0, 0, 1], 0).into(), &NET).await.expect("a free port");
        let address = held.local_addr().expect("bound");
        let text = bind(&address.into(), &NET).await.expect_err("taken").to_string();
        assert!(text.starts_with(&format!("port {address} is taken: stop the other program")), "{text}");
        let text = bind(&([192, 0, 2, 1], 0).into(), &NET).await.expect_err("not ours").to_string();
        assert!(text.starts_with("cannot listen on 192.0.2.1:0: "), "{text}");
        // Longer than any name may be: refused without asking a name server.
        let name = format!("{}:0", "a".repeat(300));
        let text = bind(&name.parse().expect("a form"), &NET).await.expect_err("nobody's name").to_string();
        assert!(text.starts_with(&format!("cannot listen on {name}: ")), "{text}");
    }

    #[tokio::test]
    async fn a_name_of_this_machine_can_be_bound() {
        let held = bind(&"localhost:0".parse().expect("a form"), &NET).await.expect("a free port");
        assert!(held.local_addr().expect("bound").ip().is_loopback());
    }

    #[test]
    fn forms() {
        let cases = [
            ("v4", "127.0.0.1:50051", Some(50051)),
            ("v6", "[::1]:50051", Some(50051)),
            ("name", "node1-chain.private:7072", Some(7072)),
            ("any port", "0.0.0.0:0", Some(0)),
            ("no port", "127.0.0.1", None),
            ("empty port", "127.0.0.1:", None),
            ("no host", ":7072", None),
            ("a sign", "127.0.0.1:+80", None),
            ("port too high", "127.0.0.1:65536", None),
            ("bare v6", "::1:7072", None),
            ("broken v6", "[::1:7072", None),
            ("URL", "http://127.0.0.1:7072", None),
            ("a signed port", "127.0.0.1:+80", None),
            ("a signed port of v6", "[::1]:+80", None),
            ("a space", "127.0.0.1: 80", None),
            ("nothing", "", None),
        ];
        for (desc, text, expect) in cases {
            let got = text.parse::<ListenAddress>();
            assert_eq!(got.as_ref().ok().map(ListenAddress::port), expect, "{desc}");
            if let Ok(address) = got {
                assert_eq!(address.to_string(), text, "{desc}");
            }
        }
    }
}
