//! Why a node makes no block, in the one place where that is said: which service has the first word, and the
//! sentence that goes with the code which another node reports about itself.

/// Why this node makes no block: what the oracle says, else what the producer says of itself (`Err`: it does
/// not answer, and why). Empty: it may.
#[must_use]
pub fn makes_no_block_because(oracle: &str, producer: Result<&str, &str>) -> String {
    match (oracle, producer) {
        ("", Ok(said)) => said.to_owned(),
        // Without its producer a node makes no block, however well it is in sync.
        ("", Err(why)) => format!("PRODUCER_UNAVAILABLE: {why}"),
        (said, _) => said.to_owned(),
    }
}

/// The code of a reason that is a code and a sentence.
#[must_use]
pub fn code_of(because: &str) -> &str {
    because.split_once(':').map_or(because, |(code, _)| code)
}

/// What the code that another node gives as its reason means, said of that node.
#[must_use]
pub fn sentence_of(code: &str) -> &'static str {
    match code {
        "CLOCK_SKEW" => "its clock differs from its peers'",
        "HEAD_AHEAD" => "its head's timestamp is ahead of its clock",
        "CLOCK_UNKNOWN" => "its clock has not been compared with its peers' yet",
        "TOO_FEW_PEERS" => "too few of its peers are ready",
        "CATCHING_UP" => "it is a few blocks behind and catches up",
        "BEHIND" => "it is behind and fetches blocks",
        "STREAK" => "it has not been at the tip for long enough",
        "NO_TICK_YET" => "its sync-oracle has measured nothing yet",
        "CHAIN_UNAVAILABLE" => "its chain service does not answer",
        "ORACLE_SILENT" | "SYNC_ORACLE_UNAVAILABLE" => "its sync-oracle service does not answer",
        "SELECTION_UNAVAILABLE" => "its selection service does not answer",
        "PRODUCER_UNAVAILABLE" => "its producer service does not answer",
        "CLAIMS_UNAVAILABLE" => "its claims cannot be written",
        "CLAIMS_TOO_OLD" => "its claims are older than the last use of its key",
        "CLOCK_SET" => "its clock was just set",
        "WRONG_GENESIS" => "its services belong to different chains",
        "NOT_A_PRODUCER" | "NO_PRODUCER" => "its key is not registered on this chain",
        "KEY_USED_ELSEWHERE" => "another process signs blocks with its key",
        "SIGNING_FLOOR" => "its claims were reset, and it signs nothing up to a height",
        _ => "it reports only this code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oracle_has_the_first_word_and_the_producer_the_second() {
        let cases = [
            ("all is well", "", Ok(""), ""),
            ("the oracle objects", "BEHIND: 9", Ok("SIGNING_FLOOR: 5"), "BEHIND: 9"),
            ("the producer objects", "", Ok("SIGNING_FLOOR: 5"), "SIGNING_FLOOR: 5"),
            ("the producer is gone", "", Err("no answer"), "PRODUCER_UNAVAILABLE: no answer"),
            ("both", "BEHIND: 9", Err("no answer"), "BEHIND: 9"),
        ];
        for (desc, oracle, producer, expect) in cases {
            assert_eq!(makes_no_block_because(oracle, producer), expect, "{desc}");
        }
    }

    #[test]
    fn a_reason_begins_with_its_code() {
        for (because, code) in [("BEHIND: 9: far", "BEHIND"), ("NAKED", "NAKED"), ("", "")] {
            assert_eq!(code_of(because), code);
        }
    }
}
