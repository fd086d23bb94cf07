//! How long blocks take from their time stamp to each node. Pure.

use vision_primitives::NodeId;
use vision_wire::chain::{Propagation, PropagationSample};

use super::line::{Line, Made};
use super::roster::Roster;

/// Heights reported.
const MAX_SAMPLES: usize = 64;
/// What took longer was no propagation: a node that caught up, or a clock that was set. Milliseconds.
const MAX_DELAY_MS: f64 = 60_000.0;

/// The samples of this node and all others.
pub(super) fn of(own: &NodeId, line: &Line, roster: &Roster) -> Vec<Propagation> {
    // Instants of other clocks become such of this one.
    let offset = |id: &NodeId| match id == own {
        true => Some(0.0),
        false => roster.get(id).and_then(|known| known.clock_offset_ms),
    };
    let of_node = |id: &NodeId, arrival: &dyn Fn(&Made) -> Option<u64>| {
        let samples: Vec<_> = line
            .newest(MAX_SAMPLES)
            .filter(|block| block.producer != *id)
            .filter_map(|block| {
                let (arrived_ms, stamp_ms) = (to_float(arrival(block)?), to_float(block.stamp.get()));
                let delay_ms = (arrived_ms - offset(id)?) - (stamp_ms - offset(&block.producer)?);
                let sample = PropagationSample { height: block.height.get(), delay_ms: delay_ms.max(0.0) };
                (-MAX_DELAY_MS..=MAX_DELAY_MS).contains(&delay_ms).then_some(sample)
            })
            .collect();
        (!samples.is_empty()).then(|| summary(id, samples))
    };
    let here = of_node(own, &|block| line.arrival(&block.hash));
    let others = roster
        .iter()
        .filter(|(id, _)| *id != own)
        .filter_map(|(id, known)| of_node(id, &|block| known.arrival(&block.hash)));
    here.into_iter().chain(others).collect()
}

#[allow(clippy::cast_precision_loss)] // milliseconds since 1970 are far below 2^52
fn to_float(ms: u64) -> f64 {
    ms as f64
}

fn summary(id: &NodeId, samples: Vec<PropagationSample>) -> Propagation {
    let mut delays: Vec<f64> = samples.iter().map(|sample| sample.delay_ms).collect();
    delays.sort_by(f64::total_cmp);
    // The smallest delay that so many of 100 samples are not above.
    let rank = |percent: usize| delays[(delays.len() * percent).div_ceil(100).saturating_sub(1)];
    Propagation { node_id: id.to_string(), median_ms: rank(50), p95_ms: rank(95), samples }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vision_primitives::{Hash, Height, NodeReport, TimestampMs};

    use super::super::line::Tip;
    use super::super::roster::tests::{id_of, peer};
    use super::*;
    use vision_peering::PeerView;

    const OWN: u16 = 1;
    /// Far from 0, as times are.
    const AT: u64 = 1_700_000_000_000;

    fn block(height: u64, producer: u16, stamp: u64) -> Made {
        let hash = Hash([height as u8; 32]);
        Made { height: Height(height), hash, producer: id_of(producer), stamp: TimestampMs(AT + stamp) }
    }

    fn reported(roster: &mut Roster, by: u16, height: u64, at: u64) {
        let report = NodeReport {
            name: "a".parse().unwrap(),
            not_eligible: None,
            ready_peers: 0,
            height: Height(height),
            hash: Hash([height as u8; 32]),
            arrived_at: TimestampMs(AT + at),
            pending: 0,
        };
        roster.heard(&id_of(by), Arc::new(report));
    }

    #[test]
    fn skewed_clocks_do_not_change_what_is_found() {
        // Block 1 is by node 2, whose clock is an hour ahead, block 2 by this node, block 3 by node 3, whose
        // clock is half an hour behind, block 4 by node 4, whose clock nobody knows.
        const HOUR: u64 = 3_600_000;
        const HALF: u64 = HOUR / 2;
        let mut line = Line::default();
        line.extend(vec![
            block(1, 2, HOUR + 10_000),
            block(2, OWN, 12_000),
            Made { stamp: TimestampMs(AT + 14_000 - HALF), ..block(3, 3, 0) },
            block(4, 4, 16_000),
        ]);
        for (height, at) in [(1, 10_020), (2, 12_000), (3, 14_008), (4, 16_001)] {
            let hash = Hash([height as u8; 32]);
            line.arrived(&Tip {
                height: Height(height),
                hash,
                parent: Hash::ZERO,
                arrived_ms: Some(AT + at),
            });
        }
        let mut roster = Roster::default();
        let with = |id, clock_offset_ms| PeerView { clock_offset_ms, ..peer(id) };
        let present = [with(2, Some(3_600_000.0)), with(3, Some(-1_800_000.0)), with(4, None)];
        roster.see(&present, |_| true, AT);
        reported(&mut roster, 2, 2, HOUR + 12_007);
        reported(&mut roster, 2, 3, HOUR + 14_013);
        reported(&mut roster, 4, 2, 12_005);
        // A block that is not of the head's chain, and one that came with the node's catching up.
        reported(&mut roster, 2, 77, HOUR);
        reported(&mut roster, 3, 1, HOUR);
        let found = of(&id_of(OWN), &line, &roster);
        let shown: Vec<_> = found
            .iter()
            .map(|node| {
                let samples = node.samples.iter().map(|sample| (sample.height, sample.delay_ms));
                (node.node_id.clone(), samples.collect::<Vec<_>>())
            })
            .collect();
        let expect = [
            (id_of(OWN).to_string(), vec![(1, 20.0), (3, 8.0)]),
            (id_of(2).to_string(), vec![(2, 7.0), (3, 13.0)]),
        ];
        assert_eq!(shown, expect);
        assert_eq!((found[0].median_ms, found[0].p95_ms), (8.0, 20.0));
    }
}
