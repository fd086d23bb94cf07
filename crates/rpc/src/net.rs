//! How connections are accepted and made: over the machine's network, or over one that a simulation makes up.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// The network of a process. Cheap to clone; all clones are one network.
#[derive(Clone, Default)]
pub struct Net(Option<Arc<dyn SimulatedNet>>);

/// A network that a simulation makes up.
#[tonic::async_trait]
pub trait SimulatedNet: Send + Sync + 'static {
    /// Listens at `host:port`.
    ///
    /// # Errors
    /// As the machine's network: the port is taken, or the host is not here.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn SimulatedListener>>;

    /// Connects to `host:port`.
    ///
    /// # Errors
    /// As the machine's network: nobody listens there, or the host is unknown.
    async fn connect(&self, address: &str) -> io::Result<SimulatedStream>;
}

/// A port of a simulated network.
#[tonic::async_trait]
pub trait SimulatedListener: Send + Sync {
    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// As the machine's network.
    async fn accept(&self) -> io::Result<(SimulatedStream, SocketAddr)>;

    /// Where it listens.
    ///
    /// # Errors
    /// If it does not know.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// One end of a connection of a simulated network.
pub type SimulatedStream = Box<dyn Duplex>;

/// What bytes can be read from and written to.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Net {
    /// The machine's.
    #[must_use]
    pub const fn machine() -> Self {
        Self(None)
    }

    /// One that is made up.
    #[must_use]
    pub fn simulated(net: impl SimulatedNet) -> Self {
        Self(Some(Arc::new(net)))
    }

    /// Listens at `host:port`; of a name's several addresses, the first that can be bound.
    ///
    /// # Errors
    /// What the network says.
    pub async fn bind(&self, address: &str) -> io::Result<Listener> {
        Ok(match &self.0 {
            None => TcpListener::bind(address).await?.into(),
            Some(net) => Listener(Port::Simulated(net.bind(address).await?)),
        })
    }

    /// A channel to this endpoint that connects when first used, and again when the connection is lost.
    #[must_use]
    pub fn channel(&self, endpoint: &Endpoint) -> Channel {
        let Some(net) = self.0.clone() else { return endpoint.connect_lazy() };
        endpoint.connect_with_connector_lazy(service_fn(move |uri: http::Uri| {
            let net = Arc::clone(&net);
            async move {
                let address = uri.authority().map_or("", |authority| authority.as_str());
                net.connect(address).await.map(TokioIo::new)
            }
        }))
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Net(simulated)" } else { "Net(machine)" })
    }
}

/// A port that is listened at.
pub struct Listener(Port);

enum Port {
    Machine(TcpListener),
    Simulated(Box<dyn SimulatedListener>),
}

/// A connection that came in.
pub enum Accepted {
    /// Over the machine's network.
    Machine(TcpStream),
    /// Over a simulated one.
    Simulated(SimulatedStream),
}

impl Listener {
    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// What the network says; a later connection may come through.
    pub async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        Ok(match &self.0 {
            Port::Machine(port) => {
                let (stream, from) = port.accept().await?;
                (Accepted::Machine(stream), from)
            }
            Port::Simulated(port) => {
                let (stream, from) = port.accept().await?;
                (Accepted::Simulated(stream), from)
            }
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the network does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Port::Machine(port) => port.local_addr(),
            Port::Simulated(port) => port.local_addr(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local_addr()).finish()
    }
}

impl From<TcpListener> for Listener {
    fn from(port: TcpListener) -> Self {
        Self(Port::Machine(port))
    }
}
