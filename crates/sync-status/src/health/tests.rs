use vision_primitives::Hash;

use super::*;

const NOW: u64 = 1_700_000_100_000;
const PARAMS: HealthParams = HealthParams {
    block_interval_ms: 1_800,
    jitter_max_ms: 400,
    claim_timeout_ms: 1_200,
    max_desync_blocks: 2,
    min_ready_peers: 1,
};

/// A network as node 1 sees it, all well.
struct Net {
    now_ms: u64,
    monotonic_ms: u64,
    head: HeadFacts,
    nodes: Vec<NodeFacts>,
    because: String,
    params: HealthParams,
    /// How much this clock is ahead of those that stamp the blocks.
    skew_ms: u64,
}

fn node(number: u8) -> NodeFacts {
    NodeFacts {
        id: Hash([number; 32]),
        name: format!("node{number}"),
        standing: Standing::Active,
        this_node: number == 1,
        connected: true,
        height: Some(1_283),
        behind: Some(0),
        eligible: Some(true),
        because: String::new(),
        clock_offset_ms: Some(3),
        last_seen_ms: Some(NOW),
        suspended_at: 0,
        may_return_at: 0,
    }
}

impl Net {
    fn of(count: u8) -> Self {
        Self {
            now_ms: NOW,
            monotonic_ms: 50_000,
            head: HeadFacts { height: 1_283, finalized_height: 1_219, stamp_ms: NOW - 1_400 },
            nodes: (1..=count).map(node).collect(),
            because: String::new(),
            params: PARAMS,
            skew_ms: 0,
        }
    }

    /// Time goes by; who answers is heard, and blocks come or not.
    fn pass(&mut self, ms: u64, blocks: bool) {
        self.now_ms += ms;
        self.monotonic_ms += ms;
        for node in self.nodes.iter_mut().filter(|node| node.connected) {
            node.last_seen_ms = Some(self.now_ms);
        }
        if blocks {
            self.head.stamp_ms = self.now_ms - 1_400 - self.skew_ms;
        }
    }

    fn judge(&self, machine: &mut HealthMachine) -> Health {
        machine.judge(&HealthInput {
            now_ms: self.now_ms,
            monotonic_ms: self.monotonic_ms,
            params: self.params,
            head: self.head,
            nodes: &self.nodes,
            this_because: &self.because,
        })
    }

    /// The judgement of one that has seen the network well, and then this for `ms`.
    fn after(&mut self, well: &Self, ms: u64, blocks: bool) -> Health {
        let mut machine = HealthMachine::new(Operator::Unknown);
        well.judge(&mut machine);
        self.pass(ms, blocks);
        self.judge(&mut machine)
    }
}

