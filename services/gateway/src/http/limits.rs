//! What may be in progress at once: in all, and of one client.

mod budget;
mod clients;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Extensions, HeaderMap};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use vision_wire::{Reason, status};

use super::AppState;
use super::head::as_it_is;
use super::problem::Problem;
use crate::MAX_CONNECTIONS;
use crate::config::Config;
use budget::{Budget, Held};
use clients::{Clients, Share};

/// Requests in progress at once; more are refused at once.
const MAX_REQUESTS_IN_PROGRESS: usize = 256;
/// Requests at once that wait for a block; they hold up none of the others. They must be fewer than the calls
/// that a connection with the chain service bears, 256.
const MAX_WAITING: usize = 128;
/// Open streams of events at once: half of the port's connections.
const MAX_STREAMS: usize = MAX_CONNECTIONS / 2;
/// Streams at once that follow the chain's transactions: each has a watch of the chain service of its own,
/// and must be fewer than the calls that a connection with it bears, 256.
const MAX_FOLLOWERS: usize = 240;
/// Longest that a request may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// Longest that a request may take which may wait for a block.
const WAITING_DEADLINE: Duration = Duration::from_secs(30);
/// The body of a request must have arrived within this.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// A body's own bytes, and at the same time what is decoded from it.
const BODY_WEIGHT: usize = 2;

/// Permits and bytes.
pub(super) struct Limits {
    requests: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    budget: Budget,
    clients: Clients,
}

/// A permit among those of a client, and one among all where all are counted here.
pub(crate) struct Permit {
    _all: Option<OwnedSemaphorePermit>,
    _own: OwnedSemaphorePermit,
    /// Remembers the client.
    _share: Arc<Share>,
}

impl Permit {
    fn take(
        all: &Arc<Semaphore>,
        own: &Arc<Semaphore>,
        share: &Arc<Share>,
        what: &str,
    ) -> Result<Self, Status> {
        let permit = Self::own(own, share, what)?;
        Ok(Self { _all: Some(acquire(all, "", what)?), ..permit })
    }

    /// For what is counted in all elsewhere.
    fn own(own: &Arc<Semaphore>, share: &Arc<Share>, what: &str) -> Result<Self, Status> {
        let own = acquire(own, "this client has ", what)?;
        Ok(Self { _all: None, _own: own, _share: Arc::clone(share) })
    }
}

fn acquire(semaphore: &Arc<Semaphore>, whose: &str, what: &str) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(semaphore)
        .try_acquire_owned()
        .map_err(|_| status(Reason::Overloaded, format!("{whose}too many {what}: try again later"), &[]))
}

impl Limits {
    pub(super) fn new(config: &Config) -> Self {
        let semaphore = |count| Arc::new(Semaphore::new(count));
        Self {
            requests: semaphore(MAX_REQUESTS_IN_PROGRESS),
            waiting: semaphore(MAX_WAITING),
            streams: semaphore(MAX_STREAMS),
            followers: semaphore(MAX_FOLLOWERS),
            budget: Budget::new(),
            clients: Clients::new(config),
        }
    }

    /// A permit for a stream of events.
    pub(super) fn stream(&self, extensions: &Extensions, headers: &HeaderMap) -> Result<Permit, Status> {
        let share = self.clients.share_of(extensions, headers);
        Permit::take(&self.streams, &share.streams, &share, "open streams of events")
    }

    /// A permit for a stream that follows the chain's transactions.
    pub(super) fn follower(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<(Permit, OwnedSemaphorePermit), Status> {
        let permit = self.stream(extensions, headers)?;
        Ok((permit, acquire(&self.followers, "", "streams that follow the chain's transactions")?))
    }

    fn enter(&self, share: Arc<Share>) -> Result<Admission, Problem> {
        let permit = Permit::take(&self.requests, &share.requests, &share, "requests in progress")?;
        Ok(self.admission(share, permit))
    }

    fn scrape(&self, share: Arc<Share>) -> Result<Admission, Problem> {
        let permit = Permit::own(&share.scrapes, &share, "requests for the metrics")?;
        Ok(self.admission(share, permit))
    }

    fn admission(&self, share: Arc<Share>, permit: Permit) -> Admission {
        Admission {
            share,
            budget: self.budget.clone(),
            waiting: Arc::clone(&self.waiting),
            permit: Arc::new(Mutex::new(Some(permit))),
            bytes: Arc::default(),
        }
    }
}

/// A request's permit to be in progress, and the bytes it holds. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Admission {
    share: Arc<Share>,
    budget: Budget,
    waiting: Arc<Semaphore>,
    permit: Arc<Mutex<Option<Permit>>>,
    bytes: Arc<tokio::sync::Mutex<Option<Held>>>,
}

