//! The pipeline of transactions to the pool: each is screened on the chain's thread, its signature verified
//! beside it together with those of many others, admitted and stored, and only then acknowledged and
//! passed on.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tonic::Status;
use vision_host::{Drain, Threads};
use vision_importer::Taken;
use vision_ledger::TransactionFault;
use vision_primitives::{
    Action, BatchVerifier, Hash, NodeId, PublicKey, Signature, SignedTransaction, Tag, registration_payload,
};
use vision_wire::Reason;

use crate::incoming::{Incoming, Permit, Source};
use crate::mailbox::{Command, CommandSender};
use crate::metrics::ChainMetrics;
use crate::ports::Conduct;

/// Transactions verified together.
const MAX_BATCH: usize = 256;
/// Batches under way: one verifies while another is screened or stored.
const MAX_BATCHES: usize = 2;
/// Transactions on their way, from callers and peers each.
const MAX_QUEUED: usize = 8_192;
/// Their bytes, from callers and peers each.
const MAX_QUEUED_BYTES: usize = 4 << 20;
/// A message of a peer waits so long for room, and that peer's next messages with it; peers that wait take
/// turns.
const PEER_PATIENCE: Duration = Duration::from_millis(100);

/// The entrance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ingress {
    queue: mpsc::Sender<Incoming>,
    callers: Arc<Semaphore>,
    peers: Arc<Semaphore>,
    genesis_hash: Hash,
    drain: Drain,
    metrics: ChainMetrics,
}

impl Ingress {
    /// Starts the pipeline.
    pub(crate) fn start(
        core: CommandSender,
        conduct: Arc<dyn Conduct>,
        genesis_hash: Hash,
        drain: Drain,
        metrics: ChainMetrics,
        threads: Threads,
    ) -> Self {
        let (queue, arriving) = mpsc::channel(2 * MAX_QUEUED);
        let pipeline = Pipeline { core, conduct, genesis_hash, metrics: metrics.clone(), threads };
        tokio::spawn(run(arriving, pipeline, drain.clone()));
        let room = || Arc::new(Semaphore::new(MAX_QUEUED_BYTES));
        Self { queue, callers: room(), peers: room(), genesis_hash, drain, metrics }
    }

    /// Submits transactions and waits until each is stored or refused.
    pub(crate) async fn submit(&self, transactions: Vec<SignedTransaction>) -> Vec<Result<Taken, Status>> {
        let answers = transactions.into_iter().map(|transaction| {
            let (caller, answer) = oneshot::channel();
            let permit = self.callers.clone().try_acquire_many_owned(permits_of(&transaction));
            let refused = match permit {
                Ok(permit) => self.enter(transaction, Source::Caller(Some(caller)), permit).err(),
                Err(_) => {
                    self.metrics.transactions.refused.get([Reason::Overloaded.as_str()]).inc();
                    Some(overloaded())
                }
            };
            async move {
                match refused {
                    Some(status) => Err(status),
                    None => answer.await.unwrap_or_else(|_| Err(stopping())),
                }
            }
        });
        let answers: Vec<_> = answers.collect();
        join_all(answers).await
    }

    /// Waits until nothing more is taken, because the service stops.
    pub(crate) async fn stopping(&self) {
        self.drain.begun().await;
    }

