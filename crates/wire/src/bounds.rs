//! How much a message may hold, checked on its bytes before anything is decoded: an empty entry of a list
//! takes two bytes there and fifteen times as many in memory.

use std::collections::BTreeMap;

use tonic::Status;
use vision_primitives::{ConsensusParams, MAX_CHAIN_ID_BYTES, MIN_TRANSACTION_BYTES};

use crate::{Reason, status};

/// Most transactions in one message of a peer.
pub const MAX_TRANSACTIONS_IN_MESSAGE: usize = 1024;
/// Most addresses in one message of a peer.
pub const MAX_ADDRESSES_IN_MESSAGE: usize = 64;
/// Most hashes in a locator.
pub const MAX_LOCATOR_HASHES: usize = 64;
/// Most transactions submitted by one call.
pub const MAX_SUBMITTED_TRANSACTIONS: usize = 1024;
/// Most ids in each pool of a request for a schedule, duplicates counted.
pub const MAX_POOL_IDS: usize = 100_000;
/// Most names of events of one request: more than there are.
const MAX_EVENT_NAMES: usize = 32;
/// Most slots of one request for a schedule.
pub const MAX_SLOTS: usize = 1024;

/// Largest message of a call that brings no block and no list of transactions, bytes: the largest transaction
/// there is, with its envelope.
pub const MAX_SMALL_MESSAGE_BYTES: usize = 128 << 10;
/// Longest of each of the two texts in a peer's hello, bytes.
pub const MAX_HELLO_TEXT_BYTES: usize = 255;
/// What an introduction may have besides the fields there are, bytes: those that later versions add.
const INTRODUCTION_MARGIN_BYTES: usize = 1 << 10;
/// Largest message of a peer that has not proven who it is, bytes: the longest hello, which is larger than
/// any proof. Its version, the chain's name, four texts of 32 bytes and one of 64, the two texts, each with a
/// tag and up to two bytes of length, and two envelopes around all.
pub const MAX_INTRODUCTION_BYTES: usize =
    6 + MAX_CHAIN_ID_BYTES + 4 * 32 + 64 + 2 * MAX_HELLO_TEXT_BYTES + 10 * 3 + INTRODUCTION_MARGIN_BYTES;
/// Largest question for blocks, bytes: its locator, and room for everything else.
pub const MAX_BLOCK_QUESTION_BYTES: usize = MAX_LOCATOR_HASHES * 34 + (1 << 10);
/// Bytes of transactions that one call may submit at least, however small the blocks are: what a body of REST
/// holds.
pub const MAX_BATCH_BYTES: usize = 2 << 20;
/// Largest request for a schedule, bytes: two full pools of ids of 64 hex digits, a tag and a length each,
/// the slots, and room for everything else.
pub const MAX_SCHEDULE_BYTES: usize = 2 * MAX_POOL_IDS * 66 + MAX_SLOTS * 11 + (4 << 10);
/// Largest answer of GetBlock, bytes: the largest block there is, made of the smallest transactions, each
/// shown with all its fields.
pub const MAX_SHOWN_BLOCK_BYTES: usize = 112 << 20;
/// What protobuf adds to a transaction in a list, at most: a tag and the length.
const TRANSACTION_ENVELOPE_BYTES: u64 = 4;
/// What a message may have besides a block and the envelopes of its transactions, bytes.
const MESSAGE_MARGIN_BYTES: u64 = 256 << 10;

