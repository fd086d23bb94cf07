//! Accepting connections, and the orderly stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tracing::{debug, info, warn};
use vision_rpc::net::{Accepted, Listener};

use super::addresses::Addresses;
use super::{Routers, connection};
use crate::{Clock, Env, Health};

/// Connections of one port at once unless it is given another number; more wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 1024;
/// That an address holds as many connections as it may is said so often at most.
const SAY_FULL_EVERY: Duration = Duration::from_secs(60);
/// Between NOT_SERVING and closing the port: long enough for watchers of the health to turn away.
const NOTICE: Duration = Duration::from_millis(200);
/// After this, whatever still runs is dropped.
const HARD_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, such as one without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections are served with.
pub(super) struct Serving {
    pub(super) routers: Routers,
    pub(super) protocol: auto::Builder<TokioExecutor>,
    pub(super) max_connections: usize,
    pub(super) addresses: Addresses,
    /// Begun when the connections are to end.
    pub(super) ending: CancellationToken,
}

pub(super) async fn serve_until_drained(listener: Listener, serving: Serving, health: &Health, env: &Env) {
    let (ending, max_connections) = (serving.ending.clone(), serving.max_connections);
    let places = Arc::new(Semaphore::new(max_connections));
    // If this future is dropped, so is the set, and with it every connection.
    let mut connections = JoinSet::new();
    let accepting = accept(&listener, serving, &places, &mut connections, &env.clock);
    tokio::select! {
        biased;
        // First, so that clients that keep connecting do not put the end off.
        () = drained_and_noticed(health, env) => {}
        () = accepting => {}
    }
    drop(listener);
    ending.cancel();
    let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
    let ended = async {
        while connections.join_next().await.is_some() {}
        // Those that became another protocol have left the set, and end by themselves.
        let _ = places.acquire_many(all).await;
    };
    if tokio::time::timeout(HARD_DEADLINE, ended).await.is_err() {
        warn!(connections = connections.len(), "dropped what did not end within the deadline");
        connections.shutdown().await;
    }
    info!("stopped");
}

async fn drained_and_noticed(health: &Health, env: &Env) {
    env.drain.begun().await;
    health.set_stopping();
    tokio::time::sleep(NOTICE).await;
}

async fn accept(
    listener: &Listener,
    serving: Serving,
    places: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    clock: &Clock,
) {
    let Serving { routers, protocol, addresses, ending, .. } = serving;
    let mut full = Full { said: None, refused: 0 };
    loop {
        // Never closed, so a place always comes.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        let (stream, remote) = next(listener).await;
        let Some(seat) = addresses.take(remote.ip()) else {
            full.say(remote, clock.instant());
            continue;
        };
        let local_addr = match &stream {
            Accepted::Machine(stream) => {
                let _ = stream.set_nodelay(true);
                stream.local_addr().ok()
            }
            Accepted::Simulated(_) => listener.local_addr().ok(),
        };
        let info = TcpConnectInfo { local_addr, remote_addr: Some(remote) };
        let place = (place, seat);
        let (routers, protocol, ending) = (routers.clone(), protocol.clone(), ending.clone());
        let clock = clock.clone();
        match stream {
            Accepted::Machine(stream) => {
                connections.spawn(connection::serve(stream, place, info, routers, protocol, ending, clock))
            }
            Accepted::Simulated(stream) => {
                connections.spawn(connection::serve(stream, place, info, routers, protocol, ending, clock))
            }
        };
        while connections.try_join_next().is_some() {}
    }
}

/// Says now and then that connections are refused.
struct Full {
    said: Option<Instant>,
    refused: u64,
}

impl Full {
    fn say(&mut self, remote: SocketAddr, now: Instant) {
        self.refused += 1;
        if self.said.is_none_or(|said| now >= said + SAY_FULL_EVERY) {
            let refused = std::mem::take(&mut self.refused);
            warn!(
                address = %remote.ip(),
                refused,
                "an address has reached its limit of connections; more are refused"
            );
            self.said = Some(now);
        }
    }
}

async fn next(listener: &Listener) -> (Accepted, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) => {
                debug!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
