//! Parameters of a request, read strictly: a misspelt name is an error, not a default.

use std::borrow::Cow;
use std::str::FromStr;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as Type, MessageDescriptor, Value};

use super::options::{Field, Kind, Options};
use crate::page::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS};
use crate::{MAX_SLOTS, Reason, parse_hash};

/// What may stand before the digits of a hash.
const HEX_PREFIX: &str = "0x";
/// Most characters of a caller's text that a refusal repeats.
const MAX_SHOWN_CHARS: usize = 80;

/// Why a request was not made.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As of `docs/errors.md`.
    pub reason: Reason,
    /// The parameter, if it is about one.
    pub field: Option<String>,
    /// For people.
    pub detail: String,
    /// The limit that was exceeded, if one was.
    pub limit: Option<usize>,
}

/// A field of the request that a caller may set.
pub(super) struct Parameter {
    pub(super) field: FieldDescriptor,
    pub(super) spec: Field,
    pub(super) in_path: bool,
}

impl Parameter {
    fn refuse(&self, reason: Reason, detail: impl Into<String>) -> Refusal {
        let detail = format!("{}: {}", self.spec.name, detail.into());
        Refusal { reason, field: Some(self.spec.name.clone()), detail, limit: None }
    }
}

/// Names between braces of a path.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

/// What may stand in the path and in the query of a route.
pub(super) fn parameters(
    options: &Options,
    input: &MessageDescriptor,
    path: &str,
) -> Result<Vec<Parameter>, String> {
    let mut found = Vec::new();
    for name in variables(path) {
        let field = input.get_field_by_name(name).ok_or_else(|| format!("{path}: no field {name}"))?;
        found.push(Parameter { spec: options.field(&field), field, in_path: true });
    }
    let oneofs: Vec<_> = found.iter().filter_map(|parameter| parameter.field.containing_oneof()).collect();
    let others = input.fields().filter(|field| !variables(path).any(|name| name == field.name()));
    for field in others {
        let spec = options.field(&field);
        // The other members of a choice that the path has made.
        let is_chosen = field.containing_oneof().is_some_and(|oneof| oneofs.contains(&oneof));
        if !spec.hidden && !is_chosen {
            found.push(Parameter { field, spec, in_path: false });
        }
    }
    Ok(found)
}

/// Refuses a query that has none of these parameters; without names any query will do.
pub(super) fn require_any(names: &[String], query: &[(String, String)]) -> Result<(), Refusal> {
    let Some(first) = names.first() else { return Ok(()) };
    if query.iter().any(|(name, _)| names.contains(name)) {
        return Ok(());
    }
    let detail = format!("{first}: give at least one of {}", names.join(", "));
    Err(Refusal { reason: Reason::InvalidArgument, field: Some(first.clone()), detail, limit: None })
}

