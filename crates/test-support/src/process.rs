//! Servers that can die like killed processes.

use std::net::{SocketAddr, TcpListener};

use tokio::runtime::Runtime;
use vision_host::Env;
use vision_host::server::GrpcServer;

use crate::PATIENCE;

/// A server on its own runtime. Dropped, it is gone as a killed process is, and its port is free again.
pub struct Process(Option<Runtime>);

impl Process {
    /// Starts it; it listens when this returns.
    ///
    /// # Panics
    /// If somebody has the address.
    #[must_use]
    pub fn start(address: SocketAddr, server: GrpcServer) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let _inside = runtime.enter();
        let listener = TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        runtime.spawn(async move { server.serve(listener, &Env::new("/nonexistent", "test")).await });
        Self(Some(runtime))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // On a thread that may block: the port must be free again when this returns.
            let killing = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
            killing.join().expect("no panic");
        }
    }
}
