//! Producers and peers.

use serde::Serialize;
use vision_wire::chain::peer::State;
use vision_wire::chain::producer::Status;
use vision_wire::chain::{GetProducersResponse, Peer, Producer};

#[derive(Serialize)]
pub(crate) struct ProducersView<'a> {
    height: u64,
    hash: &'a str,
    active: &'a [String],
    registered: Vec<ProducerView<'a>>,
    candidates: Vec<ProducerView<'a>>,
    pool_root: &'a str,
    registered_root: &'a str,
}

#[derive(Serialize)]
struct ProducerView<'a> {
    node_id: &'a str,
    public_key: &'a str,
    payout: &'a str,
    status: &'static str,
    missed: u32,
    suspensions: u32,
    suspended_at: u64,
    may_return_at: u64,
}

impl<'a> From<&'a Producer> for ProducerView<'a> {
    fn from(producer: &'a Producer) -> Self {
        Self {
            node_id: &producer.node_id,
            public_key: &producer.public_key,
            payout: &producer.payout,
            status: match producer.status() {
                Status::Active => "active",
                Status::Suspended => "suspended",
                Status::Candidate => "candidate",
                Status::Exited => "exited",
                Status::Unspecified => "unknown",
            },
            missed: producer.missed,
            suspensions: producer.suspensions,
            suspended_at: producer.suspended_at,
            may_return_at: producer.may_return_at,
        }
    }
}

impl<'a> From<&'a GetProducersResponse> for ProducersView<'a> {
    fn from(answer: &'a GetProducersResponse) -> Self {
        Self {
            height: answer.height,
            hash: &answer.hash,
            active: &answer.active,
            registered: answer.registered.iter().map(Into::into).collect(),
            candidates: answer.candidates.iter().map(Into::into).collect(),
            pool_root: &answer.pool_root,
            registered_root: &answer.registered_root,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct PeerView<'a> {
    node_id: &'a str,
    address: &'a str,
    state: &'static str,
    height: u64,
    tip_hash: &'a str,
    rtt_ms: Option<f64>,
    clock_offset_ms: Option<f64>,
    version: &'a str,
    inbound: bool,
    last_status_at_ms: u64,
    charge: u32,
}

impl<'a> From<&'a Peer> for PeerView<'a> {
    fn from(peer: &'a Peer) -> Self {
        Self {
            node_id: &peer.node_id,
            address: &peer.address,
            state: match peer.state() {
                State::Connected => "connected",
                State::Stale => "stale",
                State::Unspecified => "unknown",
            },
            height: peer.height,
            tip_hash: &peer.tip_hash,
            rtt_ms: peer.rtt_ms,
            clock_offset_ms: peer.clock_offset_ms,
            version: &peer.version,
            inbound: peer.inbound,
            last_status_at_ms: peer.last_status_at_ms,
            charge: peer.charge,
        }
    }
}