/// The encoded request, and how many items the answer may have.
pub(super) fn request(
    input: &MessageDescriptor,
    parameters: &[Parameter],
    path: &[(String, String)],
    query: &[(String, String)],
) -> Result<(Bytes, usize), Refusal> {
    let mut message = DynamicMessage::new(input.clone());
    for parameter in parameters.iter().filter(|parameter| parameter.in_path) {
        let text = path.iter().find(|(name, _)| name == parameter.field.name());
        let text = text.map(|(_, text)| text.as_str()).unwrap_or_default();
        message.set_field(&parameter.field, value(parameter, text)?);
    }
    let mut given: Vec<&str> = Vec::new();
    for (name, text) in query {
        let known = || parameters.iter().filter(|parameter| !parameter.in_path);
        let Some(parameter) = known().find(|parameter| parameter.spec.name == *name) else {
            let names: Vec<&str> = known().map(|parameter| parameter.spec.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let detail = format!("unknown query parameter {:?}; known: {names}", shown(name));
            return Err(Refusal { reason: Reason::InvalidArgument, field: None, detail, limit: None });
        };
        if given.contains(&name.as_str()) {
            return Err(parameter.refuse(Reason::InvalidArgument, "given twice"));
        }
        given.push(name);
        message.set_field(&parameter.field, value(parameter, text)?);
    }
    let mut items = 0;
    for parameter in parameters.iter().filter(|parameter| parameter.spec.kind == Kind::Limit) {
        if !message.has_field(&parameter.field) {
            message.set_field(
                &parameter.field,
                Value::U32(u32::try_from(DEFAULT_PAGE_ITEMS).unwrap_or(u32::MAX)),
            );
        }
        items = message.get_field(&parameter.field).as_u32().map_or(0, |items| items as usize);
    }
    Ok((message.encode_to_vec().into(), items))
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn value(parameter: &Parameter, text: &str) -> Result<Value, Refusal> {
    let spec = &parameter.spec;
    match (spec.kind, parameter.field.kind()) {
        (Kind::Limit, _) => match decimal::<u64>(text) {
            None | Some(0) => {
                Err(parameter.refuse(Reason::InvalidPageSize, "expected a number of at least 1"))
            }
            Some(limit) => {
                let most = MAX_PAGE_ITEMS as u64;
                Ok(Value::U32(u32::try_from(limit.min(most)).unwrap_or(u32::MAX)))
            }
        },
        (Kind::Slots, _) => {
            slots(parameter, text).map(|slots| Value::List(slots.into_iter().map(Value::U64).collect()))
        }
        (Kind::Hash, _) => {
            let digits = text.strip_prefix(HEX_PREFIX).unwrap_or(text);
            let wrong = |_| parameter.refuse(Reason::InvalidHash, "expected 64 lowercase hex digits");
            parse_hash(&spec.name, digits).map(|hash| Value::String(hash.to_string())).map_err(wrong)
        }
        (Kind::Height, _) => {
            let wrong =
                || parameter.refuse(Reason::InvalidHeight, "expected a whole number from 0 to 2^64 - 1");
            decimal(text).map(Value::U64).ok_or_else(wrong)
        }
        (_, Type::Bool) => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(parameter.refuse(Reason::InvalidArgument, "expected true or false")),
        },
        (_, Type::Uint64) => number(parameter, text).map(Value::U64),
        (_, Type::Uint32) => {
            let number = number(parameter, text)?;
            let wrong =
                |_| parameter.refuse(Reason::InvalidParameter, format!("expected at most {}", u32::MAX));
            u32::try_from(number).map(Value::U32).map_err(wrong)
        }
        (_, Type::Bytes) => {
            let wrong = || {
                parameter.refuse(
                    Reason::InvalidArgument,
                    format!("expected hex digits{}, without 0x", length(spec)),
                )
            };
            let bytes = hex::decode(text).ok().filter(|bytes| fits(spec, bytes.len() as u64));
            bytes.map(|bytes| Value::Bytes(bytes.into())).ok_or_else(wrong)
        }
        (_, Type::String) => Ok(Value::String(text.to_owned())),
        _ => Err(parameter.refuse(Reason::Internal, "cannot be given in a request")),
    }
}

const fn fits(spec: &Field, number: u64) -> bool {
    number >= spec.minimum && (spec.maximum == 0 || number <= spec.maximum)
}

fn length(spec: &Field) -> Cow<'static, str> {
    match (spec.minimum, spec.maximum) {
        (0, 0) => "".into(),
        (from, to) => format!(" of {from} to {to} bytes").into(),
    }
}

fn number(parameter: &Parameter, text: &str) -> Result<u64, Refusal> {
    let spec = &parameter.spec;
    let number = decimal::<u64>(text).filter(|number| fits(spec, *number));
    number.ok_or_else(|| match spec.maximum {
        0 => parameter.refuse(
            Reason::InvalidParameter,
            format!("expected a whole number of at least {}", spec.minimum),
        ),
        most => parameter.refuse(
            Reason::InvalidParameter,
            format!("expected a whole number from {} to {most}", spec.minimum),
        ),
    })
}

/// Digits only: no sign, no white space.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `0,1,2`, `0-20`, or both mixed.
fn slots(parameter: &Parameter, text: &str) -> Result<Vec<u64>, Refusal> {
    let malformed = || parameter.refuse(Reason::InvalidArgument, "expected a list such as 0,1,2 or 0-20");
    let mut slots = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u64 = decimal(first).ok_or_else(malformed)?;
        let last: u64 = decimal(last).ok_or_else(malformed)?;
        if last < first {
            return Err(malformed());
        }
        let room = MAX_SLOTS - slots.len();
        if last - first >= room as u64 {
            let refusal =
                parameter.refuse(Reason::TooManySlots, format!("at most {MAX_SLOTS} in one answer"));
            return Err(Refusal { limit: Some(MAX_SLOTS), ..refusal });
        }
        slots.extend(first..=last);
    }
    Ok(slots)
}
