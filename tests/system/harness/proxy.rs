//! Cables between nodes that can be cut: what a firewall or a pulled plug does to them.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How often a copying thread looks whether the cable is cut or gone.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct State {
    cut: AtomicBool,
    gone: AtomicBool,
}

/// Forwards connections of one process to a port until it is cut. A cut cable swallows everything in
/// silence, as the real one does; when it is mended the connections of before are lost.
///
/// Nodes report to each other the addresses they know, those of cables too. So a cable serves only the
/// node at its one end; to others it is a closed port.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// A cable from a process, whose id may change, to a port of this machine.
    pub fn new(caller: &Arc<AtomicU32>, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State::default());
        let (shared, caller) = (Arc::clone(&state), Arc::clone(caller));
        thread::spawn(move || accept(&listener, &caller, target, &shared));
        Self { port, state }
    }

    /// The port to call instead of the target's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts or mends the cable.
    pub fn set_cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn accept(listener: &TcpListener, caller: &AtomicU32, target: u16, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.gone.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if !is_of(&stream, caller.load(Ordering::SeqCst)) {
            continue;
        }
        let state = Arc::clone(state);
        thread::spawn(move || connect(stream, target, &state));
    }
}

/// Whether the other end of a connection belongs to a process.
fn is_of(stream: &TcpStream, pid: u32) -> bool {
    let (Ok(peer), Ok(own)) = (stream.peer_addr(), stream.local_addr()) else { return false };
    owner_of(peer, own, &[pid]).is_some()
}

/// Which of these processes has the end `local` of a connection between two ports of this machine.
pub fn owner_of(local: SocketAddr, remote: SocketAddr, pids: &[u32]) -> Option<usize> {
    let table = if local.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let ends = [local, remote].map(in_table);
    let sockets = fs::read_to_string(table).unwrap_or_default();
    let inode = sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&ends[0].as_str()) && fields.get(2) == Some(&ends[1].as_str()))
            .then(|| fields.get(9).copied())?
    })?;
    let name = format!("socket:[{inode}]");
    pids.iter().position(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| link.as_os_str() == name.as_str())
    })
}

/// An address as the tables in `/proc/net` show it: words of the machine's byte order.
fn in_table(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().expect("4 bytes")));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

fn connect(caller: TcpStream, target: u16, state: &Arc<State>) {
    let address = SocketAddr::from(([127, 0, 0, 1], target));
    while state.cut.load(Ordering::SeqCst) {
        if state.gone.load(Ordering::SeqCst) {
            return;
        }
        thread::sleep(LOOK);
    }
    let Ok(called) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else { return };
    let (Ok(caller_too), Ok(called_too)) = (caller.try_clone(), called.try_clone()) else { return };
    let back = Arc::clone(state);
    thread::spawn(move || copy(called_too, caller_too, &back));
    copy(caller, called, state);
}

/// Copies one direction. After a cut nothing passes, and the connection ends when the cable is mended.
fn copy(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = [0; 16 * 1024];
    drop(from.set_nodelay(true));
    drop(from.set_read_timeout(Some(LOOK)));
    let mut was_cut = false;
    while !state.gone.load(Ordering::SeqCst) {
        let cut = state.cut.load(Ordering::SeqCst);
        was_cut |= cut;
        if cut {
            thread::sleep(LOOK);
            continue;
        }
        if was_cut {
            break;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            // Read before the cut was seen: lost on the way.
            Ok(_) if state.cut.load(Ordering::SeqCst) => {}
            Ok(length) => {
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
