//! Who may send next and with which nonce, and what became of all that was sent. Knows no clock and no
//! network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vision_mempool::NONCE_WINDOW;
use vision_primitives::Hash;

use super::latency::Latencies;

/// Blocks that may still be left for others.
const OPEN_BLOCKS: usize = 64;
/// An account whose oldest transaction waits so long is asked for, milliseconds: the node may have dropped
/// it.
const STALL_MS: u64 = 10_000;

/// The next transaction to sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Turn {
    /// Which account.
    pub account: usize,
    /// With which nonce.
    pub nonce: u64,
}

/// A transaction on its way.
#[derive(Clone, Copy)]
struct Sent {
    turn: Turn,
    at_ms: u64,
    accepted: bool,
}

/// A transaction in a block.
struct Included {
    hash: Hash,
    sent: Sent,
    latency_ms: u64,
}

#[derive(Default)]
struct Account {
    /// Lowest nonce never used.
    next: u64,
    /// Lower ones to use before that.
    holes: BTreeSet<u64>,
    /// On their way.
    open: BTreeMap<u64, Hash>,
    /// Whether the node must be asked what it knows before this account goes on.
    stale: bool,
    /// Whether it is being asked.
    asking: bool,
    /// When something of it last got into a block or it was last asked for.
    moved_at_ms: u64,
}

impl Account {
    /// The nonce of its next transaction, if it may send one.
    fn free(&self) -> Option<u64> {
        if self.stale {
            return None;
        }
        let nonce = self.holes.first().copied().unwrap_or(self.next);
        let oldest = self.open.first_key_value().map_or(nonce, |(oldest, _)| (*oldest).min(nonce));
        (nonce - oldest < NONCE_WINDOW).then_some(nonce)
    }
}

/// All that was sent.
pub(crate) struct Book {
    accounts: Vec<Account>,
    /// Whose turn it is.
    turn: usize,
    /// On their way, or accepted and in no block.
    sent: BTreeMap<Hash, Sent>,
    /// The last blocks with what they have of ours, oldest first.
    blocks: VecDeque<(u64, Vec<Included>)>,
    latencies: Latencies,
    /// How many were submitted.
    pub submitted: u64,
    /// How many of them a node took.
    pub accepted: u64,
    /// How many were refused, by the rule that was broken or the reason.
    pub refused: BTreeMap<String, u64>,
    /// How many of those accepted still wait at their node, at the end.
    pub waiting: u64,
    /// How many of those accepted their node has dropped again, by its reason.
    pub dropped: BTreeMap<String, u64>,
    /// How many are in a block.
    pub included: u64,
    /// Those accepted that the node has lost again, each with its account: a full pool drops what is worth
    /// least.
    lost: BTreeMap<Hash, Sent>,
    /// When the last one was submitted.
    pub last_submitted_ms: u64,
    /// When the last one got into a block.
    pub last_included_ms: u64,
}

/// What a hash without an answer is counted as.
pub(crate) const NO_ANSWER: &str = "NO_ANSWER";

impl Book {
    /// Accounts with the nonces of their next transactions.
    pub(crate) fn new(nonces: impl IntoIterator<Item = u64>) -> Self {
        let account = |next| Account { next, ..Account::default() };
        Self {
            accounts: nonces.into_iter().map(account).collect(),
            turn: 0,
            sent: BTreeMap::new(),
            blocks: VecDeque::new(),
            latencies: Latencies::new(),
            submitted: 0,
            accepted: 0,
            refused: BTreeMap::new(),
            waiting: 0,
            dropped: BTreeMap::new(),
            included: 0,
            lost: BTreeMap::new(),
            last_submitted_ms: 0,
            last_included_ms: 0,
        }
    }

    /// Who sends next; nobody if all must wait.
    pub(crate) fn next(&self) -> Option<Turn> {
        let count = self.accounts.len();
        let in_turn = (self.turn..count).chain(0..self.turn);
        in_turn.filter_map(|account| Some(Turn { account, nonce: self.accounts[account].free()? })).next()
    }

    /// Who has a nonce to use again, without which what it sent behind it can be in no block.
    pub(crate) fn next_hole(&self) -> Option<Turn> {
        let count = self.accounts.len();
        let mut in_turn = (self.turn..count).chain(0..self.turn);
        in_turn.find_map(|account| {
            let Account { stale, holes, open, .. } = &self.accounts[account];
            let nonce = *holes.first()?;
            let blocks_some = open.last_key_value().is_some_and(|(last, _)| *last > nonce);
            (!stale && blocks_some).then_some(Turn { account, nonce })
        })
    }

    /// The transaction of that turn is on its way.
    pub(crate) fn submit(&mut self, turn: Turn, hash: Hash, now_ms: u64) {
        let account = &mut self.accounts[turn.account];
        if !account.holes.remove(&turn.nonce) {
            account.next = turn.nonce + 1;
        }
        if account.open.is_empty() {
            account.moved_at_ms = now_ms;
        }
        account.open.insert(turn.nonce, hash);
        self.turn = (turn.account + 1) % self.accounts.len();
        // With its nonce comes the same transaction again: what counts of it is how it fares now.
        self.accepted -= u64::from(self.lost.remove(&hash).is_some());
        self.sent.insert(hash, Sent { turn, at_ms: now_ms, accepted: false });
        self.submitted += 1;
        self.last_submitted_ms = now_ms;
    }

    /// A node took it.
    pub(crate) fn accept(&mut self, hash: &Hash) {
        // One that a block had before the answer came has been counted then.
        if let Some(sent) = self.sent.get_mut(hash) {
            sent.accepted = true;
            self.accepted += 1;
        }
    }