fn codes(health: &Health) -> Vec<&str> {
    health.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn the_bounds_scale_with_the_chain() {
    let slow = HealthParams { block_interval_ms: 60_000, ..PARAMS };
    for (params, late, stopped) in [(PARAMS, 4_600, 18_400), (slow, 62_800, 251_200)] {
        assert_eq!((params.late_ms(), params.stopped_ms()), (late, stopped));
    }
    let fast = HealthParams { block_interval_ms: 0, jitter_max_ms: 1, claim_timeout_ms: 100, ..PARAMS };
    assert_eq!((fast.late_ms(), fast.stopped_ms()), (201, 15_000));
}

#[test]
fn a_well_network_is_fine() {
    let health = Net::of(3).judge(&mut HealthMachine::new(Operator::Unknown));
    assert_eq!(health.state, HealthState::Fine);
    let at = NOW - 1_400;
    assert_eq!(
        health.headline,
        format!("3 of 3 nodes producing, last block {{ago:{at}}} ago, final 64 blocks behind")
    );
    assert_eq!((health.producing, health.registered, health.spare), (3, 3, Some(1)));
    assert_eq!((health.reasons.len(), health.last_block_at_ms), (0, Some(at)));
}

/// What an operator may find, and what is said.
#[test]
fn each_trouble_has_its_reason_and_its_remedy() {
    type Break = fn(&mut Net);
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
    let cases = [
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
            spare: 2,
            codes: &["NODE_LOST"],
            words: &["Blocks go on; 2 more nodes may stop."],
        },
        Case {
            desc: "four of ten are dead: one reason for all",
            nodes: 10,
            broken: |net| gone(net, &[2, 3, 4, 5]),
            blocks: true,
            state: HealthState::Trouble,
            producing: 6,
            spare: 4,
            codes: &["NODE_LOST"],
            words: &["node2, node3, node4 and 1 more do not answer."],
        },
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
            words: &["node2 is suspended since block 1,200 for missed slots.", "from block 1,284 on"],
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
            words: &["and is suspended since block 1,200.", "start node2 again"],
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
            words: &["0 of 3 nodes", "heard none of the 2 other producers", "check this node's network"],
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
    ];
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
fn one_node_holds_every_slot() {
    let health = Net::of(1).judge(&mut HealthMachine::new(Operator::Unknown));
    assert_eq!((health.state, health.spare), (HealthState::Fine, Some(0)));
    assert!(health.headline.starts_with("1 of 1 node producing, "), "{}", health.headline);
    assert!(health.headline.ends_with("One node holds every slot: if it stops, the chain stops."));
}

#[test]
fn a_follower_sees_the_sole_producer_die_and_come_back() {
    let mut net = Net::of(2);
    net.nodes[0].standing = Standing::Other;
    net.because = "NOT_A_PRODUCER: this node's key is not registered".into();
    let mut machine = HealthMachine::new(Operator::Unknown);
    let health = net.judge(&mut machine);
    assert_eq!((health.state, health.producing, health.registered), (HealthState::Fine, 1, 1), "{health:#?}");
    net.nodes[1].connected = false;
    net.because = "NO_PRODUCER: none of its 0 ready peers is a producer".into();
    net.pass(40_000, false);
    let health = net.judge(&mut machine);
    assert_eq!(
        (health.state, health.producing, health.spare),
        (HealthState::Stopped, 0, Some(0)),
        "{health:#?}"
    );
    let at = NOW - 1_400;
    assert_eq!(
        health.headline,
        format!("No block for {{ago:{at}}}, 0 of 1 node may produce, final 64 blocks behind")
    );
    assert_eq!(codes(&health), ["NODE_LOST", "NO_BLOCK"]);
    assert!(health.reasons[0].text.contains("It holds every slot"), "{health:#?}");
    // The first block turns the sentence at once; the signs stay for a while, and say that it is over.
    net.nodes[1].connected = true;
    net.pass(1_000, true);
    let health = net.judge(&mut machine);
    assert_eq!((health.state, health.producing), (HealthState::Trouble, 1), "{health:#?}");
    let texts: Vec<&str> = health.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(texts, ["node2 answers again.", "Blocks come again."]);
    net.pass(LINGER_MS, true);
    assert_eq!(net.judge(&mut machine).state, HealthState::Fine);
}

#[test]
fn an_empty_chain_waits_before_it_complains() {
    let mut net = Net::of(3);
    // The genesis is years old.
    net.head = HeadFacts { height: 0, finalized_height: 0, stamp_ms: 1_000 };
    net.nodes.iter_mut().for_each(|node| node.height = Some(0));
    let mut machine = HealthMachine::new(Operator::Unknown);
    let health = net.judge(&mut machine);
    assert_eq!(health.state, HealthState::Fine, "{health:#?}");
    assert_eq!(health.headline, "No block yet, 3 of 3 nodes may produce");
    net.pass(5_000, false);
    let health = net.judge(&mut machine);
    assert_eq!((health.state, codes(&health)), (HealthState::Trouble, vec!["NO_BLOCK"]), "{health:#?}");
    assert_eq!(health.headline, format!("No block yet after {{ago:{NOW}}}, 3 of 3 nodes may produce"));
    net.pass(15_000, false);
    assert_eq!(net.judge(&mut machine).state, HealthState::Stopped);
    // It begins: the first of three waits for the others.
    let mut alone = Net::of(3);
    (alone.head, alone.nodes[0].height) = (net.head, Some(0));
    alone.because = "TOO_FEW_PEERS: 0 ready peers".into();
    for node in &mut alone.nodes[1..] {
        (node.connected, node.last_seen_ms, node.height, node.eligible) = (false, None, None, None);
    }
    let health = alone.judge(&mut HealthMachine::new(Operator::Unknown));
    assert_eq!((health.state, codes(&health)), (HealthState::Trouble, vec!["CUT_OFF"]), "{health:#?}");
    assert_eq!(health.headline, "No block yet, 0 of 3 nodes may produce");
}

#[test]
fn a_node_that_catches_up_does_not_say_that_the_chain_stands() {
    let mut net = Net::of(3);
    net.head = HeadFacts { height: 1_163, finalized_height: 0, stamp_ms: NOW - 300_000 };
    net.because = "BEHIND: local height 1163 is 120 behind the network's 1283: wait".into();
    let health = net.judge(&mut HealthMachine::new(Operator::Unknown));
    assert_eq!(health.state, HealthState::Trouble, "{health:#?}");
    assert_eq!(health.headline, "This node is 120 blocks behind; it has 1,163 of 1,283");
    assert_eq!(codes(&health), ["BEHIND"]);
}

#[test]
fn one_late_status_changes_nothing_and_a_blink_is_no_loss() {
    let mut net = Net::of(3);
    let mut machine = HealthMachine::new(Operator::Unknown);
    let first = net.judge(&mut machine);
    type Blink = fn(&mut NodeFacts);
    let blinks: [(&str, Blink); 3] = [
        ("a new connection", |node| node.connected = false),
        ("a tick without a streak", |node| (node.eligible, node.because) = (Some(false), "STREAK: 1".into())),
        ("behind for a moment", |node| (node.eligible, node.behind) = (None, Some(5))),
    ];
    for (desc, blink) in blinks {
        let before = net.nodes[1].clone();
        blink(&mut net.nodes[1]);
        net.pass(GRACE_MS, true);
        let health = net.judge(&mut machine);
        assert_eq!((health.state, health.producing), (HealthState::Fine, 3), "{desc}: {health:#?}");
        let last_seen_ms = Some(net.now_ms);
        net.nodes[1] = NodeFacts { last_seen_ms, ..before };
        net.pass(1_000, true);
        assert_eq!(net.judge(&mut machine).reasons, first.reasons, "{desc}");
    }
    // A status of four seconds ago still counts, one of eight does not.
    net.nodes[1].connected = true;
    for (late_ms, producing) in [(4_000, 3), (8_000, 2)] {
        let seen = net.nodes[1].last_seen_ms;
        net.pass(late_ms, true);
        net.nodes[1].last_seen_ms = seen;
        assert_eq!(net.judge(&mut machine).producing, producing, "{late_ms} ms");
        net.pass(10, true);
        net.judge(&mut machine);
    }
}

#[test]
fn trouble_comes_at_once_and_goes_after_a_while() {
    let mut net = Net::of(3);
    let mut machine = HealthMachine::new(Operator::Unknown);
    net.judge(&mut machine);
    net.pass(4_000, false);
    let late = net.judge(&mut machine);
    assert_eq!((late.state, codes(&late)), (HealthState::Trouble, vec!["NO_BLOCK"]));
    net.pass(100, true);
    for (ms, expect) in [(0, HealthState::Trouble), (4_800, HealthState::Trouble), (100, HealthState::Fine)] {
        net.pass(ms, true);
        assert_eq!(net.judge(&mut machine).state, expect, "{ms}");
    }
}

#[test]
fn without_the_chain_service_nothing_is_known() {
    let mut machine = HealthMachine::new(Operator::Unknown);
    Net::of(3).judge(&mut machine);
    let health = machine.blind(NOW + 5, "connection refused");
    assert_eq!((health.state, health.spare, health.registered), (HealthState::Unknown, None, 3));
    assert_eq!(health.headline, format!("No answer from this node's chain service for {{ago:{}}}", NOW + 5));
    let later = machine.blind(NOW + 9_000, "connection refused");
    assert_eq!((codes(&later), later.reasons[0].since_ms), (vec!["CHAIN_UNAVAILABLE"], NOW + 5));
    assert_eq!(Net::of(3).judge(&mut machine).state, HealthState::Fine);
}

#[test]
fn on_a_test_network_the_remedy_is_its_command() {
    let names = [(Hash([2; 32]), "node2".to_owned())].into();
    let operator = Operator::Testnet { flag: " --dir nets/a".into(), names };
    let mut net = Net::of(3);
    // Nobody has heard of it, so it is called by its digits.
    (net.nodes[1].connected, net.nodes[1].last_seen_ms, net.nodes[1].name) = (false, None, "02020202".into());
    let health = net.judge(&mut HealthMachine::new(operator));
    assert_eq!(health.reasons[0].remedy, "vision testnet start node2 --dir nets/a");
    assert!(health.reasons[0].text.starts_with("02020202 has not been heard of since"), "{health:#?}");
}
