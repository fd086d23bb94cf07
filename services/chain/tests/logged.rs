//! What the log says of other nodes, and how often.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use futures::StreamExt;
use support::{Net, Node, crashed, free_port, wait_until};
use tonic::{Request, Response, Status, Streaming};
use tracing_subscriber::fmt::MakeWriter;
use vision_host::server::{GrpcServer, bind};
use vision_host::{Env, Health};
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_server::{PeerService, PeerServiceServer};
use vision_wire::p2p::{
    ExchangeRequest, ExchangeResponse, GetBlocksRequest, GetBlocksResponse, GetStatusRequest,
    GetStatusResponse, NewBlock, PeerMessage,
};
use vision_wire::types::Block;
use vision_wire::{Reason, ResponseStream};

/// All lines of this process, whichever node wrote them: these tests look for words of their own.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn with(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("whole")).into_owned();
        text.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
    }
}

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone());
        subscriber.with_max_level(tracing::Level::INFO).init();
        lines
    })
}

async fn wait_for_line(words: &[&str]) -> String {
    wait_until(&format!("a line with {words:?}"), || async move { !lines().with(words).is_empty() }).await;
    lines().with(words).remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeds_that_do_not_resolve_or_answer_are_named_once_with_the_reason() {
    lines();
    let net = Net::new(3);
    let home = net.home(0);
    let nobody = format!("127.0.0.1:{}", free_port());
    let seeds = vec!["no-such-host.invalid:7072".to_owned(), nobody.clone()];
    let node = Node::start_with(home.path(), vision_chain::Config { seeds, ..Default::default() });
    let line = wait_for_line(&["WARN", "seed", "no-such-host.invalid:7072"]).await;
    assert!(line.contains("resolve") || line.contains("lookup"), "{line}");
    let line = wait_for_line(&["WARN", "seed", &nobody]).await;
    assert!(line.contains("refused"), "{line}");
    node.stop().await;
    assert_eq!(lines().with(&["WARN", "seed", &nobody]).len(), 1, "once a minute is enough");
}

/// A node that answers every call with this, once.
#[derive(Clone)]
struct Rude(fn() -> Result<ExchangeResponse, Status>);

#[tonic::async_trait]
impl PeerService for Rude {
    type ExchangeStream = ResponseStream<ExchangeResponse>;
    type GetBlocksStream = ResponseStream<GetBlocksResponse>;

    async fn exchange(
        &self,
        _: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let answer = futures::stream::iter([(self.0)()]).chain(futures::stream::pending());
        Ok(Response::new(Box::pin(answer)))
    }

    async fn get_blocks(
        &self,
        _: Request<GetBlocksRequest>,
    ) -> Result<Response<Self::GetBlocksStream>, Status> {
        Err(Status::unimplemented("rude"))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Err(Status::unimplemented("rude"))
    }
}

impl Rude {
    async fn start(self) -> (String, Env) {
        let (health, env) = (Health::new(), Env::new("/nowhere", "test"));
        let listener =
            bind(&([127, 0, 0, 1], 0).into(), &vision_host::Net::machine()).await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = GrpcServer::new(&health).add(PeerServiceServer::new(self));
        let inner = env.clone();
        tokio::spawn(async move { server.serve(listener, &inner).await.expect("serves") });
        (address, env)
    }
}

/// Words that only a line of the other node's making would begin with.
const FORGED: &str = "WARN forged by the other node";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_unproven_node_answers_is_read_and_repeated_in_short() {
    lines();
    let large = Rude(|| {
        let header = vec![1; 1 << 20].into();
        let block = Some(Block { header, ..Default::default() });
        let kind = Kind::NewBlock(NewBlock { block, traceparent: String::new() });
        Ok(ExchangeResponse { message: Some(PeerMessage { kind: Some(kind) }) })
    });
    let wordy = Rude(|| {
        let words = format!("\u{1b}[2J\n{FORGED}\n{}", "a".repeat(3_000));
        Err(vision_wire::status(Reason::Overloaded, words, &[]))
    });
    let ((large, large_env), (wordy, wordy_env)) = (large.start().await, wordy.start().await);
    let net = Net::new(3);
    let home = net.home(0);
    let seeds = vec![large.clone(), wordy.clone()];
    let node = Node::start_with(home.path(), vision_chain::Config { seeds, ..Default::default() });
    let line = wait_for_line(&["WARN", "seed", &large]).await;
    assert!(line.contains("MessageTooLarge"), "{line:.600}");
    let line = wait_for_line(&["WARN", "seed", &wordy]).await;
    assert!(line.contains("forged") && line.chars().count() < 500, "{line:.600}");
    assert_eq!(lines().with(&[FORGED]).iter().filter(|line| line.starts_with(FORGED)).count(), 0);
    node.stop().await;
    large_env.drain.begin();
    wordy_env.drain.begin();
}

/// Starts a node, one that calls it, and a copy of that one's home, which calls it too.
async fn run_twice(net: &Net, number: usize, accept: vision_chain::Accepts) -> [Node; 3] {
    let (home, other_home) = (net.home(number), net.home(number - 1));
    let with =
        |seeds: Vec<String>| vision_chain::Config { seeds, accept_addresses: accept, ..Default::default() };
    let other = Node::start_with(other_home.path(), with(Vec::new()));
    let client = other.client().await;
    let seeds = vec![format!("127.0.0.1:{}", other.p2p)];
    let original = Node::start_with(home.path(), with(seeds.clone()));
    wait_until("the original is there", || {
        let mut client = client.clone();
        async move {
            let request = vision_wire::chain::ListPeersRequest {};
            client.list_peers(request).await.expect("peers").into_inner().peers.len() == 1
        }
    })
    .await;
    original.client().await;
    let copied = crashed(home.path());
    let copy = Node::start_with(copied.path(), with(seeds));
    copy.client().await;
    [other, original, copy]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_run_twice_is_named_and_calls_less_and_less_often() {
    lines();
    let net = Net::new(3);
    let nodes = run_twice(&net, 1, vision_chain::Accepts::Routable).await;
    let id = net.keys.keys().nth(1).expect("a key").to_string();
    // The copy says it, and the node that both call.
    let line = wait_for_line(&["WARN", "identity", "this node", &id]).await;
    assert!(line.contains("PEER_ALREADY_CONNECTED"), "{line}");
    wait_for_line(&["WARN", "identity", "another node", &id]).await;
    let other = net.keys.keys().next().expect("a key").to_string();
    let ends = lines().with(&["peer disconnected", "PEER_ALREADY_CONNECTED", &other]).len();
    assert!((1..=8).contains(&ends), "{ends} connections that ended at once");
    for node in nodes {
        node.stop().await;
    }
    for who in ["this node", "another node"] {
        assert_eq!(lines().with(&["WARN", "identity", who, &id]).len(), 1, "once a minute is enough");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_run_twice_is_named_by_the_original_too_once_they_meet() {
    lines();
    let net = Net::new(3);
    let nodes = run_twice(&net, 2, vision_chain::Accepts::Any).await;
    let id = net.keys.keys().nth(2).expect("a key").to_string();
    for node in &nodes[1..] {
        wait_for_line(&["WARN", "has proven it", &id, &format!(":{}\"", node.p2p)]).await;
    }
    for node in nodes {
        node.stop().await;
    }
}
