//! The machine: what it owns, how it takes an input, and what may be read of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vision_block_tree::{BlockTree, Entry};
use vision_mempool::{Context, Limits, Mempool};
use vision_primitives::{Address, Hash, Header, RecentMap, RecentSet, SignedTransaction, TimestampMs};

use crate::answers::{Answer, ImportEnd, NotStored};
use crate::batch::Draft;
use crate::close::Writing;
use crate::held::{Early, Orphans};
use crate::messages::{Input, Now, Origin, Output, RequestId};
use crate::persisted::Persisted;
use crate::replaced::Replaced;
use crate::reports::Pending;
use crate::{BlockBudget, Fate, Outside, TransactionPlace};

/// Hashes remembered of transactions whose signature was verified.
const MAX_VERIFIED: usize = 65_536;
/// Dropped transactions remembered.
const MAX_DROPPED: usize = 32_768;
/// Header hashes remembered as faulty.
const MAX_FAULTY_HEADERS: usize = 1024;

/// What a machine starts from.
pub struct Parts {
    /// Known blocks, as restored from the store.
    pub tree: BlockTree,
    /// How many transactions may wait.
    pub pool_limits: Limits,
    /// Fates the store has; `u64::MAX` if it cannot say.
    pub fates: u64,
    /// The time.
    pub now: Now,
}

/// The chain's machine; see the crate's documentation.
pub struct Importer {
    pub(crate) tree: BlockTree,
    pub(crate) pool: Mempool,
    /// Root of the state that the pool last saw.
    pub(crate) pool_root: Option<Hash>,
    pub(crate) verified: RecentSet<Hash>,
    pub(crate) faulty: RecentSet<Hash>,
    pub(crate) dropped: RecentMap<Hash, Fate>,
    pub(crate) persisted: Persisted,
    /// Found out at start, to be written with the next batch.
    pub(crate) unsaved_fates: BTreeMap<Hash, Fate>,
    /// How many the store has.
    pub(crate) stored_fates: u64,
    pub(crate) budget: BlockBudget,
    pub(crate) early: Early,
    pub(crate) orphans: Orphans,
    pub(crate) prepared: VecDeque<(Header, Vec<SignedTransaction>)>,
    pub(crate) replaced: Replaced,
    /// Events held back.
    pub(crate) pending: Pending,
    /// The head as it was last published.
    pub(crate) published: Arc<Entry>,
    /// See [`Input::InSyncUntil`].
    in_sync_until_ms: Option<u64>,
    /// The turn so far.
    draft: Draft,
    pub(crate) writing: Writing,
    pub(crate) next_commit: u64,
    /// When the input was taken that is being handled.
    pub(crate) now: Now,
    pub(crate) out: Vec<Output>,
}

