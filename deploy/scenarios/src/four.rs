//! A compose file of four nodes, derived from the one of three: what is said of node 3 is said of node 4 too.

/// Names and published ports of node 3, and what node 4 has in their place.
const IN_PLACE: [(&str, &str); 5] = [
    ("node3", "node4"),
    ("NODE3", "NODE4"),
    (":-7074", ":-7075"),
    (":-5007", ":-5008"),
    (":-8082", ":-8083"),
];
/// What `init` is given as the number of nodes.
const INIT: (&str, &str) = ("[testnet, init, ", "[testnet, init, --nodes, \"4\", ");

/// The file of four nodes; `None` if this is not the file that is known here.
pub(crate) fn derive(three: &str) -> Option<String> {
    let mut four = String::new();
    let mut block = String::new();
    for line in three.lines().map(|line| format!("{line}\n")) {
        let begins = begins(&line);
        if begins || !line.starts_with("    ") {
            four.push_str(&doubled(&block));
            block.clear();
        }
        if begins || !block.is_empty() {
            block.push_str(&line);
        } else {
            four.push_str(&line);
        }
    }
    four.push_str(&doubled(&block));
    (four.contains(INIT.0) && four.contains("  node4-chain:")).then(|| four.replace(INIT.0, INIT.1))
}

/// Whether a line begins what is said of node 3.
fn begins(line: &str) -> bool {
    line.starts_with("  node3") || line.starts_with("      - node3")
}

fn doubled(block: &str) -> String {
    let other = IN_PLACE.iter().fold(block.to_owned(), |text, (three, four)| text.replace(three, four));
    format!("{block}{other}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_4_has_all_that_node_3_has() {
        let three = include_str!("../../../docker-compose.yml");
        let four = derive(three).expect("the file is known");
        let lines = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
        let of_node_3 = three.lines().filter(|line| begins(line));
        let mut services = 0;
        for line in of_node_3 {
            let count = lines(three, line);
            assert_eq!(
                (lines(&four, line), lines(&four, &line.replace("node3", "node4"))),
                (count, count),
                "{line}"
            );
            services += 1;
        }
        // Five services, three volumes for init, one network and three volumes.
        assert_eq!(services, 12);
        let port = |name: &str, port: u16| format!("${{NODE4_{name}_PORT:-{port}}}");
        for text in [
            port("P2P", 7075),
            port("CHAIN", 50_081),
            port("SYNC_ORACLE", 50_082),
            port("SELECTION", 50_083),
            port("PRODUCER", 50_084),
            port("REST", 8083),
            "      - node4-producer:/testnet/node4/producer\n".to_owned(),
        ] {
            assert!(four.contains(&text), "{text}");
        }
        assert!(four.contains("--nodes, \"4\""));
        assert_eq!(derive("services: {}\n"), None);
    }
}
