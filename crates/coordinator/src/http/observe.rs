//! What every request leaves behind: its id in the logs and in its response, and its figures.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::error::RefusalCode;
use crate::service::Service;

/// The header with a request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LONGEST_ID: usize = 64;

/// Requests to these routes may wait for something to happen: how long they take says nothing about this program.
const EVENTS: [&str; 2] = ["/v1/events", "/v1/jobs/{id}/events"];

/// Gives the request an id and a span, and counts it.
pub async fn observe(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |m| m.as_str()).to_owned();
    let waits = EVENTS.contains(&route.as_str())
        || request.uri().query().is_some_and(|q| q.split('&').any(|p| p.starts_with("wait=")));
    let span = tracing::info_span!("request", id = %id, method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    service.metrics.request(method, &route, status, began.elapsed(), waits);
    if let Some(RefusalCode(code)) = response.extensions().get() {
        service.metrics.refused("coordinator", code);
    }
    span.in_scope(|| tracing::debug!(status, ms = began.elapsed().as_millis(), "request answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The client's id where it is a plain word, else one of ours.
fn request_id(request: &Request) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|v| !v.is_empty() && v.len() <= LONGEST_ID && v.chars().all(plain))
        .map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned)
}

/// One of the methods that there are: a client can make up any number of others.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
