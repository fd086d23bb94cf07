use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::field::has_ip6;
use super::*;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must come.
const SILENCE: Duration = Duration::from_millis(300);
const CALLER: usize = 0;
const CALLED: usize = 1;

/// Wires from this process, which is both nodes, to a port of its own.
struct Scene {
    wires: Wires,
    target: std::net::TcpListener,
    proxy: SocketAddr,
}

impl Scene {
    fn new(host: IpAddr, distance: Distance) -> Self {
        let target = std::net::TcpListener::bind((host, 0)).expect("a port");
        let own = Arc::new(AtomicU32::new(std::process::id()));
        let wires = Wires::new(5, vec![Arc::clone(&own), own]);
        wires.set_distance(distance);
        let port = wires.listen(CALLED, host, target.local_addr().expect("bound"));
        Self { wires, target, proxy: (host, port).into() }
    }

    fn near() -> Self {
        Self::new(Ipv4Addr::LOCALHOST.into(), Distance::default())
    }

    fn call(&self) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(self.proxy).expect("the proxy listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    /// Both ends of a new connection.
    fn ends(&self) -> [std::net::TcpStream; 2] {
        let caller = self.call();
        let called = self.target.accept().expect("a connection").0;
        called.set_read_timeout(Some(PATIENCE)).expect("set");
        [caller, called]
    }
}

fn send(stream: &mut std::net::TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("sent");
}

fn receives(stream: &mut std::net::TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).expect("it arrives");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

fn receives_nothing(stream: &mut std::net::TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).expect("set");
    let read = stream.read(&mut [0]).expect_err("nothing arrives");
    assert!(matches!(read.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{read}");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
}

/// The connection ends, and nothing more arrives before.
fn ends(stream: &mut std::net::TcpStream) {
    let read = stream.read(&mut [0]);
    assert!(matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}

#[test]
fn bytes_arrive_whole_in_order_and_not_before_their_time() {
    for (host, distance) in [
        (IpAddr::from(Ipv4Addr::LOCALHOST), Distance::of(40).jitter(20).stalls(5)),
        (Ipv4Addr::LOCALHOST.into(), Distance::of(20).rate(1 << 20)),
        (Ipv6Addr::LOCALHOST.into(), Distance::of(20)),
    ] {
        if host.is_ipv6() && !has_ip6("a wire") {
            continue;
        }
        let began = Instant::now();
        let scene = Scene::new(host, distance);
        let [mut caller, mut called] = scene.ends();
        let shortest = Duration::from_millis(distance.latency_ms - distance.jitter_ms);
        assert!(began.elapsed() >= 2 * shortest, "there and back before the first byte");
        let text: String = (0..40_000).map(|number| format!("{number} ")).collect();
        let sent = text.clone();
        let sender = std::thread::spawn(move || {
            for part in sent.as_bytes().chunks(3000) {
                caller.write_all(part).expect("sent");
            }
            caller
        });
        receives(&mut called, &text);
        let carried = distance.bytes_per_second.map_or(0.0, |rate| text.len() as f64 / rate as f64);
        assert!(began.elapsed() >= 3 * shortest + Duration::from_secs_f64(carried));
        let mut caller = sender.join().expect("all sent");
        // The other direction, and the orderly end of one that leaves the other open.
        caller.shutdown(std::net::Shutdown::Write).expect("shut");
        ends(&mut called);
        send(&mut called, "answer");
        receives(&mut caller, "answer");
        drop(called);
        ends(&mut caller);
        assert_eq!(scene.wires.connections(), 1);
    }
}

#[test]
fn what_is_held_arrives_later_on_the_same_connection() {
    let scene = Scene::near();
    let [mut caller, mut called] = scene.ends();
    scene.wires.set(CALLER, CALLED, Passage::Held);
    send(&mut caller, "one way");
    receives_nothing(&mut called);
    send(&mut called, "the other is open");
    receives(&mut caller, "the other is open");
    scene.wires.set(CALLER, CALLED, Passage::Open);
    receives(&mut called, "one way");
}

#[test]
fn what_is_lost_breaks_the_connection_once_there_is_a_way_again() {
    let scene = Scene::near();
    let [mut caller, mut called] = scene.ends();
    let [mut idle, mut idle_called] = scene.ends();
    scene.wires.set(CALLED, CALLER, Passage::Lost);
    send(&mut called, "lost");
    receives_nothing(&mut caller);
    send(&mut caller, "the other is open");
    receives(&mut called, "the other is open");
    scene.wires.heal();
    ends(&mut caller);
    ends(&mut called);
    // Nothing of this one was lost.
    send(&mut idle, "whole");
    receives(&mut idle_called, "whole");
}

#[test]
fn who_is_refused_loses_what_there_is_and_gets_nothing_new_until_the_way_is_open() {
    let scene = Scene::near();
    let [mut caller, mut called] = scene.ends();
    scene.wires.set_both(CALLER, CALLED, Passage::Refused);
    ends(&mut caller);
    ends(&mut called);
    ends(&mut scene.call());
    scene.wires.heal();
    let [mut caller, mut called] = scene.ends();
    send(&mut caller, "again");
    receives(&mut called, "again");
}

#[test]
fn a_call_waits_for_its_way_and_one_that_was_given_up_never_arrives() {
    let scene = Scene::near();
    scene.wires.set_both(CALLER, CALLED, Passage::Lost);
    let mut given_up = scene.call();
    send(&mut given_up, "given up");
    let mut waiting = scene.call();
    send(&mut waiting, "waiting");
    receives_nothing(&mut waiting);
    let port = given_up.local_addr().expect("connected");
    drop(given_up);
    // The proxy has let go of it: its own end is closed too.
    let started = Instant::now();
    while owner_of(scene.proxy, port, &[std::process::id()]).is_some() {
        assert!(started.elapsed() < PATIENCE, "the proxy holds on to a connection that was given up");
        std::thread::sleep(LOOK);
    }
    scene.wires.heal();
    let mut called = scene.target.accept().expect("a connection").0;
    receives(&mut called, "waiting");
}

#[test]
fn strangers_are_turned_away() {
    let scene = Scene::near();
    let stranger = Arc::new(AtomicU32::new(1));
    let wires = Wires::new(5, vec![Arc::clone(&stranger), stranger]);
    let port = wires.listen(CALLED, Ipv4Addr::LOCALHOST.into(), scene.target.local_addr().expect("bound"));
    let mut caller = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    caller.set_read_timeout(Some(PATIENCE)).expect("set");
    ends(&mut caller);
    assert_eq!(wires.connections(), 0);
}
