//! The services around a producer, played over real gRPC, and the producer beside them.
#![allow(dead_code, reason = "each test file uses a part")]

#[allow(unused_imports, reason = "each test file uses a part")]
pub use chain::{header, schedule};

mod chain;
mod facts;
mod others;

pub use facts::{Facts, Mood, Stored, fast};
#[allow(unused_imports, reason = "each test file uses a part")]
pub use vision_test_support::{PATIENCE, eventually};

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tonic::Status;
use tonic::transport::Channel;
use vision_host::server::GrpcServer;
use vision_host::{Env, Health};
use vision_producer::{Config, Error, serve};
use vision_test_support::{FakeChain, Process, free_address};
use vision_wire::producer::producer_service_client::ProducerServiceClient;
use vision_wire::producer::{Claim, GetMiningStatusRequest, ListClaimsRequest, MiningStatus};
use vision_wire::selection::selection_service_server::SelectionServiceServer;
use vision_wire::sync_oracle::sync_oracle_service_server::SyncOracleServiceServer;
use vision_wire::{connect_lazy, deadline};

/// The three services of the world.
pub struct World {
    pub facts: Arc<Facts>,
    addresses: [SocketAddr; 3],
    pub chain: Option<Process>,
    pub oracle: Option<Process>,
    pub selection: Option<Process>,
}

impl World {
    pub fn start(facts: Arc<Facts>) -> Self {
        let addresses = [free_address(), free_address(), free_address()];
        let mut world = Self { facts, addresses, chain: None, oracle: None, selection: None };
        world.start_chain();
        world.start_oracle();
        world.start_selection();
        world
    }

    pub fn start_chain(&mut self) {
        let service = FakeChain(chain::TrustingChain(Arc::clone(&self.facts))).into_service();
        self.chain = Some(Process::start(self.addresses[0], GrpcServer::new(&Health::new()).add(service)));
    }

    pub fn start_oracle(&mut self) {
        let service = SyncOracleServiceServer::new(others::FakeOracle(Arc::clone(&self.facts)));
        self.oracle = Some(Process::start(self.addresses[1], GrpcServer::new(&Health::new()).add(service)));
    }

    pub fn start_selection(&mut self) {
        let service = SelectionServiceServer::new(others::FakeSelection(Arc::clone(&self.facts)));
        self.selection =
            Some(Process::start(self.addresses[2], GrpcServer::new(&Health::new()).add(service)));
    }

    pub fn config(&self) -> Config {
        let [chain, sync_oracle, selection] = self.addresses.map(|address| format!("http://{address}"));
        Config { grpc_listen: free_address().into(), chain, sync_oracle, selection, mining_tick_ms: 50 }
    }

    /// Starts the producer of this home.
    pub fn producer(&self, home: &Path) -> Running {
        let config = self.config();
        let env = Env::new(home, "test");
        let channel = connect_lazy(&format!("http://{}", config.grpc_listen)).expect("a URL");
        let serving = tokio::spawn(serve(config, env.clone()));
        Running { env, channel, serving: Some(serving) }
    }

    pub async fn until_height(&self, height: u64) {
        eventually(&format!("height {height}"), || async { (self.facts.height() >= height).then_some(()) })
            .await;
    }
}

/// A running producer.
pub struct Running {
    pub env: Env,
    pub channel: Channel,
    serving: Option<tokio::task::JoinHandle<Result<(), Error>>>,
}

impl Running {
    pub fn client(&self) -> ProducerServiceClient<Channel> {
        ProducerServiceClient::new(self.channel.clone())
    }

    pub async fn status(&self) -> Result<MiningStatus, Status> {
        let answer = self.client().get_mining_status(deadline(GetMiningStatusRequest {})).await?;
        Ok(answer.into_inner().status.expect("a status"))
    }

    /// Waits for a status that fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&MiningStatus) -> bool) -> MiningStatus {
        eventually(what, || async { self.status().await.ok().filter(&fits) }).await
    }

    pub async fn claims(&self, request: ListClaimsRequest) -> (Vec<Claim>, String) {
        let answer = self.client().list_claims(deadline(request)).await.expect("claims").into_inner();
        (answer.claims, answer.next_page_token)
    }

    /// Why the service does not serve; empty when it does, `None` when it does not answer.
    pub async fn not_serving(&self) -> Option<String> {
        let mut client = tonic_health_client(&self.channel);
        let request = deadline(tonic_health::pb::HealthCheckRequest {
            service: "vision.producer.v1.ProducerService".into(),
        });
        let answer = client.check(request).await.ok()?;
        let because = answer.metadata().get("vision-not-serving-because").cloned();
        let serving = answer.into_inner().status == 1;
        Some(match because {
            Some(because) => String::from_utf8_lossy(because.as_bytes()).into_owned(),
            None if serving => String::new(),
            None => "?".into(),
        })
    }

    /// Waits until the health says so; an empty text means serving.
    pub async fn until_health(&self, what: &str, part: &str) {
        eventually(what, || async {
            let because = self.not_serving().await?;
            (if part.is_empty() { because.is_empty() } else { because.contains(part) }).then_some(())
        })
        .await;
    }

    /// How it ends.
    pub async fn ended(mut self) -> Result<(), Error> {
        let serving = self.serving.take().expect("running");
        tokio::time::timeout(PATIENCE, serving).await.expect("it ends in time").expect("no panic")
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.env.drain.begin();
        self.ended().await.expect("no error");
    }
}

fn tonic_health_client(channel: &Channel) -> tonic_health::pb::health_client::HealthClient<Channel> {
    tonic_health::pb::health_client::HealthClient::new(channel.clone())
}

impl Drop for Running {
    fn drop(&mut self) {
        self.env.drain.begin();
    }
}
