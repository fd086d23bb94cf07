//! Voters, blocks and everything that can happen to them.

use std::collections::HashSet;

use proptest::sample::Index;
use vision_finality::Lock;
use vision_primitives::{Checkpoint, Finality, Hash, Height, Signature, SignedVote, Vote, VoteKind};

/// Which rule is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// None.
    All,
    /// A vote fewer makes a certificate.
    SmallQuorum,
    /// Later sources may be below earlier ones.
    NoSurroundBan,
    /// Certified is final.
    OnePhase,
    /// A certified block with a certified child is final.
    TwoConsecutive,
    /// Voters forget what they signed.
    NoMemory,
    /// The next epoch's voters do not wait for the handover to be final.
    HandoverWithoutCertificate,
}

/// A tree of checkpoints and who votes on which. Block 0 is number 0.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Parent and cell of each from number 1 on.
    blocks: Vec<(usize, u64)>,
    /// The first epoch's voters; all if empty.
    first: Vec<usize>,
    /// Blocks that hand over, and to whom.
    handovers: Vec<(usize, Vec<usize>)>,
}

impl Shape {
    pub fn new(blocks: Vec<(usize, u64)>) -> Self {
        Self { blocks, first: Vec::new(), handovers: Vec::new() }
    }

    pub fn with_handovers(mut self, first: Vec<usize>, handovers: [(usize, Vec<usize>); 2]) -> Self {
        self.first = first;
        self.handovers = handovers.into();
        self
    }

    /// Each block hangs on an earlier one, some cells above it.
    pub fn random(links: &[(Index, u64)]) -> Self {
        let mut blocks: Vec<(usize, u64)> = Vec::new();
        for (parent, gap) in links {
            let parent = parent.index(blocks.len() + 1);
            let cell = parent.checked_sub(1).map_or(0, |at| blocks[at].1) + gap;
            blocks.push((parent, cell));
        }
        Self::new(blocks)
    }

    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    fn parent(&self, block: usize) -> usize {
        self.blocks[block - 1].0
    }

    fn checkpoint(&self, block: usize) -> Checkpoint {
        let cell = block.checked_sub(1).map_or(0, |at| self.blocks[at].1);
        Checkpoint { hash: Hash([block as u8; 32]), cell }
    }

    /// The block and its ancestors down to block 0, which every other is above.
    fn chain(&self, block: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(block), |block| (*block > 0).then(|| self.parent(*block)))
    }

    fn conflict(&self, a: usize, b: usize) -> bool {
        !self.chain(a).any(|at| at == b) && !self.chain(b).any(|at| at == a)
    }

    /// The handover whose voters vote on a block; none for the first epoch's.
    fn handover_below(&self, block: usize) -> Option<&(usize, Vec<usize>)> {
        let below = self.chain(block).skip(1);
        below.flat_map(|at| self.handovers.iter().filter(move |(handover, _)| *handover == at)).next()
    }
}

/// Who has done what. Voters are honest; those who misbehave are counted for everything and have no state.
#[derive(Clone)]
struct State {
    /// The source that each block shows; none before the block is made. Block 0 shows itself.
    shows: Vec<Option<usize>>,
    locks: Vec<Lock>,
    /// Of each voter the blocks it has prevoted and precommitted, by number, a bit each.
    prevotes: Vec<u32>,
    precommits: Vec<u32>,
}

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make { block: usize, shows: usize },
    Prevote { voter: usize, block: usize },
    Precommit { voter: usize, block: usize },
}

#[derive(Debug)]
pub struct Model {
    shape: Shape,
    finality: Finality,
    misbehaving: usize,
    honest: usize,
    rule: Rule,
}

pub struct Searched {
    pub conflict: Option<(usize, usize)>,
    pub states: usize,
}

impl Model {
    pub fn new(shape: Shape, finality: Finality, n: usize, misbehaving: usize, rule: Rule) -> Self {
        let highest = shape.handovers.iter().flat_map(|(_, voters)| voters).max();
        let honest = highest.map_or(n - misbehaving, |highest| highest + 1);
        Self { shape, finality, misbehaving, honest, rule }
    }

    fn start(&self) -> State {
        let mut shows = vec![None; self.shape.len() + 1];
        shows[0] = Some(0);
        let bits = vec![0; self.honest];
        State { shows, locks: vec![Lock::new(); self.honest], prevotes: bits.clone(), precommits: bits }
    }

    /// The honest ones among the voters on a block.
    fn voters_on(&self, block: usize) -> Vec<usize> {
        match self.shape.handover_below(block) {
            Some((_, voters)) => voters.clone(),
            None if self.shape.first.is_empty() => (0..self.honest).collect(),
            None => self.shape.first.clone(),
        }
    }

    fn is_quorum(&self, votes: &[u32], block: usize) -> bool {
        let voters = self.voters_on(block);
        let honest = voters.iter().filter(|voter| votes[**voter] & (1 << block) != 0).count();
        let quorum = self.finality.quorum(voters.len() + self.misbehaving);
        let quorum = if self.rule == Rule::SmallQuorum { quorum - 1 } else { quorum };
        honest + self.misbehaving >= quorum
    }

    fn is_certified(&self, state: &State, block: usize) -> bool {
        block == 0 || (state.shows[block].is_some() && self.is_quorum(&state.prevotes, block))
    }

    fn is_final(&self, state: &State, block: usize) -> bool {
        match self.rule {
            Rule::OnePhase => self.is_certified(state, block),
            Rule::TwoConsecutive => {
                let has_child = |child: usize| {
                    self.shape.parent(child) == block
                        && state.shows[child] == Some(block)
                        && self.is_certified(state, child)
                };
                self.is_certified(state, block) && (1..=self.shape.len()).any(has_child)
            }
            _ => self.is_certified(state, block) && self.is_quorum(&state.precommits, block),
        }
    }

