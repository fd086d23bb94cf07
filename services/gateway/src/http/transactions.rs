//! Handing in transactions.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use vision_host::text::cut;
use vision_wire::Reason;
use vision_wire::chain::SubmitOutcome;

use super::limits::{Admission, Received};
use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, json};
use crate::views::PlacedView;

/// Largest body of a request that submits transactions: any single one, or a full batch of 1,000 bytes each.
pub(super) const MAX_BODY_BYTES: usize = 2 << 20;
/// Most transactions of a batch.
const MAX_BATCH: usize = 1024;

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    transaction: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transactions: Option<Batch<'a>>,
    #[serde(default)]
    wait: Wait,
}

/// Whether to wait, and for what: `false`, `true`, or `"included"`, which is the same as `true`.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Wait {
    #[default]
    No,
    Included,
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = Wait;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"true, false or "included""#)
            }

            fn visit_bool<E>(self, wait: bool) -> Result<Wait, E> {
                Ok(if wait { Wait::Included } else { Wait::No })
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Wait, E> {
                match word {
                    "included" => Ok(Wait::Included),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(Word)
    }
}

/// Text that is not copied out of the body.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A list of which no more is kept than may be given: an empty text takes three bytes of a body and eight
/// times as many in memory.
struct Batch<'a> {
    texts: Vec<Text<'a>>,
    /// Length of the list.
    given: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counting<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Counting<'a> {
            type Value = Batch<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Batch<'a>, A::Error> {
                let mut texts = Vec::new();
                while texts.len() < MAX_BATCH {
                    let Some(text) = list.next_element()? else { break };
                    texts.push(text);
                }
                let mut given = texts.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    given += 1;
                }
                Ok(Batch { texts, given })
            }
        }

        deserializer.deserialize_seq(Counting(PhantomData))
    }
}

/// What a body asks for.
#[derive(PartialEq, Eq, Debug)]
enum Wish {
    One { transaction: Bytes, wait: bool },
    Many(Vec<Bytes>),
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let expected = "expected {\"transaction\": HEX} or {\"transactions\": [HEX, …]}";
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let body: Body<'_> = serde_json::from_slice(body).map_err(|error| {
            let (line, column, text) = (error.line(), error.column(), cut(&error.to_string()));
            Problem::new(Reason::InvalidArgument, format!("line {line} column {column}: {text}; {expected}"))
        })?;
        match (body.transaction, body.transactions) {
            (Some(text), None) => Ok(Self::One {
                transaction: signed_bytes("transaction", &text)?,
                wait: body.wait == Wait::Included,
            }),
            (None, Some(_)) if body.wait != Wait::No => {
                let detail = "only one transaction can be waited for";
                Err(Problem::field(Reason::InvalidArgument, "wait", detail))
            }
            (None, Some(Batch { texts, given })) if (1..=MAX_BATCH).contains(&given) => {
                let bytes =
                    |(at, text): (usize, &Text<'_>)| signed_bytes(&format!("transactions[{at}]"), &text.0);
                Ok(Self::Many(texts.iter().enumerate().map(bytes).collect::<Result<_, _>>()?))
            }
            (None, Some(Batch { given, .. })) => {
                let detail = format!("{given} given; 1 to {MAX_BATCH} are allowed");
                Err(Problem::field(Reason::InvalidArgument, "transactions", &detail))
            }
            (Some(_), Some(_)) | (None, None) => Err(Problem::new(Reason::InvalidArgument, expected)),
        }
    }
}

fn signed_bytes(field: &str, text: &str) -> Result<Bytes, Problem> {
    let wrong = |_| Problem::field(Reason::InvalidArgument, field, "expected hex digits of the signed bytes");
    hex::decode(text).map(Bytes::from).map_err(wrong)
}

#[derive(Serialize)]
struct Accepted {
    hash: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_nonce: Option<u64>,
}

#[derive(Serialize)]
struct Results {
    results: Vec<ResultView>,
}

#[derive(Serialize)]
struct ResultView {
    #[serde(skip_serializing_if = "String::is_empty")]
    hash: String,
    accepted: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_nonce: Option<u64>,
}

impl From<SubmitOutcome> for ResultView {
    fn from(outcome: SubmitOutcome) -> Self {
        let SubmitOutcome { hash, reason, rule, detail, missing_nonce } = outcome;
        Self { hash, accepted: reason.is_empty(), reason, rule, detail, missing_nonce }
    }
}

