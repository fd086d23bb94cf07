//! An address that may be called can be split into a host and a port, and whoever calls is called back only
//! where a node can be.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use arbitrary::Arbitrary;
use vision_peering::{Accepts, MAX_ADDRESS_BYTES, check_address, of_caller, owner_of};

use crate::input;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    caller: u128,
    is_v4: bool,
    text: &'a str,
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(Input { caller, is_v4, text }) = input::<Input<'_>>(bytes) else { return };
    let is_called = check_address(text).is_ok();
    assert_eq!(Accepts::Any.takes(text), is_called);
    assert!(is_called || !Accepts::Routable.takes(text), "what is routable can be called");
    if is_called {
        assert!(text.len() <= MAX_ADDRESS_BYTES && text.is_ascii());
        let (host, port) = text.rsplit_once(':').expect("a port");
        assert!(!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        assert!(socket.port() > 0 || !is_called);
    }
    #[allow(clippy::cast_possible_truncation)]
    let caller = match is_v4 {
        true => IpAddr::V4((caller as u32).into()),
        false => IpAddr::V6(Ipv6Addr::from_bits(caller)),
    };
    if let Ok(address) = of_caller(text, caller) {
        assert_eq!(check_address(&address), Ok(()));
    }
    assert_eq!(owner_of(owner_of(caller)), owner_of(caller));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = ["10.0.0.1:7072", "[2001:db8::1]:7072", "node-1.example.org:80", ":7072", "0.0.0.0:7072"];
    let caller: [u8; 17] = [10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    texts.map(|text| [&caller[..], text.as_bytes()].concat()).into()
}
