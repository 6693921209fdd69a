//! When the log's heads are signed: at most once a second, when it has grown. Proofs are made of what the database holds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tacit_log::{ConsistencyProof, InclusionProof, SignedTreeHead};
use tacit_wire::Blame;
use tokio::time::{Instant, sleep};

use crate::error::ApiError;
use crate::service::Service;
use crate::store::StoreError;

/// The least time between two heads.
const PAUSE: Duration = Duration::from_secs(1);
/// How often whoever waits for a head looks again.
const LOOK: Duration = Duration::from_millis(100);
/// For how long one request waits for a head.
const WAIT: Duration = Duration::from_secs(5);

/// When this process first saw the newest head.
#[derive(Debug, Default)]
pub struct Heads(Mutex<Option<(u64, Instant)>>);

impl Heads {
    /// Whether the newest head is old enough for another one, by this coordinator's clock; or, where the clocks of several coordinators differ,
    /// by how long ago this one first saw it.
    fn may_sign(&self, newest: Option<SignedTreeHead>, now: u64) -> bool {
        let Some(SignedTreeHead { head, .. }) = newest else { return true };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match *seen {
            Some((size, first)) if size == head.size => first,
            _ => {
                let first = Instant::now();
                *seen = Some((head.size, first));
                first
            }
        };
        head.timestamp < now || first.elapsed() >= PAUSE
    }
}

/// The newest head; signs one if the log has grown and the last one is old enough.
///
/// # Errors
/// Those of the database; when there is none, and none can be signed because this machine's clock and the database's differ.
pub async fn head(service: &Service) -> Result<SignedTreeHead, ApiError> {
    let newest = service.store.log_head(service.identity.key()).await?;
    let now = service.clock.now();
    match newest {
        Some(head) if head.head.size == service.store.log_size().await? => Ok(head),
        Some(head) if service.time.is_off() || !service.heads.may_sign(newest, now) => Ok(head),
        None if service.time.is_off() => Err(not_signed()),
        _ => Ok(service.store.sign_log_head(&service.identity, now).await?),
    }
}

/// A head of more than so many entries, which the log has: waits until one may be signed.
///
/// # Errors
/// Those of the database; when none came in time.
pub async fn head_beyond(service: &Service, index: u64) -> Result<SignedTreeHead, ApiError> {
    let deadline = Instant::now() + WAIT;
    loop {
        let head = head(service).await?;
        if head.head.size > index {
            return Ok(head);
        }
        if Instant::now() >= deadline {
            return Err(not_signed());
        }
        sleep(LOOK).await;
    }
}

/// That an entry is in the log.
///
/// # Errors
/// When the log does not have so many entries; those of the database.
pub async fn inclusion(service: &Service, leaf: u64, size: u64) -> Result<InclusionProof, ApiError> {
    let has = service.store.log_size().await?;
    if size > has || leaf >= size {
        return Err(outside(format!(
            "there is no entry {leaf} in a log of {size} entries; this one has {has}"
        )));
    }
    let subtrees = service.store.log_subtrees(&InclusionProof::needs(leaf, size)).await?;
    Ok(InclusionProof::of(leaf, size, &subtrees).ok_or(StoreError::Damaged("the log's tree"))?)
}

/// That the log only grew.
///
/// # Errors
/// When the log does not have so many entries; those of the database.
pub async fn consistency(service: &Service, from: u64, to: u64) -> Result<ConsistencyProof, ApiError> {
    let has = service.store.log_size().await?;
    if to > has || from > to {
        return Err(outside(format!("a log does not grow from {from} to {to} entries; this one has {has}")));
    }
    let subtrees = service.store.log_subtrees(&ConsistencyProof::needs(from, to)).await?;
    Ok(ConsistencyProof::of(from, to, &subtrees).ok_or(StoreError::Damaged("the log's tree"))?)
}

fn not_signed() -> ApiError {
    let message = "the log's next head is not signed yet; try again";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_signed", Blame::Coordinator, message)
}

fn outside(message: String) -> ApiError {
    ApiError::unprocessable("outside_log", message)
}
