//! Calls other nodes while connections are lacking.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use vision_wire::Reason;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{ExchangeRequest, PeerMessage};

use super::Context;
use super::book::CallEnd;
use super::session::{self, End, Way};

/// How often the book is looked through.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A call must be answered in this time.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
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
    let end = match connect(&context, &address).await {
        End::After(id) | End::Known(id) => CallEnd::Connected(id),
        End::Refused(refused) => {
            tracing::debug!(address, %refused, "call refused");
            match refused.reason {
                Reason::SelfConnection => CallEnd::Hopeless,
                Reason::WrongGenesis | Reason::WrongChain | Reason::ProtocolVersion => {
                    tracing::warn!(address, %refused, "this node is of another chain; not calling it again for a while");
                    CallEnd::Hopeless
                }
                _ => CallEnd::Failed,
            }
        }
        End::Broken(why) => {
            tracing::debug!(address, why, "call failed");
            CallEnd::Failed
        }
    };
    context.ended(&address, end);
}

async fn connect(context: &Arc<Context>, address: &str) -> End {
    let channel = match vision_wire::connect_to_stranger(&format!("http://{address}"), &context.recorder) {
        Ok(channel) => channel,
        Err(error) => return End::Broken(error.to_string()),
    };
    let mut client = PeerServiceClient::new(channel)
        .max_decoding_message_size(context.max_message_bytes)
        .max_encoding_message_size(context.max_message_bytes);
    let (ways, outbound) = session::ways();
    // Towards the side that was called an error has no way; ending the stream is all there is.
    let outbound = outbound
        .take_while(|sent: &Result<PeerMessage, _>| futures::future::ready(sent.is_ok()))
        .map(|sent| ExchangeRequest { message: sent.ok() });
    let opened = tokio::time::timeout(CALL_DEADLINE, client.exchange(outbound)).await;
    let inbound = match opened {
        Err(_) => return End::Broken("no answer".into()),
        Ok(Err(status)) => return End::Broken(status.message().to_owned()),
        Ok(Ok(response)) => response.into_inner(),
    };
    let inbound = inbound.map(|received| received.map(|answer| answer.message.unwrap_or_default()));
    let way = Way::Called(address.to_owned());
    session::run(context.clone(), way, ways, inbound, |id| context.stands(address, id)).await
}
