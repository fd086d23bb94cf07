//! Binding a port.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "port {address} is taken: stop the other program (`ss -ltnp 'sport = :{port}'` shows it) or give another port"
    )]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Its port.
        port: u16,
    },
    /// The operating system refused otherwise.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Binds a TCP port; port 0 takes any free one.
///
/// # Errors
/// [`BindError`] naming the address and the way out.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, port: address.port() },
        _ => BindError::Refused { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_way_out() {
        let held = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = held.local_addr().expect("bound");
        let text = bind(address).await.expect_err("taken").to_string();
        assert!(text.starts_with(&format!("port {address} is taken: stop the other program")), "{text}");
        let text = bind(([192, 0, 2, 1], 0).into()).await.expect_err("not ours").to_string();
        assert!(text.starts_with("cannot listen on 192.0.2.1:0: "), "{text}");
    }
}
