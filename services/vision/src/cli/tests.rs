use clap::CommandFactory as _;

use super::*;

const HASH: &str = "abababababababababababababababababababababababababababababababab";

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_use_is_refused_by_name() {
    let cases = [
        ("unknown flag", &["vision", "status", "--nope"][..], "--nope"),
        ("unknown command", &["vision", "fly"], "fly"),
        ("no home", &["vision", "chain"], "--home"),
        ("no nodes", &["vision", "testnet", "init", "--nodes", "0"], "--nodes"),
        ("two sources", &["vision", "keys", "show", "--key", "a", "--home", "b"], "--home"),
        ("no source", &["vision", "keys", "show"], "--key"),
        ("a file and a source", &["vision", "keys", "show", "a", "--key", "b"], "--key"),
        ("format", &["vision", "status", "-o", "xml"], "xml"),
        ("slots", &["vision", "query", "schedule", "--slots", "few"], "few"),
        ("address", &["vision", "query", "account", "0xab"], "64 lowercase hex digits"),
        ("no hash", &["vision", "query", "tx"], "HASH"),
        ("fraction", &["vision", "tx", "transfer", "--amount", "1.5"], "whole number"),
        ("no data", &["vision", "tx", "data", "--key", "k"], "--text"),
        ("two data", &["vision", "tx", "data", "--key", "k", "--text", "a", "--hex", "b"], "--hex"),
        ("dry and wet", &["vision", "tx", "exit", "--key", "k", "--dry-run", "--wait"], "--wait"),
        ("shell", &["vision", "completions", "dos"], "dos"),
        ("block", &["vision", "verify", "--proof", "-", "--block", "1"], "64"),
        ("nothing to verify", &["vision", "verify"], "--proof <FILE>|--from <HEIGHT>"),
        ("both", &["vision", "verify", "--proof", "-", "--from", "1", "--to", "2"], "cannot be used with"),
        ("a proof up to", &["vision", "verify", "--proof", "-", "--to", "2"], "cannot be used with"),
        ("its block", &["vision", "verify", "--from", "1", "--to", "2", "--block", HASH], "cannot be used"),
        ("no beginning", &["vision", "verify", "--to", "1"], "--from"),
        ("block 0", &["vision", "verify", "--from", "0", "--to", "1"], "--from"),
        (
            "too fast",
            &["vision", "load", "--accounts-dir", "d", "--rate", "100001", "--seconds", "1"],
            "--rate",
        ),
        ("too small", &["vision", "load", "--accounts-dir", "d", "--size", "116"], "117"),
        ("a height in hex", &["vision", "query", "block", "0x10"], "no 0x"),
        ("0x twice", &["vision", "query", "block", "0x0x1"], "0x"),
        ("0x alone", &["vision", "query", "block", "0x"], "0x"),
        ("a space", &["vision", "query", "block", " 1"], "height"),
        ("a signed height", &["vision", "query", "producers", "--height", "+5"], "whole number"),
        ("a signed slot count", &["vision", "query", "schedule", "--slots", "+5"], "+5"),
        ("a signed limit", &["vision", "query", "blocks", "--limit", "+5"], "whole number"),
        ("a signed count", &["vision", "watch", "--count", "+5"], "whole number"),
        ("signed nodes", &["vision", "testnet", "up", "--nodes", "+3"], "whole number"),
        ("a signed port", &["vision", "testnet", "up", "--base-api-port", "+80"], "whole number"),
        ("a node's port", &["vision", "node", "--home", "h", "--grpc-port", "+80"], "whole number"),
        ("no gRPC port", &["vision", "node", "--home", "h", "--grpc-port", "65533"], "65532"),
        ("a floor", &["vision", "keys", "reset-claims", "--home", "h", "--above", "+1"], "whole number"),
        ("a signed end", &["vision", "verify", "--from", "1", "--to", "+2"], "whole number"),
        ("a signed interval", &["vision", "testnet", "up", "--block-interval-ms", "+9"], "whole number"),
        ("no nodes to simulate", &["vision", "sim", "--nodes", "0"], "from 1 to 20000"),
        ("hours that are none", &["vision", "sim", "--hours", "1h"], "expected hours"),
        ("no seeds", &["vision", "sim", "--seeds", "0"], "--seeds"),
        ("a signed seed", &["vision", "sim", "--seed", "-1"], "-1"),
        ("signed lines", &["vision", "testnet", "logs", "-n", "+9"], "whole number"),
    ];
    for (desc, line, expect) in cases {
        let error = Cli::try_parse_from(line).expect_err(desc);
        assert_eq!(error.exit_code(), 2, "{desc}");
        assert!(error.to_string().contains(expect), "{desc}: {error}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let variables = |is_empty: fn(&Arg) -> bool| {
        let command = without_variables(Cli::command(), is_empty);
        let chain = command.find_subcommand("chain").expect("there");
        chain.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(variables(|_| false), ["VISION_HOME"]);
    assert!(variables(|arg| arg.get_env().is_some_and(|name| name == "VISION_HOME")).is_empty());
}

/// A command and all below it.
fn commands(command: &clap::Command) -> Vec<clap::Command> {
    let below = command.get_subcommands().flat_map(commands);
    std::iter::once(command.clone()).chain(below).collect()
}

#[test]
fn every_help_page_fits_80_columns_and_breaks_no_example() {
    let mut whole = Cli::command();
    whole.build();
    let pages = commands(&whole);
    assert!(pages.len() > 40, "{}", pages.len());
    for mut page in pages {
        let name = page.get_bin_name().unwrap_or_default().to_owned();
        for text in [page.render_help(), page.render_long_help()].map(|text| text.to_string()) {
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert_eq!(wide, Vec::<&str>::new(), "{name}");
            // What is to be typed stays in one line, or is broken where a shell goes on.
            let after = page.get_after_help().map(ToString::to_string).unwrap_or_default();
            for example in after.lines().filter(|line| line.starts_with("  ")) {
                assert!(text.contains(example), "{name}: {example} in\n{text}");
            }
        }
    }
}

#[test]
fn keys_show_takes_a_file_with_or_without_its_flag() {
    for line in [&["vision", "keys", "show", "a.key"][..], &["vision", "keys", "show", "--key", "a.key"]] {
        let Command::Keys(Keys::Show(args)) = Cli::try_parse_from(line).expect("right").command else {
            panic!("{line:?}");
        };
        assert_eq!(args.file.or(args.key), Some(PathBuf::from("a.key")), "{line:?}");
    }
}

#[test]
fn a_usage_line_requires_only_what_is_required() {
    // A variable that is always set, in the place of VISION_URL.
    let given = |arg: Arg| if arg.get_id() == "node" { arg.env("PATH") } else { arg };
    let command =
        Cli::command().mut_subcommand("query", |query| query.mut_subcommand("tx", |tx| tx.mut_args(given)));
    let usage = |error: clap::Error| {
        let text = error.to_string();
        text.lines().find(|line| line.starts_with("Usage:")).map(str::to_owned)
    };
    let line = ["vision", "query", "tx"].map(OsString::from);
    let plain = command.clone().try_get_matches_from(&line).expect_err("no hash");
    assert_eq!(usage(plain).as_deref(), Some("Usage: vision query tx --node <URL> <HASH>"), "as clap has it");
    let mended = matches(command, &line).expect_err("no hash");
    assert_eq!(usage(mended).as_deref(), Some("Usage: vision query tx <HASH>"));
}

#[test]
fn help_names_the_variables() {
    let line = ["vision", "status", "--help"].map(OsString::from);
    let help = matches(Cli::command(), &line).expect_err("help").to_string();
    assert!(help.contains("[env: VISION_URL="), "{help}");
}

#[test]
fn every_flag_that_names_a_gateway_reads_the_variable() {
    let mut seen = 0;
    for command in commands(&Cli::command()) {
        for arg in command.get_arguments().filter(|arg| arg.get_long() == Some("node")) {
            assert_eq!(arg.get_env(), Some(std::ffi::OsStr::new(NODE_VARIABLE)), "{}", command.get_name());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