impl Admission {
    /// Holds as many bytes as an answer may need while it is made; waits for them for a moment.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<(), Problem> {
        self.budget.adjust(&self.share, &mut *self.bytes.lock().await, bytes).await
    }

    /// Holds as many bytes at least.
    pub(super) async fn at_least(&self, bytes: usize) -> Result<(), Problem> {
        let mut held = self.bytes.lock().await;
        let has = held.as_ref().map_or(0, Held::bytes);
        self.budget.adjust(&self.share, &mut held, bytes.max(has)).await
    }

    /// Changes the permit for one among those that wait for a block.
    pub(super) async fn wait(&self) -> Result<Permit, Problem> {
        let what = "requests that wait for a block (submit without `wait`)";
        let waiting = Permit::take(&self.waiting, &self.share.waiting, &self.share, what)?;
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.bytes.lock().await.take();
        Ok(waiting)
    }

    /// Gives the admission to the answer, which holds it, and as many bytes as it is long, until it is sent.
    pub(super) async fn hold(self, answer: Response) -> Response {
        let Some(length) = answer.body().size_hint().exact() else { return answer };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Err(problem) = self.reserve(length).await {
            return problem.into_response();
        }
        if length == 0 {
            return answer;
        }
        let (parts, body) = answer.into_parts();
        match axum::body::to_bytes(body, length).await {
            Ok(bytes) => {
                Response::from_parts(parts, Body::from(Bytes::from_owner(Unsent { bytes, _admission: self })))
            }
            Err(error) => Problem::new(Reason::Internal, error.to_string()).into_response(),
        }
    }
}

