//! Every unary method that has a route, called both ways: by gRPC and by REST.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::Node;
use tonic::transport::Channel;
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::{get_block_request::Id, get_producers_request::At, *};
use vision_wire::producer::GetMiningStatusRequest;
use vision_wire::producer::producer_service_client::ProducerServiceClient;
use vision_wire::rest::api;
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetNetworkHealthRequest, HealthReason};

type Chain = ChainServiceClient<Channel>;

/// What was compared.
struct Compared<'a> {
    node: &'a Node,
    methods: BTreeSet<String>,
}

impl Compared<'_> {
    /// Whether the answer at a path has these members with these values.
    async fn at(&mut self, method: &str, path: &str, expect: Value) {
        let answer = self.node.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        self.reported(method, &answer.json(), &expect);
    }

    fn reported(&mut self, method: &str, reported: &Value, expect: &Value) {
        for (name, value) in expect.as_object().expect("an object") {
            assert_eq!(&reported[name], value, "{method}: {name}");
        }
        self.methods.insert(method.to_owned());
    }
}

fn peer(peer: &Peer) -> Value {
    json!({
        "node_id": peer.node_id, "address": peer.address,
        "state": peer.state().as_str_name().to_lowercase().replace("state_", ""), "height": peer.height,
        "tip_hash": peer.tip_hash, "rtt_ms": peer.rtt_ms, "clock_offset_ms": peer.clock_offset_ms,
        "version": peer.version, "inbound": peer.inbound, "last_status_at_ms": peer.last_status_at_ms,
        "charge": peer.charge,
    })
}

fn producer(producer: &Producer) -> Value {
    json!({
        "node_id": producer.node_id, "public_key": producer.public_key, "payout": producer.payout,
        "status": producer.status().as_str_name().to_lowercase().replace("status_", ""),
        "missed": producer.missed, "suspensions": producer.suspensions,
        "suspended_at": producer.suspended_at, "may_return_at": producer.may_return_at,
    })
}

/// What the route says for a value of an enum.
fn word(name: &str) -> String {
    name.split_once('_').expect("the enum's name before").1.to_lowercase()
}

