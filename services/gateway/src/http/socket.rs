//! `GET /api/mining/ws`: the events of `/api/mining/events` over a WebSocket, and a message that chooses
//! among them.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocketUpgrade, close_code};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde::Deserialize;
use tonic::Status;
use vision_host::Drain;
use vision_host::text::cut;
use vision_wire::{Reason, reason_of};

use super::live::too_slow;
use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, cors};
use crate::live::{EventName, Heard, Listener, Live, Wanted, gap_json};

/// Largest message of a client.
const MAX_MESSAGE_BYTES: usize = 4 << 10;
/// Buffer of a connection each way; the library's own is 128 KiB, which thousands of listeners would feel.
const BUFFER_BYTES: usize = 4 << 10;
/// Largest message to a client: one waits at a time, and the longest is the whole status with hundreds of
/// nodes.
const MAX_UNSENT_BYTES: usize = 8 << 20;
/// A message must be taken within this.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// After a choice, which may bring all events that are kept, the next one is heard this much later.
const REST: Duration = Duration::from_millis(250);
/// How often a client is asked for a sign of life, which must come until the next time.
const PING_EVERY: Duration = Duration::from_secs(20);

pub(super) async fn socket(
    State(state): State<AppState>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Answer {
    params.allow(&[])?;
    if !cors::is_allowed(&state.allowed_origins, request.headers()) {
        own_origin(request.headers())?;
    }
    let upgrade = upgrade.map_err(|error| {
        Problem::new(
            Reason::InvalidArgument,
            format!("this route takes WebSockets only: {}", error.body_text()),
        )
    })?;
    let held = state.stream_place(request.extensions(), request.headers())?;
    let (live, drain) = (state.live.clone(), state.drain.clone());
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _held = held;
        talk(socket, &live, &drain).await;
    }))
}

/// A browser lets any page open a WebSocket to any host, and names the page: only those of this gateway and
/// of `allowed_origins` are let in.
/// Programs name none.
fn own_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    if authority.is_some() && authority == host {
        return Ok(());
    }
    let detail = format!("pages of {} may not connect here", cut(origin));
    Err(Problem::new(Reason::OriginNotAllowed, detail))
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    /// Which events it wants, and from where on.
    Subscribe {
        /// All unless given.
        events: Option<Vec<String>>,
        /// From now on unless given.
        #[serde(default)]
        cursor: String,
    },
}

/// What comes next on a connection.
enum Next {
    Heard(Option<Heard>),
    Said(Option<Result<Message, axum::Error>>),
    AskForLife,
    Stopping,
}

/// A WebSocket.
trait Socket: Stream<Item = Result<Message, axum::Error>> + Sink<Message> + Unpin {}

impl<S: Stream<Item = Result<Message, axum::Error>> + Sink<Message> + Unpin> Socket for S {}