/// Bytes of an answer. The server drops them when the last of them has been sent, or the connection is gone.
struct Unsent {
    bytes: Bytes,
    _admission: Admission,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a request, weighed before it is read, and read within [`BODY_DEADLINE`].
pub(super) struct Received(pub(super) Bytes);

impl Received {
    /// At most this many bytes.
    pub(super) async fn read<S: Send + Sync>(
        request: Request,
        state: &S,
        admission: &Admission,
        max_bytes: usize,
    ) -> Result<Self, Problem> {
        as_it_is(request.headers())?;
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(length) = length.filter(|length| *length > max_bytes) {
            let detail = format!("the body has {length} bytes, at most {max_bytes} are accepted");
            return Err(Problem::new(Reason::MessageTooLarge, detail));
        }
        admission.reserve(length.unwrap_or(max_bytes).min(max_bytes).saturating_mul(BODY_WEIGHT)).await?;
        match tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await {
            Ok(body) => Ok(Self(body?)),
            Err(_) => {
                let detail = format!("the body did not arrive within {} s", BODY_DEADLINE.as_secs());
                Err(Problem::new(Reason::RequestTooSlow, detail))
            }
        }
    }
}

/// Limits routes that answer soon, and routes that may wait for a block. Both share the permits.
pub(super) fn limited(
    state: &AppState,
    soon: Router<AppState>,
    waiting: Router<AppState>,
) -> Router<AppState> {
    let with = |routes: Router<AppState>, deadline| {
        routes.route_layer(from_fn_with_state((state.clone(), deadline), limit))
    };
    with(soon, REQUEST_DEADLINE).merge(with(waiting, WAITING_DEADLINE))
}

async fn limit(
    State((state, deadline)): State<(AppState, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    let share = state.limits.clients.share_of(request.extensions(), request.headers());
    let admission = match state.limits.enter(share) {
        Ok(admission) => admission,
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(admission.clone());
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    let mut answer = answer.unwrap_or_else(|_| {
        let detail = format!("not done within {} s", deadline.as_secs());
        Problem::new(Reason::Deadline, detail).into_response()
    });
    // It is held when it is as long as it is sent: `packing`.
    answer.extensions_mut().insert(admission);
    answer
}

/// For the metrics, which are outside of those limits and long: an answer weighs as all others do, and takes
/// one of its client's permits for them, until it is sent.
pub(super) async fn scraped(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limits = &state.limits;
    let share = limits.clients.share_of(request.extensions(), request.headers());
    let admission = match limits.scrape(share) {
        Ok(admission) => admission,
        Err(problem) => return problem.into_response(),
    };
    let mut answer = next.run(request).await;
    answer.extensions_mut().insert(admission);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> (Limits, Admission) {
        let limits = Limits::new(&Config::default());
        let share = limits.clients.share_of(&Extensions::new(), &HeaderMap::new());
        let admission = limits.enter(share).expect("an admission");
        (limits, admission)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let (_limits, admission) = admission();
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let (clock, begin) = (vision_host::Clock::system(0), vision_host::Clock::system(0).instant());
        let answer = Received::read(Request::new(body), &(), &admission, 1 << 20).await.map(|body| body.0);
        let answer = answer.expect_err("it does not come").into_response();
        assert_eq!((answer.status().as_u16(), clock.instant() - begin), (408, BODY_DEADLINE));
    }

    #[tokio::test]
    async fn an_answer_holds_its_place_and_its_bytes_until_the_last_of_them_is_sent() {
        let (limits, admission) = admission();
        let share = limits.clients.share_of(&Extensions::new(), &HeaderMap::new());
        admission.reserve(4 << 20).await.expect("room");
        let before = share.bytes.available_permits();
        let answer = admission.hold(Response::new(Body::from(vec![7; 1 << 20]))).await;
        let free = || (limits.requests.available_permits(), share.bytes.available_permits());
        assert_eq!(free(), (MAX_REQUESTS_IN_PROGRESS - 1, before + (3 << 20)), "as many as it is long");
        let mut bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let last = bytes.split_off((1 << 20) - 1);
        drop(bytes);
        assert_eq!(free().0, MAX_REQUESTS_IN_PROGRESS - 1, "a byte is still to be sent");
        drop(last);
        assert_eq!(free(), (MAX_REQUESTS_IN_PROGRESS, before + (4 << 20)));
    }

    #[tokio::test]
    async fn metrics_that_are_not_read_hold_their_clients_places_and_no_others() {
        let limits = Limits::new(&Config::default());
        let share_of = |last: u8| {
            let mut extensions = Extensions::new();
            let remote = std::net::SocketAddr::from(([10, 0, 0, last], 1));
            extensions.insert(axum::extract::connect_info::ConnectInfo(remote));
            limits.clients.share_of(&extensions, &HeaderMap::new())
        };
        let mut unsent = Vec::new();
        for _ in 0..2 {
            let admission = limits.scrape(share_of(1)).expect("an admission");
            unsent.push(admission.hold(Response::new(Body::from("# EOF"))).await);
        }
        let refused = limits.scrape(share_of(1)).err().expect("its permits are taken").into_response();
        assert_eq!(refused.status(), 429);
        assert!(limits.scrape(share_of(2)).is_ok(), "another client has its own");
        unsent.pop();
        assert!(limits.scrape(share_of(1)).is_ok(), "what was sent gave its permit back");
    }

    #[tokio::test]
    async fn who_waits_for_a_block_gives_the_place_and_the_bytes_back() {
        let (limits, admission) = admission();
        admission.reserve(1 << 20).await.expect("room");
        let waiting = admission.wait().await.expect("an admission");
        assert_eq!(limits.requests.available_permits(), MAX_REQUESTS_IN_PROGRESS);
        assert_eq!(limits.waiting.available_permits(), MAX_WAITING - 1);
        assert!(admission.bytes.lock().await.is_none());
        drop(waiting);
        assert_eq!(limits.waiting.available_permits(), MAX_WAITING);
    }
}
