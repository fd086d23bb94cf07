//! The faces of a node as seen from this machine: REST, gRPC, and the status page of the P2P port.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tonic::transport::{Channel, Endpoint};
use vision_host::health;
use vision_wire::chain::GetHeadRequest;
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::producer::producer_service_client::ProducerServiceClient;
use vision_wire::producer::{Claim, GetMiningStatusRequest, ListClaimsRequest, MiningStatus};
use vision_wire::selection::selection_service_client::SelectionServiceClient;
use vision_wire::selection::{GetScheduleRequest, ScheduledSlot};
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetSnapshotRequest, Snapshot};
use vision_wire::{call, deadline};

use crate::block::{Block, Mining, Page, Producers, Schedule, Status};
use crate::failure::{Failure, Outcome};
use crate::rest::{self, Answer, CALLER};

/// Longest wait for a health check.
const HEALTH_DEADLINE: Duration = Duration::from_secs(3);
/// How often a silent connection is asked for a sign of life.
const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// Blocks of one page.
const PAGE_BLOCKS: u64 = 200;

/// The five services of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// Blocks, state, peers.
    Chain,
    /// Proof-of-Sync.
    SyncOracle,
    /// Slots.
    Selection,
    /// The key and the acts.
    Producer,
    /// REST.
    Gateway,
}

impl Service {
    /// All of them, callees before callers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Chain, Self::SyncOracle, Self::Selection, Self::Producer, Self::Gateway];

    /// Its name in compose and in `/readyz`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::SyncOracle => "sync-oracle",
            Self::Selection => "selection",
            Self::Producer => "producer",
            Self::Gateway => "gateway",
        }
    }

    /// Its name in `grpc.health.v1`.
    pub(crate) const fn health_name(self) -> &'static str {
        match self {
            Self::Chain => "vision.chain.v1.ChainService",
            Self::SyncOracle => "vision.sync_oracle.v1.SyncOracleService",
            Self::Selection => "vision.selection.v1.SelectionService",
            Self::Producer => "vision.producer.v1.ProducerService",
            Self::Gateway => "vision.gateway",
        }
    }
}

/// One of the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// `node1` …
    pub name: String,
    /// Its id; empty until it was asked.
    pub id: String,
    number: u16,
}

impl Node {
    /// The node of a number, from 1 on.
    pub(crate) fn new(number: u16) -> Self {
        Self { name: format!("node{number}"), id: String::new(), number }
    }

    /// The nodes of the first numbers.
    pub(crate) fn first(count: u16) -> Vec<Self> {
        (1..=count).map(Self::new).collect()
    }

    /// Published REST port.
    pub(crate) const fn rest_port(&self) -> u16 {
        8079 + self.number
    }

    /// Published P2P port.
    pub(crate) const fn p2p_port(&self) -> u16 {
        7071 + self.number
    }

    /// Published port of a service.
    pub(crate) const fn port(&self, service: Service) -> u16 {
        let first = 50_041 + 10 * self.number;
        match service {
            Service::Chain => first,
            Service::SyncOracle => first + 1,
            Service::Selection => first + 2,
            Service::Producer => first + 3,
            Service::Gateway => self.rest_port(),
        }
    }

    /// Every published port.
    pub(crate) fn ports(&self) -> Vec<u16> {
        Service::ALL.iter().map(|service| self.port(*service)).chain([self.p2p_port()]).collect()
    }

    /// Compose name of one of its services.
    pub(crate) fn container(&self, service: Service) -> String {
        format!("{}-{}", self.name, service.name())
    }

    /// Compose names of all its services.
    pub(crate) fn containers(&self) -> Vec<String> {
        Service::ALL.iter().map(|service| self.container(*service)).collect()
    }

    fn blame(&self, service: Service) -> impl Fn(Failure) -> Failure {
        let (name, container) = (self.name.clone(), self.container(service));
        move |failure| Failure::seen(format!("{name}: {}", failure.found())).about([container.clone()])
    }

