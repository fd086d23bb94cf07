//! Looking for blocks of this node's own key. Only a signature that verifies with the key counts: whatever
//! the chain service says besides can neither raise the floor nor keep the node from starting.

use std::sync::Arc;

use tonic::Status;
use vision_authoring::{Input, Op, OwnBlock};
use vision_primitives::{Hash, Header, NodeId, Signature};

use crate::adapters::CHAIN;
use crate::perform::{Done, Executor, ShellEvent};
use crate::ports::Neighbours;
use crate::signer::Signer;

/// Blocks looked through, newest first: as many as the guard remembers when all are of this key.
const AUDITED_BLOCKS: usize = vision_authoring::MAX_GUARDED_BLOCKS;

/// Distinguishes this key's blocks from others.
pub(crate) struct OwnBlockReader {
    signer: Arc<Signer>,
    me: NodeId,
    genesis_hash: Hash,
}

impl OwnBlockReader {
    /// The block, if it bears this key's signature.
    pub(crate) fn read(&self, header: &[u8], signature: &[u8]) -> Option<OwnBlock> {
        let hash = Header::hash_bytes(&self.genesis_hash, header);
        let Header { height, parent, producer, .. } = Header::from_bytes(header).ok()?;
        let signature = Signature::from_slice(signature)?;
        let own = producer == self.me && self.signer.has_signed(&hash, &signature);
        own.then_some(OwnBlock { height, parent, hash })
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    tip: Option<Hash>,
    blocks: usize,
    own: Vec<OwnBlock>,
    forged: usize,
}

impl<N: Neighbours> Executor<N> {
    pub(crate) fn own_block_reader(&self) -> OwnBlockReader {
        OwnBlockReader {
            signer: Arc::clone(&self.signer),
            me: self.signer.id(),
            genesis_hash: self.genesis_hash,
        }
    }

    /// Looks through the head's chain from its tip down to `seen`, where an earlier look began, or as far as
    /// is needed.
    pub(crate) async fn audit(self, op: Op, seen: Option<Hash>) -> Done {
        let failed = Input::AuditFailed { op };
        let unavailable = |error| ShellEvent::Unavailable(CHAIN, error);
        match self.neighbours.genesis_hash().await {
            Ok(genesis) if genesis == self.genesis_hash => {}
            Ok(other) => return Done { input: failed, event: ShellEvent::OtherChain(other) },
            Err(error) => return Done { input: failed, event: unavailable(error) },
        }
        match self.look_through(seen).await {
            Ok(Found { tip, own, forged, blocks }) => {
                if forged > 0 {
                    tracing::warn!(
                        forged,
                        "the chain service shows blocks of this key without its signature"
                    );
                }
                tracing::debug!(blocks, own = own.len(), "the chain was looked through");
                let hashes = own.iter().map(|block| block.hash).collect();
                Done { input: Input::Audited { op, own }, event: ShellEvent::Audited { tip, own: hashes } }
            }
            Err(error) => Done { input: failed, event: unavailable(error) },
        }
    }

    async fn look_through(&self, seen: Option<Hash>) -> Result<Found, Status> {
        let reader = self.own_block_reader();
        let (mut found, mut token) = (Found::default(), String::new());
        loop {
            let (blocks, next) = self.neighbours.headers_down(token.clone()).await?;
            for block in &blocks {
                // Block 0 has no header.
                if block.header.is_empty() || found.blocks == AUDITED_BLOCKS {
                    return Ok(found);
                }
                let hash = Header::hash_bytes(&self.genesis_hash, &block.header);
                if Some(hash) == seen {
                    found.tip = found.tip.or(seen);
                    return Ok(found);
                }
                found.tip.get_or_insert(hash);
                found.blocks += 1;
                let header = Header::from_bytes(&block.header);
                let header = header.map_err(|error| Status::data_loss(error.to_string()))?;
                if header.producer != reader.me {
                    continue;
                }
                match reader.read(&block.header, &block.signature) {
                    Some(own) => found.own.push(own),
                    None => found.forged += 1,
                }
            }
            if next.is_empty() {
                return Ok(found);
            }
            if blocks.is_empty() || next == token {
                return Err(Status::data_loss("the list of blocks does not go on"));
            }
            token = next;
            // Signatures take time: others of this thread have their turn.
            tokio::task::yield_now().await;
        }
    }
}
