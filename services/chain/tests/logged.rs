//! What the log says of other nodes, and how often.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use support::{Net, Node, crashed, free_port, wait_until};
use tracing_subscriber::fmt::MakeWriter;

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
