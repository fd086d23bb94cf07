//! One waiting transaction, with what the pool asks it often.

use vision_primitives::{Action, Address, Hash, NodeId, SignedTransaction};

use crate::Moment;
use crate::worth::{Price, Worth};

/// A waiting transaction of an account.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) transaction: SignedTransaction,
    pub(crate) terms: Terms,
    pub(crate) arrived: Moment,
    /// Counts admissions; no two entries have the same.
    pub(crate) seq: u64,
    /// Kept by the sender.
    pub(crate) worth: Worth,
}

impl Entry {
    pub(crate) fn hash(&self) -> Hash {
        self.transaction.hash()
    }

    pub(crate) fn size(&self) -> usize {
        self.terms.size
    }
}

/// What a transaction offers and asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) nonce: u64,
    pub(crate) fee: u64,
    /// Bytes as signed.
    pub(crate) size: usize,
    pub(crate) price: Price,
    /// What the account must hold when its turn comes.
    pub(crate) needs: u128,
    /// What the account holds less afterwards: a transfer to oneself costs the fee, but needs the amount.
    pub(crate) costs: u128,
    /// The producer whose record it makes or ends.
    pub(crate) registers: Option<NodeId>,
}

impl Terms {
    pub(crate) fn of(signed: &SignedTransaction, sender: &Address) -> Self {
        let (transaction, size) = (signed.transaction(), signed.bytes().len());
        let fee = u128::from(transaction.fee);
        let (needs, costs, registers) = match &transaction.action {
            Action::Transfer { to, amount } => {
                let all = fee + u128::from(*amount);
                (all, if to == sender { fee } else { all }, None)
            }
            Action::RegisterProducer { public_key, .. } => (fee, fee, Some(public_key.id())),
            Action::ExitProducer => (fee, fee, Some(*sender)),
            Action::Data { .. } | Action::SyncProof(_) => (fee, fee, None),
        };
        let price = Price::new(transaction.fee, size);
        Self { nonce: transaction.nonce, fee: transaction.fee, size, price, needs, costs, registers }
    }
}

/// The least balance with which all of these can be executed one after the other.
pub(crate) fn balance_needed<'a>(terms: impl IntoIterator<Item = &'a Terms>) -> u128 {
    let (mut spent, mut needed) = (0_u128, 0_u128);
    for terms in terms {
        needed = needed.max(spent + terms.needs);
        spent += terms.costs;
    }
    needed
}
