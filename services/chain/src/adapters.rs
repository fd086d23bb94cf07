//! What the pipeline of transactions needs, given by the table of peers.

use vision_primitives::NodeId;

use crate::peers::PeerTable;
use crate::ports::Conduct;

impl Conduct for PeerTable {
    fn is_banned(&self, peer: &NodeId) -> bool {
        self.admit(peer).is_err()
    }

    fn charge(&self, peer: &NodeId, points: u32, why: &str) {
        Self::charge(self, peer, points, why);
    }
}