    fn vote(&self, kind: VoteKind, source: usize, target: usize) -> SignedVote {
        let vote = Vote {
            kind,
            epoch: 0,
            voters: Hash::ZERO,
            source: self.shape.checkpoint(source),
            target: self.shape.checkpoint(target),
            height: Height(0),
        };
        SignedVote { vote, voter: Hash::ZERO, signature: Signature::ZERO }
    }

    fn allows(&self, lock: &Lock, signed: &SignedVote) -> bool {
        match self.rule {
            Rule::NoSurroundBan => signed.vote.target_level() > lock.target_level(),
            Rule::NoMemory => true,
            _ => lock.check(&signed.vote).is_ok(),
        }
    }

    fn may_vote_on(&self, state: &State, voter: usize, block: usize) -> bool {
        let handover = self.shape.handover_below(block);
        let waits = self.rule != Rule::HandoverWithoutCertificate;
        self.voters_on(block).contains(&voter)
            && handover.is_none_or(|(handover, _)| !waits || self.is_final(state, *handover))
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for block in 1..=self.shape.len() {
            let parent = self.shape.parent(block);
            let Some(shows) = state.shows[block] else {
                // It shows any certificate of its chain from that of its parent on, and from the last
                // handover on.
                let Some(lowest) = state.shows[parent] else { continue };
                let handover = self.shape.handover_below(block).map_or(0, |(handover, _)| *handover);
                let certified = self.shape.chain(parent).filter(|at| self.is_certified(state, *at));
                let from = self.shape.checkpoint(lowest).cell.max(self.shape.checkpoint(handover).cell);
                let shown = certified.filter(|at| self.shape.checkpoint(*at).cell >= from);
                steps.extend(shown.map(|shows| Step::Make { block, shows }));
                continue;
            };
            for voter in 0..self.honest {
                if !self.may_vote_on(state, voter, block) {
                    continue;
                }
                if self.allows(&state.locks[voter], &self.vote(VoteKind::Prevote, shows, block)) {
                    steps.push(Step::Prevote { voter, block });
                }
                let certified = self.is_certified(state, block);
                if certified
                    && self.allows(&state.locks[voter], &self.vote(VoteKind::Precommit, block, block))
                {
                    steps.push(Step::Precommit { voter, block });
                }
            }
        }
        steps
    }

    fn apply(&self, state: &mut State, step: Step) {
        let (voter, signed) = match step {
            Step::Make { block, shows } => {
                state.shows[block] = Some(shows);
                return;
            }
            Step::Prevote { voter, block } => {
                state.prevotes[voter] |= 1 << block;
                let shows = state.shows[block].expect("only blocks that are made are voted on");
                (voter, self.vote(VoteKind::Prevote, shows, block))
            }
            Step::Precommit { voter, block } => {
                state.precommits[voter] |= 1 << block;
                (voter, self.vote(VoteKind::Precommit, block, block))
            }
        };
        let lock = &mut state.locks[voter];
        match self.rule {
            // A vote that the lock forbids leaves it as it is, but for the levels reached.
            Rule::NoSurroundBan | Rule::NoMemory => lock.found(&signed),
            _ => lock.cast(signed).expect("only votes that are allowed are cast"),
        }
    }

    fn conflict(&self, state: &State) -> Option<(usize, usize)> {
        let finals: Vec<usize> =
            (1..=self.shape.len()).filter(|block| self.is_final(state, *block)).collect();
        let pairs = finals.iter().flat_map(|a| finals.iter().map(move |b| (*a, *b)));
        pairs.into_iter().find(|(a, b)| self.shape.conflict(*a, *b))
    }

    /// What makes two states differ. Voters with equal rights are the same in any order.
    fn key(&self, state: &State) -> (Vec<u8>, Vec<[u64; 4]>) {
        let shows = state.shows.iter().map(|shows| shows.map_or(255, |shows| shows as u8)).collect();
        let of = |voter: usize| {
            let lock = &state.locks[voter];
            let bits = [u64::from(state.prevotes[voter]), u64::from(state.precommits[voter])];
            [lock.source_level(), lock.target_level(), bits[0], bits[1]]
        };
        let mut voters: Vec<[u64; 4]> = (0..self.honest).map(of).collect();
        if self.shape.handovers.is_empty() {
            voters.sort_unstable();
        }
        (shows, voters)
    }

    /// Tries every order of events, until two conflicting blocks are final.
    pub fn search(&self) -> Searched {
        let (mut seen, mut waiting) = (HashSet::new(), vec![self.start()]);
        while let Some(state) = waiting.pop() {
            if !seen.insert(self.key(&state)) {
                continue;
            }
            if let Some(conflict) = self.conflict(&state) {
                return Searched { conflict: Some(conflict), states: seen.len() };
            }
            for step in self.steps(&state) {
                let mut next = state.clone();
                self.apply(&mut next, step);
                waiting.push(next);
            }
        }
        Searched { conflict: None, states: seen.len() }
    }

    /// Goes one way, as chosen.
    pub fn walk(&self, choices: &[Index]) -> Option<(usize, usize)> {
        let mut state = self.start();
        for choice in choices {
            let steps = self.steps(&state);
            if steps.is_empty() {
                break;
            }
            self.apply(&mut state, *choice.get(&steps));
            let conflict = self.conflict(&state);
            if conflict.is_some() {
                return conflict;
            }
        }
        None
    }
}
