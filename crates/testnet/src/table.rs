//! What each node of the network is doing, and the table of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::layout::{Facts, NodeFacts};
use super::process::Life;
use vision_terminal::exit::Outcome;
use vision_terminal::output::{self, Format, Table, short};
use vision_terminal::rest::Gateway;
use vision_terminal::words::cut;

/// How long a node that has no process may take to answer all the same.
const GLANCE: Duration = Duration::from_secs(1);

/// Longest state shown, characters.
const MAX_STATE_CHARS: usize = 200;
/// Narrowest column of states on a terminal, characters.
const MIN_STATE_CHARS: usize = 12;

/// One look at one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeView {
    /// Who it is.
    pub facts: NodeFacts,
    /// What its process does.
    pub life: Life,
    /// Its `/api/status`, if it answered.
    pub status: Option<Value>,
}

impl NodeView {
    /// Looks at a node.
    pub(crate) async fn of(facts: &NodeFacts) -> Self {
        let life = Life::of(facts);
        let status = match (life, Gateway::new(&facts.urls.rest)) {
            (Life::Running(_), Ok(gateway)) => gateway.get("/api/status").await.ok(),
            // Its services may have been started by hand, one by one.
            (Life::Stopped, Ok(gateway)) => {
                let asked = tokio::time::timeout(GLANCE, gateway.get("/api/status")).await;
                asked.ok().and_then(Result::ok)
            }
            _ => None,
        };
        // Whoever else may listen there is not this node.
        let status = status.filter(|status| status["node_id"] == facts.id.as_str());
        Self { facts: facts.clone(), life, status }
    }

    /// Looks at its process again; what it reported before it was gone counts no longer.
    pub(crate) fn look_at_process(&mut self) {
        let life = Life::of(&self.facts);
        if life != self.life {
            self.status = self.status.take().filter(|_| matches!(life, Life::Running(_)));
        }
        self.life = life;
    }

    /// Whether it can answer nobody now.
    pub(crate) const fn is_away(&self) -> bool {
        matches!((self.life, &self.status), (Life::Paused(_), _) | (Life::Stopped, None))
    }

    /// Looks at all nodes at once.
    pub(crate) async fn of_all(nodes: &[NodeFacts]) -> Vec<Self> {
        futures::future::join_all(nodes.iter().map(Self::of)).await
    }

    /// Height of its head, if it answered.
    pub(crate) fn height(&self) -> Option<u64> {
        self.status.as_ref().and_then(|status| status["height"].as_u64())
    }

    /// What it answered, or the word for one that did not.
    fn answer(&self) -> Result<&Value, &'static str> {
        match (self.life, &self.status) {
            (Life::Stopped, None) => Err("stopped"),
            (Life::Paused(_), _) => Err("paused"),
            (Life::Running(_), None) => Err("no answer"),
            (Life::Running(_) | Life::Stopped, Some(status)) => Ok(status),
        }
    }

    /// Its state in a word or two for programs, whose words stay the same.
    fn state_code(&self) -> String {
        let status = match self.answer() {
            Ok(status) => status,
            Err(word) => return word.into(),
        };
        let sync = status["sync_state"].as_str().unwrap_or("unknown");
        if status["eligible"] == true {
            return format!("{sync}, eligible");
        }
        let because = status["not_eligible_because"].as_str().unwrap_or_default();
        let code = because.split([':', ' ']).next().unwrap_or_default();
        if code.is_empty() { format!("{sync}, not eligible") } else { format!("{sync}, {code}") }
    }

    /// Its state in a few words for people.
    pub(crate) fn state(&self) -> String {
        let status = match self.answer() {
            Ok(status) => status,
            Err(word) => return word.into(),
        };
        if status["eligible"] == true {
            return "may produce".into();
        }
        let because = status["not_eligible_because"].as_str().unwrap_or_default();
        let text = because.split_once(": ").map_or(because, |(_, text)| text);
        if text.is_empty() { "may not produce".into() } else { text.into() }
    }

    /// Its name and the reason, if no block can come before its clock has reached the head's stamp.
    pub(crate) fn waits_for_its_clock(&self) -> Option<(&str, &str)> {
        let because = self.status.as_ref()?["not_eligible_because"].as_str()?;
        because.starts_with("HEAD_AHEAD: ").then_some((self.facts.name.as_str(), because))
    }

    fn json(&self) -> Value {
        let field = |name: &str| self.status.as_ref().map_or(Value::Null, |status| status[name].clone());
        json!({
            "name": self.facts.name,
            "id": self.facts.id,
            "pid": self.life.pid(),
            "ports": self.facts.ports,
            "urls": self.facts.urls,
            "home": self.facts.home,
            "log": self.facts.log,
            "height": self.height(),
            "tip_hash": field("tip_hash"),
            "sync_state": field("sync_state"),
            "eligible": field("eligible"),
            "not_eligible_because": field("not_eligible_because"),
            "state": self.state_code(),
        })
    }
}