    /// GETs from its gateway.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Answer> {
        rest::get(self.rest_port(), path).await.map_err(self.blame(Service::Gateway))
    }

    /// The JSON behind a path of its gateway, which must give it.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        let answer = self.get(path).await?;
        let failed = |why: String| Failure::seen(format!("{}{path}: {why}", self.name));
        if answer.status != 200 {
            let detail = answer.body["detail"].as_str().unwrap_or("no reason given");
            return Err(failed(format!("{} ({detail})", answer.status)));
        }
        serde_json::from_value(answer.body).map_err(|error| failed(error.to_string()))
    }

    /// `/api/status`.
    pub(crate) async fn status(&self) -> Outcome<Status> {
        self.ask("/api/status").await
    }

    /// The same page of the P2P port, which needs no other service than chain.
    pub(crate) async fn p2p_status(&self) -> Outcome<Status> {
        let answer = rest::get(self.p2p_port(), "/api/status").await.map_err(self.blame(Service::Chain))?;
        serde_json::from_value(answer.body)
            .map_err(|error| Failure::seen(format!("{}: its P2P status page: {error}", self.name)))
    }

    /// `/api/mining/status`.
    pub(crate) async fn mining(&self) -> Outcome<Mining> {
        self.ask("/api/mining/status").await
    }

    /// Pools and records after its head.
    pub(crate) async fn producers(&self) -> Outcome<Producers> {
        self.ask("/api/chain/producers").await
    }

    /// The schedule of the next height.
    pub(crate) async fn next_schedule(&self) -> Outcome<Schedule> {
        self.ask("/api/mining/schedule").await
    }

    /// The schedule of a block's height: slot 0, and the one that the block used.
    pub(crate) async fn schedule_of(&self, block: &Block) -> Outcome<Schedule> {
        self.ask(&format!("/api/mining/schedule?height={}&slots=0,{}", block.height, block.slot)).await
    }

    /// A block of its chain.
    pub(crate) async fn block(&self, height: u64) -> Outcome<Block> {
        self.ask(&format!("/api/chain/blocks/{height}")).await
    }

    /// Blocks of its chain from one height to another, both included; fewer if its head is below.
    pub(crate) async fn blocks(&self, from: u64, to: u64) -> Outcome<Vec<Block>> {
        let mut all: Vec<Block> = Vec::new();
        let mut next = from;
        while next <= to {
            let limit = (to - next + 1).min(PAGE_BLOCKS);
            let page: Page = self.ask(&format!("/api/chain/blocks?from={next}&limit={limit}")).await?;
            if page.blocks.is_empty() {
                break;
            }
            next += page.blocks.len() as u64;
            all.extend(page.blocks);
        }
        Ok(all)
    }

    /// The services that `/readyz` names as missing; none if it says that all serve.
    pub(crate) async fn missing(&self) -> Outcome<BTreeSet<String>> {
        let answer = self.get("/readyz").await?;
        if answer.status == 200 {
            return Ok(BTreeSet::new());
        }
        let named =
            answer.body["metadata"]["service"].as_str().map(|text| text.split(',').map(str::to_owned));
        let named = named.ok_or_else(|| {
            let text = format!("{}: /readyz: {} {}", self.name, answer.status, answer.body);
            Failure::seen(text).about([self.container(Service::Gateway)])
        })?;
        Ok(named.collect())
    }

    fn channel(port: u16) -> Outcome<Channel> {
        let url = format!("http://127.0.0.1:{port}");
        let endpoint = Endpoint::from_shared(url).map_err(|error| Failure::seen(error.to_string()))?;
        let endpoint = endpoint.local_address(Some(CALLER)).connect_timeout(HEALTH_DEADLINE);
        // A container that is paused keeps its connections: only a question without an answer shows it.
        Ok(endpoint.http2_keep_alive_interval(ALIVE_EVERY).keep_alive_while_idle(true).connect_lazy())
    }

    fn refused(&self, service: Service) -> impl Fn(tonic::Status) -> Failure {
        let blame = self.blame(service);
        move |status| blame(Failure::seen(status.message().to_owned()))
    }

    /// Fails unless a port says that a service behind it serves; an empty name asks for the port as a whole.
    pub(crate) async fn health(&self, port: u16, name: &str) -> Outcome {
        let answer = health::check(Self::channel(port)?, name, HEALTH_DEADLINE).await;
        answer.map_err(|why| Failure::seen(format!("{}: {name:?} at port {port}: {why}", self.name)))
    }

    /// A client of its chain service.
    pub(crate) fn chain(&self) -> Outcome<ChainServiceClient<Channel>> {
        Ok(ChainServiceClient::new(Self::channel(self.port(Service::Chain))?))
    }

    /// Height and hash of its head, from the chain service itself.
    pub(crate) async fn head(&self) -> Outcome<(u64, String)> {
        let answer = call("chain", self.chain()?.get_head(deadline(GetHeadRequest {}))).await;
        let head = answer.map_err(self.refused(Service::Chain))?.head;
        let head = head.ok_or_else(|| Failure::seen(format!("{}: an answer without a head", self.name)))?;
        Ok((head.height, head.hash))
    }

    /// The oracle's last snapshot.
    pub(crate) async fn snapshot(&self) -> Outcome<Snapshot> {
        let mut client = SyncOracleServiceClient::new(Self::channel(self.port(Service::SyncOracle))?);
        let answer = call("sync-oracle", client.get_snapshot(deadline(GetSnapshotRequest {}))).await;
        answer.map(|answer| answer.snapshot.unwrap_or_default()).map_err(self.refused(Service::SyncOracle))
    }

    /// The producer's own status.
    pub(crate) async fn mining_status(&self) -> Outcome<MiningStatus> {
        let mut client = ProducerServiceClient::new(Self::channel(self.port(Service::Producer))?);
        let answer = call("producer", client.get_mining_status(deadline(GetMiningStatusRequest {}))).await;
        answer.map(|answer| answer.status.unwrap_or_default()).map_err(self.refused(Service::Producer))
    }

    /// The producer's last claims, newest first.
    pub(crate) async fn claims(&self) -> Outcome<Vec<Claim>> {
        let mut client = ProducerServiceClient::new(Self::channel(self.port(Service::Producer))?);
        let request = deadline(ListClaimsRequest { page_size: 100, ..ListClaimsRequest::default() });
        let answer = call("producer", client.list_claims(request)).await;
        answer.map(|answer| answer.claims).map_err(self.refused(Service::Producer))
    }

    /// Asks its selection service.
    pub(crate) async fn select(&self, request: GetScheduleRequest) -> Outcome<Vec<ScheduledSlot>> {
        let mut client = SelectionServiceClient::new(Self::channel(self.port(Service::Selection))?);
        let answer = call("selection", client.get_schedule(deadline(request))).await;
        answer.map(|answer| answer.slots).map_err(self.refused(Service::Selection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_those_of_the_compose_file() {
        let cases = [
            (1, [50_051, 50_052, 50_053, 50_054, 8080, 7072]),
            (2, [50_061, 50_062, 50_063, 50_064, 8081, 7073]),
            (3, [50_071, 50_072, 50_073, 50_074, 8082, 7074]),
            (4, [50_081, 50_082, 50_083, 50_084, 8083, 7075]),
        ];
        for (number, expect) in cases {
            assert_eq!(Node::new(number).ports(), expect, "node {number}");
        }
        assert_eq!(Node::new(2).container(Service::SyncOracle), "node2-sync-oracle");
    }
}
