//! What that chain answers.

use std::sync::atomic::Ordering;

use tonic::{Request, Response, Status};
use vision_primitives::{ConsensusParams, Hash};
use vision_schedule::epoch_salt;
use vision_test_support::PlayedChain;
use vision_wire::chain::get_block_request::Id;
use vision_wire::chain::get_producers_request::At;
use vision_wire::chain::peer::State;
use vision_wire::chain::producer::Status as ProducerStatus;
use vision_wire::chain::*;
use vision_wire::{EventKind, Reason, ResponseStream, params_to_proto, status};

use super::chain::{FakeChain, GENESIS_TIME};
use super::network;

#[tonic::async_trait]
impl PlayedChain for FakeChain {
    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Result<Response<ListNodesResponse>, Status> {
        Ok(Response::new(network::nodes()))
    }

    async fn get_propagation(
        &self,
        _: Request<GetPropagationRequest>,
    ) -> Result<Response<GetPropagationResponse>, Status> {
        Ok(Response::new(network::propagation()))
    }

    async fn get_slots(
        &self,
        request: Request<GetSlotsRequest>,
    ) -> Result<Response<GetSlotsResponse>, Status> {
        let GetSlotsRequest { height, slots } = request.into_inner();
        let height = height.unwrap_or(self.height.load(Ordering::SeqCst) + 1);
        let Some(below) = height.checked_sub(1) else {
            return Err(status(Reason::InvalidHeight, "block 0 has no slot", &[]));
        };
        let schedule = self.schedule(self.checked(below)?);
        let parent = self.info(below, false);
        let slots = if slots.is_empty() { (0..7).collect() } else { slots };
        let slots = slots.into_iter().map(|slot| {
            let window = schedule.window(vision_primitives::Slot(slot));
            Slot {
                slot,
                node_id: window.owner.to_string(),
                opens_at_ms: window.opens_at.get(),
                jitter_ms: window.jitter_ms,
                closes_at_ms: window.closes_at.get(),
                ..Slot::default()
            }
        });
        Ok(Response::new(GetSlotsResponse {
            chain_id: "vision-testnet-1".into(),
            height,
            parent: parent.hash.clone(),
            parent_timestamp_ms: parent.timestamp_ms,
            entropy: parent.hash,
            seed: schedule.seed().to_string(),
            epoch_salt: epoch_salt("vision-testnet-1").to_string(),
            active: self.ids(),
            registered: self.ids(),
            slots: slots.collect(),
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        let window = request.into_inner().window;
        assert!([0, 3, 64].contains(&window), "{window}");
        let producer = ProducerStatistics {
            node_id: self.ids()[0].clone(),
            primary: 2,
            backup: 1,
            tail: 0,
            missed: 4,
            rewards: "36893488147419103230".into(),
            share: 0.6,
            expected_share: 0.25,
        };
        Ok(Response::new(GetStatisticsResponse {
            from_height: 1,
            to_height: 5,
            blocks: 5,
            producers: vec![producer],
            interval_median_ms: Some(2000),
            interval_max_ms: Some(2000),
        }))
    }

    async fn get_fork_tree(
        &self,
        request: Request<GetForkTreeRequest>,
    ) -> Result<Response<GetForkTreeResponse>, Status> {
        Ok(Response::new(network::tree(request.into_inner().heights)))
    }

    async fn get_chain_info(
        &self,
        _: Request<GetChainInfoRequest>,
    ) -> Result<Response<GetChainInfoResponse>, Status> {
        let params = ConsensusParams { block_interval_ms: 700, ..ConsensusParams::default() };
        Ok(Response::new(GetChainInfoResponse {
            chain_id: "vision-testnet-1".into(),
            genesis_hash: self.genesis_hash.to_string(),
            genesis_time_ms: GENESIS_TIME,
            entropy: "prev_hash".into(),
            finality: "cft".into(),
            parameters: Some(params_to_proto(&params)),
            params: params.table().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            node_id: self.ids()[0].clone(),
        }))
    }

    async fn get_head(&self, _: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        if let Some(fault) = self.head_fault.lock().expect("no panic").clone() {
            return Err(fault);
        }
        let height = self.height.load(Ordering::SeqCst);
        let block = self.block(height);
        let head = Head {
            height,
            hash: block.hash().to_string(),
            parent: block.header().parent.to_string(),
            timestamp_ms: block.header().timestamp_ms.get(),
            finalized_height: 1,
            safe_height: 2,
            ..Head::default()
        };
        Ok(Response::new(GetHeadResponse { head: Some(head) }))
    }

    async fn get_block(
        &self,
        request: Request<GetBlockRequest>,
    ) -> Result<Response<GetBlockResponse>, Status> {
        let request = request.into_inner();
        let height = match request.id.expect("sent") {
            Id::Height(height) => self.checked(height)?,
            Id::Hash(hash) => self.found(&hash)?,
        };
        let block = self.info(height, !request.without_transactions);
        Ok(Response::new(GetBlockResponse { block: Some(block) }))
    }

    async fn list_blocks(
        &self,
        request: Request<ListBlocksRequest>,
    ) -> Result<Response<ListBlocksResponse>, Status> {
        let request = request.into_inner();
        let (count, head) = (request.page_size as usize, self.height.load(Ordering::SeqCst));
        let heights: Vec<u64> = match request.before_height {
            Some(below) => (0..below.min(head + 1)).rev().take(count).collect(),
            None => (request.from_height..=head).take(count).collect(),
        };
        let blocks = heights.into_iter().map(|height| self.info(height, false)).collect();
        Ok(Response::new(ListBlocksResponse { blocks, next_page_token: String::new() }))
    }

    async fn get_producers(
        &self,
        request: Request<GetProducersRequest>,
    ) -> Result<Response<GetProducersResponse>, Status> {
        let height = match request.into_inner().at {
            None => 5,
            Some(At::Height(height)) => self.checked(height)?,
            Some(At::Hash(hash)) => self.found(&hash)?,
        };
        let registered = self.keys.iter().map(|key| Producer {
            node_id: key.public_key().id().to_string(),
            public_key: key.public_key().to_string(),
            payout: "05".repeat(32),
            status: ProducerStatus::Active.into(),
            missed: 1,
            ..Producer::default()
        });
        Ok(Response::new(GetProducersResponse {
            height,
            hash: self.info(height, false).hash,
            active: self.ids(),
            registered: registered.collect(),
            candidates: vec![],
            pool_root: "11".repeat(32),
            registered_root: "12".repeat(32),
        }))
    }

    async fn list_peers(&self, _: Request<ListPeersRequest>) -> Result<Response<ListPeersResponse>, Status> {
        if self.hangs.load(Ordering::SeqCst) {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let peer = Peer {
            node_id: "ab".repeat(32),
            address: "127.0.0.1:7073".into(),
            state: State::Connected.into(),
            height: 5,
            tip_hash: "cd".repeat(32),
            rtt_ms: Some(0.5),
            clock_offset_ms: None,
            version: "0.1.0".into(),
            inbound: true,
            last_status_at_ms: 17,
            delivers: true,
            producer: true,
            charge: 3,
        };
        Ok(Response::new(ListPeersResponse { peers: vec![peer] }))
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        self.submit(request.into_inner()).await.map(Response::new)
    }

    async fn submit_transactions(
        &self,
        request: Request<SubmitTransactionsRequest>,
    ) -> Result<Response<SubmitTransactionsResponse>, Status> {
        self.submit_many(request.into_inner()).map(Response::new)
    }

    async fn get_transaction(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        self.transaction(request.get_ref()).map(Response::new)
    }

    async fn watch_transactions(
        &self,
        request: Request<WatchTransactionsRequest>,
    ) -> Result<Response<ResponseStream<WatchTransactionsResponse>>, Status> {
        let cursor = request.into_inner().cursor;
        let watch = self.pool.1.subscribe(&cursor)?;
        self.pool.lock().watched.push(cursor);
        Ok(Response::new(watch.respond(|item| {
            // The last event before the watch began is not of it.
            let heartbeat = item.kind != EventKind::New;
            let transactions = if heartbeat { Vec::new() } else { item.event };
            WatchTransactionsResponse { cursor: item.cursor, heartbeat, transactions }
        })))
    }

    async fn list_transactions(
        &self,
        request: Request<ListTransactionsRequest>,
    ) -> Result<Response<ListTransactionsResponse>, Status> {
        self.list(request.into_inner()).map(Response::new)
    }

    async fn list_pending(
        &self,
        request: Request<ListPendingRequest>,
    ) -> Result<Response<ListPendingResponse>, Status> {
        let request = request.into_inner();
        let pending = |number: u8| PendingTransaction {
            hash: Hash([number; 32]).to_string(),
            kind: "data".into(),
            sender: Hash([9; 32]).to_string(),
            since_ms: 17,
            fee: u64::MAX,
            data: Some(vec![number].into()),
            ..PendingTransaction::default()
        };
        let (to, amount) = (Some("05".repeat(32)), Some(u64::MAX));
        let payment = PendingTransaction { kind: "transfer".into(), data: None, to, amount, ..pending(1) };
        let all = [payment, pending(2), pending(3)];
        let transactions = all.into_iter().take(request.page_size as usize).collect();
        let answer = ListPendingResponse { count: 3, bytes: 700, oldest_since_ms: Some(17), transactions };
        Ok(Response::new(answer))
    }

    async fn follow_transactions(
        &self,
        request: Request<FollowTransactionsRequest>,
    ) -> Result<Response<ResponseStream<FollowTransactionsResponse>>, Status> {
        let request = request.into_inner();
        self.pool.lock().followed.push(request.clone());
        let events = self.pool.2.subscribe(&request.cursor)?;
        Ok(Response::new(events.respond(|item| {
            let what = item.event.filter(|_| item.kind == EventKind::New);
            FollowTransactionsResponse { cursor: item.cursor, heartbeat: what.is_none(), what }
        })))
    }

    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        Ok(Response::new(self.account(request.into_inner())))
    }
}
