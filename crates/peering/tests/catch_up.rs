//! What the answers to one node's questions mean, as tables.

mod support;

use support::{Table, block, id};
use vision_peering::{FetchId, Input, Log, Message, Output, Query, Received, RoundId, Task};
use vision_primitives::{Block, Hash, Height};

/// Blocks 1 to `count`, each on the one before it.
fn chain(count: u64) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    for height in 1..=count {
        blocks.push(block(height, blocks.last().map_or(Hash::ZERO, Block::hash)));
    }
    blocks
}

/// What was asked of whom.
fn questions(outputs: &[Output]) -> Vec<(Hash, u64, Query)> {
    let asked = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message: Message::Question { request_id, query } } => {
            Some((to[0], *request_id, query.clone()))
        }
        _ => None,
    });
    asked.collect()
}

/// The heights that are to be imported.
fn imports(outputs: &[Output]) -> Vec<u64> {
    let blocks = outputs.iter().filter_map(|output| match output {
        Output::Begin(Task::Import { blocks, .. }) => Some(blocks),
        _ => None,
    });
    blocks.flatten().map(|block| block.header().height.get()).collect()
}

fn round_of(outputs: &[Output]) -> Option<RoundId> {
    outputs.iter().find_map(|output| match output {
        Output::Begin(Task::Locate { round }) => Some(*round),
        _ => None,
    })
}

