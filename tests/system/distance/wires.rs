//! Wires between nodes: a proxy before every node's P2P port, which gives each connection a length, and
//! faults. It knows who calls, so that it can cut one pair of nodes, or one direction between them.
//!
//! A node advertises the port of its proxy, and its neighbours have no other.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use vision_primitives::hash;

use super::line::{Distance, Line};
use crate::harness::owner_of;

/// Most bytes that travel as one piece.
const MAX_PIECE_BYTES: usize = 16 * 1024;
/// Pieces of one direction that are on their way at once, about a megabyte; whoever sends more has to wait.
const MAX_PIECES: usize = 64;
/// How often a connection that waits for its wire looks whether the caller is still there.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of bytes from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Passage {
    /// They arrive.
    #[default]
    Open,
    /// They wait, and arrive when the passage is open again: a fault that TCP survives.
    Held,
    /// They are lost, and with them the connection as soon as the passage is open again.
    Lost,
    /// Connections end at once, and new ones too.
    Refused,
}

/// What all connections share.
struct Shared {
    seed: u64,
    start: Instant,
    distance: Mutex<Distance>,
    /// Process ids of the nodes.
    processes: Vec<Arc<AtomicU32>>,
    /// By who sends and who receives.
    passages: Vec<Vec<watch::Sender<Passage>>>,
    connections: Vec<Vec<AtomicU64>>,
}

/// The proxies of a network. When dropped, every connection ends.
pub struct Wires {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Wires {
    /// Wires between nodes with these process ids, which may change. The same seed gives each connection the
    /// same delays.
    pub fn new(seed: u64, processes: Vec<Arc<AtomicU32>>) -> Self {
        let count = processes.len();
        fn square<T: Default>(count: usize) -> Vec<Vec<T>> {
            (0..count).map(|_| (0..count).map(|_| T::default()).collect()).collect()
        }
        let shared = Shared {
            seed,
            start: Instant::now(),
            distance: Mutex::default(),
            processes,
            passages: square(count),
            connections: square(count),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { shared: Arc::new(shared), runtime: Some(runtime.expect("a runtime")) }
    }

    /// Puts a proxy before a node that listens there: the port to advertise.
    pub fn listen(&self, node: usize, host: IpAddr, target: SocketAddr) -> u16 {
        let runtime = self.runtime.as_ref().expect("not dropped");
        let listener = runtime.block_on(TcpListener::bind((host, 0)));
        let listener = listener.unwrap_or_else(|error| panic!("no port at {host}: {error}"));
        let port = listener.local_addr().expect("bound").port();
        runtime.spawn(accept(Arc::clone(&self.shared), listener, node, target));
        port
    }

    /// How far the nodes are from each other from now on.
    pub fn set_distance(&self, distance: Distance) {
        *self.shared.distance.lock().unwrap_or_else(PoisonError::into_inner) = distance;
    }

    /// What becomes of bytes from one node to another.
    pub fn set(&self, from: usize, to: usize, passage: Passage) {
        self.shared.passages[from][to].send_replace(passage);
    }

    /// Both directions between two nodes.
    pub fn set_both(&self, one: usize, other: usize, passage: Passage) {
        self.set(one, other, passage);
        self.set(other, one, passage);
    }

    /// Every passage is open.
    pub fn heal(&self) {
        self.shared.passages.iter().flatten().for_each(|passage| {
            passage.send_replace(Passage::Open);
        });
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.iter().flatten().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).expect("a short time")
    }

    fn instant(&self, at_us: u64) -> tokio::time::Instant {
        (self.start + Duration::from_micros(at_us)).into()
    }