    /// A node refused it, or did not answer.
    pub(crate) fn refuse(&mut self, hash: &Hash, cause: &str) {
        let Some(Sent { turn, .. }) = self.sent.remove(hash) else { return };
        *self.refused.entry(cause.to_owned()).or_default() += 1;
        let account = &mut self.accounts[turn.account];
        account.open.remove(&turn.nonce);
        match cause {
            // Only the node knows now which nonces are used.
            NO_ANSWER | "NONCE_TOO_LOW" | "UNDERPRICED" | "TRANSACTION_KNOWN" => account.stale = true,
            _ => {
                account.holes.insert(turn.nonce);
            }
        }
    }

    /// An account to ask the node for, which is then the caller's to do.
    pub(crate) fn ask_for(&mut self, now_ms: u64) -> Option<usize> {
        let index = self.accounts.iter().position(|account| {
            let stalled = !account.open.is_empty() && now_ms.saturating_sub(account.moved_at_ms) > STALL_MS;
            !account.asking && (account.stale || stalled)
        })?;
        (self.accounts[index].asking, self.accounts[index].moved_at_ms) = (true, now_ms);
        Some(index)
    }

    /// What the node answered: the nonce behind all it knows of the account; none if it gave no answer.
    pub(crate) fn answer(&mut self, index: usize, pending_nonce: Option<u64>, now_ms: u64) {
        let account = &mut self.accounts[index];
        account.asking = false;
        let Some(pending) = pending_nonce else { return };
        // What the node has taken and lost again will not come any more.
        let lost = account.open.get(&pending).and_then(|hash| self.sent.get(hash).map(|sent| (*hash, *sent)));
        if let Some((hash, sent)) = lost.filter(|(_, sent)| sent.accepted && sent.at_ms + STALL_MS < now_ms) {
            account.open.remove(&pending);
            self.sent.remove(&hash);
            self.lost.insert(hash, sent);
        }
        account.stale = false;
        account.next = account.next.max(pending);
        account.holes = (pending..account.next).filter(|nonce| !account.open.contains_key(nonce)).collect();
    }

    /// A block of the chain with the hashes of its transactions.
    pub(crate) fn block(&mut self, height: u64, hashes: &[Hash], now_ms: u64) {
        let mut ours = Vec::new();
        for hash in hashes {
            let Some(sent) = self.sent.remove(hash).or_else(|| self.lost.remove(hash)) else { continue };
            let account = &mut self.accounts[sent.turn.account];
            account.open.remove(&sent.turn.nonce);
            account.moved_at_ms = now_ms;
            let latency_ms = now_ms.saturating_sub(sent.at_ms);
            self.latencies.add(latency_ms);
            self.accepted += u64::from(!sent.accepted);
            self.included += 1;
            self.last_included_ms = now_ms;
            ours.push(Included { hash: *hash, sent: Sent { accepted: true, ..sent }, latency_ms });
        }
        self.blocks.push_back((height, ours));
        if self.blocks.len() > OPEN_BLOCKS {
            self.blocks.pop_front();
        }
    }

    /// The chain left the block of this height, the last one reported, for another: what it had of ours is in
    /// no block again.
    pub(crate) fn leave(&mut self, height: u64) {
        let Some((_, ours)) = self.blocks.pop_back_if(|(last, _)| *last == height) else { return };
        for Included { hash, sent, latency_ms } in ours {
            self.latencies.remove(latency_ms);
            self.included -= 1;
            self.accounts[sent.turn.account].open.insert(sent.turn.nonce, hash);
            self.sent.insert(hash, sent);
        }
    }

    /// How many are accepted, or not answered yet, and in no block.
    pub(crate) fn outstanding(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Those accepted that are in no block, each with the account that sent it.
    pub(crate) fn accepted_and_open(&self) -> Vec<(usize, Hash)> {
        let accepted = self.sent.iter().filter(|(_, sent)| sent.accepted);
        let open = accepted.map(|(hash, sent)| (sent.turn.account, *hash));
        open.chain(self.lost.iter().map(|(hash, sent)| (sent.turn.account, *hash))).collect()
    }

    fn forget(&mut self, hash: &Hash) -> bool {
        self.sent.remove(hash).is_some() || self.lost.remove(hash).is_some()
    }

    /// At the end, what has had no answer yet gets none: nobody has promised anything of it.
    pub(crate) fn give_up_unanswered(&mut self) {
        let unanswered = self.sent.iter().filter(|(_, sent)| !sent.accepted);
        let hashes: Vec<Hash> = unanswered.map(|(hash, _)| *hash).collect();
        hashes.iter().for_each(|hash| self.refuse(hash, NO_ANSWER));
    }

    /// A node says that one is in a block, which was not seen.
    pub(crate) fn include_unseen(&mut self, hash: &Hash) {
        self.included += u64::from(self.forget(hash));
    }

    /// A node says that one waits still.
    pub(crate) fn keep_waiting(&mut self, hash: &Hash) {
        self.waiting += u64::from(self.forget(hash));
    }

    /// A node says that it has dropped one.
    pub(crate) fn drop(&mut self, hash: &Hash, reason: &str) {
        if self.forget(hash) {
            *self.dropped.entry(reason.to_owned()).or_default() += 1;
        }
    }

    /// How many were accepted and are in no block, and no node says what became of them.
    pub(crate) fn missing(&self) -> u64 {
        let accepted = self.sent.values().filter(|sent| sent.accepted).count();
        (accepted + self.lost.len()) as u64
    }

    /// Percentiles 50, 95 and 99 of the latency, milliseconds.
    pub(crate) fn latencies_ms(&self) -> [Option<u64>; 3] {
        [50, 95, 99].map(|percent| self.latencies.percentile(percent))
    }
}

#[cfg(test)]
mod tests;
