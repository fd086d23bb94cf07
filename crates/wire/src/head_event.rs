//! What a move of the head says of the heights it touched.

use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};

use crate::chain::WatchHeadResponse;

/// Most heights of a reorganisation reported, the highest.
const MAX_HEIGHTS: u64 = 64;

/// Heights on which something happened that is worth looking at later: blocks were left, or the block's slot
/// is not the first, so that one was missed. Every service works this out from the same watch, so that all
/// keep the same traces.
fn remarkable_heights(event: &WatchHeadResponse) -> Vec<u64> {
    let Some(head) = &event.head else { return Vec::new() };
    let left = event.reorg_depth.min(MAX_HEIGHTS);
    if left == 0 && head.slot == 0 {
        return Vec::new();
    }
    (head.height.saturating_sub(left)..=head.height).collect()
}

/// The traces to keep of the chain with this block 0: those of its remarkable heights.
pub fn remarkable_traces(genesis_hash: &Hash, event: &WatchHeadResponse) -> impl Iterator<Item = [u8; 16]> {
    let trace_of = |height| HeightTrace::of(genesis_hash, Height(height)).trace_id;
    remarkable_heights(event).into_iter().map(trace_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Head;

    #[test]
    fn a_missed_slot_and_what_was_left_are_remarkable() {
        // Height, slot, blocks left, and the heights reported, the first and the last.
        let cases = [
            ("an ordinary block", 9, 0, 0, None),
            ("a missed slot", 9, 1, 0, Some((9, 9))),
            ("two blocks left", 9, 0, 2, Some((7, 9))),
            ("at the beginning", 1, 0, 5, Some((0, 1))),
            ("very many left", 1_000, 0, 900, Some((936, 1_000))),
        ];
        for (desc, height, slot, reorg_depth, expect) in cases {
            let head = Some(Head { height, slot, ..Head::default() });
            let heights = remarkable_heights(&WatchHeadResponse { head, reorg_depth, ..Default::default() });
            assert_eq!(heights.first().copied().zip(heights.last().copied()), expect, "{desc}");
        }
        assert!(remarkable_heights(&WatchHeadResponse::default()).is_empty());
    }
}
