//! The HTTPS API, version 1.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /`, `GET /dashboard/{file}` | the dashboard |
//! | `GET /healthz` | `ok` while the process lives |
//! | `GET /v1/openapi.json` | this table for programs, with every schema |
//! | `GET /readyz` | whether it can be given work, check by check |
//! | `GET /v1/network` | the coordinator, its assembler key, its nodes and their sealing keys |
//! | `POST /v1/line` | drops up to 1 MiB: so that a client can measure its line |
//! | `GET /v1/circuits`, `GET /v1/circuits/{id}` | registered circuits |
//! | `PUT /v1/circuits/{id}` | registers a zkey; the id is recomputed from it |
//! | `DELETE /v1/circuits/{id}` | forgets a circuit that no open job needs |
//! | `PUT`, `GET /v1/circuits/{id}/r1cs` | its constraint system |
//! | `POST /v1/jobs` | submits a deal (a `SubmitJob` frame); the same bytes again change nothing |
//! | `GET /v1/jobs` | the newest jobs |
//! | `GET /v1/jobs/{id}?wait=SECONDS&seen=VERSION&answers=N` | a job; waits until its version exceeds `seen`, and where that is by answers only, until there are `answers` |
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
mod contradictions;
mod dashboard;
mod disclosure;
mod events;
mod health;
mod idempotency;
mod jobs;
mod log;
mod memory;
mod network;
mod nodes;
mod observe;
mod openapi;
mod router;
mod serve;

use axum::http::{Method, StatusCode, Uri};
use tacit_wire::{Blame, Digest32};

use crate::error::ApiError;

pub use health::serve as serve_metrics;
pub use router::description;
use router::router;
pub use serve::serve;

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
