//! `vision verify --from --to`: fetches the blocks of a range page by page and has them judged.

use std::path::Path;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use vision_light::{Audit, Fault, Parent, Seen, Verdict};
use vision_primitives::{Genesis, Hash, Height};

use super::block::{has_transactions, read};
use super::ground;
use super::report::Report;
use vision_terminal::answers::entries;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output::{self, Format};
use vision_terminal::rest::Gateway;

/// Blocks asked for at once, without their transactions.
const PAGE_BLOCKS: u64 = 200;
/// Further questions under way at once. Each answer may bear a whole block.
const QUESTIONS_AT_ONCE: usize = 8;

/// What a node says of one block.
struct Reported {
    /// The block, with its transactions.
    block: Value,
    /// What a list said of it, if that is another answer.
    listed: Option<Value>,
    /// The registry after the block before; not needed where states are computed.
    registry: Value,
}

/// Where answers come from: a gateway, or a test.
pub(super) trait Source {
    /// The JSON behind a path.
    async fn get(&self, path: &str) -> Outcome<Value>;
}

impl Source for Gateway {
    async fn get(&self, path: &str) -> Outcome<Value> {
        Self::get(self, path).await
    }
}

/// A range of heights, and what it is computed from.
pub(super) struct Range {
    from: u64,
    /// The node's head, if no last one is named.
    to: Option<u64>,
    genesis: Option<Genesis>,
}

impl Range {
    /// Both ends included.
    pub(super) fn new(from: u64, to: Option<u64>, genesis: Option<&Path>) -> Outcome<Self> {
        if let Some(to) = to.filter(|to| from > *to) {
            return Err(Failure::usage(format!("--from {from} is above --to {to}")));
        }
        if genesis.is_some() && from != 1 {
            return Err(Failure::usage(format!(
                "--genesis goes with --from 1, not {from}: a state is computed from block 0 on"
            )));
        }
        Ok(Self { from, to, genesis: genesis.map(super::read_genesis).transpose()? })
    }

    /// Says what is wrong, block by block, and sums up.
    pub(super) async fn run(&self, source: &impl Source, format: Format) -> Outcome {
        let print = |line: &str| if format == Format::Table { output::line(line) } else { Ok(()) };
        let report = self.audit(source, print).await?;
        if let Some((head, asked_to)) = report.ends_early() {
            eprintln!("the chain ends at height {head}: it is verified up to there, not to {asked_to}");
        }
        match format {
            Format::Json => output::json(&report.to_json())?,
            Format::Table => output::write(&report.to_text(output::width()))?,
        }
        ended(&report)
    }

    async fn audit(&self, source: &impl Source, print: impl Fn(&str) -> Outcome) -> Outcome<Report> {
        let to = self.end(source).await?;
        let mut audit = self.begin(source, to).await?;
        let mut report = Report::new(self.from, self.to, &audit);
        let mut next = self.from;
        while next <= to {
            let page = page(source, next, (to - next + 1).min(PAGE_BLOCKS)).await?;
            let count = page.len() as u64;
            let with_registry = !audit.computes_states();
            let questions =
                (next..).zip(page).map(|(height, listed)| ask(source, height, listed, with_registry));
            let mut answers = stream::iter(questions).buffered(QUESTIONS_AT_ONCE);
            while let Some(answer) = answers.next().await {
                let (height, mut reported) = answer?;
                if reported.registry.is_null() && !audit.computes_states() {
                    reported.registry = registry_below(source, height).await?;
                }
                let before = audit.parent().copied();
                let seen = read(&reported.block, reported.listed.as_ref(), &audit.rules().genesis_hash);
                let verdict = audit.judge(Height(height), seen, &ground::registry(&reported.registry));
                if verdict.faults.iter().any(Fault::is_of_link) {
                    let genesis_hash = audit.rules().genesis_hash;
                    still_there(source, before.as_ref(), &verdict, &genesis_hash).await?;
                }
                if let Some(line) = report.add(&verdict, audit.computes_states()) {
                    print(&line)?;
                }
            }
            drop(answers);
            next += count;
        }
        Ok(report)
    }