/// Bytes of a message with the largest block that these parameters allow, whatever transactions it is made
/// of.
#[must_use]
pub fn max_block_message_bytes(params: &ConsensusParams) -> usize {
    let transactions = params.max_block_txs.min(params.max_block_bytes / MIN_TRANSACTION_BYTES as u64);
    let envelopes = transactions.saturating_mul(TRANSACTION_ENVELOPE_BYTES);
    let bytes = params.max_block_bytes.saturating_add(envelopes).saturating_add(MESSAGE_MARGIN_BYTES);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What is known of a field.
pub(crate) struct Field {
    number: u64,
    holds: Holds,
}

enum Holds {
    /// A message, of which there may be several, which are one after decoding.
    Message(&'static [Field]),
    List(List),
}

struct List {
    name: &'static str,
    most: usize,
    least_bytes: usize,
    /// Whether it holds numbers, which may come packed.
    numbers: bool,
    reason: Reason,
}

const fn message(number: u64, fields: &'static [Field]) -> Field {
    Field { number, holds: Holds::Message(fields) }
}

const fn list(number: u64, name: &'static str, most: usize, reason: Reason) -> Field {
    Field { number, holds: Holds::List(List { name, most, least_bytes: 0, numbers: false, reason }) }
}

/// Transactions of a block. As many as the message has room for, which the parameters bound: each has its
/// bytes.
const fn body(number: u64) -> Field {
    let (most, least_bytes) = (usize::MAX, MIN_TRANSACTION_BYTES);
    let reason = Reason::InvalidArgument;
    Field {
        number,
        holds: Holds::List(List { name: "transactions", most, least_bytes, numbers: false, reason }),
    }
}

const fn numbers(number: u64, name: &'static str, most: usize, reason: Reason) -> Field {
    Field { number, holds: Holds::List(List { name, most, least_bytes: 0, numbers: true, reason }) }
}

const BLOCK: &[Field] = &[body(3)];
const GET_BLOCKS: &[Field] = &[list(1, "locator", MAX_LOCATOR_HASHES, Reason::InvalidArgument)];
const PEER_MESSAGE: &[Field] = &[
    message(4, &[message(1, BLOCK)]),
    message(
        6,
        &[list(1, "transactions of a message", MAX_TRANSACTIONS_IN_MESSAGE, Reason::MalformedMessage)],
    ),
    message(7, &[list(1, "addresses", MAX_ADDRESSES_IN_MESSAGE, Reason::MalformedMessage)]),
    message(8, &[message(2, GET_BLOCKS)]),
    message(9, &[message(2, BLOCK)]),
];
const GET_SCHEDULE: &[Field] = &[
    list(4, "active", MAX_POOL_IDS, Reason::TooManyIds),
    list(5, "registered", MAX_POOL_IDS, Reason::TooManyIds),
    numbers(6, "slots", MAX_SLOTS, Reason::TooManySlots),
];

/// The lists of every message with lists that comes from a peer or a caller.
const MESSAGES: &[(&str, &[Field])] = &[
    ("vision.p2p.v1.ExchangeRequest", &[message(1, PEER_MESSAGE)]),
    ("vision.p2p.v1.ExchangeResponse", &[message(1, PEER_MESSAGE)]),
    ("vision.p2p.v1.GetBlocksRequest", GET_BLOCKS),
    ("vision.p2p.v1.GetBlocksResponse", &[message(1, BLOCK)]),
    ("vision.chain.v1.SubmitBlockRequest", &[body(3)]),
    ("vision.chain.v1.GetSlotsRequest", &[numbers(2, "slots", MAX_SLOTS, Reason::TooManySlots)]),
    (
        "vision.chain.v1.SubmitTransactionsRequest",
        &[list(1, "transactions", MAX_SUBMITTED_TRANSACTIONS, Reason::InvalidArgument)],
    ),
    ("vision.selection.v1.GetScheduleRequest", GET_SCHEDULE),
    ("vision.selection.v1.VerifySlotRequest", &[message(1, GET_SCHEDULE)]),
    ("vision.gateway.v1.WatchEventsRequest", &[list(2, "events", MAX_EVENT_NAMES, Reason::InvalidArgument)]),
];

/// Messages of a conversation that goes on after a bad one: too long a list reads as no message at all.
const CONVERSATION: [&str; 2] = ["vision.p2p.v1.ExchangeRequest", "vision.p2p.v1.ExchangeResponse"];

/// What is known of the lists of a message, by its full name.
pub(crate) fn fields_of(full_name: &str) -> &'static [Field] {
    MESSAGES.iter().find(|(name, _)| *name == full_name).map_or(&[], |(_, fields)| fields)
}

/// Whether a message that holds too much reads as an empty one.
pub(crate) fn is_conversation(full_name: &str) -> bool {
    CONVERSATION.contains(&full_name)
}

/// Counts the entries of all lists. Bytes that do not decode are left to the decoder, which reads no further
/// than to there.
///
/// # Errors
/// The reason that belongs to the list, metadata `field` and `limit`.
pub(crate) fn check(bytes: &[u8], fields: &[Field]) -> Result<(), Status> {
    if fields.is_empty() { Ok(()) } else { count(bytes, fields, &mut BTreeMap::new()) }
}

fn count(
    mut bytes: &[u8],
    fields: &[Field],
    counts: &mut BTreeMap<&'static str, usize>,
) -> Result<(), Status> {
    while let Some((key, value)) = next(&mut bytes) {
        let Some(field) = fields.iter().find(|field| field.number == key >> 3) else { continue };
        match (&field.holds, value) {
            (Holds::Message(inner), Value::Bytes(inside)) => count(inside, inner, counts)?,
            (Holds::Message(_), Value::Number) => {}
            (Holds::List(list), value) => {
                let entries = match value {
                    // The last byte of a number is the one below 128.
                    Value::Bytes(packed) if list.numbers => {
                        packed.iter().filter(|byte| **byte < 0x80).count()
                    }
                    Value::Bytes(entry) if entry.len() < list.least_bytes => return Err(too_short(list)),
                    _ => 1,
                };
                let counted = counts.entry(list.name).or_default();
                *counted = counted.saturating_add(entries);
                if *counted > list.most {
                    return Err(too_many(list));
                }
            }
        }
    }
    Ok(())
}

fn too_many(list: &List) -> Status {
    let metadata = [("limit", list.most.to_string()), ("field", list.name.to_owned())];
    status(list.reason, format!("{}: at most {} are accepted at once", list.name, list.most), &metadata)
}

fn too_short(list: &List) -> Status {
    let why = format!("{}: one is shorter than the minimum of {} bytes", list.name, list.least_bytes);
    status(list.reason, why, &[("field", list.name.to_owned())])
}

enum Value<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// The next field; `None` at the end and at what is no field.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = varint(bytes)?;
    let value = match key & 7 {
        0 => varint(bytes).map(|_| Value::Number)?,
        1 => bytes.split_off(..8).map(|_| Value::Number)?,
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Value::Bytes(bytes.split_off(..length)?)
        }
        5 => bytes.split_off(..4).map(|_| Value::Number)?,
        // A group, which the decoder skips: what is in it is counted as if it were outside.
        3 | 4 => Value::Number,
        _ => return None,
    };
    Some((key, value))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
