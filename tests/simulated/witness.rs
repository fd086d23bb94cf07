//! Watches all nodes over gRPC from a machine that no fault touches, pays, and says what does not hold.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use tonic::{Code, Status};
use vision_host::Net;
use vision_primitives::{Action, Hash, Header, SecretKey, Transaction};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{
    BlockInfo, GetAccountRequest, GetAccountResponse, GetHeadRequest, GetTransactionRequest, Head,
    ListBlocksRequest, SubmitTransactionRequest, WatchBlocksRequest, WatchHeadRequest,
};
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetSnapshotRequest, Snapshot};
use vision_wire::watch::{Chance, WatchItem, resuming};
use vision_wire::{Connection, Recorder, call, connect, deadline};

use super::checks::{Checks, Seen};
use super::faults::Lots;
use super::home::{NODES, Network, name};
use super::wires::Wires;

/// Within this time after the faults all must be well.
const SETTLE: Duration = Duration::from_secs(40);
/// The chain must grow for so long after that.
const CALM: Duration = Duration::from_secs(8);
/// Blocks by which heads may differ: one is on its way.
const MAX_APART: u64 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time from one payment of an account to the next, milliseconds.
const PAYS_EVERY_MS: std::ops::Range<u64> = 300..2_000;
const PAGE_BLOCKS: u32 = 500;
const CHAIN: &str = "chain";

/// A node as seen from outside. Cheap to clone.
#[derive(Clone)]
struct Node {
    index: usize,
    chain: ChainServiceClient<Connection>,
    oracle: SyncOracleServiceClient<Connection>,
}

/// What all that watch share.
#[derive(Clone)]
struct Witness {
    network: Arc<Network>,
    checks: Arc<Mutex<Checks>>,
    nodes: Vec<Node>,
    chance: Chance,
}

