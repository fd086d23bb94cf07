//! Calls other nodes while connections are lacking.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vision_host::text::cut_to;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{ExchangeRequest, PeerMessage};
use vision_wire::{IntroducedAnswers, Reason};

use super::Context;
use super::book::CallEnd;
use super::session::{self, End, Way};

/// How often the book is looked through.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A call must be answered in this time.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// A connection that stood for less has ended at once: the next call waits longer.
const SHORT: Duration = Duration::from_secs(10);
/// Failures of a seed in a row before the log says so: nodes that start together miss each other once or twice.
const FAILURES_UNTIL_SAID: u32 = 3;
/// Most characters of what a transport says that are shown.
const MAX_CAUSE_CHARS: usize = 300;
/// Calls begun at one look.
const MAX_CALLS: usize = 8;

/// Runs until the node stops.
pub async fn run(context: Arc<Context>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.drain.begun() => return,
            _ = look.tick() => {}
        }
        let room = context.table.room().min(MAX_CALLS);
        for address in context.due(room) {
            tokio::spawn(call(context.clone(), address));
        }
    }
}

async fn call(context: Arc<Context>, address: String) {
    let (end, why) = match connect(&context, &address).await {
        End::Known(id) => (CallEnd::Connected(id), Cow::Borrowed("")),
        End::After { id, stood, why } => {
            let end = if stood < SHORT { CallEnd::Short(id) } else { CallEnd::Connected(id) };
            if why.starts_with(Reason::PeerAlreadyConnected.as_str()) && !context.table.is_connected(&id) {
                context.note_refused_twin(&address, &why);
            }
            (end, why)
        }
        End::Refused(refused) => {
            let end = match refused.reason {
                Reason::SelfConnection => CallEnd::Hopeless,
                Reason::WrongGenesis | Reason::WrongChain | Reason::ProtocolVersion => {
                    if let Some(left_out) = context.may_say(&format!("chain of {address}")) {
                        tracing::warn!(address, %refused, left_out, "this node is of another chain; not calling it again for a while");
                    }
                    CallEnd::Hopeless
                }
                _ => CallEnd::Failed,
            };
            (end, refused.to_string().into())
        }
        End::Broken(why) => (CallEnd::Failed, why.into()),
    };
    tracing::debug!(address, ?end, %why, "call over");
    let Some(failures) = context.ended(&address, end) else { return };
    let hopeless = end == CallEnd::Hopeless;
    if failures >= FAILURES_UNTIL_SAID
        && !hopeless
        && let Some(left_out) = context.may_say(&format!("seed {address}"))
    {
        tracing::warn!(address, %why, failures, left_out, "a seed cannot be connected with; it is tried again");
    }
}

/// What the transport says, down to its cause.
fn cause_of(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    cut_to(&text, MAX_CAUSE_CHARS)
}

async fn connect(context: &Arc<Context>, address: &str) -> End {
    let channel = match vision_wire::connect_to_stranger(&format!("http://{address}"), &context.recorder) {
        Ok(channel) => channel,
        Err(error) => return End::Broken(error.to_string()),
    };
    let mut client = PeerServiceClient::new(IntroducedAnswers::new(channel))
        .max_decoding_message_size(context.max_message_bytes)
        .max_encoding_message_size(context.max_message_bytes);
    let (ways, outbound) = session::ways();
    // Towards the side that was called an error has no way; ending the stream is all there is.
    let outbound = outbound
        .take_while(|sent: &Result<PeerMessage, _>| futures::future::ready(sent.is_ok()))
        .map(|sent| ExchangeRequest { message: sent.ok() });
    let opened = tokio::time::timeout(CALL_DEADLINE, client.exchange(outbound)).await;
    let inbound = match opened {
        Err(_) => return End::Broken("no answer within 5 s".into()),
        Ok(Err(status)) => return End::Broken(cause_of(&status)),
        Ok(Ok(response)) => response.into_inner(),
    };
    let inbound = inbound.map(|received| received.map(|answer| answer.message.unwrap_or_default()));
    let way = Way::Called(address.to_owned());
    session::run(context.clone(), way, ways, CancellationToken::new(), inbound, |id| {
        context.stands(address, id)
    })
    .await
}
