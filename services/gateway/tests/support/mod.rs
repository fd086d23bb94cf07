//! The four services as fakes on loopback, and a small HTTP client.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod chain;
pub mod http;
pub mod network;
pub mod others;
mod played;
pub mod pool;
pub mod sse;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vision_gateway::Config;
use vision_host::server::GrpcServer;
use vision_host::{Env, Health};

pub const SOON: Duration = Duration::from_secs(20);

/// A running server that ends with this value.
pub struct Running {
    pub address: SocketAddr,
    pub health: Health,
    pub env: Env,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Starts a fake; `build` adds its service.
    pub async fn fake(address: SocketAddr, build: impl FnOnce(GrpcServer) -> GrpcServer) -> Self {
        let (health, env) = (Health::new(), Env::new("/nowhere", "test"));
        let server = build(GrpcServer::new(&health));
        health.set_serving();
        let listener = rebind(address.to_string()).await;
        let address = listener.local_addr().expect("bound");
        let inner = env.clone();
        let task = tokio::spawn(async move { server.serve(listener, &inner).await.expect("serves") });
        Self { address, health, env, task }
    }

    /// Ends it as a crash would; gives the address back for a restart.
    pub async fn kill(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.address
    }

    /// Stops it in order.
    pub async fn stop(mut self) {
        self.env.drain.begin();
        tokio::time::timeout(SOON, &mut self.task).await.expect("stops in time").expect("no panic");
    }
}

async fn rebind(address: String) -> TcpListener {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        match TcpListener::bind(&address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{address}: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

/// A node of fakes with a real gateway before them.
pub struct Node {
    pub chain: chain::FakeChain,
    pub producer: others::FakeProducer,
    pub chain_server: Option<Running>,
    pub oracle_server: Option<Running>,
    pub selection_server: Option<Running>,
    pub producer_server: Option<Running>,
    pub gateway: Running,
}

pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

impl Node {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// With another configuration of the gateway.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let chain = chain::FakeChain::new();
        let producer = others::FakeProducer::new();
        let chain_server = chain.serve(ANY).await;
        let oracle_server = others::serve_oracle(ANY).await;
        let selection_server = others::serve_selection(ANY).await;
        let producer_server = producer.serve(ANY).await;
        let url = |server: &Running| format!("http://{}", server.address);
        let mut config = Config {
            listen: ANY.into(),
            chain: url(&chain_server),
            sync_oracle: url(&oracle_server),
            selection: url(&selection_server),
            producer: url(&producer_server),
            // All callers of a test share one address.
            max_connections_per_address: 512,
            ..Config::default()
        };
        change(&mut config);
        let gateway = start_gateway(config).await;
        Self {
            chain,
            producer,
            chain_server: Some(chain_server),
            oracle_server: Some(oracle_server),
            selection_server: Some(selection_server),
            producer_server: Some(producer_server),
            gateway,
        }
    }

    /// `GET path` once.
    pub async fn get(&self, path: &str) -> http::Answer {
        http::request(self.gateway.address, "GET", path).await
    }

    /// `POST path` with a body.
    pub async fn post(&self, path: &str, body: &str) -> http::Answer {
        http::post(self.gateway.address, path, body).await
    }

    /// `GET path` until the answer is as wanted.
    pub async fn get_until(&self, path: &str, wanted: impl Fn(&http::Answer) -> bool) -> http::Answer {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(tokio::time::Instant::now() < deadline, "{path} stays {answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Lets one client have so many requests, and so many that wait for a block.
pub fn allow_one_client(requests: u32, waits: u32) -> impl FnOnce(&mut Config) {
    let count = |count: u32| count.try_into().expect("one at least");
    move |config| {
        config.max_requests_per_client = count(requests);
        config.max_waits_per_client = count(waits);
    }
}

pub async fn start_gateway(config: Config) -> Running {
    let listener = rebind(config.listen.to_string()).await;
    let address = listener.local_addr().expect("bound");
    let (health, env) = (Health::new(), Env::new("/nowhere", "1.2.3"));
    let inner = env.clone();
    let task =
        tokio::spawn(async move { vision_gateway::serve_on(listener, config, inner).await.expect("serves") });
    Running { address, health, env, task }
}