/// What does not hold: of which node, which rule, what was seen.
type Fails = (usize, &'static str, String);

/// Watches a run to its end.
pub async fn watch(
    network: Arc<Network>,
    checks: Arc<Mutex<Checks>>,
    seed: u64,
    faults_end: Duration,
) -> turmoil::Result {
    let nodes = (0..NODES).map(Node::new).collect();
    let witness = Witness { network, checks, nodes, chance: Lots::new(seed).chance() };
    for node in witness.nodes.clone() {
        tokio::task::spawn_local(witness.clone().follow_heads(node.clone()));
        tokio::task::spawn_local(witness.clone().follow_blocks(node));
    }
    let mut paying = tokio::task::JoinSet::new();
    for (at, key) in witness.network.payers.iter().enumerate() {
        let lots = Lots::new(seed.wrapping_mul(1_000).wrapping_add(at as u64));
        paying.spawn_local(witness.clone().pay(key.clone(), lots));
    }
    tokio::time::sleep(faults_end).await;
    let settled = witness.settle().await;
    paying.shutdown().await;
    if settled {
        witness.grows().await;
        witness.look_at_the_end().await?;
    }
    Ok(())
}

impl Node {
    fn new(index: usize) -> Self {
        let (net, recorder): (_, Recorder) = (Net::simulated(Wires), Arc::new(|_, _, _| {}));
        let connect =
            |port: u16| connect(&format!("http://{}:{port}", name(index)), &recorder, &net).expect("a URL");
        Self {
            index,
            chain: ChainServiceClient::new(connect(50_051)).max_decoding_message_size(64 << 20),
            oracle: SyncOracleServiceClient::new(connect(50_052)),
        }
    }

    async fn head(&self) -> Result<Head, Status> {
        let answer = call(CHAIN, self.chain.clone().get_head(deadline(GetHeadRequest {}))).await?;
        answer.head.ok_or_else(|| Status::internal("no head"))
    }

    async fn snapshot(&self) -> Result<Snapshot, Status> {
        let asked = self.oracle.clone().get_snapshot(deadline(GetSnapshotRequest {})).await?;
        asked.into_inner().snapshot.ok_or_else(|| Status::internal("no snapshot"))
    }

    async fn account(&self, address: &Hash) -> Result<GetAccountResponse, Status> {
        let request = GetAccountRequest { address: address.to_string(), ..GetAccountRequest::default() };
        call(CHAIN, self.chain.clone().get_account(deadline(request))).await
    }

    /// Blocks of its chain from one height to another, both included.
    async fn blocks(&self, from: u64, to: u64) -> Result<Vec<Seen>, Status> {
        let mut blocks: Vec<Seen> = Vec::new();
        while (blocks.len() as u64) < (to + 1).saturating_sub(from) {
            let from_height = from + blocks.len() as u64;
            let left = u32::try_from(to + 1 - from_height).unwrap_or(u32::MAX);
            let page_size = left.min(PAGE_BLOCKS);
            let request = ListBlocksRequest { from_height, page_size, ..ListBlocksRequest::default() };
            let page = call(CHAIN, self.chain.clone().list_blocks(deadline(request))).await?.blocks;
            if page.is_empty() {
                break;
            }
            blocks.extend(page.into_iter().map(seen));
        }
        Ok(blocks)
    }
}

fn seen(block: BlockInfo) -> Seen {
    let BlockInfo { height, hash, parent, producer, state_root, .. } = block;
    Seen { height, hash, parent, producer, state_root }
}

impl Witness {
    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows what a node shows as its head, and reads what becomes final.
    async fn follow_heads(self, node: Node) {
        let client = node.chain.clone();
        let mut heads = pin!(resuming(CHAIN, &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_head(WatchHeadRequest { cursor }).await }
        }));
        let mut read = 0;
        while let Some(item) = heads.next().await {
            let WatchItem::Event(event) = item else { continue };
            let Some(head) = event.head else { continue };
            self.checks().head(node.index, head.height, head.finalized_height);
            // A node that is gone now is asked again at its next head.
            let Ok(blocks) = node.blocks(read + 1, head.finalized_height).await else { continue };
            for block in blocks {
                read = block.height;
                self.checks().is_final(node.index, &block);
            }
        }
    }

    /// Follows which blocks a node stores, on every branch.
    async fn follow_blocks(self, node: Node) {
        let client = node.chain.clone();
        let mut stored = pin!(resuming(CHAIN, &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_blocks(WatchBlocksRequest { cursor, producer: String::new() }).await }
        }));
        while let Some(item) = stored.next().await {
            let WatchItem::Event(event) = item else { continue };
            let Ok(header) = Header::from_bytes(&event.header) else { continue };
            let block = Seen {
                height: header.height.get(),
                hash: Header::hash_bytes(&self.network.genesis_hash, &event.header).to_string(),
                parent: header.parent.to_string(),
                producer: header.producer.to_string(),
                state_root: header.state_root.to_string(),
            };
            self.checks().block(node.index, &block);
        }
    }

    /// Pays from an account, now over this node and now over that one, and remembers what was accepted.
    async fn pay(self, key: SecretKey, lots: Lots) {
        let address = key.public_key().id();
        loop {
            tokio::time::sleep(Duration::from_millis(lots.draw(PAYS_EVERY_MS))).await;
            let node = &self.nodes[lots.draw(0..NODES as u64) as usize];
            let Ok(account) = node.account(&address).await else { continue };
            let to =
                self.network.payers[lots.draw(0..self.network.payers.len() as u64) as usize].public_key();
            let action = Action::Transfer { to: to.id(), amount: lots.draw(1..1_000) };
            let (nonce, fee) = (account.pending_nonce, lots.draw(1..10));
            let transfer = Transaction { sender: key.public_key(), nonce, fee, action };
            let signed = transfer.sign(&key, &self.network.genesis_hash);
            let request =
                SubmitTransactionRequest { transaction: signed.bytes().to_vec().into(), wait: false };
            if node.chain.clone().submit_transaction(deadline(request)).await.is_ok() {
                let hash = signed.hash();
                self.checks().acknowledged.insert(hash, node.index);
            }
        }
    }

    /// Whether all nodes come together in time.
    async fn settle(&self) -> bool {
        let end = turmoil::elapsed() + SETTLE;
        loop {
            let fails = match self.together().await.and(self.eligible().await) {
                Ok(()) => return true,
                Err(fails) => fails,
            };
            if turmoil::elapsed() >= end {
                let (node, rule, what) = fails;
                self.checks().broken(node, rule, what);
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// All nodes answer, and are on one chain, at its end.
    async fn together(&self) -> Result<u64, Fails> {
        let mut heights = Vec::new();
        for node in &self.nodes {
            let head = node.head().await.map_err(|status| (node.index, "down", status.to_string()))?;
            heights.push((head.height, node.index));
        }
        let (lowest, at) = heights.iter().min().copied().unwrap_or_default();
        let highest = heights.iter().max().map_or(0, |(height, _)| *height);
        if highest - lowest > MAX_APART {
            return Err((at, "one-head", format!("its head is at {lowest}, the highest at {highest}")));
        }
        let common = lowest.saturating_sub(1).max(1);
        let mut hashes = BTreeSet::new();
        for node in &self.nodes {
            let blocks = node.blocks(common, common).await;
            let blocks = blocks.map_err(|status| (node.index, "down", status.to_string()))?;
            hashes.extend(blocks.into_iter().map(|block| block.hash));
        }
        match hashes.len() {
            1 => Ok(lowest),
            others => Err((at, "one-head", format!("{others} blocks at height {common}"))),
        }
    }

    /// All nodes see that they are in sync.
    async fn eligible(&self) -> Result<(), Fails> {
        for node in &self.nodes {
            let snapshot = node.snapshot().await;
            let snapshot = snapshot.map_err(|status| (node.index, "down", status.to_string()))?;
            if !snapshot.eligible {
                return Err((node.index, "eligible", snapshot.not_eligible_because));
            }
        }
        Ok(())
    }

    /// The chain goes on.
    async fn grows(&self) {
        let before = self.checks().height;
        tokio::time::sleep(CALM).await;
        let after = match self.together().await {
            Ok(height) => height,
            Err((node, rule, what)) => return self.checks().broken(node, rule, what),
        };
        if after < before + 5 {
            let what = format!("from {before} to {after} in {} s", CALM.as_secs());
            self.checks().broken(0, "liveness", what);
        }
    }

    /// Nothing final is undone, nothing acknowledged is lost, and nothing is made or lost of what there is.
    async fn look_at_the_end(&self) -> Result<(), Status> {
        for node in &self.nodes {
            // What it was seen to have made final before it is asked.
            let finalized = self.checks().last_final(node.index);
            let chain = node.blocks(1, finalized).await?;
            self.checks().chain(node.index, finalized, &chain);
            let acknowledged: Vec<(Hash, usize)> =
                self.checks().acknowledged.iter().map(|(hash, node)| (*hash, *node)).collect();
            for (hash, _) in acknowledged.into_iter().filter(|(_, by)| *by == node.index) {
                let request = GetTransactionRequest { hash: hash.to_string(), with_proof: false };
                let asked = call(CHAIN, node.chain.clone().get_transaction(deadline(request))).await;
                match asked {
                    Ok(_) => {}
                    Err(status) if status.code() == Code::NotFound => {
                        self.checks().broken(node.index, "acknowledged", format!("{hash} is lost"));
                    }
                    Err(status) => return Err(status),
                }
            }
            self.sum(node).await?;
        }
        Ok(())
    }

    /// What all accounts of a node hold together, at one height.
    async fn sum(&self, node: &Node) -> Result<(), Status> {
        loop {
            let (mut heights, mut holdings) = (BTreeSet::new(), Vec::new());
            for address in self.network.accounts() {
                let account = node.account(&address).await?;
                heights.insert(account.height);
                holdings.push(account.balance);
            }
            // Its head has moved meanwhile.
            let Some(height) = heights.pop_first().filter(|_| heights.is_empty()) else { continue };
            let genesis = &self.network.genesis;
            let supply = genesis.accounts.iter().map(|account| account.balance).sum();
            self.checks().supply(node.index, (height, &holdings), supply, genesis.params.block_reward);
            return Ok(());
        }
    }
}
