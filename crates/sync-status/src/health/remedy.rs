//! What helps.

use std::collections::BTreeMap;

use vision_primitives::NodeId;

/// Commands shown at once.
const MAX_COMMANDS: usize = 4;

/// How nodes are started where this one runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Operator {
    /// By `vision testnet`.
    Testnet {
        /// The flag that names the network, with a blank before it.
        flag: String,
        /// What the network calls its nodes.
        names: BTreeMap<NodeId, String>,
    },
    /// In a way that this process does not know.
    #[default]
    Unknown,
}

impl Operator {
    /// How a node is started again.
    pub(super) fn start(&self, id: &NodeId, name: &str) -> String {
        match self {
            Self::Testnet { flag, names } if let Some(name) = names.get(id) => {
                format!("vision testnet start {name}{flag}")
            }
            _ => format!("start {name} again"),
        }
    }
}

impl Operator {
    /// How several nodes are started again; none if no short command does it.
    pub(super) fn start_all<'a>(&self, ids: impl Iterator<Item = &'a NodeId>) -> Option<String> {
        let Self::Testnet { flag, names } = self else { return None };
        let start = |id| names.get(id).map(|name| format!("vision testnet start {name}{flag}"));
        let commands = ids.map(start).collect::<Option<Vec<_>>>()?;
        (commands.len() <= MAX_COMMANDS).then(|| commands.join(" && "))
    }
}

/// What helps a node that gives this code as the reason why it may not produce.
#[must_use]
pub fn remedy_of(code: &str, name: &str) -> String {
    match code {
        "CLOCK_SKEW" | "HEAD_AHEAD" => format!("set the clock of {name} by NTP"),
        "TOO_FEW_PEERS" => {
            format!(
                "start more nodes, or check [chain] seeds of {name} and that the P2P ports can be reached"
            )
        }
        "CHAIN_UNAVAILABLE" => format!("start the chain service of {name}, or read its log"),
        "ORACLE_SILENT" | "SYNC_ORACLE_UNAVAILABLE" => {
            format!("start the sync-oracle service of {name}, or read its log")
        }
        "SELECTION_UNAVAILABLE" => format!("start the selection service of {name}, or read its log"),
        "PRODUCER_UNAVAILABLE" => format!("start the producer service of {name}, or read its log"),
        "CLAIMS_UNAVAILABLE" => format!("look at the disk of {name}, and at its producer service's log"),
        "KEY_USED_ELSEWHERE" => format!("stop the other node that uses the key of {name}"),
        "WRONG_GENESIS" => format!("give all services of {name} one home"),
        "NOT_A_PRODUCER" => format!("register the key of {name}, if it should produce"),
        "NO_PRODUCER" => format!("start a producer, or check [chain] seeds of {name}"),
        "BEHIND" | "CATCHING_UP" => {
            format!("wait while it fetches blocks; if its height stands still, read the log of {name}")
        }
        "SIGNING_FLOOR" => "wait for that height".to_owned(),
        "STREAK" | "NO_TICK_YET" | "CLOCK_UNKNOWN" | "CLOCK_SET" => "wait a few seconds".to_owned(),
        _ => format!("read the log of {name}"),
    }
}
