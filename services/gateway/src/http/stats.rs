//! `GET /api/mining/stats`: how often each producer produced, and how often it should have.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use tonic::Status;
use vision_primitives::{ConsensusParams, Hash, Header, Height, NodeId, Pool, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain::GetProducersResponse;
use vision_wire::{Reason, parse_hash, status};

use super::query::{MAX_LIMIT, Params};
use super::{Answer, AppState, json};
use crate::adapters::Backends;
use crate::ports::{BlockId, ChainInfo};
use crate::views::decode_header;

/// How many of the newest blocks are counted.
const MAX_BLOCKS: u64 = 1000;
/// Most different pools among those blocks that are looked up; blocks under further ones are counted without
/// their misses.
const MAX_POOLS: usize = 64;

#[derive(Serialize)]
struct StatsView {
    from_height: u64,
    to_height: u64,
    blocks: u64,
    producers: Vec<ProducerStats>,
}

#[derive(Serialize)]
struct ProducerStats {
    node_id: NodeId,
    /// Blocks in slot 0.
    primary: u64,
    /// Blocks in slots 1 to m - 1.
    backup: u64,
    /// Blocks in slots from m on.
    tail: u64,
    /// Slots owned before the one that was used.
    missed: u64,
    /// Sum of the block rewards, without fees.
    rewards: String,
    /// Part of the blocks it produced.
    share: f64,
    /// Part of the primary slots it was due.
    expected_share: f64,
}

#[derive(Default, Clone)]
struct Count {
    primary: u64,
    backup: u64,
    tail: u64,
    missed: u64,
    /// Sum over blocks of one part in the size of the pool it belonged to.
    due: f64,
}

pub(super) async fn stats(State(state): State<AppState>, params: Params) -> Answer {
    params.allow(&[])?;
    let backends = &state.backends;
    let (info, head) = tokio::try_join!(backends.chain_info(), backends.head())?;
    let from = head.height.saturating_sub(MAX_BLOCKS - 1).max(1);
    let headers = headers(backends, from, head.height).await?;
    let pools = pools(backends, &headers).await?;
    let counts = count(&info, &headers, &pools)?;
    let blocks = headers.len() as u64;
    let reward = info.params.get("block_reward").copied().unwrap_or_default();
    let part = |amount: f64| if blocks == 0 { 0.0 } else { amount / blocks as f64 };
    let producers = counts.into_iter().map(|(node_id, count)| {
        let produced = count.primary + count.backup + count.tail;
        ProducerStats {
            node_id,
            primary: count.primary,
            backup: count.backup,
            tail: count.tail,
            missed: count.missed,
            rewards: (u128::from(reward) * u128::from(produced)).to_string(),
            share: part(produced as f64),
            expected_share: part(count.due),
        }
    });
    let to_height = headers.last().map_or(head.height, |(header, _)| header.height.get());
    let view =
        StatsView { from_height: from.min(to_height), to_height, blocks, producers: producers.collect() };
    Ok(json(&view))
}

/// Headers with their parents' time stamps, ascending.
type Headers = Vec<(Header, TimestampMs)>;

async fn headers(backends: &Backends, from: u64, to: u64) -> Result<Headers, Status> {
    // One more below, for its time stamp.
    let mut next = from.saturating_sub(1);
    let (mut headers, mut parent) = (Vec::new(), None);
    while next <= to {
        let page = backends.blocks(next, MAX_LIMIT).await?;
        let Some(last) = page.last() else { break };
        next = last.height.saturating_add(1);
        for block in &page {
            if block.height == 0 {
                parent = Some(TimestampMs(backends.chain_info().await?.genesis_time_ms));
                continue;
            }
            let header = decode_header(block)?;
            let stamp = header.timestamp_ms;
            if let Some(parent) = parent.replace(stamp)
                && block.height <= to
            {
                headers.push((header, parent));
            }
        }
    }
    Ok(headers)
}

/// Active and registered pool by the active pool's root.
type Pools = BTreeMap<Hash, (Pool, Pool)>;

async fn pools(backends: &Backends, headers: &Headers) -> Result<Pools, Status> {
    let mut pools = Pools::new();
    for (header, _) in headers.iter().rev() {
        if pools.len() < MAX_POOLS && !pools.contains_key(&header.pool_root) {
            let answer = backends.producers(Some(BlockId::Hash(header.parent))).await?;
            pools.insert(header.pool_root, decode_pools(&answer)?);
        }
    }
    Ok(pools)
}

fn decode_pools(answer: &GetProducersResponse) -> Result<(Pool, Pool), Status> {
    let active = answer.active.iter().map(|id| parse_hash("active", id));
    let registered = answer.registered.iter().map(|producer| parse_hash("node_id", &producer.node_id));
    Ok((
        Pool::new(active.collect::<Result<Vec<_>, _>>()?),
        Pool::new(registered.collect::<Result<Vec<_>, _>>()?),
    ))
}

fn count(info: &ChainInfo, headers: &Headers, pools: &Pools) -> Result<BTreeMap<NodeId, Count>, Status> {
    let timing = timing(info);
    let salt = epoch_salt(&info.chain_id);
    let mut counts: BTreeMap<NodeId, Count> = BTreeMap::new();
    for (header, parent_timestamp) in headers {
        let produced = counts.entry(header.producer).or_default();
        match header.slot.get() {
            0 => produced.primary += 1,
            slot if slot < timing.main_slots => produced.backup += 1,
            _ => produced.tail += 1,
        }
        let Some((active, registered)) = pools.get(&header.pool_root) else { continue };
        let dealt = if active.is_empty() { registered } else { active };
        for id in dealt.ids() {
            counts.entry(*id).or_default().due += 1.0 / dealt.len() as f64;
        }
        // Nobody misses a slot at height 1 or under a primary's block.
        if header.slot.get() == 0 || header.height == Height(1) {
            continue;
        }
        let seed = seed(&header.parent, header.height, &salt);
        let schedule = Schedule::new(seed, active.clone(), registered.clone(), *parent_timestamp, timing);
        let schedule = schedule.map_err(|error| status(Reason::Internal, error.to_string(), &[]))?;
        for id in schedule.missed_owners(header.slot) {
            counts.entry(id).or_default().missed += 1;
        }
    }
    Ok(counts)
}

fn timing(info: &ChainInfo) -> SlotTiming {
    let defaults = ConsensusParams::default();
    let value = |name: &str, default: u64| info.params.get(name).copied().unwrap_or(default);
    SlotTiming {
        block_interval_ms: value("block_interval_ms", defaults.block_interval_ms),
        claim_timeout_ms: value("claim_timeout_ms", defaults.claim_timeout_ms),
        main_slots: value("backup_slots", defaults.backup_slots).saturating_add(1),
        jitter_min_ms: value("jitter_min_ms", defaults.jitter_min_ms),
        jitter_max_ms: value("jitter_max_ms", defaults.jitter_max_ms),
    }
}
