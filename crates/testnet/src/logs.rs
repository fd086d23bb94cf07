//! `vision testnet logs`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::layout::{Facts, Layout, NodeFacts};
use super::process::tail;
use crate::args::LogsArgs;
use vision_terminal::exit::Outcome;
use vision_terminal::output;

/// How often the files are looked at.
const POLL: Duration = Duration::from_millis(200);
/// Most bytes taken from one file at one look.
const CHUNK_BYTES: u64 = 1 << 20;

/// Shows the end of the logs, then what is added if asked to follow.
pub(crate) async fn run(args: &LogsArgs) -> Outcome {
    let facts = Facts::load(&Layout::new(&args.dir.dir)?)?;
    let nodes = match &args.node {
        Some(node) => vec![facts.node(node)?.clone()],
        None => facts.nodes,
    };
    let several = nodes.len() > 1;
    let mut followed: Vec<Followed> = nodes.iter().map(|node| Followed::at_end(node, several)).collect();
    for (node, followed) in nodes.iter().zip(&followed) {
        for line in tail(&node.log, args.lines) {
            output::line(&format!("{}{line}", followed.prefix))?;
        }
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        for log in &mut followed {
            for line in log.added() {
                output::line(&line)?;
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A log file that is read on as it grows, also when it is put aside and begun anew.
struct Followed {
    node: NodeFacts,
    prefix: String,
    inode: u64,
    position: u64,
    rest: Vec<u8>,
}

impl Followed {
    fn at_end(node: &NodeFacts, several: bool) -> Self {
        let prefix = if several { format!("{} | ", node.name) } else { String::new() };
        let meta = std::fs::metadata(&node.log).ok();
        let (inode, position) = meta.map_or((0, 0), |meta| (meta.ino(), meta.len()));
        Self { node: node.clone(), prefix, inode, position, rest: Vec::new() }
    }

    /// The complete lines that were added since the last call.
    fn added(&mut self) -> Vec<String> {
        // A log that is not there now may be in a moment.
        self.read().unwrap_or_default();
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let complete: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&complete).lines().map(|line| format!("{}{line}", self.prefix)).collect()
    }

    fn read(&mut self) -> std::io::Result<()> {
        let mut file = File::open(&self.node.log)?;
        let meta = file.metadata()?;
        if meta.ino() != self.inode || meta.len() < self.position {
            (self.inode, self.position) = (meta.ino(), 0);
            if !self.rest.is_empty() {
                self.rest.push(b'\n');
            }
        }
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.take(CHUNK_BYTES).read_to_end(&mut self.rest)?;
        self.position += read as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Urls;
    use super::super::ports::BasePorts;
    use super::*;
    use crate::args::PortArgs;

    #[test]
    fn following_survives_a_new_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let ports = BasePorts::new(&PortArgs::default()).assign(1).expect("fits").remove(0);
        let log = dir.path().join("node.log");
        let node = NodeFacts {
            name: "node1".into(),
            id: String::new(),
            public_key: String::new(),
            home: dir.path().to_owned(),
            log: log.clone(),
            pid: None,
            ended: None,
            urls: Urls::new(&ports),
            ports,
        };
        std::fs::write(&log, "old\n").expect("write");
        let mut followed = Followed::at_end(&node, true);
        assert!(followed.added().is_empty());
        std::fs::write(&log, "old\nnew\nhalf").expect("write");
        assert_eq!(followed.added(), ["node1 | new"]);
        std::fs::rename(&log, dir.path().join("node.log.1")).expect("rename");
        assert!(followed.added().is_empty());
        std::fs::write(&log, "line\nnext\n").expect("write");
        assert_eq!(followed.added(), ["node1 | half", "node1 | line", "node1 | next"]);
    }
}