/// The table as text, with as much as fits into so many columns.
pub(crate) fn render(views: &[NodeView], width: Option<usize>) -> String {
    let without = |left_out: &[&str]| {
        let kept = |at: &usize| !left_out.contains(&COLUMNS[*at]);
        let columns: Vec<usize> = (0..COLUMNS.len()).filter(kept).collect();
        let mut table = Table::new(&columns.iter().map(|at| COLUMNS[*at]).collect::<Vec<_>>());
        for view in views {
            let cells = cells(view);
            table.row(columns.iter().map(|at| cells[*at].clone()));
        }
        table
    };
    let narrow = ["tip", "grpc"];
    let forms = [0, 1, 2].map(|left_out| without(&narrow[..left_out]).render());
    let Some(columns) = width else { return forms.into_iter().next().unwrap_or_default() };
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= columns);
    // A state is never cut: where it has no room beside the others, it goes on below itself.
    let wrapped = || without(&narrow).wrapped(columns, MIN_STATE_CHARS);
    forms.into_iter().find(fits).or_else(wrapped).unwrap_or_else(|| without(&narrow).render())
}

/// What is known of a node.
const COLUMNS: [&str; 9] = ["node", "id", "pid", "p2p", "rest", "grpc", "height", "tip", "state"];

fn cells(view: &NodeView) -> [String; 9] {
    let ports = &view.facts.ports;
    let tip = view.status.as_ref().map_or("-".into(), |status| short(&status["tip_hash"]));
    [
        view.facts.name.clone(),
        view.facts.id.chars().take(8).collect(),
        view.life.pid().map_or("-".into(), |pid| pid.to_string()),
        ports.p2p.to_string(),
        ports.rest.to_string(),
        format!("{}-{}", ports.chain, ports.producer),
        view.height().map_or("-".into(), |height| height.to_string()),
        tip,
        cut(&view.state(), MAX_STATE_CHARS),
    ]
}

/// Prints the state of the whole network.
pub(crate) fn print(facts: &Facts, views: &[NodeView], format: Format) -> Outcome {
    match format {
        Format::Table => output::write(&render(views, output::width())),
        Format::Json => output::json(&json!({
            "chain_id": facts.chain_id,
            "genesis_hash": facts.genesis_hash,
            "nodes": views.iter().map(NodeView::json).collect::<Vec<_>>(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Urls;
    use super::super::ports::BasePorts;
    use super::*;
    use crate::args::PortArgs;

    fn facts() -> NodeFacts {
        let ports = BasePorts::new(&PortArgs::default()).assign(1).expect("fits").remove(0);
        NodeFacts {
            name: "node1".into(),
            id: "abcdef0123".into(),
            public_key: String::new(),
            home: "/net/node1".into(),
            log: "/net/node1/node.log".into(),
            pid: Some(7),
            ended: None,
            urls: Urls::new(&ports),
            ports,
        }
    }

    #[test]
    fn the_whole_table_fits_its_columns() {
        const LONG: &str =
            "TOO_FEW_PEERS: 1 ready peer of 1 connected, 2 needed: start more nodes, or check [chain] seeds";
        let status = |state: &str, because: &str| {
            json!({ "height": 1_000_000, "tip_hash": "0123456789abcdef", "sync_state": state,
            "eligible": because.is_empty(),
                    "not_eligible_because": because })
        };
        let cases = [
            ("eligible", status("AtTip", ""), Some(80), "REST   GRPC         HEIGHT   STATE"),
            ("not yet", status("CatchingUp", LONG), Some(80), "REST   HEIGHT   STATE"),
            (
                "wide",
                status("CatchingUp", "TOO_FEW_PEERS: 1"),
                Some(120),
                "GRPC         HEIGHT   TIP       STATE",
            ),
            ("no terminal", status("AtTip", ""), None, "GRPC         HEIGHT   TIP       STATE"),
        ];
        for (desc, status, width, expect) in cases {
            let mut facts = facts();
            facts.name = "node100".into();
            facts.ports = BasePorts::new(&PortArgs::default()).assign(1).expect("fits").remove(0);
            (facts.ports.p2p, facts.ports.rest) = (17_072, 18_080);
            let text =
                render(&[NodeView { facts, life: Life::Running(4_194_304), status: Some(status) }], width);
            let widest = text.lines().map(|line| line.chars().count()).max().expect("lines");
            assert!(
                widest <= width.unwrap_or(usize::MAX) && text.contains(expect),
                "{desc}: {widest}\n{text}"
            );
            let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                desc != "not yet" || (words.contains("start more") && words.ends_with("seeds")),
                "{text}"
            );
        }
    }

    #[test]
    fn states_in_words() {
        let answer = |eligible: bool, because: &str| {
            Some(json!({ "height": 3, "sync_state": "AtTip", "eligible": eligible,
                "not_eligible_because": because }))
        };
        let cases = [
            ("stopped", Life::Stopped, None, "stopped"),
            ("its services apart", Life::Stopped, answer(true, ""), "may produce"),
            ("paused", Life::Paused(7), None, "paused"),
            ("silent", Life::Running(7), None, "no answer"),
            ("eligible", Life::Running(7), answer(true, ""), "may produce"),
            ("skewed", Life::Running(7), answer(false, "CLOCK_SKEW: 5 s fast"), "5 s fast"),
            ("unsaid", Life::Running(7), answer(false, ""), "may not produce"),
        ];
        for (desc, life, status, expect) in cases {
            let view = NodeView { facts: facts(), life, status };
            assert_eq!(view.state(), expect, "{desc}");
            assert!(render(&[view], None).contains("node1  abcdef01"), "{desc}");
        }
    }
}
