//! Two machines joined by a list of messages: no runtime, no socket, no disk.

mod support;

use std::collections::VecDeque;
use std::sync::Arc;

use support::{Machine, Net, id};
use vision_importer::{Input, Origin, Output, PeerClock, RequestId, TipClaim, TransactionPlace};
use vision_primitives::{Block, Hash, Height, NodeId, SignedTransaction};

/// What one machine sends the other.
enum Message {
    Block(Arc<Block>),
    Transactions(Vec<SignedTransaction>),
    Tip(TipClaim),
    BlocksWanted(Vec<Hash>),
    Blocks(Vec<Block>),
}

/// Two machines, who makes blocks at each, and what is on its way between them.
struct Pair {
    machines: [Machine; 2],
    makers: [Vec<NodeId>; 2],
    /// To which machine, and what.
    messages: VecDeque<(usize, Message)>,
    joined: bool,
    submitted: Vec<(usize, Hash)>,
    /// Transactions that were said to be dropped, and reorganisations by depth.
    dropped: Vec<Hash>,
    reorganised: Vec<u64>,
}

impl Pair {
    /// Names of the machines as peers.
    const NAMES: [u8; 2] = [101, 102];

    fn new() -> Self {
        let net = Net::of(5);
        Self {
            machines: [Machine::new(&net), Machine::new(&net)],
            makers: [vec![id(1), id(2), id(3)], vec![id(4), id(5)]],
            messages: VecDeque::new(),
            joined: true,
            submitted: Vec::new(),
            dropped: Vec::new(),
            reorganised: Vec::new(),
        }
    }

    fn peer_of(to: usize) -> NodeId {
        id(Self::NAMES[1 - to])
    }

    /// Both clocks go on together.
    fn align(&mut self) {
        let now_ms = self.machines.iter().map(|machine| machine.now_ms).max().expect("two");
        self.machines.iter_mut().for_each(|machine| machine.now_ms = now_ms);
    }

    fn send(&mut self, from: usize, message: Message) {
        if self.joined {
            self.messages.push_back((1 - from, message));
        }
    }

    /// Does what a machine has said.
    fn perform(&mut self, at: usize, said: Vec<Output>) {
        let peer = Self::peer_of(at);
        for output in said {
            match output {
                Output::Stored { block, origin, .. } if !matches!(origin, Origin::Fetched(_)) => {
                    self.send(at, Message::Block(block));
                }
                Output::Forward { transactions, except } if except != Some(peer) => {
                    self.send(at, Message::Transactions(transactions));
                }
                Output::ForwardAgain { transactions } => {
                    let pool = self.machines[at].importer.pool();
                    let again = transactions.iter().filter_map(|hash| pool.get(hash).cloned()).collect();
                    self.send(at, Message::Transactions(again));
                }
                Output::TipClaimed { weight, .. } => {
                    let tree = self.machines[at].importer.tree();
                    if weight > tree.head().weight() {
                        let locator = tree.locator();
                        self.send(at, Message::BlocksWanted(locator));
                    }
                }
                Output::HeadMoved { left, .. } if left > 0 => self.reorganised.push(left),
                Output::Happened(events) => {
                    let gone = |place: &TransactionPlace| matches!(place, TransactionPlace::Dropped { .. });
                    self.dropped.extend(events.iter().filter(|it| gone(&it.place)).map(|it| it.hash));
                }
                Output::Charge { points, why, .. } => panic!("charged {points}: {why}"),
                _ => {}
            }
        }
    }

    fn deliver(&mut self) {
        while let Some((to, message)) = self.messages.pop_front() {
            let (peer, clock) = (Self::peer_of(to), PeerClock::default());
            let machine = &mut self.machines[to];
            let said = match message {
                Message::Block(block) => machine.step(Input::Announced { peer, clock, block }),
                Message::Transactions(transactions) => machine.take(transactions, Some(peer)),
                Message::Tip(tip) => machine.step(Input::Tip { peer, clock, tip }),
                Message::BlocksWanted(locator) => {
                    let blocks = blocks_after(machine, &locator);
                    self.send(to, Message::Blocks(blocks));
                    continue;
                }
                Message::Blocks(blocks) => {
                    let id = RequestId(machine.new_id());
                    machine.step(Input::Fetched { id, peer, clock, blocks })
                }
            };
            self.perform(to, said);
        }
    }

    fn produce(&mut self, at: usize) {
        self.align();
        let makers = self.makers[at].clone();
        let said = self.machines[at].produce(&makers);
        self.align();
        self.perform(at, said);
        self.deliver();
    }

