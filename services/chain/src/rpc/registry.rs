//! Pools and producer records as messages.

use vision_ledger::{Producer, ProducerStatus};
use vision_primitives::{Hash, Height, NodeId, Pool};
use vision_wire::chain as proto;

/// The ids of those with such a status.
fn pool(producers: &[(NodeId, Producer)], wanted: fn(ProducerStatus) -> bool) -> Pool {
    Pool::new(producers.iter().filter(|(_, producer)| wanted(producer.status)).map(|(id, _)| *id))
}

/// Active and registered pool.
pub(super) fn pools_of(producers: &[(NodeId, Producer)]) -> (Pool, Pool) {
    let active = pool(producers, |status| status == ProducerStatus::Active);
    (active, pool(producers, ProducerStatus::is_registered))
}

/// The pools and records after a block.
pub(super) fn registry_response(
    height: Height,
    hash: Hash,
    producers: Vec<(NodeId, Producer)>,
) -> proto::GetProducersResponse {
    let with = |wanted: fn(ProducerStatus) -> bool| {
        producers.iter().filter(move |(_, producer)| wanted(producer.status))
    };
    let (active, registered) = pools_of(&producers);
    let records = |wanted| with(wanted).map(|(id, producer)| producer_to_proto(id, producer)).collect();
    proto::GetProducersResponse {
        height: height.get(),
        hash: hash.to_string(),
        active: active.ids().iter().map(ToString::to_string).collect(),
        registered: records(ProducerStatus::is_registered),
        candidates: records(|status| status == ProducerStatus::Candidate),
        pool_root: active.root().to_string(),
        registered_root: registered.root().to_string(),
    }
}

fn producer_to_proto(id: &NodeId, producer: &Producer) -> proto::Producer {
    use proto::producer::Status;
    let status = match producer.status {
        ProducerStatus::Candidate => Status::Candidate,
        ProducerStatus::Active => Status::Active,
        ProducerStatus::Suspended => Status::Suspended,
        ProducerStatus::Exited => Status::Exited,
    };
    proto::Producer {
        node_id: id.to_string(),
        public_key: producer.public_key.to_string(),
        payout: producer.payout.to_string(),
        status: status.into(),
        missed: u32::try_from(producer.missed).unwrap_or(u32::MAX),
        suspensions: u32::try_from(producer.suspensions).unwrap_or(u32::MAX),
        suspended_at: producer.suspended_at.get(),
        may_return_at: producer.may_return_at.get(),
    }
}
