//! The log: heads, proofs, entries, receipts. All of it is public and may be fetched by anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State, rejection::QueryRejection};
use serde::{Deserialize, Serialize};
use tacit_log::receipt::RECEIPT_FILE_VERSION;
use tacit_log::{ConsistencyProof, InclusionProof, SignedTreeHead};
use tacit_wire::Digest32;
use tacit_wire::receipt::{ReceiptView, SignedReceipt};

use super::openapi::Refusals;
use super::parse_id;
use crate::error::ApiError;
use crate::log;
use crate::service::Service;
use crate::store::StoreError;

/// Entries in one answer.
const MOST_ENTRIES: u32 = 256;
/// Bytes of entries in one answer, unless one alone has more.
const MOST_BYTES: usize = 1 << 20;

#[derive(Debug, Deserialize)]
pub struct InclusionQuery {
    leaf: u64,
    size: u64,
}

#[derive(Debug, Deserialize)]
pub struct ConsistencyQuery {
    from: u64,
    to: u64,
}

#[derive(Debug, Deserialize)]
pub struct EntriesQuery {
    start: u64,
    #[serde(default = "most_entries")]
    count: u32,
}

const fn most_entries() -> u32 {
    MOST_ENTRIES
}

/// One entry: its bytes, which are hashed, and what people read of them.
#[derive(Debug, Serialize)]
pub struct Entry {
    entry: String,
    receipt: ReceiptView,
}

/// A run of entries.
#[derive(Debug, Serialize)]
pub struct Entries {
    start: u64,
    entries: Vec<Entry>,
}

/// A job's receipt: the file that a client keeps, and what people read of it.
#[derive(Debug, Serialize)]
pub struct JobReceipt {
    version: u32,
    entry: String,
    inclusion: InclusionProof,
    head: SignedTreeHead,
    receipt: ReceiptView,
}

fn bad_query(rejection: QueryRejection) -> ApiError {
    ApiError::bad_request("bad_query", rejection.body_text())
}

fn view(entry: &[u8]) -> Result<ReceiptView, ApiError> {
    let signed = SignedReceipt::decode(entry).map_err(|_| StoreError::Damaged("an entry of the log"))?;
    Ok(signed.view())
}

/// The newest signed head: `log`, `size`, `root`, `timestamp`, `signature`.
#[utoipa::path(
    get,
    path = "/v1/log/head",
    tag = "log",
    responses((status = OK, body = Object), Refusals),
)]
pub async fn head(State(service): State<Arc<Service>>) -> Result<Json<SignedTreeHead>, ApiError> {
    Ok(Json(log::head(&service).await?))
}

/// An inclusion proof of RFC 9162, section 2.1.3: `leaf`, `size`, `path`.
#[utoipa::path(
    get,
    path = "/v1/log/proof/inclusion",
    tag = "log",
    params(("leaf" = u64, Query), ("size" = u64, Query)),
    responses((status = OK, body = Object), Refusals),
)]
pub async fn inclusion(
    State(service): State<Arc<Service>>,
    query: Result<Query<InclusionQuery>, QueryRejection>,
) -> Result<Json<InclusionProof>, ApiError> {
    let Query(InclusionQuery { leaf, size }) = query.map_err(bad_query)?;
    Ok(Json(log::inclusion(&service, leaf, size).await?))
}

/// A consistency proof of RFC 9162, section 2.1.4: `from`, `to`, `path`.
#[utoipa::path(
    get,
    path = "/v1/log/proof/consistency",
    tag = "log",
    params(("from" = u64, Query), ("to" = u64, Query)),
    responses((status = OK, body = Object), Refusals),
)]
pub async fn consistency(
    State(service): State<Arc<Service>>,
    query: Result<Query<ConsistencyQuery>, QueryRejection>,
) -> Result<Json<ConsistencyProof>, ApiError> {
    let Query(ConsistencyQuery { from, to }) = query.map_err(bad_query)?;
    Ok(Json(log::consistency(&service, from, to).await?))
}

/// Entries, in hexadecimal and as people read them.
#[utoipa::path(
    get,
    path = "/v1/log/entries",
    tag = "log",
    params(("start" = u64, Query), ("count" = Option<u32>, Query, description = "256 at most")),
    responses((status = OK, body = Object), Refusals),
)]
pub async fn entries(
    State(service): State<Arc<Service>>,
    query: Result<Query<EntriesQuery>, QueryRejection>,
) -> Result<Json<Entries>, ApiError> {
    let Query(EntriesQuery { start, count }) = query.map_err(bad_query)?;
    let mut left = MOST_BYTES;
    let mut entries = Vec::new();
    for entry in service.store.log_entries(start, count.min(MOST_ENTRIES)).await? {
        if entry.len() > left && !entries.is_empty() {
            break;
        }
        left = left.saturating_sub(entry.len());
        entries.push(Entry { receipt: view(&entry)?, entry: hex::encode(entry) });
    }
    Ok(Json(Entries { start, entries }))
}

/// A job's entry with its inclusion proof and the head that it is for.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/receipt",
    tag = "log",
    params(("id" = Digest32, Path, description = "The job")),
    responses((status = OK, body = Object), Refusals),
)]
pub async fn receipt(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<JobReceipt>, ApiError> {
    let id = parse_id("job id", &id)?;
    let Some((leaf, entry)) = service.store.log_entry_of(&id).await? else {
        return Err(match service.store.job_head(&id).await? {
            None => ApiError::not_found("unknown_job", format!("there is no job {id} here")),
            Some(row) if row.state.has_ended() => ApiError::not_found(
                "no_receipt",
                format!("job {id} ended before this coordinator kept a log"),
            ),
            Some(_) => ApiError::conflict("not_ended", "the job goes on: its receipt is made when it ends"),
        });
    };
    let head = log::head_beyond(&service, leaf).await?;
    let inclusion = log::inclusion(&service, leaf, head.head.size).await?;
    let receipt = view(&entry)?;
    Ok(Json(JobReceipt {
        version: RECEIPT_FILE_VERSION,
        entry: hex::encode(entry),
        inclusion,
        head,
        receipt,
    }))
}
