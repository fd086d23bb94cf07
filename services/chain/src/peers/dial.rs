//! Calls another node.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vision_host::text::cut_to;
use vision_peering::{CallOutcome, RefusedCall};
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{ExchangeRequest, PeerMessage};
use vision_wire::{IntroducedAnswers, Reason};

use super::channels::channels;
use super::context::Context;
use super::session::{self, End, Endpoint};

/// A call must be answered in this time.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// Most characters of what a transport says that are shown.
const MAX_CAUSE_CHARS: usize = 300;

/// Calls an address, and runs the connection until it ends.
pub(super) async fn call(context: &Arc<Context>, address: &str) -> CallOutcome {
    match connect(context, address).await {
        End::Known(id) => CallOutcome::Known(id),
        End::After { id, stood, why } => CallOutcome::Stood {
            peer: id,
            stood_ms: u64::try_from(stood.as_millis()).unwrap_or(u64::MAX),
            connected_already: why.starts_with(Reason::PeerAlreadyConnected.as_str()),
            why: why.into_owned(),
        },
        End::Refused(refused) => {
            let why = refused.to_string();
            let refused = match refused.reason {
                Reason::SelfConnection => RefusedCall::Itself,
                Reason::WrongGenesis | Reason::WrongChain | Reason::ProtocolVersion => {
                    RefusedCall::OtherChain
                }
                _ => RefusedCall::Other,
            };
            CallOutcome::Refused { refused, why }
        }
        End::Broken(why) => CallOutcome::Broken { why },
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
    let url = format!("http://{address}");
    let channel = match vision_wire::connect_to_stranger(&url, &context.recorder, &context.net) {
        Ok(channel) => channel,
        Err(error) => return End::Broken(error.to_string()),
    };
    let mut client = PeerServiceClient::new(IntroducedAnswers::new(channel))
        .max_decoding_message_size(context.max_message_bytes)
        .max_encoding_message_size(context.max_message_bytes);
    let (out, outbound) = channels();
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
    let endpoint = Endpoint::Called(address.to_owned());
    session::run(context.clone(), endpoint, out, CancellationToken::new(), inbound, |_| {}).await
}
