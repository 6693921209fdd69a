//! Answers take their memory before they are made.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::serve::Peer;
use crate::memory::Held;
use crate::outgo::Carried;
use crate::service::Service;

/// What every answer takes.
const LEAST: usize = 8 << 10;

/// What a stream takes whose pieces are made as they are taken.
const STREAM: usize = 128 << 10;

/// What answers that can be large take while they are made: about as much as the largest needs.
const LARGE: &[(&str, usize)] = &[
    ("/v1/jobs", 4 << 20),
    ("/v1/jobs/{id}/answers", 1 << 20),
    ("/v1/jobs/{id}/contradictions", 1 << 20),
    ("/v1/log/entries", 4 << 20),
    ("/v1/network", 1 << 20),
    ("/v1/nodes", 1 << 20),
];

/// These hold none of their own: whoever asks whether this coordinator lives does not queue behind those who do not read.
const FREE: [&str; 3] = ["/healthz", "/readyz", "/v1/openapi.json"];

/// Takes memory for the answer, for whom the request is counted for; the answer carries it to its connection.
pub async fn reserve(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().map(|c| c.client.clone());
    let peer = || request.extensions().get::<Peer>().map(|Peer(client)| client.clone());
    let client = caller.or_else(peer).filter(|_| !FREE.contains(&route(&request)));
    let Some(client) = client else { return next.run(request).await };
    let account = service.outgo.account(&client);
    let mut held = Held::default();
    if let Err(refusal) = service.outgo.grow(&mut held, &account, at_first(&request)).await {
        return refusal.into_response();
    }
    let mut response = next.run(request).await;
    let bytes =
        response.body().size_hint().exact().map_or(STREAM, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if let Err(refusal) = service.outgo.grow(&mut held, &account, bytes).await {
        return refusal.into_response();
    }
    held.shrink(bytes);
    response.extensions_mut().insert(Carried::memory(held));
    response
}

fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

fn at_first(request: &Request) -> usize {
    let route = route(request);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let large = LARGE.iter().find(|(large, _)| reads && *large == route);
    large.map_or(LEAST, |(_, bytes)| *bytes)
}
