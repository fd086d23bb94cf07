use super::*;
use crate::limits::LIMITS;

/// Each single value of a table with its name.
fn leaves(table: &toml::Table, section: &str, found: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        match value {
            toml::Value::Table(below) if name != "params" => {
                leaves(below, &format!("{section}{name}."), found);
            }
            value => found.push((format!("{section}{name}"), value.clone())),
        }
    }
}

fn defaults() -> Vec<(String, toml::Value)> {
    let mut found = Vec::new();
    leaves(&toml::Table::try_from(Scenario::default()).unwrap(), "", &mut found);
    found
}

#[test]
fn every_number_has_its_range_and_every_range_its_number() {
    let numbers = defaults().into_iter().filter(|(_, value)| value.is_integer());
    let mut numbers: Vec<String> = numbers.map(|(name, _)| name).collect();
    let mut limited: Vec<String> = LIMITS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    numbers.sort();
    limited.sort();
    assert_eq!(numbers, limited);
}

#[test]
fn the_document_lists_every_field_with_its_range_and_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulation.md");
    let text = std::fs::read_to_string(path).unwrap();
    let row = |field: &str| {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{field}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/simulation.md has no row for {field}"));
        row.split('|').map(|cell| cell.trim().replace([',', '`'], "")).collect::<Vec<_>>()
    };
    for (field, value) in defaults() {
        let (cells, value) = (row(&field), value.to_string().replace('"', ""));
        assert_eq!(cells[4], if value == "{}" || value == "[]" { "none".into() } else { value }, "{field}");
        if let Some((_, least, most)) = LIMITS.iter().find(|(limited, ..)| *limited == field) {
            assert_eq!(cells[3], format!("{least} to {most}"), "{field}");
        }
    }
    let words = |values: Vec<toml::Value>| values.into_iter().map(|value| value.to_string());
    let behaviours = Behaviour::ALL.map(|one| toml::Value::try_from(one).unwrap());
    let sabotage = Sabotage::ALL.map(|one| toml::Value::try_from(one).unwrap());
    for (field, word) in words(behaviours.into())
        .map(|word| ("byzantine", word))
        .chain(words(sabotage.into()).map(|word| ("sabotage", word)))
    {
        let word = word.replace('"', "");
        assert!(row(field)[3].split(' ').any(|listed| listed == word), "{field}: {word}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let cases = [
        ("nodes = 0", "nodes: must be a whole number from 1 to 20000, and is 0"),
        ("nodes = -3", "nodes: must be a whole number from 1 to 20000, and is -3"),
        ("nodes = 2.5", "nodes: must be a whole number from 1 to 20000, and is 2.5"),
        (
            "[faults]\ncrash = \"often\"",
            "faults.crash: must be a whole number from 0 to 1000, and is \"often\"",
        ),
        (
            "[network]\nkilobytes_per_second = 0",
            "network.kilobytes_per_second: must be a whole number from 1",
        ),
        ("nodes = 3\nproducers = 4", "producers: must be at most as many as nodes"),
        ("nodes = 1\nbyzantine = [\"floods\", \"floods\"]", "byzantine: must be at most as many as nodes"),
        ("\nnods = 3", "line 2, `nods = 3`: unknown field `nods`, expected one of `nodes`"),
        (
            "byzantine = [\"rude\"]",
            "line 1, `byzantine = [\"rude\"]`: unknown variant `rude`, expected one of",
        ),
        ("nodes = ", "line 1, `nodes =`: "),
        ("[params]\nspeed = 1", "params: there is no parameter speed"),
    ];
    for (text, expect) in cases {
        let error = Scenario::from_toml(text).expect_err(text).to_string();
        assert!(error.starts_with(expect), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{text:?}: {error}");
    }
    assert_eq!(Scenario::from_toml(""), Ok(Scenario::default()));
}
