//! Blocks that this key signed and the claims do not know of.

use crate::machine::Machine;
use crate::{Event, Output, OwnBlock};

/// Foreign blocks remembered, the highest: each is said once.
const MAX_FOREIGN_BLOCKS: usize = 1024;

impl Machine {
    /// The latest blocks of the chain were looked through.
    pub(crate) fn audit(&mut self, own: &[OwnBlock]) {
        let first = !std::mem::replace(&mut self.ever_audited, true);
        self.audited = true;
        self.audit_retry.worked();
        let highest_claimed = self.guard.highest();
        let highest_own = own.iter().map(|block| block.height).max();
        if let Some(highest_own) = highest_own.filter(|height| first && *height > highest_claimed) {
            self.refused = true;
            self.out.push(Output::Refuse { highest_own, highest_claimed });
            return;
        }
        self.look_at(own);
    }

    /// Leaves the heights alone of blocks that the guard does not know of: what else the key signed up to there cannot be known.
    pub(crate) fn look_at(&mut self, own: &[OwnBlock]) {
        let mut news = Vec::new();
        for block in own {
            if self.guard.is_foreign(block.height, &block.parent, &block.hash) && self.foreign.insert(*block)
            {
                news.push(*block);
            }
        }
        while self.foreign.len() > MAX_FOREIGN_BLOCKS {
            self.foreign.pop_first();
        }
        let Some(OwnBlock { height, hash, .. }) = news.iter().max().copied() else { return };
        self.highest_foreign = self.highest_foreign.max(Some(height));
        if height > self.guard.floor() {
            self.guard.raise_floor(height);
            self.out.push(Output::SaveFloor { floor: height });
        }
        self.log(Event::KeyUsedElsewhere { height, hash, blocks: news.len() as u64 });
    }
}