/// Without what is absent, which routes leave out.
fn present(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

fn known_node(node: &vision_wire::chain::Node) -> Value {
    present(json!({
        "node_id": node.node_id, "name": node.name, "role": word(node.role().as_str_name()),
        "this_node": node.this_node, "address": node.address, "connected": node.connected,
        "height": node.height, "behind": node.behind, "peers": node.peers,
        "clock_offset_ms": node.clock_offset_ms, "rtt_ms": node.rtt_ms, "version": node.version,
        "eligible": node.eligible, "not_eligible_because": node.not_eligible_because,
        "last_block_height": node.last_block_height, "last_block_at_ms": node.last_block_at_ms,
        "last_seen_at_ms": node.last_seen_at_ms, "lost_at_ms": node.lost_at_ms, "missed": node.missed,
        "suspended_at": node.suspended_at, "may_return_at": node.may_return_at, "page_url": node.page_url,
        "pending": node.pending,
    }))
}

fn tree_block(block: &TreeBlock) -> Value {
    present(json!({
        "height": block.height, "hash": block.hash, "parent": block.parent, "producer": block.producer,
        "slot": block.slot, "timestamp_ms": block.timestamp_ms, "canonical": block.canonical,
        "finalized": block.finalized, "arrived_ms": block.arrived_ms,
        "replaced_at_ms": block.replaced_at_ms, "replaced_because": block.replaced_because,
    }))
}

fn propagation(node: &Propagation) -> Value {
    let sample = |sample: &PropagationSample| json!({"height": sample.height, "delay_ms": sample.delay_ms});
    json!({
        "node_id": node.node_id, "samples": node.samples.iter().map(sample).collect::<Vec<_>>(),
        "median_ms": node.median_ms, "p95_ms": node.p95_ms,
    })
}

/// The nodes, how long blocks take to them, and the tree.
async fn network(compared: &mut Compared<'_>, chain: &mut Chain) {
    let nodes = chain.list_nodes(ListNodesRequest {}).await.expect("answers").into_inner().nodes;
    let expect = json!({"nodes": nodes.iter().map(known_node).collect::<Vec<_>>()});
    compared.at("vision.chain.v1.ChainService/ListNodes", "/api/nodes", expect).await;

    let nodes = chain.get_propagation(GetPropagationRequest {}).await.expect("answers").into_inner().nodes;
    let expect = json!({"nodes": nodes.iter().map(propagation).collect::<Vec<_>>()});
    compared.at("vision.chain.v1.ChainService/GetPropagation", "/api/chain/propagation", expect).await;

    for heights in [0, 1, 64] {
        let tree = chain.get_fork_tree(GetForkTreeRequest { heights }).await.expect("answers").into_inner();
        let expect = json!({"blocks": tree.blocks.iter().map(tree_block).collect::<Vec<_>>()});
        let query = if heights == 0 { String::new() } else { format!("?heights={heights}") };
        let path = format!("/api/chain/tree{query}");
        compared.at("vision.chain.v1.ChainService/GetForkTree", &path, expect).await;
    }
    for heights in ["0", "65", "-1", "x", ""] {
        let answer = compared.node.get(&format!("/api/chain/tree?heights={heights}")).await;
        let reported = (answer.status, answer.json()["reason"].clone());
        assert_eq!(reported, (400, json!("INVALID_PARAMETER")), "{heights}");
    }
}

/// What the chain is, and who may make its blocks.
async fn chain_and_producers(compared: &mut Compared<'_>, chain: &mut Chain) {
    let info = chain.get_chain_info(GetChainInfoRequest {}).await.expect("answers").into_inner();
    let params = info.parameters.expect("sent");
    let mut expect = json!({
        "chain_id": info.chain_id, "genesis_hash": info.genesis_hash,
        "genesis_time_ms": info.genesis_time_ms, "entropy": info.entropy, "finality": info.finality,
        "block_reward": params.block_reward.to_string(), "min_fee": params.min_fee.to_string(),
    });
    for (name, value) in
        info.params.iter().filter(|(name, _)| !["block_reward", "min_fee"].contains(&name.as_str()))
    {
        expect[name] = (*value).into();
    }
    compared.at("vision.chain.v1.ChainService/GetChainInfo", "/api/chain/params", expect).await;

    let registry = GetProducersRequest { at: Some(At::Height(3)) };
    let registry = chain.get_producers(registry).await.expect("answers").into_inner();
    let expect = json!({
        "height": registry.height, "hash": registry.hash, "active": registry.active,
        "pool_root": registry.pool_root,
        "registered": registry.registered.iter().map(producer).collect::<Vec<_>>(),
        "candidates": registry.candidates.iter().map(producer).collect::<Vec<_>>(),
        "registered_root": registry.registered_root,
    });
    compared.at("vision.chain.v1.ChainService/GetProducers", "/api/chain/producers?height=3", expect).await;
}

/// Blocks, one by one and as a list.
async fn blocks(compared: &mut Compared<'_>, chain: &mut Chain) {
    let node = compared.node;
    for id in [Id::Height(4), Id::Hash(node.chain.block(4).hash().to_string())] {
        let path = match &id {
            Id::Height(height) => format!("/api/chain/blocks/{height}"),
            Id::Hash(hash) => format!("/api/chain/blocks/{hash}"),
        };
        let request = GetBlockRequest { id: Some(id), without_transactions: false };
        let block = chain.get_block(request).await.expect("answers").into_inner().block.expect("sent");
        let expect = json!({
            "hash": block.hash, "height": block.height, "tx_count": block.tx_count,
            "canonical": block.canonical, "finalized": block.finalized, "size_bytes": block.size_bytes,
        });
        compared.at("vision.chain.v1.ChainService/GetBlock", &path, expect).await;
    }

    let request = ListBlocksRequest { from_height: 2, page_size: 2, ..ListBlocksRequest::default() };
    let page = chain.list_blocks(request).await.expect("answers").into_inner();
    let reported = node.get("/api/chain/blocks?from=2&limit=2").await.json();
    let hashes = |blocks: &Value| -> Vec<Value> {
        blocks.as_array().expect("a list").iter().map(|block| block["hash"].clone()).collect()
    };
    let expect: Vec<Value> = page.blocks.iter().map(|block| block.hash.clone().into()).collect();
    compared.reported(
        "vision.chain.v1.ChainService/ListBlocks",
        &json!({"hashes": hashes(&reported["blocks"])}),
        &json!({"hashes": expect}),
    );
}

/// A transaction that is submitted, and one that is in a block.
async fn transactions(compared: &mut Compared<'_>, chain: &mut Chain) {
    let node = compared.node;
    let signed = node.chain.block(4).transactions()[0].bytes().to_vec();
    let request = SubmitTransactionRequest { transaction: signed.clone().into(), wait: false };
    let taken = chain.submit_transaction(request).await.expect("answers").into_inner();
    let body = json!({"transaction": hex::encode(&signed)}).to_string();
    let reported = node.post("/api/transactions", &body).await;
    assert_eq!(reported.status, 202, "{reported:?}");
    let expect = json!({"hash": taken.hash, "status": "pending"});
    compared.reported("vision.chain.v1.ChainService/SubmitTransaction", &reported.json(), &expect);

    let hash = node.chain.block(4).transactions()[1].hash().to_string();
    let request = GetTransactionRequest { hash: hash.clone(), with_proof: false };
    let found =
        chain.get_transaction(request).await.expect("answers").into_inner().transaction.expect("sent");
    let Some(Place::Included(included)) = found.place else { panic!("{found:?}") };
    let expect = json!({
        "hash": found.hash, "status": "included", "height": included.height,
        "block_hash": included.block_hash, "index": included.index, "finalized": included.finalized,
    });
    let path = format!("/api/transactions/{hash}");
    compared.at("vision.chain.v1.ChainService/GetTransaction", &path, expect).await;
}

/// Those of a sender, and those that wait.
async fn lists_of_transactions(compared: &mut Compared<'_>, chain: &mut Chain) {
    let node = compared.node;
    let sender = node.chain.keys[0].public_key().id().to_string();
    let request = ListTransactionsRequest {
        sender: sender.clone(),
        page_size: 2,
        ..ListTransactionsRequest::default()
    };
    let page = chain.list_transactions(request).await.expect("answers").into_inner();
    let reported = node.get(&format!("/api/transactions?sender={sender}&limit=2")).await.json();
    let hashes: Vec<Value> =
        reported["transactions"].as_array().expect("a list").iter().map(|one| one["hash"].clone()).collect();
    let expect: Vec<Value> = page.transactions.iter().map(|one| one.hash.clone().into()).collect();
    let reported = json!({"hashes": hashes, "up_to_height": reported["up_to_height"]});
    let expect = json!({"hashes": expect, "up_to_height": page.up_to_height});
    compared.reported("vision.chain.v1.ChainService/ListTransactions", &reported, &expect);

    let waiting =
        chain.list_pending(ListPendingRequest { page_size: 50 }).await.expect("answers").into_inner();
    let hashes: Vec<&str> = waiting.transactions.iter().map(|one| one.hash.as_str()).collect();
    let reported = node.get("/api/transactions/pending").await.json();
    let expect = json!({
        "count": waiting.count, "bytes": waiting.bytes, "oldest_since_ms": waiting.oldest_since_ms,
        "hashes": hashes,
    });
    let shown: Vec<Value> =
        reported["transactions"].as_array().expect("a list").iter().map(|one| one["hash"].clone()).collect();
    let mut reported = reported;
    reported["hashes"] = shown.into();
    compared.reported("vision.chain.v1.ChainService/ListPending", &reported, &expect);
}

/// An account with its proof, and the peers.
async fn accounts_and_peers(compared: &mut Compared<'_>, chain: &mut Chain) {
    let address = "ab".repeat(32);
    let request = GetAccountRequest { address: address.clone(), with_proof: true };
    let account = chain.get_account(request).await.expect("answers").into_inner();
    let proof = account.proof.expect("asked for");
    let expect = json!({
        "address": account.address, "balance": account.balance.to_string(), "nonce": account.nonce,
        "pending_nonce": account.pending_nonce, "height": account.height, "proof": {
            "genesis_hash": proof.genesis_hash, "header": hex::encode(&proof.header),
            "block_hash": proof.block_hash, "state_root": proof.state_root,
            "account_proof": hex::encode(&proof.account_proof), "signature": hex::encode(&proof.signature),
            "producer": proof.producer, "producer_public_key": proof.producer_public_key,
        },
    });
    let path = format!("/api/accounts/{address}?proof=true");
    compared.at("vision.chain.v1.ChainService/GetAccount", &path, expect).await;

    let peers = chain.list_peers(ListPeersRequest {}).await.expect("answers").into_inner().peers;
    let expect = json!({"peers": peers.iter().map(peer).collect::<Vec<_>>()});
    compared.at("vision.chain.v1.ChainService/ListPeers", "/api/peers", expect).await;
}

/// The slots of a height, and who made the last blocks.
async fn slots(compared: &mut Compared<'_>, chain: &mut Chain) {
    let request = GetSlotsRequest { height: Some(4), slots: vec![0, 9] };
    let slots = chain.get_slots(request).await.expect("answers").into_inner();
    let slot = |slot: &Slot| {
        json!({
            "slot": slot.slot, "node_id": slot.node_id, "opens_at_ms": slot.opens_at_ms,
            "jitter_ms": slot.jitter_ms, "closes_at_ms": slot.closes_at_ms, "draw": slot.draw,
            "lap": slot.lap, "place": slot.place, "picked": slot.picked,
        })
    };
    let expect = json!({
        "chain_id": slots.chain_id, "height": slots.height, "parent": slots.parent, "seed": slots.seed,
        "parent_timestamp_ms": slots.parent_timestamp_ms, "entropy": slots.entropy,
        "epoch_salt": slots.epoch_salt, "active": slots.active, "registered": slots.registered,
        "slots": slots.slots.iter().map(slot).collect::<Vec<_>>(),
    });
    let path = "/api/mining/schedule?height=4&slots=0,9";
    compared.at("vision.chain.v1.ChainService/GetSlots", path, expect).await;

    let statistics =
        chain.get_statistics(GetStatisticsRequest { window: 3 }).await.expect("answers").into_inner();
    let row = |row: &ProducerStatistics| {
        json!({
            "node_id": row.node_id, "primary": row.primary, "backup": row.backup, "tail": row.tail,
            "missed": row.missed, "rewards": row.rewards, "share": row.share,
            "expected_share": row.expected_share,
        })
    };
    let expect = json!({
        "from_height": statistics.from_height, "to_height": statistics.to_height,
        "blocks": statistics.blocks, "producers": statistics.producers.iter().map(row).collect::<Vec<_>>(),
        "interval_median_ms": statistics.interval_median_ms, "interval_max_ms": statistics.interval_max_ms,
    });
    compared.at("vision.chain.v1.ChainService/GetStatistics", "/api/mining/stats?window=3", expect).await;
}

/// What the producer service says.
async fn mining(compared: &mut Compared<'_>, producer: &mut ProducerServiceClient<Channel>) {
    let status = producer.get_mining_status(GetMiningStatusRequest {}).await.expect("answers");
    let status = status.into_inner().status.expect("sent");
    let expect = json!({
        "next_height": status.next_height, "current_winner": status.current_winner, "backups": status.backups,
        "my_node_id": status.my_node_id, "my_slot": status.my_slot, "eligible": status.eligible,
        "local_height": status.local_height, "ready_peers": status.ready_peers,
    });
    compared.at("vision.producer.v1.ProducerService/GetMiningStatus", "/api/mining/status", expect).await;
}

/// What the sync-oracle service says.
async fn health(compared: &mut Compared<'_>, oracle: &mut SyncOracleServiceClient<Channel>) {
    let health = oracle.get_network_health(GetNetworkHealthRequest {}).await.expect("answers").into_inner();
    let health = health.health.expect("sent");
    let this_node = health.this_node.as_ref().expect("sent");
    let reason = |reason: &HealthReason| {
        json!({
            "code": reason.code, "node_id": reason.node_id, "since_ms": reason.since_ms,
            "text": reason.text, "remedy": reason.remedy,
        })
    };
    let expect = json!({
        "state": word(health.state().as_str_name()), "headline": health.headline,
        "reasons": health.reasons.iter().map(reason).collect::<Vec<_>>(), "producing": health.producing,
        "registered": health.registered, "height": health.height, "finalized_height": health.finalized_height,
        "last_block_at_ms": health.last_block_at_ms, "interval_median_ms": health.interval_median_ms,
        "spare": health.spare, "this_node": {
            "eligible": this_node.eligible, "not_eligible_because": this_node.not_eligible_because,
            "remedy": this_node.remedy,
        },
    });
    compared
        .at("vision.sync_oracle.v1.SyncOracleService/GetNetworkHealth", "/api/network/health", expect)
        .await;
}

#[tokio::test]
async fn every_unary_method_with_a_route_answers_alike_both_ways() {
    let node = Node::start().await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    let channel = |server: &Option<support::Running>| {
        let address = server.as_ref().expect("running").address;
        vision_wire::connect_lazy(&format!("http://{address}")).expect("a URL")
    };
    let mut chain = ChainServiceClient::new(channel(&node.chain_server));
    let mut compared = Compared { node: &node, methods: BTreeSet::new() };

    chain_and_producers(&mut compared, &mut chain).await;
    blocks(&mut compared, &mut chain).await;
    transactions(&mut compared, &mut chain).await;
    lists_of_transactions(&mut compared, &mut chain).await;
    accounts_and_peers(&mut compared, &mut chain).await;
    slots(&mut compared, &mut chain).await;
    mining(&mut compared, &mut ProducerServiceClient::new(channel(&node.producer_server))).await;
    network(&mut compared, &mut chain).await;
    health(&mut compared, &mut SyncOracleServiceClient::new(channel(&node.oracle_server))).await;

    let unary = api().routes().iter().filter(|route| !route.is_stream()).map(|route| route.method.clone());
    assert_eq!(compared.methods, unary.collect(), "compare the new one, too");
}
