//! It stores before it speaks, and goes on when the disk does not take a batch.

mod support;

use support::{Machine, Net, id};
use vision_importer::{
    Answer, CommitId, ImportEnd, Input, NotPrepared, NotStored, NotTaken, Output, PeerClock, Prepared,
    RequestId, STORE_RETRY_MS, Taken, TipClaim,
};
use vision_primitives::{Block, Slot, TimestampMs};

fn failed(id: CommitId) -> Input {
    Input::CommitFailed { id, fates: 0 }
}

/// The batch that is waiting to be written.
fn only_commit(machine: &Machine) -> CommitId {
    let ids: Vec<_> = machine.unwritten.keys().collect();
    assert_eq!(ids.len(), 1, "one batch at a time");
    *ids[0]
}

/// What is said, by name.
fn names(said: &[Output]) -> Vec<&'static str> {
    let name = |output: &Output| match output {
        Output::Commit { .. } => "commit",
        Output::Retry { .. } => "retry",
        Output::Reply { answer: Answer::Prepared(_), .. } => "prepared",
        Output::Reply { answer: Answer::Refused(_), .. } => "refused",
        Output::Reply { answer: Answer::Imported(_), .. } => "imported",
        Output::Reply { answer: Answer::Screened(_), .. } => "screened",
        Output::Settled { .. } => "settled",
        Output::HeadMoved { .. } => "head moved",
        Output::Stored { .. } => "stored",
        Output::Event(_) => "event",
        Output::Forward { .. } | Output::ForwardAgain { .. } => "forward",
        Output::Happened(_) => "happened",
        _ => "about a peer",
    };
    said.iter().map(name).collect()
}

