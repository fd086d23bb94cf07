//! `vision load`: submits transactions at a rate, whatever the network makes of them, and measures how they
//! fare.
#![deny(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod accounts;
mod args;
mod book;
mod follow;
mod latency;
mod report;
mod submit;

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use vision_host::Clock;
use vision_mempool::NONCE_WINDOW;
use vision_primitives::{Action, Hash, SignedTransaction, Transaction};

pub use args::LoadArgs;
use vision_terminal::answers::height;
use vision_terminal::chain::{Account, Chain};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::{Format, count};
use vision_terminal::rest::Gateway;

use accounts::Sender;
use book::{Book, Turn};
use report::{Bar, Setting};
use submit::Answers;

/// How often it is seen to what is due.
const TICK: Duration = Duration::from_millis(5);
/// How long what was accepted may get into blocks after the last was submitted, milliseconds.
const LATE_MS: u64 = 30_000;
/// Pause between two tries to submit again what was refused.
const HOLES_EVERY_MS: u64 = 500;
/// Signed transactions that wait for one node to take them; more are held back.
const QUEUE: usize = 8192;
/// How long the nodes may take to say what became of the rest.
const FATES_DEADLINE: Duration = Duration::from_secs(60);
/// Pause before a node is asked again that gave no answer.
const FATES_PAUSE: Duration = Duration::from_millis(250);
/// Accounts asked for at once.
const QUESTIONS_AT_ONCE: usize = 8;
/// What a transfer moves.
const AMOUNT: u64 = 1;
/// Signed bytes of a transaction with no data.
const EMPTY_DATA_BYTES: u32 = 117;

/// Runs a load to its end.
pub async fn run(args: &LoadArgs, format: Format) -> Outcome {
    let gateways: Vec<Gateway> = args.nodes.iter().map(|url| Gateway::new(url)).collect::<Outcome<_>>()?;
    let chain = one_chain(&gateways).await?;
    let senders = senders(args, &gateways, &chain).await?;
    warn_if_too_few(args, &senders, &chain);
    let clock = Clock::system(0);
    let (seen_in, mut seen) = mpsc::channel(16);
    let from = height(&gateways[0]).await? + 1;
    let following = tokio::spawn(follow::run(gateways.clone(), from, clock.clone(), seen_in));
    let mut load = Load::new(args, chain, senders, gateways, clock);
    load.drive(&mut seen).await;
    following.abort();
    load.ask_for_the_rest().await;
    let Load { book, setting, bar, .. } = load;
    drop(bar);
    report::show(&book, &setting, format)
}

/// What all nodes say of their chain.
async fn one_chain(gateways: &[Gateway]) -> Outcome<Chain> {
    let first = Chain::ask(&gateways[0]).await?;
    for other in &gateways[1..] {
        if Chain::ask(other).await? != first {
            let (a, b) = (gateways[0].url(), other.url());
            return Err(Failure::usage(format!("{a} and {b} are nodes of different chains")));
        }
    }
    Ok(first)
}

async fn senders(args: &LoadArgs, gateways: &[Gateway], chain: &Chain) -> Outcome<Vec<Sender>> {
    let funded = accounts::read_keys(&args.accounts_dir)?;
    let wanted = args.accounts.map_or(funded.len(), |wanted| wanted as usize);
    let keys = accounts::extend(&funded, wanted);
    let senders = accounts::ask(&keys, gateways).await?;
    if wanted <= funded.len() {
        return Ok(senders);
    }
    // Twice what an equal share of the load costs, and a whole window more.
    let share = (args.rate * args.seconds).div_ceil(wanted as u64).saturating_add(NONCE_WINDOW);
    let needed = share.saturating_mul(2).saturating_mul(chain.min_fee.saturating_add(AMOUNT));
    let (further, of) = (count(wanted - funded.len(), "further account"), count(funded.len(), "funded one"));
    eprintln!("derived {further} from {of}");
    let topped_up = accounts::fund(&senders, funded.len(), needed, gateways, chain).await?;
    if topped_up == 0 {
        return Ok(senders);
    }
    eprintln!("funded {} with up to {needed} each", count(topped_up, "account"));
    accounts::ask(&keys, gateways).await
}

fn warn_if_too_few(args: &LoadArgs, senders: &[Sender], chain: &Chain) {
    let bearable = senders.len() as u64 * NONCE_WINDOW * 1000 / chain.block_interval_ms.max(1);
    if args.rate > bearable {
        eprintln!(
            "on this chain, {} can send at most about {} a second; use more --accounts",
            count(senders.len(), "account"),
            count(bearable, "transaction")
        );
    }
}

/// A load on its way.
struct Load {
    chain: Chain,
    senders: Vec<Sender>,
    gateways: Vec<Gateway>,
    clock: Clock,
    size: Option<u32>,
    book: Book,
    setting: Setting,
    bar: Bar,
    /// When holes are filled next.
    holes_due_ms: u64,
    questions: JoinSet<(usize, Option<u64>)>,
}

