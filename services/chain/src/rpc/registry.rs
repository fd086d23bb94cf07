//! Pools and producer records after a block.

use tonic::Status;
use vision_ledger::{Producer, ProducerStatus};
use vision_primitives::{Hash, Height, NodeId, Pool};
use vision_wire::Reason;
use vision_wire::chain as proto;

use super::ChainRpc;

impl ChainRpc {
    /// Registry after a block: from the tree while it is open, else from the store's history.
    pub(super) async fn registry(&self, hash: Hash) -> Result<proto::GetProducersResponse, Status> {
        let open = self
            .core
            .read(move |core| Ok(core.tree().get(&hash).map(|entry| (entry.height(), entry.state().clone()))))
            .await?;
        if let Some((height, state)) = open {
            let producers = state.producers().map(|(id, producer)| (*id, producer.clone())).collect();
            return Ok(registry_response(height, hash, producers));
        }
        let (height, producers) = self.past_producers(hash).await?;
        Ok(registry_response(height, hash, producers))
    }

    /// Height and registry of a block below the last final one.
    async fn past_producers(&self, hash: Hash) -> Result<(Height, Vec<(NodeId, Producer)>), Status> {
        let (height, canonical) = self.height_of(hash).await?;
        if !canonical {
            let why = "the state after this block is not kept: it is not on the head's chain";
            return Err(vision_wire::status(Reason::StateNotKept, why, &[("hash", hash.to_string())]));
        }
        Ok((height, self.load(move |store| store.producers_at(height)).await?))
    }

    /// Active and registered pool after a block: what the slots of the height above it are dealt over.
    pub(super) async fn pools_after(&self, hash: Hash) -> Result<(Pool, Pool), Status> {
        let open = self.core.read(move |core| {
            let state = core.tree().get(&hash).map(|entry| entry.state());
            Ok(state.map(|state| (state.active().clone(), state.registered().clone())))
        });
        if let Some(pools) = open.await? {
            return Ok(pools);
        }
        let (_, producers) = self.past_producers(hash).await?;
        Ok(pools_of(&producers))
    }
}

/// The ids of those with such a status.
fn pool(producers: &[(NodeId, Producer)], wanted: fn(ProducerStatus) -> bool) -> Pool {
    Pool::new(producers.iter().filter(|(_, producer)| wanted(producer.status)).map(|(id, _)| *id))
}

/// Active and registered pool.
fn pools_of(producers: &[(NodeId, Producer)]) -> (Pool, Pool) {
    let active = pool(producers, |status| status == ProducerStatus::Active);
    (active, pool(producers, ProducerStatus::is_registered))
}

/// The pools and records after a block.
fn registry_response(
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
