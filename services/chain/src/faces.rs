//! The two servers: one for this node's services and its operator, one for other nodes.

use std::sync::Arc;

use tonic::codec::CompressionEncoding;
use vision_host::net::Listener;
use vision_host::server::GrpcServer;
use vision_host::{Env, Health};
use vision_wire::chain::chain_service_server::ChainServiceServer;
use vision_wire::p2p::peer_service_server::PeerServiceServer;
use vision_wire::{
    ByMethod, FILE_DESCRIPTOR_SET, IntroducedCalls, MAX_BATCH_BYTES, MAX_BLOCK_QUESTION_BYTES,
    MAX_SMALL_MESSAGE_BYTES, METHODS,
};

use crate::config::Config;
use crate::error::Error;
use crate::peers::PeerRpc;
use crate::rpc::ChainRpc;
use crate::status_page::StatusPage;
use crate::trace;

/// Serves both until the drain begins.
pub(crate) struct Faces {
    /// Where the one for this node's own services listens.
    pub grpc: Listener,
    /// Where the one for other nodes does.
    pub p2p: Listener,
    /// Whether the service is well.
    pub health: Health,
    /// Most bytes of a message with a block.
    pub max_message_bytes: usize,
}

impl Faces {
    /// Serves until the drain begins.
    pub(crate) async fn serve(
        self,
        config: &Config,
        env: &Env,
        (chain_rpc, peer_rpc, page): (ChainRpc, PeerRpc, StatusPage),
    ) -> Result<(), Error> {
        let Self { grpc, p2p, health, max_message_bytes } = self;
        let (chain_rpc, peer_rpc) = (Arc::new(chain_rpc), Arc::new(peer_rpc));
        let chain_service = |limit| {
            let service = ChainServiceServer::from_arc(chain_rpc.clone()).max_decoding_message_size(limit);
            service.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip)
        };
        let chain_service = ByMethod::new(
            chain_service(MAX_SMALL_MESSAGE_BYTES),
            chain_service(max_message_bytes.max(MAX_BATCH_BYTES)),
            &["SubmitBlock", "SubmitTransactions"],
        );
        let peer_service = |limit| {
            let service = PeerServiceServer::from_arc(peer_rpc.clone()).max_decoding_message_size(limit);
            service.max_encoding_message_size(max_message_bytes)
        };
        let peer_service = ByMethod::new(
            peer_service(MAX_BLOCK_QUESTION_BYTES),
            peer_service(max_message_bytes),
            &["Exchange"],
        );
        let own_face = GrpcServer::new(&health)
            .traced_as(trace::SERVICE)
            .called(config.grpc_listen.host())
            .add(chain_service)
            .descriptor_set(FILE_DESCRIPTOR_SET)
            .methods(METHODS)
            .show_metrics()
            .serve(grpc, env);
        let advertised_host = config.p2p_advertise.rsplit_once(':').map_or("", |(host, _)| host);
        let peer_face = GrpcServer::new(&health)
            .for_strangers()
            .connections(config.p2p_connections())
            .connections_per_address(config.max_connections_per_address)
            .called(config.p2p_listen.host())
            .called(advertised_host)
            .add(IntroducedCalls::new(peer_service))
            .methods(METHODS)
            .http_routes(page.router())
            .serve(p2p, env);
        health.set_serving();
        tokio::try_join!(own_face, peer_face)?;
        Ok(())
    }
}