/// Sends all events until the client chooses.
async fn talk(mut socket: impl Socket, live: &Live, drain: &Drain) {
    let Ok((mut listener, _)) = live.listen_or_skip("", Wanted::ALL) else { return };
    let (mut is_alive, mut hears_from) = (true, live.clock().instant());
    let mut pings = tokio::time::interval_at(hears_from + PING_EVERY, PING_EVERY);
    let end = loop {
        let next = tokio::select! {
            biased;
            () = drain.begun() => Next::Stopping,
            // They come to an end: a client that takes them more slowly than they come is closed.
            heard = listener.next() => Next::Heard(heard),
            // Before the next ping: what is there already is a sign of life, and who speaks needs no ping.
            said = async {
                tokio::time::sleep_until(hears_from).await;
                socket.next().await
            } => Next::Said(said),
            _ = pings.tick() => Next::AskForLife,
        };
        is_alive |= matches!(next, Next::Said(_));
        let sent = match next {
            // It is gone, and nothing has said so.
            Next::AskForLife if !is_alive => return,
            Next::AskForLife => {
                is_alive = false;
                send(&mut socket, Some(Message::Ping(Bytes::new()))).await
            }
            Next::Heard(Some(Heard::TooSlow)) => {
                break (close_code::POLICY, reason_of(&too_slow()).unwrap_or_default());
            }
            Next::Heard(Some(heard)) => send(&mut socket, message(&heard)).await,
            Next::Said(Some(Ok(Message::Text(text)))) => match subscribe(live, &text) {
                Ok((chosen, gap)) => {
                    listener = chosen.instead_of(&listener);
                    hears_from = live.clock().instant() + REST;
                    send(&mut socket, gap.map(|gap| event("gap", "", &gap_json(&gap)))).await
                }
                Err(why) => break (close_code::POLICY, why),
            },
            Next::Said(Some(Ok(Message::Binary(_)))) => {
                break (close_code::UNSUPPORTED, "send text".to_owned());
            }
            // The library answers pings.
            Next::Said(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Ok(()),
            Next::Said(None | Some(Ok(Message::Close(_)) | Err(_))) => return,
            Next::Heard(None) | Next::Stopping => {
                break (close_code::AWAY, "the gateway is stopping".to_owned());
            }
        };
        if sent.is_err() {
            return;
        }
    };
    let (code, reason) = end;
    // The protocol allows 123 bytes.
    let reason = cut(&reason).into();
    let _ = send(&mut socket, Some(Message::Close(Some(CloseFrame { code, reason })))).await;
}

fn subscribe(live: &Live, text: &str) -> Result<(Listener, Option<Status>), String> {
    let Said::Subscribe { events, cursor } =
        serde_json::from_str(text).map_err(|error| format!("no subscription: {error}"))?;
    let names =
        events.map(|names| names.iter().map(|name| name.parse()).collect::<Result<Vec<EventName>, _>>());
    let names = names.transpose().map_err(|error| error.to_string())?;
    live.listen_or_skip(&cursor, names.map_or(Wanted::ALL, Wanted::only))
        .map_err(|error| error.message().to_owned())
}

fn message(heard: &Heard) -> Option<Message> {
    match heard {
        Heard::Event { cursor, event: happened } => {
            Some(event(happened.name.as_str(), cursor, happened.data()))
        }
        Heard::Status { frame, whole } => {
            Some(event(EventName::Status.as_str(), "", &frame.written(*whole).json))
        }
        Heard::Quiet { .. } | Heard::TooSlow => None,
    }
}

/// An event as a message; without an id if it has no cursor.
fn event(name: &str, cursor: &str, data: &[u8]) -> Message {
    let id = if cursor.is_empty() { String::new() } else { format!("\"id\":\"{cursor}\",") };
    let text = [format!("{{\"event\":\"{name}\",{id}\"data\":").as_bytes(), data, b"}"].concat();
    // All parts are UTF-8.
    Message::Text(Utf8Bytes::try_from(Bytes::from(text)).unwrap_or_default())
}

async fn send(socket: &mut impl Socket, message: Option<Message>) -> Result<(), ()> {
    let Some(message) = message else { return Ok(()) };
    match tokio::time::timeout(SEND_DEADLINE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        // Gone, or too slow for a closing word.
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::channel::mpsc;

    use super::*;
    use crate::live::Happened;

    /// A socket of which the client's side is two queues.
    struct Queues(mpsc::UnboundedReceiver<Message>, mpsc::UnboundedSender<Message>);

    impl Stream for Queues {
        type Item = Result<Message, axum::Error>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.poll_next_unpin(cx).map(|message| message.map(Ok))
        }
    }

    impl Sink<Message> for Queues {
        type Error = mpsc::SendError;

        fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.1.poll_ready_unpin(cx)
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
            self.1.start_send_unpin(message)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.1.poll_flush_unpin(cx)
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.1.poll_close_unpin(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_gives_no_sign_of_life_is_left() {
        for answers in [0, 3] {
            let (live, drain) = (Live::new(1, vision_host::Clock::system(0)), Drain::new());
            let (say, said) = mpsc::unbounded();
            let (outgoing, mut sent) = mpsc::unbounded();
            let begin = live.clock().instant();
            let publisher = live.clone();
            // However much there is to send.
            let publishing = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(PING_EVERY / 10).await;
                    publisher.publish(Happened::new(EventName::Block, Bytes::from_static(b"{}")));
                }
            });
            let client = async {
                let mut answered = 0;
                while let Some(message) = sent.next().await {
                    if matches!(message, Message::Ping(_)) && answered < answers {
                        answered += 1;
                        say.unbounded_send(Message::Pong(Bytes::new())).expect("open");
                    }
                }
            };
            let talking = async { tokio::join!(talk(Queues(said, outgoing), &live, &drain), client) };
            tokio::time::timeout(PING_EVERY * 100, talking).await.expect("it is left");
            let waited = live.clock().instant() - begin;
            assert_eq!(waited.as_secs(), (PING_EVERY * (answers + 2)).as_secs(), "{answers}");
            publishing.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_chooses_again_and_again_is_not_heard_faster() {
        const CHOICES: u32 = 10;
        let (live, drain) = (Live::new(1, vision_host::Clock::system(0)), Drain::new());
        let (say, said) = mpsc::unbounded();
        let (outgoing, sent) = mpsc::unbounded();
        for _ in 0..CHOICES {
            say.unbounded_send(Message::text(r#"{"type":"subscribe","cursor":"x"}"#)).expect("open");
        }
        let begin = live.clock().instant();
        let answers = sent.filter(|message| std::future::ready(matches!(message, Message::Text(_))));
        let all = answers.take(CHOICES as usize).collect::<Vec<_>>();
        tokio::select! {
            biased;
            () = talk(Queues(said, outgoing), &live, &drain) => panic!("it goes on"),
            all = all => assert_eq!(all.len(), CHOICES as usize),
        }
        let waited = live.clock().instant() - begin;
        assert!(waited >= REST * (CHOICES - 1), "{waited:?}");
        drop(say);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_too_slow_is_sent_the_reason() {
        let (live, drain) = (Live::new(1, vision_host::Clock::system(0)), Drain::new());
        let (say, said) = mpsc::unbounded();
        let (outgoing, sent) = mpsc::unbounded();
        // More than are kept, all at once.
        let publishing = async {
            for _ in 0..1_000 {
                live.publish(Happened::new(EventName::Block, Bytes::from_static(b"{}")));
            }
        };
        tokio::join!(talk(Queues(said, outgoing), &live, &drain), publishing);
        let Some(Message::Close(Some(end))) = sent.collect::<Vec<_>>().await.pop() else {
            panic!("it is not closed");
        };
        assert_eq!((end.code, end.reason.as_str()), (close_code::POLICY, "SLOW_READER"));
        drop(say);
    }

    #[test]
    fn origins() {
        let cases = [
            ("a program", None, true),
            ("the own page", Some("http://127.0.0.1:8080"), true),
            ("the own page behind a proxy with TLS", Some("https://127.0.0.1:8080"), true),
            ("another port", Some("http://127.0.0.1:8081"), false),
            ("another host", Some("https://evil.example"), false),
            ("a file", Some("null"), false),
            ("nothing", Some(""), false),
        ];
        for (desc, origin, expect) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "127.0.0.1:8080".parse().expect("a header"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().expect("a header"));
            }
            assert_eq!(own_origin(&headers).is_ok(), expect, "{desc}");
        }
    }

    #[test]
    fn subscriptions() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let cases = [
            (r#"{"type":"subscribe"}"#, Ok(())),
            (r#"{"type":"subscribe","events":["block","status"]}"#, Ok(())),
            (r#"{"type":"subscribe","events":["blocks"]}"#, Err("no such event")),
            (r#"{"type":"subscribe","event":["block"]}"#, Err("unknown field")),
            (r#"{"type":"unsubscribe"}"#, Err("unknown variant")),
            ("", Err("no subscription")),
        ];
        for (text, expect) in cases {
            match (subscribe(&live, text), expect) {
                (Ok((_, gap)), Ok(())) => assert!(gap.is_none(), "{text}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (got, _) => panic!("{text}: {:?}", got.map(|_| ())),
            }
        }
        let (_, gap) = subscribe(&live, r#"{"type":"subscribe","cursor":"nonsense"}"#).expect("subscribed");
        assert_eq!(gap.and_then(|gap| reason_of(&gap)).as_deref(), Some("INVALID_CURSOR"));
    }

    #[test]
    fn messages() {
        let text = |message| match message {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            text(event("block", "a-1", b"{\"height\":1}")),
            r#"{"event":"block","id":"a-1","data":{"height":1}}"#
        );
        assert_eq!(text(event("gap", "", b"{}")), r#"{"event":"gap","data":{}}"#);
    }
}
