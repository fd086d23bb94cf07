//! Against a real server on loopback that is stopped, restarted and silenced.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;

use super::*;
use crate::producer::producer_service_client::ProducerServiceClient;
use crate::producer::producer_service_server::{ProducerService, ProducerServiceServer};
use crate::producer::{
    GetMiningStatusRequest, GetMiningStatusResponse, ListClaimsRequest, ListClaimsResponse, MiningStatus,
    WatchMiningStatusRequest, WatchMiningStatusResponse,
};
use crate::{EventKind, EventLog, ResponseStream};

const SOON: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Fake {
    log: EventLog<u64>,
    /// Cursors of the watches opened so far.
    opened: Arc<Mutex<Vec<String>>>,
    /// Watches to answer with silence.
    silent: Arc<AtomicUsize>,
}

impl Fake {
    fn new(start_id: u64) -> Self {
        Self { log: EventLog::new(start_id, 4), opened: Arc::default(), silent: Arc::default() }
    }
}

#[tonic::async_trait]
impl ProducerService for Fake {
    type WatchMiningStatusStream = ResponseStream<WatchMiningStatusResponse>;

    async fn get_mining_status(
        &self,
        _: Request<GetMiningStatusRequest>,
    ) -> Result<Response<GetMiningStatusResponse>, Status> {
        Err(Status::unimplemented("not of this test"))
    }

    async fn is_height_claimed(
        &self,
        _: Request<crate::producer::IsHeightClaimedRequest>,
    ) -> Result<Response<crate::producer::IsHeightClaimedResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_claims(
        &self,
        _: Request<ListClaimsRequest>,
    ) -> Result<Response<ListClaimsResponse>, Status> {
        Err(Status::unimplemented("not of this test"))
    }

    async fn watch_mining_status(
        &self,
        request: Request<WatchMiningStatusRequest>,
    ) -> Result<Response<Self::WatchMiningStatusStream>, Status> {
        let cursor = request.into_inner().cursor;
        self.opened.lock().expect("no panic").push(cursor.clone());
        let stay_silent = |left: usize| left.checked_sub(1);
        if self.silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, stay_silent).is_ok() {
            return Ok(Response::new(Box::pin(futures::stream::pending())));
        }
        let watch = self.log.subscribe(&cursor)?;
        Ok(Response::new(watch.respond(|item| WatchMiningStatusResponse {
            cursor: item.cursor,
            heartbeat: item.kind == EventKind::Heartbeat,
            status: Some(MiningStatus { next_height: item.event, ..MiningStatus::default() }),
        })))
    }
}

/// A server that can be killed so that its connections break.
struct Server {
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    async fn start(fake: &Fake, address: SocketAddr) -> Self {
        let deadline = tokio::time::Instant::now() + SOON;
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if tokio::time::Instant::now() > deadline => panic!("{address}: {error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let address = listener.local_addr().expect("bound");
        let listener = listener.into_std().expect("a socket");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let fake = fake.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            let server = tonic::transport::Server::builder();
            serve(server, fake, listener).await;
        });
        Self { address, runtime: Some(runtime) }
    }

    fn kill(mut self) -> SocketAddr {
        self.runtime.take().expect("running").shutdown_background();
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(mut server: tonic::transport::Server, fake: Fake, listener: TcpListener) {
    let incoming = TcpListenerStream::new(listener);
    server.add_service(ProducerServiceServer::new(fake)).serve_with_incoming(incoming).await.expect("serves");
}

type Items = tokio::sync::mpsc::Receiver<WatchItem<WatchMiningStatusResponse>>;

fn watch(address: SocketAddr, silence: Duration) -> (Items, JoinHandle<()>) {
    let channel = crate::connect_lazy(&format!("http://{address}")).expect("a URL");
    let client = ProducerServiceClient::new(channel);
    let (send, items) = tokio::sync::mpsc::channel(16);
    let open = move |cursor| {
        let mut client = client.clone();
        async move { client.watch_mining_status(WatchMiningStatusRequest { cursor }).await }
    };
    let task = tokio::spawn(async move {
        let mut watch = std::pin::pin!(resuming_within("producer", &never_by_chance(), open, silence));
        while let Some(item) = watch.next().await {
            if send.send(item).await.is_err() {
                return;
            }
        }
    });
    (items, task)
}

async fn item(items: &mut Items) -> WatchItem<WatchMiningStatusResponse> {
    tokio::time::timeout(SOON, items.recv()).await.expect("an item soon").expect("the watch never ends")
}

async fn event(items: &mut Items) -> (u64, bool) {
    match item(items).await {
        WatchItem::Event(event) => (event.status.expect("a status").next_height, event.heartbeat),
        WatchItem::Lost(status) => panic!("lost: {status}"),
    }
}

async fn lost(items: &mut Items) -> Option<String> {
    match item(items).await {
        WatchItem::Event(event) => panic!("not lost: {event:?}"),
        WatchItem::Lost(status) => reason_of(&status),
    }
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[tokio::test]
async fn a_broken_watch_resumes_where_it_was() {
    let fake = Fake::new(1);
    fake.log.publish(10);
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, MAX_SILENCE);
    assert_eq!(event(&mut items).await, (10, false));
    fake.log.publish(11);
    assert_eq!(event(&mut items).await, (11, false));

    let address = server.kill();
    assert_eq!(lost(&mut items).await.as_deref(), Some("DEPENDENCY_UNAVAILABLE"));
    fake.log.publish(12);
    fake.log.publish(13);
    let _server = Server::start(&fake, address).await;
    assert_eq!(event(&mut items).await, (12, false));
    assert_eq!(event(&mut items).await, (13, false));
    let opened = fake.opened.lock().expect("no panic").clone();
    assert_eq!(opened, ["", "0000000000000001-1"]);
}

#[tokio::test]
async fn a_resumed_watch_that_missed_nothing_is_found_again_at_once() {
    let fake = Fake::new(1);
    fake.log.publish(10);
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, MAX_SILENCE);
    assert_eq!(event(&mut items).await, (10, false));
    let address = server.kill();
    assert!(lost(&mut items).await.is_some());
    let _server = Server::start(&fake, address).await;
    assert_eq!(event(&mut items).await, (10, true), "a heartbeat says that all is well");
}

