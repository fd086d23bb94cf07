//! Whatever stands in a query or a path: a value within its bounds, or a refusal.

use super::*;

/// A key and a value, line by line; the first line is a path.
fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default();
    match block_id(Ok(Path(path.to_owned()))) {
        Ok(BlockId::Height(height)) => assert_eq!(path.trim_start_matches('0').parse().unwrap_or(0), height),
        Ok(BlockId::Hash(hash)) => {
            assert_eq!(path.strip_prefix(HEX_PREFIX).unwrap_or(path), hash.to_string())
        }
        Err(_) => {}
    }
    let pairs = lines.filter_map(|line| line.split_once('='));
    let pairs: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let known = ["limit", "from", "before", "data_prefix"];
    let Ok(params) = Params(pairs.clone()).allow(&known) else {
        let twice =
            |(at, (key, _)): (usize, &(String, String))| pairs[..at].iter().any(|(other, _)| other == key);
        let is_unknown = pairs.iter().any(|(key, _)| !known.contains(&key.as_str()));
        return assert!(is_unknown || pairs.iter().enumerate().any(twice));
    };
    if let Ok(limit) = params.limit() {
        assert!((1..=MAX_LIMIT).contains(&limit));
    }
    if let Ok(prefix) = params.data_prefix() {
        assert!(prefix.len() <= MAX_DATA_PREFIX_BYTES);
    }
    if params.text("from").is_some() && params.text("before").is_some() {
        assert!(params.stretch().is_err(), "one of them");
    }
}

#[test]
fn a_query_gives_values_within_their_bounds_or_is_refused() {
    vision_fuzz::check("query", run, 10_000);
}