impl Load {
    fn new(
        args: &LoadArgs,
        chain: Chain,
        senders: Vec<Sender>,
        gateways: Vec<Gateway>,
        clock: Clock,
    ) -> Self {
        let setting = Setting {
            rate: args.rate,
            seconds: args.seconds,
            accounts: senders.len(),
            nodes: gateways.len(),
            held_back: 0,
            started_ms: clock.monotonic_ms(),
        };
        let book = Book::new(senders.iter().map(|sender| sender.account.pending_nonce));
        let bar = Bar::new(args.rate * args.seconds);
        Self {
            chain,
            senders,
            gateways,
            clock,
            size: args.size,
            book,
            setting,
            bar,
            holes_due_ms: 0,
            questions: JoinSet::new(),
        }
    }

    async fn drive(&mut self, seen: &mut mpsc::Receiver<follow::Seen>) {
        let (answers_in, mut answers) = mpsc::channel::<Answers>(16);
        let mut queues = Vec::new();
        for gateway in &self.gateways {
            let (queue, signed) = mpsc::channel(QUEUE);
            tokio::spawn(submit::run(gateway.clone(), self.clock.clone(), signed, answers_in.clone()));
            queues.push(queue);
        }
        drop(answers_in);
        let end_ms = self.setting.started_ms + self.setting.seconds * 1000;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answering = true;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let now_ms = self.clock.monotonic_ms();
                    self.issue(&queues, now_ms.min(end_ms));
                    if now_ms >= end_ms {
                        self.fill_holes(&queues, now_ms);
                        if self.book.outstanding() == 0 || now_ms >= end_ms + LATE_MS {
                            // Submitters end when they have submitted the rest.
                            queues.clear();
                        }
                        if now_ms >= end_ms + LATE_MS || (!answering && self.book.outstanding() == 0) {
                            return;
                        }
                    }
                    self.ask(now_ms);
                    self.bar.show(&self.book, self.setting.held_back);
                }
                outcomes = answers.recv(), if answering => match outcomes {
                    None => answering = false,
                    Some(outcomes) => outcomes.iter().for_each(|(hash, cause)| match cause {
                        None => self.book.accept(hash),
                        Some(cause) => self.book.refuse(hash, cause),
                    }),
                },
                Some(seen) = seen.recv() => match seen {
                    follow::Seen::Block { height, hashes, at_ms } => self.book.block(height, &hashes, at_ms),
                    follow::Seen::Left { height } => self.book.leave(height),
                },
                Some(Ok((account, nonce))) = self.questions.join_next() => {
                    self.book.answer(account, nonce, self.clock.monotonic_ms());
                }
            }
        }
    }

    /// Submits what has fallen due.
    fn issue(&mut self, queues: &[mpsc::Sender<SignedTransaction>], now_ms: u64) {
        let elapsed_ms = now_ms - self.setting.started_ms;
        let due = self.setting.rate * elapsed_ms / 1000;
        let mut left = due.saturating_sub(self.book.submitted + self.setting.held_back);
        while left > 0 && !queues.is_empty() {
            let Some(turn) = self.book.next() else { break };
            let node = self.senders[turn.account].node;
            let Ok(place) = queues[node].try_reserve() else { break };
            let signed = self.sign(turn);
            self.book.submit(turn, signed.hash(), self.clock.monotonic_ms());
            place.send(signed);
            left -= 1;
        }
        if !queues.is_empty() {
            self.setting.held_back += left;
        }
    }

    /// At the end, submits what was refused if there is something accepted behind it.
    fn fill_holes(&mut self, queues: &[mpsc::Sender<SignedTransaction>], now_ms: u64) {
        if now_ms < self.holes_due_ms {
            return;
        }
        self.holes_due_ms = now_ms + HOLES_EVERY_MS;
        while let Some(turn) = self.book.next_hole() {
            let Some(queue) = queues.get(self.senders[turn.account].node) else { return };
            let Ok(place) = queue.try_reserve() else { return };
            let signed = self.sign(turn);
            self.book.submit(turn, signed.hash(), now_ms);
            place.send(signed);
        }
    }

    fn sign(&self, turn: Turn) -> SignedTransaction {
        let sender = &self.senders[turn.account];
        let action = match self.size {
            Some(size) => Action::Data { bytes: vec![0x5a; (size - EMPTY_DATA_BYTES) as usize] },
            None => {
                let to = self.senders[(turn.account + 1) % self.senders.len()].address;
                Action::Transfer { to, amount: AMOUNT }
            }
        };
        let (key, fee) = (&sender.key, self.chain.min_fee);
        let transaction = Transaction { sender: key.public_key(), nonce: turn.nonce, fee, action };
        transaction.sign(key, &self.chain.genesis_hash)
    }

    /// Asks the node that took them for those that were in no block at the end: they wait behind one that was
    /// refused, or a full pool dropped them because they are worth least, and both are reported.
    async fn ask_for_the_rest(&mut self) {
        self.book.give_up_unanswered();
        let (clock, until) = (&self.clock, self.clock.instant() + FATES_DEADLINE);
        let questions = self.book.accepted_and_open().into_iter().map(|(account, hash)| {
            let gateway = self.gateways[self.senders[account].node].clone();
            async move { (hash, ask_for_fate(&gateway, &hash, clock, until).await) }
        });
        let mut answers = futures::stream::iter(questions).buffer_unordered(QUESTIONS_AT_ONCE);
        while let Some((hash, answer)) = answers.next().await {
            let Some(answer) = answer else { continue };
            match (answer["status"].as_str(), answer["reason"].as_str()) {
                (Some("pending"), _) => self.book.keep_waiting(&hash),
                (Some("included"), _) => self.book.include_unseen(&hash),
                (_, Some(reason)) => self.book.drop(&hash, reason),
                _ => {}
            }
        }
    }

    /// Asks the nodes for the accounts of which only they know how they stand.
    fn ask(&mut self, now_ms: u64) {
        while self.questions.len() < QUESTIONS_AT_ONCE
            && let Some(account) = self.book.ask_for(now_ms)
        {
            let sender = &self.senders[account];
            let (gateway, address) = (self.gateways[sender.node].clone(), sender.address);
            self.questions.spawn(async move {
                let answer = Account::ask(&gateway, &address).await;
                (account, answer.ok().map(|account| account.pending_nonce))
            });
        }
    }
}