#[tokio::test]
async fn a_restarted_server_makes_the_watch_begin_anew() {
    let fake = Fake::new(1);
    fake.log.publish(10);
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, MAX_SILENCE);
    assert_eq!(event(&mut items).await, (10, false));
    let address = server.kill();
    assert!(lost(&mut items).await.is_some());
    let other = Fake::new(2);
    other.log.publish(90);
    let _server = Server::start(&other, address).await;
    assert_eq!(event(&mut items).await, (90, false));
    let opened = other.opened.lock().expect("no panic").clone();
    assert_eq!(opened, ["0000000000000001-0", ""], "first the old cursor, then none");
}

#[tokio::test]
async fn a_watch_that_was_too_slow_begins_anew_without_being_lost() {
    let fake = Fake::new(1);
    fake.log.publish(0);
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, MAX_SILENCE);
    assert_eq!(event(&mut items).await, (0, false));
    // More than the ring and every buffer on the way hold, while nobody reads.
    for height in 1..=200_000 {
        fake.log.publish(height);
    }
    let mut last = 0;
    while last < 200_000 {
        let (height, _) = event(&mut items).await;
        assert!(height > last);
        last = height;
    }
}

#[tokio::test]
async fn an_outage_is_reported_once_however_often_it_is_tried() {
    let fake = Fake::new(1);
    // Nothing published: every attempt is refused with NOT_READY.
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, MAX_SILENCE);
    assert_eq!(lost(&mut items).await.as_deref(), Some("NOT_READY"));
    let deadline = tokio::time::Instant::now() + SOON;
    while fake.opened.lock().expect("no panic").len() < 4 {
        assert!(tokio::time::Instant::now() < deadline, "it goes on trying");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(items.try_recv().is_err(), "sent once");
    fake.log.publish(1);
    assert_eq!(event(&mut items).await, (1, false));
}

#[tokio::test]
async fn silence_counts_as_lost() {
    let fake = Fake::new(1);
    fake.log.publish(1);
    fake.silent.store(2, Ordering::SeqCst);
    let server = Server::start(&fake, any()).await;
    let (mut items, _task) = watch(server.address, Duration::from_millis(100));
    assert_eq!(lost(&mut items).await.as_deref(), Some("DEPENDENCY_UNAVAILABLE"));
    assert_eq!(event(&mut items).await, (1, false));
    assert_eq!(fake.opened.lock().expect("no panic").len(), 3);
}

fn never_by_chance() -> Chance {
    std::sync::Arc::new(|| 0)
}

#[test]
fn jitter_stays_between_half_and_all() {
    let half = BACKOFF_MAX / 2;
    for (random, expect) in [(0, half), (1 << 63, half + half / 2), (u64::MAX, BACKOFF_MAX)] {
        let pause = jittered(BACKOFF_MAX, random);
        assert!(pause <= BACKOFF_MAX && pause.abs_diff(expect) < Duration::from_micros(1), "{pause:?}");
    }
}
