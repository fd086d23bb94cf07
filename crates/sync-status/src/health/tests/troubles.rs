use super::*;

type Break = fn(&mut Net);

/// What an operator may find, and what is said.
struct Case {
    desc: &'static str,
    nodes: u8,
    broken: Break,
    blocks: bool,
    state: HealthState,
    producing: u64,
    spare: u64,
    codes: &'static [&'static str],
    /// What headline, texts and remedies must hold.
    words: &'static [&'static str],
}

fn gone(net: &mut Net, numbers: &[usize]) {
    numbers.iter().for_each(|number| net.nodes[*number - 1].connected = false);
}

/// Each trouble has its reason and its remedy.
fn check(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        let well = Net::of(case.nodes);
        let mut net = Net::of(case.nodes);
        (case.broken)(&mut net);
        let health = net.after(&well, 6_000, case.blocks);
        let desc = case.desc;
        assert_eq!(health.state, case.state, "{desc}: {health:#?}");
        assert_eq!(
            (health.producing, health.spare),
            (case.producing, Some(case.spare)),
            "{desc}: {health:#?}"
        );
        assert_eq!(codes(&health), case.codes, "{desc}: {health:#?}");
        let mut said = health.headline.clone();
        for reason in &health.reasons {
            said.push_str(&format!("\n{}\n{}", reason.text, reason.remedy));
        }
        for words in case.words {
            assert!(said.contains(words), "{desc}: {words:?} is not in\n{said}");
        }
    }
}

