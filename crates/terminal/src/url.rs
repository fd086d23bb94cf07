//! Which node a command asks.

use vision_host::shell::word;

/// The gateway asked unless another is given.
pub const DEFAULT_NODE_URL: &str = "http://127.0.0.1:8080";
/// Names another one.
pub const NODE_VARIABLE: &str = "VISION_URL";

/// The flag that names a node's gateway in a command to be typed, with a blank before it; nothing where it
/// goes without saying.
pub fn node_flag(url: &str) -> String {
    node_flag_beside(url, std::env::var_os(NODE_VARIABLE).is_some_and(|value| !value.is_empty()))
}

/// The same where the variable is set, or not. It may be set for one command alone, so the flag is there
/// beside it.
fn node_flag_beside(url: &str, variable: bool) -> String {
    match url == DEFAULT_NODE_URL && !variable {
        true => String::new(),
        false => format!(" --node {}", word(url)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_be_typed_names_the_node_unless_it_goes_without_saying() {
        let other = "http://127.0.0.1:8081";
        let cases = [
            ("the usual one", DEFAULT_NODE_URL, false, ""),
            ("another", other, false, " --node http://127.0.0.1:8081"),
            ("another by the variable", other, true, " --node http://127.0.0.1:8081"),
            ("the usual one beside a variable", DEFAULT_NODE_URL, true, " --node http://127.0.0.1:8080"),
            ("a shell's letters", "http://h/a b;c'd", false, r" --node 'http://h/a b;c'\''d'"),
        ];
        for (desc, url, variable, expect) in cases {
            assert_eq!(node_flag_beside(url, variable), expect, "{desc}");
        }
    }
}
