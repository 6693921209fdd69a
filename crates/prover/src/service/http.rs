//! The HTTP API, version 1.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/registration` | the prover's signed registration, `application/octet-stream` |
//! | `POST /v1/spends` | takes a sealed request; 202 and its status once it is on disk |
//! | `GET /v1/spends/{id}?wait=SECONDS&seen=PHASE` | its status; waits until its phase is not `seen`, or changes |
//! | `GET /healthz` | `ok` while the process lives |
//!
//! Whatever is refused is a [`Problem`](crate::status::Problem) with a code of [`Code`].

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use tacit_wire::Digest32;
use tokio::sync::Semaphore;

use super::Desk;
use super::config::ServiceConfig;
use super::refusal::{Code, Refusal};
use crate::sealed::MAX_ENVELOPE_BYTES;
use crate::status::{Phase, SpendStatus};

/// The longest that a request for a status waits.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long an envelope may take to arrive.
const BODY: Duration = Duration::from_secs(20);
/// Requests in progress, those that wait not among them.
const IN_PROGRESS: usize = 64;
/// Requests that wait for a change.
const WAITING: usize = 512;

/// Whom a connection comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Who sends a request, as far as limits go.
#[derive(Debug, Clone, Copy)]
struct Client(IpAddr);

/// What requests may use up.
#[derive(Debug)]
pub struct Limits {
    requests: DefaultKeyedRateLimiter<IpAddr>,
    in_progress: Semaphore,
    waiting: Semaphore,
    behind_proxy: bool,
}

impl Limits {
    /// As the operator decided.
    pub fn new(config: &ServiceConfig) -> Self {
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(config.requests_per_second))
            .allow_burst(positive(config.requests_burst));
        Self {
            requests: RateLimiter::keyed(quota),
            in_progress: Semaphore::new(IN_PROGRESS),
            waiting: Semaphore::new(WAITING),
            behind_proxy: config.behind_proxy,
        }
    }

    /// Forgets addresses that have sent nothing lately.
    pub fn tidy(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }

    /// Who sends: the peer, or whom a proxy names last.
    fn client(&self, peer: IpAddr, request: &Request) -> IpAddr {
        let named = || {
            let forwarded = request.headers().get_all("x-forwarded-for").iter().next_back()?;
            forwarded.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
        };
        network(if self.behind_proxy { named().unwrap_or(peer) } else { peer })
    }
}

/// Who has one IPv6 address of a network has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The routes.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/v1/registration", get(registration))
        .route("/v1/spends", post(submit))
        .route("/v1/spends/{id}", get(show))
        .fallback(|| async { Refusal::new(Code::UnknownPath, "nothing is here; the API begins with /v1") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(Code::UnknownMethod, "this path does not take this method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), limit))
        .with_state(desk)
}

/// Metrics and health, for a listener of their own.
pub(super) fn metrics_router(desk: Arc<Desk>) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics)).with_state(desk)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], desk.metrics.text()).into_response()
}

/// Counts a request, and what is refused of it.
async fn limit(
    State(desk): State<Arc<Desk>>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = desk.limits.client(peer, &request);
    request.extensions_mut().insert(Client(client));
    let response = match desk.limits.requests.check_key(&client) {
        Ok(()) => next.run(request).await,
        Err(early) => {
            let wait = early.wait_time_from(governor::clock::DefaultClock::default().now()).as_secs() + 1;
            let message = format!("too many requests of one address; try again in {wait} s");
            Refusal::later(Code::TooManyRequests, message, wait).into_response()
        }
    };
    if let Some(code) = response.extensions().get::<Code>() {
        desk.metrics.refused(*code);
    }
    response
}

async fn registration(State(desk): State<Arc<Desk>>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], desk.registration().bytes).into_response()
}

async fn submit(
    State(desk): State<Arc<Desk>>,
    Extension(Client(client)): Extension<Client>,
    request: Request,
) -> Result<(StatusCode, Json<SpendStatus>), Refusal> {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_ENVELOPE_BYTES as u64) {
        return Err(too_large());
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_ENVELOPE_BYTES);
    let body = match tokio::time::timeout(BODY, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_long(&error) => return Err(too_large()),
        _ => return Err(Refusal::new(Code::Incomplete, "the envelope did not arrive in time, or broke off")),
    };
    // Not before the body is here: who sends it slowly takes nobody's place.
    let Ok(_place) = desk.limits.in_progress.try_acquire() else {
        return Err(Refusal::later(Code::Busy, "too many requests are in progress; try again", 1));
    };
    // Goes on when the client goes away: what it sent is then accepted or not, and never half.
    let accepting = {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { desk.accept(&body, client).await })
    };
    let accepted = accepting.await;
    let status =
        accepted.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "accepting the request failed")))?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

fn too_large() -> Refusal {
    Refusal::new(Code::TooLarge, format!("an envelope has at most {MAX_ENVELOPE_BYTES} bytes"))
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        source = error.source();
    }
    false
}

#[derive(Debug, Default, Deserialize)]
struct Waiting {
    wait: Option<u64>,
    seen: Option<Phase>,
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    waiting: Result<Query<Waiting>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<SpendStatus>, Refusal> {
    let id: Digest32 =
        id.parse().map_err(|_| Refusal::new(Code::BadPath, "a request's id has 64 hexadecimal digits"))?;
    let Query(Waiting { wait, seen }) = waiting
        .map_err(|_| Refusal::new(Code::BadPath, "wait is a number of seconds, seen the name of a phase"))?;
    let watch = desk.spends().get(&id).map(|spend| spend.status.subscribe());
    let unknown =
        || Refusal::new(Code::UnknownSpend, "no request has this id here, or it ended too long ago");
    let mut watch = watch.ok_or_else(unknown)?;
    let now = watch.borrow().clone();
    let wait = wait.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_WAIT);
    // Without a place to wait, at once.
    let place = desk.limits.waiting.try_acquire();
    if wait.is_zero() || place.is_err() || now.phase.is_end() || seen.is_some_and(|seen| seen != now.phase) {
        return Ok(Json(now));
    }
    let changed = watch.wait_for(|status| status.phase != now.phase);
    let status = tokio::select! {
        changed = tokio::time::timeout(wait, changed) => match changed {
            Ok(Ok(status)) => status.clone(),
            _ => now,
        },
        () = desk.shutdown.cancelled() => now,
    };
    Ok(Json(status))
}
