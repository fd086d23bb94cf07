mod troubles;

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
    assert!(health.reasons[0].text.starts_with("02020202 has not been heard from since"), "{health:#?}");
    // Of several each has its command, unless one of them is not of the network.
    net.nodes[2].connected = false;
    for (of_network, expect) in [
        (true, "vision testnet start node2 && vision testnet start node3"),
        (false, "start them again; if they run, check this node's network and [chain] seeds"),
    ] {
        let mut names: BTreeMap<NodeId, String> = [(Hash([2; 32]), "node2".to_owned())].into();
        if of_network {
            names.insert(Hash([3; 32]), "node3".to_owned());
        }
        let health = net.judge(&mut HealthMachine::new(Operator::Testnet { flag: String::new(), names }));
        assert_eq!((health.reasons[0].code.as_str(), health.reasons[0].remedy.as_str()), ("CUT_OFF", expect));
    }
}

#[test]
fn clocks_may_differ_by_anything() {
    for (offset_ms, last_block_at_ms) in [(i64::MIN, NOW), (i64::MAX, 0)] {
        let mut net = Net::of(3);
        net.nodes.iter_mut().skip(1).for_each(|node| node.clock_offset_ms = Some(offset_ms));
        let health = net.judge(&mut HealthMachine::new(Operator::Unknown));
        assert_eq!(health.last_block_at_ms, Some(last_block_at_ms), "{offset_ms}");
    }
}