    /// Takes what a peer passes on. What finds no room in time is lost here; others have it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) async fn take_from(&self, peer: NodeId, transactions: Vec<Bytes>) -> Result<(), String> {
        let mut patience = pin!(tokio::time::sleep(PEER_PATIENCE));
        for bytes in transactions {
            let transaction = SignedTransaction::from_bytes(bytes.to_vec(), &self.genesis_hash)
                .map_err(|error| error.to_string())?;
            let permit = self.peers.clone().acquire_many_owned(permits_of(&transaction));
            let permit = tokio::select! {
                biased;
                // Room that is there is taken, however late: the message is as long as it is.
                permit = permit => permit,
                () = patience.as_mut() => break,
            };
            let Ok(permit) = permit else { break };
            if self.enter(transaction, Source::Peer(peer), permit).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn enter(
        &self,
        transaction: SignedTransaction,
        source: Source,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), Status> {
        let depth = match source {
            Source::Caller(_) => &self.metrics.queues.callers,
            Source::Peer(_) => &self.metrics.queues.peers,
        };
        let incoming = Incoming { transaction, source, permit: Permit::new(permit, depth) };
        self.queue.try_send(incoming).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => overloaded(),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })
    }
}

/// Bytes of room that a transaction takes. Small ones count more, so that no more than `MAX_QUEUED` of them
/// find room.
fn permits_of(transaction: &SignedTransaction) -> u32 {
    let bytes = transaction.bytes().len().clamp(MAX_QUEUED_BYTES / MAX_QUEUED, MAX_QUEUED_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn overloaded() -> Status {
    let why = "more transactions arrive than can be verified; wait a moment and submit it again";
    vision_wire::status(Reason::Overloaded, why, &[])
}

fn stopping() -> Status {
    vision_wire::status(Reason::ShuttingDown, "the chain service is stopping", &[])
}

/// What a batch passes through.
#[derive(Clone)]
struct Pipeline {
    core: CommandSender,
    conduct: Arc<dyn Conduct>,
    genesis_hash: Hash,
    metrics: ChainMetrics,
    threads: Threads,
}

async fn run(mut arriving: mpsc::Receiver<Incoming>, pipeline: Pipeline, drain: Drain) {
    let under_way = Arc::new(Semaphore::new(MAX_BATCHES));
    loop {
        // Without a permit for another batch nothing is taken: what arrives meanwhile makes it a large one.
        let Ok(permit) = under_way.clone().acquire_owned().await else { return };
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = drain.begun() => return,
            taken = arriving.recv_many(&mut batch, MAX_BATCH) => if taken == 0 {
                return;
            },
        }
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            pass(batch, &pipeline).await;
            drop(permit);
        });
    }
}

async fn pass(mut batch: Vec<Incoming>, pipeline: &Pipeline) {
    let Pipeline { core, conduct, genesis_hash, metrics, threads } = pipeline;
    let genesis_hash = *genesis_hash;
    // What a peer sent before it was banned is not worth the work.
    batch.retain(|incoming| incoming.source.peer().is_none_or(|peer| !conduct.is_banned(&peer)));
    let Ok(screened) = core.ask(|reply| Command::Screen { batch, reply }).await else { return };
    let (mut good, unverified) = screened;
    if !unverified.is_empty() {
        let verified = threads.work(move || verify(unverified, &genesis_hash)).await;
        // The runtime is stopping.
        let Ok((verified, bad)) = verified else { return };
        good.extend(verified);
        for (mut incoming, rule) in bad {
            metrics.transactions.refused.get([rule]).inc();
            if let Some(peer) = incoming.source.peer() {
                conduct.charge(&peer, 50, "a transaction with a wrong signature");
            }
            let metadata = [("rule", rule.to_owned())];
            let why = "a signature does not verify";
            incoming.source.answer(Err(vision_wire::status(Reason::InvalidTransaction, why, &metadata)));
        }
    }
    if !good.is_empty() {
        core.send(Command::Admit { batch: good }).await;
    }
}

