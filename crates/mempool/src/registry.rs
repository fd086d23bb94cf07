//! Registrations and exits: the transactions whose effect others can forestall (section 7).

use vision_ledger::{ProducerStatus, TransactionFault};
use vision_primitives::{Action, NodeId, SignedTransaction};

use crate::Context;

/// Whether the ledger would apply one that makes or ends the record of `id`, in a block of its own. The
/// proof of possession is a signature, and the caller's.
pub(crate) fn check_registry(
    transaction: &SignedTransaction,
    id: &NodeId,
    context: &Context<'_>,
) -> Result<(), TransactionFault> {
    let (record, census) = (context.state.producer(id), context.state.census());
    if !matches!(transaction.transaction().action, Action::ExitProducer) {
        let max = context.params.max_producers;
        return match record {
            Some(_) => Err(TransactionFault::AlreadyRegistered(*id)),
            None if census.places() >= max => Err(TransactionFault::RegistryFull { max }),
            None => Ok(()),
        };
    }
    match record.map(|record| record.status) {
        None | Some(ProducerStatus::Exited) => Err(TransactionFault::NotAProducer(*id)),
        Some(status) if !census.allows_exit(status) => Err(TransactionFault::LastProducer),
        Some(_) => Ok(()),
    }
}
