//! Server-sent events: what happens, as it happens. Who would rather poll goes on doing so.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use tacit_wire::Digest32;
use tokio::sync::mpsc;

use super::auth::Caller;
use super::jobs::{LISTED, Versioned, known_head, versioned};
use super::nodes::node_views;
use super::openapi::Refusals;
use super::parse_id;
use crate::error::ApiError;
use crate::jobs;
use crate::limits::{NoPlace, Place, Places, too_many};
use crate::service::Service;

/// How often a stream in which nothing happens shows that it lives.
const ALIVE: Duration = Duration::from_secs(15);

/// How often it is looked whether the key of a stream in which nothing happens is still one.
const CHECK: Duration = Duration::from_secs(5);

/// How often everything is looked at for those who watch everything.
const LOOK: Duration = Duration::from_secs(1);

/// One event of a stream, by its fields.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes what `Event` writes")]
pub struct EventView {
    /// `job` or `nodes`.
    event: String,
    /// The job's version, of an event `job`.
    #[schema(nullable = false)]
    id: Option<String>,
    /// JSON: a job, or the list of nodes.
    data: String,
}

/// The changes of one job: an event `job` for each, with its version as id; the stream ends with the job. `Last-Event-ID`
/// goes on after that version.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/events",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job"), ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this version")),
    responses((status = OK, content_type = "text/event-stream", body = EventView), (status = NO_CONTENT, description = "It has ended, and there is nothing more to tell"), Refusals),
)]
pub async fn job(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = parse_id("job id", &id)?;
    let mut seen = last_event(&headers)?;
    let row = known_head(&service, &caller, &id).await?;
    if row.state.has_ended() && row.version <= seen {
        // What tells an EventSource not to come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = place(&service.usage.streams, &caller)?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let mut changes = service.polls.subscribe(id);
        let mut ticks = tokio::time::interval(CHECK);
        loop {
            if caller.still_may(&service).await.is_err() {
                return;
            }
            let Ok(job) = versioned(&service, &caller, &id).await else { return };
            if job.version() > seen {
                seen = job.version();
                if !tell(&service, &caller, &send, event("job", Some(seen), &job)).await {
                    return;
                }
            }
            if job.has_ended() {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                _ = ticks.tick() => {}
                () = send.closed() => return,
                () = service.shutdown.cancelled() => return,
            }
        }
    });
    Ok(stream(receive))
}

/// Everything, for operators: an event `job` for each of the newest jobs and whenever one changes, an event `nodes` when
/// they do.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "operators",
    responses((status = OK, content_type = "text/event-stream", body = EventView), Refusals),
)]
pub async fn all(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    caller.must_be_operator()?;
    let place = place(&service.usage.watchers, &caller)?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let mut told = Told::default();
        loop {
            if caller.still_may(&service).await.is_err() {
                return;
            }
            match told.news(&service).await {
                Ok(news) => {
                    for event in news {
                        if !tell(&service, &caller, &send, event).await {
                            return;
                        }
                    }
                }
                // The watcher comes back, and the database may have as well.
                Err(_) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = send.closed() => return,
                () = service.shutdown.cancelled() => return,
            }
        }
    });
    Ok(stream(receive))
}

/// What a watcher knows already.
#[derive(Default)]
struct Told {
    jobs: HashMap<Digest32, String>,
    nodes: String,
}

impl Told {
    async fn news(&mut self, service: &Service) -> Result<Vec<Event>, ApiError> {
        let mut news = Vec::new();
        let nodes = json(&node_views(service).await?);
        if nodes != self.nodes {
            news.push(Event::default().event("nodes").data(nodes.clone()));
            self.nodes = nodes;
        }
        let mut told = HashMap::new();
        // The oldest first: whoever shows them in the order of their arrival has the newest on top.
        for (row, seats) in service.store.jobs(LISTED, None).await?.into_iter().rev() {
            let text = json(&Versioned::of(jobs::status(&row, &seats)?, &row, &seats));
            let before = self.jobs.remove(&row.deal);
            if before.as_ref() != Some(&text) {
                news.push(Event::default().event("job").id(row.version.to_string()).data(text.clone()));
            }
            told.insert(row.deal, text);
        }
        self.jobs = told;
        Ok(news)
    }
}

fn place(places: &Places, caller: &Caller) -> Result<Place, ApiError> {
    places.take(&caller.both()).map_err(|problem| match problem {
        NoPlace::Full => {
            ApiError::full("too many are watching at the moment; poll instead, or try again later")
        }
        NoPlace::Share => too_many(
            "too_many_streams",
            "too many event streams of one key, or from one address, are open; close some, or poll instead",
        ),
    })
}

/// Hands an event over as soon as the client has taken the one before; `false` where the client is gone, or its key.
async fn tell(service: &Service, caller: &Caller, send: &mpsc::Sender<Event>, event: Event) -> bool {
    loop {
        match tokio::time::timeout(CHECK, send.reserve()).await {
            Ok(Ok(room)) => {
                room.send(event);
                return true;
            }
            Ok(Err(_)) => return false,
            Err(_) if caller.still_may(service).await.is_err() => return false,
            Err(_) => {}
        }
    }
}

fn event(name: &str, id: Option<u64>, body: &impl Serialize) -> Event {
    let event = Event::default().event(name).data(json(body));
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

fn stream(receive: mpsc::Receiver<Event>) -> Response {
    Sse::new(events(receive)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

fn events(receive: mpsc::Receiver<Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|event| (event, receive))
    })
    .map(Ok)
}

fn last_event(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    value.to_str().ok().and_then(|v| v.parse().ok()).ok_or_else(|| {
        ApiError::bad_request("bad_event_id", "Last-Event-ID is the id of an event of this stream: a number")
    })
}
