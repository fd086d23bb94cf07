//! Lists of transactions: those on the head's chain, and those that wait.

use tonic::{Response, Status};
use vision_mempool::Moment;
use vision_primitives::{Action, SignedTransaction, hash};
use vision_wire::chain as proto;
use vision_wire::page::{PageRequest, encode_token};
use vision_wire::{Reason, parse_optional_hash};

use super::ChainRpc;
use super::transactions::included_info;
use crate::store::{MAX_DATA_HEAD_BYTES, Position, Wanted};

/// Bytes of transactions on a page, past the first.
const MAX_PAGE_BYTES: usize = 256 << 10;
/// Bits of a page token's position that name the index in the block; the height is in the others.
const INDEX_BITS: u32 = 20;

/// Checks what data shall begin with.
pub(super) fn data_prefix(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    if bytes.len() <= MAX_DATA_HEAD_BYTES {
        return Ok(bytes.to_vec());
    }
    let why = format!("{} bytes given; 1 to {MAX_DATA_HEAD_BYTES} are allowed", bytes.len());
    Err(vision_wire::status(Reason::InvalidArgument, why, &[("field", "data_prefix".to_owned())]))
}

/// A page as asked for.
struct Page {
    wanted: Wanted,
    /// Name of the list in its page tokens: another question's token is refused.
    list: String,
    items: usize,
    below: Option<(u64, u32)>,
}

impl Page {
    fn parse(request: &proto::ListTransactionsRequest) -> Result<Self, Status> {
        let sender = parse_optional_hash("sender", &request.sender)?;
        let prefix = data_prefix(&request.data_prefix)?;
        let asked = hash(&[b"transactions", sender.unwrap_or_default().as_bytes(), &prefix]);
        let wanted = match (sender, prefix.is_empty()) {
            (Some(sender), true) => Wanted::Sender(sender),
            (None, false) => Wanted::Data(prefix),
            (Some(sender), false) => Wanted::Both(sender, prefix),
            (None, true) => {
                let why = "give sender, data_prefix or both";
                let metadata = [("field", "sender".to_owned())];
                return Err(vision_wire::status(Reason::InvalidArgument, why, &metadata));
            }
        };
        let list = asked.to_string();
        let PageRequest { items, position } =
            PageRequest::parse(&list, request.page_size, &request.page_token)?;
        let below = position.map(|position| {
            let index = position & ((1 << INDEX_BITS) - 1);
            (position >> INDEX_BITS, u32::try_from(index).unwrap_or(u32::MAX))
        });
        Ok(Self { wanted, list, items, below })
    }

    fn token(&self, (height, index): (u64, u32)) -> String {
        encode_token(&self.list, (height << INDEX_BITS) | u64::from(index))
    }
}

impl ChainRpc {
    pub(super) async fn list_of_transactions(
        &self,
        request: &proto::ListTransactionsRequest,
    ) -> Result<Response<proto::ListTransactionsResponse>, Status> {
        let page = Page::parse(request)?;
        let (wanted, below, items) = (page.wanted.clone(), page.below, page.items);
        let found = self.load(move |store| store.list(&wanted, below, items, MAX_PAGE_BYTES)).await?;
        let finalized = self.head().finalized_height;
        let transactions = found.found.iter().map(|listed| {
            let position = Position { height: listed.height, index: listed.index, block: listed.block };
            included_info(&listed.transaction, &position, &self.rules.genesis_hash, finalized)
        });
        Ok(Response::new(proto::ListTransactionsResponse {
            transactions: transactions.collect(),
            next_page_token: found.next.map(|spot| page.token(spot)).unwrap_or_default(),
            up_to_height: found.up_to.get(),
        }))
    }

    pub(super) async fn list_of_pending(
        &self,
        request: &proto::ListPendingRequest,
    ) -> Result<Response<proto::ListPendingResponse>, Status> {
        let items = PageRequest::parse("pending", request.page_size, "")?.items;
        let answer = self.core.read(move |core| {
            let pool = core.pool();
            let (count, bytes) = pool.of_accounts();
            Ok(proto::ListPendingResponse {
                count: count as u64,
                bytes: bytes as u64,
                oldest_since_ms: pool.oldest().map(|moment| moment.wall.get()),
                transactions: pool.newest().take(items).map(pending).collect(),
            })
        });
        Ok(Response::new(answer.await?))
    }
}

fn pending((signed, since): (&SignedTransaction, Moment)) -> proto::PendingTransaction {
    let transaction = signed.transaction();
    let (kind, data, payment) = match &transaction.action {
        Action::Transfer { to, amount } => ("transfer", None, Some((to.to_string(), *amount))),
        Action::Data { bytes } => {
            let head = bytes.get(..MAX_DATA_HEAD_BYTES).unwrap_or(bytes);
            ("data", Some(head.to_vec().into()), None)
        }
        Action::RegisterProducer { .. } => ("register_producer", None, None),
        Action::ExitProducer => ("exit_producer", None, None),
        Action::SyncProof(_) => ("sync_proof", None, None),
    };
    let (to, amount) = payment.unzip();
    proto::PendingTransaction {
        hash: signed.hash().to_string(),
        kind: kind.to_owned(),
        sender: signed.sender_address().to_string(),
        since_ms: since.wall.get(),
        fee: transaction.fee,
        data,
        to,
        amount,
    }
}
