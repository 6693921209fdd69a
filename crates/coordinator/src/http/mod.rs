//! The HTTPS API, version 1.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /`, `GET /dashboard/{file}` | the dashboard |
//! | `GET /healthz` | `ok` while the process lives |
//! | `GET /readyz` | whether it can be given work, check by check |
//! | `GET /v1/network` | the coordinator, its assembler key, its nodes and their sealing keys |
//! | `POST /v1/line` | drops up to 1 MiB: so that a client can measure its line |
//! | `GET /v1/circuits`, `GET /v1/circuits/{id}` | registered circuits |
//! | `PUT /v1/circuits/{id}` | registers a zkey; the id is recomputed from it |
//! | `PUT`, `GET /v1/circuits/{id}/r1cs` | its constraint system |
//! | `POST /v1/jobs` | submits a deal (a `SubmitJob` frame); the same bytes again change nothing |
//! | `GET /v1/jobs` | the newest jobs |
//! | `GET /v1/jobs/{id}?wait=SECONDS&seen=VERSION` | a job; waits until its version exceeds `seen` |
//! | `POST /v1/jobs/{id}/reassign` | gives a place to another node (a `Reassign` frame, signed by the job's client) |
//! | `POST /v1/jobs/{id}/cancel` | nothing more is needed (a `Cancel` frame, signed by the job's client) |
//! | `GET /v1/jobs/{id}/answers` | what its nodes said (a `JobAnswers` frame) |
//! | `GET /v1/jobs/{id}/proof` | its proof, where this coordinator assembled it |
//! | `GET /v1/jobs/{id}/events` | its changes as server-sent events |
//! | `GET /v1/jobs/{id}/disclosure` | who saw what of it |
//! | `GET /v1/nodes`, `GET /v1/events` | for operators: nodes with their load; all changes as server-sent events |
//! | `GET /v1/jobs/{id}/receipt` | its entry in the log with the proof that it is there, once it has ended |
//! | `GET /v1/log/head` | what the log holds, signed |
//! | `GET /v1/log/proof/inclusion?leaf=&size=`, `…/consistency?from=&to=` | proofs of RFC 9162 |
//! | `GET /v1/log/entries?start=&count=` | entries, at most 256 |
//!
//! Every failure has an [`ErrorBody`](tacit_wire::status::ErrorBody) with a stable code.

mod auth;
mod circuits;
mod dashboard;
mod disclosure;
mod events;
mod health;
mod idempotency;
mod jobs;
mod log;
mod network;
mod nodes;
mod observe;
mod serve;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tacit_wire::{Blame, Digest32};

use crate::error::ApiError;
use crate::service::Service;

pub use health::serve as serve_metrics;
pub use serve::serve;

/// The routes.
pub fn router(service: Arc<Service>) -> Router {
    // Whoever asks: nothing in these is anybody's.
    let public = Router::new()
        .route("/", get(dashboard::page))
        .route("/dashboard/{file}", get(dashboard::asset))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz));
    let guarded = Router::new()
        .route("/v1/network", get(network::info))
        .route("/v1/line", post(network::line))
        .route("/v1/circuits", get(circuits::list))
        .route("/v1/circuits/{id}", get(circuits::show).put(circuits::put))
        .route("/v1/circuits/{id}/r1cs", get(circuits::show_r1cs).put(circuits::put_r1cs))
        .route("/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/v1/jobs/{id}", get(jobs::show))
        .route("/v1/jobs/{id}/reassign", post(jobs::reassign))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel))
        .route("/v1/jobs/{id}/answers", get(jobs::answers))
        .route("/v1/jobs/{id}/proof", get(jobs::proof))
        .route("/v1/jobs/{id}/events", get(events::job))
        .route("/v1/jobs/{id}/disclosure", get(disclosure::show))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/events", get(events::all))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), auth::authenticate));
    public
        .merge(guarded)
        .route("/v1/jobs/{id}/receipt", get(log::receipt))
        .route("/v1/log/head", get(log::head))
        .route("/v1/log/proof/inclusion", get(log::inclusion))
        .route("/v1/log/proof/consistency", get(log::consistency))
        .route("/v1/log/entries", get(log::entries))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // Every handler that reads a body has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&service), auth::limit))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), observe::observe))
        .with_state(service)
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found("unknown_path", format!("there is no {} here; the API begins with /v1", uri.path()))
}

async fn unknown_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("{method} is not for {}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", Blame::Client, message)
}

/// A 32-byte name in a path.
fn parse_id(what: &str, text: &str) -> Result<Digest32, ApiError> {
    text.parse().map_err(|e| ApiError::bad_request("bad_id", format!("{what}: {e}")))
}
