//! What the pipeline of transactions needs of the peers' side.

use vision_primitives::NodeId;

/// How nodes behave towards this one.
pub(crate) trait Conduct: Send + Sync {
    /// Whether a node is banned, so that what it sent before is not worth the work.
    fn is_banned(&self, peer: &NodeId) -> bool;

    /// Charges misbehaviour to a node.
    fn charge(&self, peer: &NodeId, points: u32, why: &str);
}