/// Parts those whose signatures are right from those with a wrong one, and names the rule that these break.
fn verify(batch: Vec<Incoming>, genesis_hash: &Hash) -> (Vec<Incoming>, Vec<(Incoming, &'static str)>) {
    let mut verifier = BatchVerifier::new();
    for Incoming { transaction, .. } in &batch {
        let (sender, signature) = (&transaction.transaction().sender, transaction.signature());
        verifier.queue(sender, Tag::Transaction, genesis_hash, transaction.payload(), signature);
        if let Some((key, payload, proof)) = possession(transaction) {
            verifier.queue(key, Tag::Register, genesis_hash, &payload, proof);
        }
    }
    if verifier.verify().is_ok() {
        return (batch, Vec::new());
    }
    // A batch does not say which one is bad.
    let (mut good, mut bad) = (Vec::with_capacity(batch.len()), Vec::new());
    for incoming in batch {
        match broken_rule(&incoming.transaction, genesis_hash) {
            None => good.push(incoming),
            Some(rule) => bad.push((incoming, rule)),
        }
    }
    (good, bad)
}

fn broken_rule(transaction: &SignedTransaction, genesis_hash: &Hash) -> Option<&'static str> {
    if transaction.verify(genesis_hash).is_err() {
        return Some("BAD_SIGNATURE");
    }
    let (key, payload, proof) = possession(transaction)?;
    let proven = key.verify(Tag::Register, genesis_hash, &payload, proof);
    proven.is_err().then(|| TransactionFault::ProofOfPossession.reason())
}