/// `POST /api/transactions`.
pub(super) async fn submit(
    State(state): State<AppState>,
    Extension(admission): Extension<Admission>,
    params: Params,
    request: Request,
) -> Answer {
    params.allow(&[])?;
    let Received(body) = Received::read(request, &state, &admission, MAX_BODY_BYTES).await?;
    let wish = Wish::parse(&body)?;
    // What was decoded from it is on its way now.
    drop(body);
    match wish {
        Wish::One { transaction, wait: false } => {
            let (hash, missing_nonce) = state.backends.submit(transaction).await?;
            Ok(accepted(hash, missing_nonce))
        }
        Wish::One { transaction, wait: true } => wait(&state, &admission, transaction).await,
        Wish::Many(transactions) => {
            let outcomes = state.backends.submit_many(transactions).await?;
            Ok(json(&Results { results: outcomes.into_iter().map(Into::into).collect() }))
        }
    }
}

fn accepted(hash: String, missing_nonce: Option<u64>) -> Response {
    (StatusCode::ACCEPTED, json(&Accepted { hash, status: "pending", missing_nonce })).into_response()
}

async fn wait(state: &AppState, admission: &Admission, transaction: Bytes) -> Answer {
    let _waiting = admission.wait().await?;
    let (hash, transaction) = tokio::select! {
        biased;
        // What has been answered is passed on, even if the end begins at the same time.
        answer = state.backends.submit_and_wait(transaction) => answer?,
        () = state.drain.begun() => {
            let detail = "the gateway is stopping; the transaction may have been submitted";
            return Err(Problem::new(Reason::ShuttingDown, detail));
        }
    };
    // It is taken, but the chain service does not know any more what became of it.
    let Some(transaction) = transaction else { return Ok(accepted(hash, None)) };
    let view = PlacedView::new(&transaction)?;
    let status = if view.is_pending() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, json(&view)).into_response())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let one = |wait| Some(Wish::One { transaction: Bytes::from_static(&[1, 0xab]), wait });
        let many = |count: usize| format!(r#"{{"transactions":[{}]}}"#, vec![r#""01""#; count].join(","));
        let cases = [
            ("one", r#"{"transaction":"01ab"}"#.to_owned(), one(false)),
            ("behind a byte order mark", "\u{feff}{\"transaction\":\"01ab\"}".into(), one(false)),
            ("behind two of them", "\u{feff}\u{feff}{\"transaction\":\"01ab\"}".into(), None),
            ("not waited for", r#"{"transaction":"01ab","wait":false}"#.into(), one(false)),
            ("waited for", r#"{"transaction":"01ab","wait":true}"#.into(), one(true)),
            ("until a block has it", r#"{"transaction":"01ab","wait":"included"}"#.into(), one(true)),
            ("until something else", r#"{"transaction":"01ab","wait":"final"}"#.into(), None),
            ("until a number", r#"{"transaction":"01ab","wait":1}"#.into(), None),
            ("many", many(2), Some(Wish::Many(vec![Bytes::from_static(&[1]); 2]))),
            ("as many as allowed", many(1024), Some(Wish::Many(vec![Bytes::from_static(&[1]); 1024]))),
            ("too many", many(1025), None),
            ("none", many(0), None),
            ("many waited for", r#"{"transactions":["01"],"wait":true}"#.into(), None),
            ("many until a block has them", r#"{"transactions":["01"],"wait":"included"}"#.into(), None),
            ("both", r#"{"transaction":"01","transactions":["01"]}"#.into(), None),
            ("neither", "{}".into(), None),
            ("half a digit pair", r#"{"transaction":"01a"}"#.into(), None),
            ("prefixed", r#"{"transaction":"0x01"}"#.into(), None),
            ("no hex among many", r#"{"transactions":["01","zz"]}"#.into(), None),
            ("misspelt", r#"{"transaction":"01","wiat":true}"#.into(), None),
            ("no text", r#"{"transaction":1}"#.into(), None),
            ("no JSON", "transaction=01".into(), None),
            ("nothing", String::new(), None),
            ("more behind", r#"{"transaction":"01"}{}"#.into(), None),
            ("no list is given", r#"{"transaction":"01ab","transactions":null}"#.into(), one(false)),
            ("no list", r#"{"transactions":{}}"#.into(), None),
        ];
        for (desc, body, expect) in cases {
            assert_eq!(Wish::parse(body.as_bytes()).ok(), expect, "{desc}");
        }
    }

    #[test]
    fn of_a_list_that_is_too_long_no_more_is_kept_than_may_be() {
        let count = 500_000;
        let body = format!(r#"{{"transactions":[{}]}}"#, vec![r#""""#; count].join(","));
        let parsed: Body<'_> = serde_json::from_str(&body).expect("it is JSON");
        let batch = parsed.transactions.expect("a list");
        assert_eq!((batch.texts.capacity(), batch.given), (MAX_BATCH, count));
    }
}
