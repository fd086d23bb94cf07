//! `GET /api/mining/stats`: how often each producer produced, and how often it should have.

use std::collections::{BTreeMap, VecDeque};

use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_primitives::{ConsensusParams, Hash, Header, Height, NodeId, Pool, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain::{BlockInfo, GetProducersResponse};
use vision_wire::{Reason, parse_hash, status};

use super::limits::Place;
use super::query::{MAX_LIMIT, Params};
use super::{Answer, AppState, json_bytes};
use crate::adapters::Backends;
use crate::ports::{BlockId, ChainInfo, Stretch};
use crate::views::to_json;

/// How many of the newest blocks are counted.
const MAX_BLOCKS: usize = 1000;
/// Most different pools among those blocks that are looked up; blocks under further ones are counted without
/// their misses.
const MAX_POOLS: usize = 64;
/// How often the blocks are read anew when they do not fit upon each other.
const MAX_ATTEMPTS: usize = 3;
/// What the longest answer takes while it is made.
const ANSWER_BYTES: usize = 1 << 20;

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

/// A block as it counts.
struct Counted {
    hash: Hash,
    header: Header,
    /// Owners of the slots before the one that was used.
    missed: Vec<NodeId>,
}

/// What the last answer was made from, so that the next one reads only the blocks that came since.
#[derive(Default)]
pub(super) struct StatsCache(tokio::sync::Mutex<Window>);

/// The newest blocks of the head's chain, ascending, each the parent of the next.
#[derive(Default)]
struct Window {
    blocks: VecDeque<Counted>,
    /// Time stamp of the block below the first.
    base: TimestampMs,
    /// Active and registered pool by the active pool's root.
    pools: BTreeMap<Hash, (Pool, Pool)>,
    /// The answer with the last block as the head.
    body: Option<Bytes>,
}

pub(super) async fn stats(
    State(state): State<AppState>,
    Extension(place): Extension<Place>,
    params: Params,
) -> Answer {
    params.allow(&[])?;
    place.reserve(ANSWER_BYTES).await?;
    let backends = &state.backends;
    let (info, head) = tokio::try_join!(backends.chain_info(), backends.head())?;
    let tip = parse_hash("hash", &head.hash)?;
    // One at a time: the others find what the first has read.
    let mut window = state.stats.0.lock().await;
    window.advance(backends, &info, head.height, tip).await?;
    let body = window.body.take().unwrap_or_else(|| to_json(&window.view(&info, head.height)));
    window.body = Some(body.clone());
    Ok(json_bytes(body))
}

impl Window {
    /// Makes the head the last block.
    async fn advance(
        &mut self,
        backends: &Backends,
        info: &ChainInfo,
        to: u64,
        tip: Hash,
    ) -> Result<(), Status> {
        if self.blocks.back().is_some_and(|last| last.hash == tip) {
            return Ok(());
        }
        // A block that does not fit upon the last: the head has moved to another branch, perhaps while it was read.
        for _ in 0..MAX_ATTEMPTS {
            if self.read_up_to(backends, info, to).await? {
                self.blocks.drain(..self.blocks.len().saturating_sub(MAX_BLOCKS));
                self.pools.retain(|root, _| self.blocks.iter().any(|block| block.header.pool_root == *root));
                return Ok(());
            }
            *self = Self { pools: std::mem::take(&mut self.pools), ..Self::default() };
        }
        Err(status(Reason::TipChanged, "the head moves from branch to branch: try again", &[]))
    }

    /// Whether all that was read fits upon what was there.
    async fn read_up_to(&mut self, backends: &Backends, info: &ChainInfo, to: u64) -> Result<bool, Status> {
        let lowest = to.saturating_sub(MAX_BLOCKS as u64);
        let height_of = |block: &Counted| block.header.height.get();
        let last = self.blocks.back().map(height_of).filter(|last| (lowest..=to).contains(last));
        if last.is_none() {
            self.blocks.clear();
        }
        self.body = None;
        // The last again, or the one below the first, to see whether the next fits upon it.
        let mut next = last.unwrap_or(lowest);
        while next <= to {
            let page = backends.blocks(Stretch::From(next), MAX_LIMIT).await?;
            let Some(end) = page.last() else { return Ok(true) };
            let begin = next;
            next = end.height.saturating_add(1);
            for block in page.iter().filter(|block| block.height <= to) {
                let hash = parse_hash("hash", &block.hash)?;
                if block.height == begin && block.height <= last.unwrap_or(lowest) {
                    match self.blocks.back() {
                        Some(last) if last.hash != hash => return Ok(false),
                        Some(_) => {}
                        None if block.height == 0 => self.base = TimestampMs(info.genesis_time_ms),
                        None => self.base = decode_header(block)?.timestamp_ms,
                    }
                    continue;
                }
                let header = decode_header(block)?;
                if self.blocks.back().is_some_and(|last| last.hash != header.parent) {
                    return Ok(false);
                }
                self.push(backends, info, hash, header).await?;
            }
        }
        Ok(true)
    }

    async fn push(
        &mut self,
        backends: &Backends,
        info: &ChainInfo,
        hash: Hash,
        header: Header,
    ) -> Result<(), Status> {
        if self.pools.len() < MAX_POOLS && !self.pools.contains_key(&header.pool_root) {
            let answer = backends.producers(Some(BlockId::Hash(header.parent))).await?;
            self.pools.insert(header.pool_root, decode_pools(&answer)?);
        }
        let parent_stamp = self.blocks.back().map_or(self.base, |last| last.header.timestamp_ms);
        let missed = self.missed(info, &header, parent_stamp)?;
        self.blocks.push_back(Counted { hash, header, missed });
        if self.blocks.len() > MAX_BLOCKS
            && let Some(first) = self.blocks.pop_front()
        {
            self.base = first.header.timestamp_ms;
        }
        Ok(())
    }

    fn missed(&self, info: &ChainInfo, header: &Header, parent: TimestampMs) -> Result<Vec<NodeId>, Status> {
        // Nobody misses a slot at height 1 or under a primary's block.
        let Some((active, registered)) = self.pools.get(&header.pool_root) else { return Ok(Vec::new()) };
        if header.slot.get() == 0 || header.height == Height(1) {
            return Ok(Vec::new());
        }
        let seed = seed(&header.parent, header.height, &epoch_salt(&info.chain_id));
        let schedule = Schedule::new(seed, active.clone(), registered.clone(), parent, timing(info));
        let schedule = schedule.map_err(|error| status(Reason::Internal, error.to_string(), &[]))?;
        Ok(schedule.missed_owners(header.slot).into_iter().collect())
    }

    fn count(&self, info: &ChainInfo) -> BTreeMap<NodeId, Count> {
        let main_slots = timing(info).main_slots;
        let mut counts: BTreeMap<NodeId, Count> = BTreeMap::new();
        let mut blocks_of_pool: BTreeMap<Hash, u64> = BTreeMap::new();
        for Counted { header, missed, .. } in &self.blocks {
            let produced = counts.entry(header.producer).or_default();
            match header.slot.get() {
                0 => produced.primary += 1,
                slot if slot < main_slots => produced.backup += 1,
                _ => produced.tail += 1,
            }
            for id in missed {
                counts.entry(*id).or_default().missed += 1;
            }
            *blocks_of_pool.entry(header.pool_root).or_default() += 1;
        }
        for (root, blocks) in blocks_of_pool {
            let Some((active, registered)) = self.pools.get(&root) else { continue };
            let dealt = if active.is_empty() { registered } else { active };
            for id in dealt.ids() {
                counts.entry(*id).or_default().due += blocks as f64 / dealt.len() as f64;
            }
        }
        counts
    }

    fn view(&self, info: &ChainInfo, head: u64) -> StatsView {
        let blocks = self.blocks.len() as u64;
        let reward = info.params.get("block_reward").copied().unwrap_or_default();
        let part = |amount: f64| if blocks == 0 { 0.0 } else { amount / blocks as f64 };
        let producers = self.count(info).into_iter().map(|(node_id, count)| {
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
        let height_of = |block: Option<&Counted>| block.map_or(head, |block| block.header.height.get());
        StatsView {
            from_height: height_of(self.blocks.front()),
            to_height: height_of(self.blocks.back()),
            blocks,
            producers: producers.collect(),
        }
    }
}

fn decode_header(block: &BlockInfo) -> Result<Header, Status> {
    let bytes = block.block.as_ref().map(|block| &block.header[..]).unwrap_or_default();
    Header::from_bytes(bytes).map_err(|error| status(Reason::Internal, error.to_string(), &[]))
}

fn decode_pools(answer: &GetProducersResponse) -> Result<(Pool, Pool), Status> {
    let active = answer.active.iter().map(|id| parse_hash("active", id));
    let registered = answer.registered.iter().map(|producer| parse_hash("node_id", &producer.node_id));
    Ok((
        Pool::new(active.collect::<Result<Vec<_>, _>>()?),
        Pool::new(registered.collect::<Result<Vec<_>, _>>()?),
    ))
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