    fn distance(&self) -> Distance {
        *self.distance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passage(&self, from: usize, to: usize) -> watch::Receiver<Passage> {
        self.passages[from][to].subscribe()
    }

    /// The two directions of the next connection.
    fn lines(&self, caller: usize, called: usize) -> [Line; 2] {
        let number = self.connections[caller][called].fetch_add(1, Ordering::Relaxed);
        [0, 1].map(|direction| {
            let numbers = [self.seed, caller as u64, called as u64, number, direction];
            let bytes = numbers.map(u64::to_le_bytes).concat();
            Line::new(u64::from_le_bytes(hash(&[&bytes]).0[..8].try_into().expect("8 bytes")))
        })
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, called: usize, target: SocketAddr) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let pids: Vec<u32> = shared.processes.iter().map(|pid| pid.load(Ordering::SeqCst)).collect();
        let own = stream.local_addr();
        let caller = own.ok().and_then(|own| owner_of(peer, own, &pids));
        // Whoever was killed meanwhile is a stranger too.
        let Some(caller) = caller else { continue };
        tokio::spawn(connect(Arc::clone(&shared), stream, caller, called, target));
    }
}

/// A connection that ended otherwise than by its ends.
struct Broken;

/// One connection from its first byte to its last.
async fn connect(shared: Arc<Shared>, stream: TcpStream, caller: usize, called: usize, target: SocketAddr) {
    let mut lines = shared.lines(caller, called);
    let passages = [shared.passage(caller, called), shared.passage(called, caller)];
    let met = tokio::select! {
        met = meet(&shared, &mut lines, passages.clone()) => met,
        () = gone(&stream) => false,
    };
    let onward = if met { TcpStream::connect(target).await.ok() } else { None };
    let Some(onward) = onward else { return drop(stream.set_zero_linger()) };
    drop((stream.set_nodelay(true), onward.set_nodelay(true)));
    let (mut from_caller, mut to_caller) = stream.into_split();
    let (mut from_called, mut to_called) = onward.into_split();
    let ([there, back], [passage, passage_back]) = (lines, passages.clone());
    let both = async {
        tokio::try_join!(
            carry(&shared, &mut from_caller, &mut to_called, there, passage),
            carry(&shared, &mut from_called, &mut to_caller, back, passage_back),
        )
        .is_ok()
    };
    let orderly = tokio::select! {
        orderly = both => orderly,
        () = refused(passages) => false,
    };
    if !orderly {
        // Whoever reads or writes next is sent a reset.
        drop((from_caller.as_ref().set_zero_linger(), from_called.as_ref().set_zero_linger()));
    }
}

/// What TCP does before the first byte: once there and once back. False if that is refused.
async fn meet(shared: &Shared, lines: &mut [Line; 2], passages: [watch::Receiver<Passage>; 2]) -> bool {
    for mut passage in passages {
        let now = passage.wait_for(|now| matches!(now, Passage::Open | Passage::Refused)).await;
        if now.is_err() || now.is_ok_and(|now| *now == Passage::Refused) {
            return false;
        }
    }
    let distance = shared.distance();
    let there_us = lines[0].arrival_us(shared.now_us(), 0, &distance);
    let back_us = lines[1].arrival_us(there_us, 0, &distance);
    tokio::time::sleep_until(shared.instant(back_us)).await;
    true
}

/// Waits until the other end of a connection that nobody reads from is closed.
async fn gone(stream: &TcpStream) {
    while stream.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until one of these passages is refused.
async fn refused([mut one, mut other]: [watch::Receiver<Passage>; 2]) {
    let refused = |now: &Passage| *now == Passage::Refused;
    tokio::select! {
        _ = one.wait_for(refused) => {}
        _ = other.wait_for(refused) => {}
    }
}

/// Bytes and when they arrive; no bytes: the sender will send no more.
struct Piece {
    arrives_us: u64,
    bytes: Vec<u8>,
}

/// Carries one direction to its end.
async fn carry(
    shared: &Shared,
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    line: Line,
    passage: watch::Receiver<Passage>,
) -> Result<(), Broken> {
    let (sender, pieces) = mpsc::channel(MAX_PIECES);
    tokio::try_join!(take(shared, from, line, sender), give(shared, to, pieces, passage)).map(|_| ())
}

async fn take(
    shared: &Shared,
    from: &mut OwnedReadHalf,
    mut line: Line,
    pieces: mpsc::Sender<Piece>,
) -> Result<(), Broken> {
    loop {
        let mut bytes = vec![0; MAX_PIECE_BYTES];
        let read = from.read(&mut bytes).await.map_err(|_| Broken)?;
        bytes.truncate(read);
        let arrives_us = line.arrival_us(shared.now_us(), read, &shared.distance());
        pieces.send(Piece { arrives_us, bytes }).await.map_err(|_| Broken)?;
        if read == 0 {
            return Ok(());
        }
    }
}

async fn give(
    shared: &Shared,
    to: &mut OwnedWriteHalf,
    mut pieces: mpsc::Receiver<Piece>,
    mut passage: watch::Receiver<Passage>,
) -> Result<(), Broken> {
    while let Some(piece) = pieces.recv().await {
        tokio::time::sleep_until(shared.instant(piece.arrives_us)).await;
        let now = *passage.wait_for(|now| *now != Passage::Held).await.map_err(|_| Broken)?;
        match now {
            Passage::Open if piece.bytes.is_empty() => to.shutdown().await.map_err(|_| Broken)?,
            Passage::Open => to.write_all(&piece.bytes).await.map_err(|_| Broken)?,
            Passage::Lost => return Err(swallow(pieces, passage).await),
            Passage::Held | Passage::Refused => return Err(Broken),
        }
    }
    Ok(())
}

/// Takes bytes for as long as they are lost: who sends them does not notice.
async fn swallow(mut pieces: mpsc::Receiver<Piece>, mut passage: watch::Receiver<Passage>) -> Broken {
    tokio::select! {
        _ = passage.wait_for(|now| *now != Passage::Lost) => {}
        () = async { while pieces.recv().await.is_some() {} } => {}
    }
    Broken
}

#[cfg(test)]
mod tests;