#[test]
fn nodes_that_are_lost_are_named_with_how_many_more_may_stop() {
    check([
        Case {
            desc: "one of three is dead",
            nodes: 3,
            broken: |net| gone(net, &[2]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["NODE_LOST"],
            words: &[
                "2 of 3 nodes producing",
                "node2 has not answered for {ago:1700000100000}.",
                "If one more node stops, blocks no longer become final.",
                "start node2 again",
            ],
        },
        Case {
            desc: "one of five is dead",
            nodes: 5,
            broken: |net| gone(net, &[5]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 4,
            spare: 1,
            codes: &["NODE_LOST"],
            words: &["Blocks go on; one more node may stop."],
        },
        Case {
            desc: "two of seven are dead",
            nodes: 7,
            broken: |net| gone(net, &[6, 7]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 5,
            spare: 1,
            codes: &["NODE_LOST", "NODE_LOST"],
            words: &["Blocks go on; one more node may stop."],
        },
    ]);
}

#[test]
fn as_many_lost_as_stop_finality_or_blocks() {
    check([
        Case {
            desc: "three of five are dead: blocks come, and none becomes final",
            nodes: 5,
            broken: |net| gone(net, &[3, 4, 5]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["NODE_LOST"],
            words: &["Blocks go on, but none becomes final until 3 of 5 producers are up."],
        },
        Case {
            desc: "more peers are needed for a block than makers for a final one",
            nodes: 5,
            broken: |net| {
                net.params.min_ready_peers = 3;
                gone(net, &[5]);
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 4,
            spare: 0,
            codes: &["NODE_LOST"],
            words: &["If one more node stops, no block is made until 4 of 5 producers are up."],
        },
        Case {
            desc: "four of ten are dead: one reason for all",
            nodes: 10,
            broken: |net| gone(net, &[2, 3, 4, 5]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 6,
            spare: 0,
            codes: &["NODE_LOST"],
            words: &["node2, node3, node4 and 1 more do not answer."],
        },
    ]);
}

#[test]
fn what_holds_other_nodes_up_is_said() {
    check([
        Case {
            desc: "suspended, and there",
            nodes: 3,
            broken: |net| {
                let node = &mut net.nodes[1];
                (node.standing, node.suspended_at, node.may_return_at) = (Standing::Suspended, 1_200, 1_264);
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["NODE_SUSPENDED"],
            words: &["node2 has been suspended since block 1,200 for missed slots.", "from block 1,284 on"],
        },
        Case {
            desc: "dead and suspended",
            nodes: 3,
            broken: |net| {
                gone(net, &[2]);
                (net.nodes[1].standing, net.nodes[1].suspended_at) = (Standing::Suspended, 1_200);
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["NODE_LOST"],
            words: &["and has been suspended since block 1,200.", "start node2 again"],
        },
        Case {
            desc: "another node's clock",
            nodes: 3,
            broken: |net| {
                let node = &mut net.nodes[2];
                (node.eligible, node.because) = (Some(false), "CLOCK_SKEW: its clock differs".into());
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["CLOCK_SKEW"],
            words: &[
                "node3 may not produce: its clock differs from its peers'.",
                "set the clock of node3 by NTP",
            ],
        },
        Case {
            desc: "another node is behind, and too old to say so",
            nodes: 3,
            broken: |net| {
                let node = &mut net.nodes[2];
                (node.eligible, node.height, node.behind) = (None, Some(1_000), Some(283));
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["BEHIND"],
            words: &["node3 may not produce: it is behind"],
        },
    ]);
}

#[test]
fn what_holds_this_node_up_is_said() {
    check([
        Case {
            desc: "this node's clock: the last block is not old for it",
            nodes: 3,
            broken: |net| {
                net.because =
                    "CLOCK_SKEW: this clock is 3600000 ms ahead of 2 of 2 ready peers: set it by NTP".into();
                for node in &mut net.nodes[1..] {
                    node.clock_offset_ms = Some(-3_600_000);
                }
                net.skew_ms = 3_600_000;
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["CLOCK_SKEW"],
            words: &[
                "node1, this node, may not produce: this clock is 3600000 ms ahead",
                "set the clock of node1 by NTP",
            ],
        },
        Case {
            desc: "this node's producer service is missing",
            nodes: 3,
            broken: |net| net.because = "PRODUCER_UNAVAILABLE: connection refused".into(),
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["PRODUCER_UNAVAILABLE"],
            words: &["connection refused", "start the producer service of node1"],
        },
        Case {
            desc: "this node is cut off, or all others are dead",
            nodes: 3,
            broken: |net| {
                gone(net, &[2, 3]);
                net.because = "TOO_FEW_PEERS: 0 ready peers".into();
            },
            blocks: false,
            state: HealthState::Trouble,
            producing: 0,
            spare: 0,
            codes: &["CUT_OFF", "NO_BLOCK"],
            words: &["0 of 3 nodes", "heard from none of the 2 other producers", "check this node's network"],
        },
        Case {
            desc: "two nodes, one dead",
            nodes: 2,
            broken: |net| {
                gone(net, &[2]);
                net.because = "TOO_FEW_PEERS: 0 ready peers".into();
            },
            blocks: false,
            state: HealthState::Trouble,
            producing: 0,
            spare: 0,
            codes: &["NODE_LOST", "NO_BLOCK"],
            words: &["No block is made until 2 of 2 producers are up."],
        },
    ]);
}

#[test]
fn no_blocks_and_none_final_are_said() {
    check([
        Case {
            desc: "a node's own trouble is not hidden by its standing",
            nodes: 3,
            broken: |net| {
                net.nodes[0].standing = Standing::Suspended;
                net.because = "BEHIND: local height 1 is 9 behind".into();
            },
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["BEHIND"],
            words: &["local height 1 is 9 behind"],
        },
        Case {
            desc: "a registered producer whose services deny it is one that does not produce",
            nodes: 3,
            broken: |net| net.because = "NOT_A_PRODUCER: the key is not registered".into(),
            blocks: true,
            state: HealthState::Trouble,
            producing: 2,
            spare: 0,
            codes: &["NOT_A_PRODUCER"],
            words: &["register the key of node1"],
        },
        Case {
            desc: "all is well and no block comes",
            nodes: 3,
            broken: |_| {},
            blocks: false,
            state: HealthState::Trouble,
            producing: 3,
            spare: 1,
            codes: &["NO_BLOCK"],
            words: &["No block has come for {ago:1700000098600}.", "read the producers' logs"],
        },
        Case {
            desc: "finality lags",
            nodes: 3,
            broken: |net| net.head.finalized_height -= 9,
            blocks: true,
            state: HealthState::Trouble,
            producing: 3,
            spare: 1,
            codes: &["FINALITY_LAGS"],
            words: &["The last 73 blocks are not final"],
        },
        Case {
            desc: "finality lags as much as it may",
            nodes: 3,
            broken: |net| net.head.finalized_height -= 8,
            blocks: true,
            state: HealthState::Fine,
            producing: 3,
            spare: 1,
            codes: &[],
            words: &["final 72 blocks behind"],
        },
    ]);
}

/// What is said to be over is over: a node that is down for another reason, or as one of several, is not well
/// again.
#[test]
fn nobody_is_said_to_be_well_who_is_not() {
    type Step = fn(&mut Net);
    let cases: [(&str, Step, Step, &[&str]); 5] = [
        (
            "one is lost, then all",
            |net| net.nodes[1].connected = false,
            |net| net.nodes[2].connected = false,
            &["CUT_OFF"],
        ),
        (
            "its reason changes",
            |net| (net.nodes[1].eligible, net.nodes[1].because) = (Some(false), "CLOCK_SKEW: far".into()),
            |net| net.nodes[1].because = "BEHIND: far".into(),
            &["BEHIND"],
        ),
        (
            "it may not produce, then it is lost",
            |net| (net.nodes[1].eligible, net.nodes[1].because) = (Some(false), "CLOCK_SKEW: far".into()),
            |net| net.nodes[1].connected = false,
            &["NODE_LOST"],
        ),
        (
            "this node's reason changes",
            |net| net.because = "BEHIND: far".into(),
            |net| net.because = "CATCHING_UP: near".into(),
            &["CATCHING_UP"],
        ),
        (
            "suspended, then lost",
            |net| net.nodes[1].standing = Standing::Suspended,
            |net| net.nodes[1].connected = false,
            &["NODE_LOST"],
        ),
    ];
    for (desc, first, then, expect) in cases {
        let mut net = Net::of(3);
        let mut machine = HealthMachine::new(Operator::Unknown);
        net.judge(&mut machine);
        first(&mut net);
        net.pass(3_000, true);
        net.judge(&mut machine);
        then(&mut net);
        net.pass(3_000, true);
        let health = net.judge(&mut machine);
        assert_eq!(codes(&health), expect, "{desc}: {health:#?}");
    }
    // Of three that were lost one is back: of the other two each has its reason.
    let mut net = Net::of(7);
    let mut machine = HealthMachine::new(Operator::Unknown);
    net.judge(&mut machine);
    net.nodes[4..].iter_mut().for_each(|node| node.connected = false);
    net.pass(6_000, true);
    assert_eq!(net.judge(&mut machine).reasons.len(), 1);
    net.nodes[4].connected = true;
    net.pass(100, true);
    let health = net.judge(&mut machine);
    assert!(health.reasons.iter().all(|reason| reason.node.is_some()), "{health:#?}");
}