#[test]
fn nothing_is_said_of_what_is_not_durable() {
    let net = Net::of(3);
    let makers = [id(1), id(2), id(3)];
    // What goes in, and what is said of it once it is durable.
    type Case = (&'static str, fn(&mut Machine, &[Block]) -> Input, &'static [&'static str]);
    let cases: [Case; 4] = [
        (
            "a block of its own",
            |machine, _| {
                let prepared = machine.prepare(&[id(1), id(2), id(3)]);
                machine.submit(&prepared)
            },
            &["head moved", "stored", "event"],
        ),
        (
            "a block announced",
            |machine, blocks| {
                machine.now_ms = blocks[0].header().timestamp_ms.get();
                let (peer, clock) = (id(101), PeerClock::default());
                Input::Announced { peer, clock, block: blocks[0].clone().into() }
            },
            &["head moved", "stored", "event"],
        ),
        (
            "blocks fetched",
            |machine, blocks| {
                // Old ones, which are reported together, later.
                machine.now_ms = blocks[1].header().timestamp_ms.get() + 60_000;
                let (id, clock) = (RequestId(machine.new_id()), PeerClock::default());
                Input::Fetched { id, peer: support::id(101), clock, blocks: blocks.to_vec() }
            },
            &["head moved", "head moved", "stored", "stored", "imported"],
        ),
        (
            "a transaction",
            |machine, _| {
                let transaction = machine.transfer(1, 0);
                let batch = vec![machine.arrival(transaction, None)];
                Input::Admit { batch }
            },
            &["settled", "forward", "happened"],
        ),
    ];
    for (desc, input, expect) in cases {
        let mut other = Machine::new(&net);
        let mut make = || {
            let block = other.next_block(&makers);
            let (peer, clock) = (id(101), PeerClock::default());
            other.step(Input::Announced { peer, clock, block: block.clone() });
            Block::clone(&block)
        };
        let blocks = [make(), make()];
        let mut machine = Machine::new(&net);
        let input = input(&mut machine, &blocks);
        let said = machine.handle(input);
        assert_eq!(names(&said), Vec::<&str>::new(), "{desc}: before the turn has ended");
        let said = machine.handle(Input::CloseBatch);
        assert_eq!(names(&said), Vec::<&str>::new(), "{desc}: before it is durable");
        only_commit(&machine);
        assert_eq!(names(&machine.handle(Input::CloseBatch)), Vec::<&str>::new(), "{desc}: and no sooner");
        let said = machine.write();
        let mut reported = names(&said);
        reported.dedup_by(|a, b| a == b && *a == "event");
        assert_eq!(reported, expect, "{desc}");
        assert!(machine.unwritten.is_empty());
    }
}

/// While a batch is not written nothing else changes anything, and whoever asks gets the reason.
fn refuses_everything(machine: &mut Machine, prepared: &Prepared) {
    let makers = [id(1), id(2), id(3)];
    let parent = machine.head();
    let ask = |machine: &mut Machine| RequestId(machine.new_id());
    let id_of_prepare = ask(machine);
    let prepare = Input::Prepare {
        id: id_of_prepare,
        parent,
        slot: Slot(0),
        producer: id(1),
        stamp: TimestampMs(machine.now_ms),
    };
    let said = machine.step(prepare);
    let [Output::Reply { answer: Answer::Prepared(Err(NotPrepared::StoreUnavailable)), .. }] = &said[..]
    else {
        panic!("{:?}", names(&said));
    };
    let again = machine.submit(prepared);
    let said = machine.step(again);
    let [Output::Reply { answer: Answer::Refused(NotStored::StoreUnavailable), .. }] = &said[..] else {
        panic!("{:?}", names(&said));
    };
    let another = machine.transfer(2, 0);
    let said = machine.take(vec![another], None);
    let [Output::Settled { answer: Err(NotTaken::StoreUnavailable), .. }] = &said[..] else {
        panic!("{:?}", names(&said));
    };
    let (peer, clock, id_of_chunk) = (id(101), PeerClock::default(), ask(machine));
    let mut other = Machine::new(&Net::of(3));
    let block = other.next_block(&makers);
    assert!(machine.step(Input::Announced { peer, clock, block: block.clone() }).is_empty());
    let blocks = vec![Block::clone(&block)];
    let said = machine.step(Input::Fetched { id: id_of_chunk, peer, clock, blocks });
    let [Output::Reply { answer: Answer::Imported(ImportEnd::Stopped(0)), .. }] = &said[..] else {
        panic!("{:?}", names(&said));
    };
    // Nobody can deliver what cannot be stored.
    let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
    let tip = TipClaim { height: block.header().height.get(), hash: block.hash(), header, signature };
    let said = machine.step(Input::Tip { peer, clock, tip });
    let [Output::TipClaimed { .. }, Output::Excuse { peer: excused }] = &said[..] else {
        panic!("{:?}", names(&said));
    };
    assert_eq!(*excused, peer);
}

#[test]
fn a_peer_is_excused_for_blocks_that_this_nodes_disk_does_not_take() {
    let net = Net::of(3);
    let (mut machine, mut other) = (Machine::new(&net), Machine::new(&net));
    let makers = [id(1), id(2), id(3)];
    let (peer, clock) = (id(101), PeerClock::default());
    let prepared = machine.prepare(&makers);
    let submit = machine.submit(&prepared);
    machine.handle(submit);
    machine.handle(Input::CloseBatch);
    let commit = only_commit(&machine);
    let block = other.next_block(&makers);
    other.step(Input::Announced { peer, clock, block });
    let block = other.next_block(&makers);
    let claim = || {
        let (height, hash) = (block.header().height.get(), block.hash());
        let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
        Input::Tip { peer, clock, tip: TipClaim { height, hash, header, signature } }
    };
    let excused = |said: Vec<Output>| {
        assert!(matches!(said.first(), Some(Output::TipClaimed { .. })), "{said:?}");
        said.iter().any(|output| matches!(output, Output::Excuse { peer: of } if *of == peer))
    };
    assert!(!excused(machine.handle(claim())), "the batch is being written");
    machine.disk_is_full = true;
    machine.handle(failed(commit));
    assert!(excused(machine.handle(claim())), "the disk took nothing");
    machine.disk_is_full = false;
    machine.now_ms += STORE_RETRY_MS;
    machine.handle(Input::CloseBatch);
    machine.write();
    assert!(!excused(machine.handle(claim())), "it is written");
}

#[test]
fn what_the_disk_does_not_take_is_refused_kept_and_tried_again_every_second() {
    let mut machine = Machine::new(&Net::of(3));
    let makers = [id(1), id(2), id(3)];
    let transaction = machine.transfer(1, 0);
    let arrival = machine.arrival(transaction.clone(), None);
    let ticket = arrival.ticket;
    machine.handle(Input::Admit { batch: vec![arrival] });
    let prepared = machine.prepare(&makers);
    let submit = machine.submit(&prepared);
    let Input::Submit { id: submitted, .. } = submit else { unreachable!("it is one") };
    machine.handle(submit);
    assert!(machine.handle(Input::CloseBatch).is_empty());
    let commit = only_commit(&machine);

    machine.disk_is_full = true;
    let said = machine.handle(failed(commit));
    let refused = |output: &Output| match output {
        Output::Reply { id, answer } => {
            *id == submitted && matches!(answer, Answer::Refused(NotStored::StoreUnavailable))
        }
        Output::Settled { ticket: of, answer } => *of == ticket && *answer == Err(NotTaken::StoreUnavailable),
        _ => false,
    };
    assert!(said.iter().all(refused) && said.len() == 2, "{:?}", names(&said));
    assert!(machine.importer.is_behind());
    assert_eq!(machine.importer.due_in_ms(machine.now()), Some(STORE_RETRY_MS));

    refuses_everything(&mut machine, &prepared);

    // Not before it is due, then every second.
    for _ in 0..3 {
        machine.now_ms += STORE_RETRY_MS - 1;
        assert!(machine.handle(Input::CloseBatch).is_empty());
        machine.now_ms += 1;
        let said = machine.handle(Input::CloseBatch);
        assert!(matches!(said[..], [Output::Retry { id }] if id == commit), "{:?}", names(&said));
        assert!(machine.handle(failed(commit)).is_empty(), "all who waited were answered at once");
    }
    machine.disk_is_full = false;
    machine.now_ms += STORE_RETRY_MS;
    assert_eq!(names(&machine.handle(Input::CloseBatch)), ["retry"]);
    let said = machine.write();
    assert!(!machine.importer.is_behind());
    let reported = names(&said);
    assert!(reported.starts_with(&["head moved", "stored"]), "{reported:?}");
    assert!(
        !reported.contains(&"settled") && !reported.contains(&"refused"),
        "nobody is answered twice: {reported:?}"
    );
    assert!(reported.contains(&"forward"), "what was admitted is passed on: {reported:?}");
    assert!(machine.memory.blocks.contains_key(&prepared.hash));

    // Whoever submits again is answered that it is there.
    let said = machine.take(vec![transaction], None);
    let known = matches!(&said[..], [Output::Settled { answer: Err(NotTaken::Rejected(_)), .. }]);
    assert!(known, "{:?}", names(&said));
    let next = machine.transfer(3, 0);
    let said = machine.take(vec![next], None);
    let expect = Taken { since: Some(machine.now().wall), missing_nonce: None };
    let taken =
        |output: &Output| matches!(output, Output::Settled { answer: Ok(taken), .. } if *taken == expect);
    assert!(said.iter().any(taken), "{:?}", names(&said));
}

#[test]
fn a_turn_that_begins_while_a_batch_is_written_waits_for_it() {
    let mut machine = Machine::new(&Net::of(3));
    let makers = [id(1), id(2), id(3)];
    let prepared = machine.prepare(&makers);
    let submit = machine.submit(&prepared);
    machine.handle(submit);
    machine.handle(Input::CloseBatch);
    let first = only_commit(&machine);
    let transaction = machine.transfer(1, 0);
    let arrival = machine.arrival(transaction, None);
    machine.handle(Input::Admit { batch: vec![arrival] });
    assert!(machine.handle(Input::CloseBatch).is_empty());
    assert_eq!(only_commit(&machine), first, "the second batch is not given out yet");
    machine.handle(failed(first));
    assert!(machine.handle(Input::CloseBatch).is_empty(), "nor when the first has failed");
    machine.now_ms += STORE_RETRY_MS;
    assert_eq!(names(&machine.handle(Input::CloseBatch)), ["retry"]);
    let reported = names(&machine.write());
    assert!(
        reported.starts_with(&["head moved", "stored"]) && !reported.contains(&"settled"),
        "{reported:?}"
    );
    assert_ne!(only_commit(&machine), first, "now it is");
    assert_eq!(names(&machine.write()), ["settled", "forward", "happened"]);
}

#[test]
#[should_panic(expected = "the batch named must be the one being written")]
fn a_shell_that_confuses_its_batches_is_stopped() {
    let mut machine = Machine::new(&Net::of(3));
    machine.handle(Input::Committed { id: CommitId(7), fates: 0 });
}