/// A registration's key, and what it has signed to prove that it is the sender's to register. One that does
/// not verify could be in no block, and must not take the room of others.
fn possession(transaction: &SignedTransaction) -> Option<(&PublicKey, Vec<u8>, &Signature)> {
    match &transaction.transaction().action {
        Action::RegisterProducer { public_key, payout, proof_of_possession } => {
            Some((public_key, registration_payload(public_key, payout), proof_of_possession))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::{SecretKey, Transaction};
    use vision_wire::reason_of;

    use super::*;

    const GENESIS: Hash = Hash([1; 32]);

    /// Nobody is banned, and nobody charged.
    struct Lenient;

    impl Conduct for Lenient {
        fn is_banned(&self, _peer: &NodeId) -> bool {
            false
        }

        fn charge(&self, peer: &NodeId, points: u32, why: &str) {
            panic!("{peer} is charged {points}: {why}");
        }
    }

    fn metrics() -> ChainMetrics {
        ChainMetrics::new(&vision_host::Metrics::new("test", "1"))
    }

    fn data(nonce: u64, size: usize) -> SignedTransaction {
        let key = SecretKey::from_seed(&[1; 32]);
        let action = Action::Data { bytes: vec![0; size] };
        Transaction { sender: key.public_key(), nonce, fee: 1, action }.sign(&key, &GENESIS)
    }

    fn reasons(answers: &[Result<Taken, Status>]) -> Vec<Option<String>> {
        answers.iter().map(|answer| answer.as_ref().err().and_then(reason_of)).collect()
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_bounded_for_callers_and_peers_each_and_answered_at_the_end() {
        let (core, mailbox) = CommandSender::new();
        let drain = Drain::new();
        // Nobody looks into the mailbox: nothing that enters comes out.
        let ingress =
            Ingress::start(core, Arc::new(Lenient), GENESIS, drain.clone(), metrics(), Threads::Machine);
        let peer = Hash([3; 32]);
        let small = Bytes::from(data(0, 1).bytes().to_vec());
        // A peer fills its room and no more; then it is held up for a moment and loses the rest.
        for _ in 0..3 {
            ingress.take_from(peer, vec![small.clone(); MAX_QUEUED / 2]).await.expect("well formed");
        }
        assert_eq!(ingress.peers.available_permits(), 0);
        assert!(ingress.take_from(peer, vec![Bytes::from_static(&[1, 2])]).await.is_err(), "garbage");
        let one = data(1, 1);
        let submitting = tokio::spawn({
            let (ingress, one) = (ingress.clone(), one.clone());
            async move { ingress.submit(vec![one; MAX_QUEUED]).await }
        });
        wait_for_room(&ingress.callers, 0).await;
        let over = ingress.submit(vec![one.clone(), data(2, 64 << 10)]).await;
        assert_eq!(reasons(&over), vec![Some("OVERLOADED".to_owned()); 2]);
        assert!(!submitting.is_finished());
        drain.begin();
        drop(mailbox);
        let answers = submitting.await.expect("answered");
        assert_eq!(answers.len(), MAX_QUEUED);
        assert!(reasons(&answers).iter().all(|reason| reason.as_deref() == Some("SHUTTING_DOWN")));
        // All of their room is free again, and nothing enters.
        wait_for_room(&ingress.callers, MAX_QUEUED_BYTES).await;
        assert_eq!(reasons(&ingress.submit(vec![one]).await), [Some("SHUTTING_DOWN".to_owned())]);
    }

    async fn wait_for_room(room: &Semaphore, bytes: usize) {
        let there = async {
            while room.available_permits() != bytes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), there).await.expect("so much room in 30 s");
    }

    #[tokio::test]
    async fn a_peer_without_room_is_held_up_for_a_moment_and_loses_nothing_if_there_is_some_then() {
        let (core, _mailbox) = CommandSender::new();
        let ingress =
            Ingress::start(core, Arc::new(Lenient), GENESIS, Drain::new(), metrics(), Threads::Machine);
        let all = u32::try_from(MAX_QUEUED_BYTES).expect("in range");
        let others = ingress.peers.clone().try_acquire_many_owned(all).expect("all of it");
        let one = data(0, 1);
        let taking = ingress.take_from(Hash([3; 32]), vec![Bytes::from(one.bytes().to_vec())]);
        let (taken, ()) = tokio::join!(taking, async { drop(others) });
        taken.expect("well formed");
        assert_eq!(ingress.peers.available_permits(), (all - permits_of(&one)) as usize);
    }

    #[test]
    fn a_batch_is_parted_into_right_and_wrong_signatures() {
        let room = Arc::new(Semaphore::new(8));
        let incoming = |transaction: SignedTransaction| Incoming {
            transaction,
            source: Source::Peer(Hash::ZERO),
            permit: Permit::new(room.clone().try_acquire_owned().expect("room"), &Default::default()),
        };
        let (payer, producer) = (SecretKey::from_seed(&[2; 32]), SecretKey::from_seed(&[3; 32]));
        let register = |prover: &SecretKey| {
            let (public_key, payout) = (producer.public_key(), Hash([4; 32]));
            let payload = registration_payload(&public_key, &payout);
            let proof_of_possession = prover.sign(Tag::Register, &GENESIS, &payload);
            let action = Action::RegisterProducer { public_key, payout, proof_of_possession };
            Transaction { sender: payer.public_key(), nonce: 0, fee: 1, action }.sign(&payer, &GENESIS)
        };
        let mut forged = data(1, 10).bytes().to_vec();
        let at = forged.len() - 1;
        forged[at] ^= 1;
        let forged = SignedTransaction::from_bytes(forged, &GENESIS).expect("it decodes");
        let all = [data(0, 1), register(&producer), data(2, 1)];
        let (good, none) = verify(all.iter().cloned().map(incoming).collect(), &GENESIS);
        assert_eq!((good.len(), none.len()), (3, 0));
        let bad = [(forged, "BAD_SIGNATURE"), (register(&payer), "PROOF_OF_POSSESSION_INVALID")];
        drop(good);
        for (wrong, rule) in &bad {
            let batch = all[..2].iter().chain([wrong]).chain(&all[2..]).cloned();
            let (good, parted) = verify(batch.map(incoming).collect(), &GENESIS);
            let hashes: Vec<_> = good.iter().map(|it| it.transaction.hash()).collect();
            assert_eq!(hashes, all.each_ref().map(SignedTransaction::hash));
            let parted: Vec<_> = parted.iter().map(|(it, rule)| (it.transaction.hash(), *rule)).collect();
            assert_eq!(parted, [(wrong.hash(), *rule)]);
        }
    }
}