/// A node whose only peer claims a chain of this height, and that has just asked it for the beginning.
fn asking(height: u64) -> (Table, RoundId, u64) {
    let mut table = Table::new();
    table.enter(id(1), false).expect("a place");
    let outputs = table.claims(id(1), height);
    let round = round_of(&outputs).expect("a round begins");
    let outputs = table.give(Input::Located { round, locator: vec![Hash::ZERO] });
    let [(peer, request_id, Query::After { .. })] = questions(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(peer, id(1));
    (table, round, request_id)
}

#[derive(Clone)]
enum Answer {
    Parts(Vec<Block>),
    End(&'static str),
    Silence(u64),
    Gone,
}

/// What comes of an answer to the first question, while the chain takes all it is given and does not know the
/// tip that is claimed: how many blocks it was given, and all outputs.
fn answered(answers: Vec<Answer>) -> (u64, Vec<Output>) {
    let (mut table, round, request_id) = asking(300);
    let mut outputs = vec![];
    for answer in answers {
        let received = |message| Input::Received { peer: id(1), message };
        let inputs = match answer {
            Answer::Parts(blocks) => blocks
                .into_iter()
                .map(|block| received(Received::Part { request_id, block: Box::new(block) }))
                .collect(),
            Answer::End(reason) => vec![received(Received::End { request_id, reason: reason.into() })],
            Answer::Silence(ms) => {
                table.wait(ms);
                vec![Input::Tick]
            }
            Answer::Gone => vec![table.ended(id(1))],
        };
        for input in inputs {
            outputs.extend(table.give(input));
        }
    }
    let (mut new, mut done) = (0, 0);
    while let Some(output) = outputs.get(done).cloned() {
        done += 1;
        match output {
            Output::Begin(Task::Import { blocks, .. }) => {
                new += blocks.len() as u64;
                let (new, finalized) = (blocks.len(), Height::GENESIS);
                outputs.extend(table.give(Input::Imported { round, new, stopped: false, finalized }));
            }
            Output::Begin(Task::LookUp { round, .. }) => {
                outputs.extend(table.give(Input::LookedUp { round, known: false }));
            }
            _ => {}
        }
    }
    (new, outputs)
}

#[test]
fn what_the_first_answer_means() {
    use Answer::{End, Gone, Parts, Silence};
    let good = chain(3);
    let gap = vec![good[0].clone(), good[2].clone()];
    let more = chain(129);
    type Case = (&'static str, Vec<Answer>, u64, Option<u32>, Option<&'static str>);
    // How many blocks are taken, what is charged, and why the log says that it broke off.
    let cases: [Case; 9] = [
        ("whole", vec![Parts(good.clone()), End("")], 3, None, None),
        ("nothing, and the end", vec![End("")], 0, Some(40), None),
        ("a gap", vec![Parts(gap)], 1, Some(20), None),
        ("more than was asked for", vec![Parts(more)], 128, Some(50), None),
        ("broken off", vec![Parts(good.clone()), End("OVERLOADED")], 3, None, Some("OVERLOADED")),
        ("silence", vec![Silence(9_999)], 0, None, None),
        ("too long a silence", vec![Silence(10_000)], 0, None, Some("no further block in time")),
        ("a connection that ends", vec![Parts(good.clone()), Gone], 3, None, None),
        ("an end without a question is passed over", vec![End(""), End("x")], 0, Some(40), None),
    ];
    for (desc, answers, taken, charge, broke_off) in cases {
        let (new, outputs) = answered(answers);
        let charged = outputs.iter().find_map(|output| match output {
            Output::Log(Log::Charged { points, .. }) => Some(*points),
            _ => None,
        });
        let broken = outputs.iter().find_map(|output| match output {
            Output::Log(Log::BrokeOff { why, .. }) => Some(why.as_str()),
            _ => None,
        });
        assert_eq!((new, charged, broken), (taken, charge, broke_off), "{desc}");
    }
}

#[test]
fn the_rest_is_asked_for_in_ranges_and_again_when_one_is_cut_short() {
    let (mut table, round, request_id) = asking(600);
    let all = chain(600);
    let part = |request_id, block: &Block| Input::Received {
        peer: id(1),
        message: Received::Part { request_id, block: Box::new(block.clone()) },
    };
    let end = |request_id| Input::Received {
        peer: id(1),
        message: Received::End { request_id, reason: String::new() },
    };
    let imported = |new| Input::Imported { round, new, stopped: false, finalized: Height::GENESIS };
    assert_eq!(imports(&table.give(part(request_id, &all[0]))), [1], "at once");
    // The others wait while it is being imported.
    all[1..100].iter().for_each(|block| assert!(imports(&table.give(part(request_id, block))).is_empty()));
    table.give(end(request_id));
    assert_eq!(imports(&table.give(imported(1))), Vec::from_iter(2..=65), "as many as one sync is for");
    assert_eq!(imports(&table.give(imported(64))), Vec::from_iter(66..=100));
    let asked = questions(&table.give(imported(35)));
    let stretches = |asked: &[(Hash, u64, Query)]| {
        let stretch = |(_, _, query): &(Hash, u64, Query)| match query {
            Query::Stretch { from, max_blocks } => (from.get(), *max_blocks),
            other => panic!("{other:?}"),
        };
        asked.iter().map(stretch).collect::<Vec<_>>()
    };
    assert_eq!(stretches(&asked), [(101, 128), (229, 128), (357, 128)]);
    let first = asked[0].1;
    table.give(part(first, &all[100]));
    table.give(end(first));
    assert_eq!(stretches(&questions(&table.give(imported(1)))), [(102, 127)], "the rest of it");
}

#[test]
fn a_question_without_room_ends_its_round_and_is_asked_again_after_a_pause() {
    let (mut table, _, request_id) = asking(300);
    let query = Query::After { locator: vec![Hash::ZERO], max_blocks: 128 };
    let message = Message::Question { request_id, query };
    let outputs = table.give(Input::NoRoom { peer: id(1), message });
    assert_eq!(round_of(&outputs), None, "it pauses");
    table.wait(1_000);
    assert!(round_of(&table.give(Input::Tick)).is_some());
}

#[test]
fn a_slow_drip_is_left_for_another() {
    let (mut table, round, request_id) = asking(300);
    let mut imported = 0;
    for block in chain(5) {
        table.wait(7_000);
        let message = Received::Part { request_id, block: Box::new(block) };
        let outputs =
            [table.give(Input::Tick), table.give(Input::Received { peer: id(1), message })].concat();
        for _ in imports(&outputs) {
            imported += 1;
            table.give(Input::Imported { round, new: 1, stopped: false, finalized: Height::GENESIS });
        }
    }
    assert_eq!(imported, 4, "30 s are the most, however many blocks have come");
}

#[test]
fn announced_blocks_are_fetched_few_at_a_time_and_nobody_sends_another_one() {
    let mut table = Table::new();
    (1..=9).for_each(|peer| table.enter(id(peer), false).map(|_| ()).expect("a place"));
    let blocks = chain(2);
    let wanted = |table: &mut Table, number: u64, peer: usize| {
        let (fetch, hash) = (FetchId(number), blocks[0].hash());
        table.give(Input::Wanted { fetch, peer: id(peer), hash })
    };
    for number in 0..8 {
        let asked = questions(&wanted(&mut table, number, 1 + number as usize));
        assert!(matches!(asked[..], [(_, _, Query::One(_))]), "{number}");
    }
    assert!(questions(&wanted(&mut table, 8, 9)).is_empty(), "it waits");
    let sent = |table: &mut Table, peer: usize, block: &Block| {
        let message = Received::Part { request_id: 0, block: Box::new(block.clone()) };
        table.give(Input::Received { peer: id(peer), message })
    };
    let outputs = sent(&mut table, 1, &blocks[0]);
    let deliver = |output: &Output| matches!(output, Output::Begin(Task::Deliver { fetch: FetchId(0), .. }));
    assert!(outputs.iter().any(deliver), "{outputs:?}");
    assert!(questions(&outputs).is_empty(), "its place is free when the chain has it");
    assert_eq!(questions(&table.give(Input::Delivered { fetch: FetchId(0) })).len(), 1);
    let outputs = sent(&mut table, 2, &blocks[1]);
    let charged = |output: &Output| matches!(output, Output::Log(Log::Charged { points: 50, .. }));
    assert!(outputs.iter().any(charged) && outputs.contains(&Output::FetchOver(FetchId(1))), "{outputs:?}");
    table.wait(10_000);
    let over = table.give(Input::Tick);
    let over = over.iter().filter(|output| matches!(output, Output::FetchOver(_))).count();
    assert_eq!(over, 7, "all others have kept silent");
}

#[test]
#[should_panic(expected = "is not under way")]
fn the_end_of_a_round_that_is_not_under_way_is_a_fault_of_this_node() {
    let (mut table, round, request_id) = asking(300);
    let message = Received::End { request_id, reason: String::new() };
    table.give(Input::Received { peer: id(1), message });
    table.give(Input::LookedUp { round, known: true });
    table.give(Input::LookedUp { round, known: true });
}