    /// The last block judged: the one asked for, or the head of a chain that is not so long yet.
    async fn end(&self, source: &impl Source) -> Outcome<u64> {
        let status = source.get("/api/status").await?;
        let head = status["height"].as_u64();
        let head = head.ok_or_else(|| Failure::failed("/api/status has no height; is it a vision node?"))?;
        if self.from > head {
            let from = self.from;
            return Err(Failure::not_found(format!("the chain ends at height {head}, below --from {from}")));
        }
        Ok(self.to.map_or(head, |to| to.min(head)))
    }

    /// What the first block stands on. Asks for the last first: whether it is there decides about all.
    async fn begin(&self, source: &impl Source, to: u64) -> Outcome<Audit> {
        let params = source.get("/api/chain/params").await?;
        let rules = ground::rules(&params)
            .map_err(|why| Failure::failed(format!("/api/chain/params: {why}; is it a vision node?")))?;
        block(source, to).await?;
        if let Some(genesis) = &self.genesis {
            let hash = genesis.hash();
            if hash != rules.genesis_hash {
                let other = rules.genesis_hash;
                return Err(Failure::usage(format!(
                    "the node's chain has the genesis {other}, the file is {hash}"
                )));
            }
            return Audit::with_states(genesis)
                .map_err(|error| Failure::usage(format!("the genesis is not valid: {error}")));
        }
        let below = self.from - 1;
        if below == 0 {
            let parent = rules.block_0();
            return Ok(Audit::new(rules, parent));
        }
        let reported = block(source, below).await?;
        let Seen { header, hash, .. } = read(&reported, None, &rules.genesis_hash)
            .map_err(|fault| Failure::failed(format!("block {below}, the parent of the range: {fault}")))?;
        let (stamp, weight) = (header.timestamp_ms, header.weight);
        Ok(Audit::new(rules, Parent { hash, height: Height(below), stamp, weight }))
    }
}

fn ended(report: &Report) -> Outcome {
    match report.faulty() {
        (0, _) => Ok(()),
        (1, blocks) => Err(Failure::failed(format!("1 of {} is wrong", output::count(blocks, "block")))),
        (faulty, blocks) => Err(Failure::failed(format!("{faulty} of {blocks} blocks are wrong"))),
    }
}

async fn block(source: &impl Source, height: u64) -> Outcome<Value> {
    source.get(&format!("/api/chain/blocks/{height}")).await
}

/// The registry that the block of a height is judged by.
async fn registry_below(source: &impl Source, height: u64) -> Outcome<Value> {
    source.get(&format!("/api/chain/producers?height={}", height - 1)).await
}

/// Blocks without transactions from a height on: one at least, and at most so many.
async fn page(source: &impl Source, from: u64, limit: u64) -> Outcome<Vec<Value>> {
    let answer = source.get(&format!("/api/chain/blocks?from={from}&limit={limit}")).await?;
    let mut blocks = entries(&answer, "blocks").to_vec();
    blocks.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if blocks.is_empty() {
        return Err(Failure::not_found(format!("the node has no block {from} any more")));
    }
    Ok(blocks)
}

/// What it takes to judge a block.
async fn ask(
    source: &impl Source,
    height: u64,
    listed: Value,
    with_registry: bool,
) -> Outcome<(u64, Reported)> {
    let registry =
        async { if with_registry { registry_below(source, height).await } else { Ok(Value::Null) } };
    if !has_transactions(&listed) {
        return Ok((height, Reported { block: listed, listed: None, registry: registry.await? }));
    }
    let (block, registry) = futures::try_join!(block(source, height), registry)?;
    Ok((height, Reported { block, listed: Some(listed), registry }))
}

/// A node may go over to another branch while it is asked: that breaks the links too, and is no fault of a
/// block. So the two that do not fit must still be where they were.
async fn still_there(
    source: &impl Source,
    before: Option<&Parent>,
    verdict: &Verdict,
    genesis_hash: &Hash,
) -> Outcome {
    let before = before.filter(|before| before.height > Height::GENESIS).map(|p| (p.height, p.hash));
    for (height, hash) in before.into_iter().chain(verdict.hash.map(|hash| (verdict.height, hash))) {
        let now = block(source, height.get()).await?;
        if read(&now, None, genesis_hash).is_ok_and(|now| now.hash != hash) {
            return Err(Failure::unhealthy(format!(
                "the node replaced block {hash} at height {height} while it was being read; try again"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
