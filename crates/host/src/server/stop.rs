//! Accepting connections, and the orderly stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Routers, connection};
use crate::{Env, Health};

/// Connections of one port at once; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;
/// Between NOT_SERVING and closing the port: long enough for watchers of the health to turn away.
const NOTICE: Duration = Duration::from_millis(200);
/// After this, whatever still runs is dropped.
const HARD_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, such as one without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn serve_until_drained(
    listener: TcpListener,
    routers: Routers,
    health: &Health,
    env: &Env,
    ending: CancellationToken,
) {
    // If this future is dropped, so is the set, and with it every connection.
    let mut connections = JoinSet::new();
    let accepting = accept(&listener, routers, &mut connections, &ending);
    tokio::select! {
        () = accepting => {}
        () = drained_and_noticed(health, env) => {}
    }
    drop(listener);
    ending.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(HARD_DEADLINE, ended).await.is_err() {
        warn!(connections = connections.len(), "dropped what did not end within the deadline");
        connections.shutdown().await;
    }
    info!("stopped");
}

async fn drained_and_noticed(health: &Health, env: &Env) {
    env.drain.begun().await;
    health.set_not_serving("stopping");
    tokio::time::sleep(NOTICE).await;
}

async fn accept(
    listener: &TcpListener,
    routers: Routers,
    connections: &mut JoinSet<()>,
    ending: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let protocol = connection::protocol();
    loop {
        // Never closed, so a place always comes.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, remote) = next(listener).await;
        let serving = connection::serve(stream, remote, routers.clone(), protocol.clone(), ending.clone());
        connections.spawn(async move {
            serving.await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
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