    fn submit(&mut self, at: usize, from: u8, nonce: u64) {
        let transaction = self.machines[at].transfer(from, nonce);
        self.submitted.push((at, transaction.hash()));
        let said = self.machines[at].take(vec![transaction], None);
        let accepted = said.iter().any(|output| matches!(output, Output::Settled { answer: Ok(_), .. }));
        assert!(accepted, "nonce {nonce} of {from}");
        self.perform(at, said);
        self.deliver();
    }

    /// Each sends the other its head, as connected nodes do every second.
    fn send_tips(&mut self) {
        for at in [0, 1] {
            let head = self.machines[at].importer.tree().head().clone();
            let (header, signature) = (head.header_bytes().to_vec(), head.signature().0.to_vec());
            let tip = TipClaim { height: head.height().get(), hash: head.hash(), header, signature };
            self.send(at, Message::Tip(tip));
        }
        self.deliver();
    }

    fn heads(&self) -> [Hash; 2] {
        [0, 1].map(|at| self.machines[at].head())
    }
}

/// The blocks of the head's chain after the first of these that is on it, from the store alone.
fn blocks_after(machine: &Machine, locator: &[Hash]) -> Vec<Block> {
    let chain = &machine.memory.chain;
    let common = chain.iter().rev().find(|(_, hash)| locator.contains(hash)).map(|(height, _)| *height);
    let above = common.unwrap_or(Height::GENESIS).next();
    chain.range(above..).map(|(_, hash)| Block::clone(&machine.memory.blocks[hash])).collect()
}

#[test]
fn a_partition_heals_and_no_submitted_transaction_is_lost() {
    let mut pair = Pair::new();
    for round in 0..3 {
        pair.submit(0, 1, round);
        pair.produce(0);
        pair.produce(1);
        assert_eq!(pair.heads()[0], pair.heads()[1], "together, round {round}");
    }

    pair.joined = false;
    for round in 0..8 {
        pair.submit(0, 2, round);
        pair.submit(1, 4, round);
        pair.submit(1, 5, round);
        pair.produce(0);
        if round % 2 == 0 {
            pair.produce(1);
        }
    }
    let [a, b] = pair.heads();
    assert_ne!(a, b, "apart, each has its own head");
    assert!(pair.reorganised.is_empty());

    pair.joined = true;
    pair.send_tips();
    assert_eq!(pair.heads()[0], pair.heads()[1], "healed");
    assert_eq!(pair.reorganised.len(), 1, "the lighter side alone has left its branch");
    for _ in 0..6 {
        // What was submitted on the lighter side is sent again when the head moves, once it has waited for 3
        // s.
        pair.machines.iter_mut().for_each(|machine| machine.now_ms += 3_000);
        pair.produce(0);
        pair.produce(1);
    }
    assert_eq!(pair.heads()[0], pair.heads()[1]);
    assert_eq!(pair.dropped, [], "nothing was dropped");
    let mut included = 0;
    for (at, hash) in &pair.submitted {
        let machine = &pair.machines[*at];
        let (is_included, waits) = (machine.memory.includes(hash), machine.importer.pool().contains(hash));
        assert!(is_included ^ waits, "{hash} is included: {is_included}; waits: {waits}");
        assert_eq!(machine.memory.waiting.contains(hash), waits, "what waits lies in the store, and no more");
        included += usize::from(is_included);
    }
    assert_eq!(included, pair.submitted.len(), "there was room for all of them in the end");
    for machine in &pair.machines {
        let tree = machine.importer.tree();
        for (height, hash) in &machine.memory.chain {
            let known = tree.canonical(*height).map(|entry| entry.hash());
            assert!(known.is_none_or(|known| known == *hash), "the store has the head's chain");
        }
        assert_eq!(machine.memory.chain.last_key_value().map(|(_, hash)| *hash), Some(machine.head()));
    }
}

#[test]
fn the_same_messages_give_the_same_chain_again() {
    let run = || {
        let mut pair = Pair::new();
        for round in 0..4 {
            pair.joined = round % 2 == 0;
            pair.submit(0, 1, round);
            pair.produce(0);
            pair.produce(1);
        }
        pair.joined = true;
        pair.send_tips();
        (pair.heads(), pair.machines[0].now_ms)
    };
    let (heads, now_ms) = run();
    assert_eq!(heads[0], heads[1]);
    assert_eq!((heads, now_ms), run());
    assert!(now_ms > vision_test_blocks::genesis(5).time_ms.get(), "time goes on");
}
