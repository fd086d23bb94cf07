//! A request over REST becomes a message or a refusal that can be shown, and whatever a service answers
//! becomes JSON or an error.

use arbitrary::Arbitrary;
use vision_wire::rest::{Refusal, Route, api};

use crate::input;

/// Longest refusal, bytes: what is repeated of a text, escaped, and the names of all parameters.
const MAX_DETAIL_BYTES: usize = 2_000;
const MAX_PAIRS: usize = 6;
/// Names of parameters of several routes.
const NAMES: [&str; 16] = [
    "limit",
    "page_size",
    "page_token",
    "from",
    "before",
    "height",
    "hash",
    "block",
    "id",
    "address",
    "slots",
    "cursor",
    "data_prefix",
    "parent",
    "sender",
    "proof",
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    route: u8,
    path: Vec<&'a str>,
    query: Vec<(Name<'a>, &'a str)>,
    answer: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Known(u8),
    Any(&'a str),
}

fn ask(route: &Route, path: Vec<&str>, query: Vec<(Name<'_>, &str)>) -> Result<(), Refusal> {
    let variables = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let path: Vec<_> = variables.zip(path).map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let name = |name| match name {
        Name::Known(at) => NAMES[usize::from(at) % NAMES.len()],
        Name::Any(text) => text,
    };
    let query = query.into_iter().take(MAX_PAIRS);
    let query: Vec<_> = query.map(|(of, text)| (name(of).to_owned(), text.to_owned())).collect();
    let first = route.ask(&path, &query)?;
    let again = route.ask(&path, &query)?;
    assert_eq!((first.request, first.weight_bytes), (again.request, again.weight_bytes));
    Ok(())
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(Input { route, path, query, answer }) = input::<Input<'_>>(bytes) else { return };
    let routes = api().routes();
    let route = &routes[usize::from(route) % routes.len()];
    if let Err(refusal) = ask(route, path, query) {
        assert!(refusal.detail.len() <= MAX_DETAIL_BYTES, "{} bytes", refusal.detail.len());
        assert!(!refusal.detail.chars().any(char::is_control), "{}", refusal.detail);
    }
    if let Ok(json) = api().answer(route, answer) {
        let read = serde_json::from_slice::<serde_json::Value>(&json);
        assert!(read.is_ok(), "{read:?}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let answer = [&[0x0a, 3], &b"abc"[..], &[0x10, 7, 0x1a, 2, 0x08, 1]].concat();
    (0..api().routes().len()).step_by(6).map(|route| [&[route as u8, 0, 0][..], &answer].concat()).collect()
}
