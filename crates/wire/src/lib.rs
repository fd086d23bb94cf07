//! The only crate that knows the generated protobuf types.
//!
//! Generated messages, clients and servers; conversions from and to `vision-primitives`; the table
//! of error reasons ([`Reason`]); client channels; watches that resume ([`watch`]) and the event
//! logs behind them ([`EventLog`]); pages of lists ([`page`]); REST as the protocol files describe it
//! ([`rest`]).
#![cfg_attr(not(test), warn(unreachable_pub))]

mod blocks;
mod bounds;
mod by_method;
mod call;
mod channel;
mod codec;
mod cursor;
mod ending;
mod event_log;
mod head_event;
mod introduction;
pub mod page;
mod params;
mod parse;
mod reason;
mod reason_table;
mod record;
pub mod rest;
mod shown;
mod sync_state;
pub mod watch;

/// Generated code; its doc comments are those of the protocol files.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

pub use generated::vision::chain::v1 as chain;
pub use generated::vision::gateway::v1 as gateway;
pub use generated::vision::p2p::v1 as p2p;
pub use generated::vision::producer::v1 as producer;
pub use generated::vision::selection::v1 as selection;
pub use generated::vision::sync_oracle::v1 as sync_oracle;
pub use generated::vision::types::v1 as types;

pub use blocks::{block_from_proto, block_to_proto, genesis_to_proto};
pub use bounds::{
    MAX_ADDRESSES_IN_MESSAGE, MAX_BATCH_BYTES, MAX_BLOCK_QUESTION_BYTES, MAX_HELLO_TEXT_BYTES,
    MAX_INTRODUCTION_BYTES, MAX_LOCATOR_HASHES, MAX_POOL_IDS, MAX_SCHEDULE_BYTES, MAX_SHOWN_BLOCK_BYTES,
    MAX_SLOTS, MAX_SMALL_MESSAGE_BYTES, MAX_SUBMITTED_TRANSACTIONS, MAX_TRANSACTIONS_IN_MESSAGE,
    max_block_message_bytes,
};
pub use by_method::ByMethod;
pub use call::{
    CALL_DEADLINE, ChannelError, MAX_MESSAGE_BYTES, call, connect, connect_for_streams, connect_lazy,
    connect_to_stranger, deadline, settle,
};
pub use channel::Channel;
pub use codec::BoundedCodec;
pub use cursor::{Cursor, CursorError};
pub use event_log::{EventKind, EventLog, LogEvent, Subscription};
pub use head_event::remarkable_traces;
pub use introduction::{IntroducedAnswers, IntroducedCalls};
pub use params::params_to_proto;
pub use parse::{parse_hash, parse_optional_hash};
pub use reason::{ERROR_DOMAIN, all_metadata_of, metadata_of, reason_of, status};
pub use reason_table::Reason;
pub use record::{Connection, Recorded, Recorder};
pub use shown::{genesis_info, header_info, transaction_to_proto};
pub use vision_primitives::BlockError;

/// The compiled protocol files with their comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
/// The same without the comments, which take most of the memory once they are decoded.
const BARE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bare_descriptors.bin"));

/// Full names of all methods of the protocol files, such as `vision.chain.v1.ChainService/GetHead`, sorted.
pub const METHODS: &[&str] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// What a server method that streams gives back.
pub type ResponseStream<T> =
    std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, tonic::Status>> + Send + 'static>>;