impl Importer {
    /// A machine over a restored tree.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { tree, pool_limits, fates, now } = parts;
        Self {
            pool: Mempool::new(pool_limits),
            pool_root: None,
            verified: RecentSet::new(MAX_VERIFIED),
            faulty: RecentSet::new(MAX_FAULTY_HEADERS),
            dropped: RecentMap::new(MAX_DROPPED),
            persisted: Persisted::default(),
            unsaved_fates: BTreeMap::new(),
            stored_fates: fates,
            budget: BlockBudget::new(tree.rules().params().claim_timeout_ms),
            early: Early::default(),
            orphans: Orphans::default(),
            prepared: VecDeque::new(),
            replaced: Replaced::default(),
            pending: Pending::default(),
            published: tree.head().clone(),
            in_sync_until_ms: None,
            draft: Draft::default(),
            writing: Writing::Nothing,
            next_commit: 0,
            now,
            out: Vec::new(),
            tree,
        }
    }

    /// Takes one input; what is to be done about it is added to `out`.
    ///
    /// # Panics
    /// If [`Input::Committed`] or [`Input::CommitFailed`] names a batch that is not being written.
    pub fn handle(&mut self, input: Input, now: Now, outside: &mut impl Outside, out: &mut Vec<Output>) {
        self.now = now;
        std::mem::swap(&mut self.out, out);
        let mut draft = std::mem::take(&mut self.draft);
        self.dispatch(input, &mut draft, outside);
        self.draft = draft;
        std::mem::swap(&mut self.out, out);
    }

    fn dispatch(&mut self, input: Input, draft: &mut Draft, outside: &mut impl Outside) {
        match input {
            Input::Announced { peer, clock, block } => self.announced(peer, clock, block, draft, outside),
            Input::Header { peer, header, signature } => self.header(peer, &header, &signature),
            Input::Tip { peer, clock, tip } => self.tip(peer, clock, &tip),
            Input::Fetched { id, peer, clock, blocks } => {
                if self.is_behind() {
                    // Nothing of it is taken, so nothing has to be durable before the answer.
                    let answer = Answer::Imported(ImportEnd::Stopped(0));
                    return self.out.push(Output::Reply { id, answer });
                }
                let end = self.import_chunk(peer, clock, blocks, draft, outside);
                draft.imports.push((id, end));
            }
            Input::Prepare { id, parent, slot, producer, stamp } => {
                let answer = Answer::Prepared(self.prepare(parent, slot, producer, stamp, outside));
                self.out.push(Output::Reply { id, answer });
            }
            Input::Submit { id, header, signature, transactions } => {
                let made = match self.is_behind() {
                    true => Err(NotStored::StoreUnavailable),
                    false => self.assemble(header, &signature, transactions),
                };
                match made {
                    // What is refused is answered where it is refused.
                    Ok(block) => drop(self.take(Arc::new(block), Origin::Own, Some(id), draft, outside)),
                    Err(refused) => self.refuse(Some(id), refused),
                }
            }
            Input::Screen { id, batch } => {
                let answer = Answer::Screened(self.screen(batch, draft, outside));
                self.out.push(Output::Reply { id, answer });
            }
            Input::Admit { batch } => self.admit(batch, draft, outside),
            Input::InSyncUntil(until_ms) => self.in_sync_until_ms = until_ms,
            Input::Tick => self.release_early(draft, outside),
            Input::CloseBatch => self.close(draft, outside),
            Input::Committed { id, fates } => self.committed(id, fates, draft, outside),
            Input::CommitFailed { id, fates } => self.commit_failed(id, fates, draft, outside),
        }
    }

    pub(crate) fn refuse(&mut self, id: Option<RequestId>, refused: NotStored) {
        let reply = |id| Output::Reply { id, answer: Answer::Refused(refused) };
        self.out.extend(id.map(reply));
    }

    /// Whether this node is in a position to call a block LATE.
    pub(crate) fn in_sync(&self) -> bool {
        self.in_sync_until_ms.is_some_and(|until_ms| self.now.mono_ms <= until_ms)
    }

    /// What waits is judged by.
    pub(crate) fn with_pool<T>(&mut self, act: impl FnOnce(&mut Mempool, &Context<'_>) -> T) -> T {
        let head = self.tree.head();
        let params = self.tree.rules().params();
        act(&mut self.pool, &Context { state: head.state(), head: head.height(), params })
    }

    /// How long nothing is due, milliseconds; none if nothing will be. Then [`Input::Tick`] and
    /// [`Input::CloseBatch`].
    #[must_use]
    pub fn due_in_ms(&self, now: Now) -> Option<u64> {
        let early = self.early.next_due().map(|due| due.since_ms(now.wall));
        let later = [self.writing.retry_due_ms(), self.pending.due_ms()].into_iter().flatten().min();
        [early, later.map(|due_ms| due_ms.saturating_sub(now.mono_ms))].into_iter().flatten().min()
    }

    /// Transactions of the blocks accepted in this turn.
    #[must_use]
    pub const fn transactions_of_turn(&self) -> usize {
        self.draft.transactions
    }

    /// Whether the disk has yet to take what a turn has changed, so that the answer to a question may be out
    /// of reach.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.writing.has_failed()
    }

    /// The known blocks.
    #[must_use]
    pub const fn tree(&self) -> &BlockTree {
        &self.tree
    }

    /// What waits.
    #[must_use]
    pub const fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Hashes of the head's chain, highest first, thinning out.
    #[must_use]
    pub fn locator(&self) -> Vec<Hash> {
        self.tree.locator()
    }

    /// When the head's chain left a known block.
    #[must_use]
    pub fn replaced_at(&self, block: &Hash) -> Option<TimestampMs> {
        self.replaced.at(block)
    }

    /// A transaction that waits, and since when.
    #[must_use]
    pub fn waiting_transaction(&self, hash: &Hash) -> Option<(&SignedTransaction, TransactionPlace)> {
        Some((self.pool.get(hash)?, self.waits(hash)))
    }

    /// Why a transaction waits no more, if it is among the last that were dropped.
    #[must_use]
    pub fn fate_of(&self, hash: &Hash) -> Option<&Fate> {
        self.dropped.get(hash)
    }

    /// Hashes of all that wait, in an order in which they can be admitted elsewhere.
    #[must_use]
    pub fn waiting(&self) -> Vec<Hash> {
        self.pool.iter().map(SignedTransaction::hash).collect()
    }

    /// The nonce for one more transaction of an account.
    #[must_use]
    pub fn next_nonce(&self, address: &Address) -> u64 {
        self.pool.next_nonce(address, self.tree.head().state())
    }

    /// That one waits, since when, and for which nonce.
    pub(crate) fn waits(&self, hash: &Hash) -> TransactionPlace {
        // Sync proofs wait without a date: their producer sends them again and again.
        let since = self.pool.since(hash).unwrap_or_default().wall;
        TransactionPlace::Waiting { since, missing_nonce: self.pool.missing_nonce(hash) }
    }
}
