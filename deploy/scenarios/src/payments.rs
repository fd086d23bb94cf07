//! Transactions that a node has acknowledged, and whether all of them come into blocks.

use futures::future::try_join_all;

use crate::failure::{Failure, Outcome, check};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::wait;

/// Longest until what waits is in a block of every node, seconds.
const INCLUDED_S: u64 = 120;

/// Transactions that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Payments(Vec<String>);

impl Payments {
    /// Hands one payment of each of these funded accounts to a node, all at once.
    pub(crate) async fn submit(
        &mut self,
        net: &Net,
        node: &Node,
        accounts: impl Iterator<Item = u16>,
    ) -> Outcome {
        let hashes = try_join_all(accounts.map(|account| pay(net, node, account))).await?;
        self.0.extend(hashes);
        Ok(())
    }

    /// How many.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// Waits until each is in a block, the same one on all nodes.
    pub(crate) async fn wait_included(&self, net: &Net) -> Outcome {
        for hash in &self.0 {
            let mut blocks = Vec::new();
            for node in &net.nodes {
                let what = format!("transaction {hash} in a block of {}", node.name);
                let block = wait::until(what, INCLUDED_S, async || included(node, hash).await).await;
                blocks.push(block.map_err(|failure| failure.about([node.container(Service::Chain)]))?);
            }
            check(blocks.iter().all(|block| *block == blocks[0]), format!("one block with {hash}"), || {
                format!("{blocks:?}")
            })?;
        }
        Ok(())
    }
}

async fn pay(net: &Net, node: &Node, account: u16) -> Outcome<String> {
    let containers = net.docker.containers().await?;
    let image = containers.get(&node.container(Service::Chain)).map_or("", |chain| &chain.config.image);
    let (key, url) =
        (format!("/testnet/accounts/account{account}.key"), format!("http://127.0.0.1:{}", node.rest_port()));
    let tx =
        ["tx", "transfer", "--key", &key, "--to", &node.id, "--amount", "1", "--node", &url, "-o", "json"];
    let printed = net.docker.vision(image, &tx).await?;
    let answer: serde_json::Value = serde_json::from_str(&printed)
        .map_err(|error| Failure::new("a transaction as JSON", format!("{error}: {printed}")))?;
    let hash = answer["hash"].as_str().map(str::to_owned);
    hash.ok_or_else(|| Failure::new("the hash of a transaction", printed))
}

/// The block of a transaction.
async fn included(node: &Node, hash: &str) -> Outcome<String> {
    let found: serde_json::Value = node.ask(&format!("/api/transactions/{hash}")).await?;
    check(found["status"] == "included", "", || found.to_string())?;
    Ok(found["block_hash"].as_str().unwrap_or_default().to_owned())
}
