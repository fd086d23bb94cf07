//! The loop that judges the network's health: what the chain service reports about all nodes goes in,
//! judgements come out. Sole owner of that machine.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::MissedTickBehavior;
use tonic::Status;
use vision_host::Clock;
use vision_sync_status::{HealthInput, HealthMachine, HealthParams, NodeFacts, Operator};
use vision_wire::EventLog;
use vision_wire::chain::Node;
use vision_wire::sync_oracle::{NetworkHealth, Snapshot};
use vision_wire::watch::WatchItem;

use crate::encode;
use crate::heard_heads::HeardHeads;
use crate::ports::Chain;
use crate::producer_report::ProducerReport;

/// Judged so often even if nothing is reported: ages count.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the loop works with.
pub(crate) struct HealthLoop<C> {
    pub chain: C,
    /// What the oracle has heard of the head.
    pub heads: HeardHeads,
    pub clock: Clock,
    pub operator: Operator,
    /// The verdicts on this node.
    pub snapshots: EventLog<Snapshot>,
    /// What the producer service says of itself.
    pub producer: ProducerReport,
    /// Where judgements are published.
    pub judgements: EventLog<NetworkHealth>,
}

/// What has been heard of the chain service.
#[derive(Default)]
struct Heard {
    nodes: Option<Vec<Node>>,
    params: Option<HealthParams>,
}

impl<C: Chain> HealthLoop<C> {
    /// Works until dropped.
    pub(crate) async fn run(self) {
        let mut machine = HealthMachine::new(self.operator.clone());
        let mut heard = Heard::default();
        let mut why = "no answer yet".to_owned();
        let mut nodes = self.chain.watch_nodes();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = None;
        loop {
            let health = self.judge(&mut machine, &heard, &why);
            if reported.as_ref() != Some(&health) {
                self.judgements.publish(health.clone());
                reported = Some(health);
            }
            // In order, so that the same happenings give the same judgements; each of them is judged anyway.
            tokio::select! {
                biased;
                Some(item) = nodes.next() => match item {
                    WatchItem::Event(event) => heard.nodes = Some(event.nodes),
                    WatchItem::Lost(error) => (heard.nodes, why) = (None, words(&error)),
                },
                _ = look.tick() => {}
            }
            if heard.params.is_none() && heard.nodes.is_some() {
                match self.chain.health_params().await {
                    Ok(params) => heard.params = Some(params),
                    Err(error) => why = words(&error),
                }
            }
        }
    }

    fn judge(&self, machine: &mut HealthMachine, heard: &Heard, why: &str) -> NetworkHealth {
        let (now_ms, monotonic_ms) = (self.clock.now_ms(), self.clock.monotonic_ms());
        let oracle = self.snapshots.latest().unwrap_or_default().not_eligible_because;
        let this_because = self.producer.joined(&oracle, monotonic_ms);
        let (head, interval_median_ms) = self.heads.look();
        let (head, nodes, params) = match (head, &heard.nodes, &heard.params) {
            (Ok(head), Some(nodes), Some(params)) => (head, nodes, params),
            (head, ..) => {
                let health = machine.blind(now_ms, head.err().as_deref().unwrap_or(why));
                return encode::health(&health, None, &this_because);
            }
        };
        let facts: Vec<NodeFacts> = nodes.iter().filter_map(encode::node_facts).collect();
        let input = HealthInput {
            now_ms,
            monotonic_ms,
            params: *params,
            head: encode::head_facts(&head),
            nodes: &facts,
            this_because: &this_because,
        };
        let pending = nodes.iter().find(|node| node.this_node).and_then(|node| node.pending);
        let seen = encode::Seen { head: &head, interval_median_ms, pending };
        encode::health(&machine.judge(&input), Some(&seen), &this_because)
    }
}

fn words(error: &Status) -> String {
    error.message().to_owned()
}