/// Where a transaction is; again while the node is too busy to answer.
async fn ask_for_fate(gateway: &Gateway, hash: &Hash, clock: &Clock, until: Instant) -> Option<Value> {
    let path = format!("/api/transactions/{hash}");
    loop {
        match gateway.get(&path).await {
            Ok(answer) => return Some(answer),
            Err(failure) if failure.exit() == Exit::NotFound || clock.instant() >= until => return None,
            Err(_) => tokio::time::sleep(FATES_PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use vision_primitives::{MAX_DATA_BYTES, SecretKey};

    use super::*;

    fn load(gateways: Vec<Gateway>) -> Load {
        let key = SecretKey::from_seed(&[1; 32]);
        let account = Account { balance: 0, nonce: 0, pending_nonce: 3 };
        let sender = Sender { address: key.public_key().id(), key, node: 0, account };
        let chain = Chain { genesis_hash: Hash::ZERO, min_fee: 1, block_interval_ms: 1 };
        let args = LoadArgs {
            rate: 1,
            seconds: 1,
            accounts_dir: "none".into(),
            accounts: None,
            size: None,
            nodes: vec![],
        };
        Load::new(&args, chain, vec![sender], gateways, Clock::system(0))
    }

    /// A node that answers one question after the other with these, status and body, and then goes.
    async fn node(answers: Vec<(u16, String)>) -> Gateway {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", socket.local_addr().expect("an address"));
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut connection, _) = socket.accept().await.expect("a caller");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(connection.read_u8().await.expect("a whole request"));
                }
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                connection.write_all((head + &body).as_bytes()).await.expect("sent");
            }
        });
        Gateway::new(&url).expect("a URL")
    }

    #[tokio::test]
    async fn every_accepted_one_is_asked_for_until_the_node_names_its_fate() {
        // In the order of their hashes, which is that of the questions about one account.
        let mut load = load(vec![]);
        let mut hashes = Vec::new();
        for _ in 0..5 {
            let turn = load.book.next().expect("free");
            let hash = load.sign(turn).hash();
            load.book.submit(turn, hash, 0);
            hashes.push(hash);
        }
        hashes[1..].iter().for_each(|hash| load.book.accept(hash));
        let answer = |status: u16, body: Value| (status, body.to_string());
        let answers = [
            answer(503, serde_json::json!({ "reason": "OVERLOADED" })),
            answer(200, serde_json::json!({ "status": "pending" })),
            answer(429, serde_json::json!({ "reason": "OVERLOADED" })),
            answer(200, serde_json::json!({ "status": "dropped", "reason": "EVICTED" })),
            answer(200, serde_json::json!({ "status": "included" })),
            answer(404, serde_json::json!({ "reason": "TRANSACTION_NOT_FOUND" })),
        ];
        load.gateways = vec![node(answers.to_vec()).await];
        load.ask_for_the_rest().await;
        let Book { accepted, included, waiting, dropped, refused, .. } = &load.book;
        assert_eq!((*accepted, *included, *waiting, load.book.missing()), (4, 1, 1, 1));
        assert_eq!((dropped.get("EVICTED"), refused.get(book::NO_ANSWER)), (Some(&1), Some(&1)));
    }

    #[test]
    fn sizes_are_those_of_signed_bytes() {
        let mut load = load(vec![]);
        let largest = EMPTY_DATA_BYTES + u32::try_from(MAX_DATA_BYTES).expect("fits");
        for (size, expect) in [(None, 153), (Some(117), 117), (Some(500), 500), (Some(largest), 65_653)] {
            load.size = size;
            let turn = load.book.next().expect("free");
            assert_eq!((turn.nonce, load.sign(turn).bytes().len()), (3, expect), "{size:?}");
        }
    }
}
