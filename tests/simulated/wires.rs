//! The simulated network as the services see it.

use std::io;
use std::net::SocketAddr;

use tonic::async_trait;
use turmoil::net::{TcpListener, TcpStream};
use vision_host::net::{SimulatedListener, SimulatedNet, SimulatedStream};

/// That of turmoil, from the host whose turn it is.
pub struct Wires;

#[async_trait]
impl SimulatedNet for Wires {
    async fn bind(&self, address: &str) -> io::Result<Box<dyn SimulatedListener>> {
        Ok(Box::new(Port(TcpListener::bind(address).await?)))
    }

    async fn connect(&self, address: &str) -> io::Result<SimulatedStream> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

struct Port(TcpListener);

#[async_trait]
impl SimulatedListener for Port {
    async fn accept(&self) -> io::Result<(SimulatedStream, SocketAddr)> {
        let (stream, from) = self.0.accept().await?;
        Ok((Box::new(stream), from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
