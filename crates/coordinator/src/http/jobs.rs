use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tacit_wire::frame::{Body as _, HEADER_BYTES, MessageType};
use tacit_wire::messages::{
    Answer, Assembler, CONTENT_TYPE, Cancel, JobAnswers, NodeAnswer, Outcome, Reassign, Refusal, SubmitJob,
};
use tacit_wire::status::{DeliveryState, JobProof, JobStatus, RefusalInfo};
use tacit_wire::{Blame, Digest32, PeerMisbehaved};

use super::auth::Caller;
use super::idempotency::IdempotencyKey;
use super::openapi::Refusals;
use super::parse_id;
use crate::error::ApiError;
use crate::jobs;
use crate::memory::Held;
use crate::metrics::{Ended, Upload};
use crate::polls::Turns;
use crate::service::Service;
use crate::store::{
    Answered, Excess, Insertion, JobRow, JobState, Reassigned, SeatRow, SeatState, Shares, StoreError,
};

/// Jobs in one listing.
pub const LISTED: u32 = 200;

/// Answers that have more bytes than this together do not come with a job's status.
const BROUGHT_BYTES: u64 = 64 << 10;

/// A job's status with the counter for long polls.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Versioned {
    #[serde(flatten)]
    status: JobStatus,
    /// Counts the job's changes.
    version: u64,
    /// Answers that make a proof, of all groups.
    needed: u8,
    /// When it ended, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    /// When each place was answered or refused.
    replies: Vec<ReplyTime>,
    /// The `JobAnswers` frame of the same moment, in hexadecimal digits, where it was asked for and is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    brought: Option<String>,
}

/// When a place was answered or refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReplyTime {
    /// The place.
    index: u8,
    /// Unix seconds.
    at: u64,
}

impl Versioned {
    /// A job's status with what its row knows beyond it.
    pub fn of(status: JobStatus, row: &JobRow, seats: &[SeatRow]) -> Self {
        let reply = |s: &SeatRow| s.answered_at.map(|at| ReplyTime { index: s.index, at });
        let replies = seats.iter().filter_map(reply).collect();
        Self { status, version: row.version, needed: row.needed, ended: row.ended_at, replies, brought: None }
    }

    /// Counts the job's changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether nothing changes any more.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// How many answers are missing to so many; none where a node has refused or contradicted itself, which whoever waits is to hear.
    fn missing(&self, answers: usize) -> u64 {
        let nodes = &self.status.nodes;
        let trouble = nodes.iter().any(|node| node.state == DeliveryState::Refused || node.contradicted);
        let given = nodes.iter().filter(|node| node.state == DeliveryState::Answered).count();
        if trouble { 0 } else { answers.saturating_sub(given) as u64 }
    }
}

#[derive(Debug, Deserialize)]
pub struct Wait {
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    seen: u64,
    #[serde(default)]
    answers: usize,
    #[serde(default)]
    bring: bool,
}

/// Submits a deal. The same bytes again change nothing.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A request that is sent again with it gives the first response again, for a day")),
    request_body(content = Vec<u8>, content_type = "application/vnd.tacit", description = "A `SubmitJob` frame"),
    responses((status = CREATED, body = Versioned), (status = OK, body = Versioned, description = "The same bytes came before"), Refusals),
)]
pub async fn submit(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let limit = service.config.limits.job_bytes.min(MessageType::SubmitJob.limit());
    let (_reserved, bytes) = reserve(&service, &caller, &headers, body, limit, "the job").await?;

    let size = bytes.len();
    let (header, parts) = service
        .blocking_for(size, "reading a submission", move |_| {
            let submission = Digest32(*blake3::hash(&bytes).as_bytes());
            let message = SubmitJob::from_frame(&bytes, limit)?;
            let header = jobs::HeaderFacts::read(&message.header)?;
            Ok((header, (submission, message)))
        })
        .await?;
    let deal = header.deal;
    let circuit = service.store.circuit_for(&header.circuit, &deal).await?;
    let (circuit, known) = circuit.ok_or_else(|| unknown_circuit(&header.circuit))?;
    let (submission, message) = parts;
    let idempotency = IdempotencyKey::of(&caller, &headers, submission)?;
    if let Some(key) = &idempotency
        && let Some(first) = key.replay(&service).await?
    {
        return Ok(first);
    }
    if message.assembler == Assembler::Coordinator && service.assembler_key(&header.assembler_key).is_none() {
        // Another coordinator may just have made it.
        service.reload_assembler_keys().await;
    }
    let job = match known {
        // Known bytes need no second look, and stay acceptable after the deal's expiry.
        Some(known) if known == submission => None,
        Some(_) => return Err(conflict(&deal)),
        None => Some(
            service
                .blocking_for(size, "checking a submission", move |s| {
                    jobs::validate(s, &header, &circuit, submission, message)
                })
                .await?,
        ),
    };
    let (mut code, mut accepted) = (StatusCode::OK, None);
    if let Some(mut job) = job {
        job.owner = caller.key;
        if let Some(key) = &idempotency
            && let Some(first) = key.claim(&service).await?
        {
            return Ok(first);
        }
        let now = service.clock.now();
        let insert = service.store.insert_job(&job, now, shares(&service));
        let inserted = service.metrics.timed("insert_job", insert).await?;
        match inserted {
            Insertion::New => {
                tracing::info!(job = %deal, circuit = %job.circuit, n = job.n, t = job.t, "job accepted");
                service.metrics.job_accepted(deal, &job.handover);
                for seat in &job.seats {
                    service.registry.wake(&seat.node);
                }
                code = StatusCode::CREATED;
                accepted = Some(job.accepted(now));
            }
            Insertion::Same => {}
            Insertion::Conflict => return Err(conflict(&deal)),
            Insertion::Full(excess) => return Err(no_room(excess)),
            Insertion::NoCircuit => return Err(unknown_circuit(&job.circuit)),
        }
    }
    let found = match accepted {
        Some(accepted) => Some(accepted),
        None => service.store.job_with_seats(&deal).await?.filter(|(job, _)| caller.may_see(job)),
    };
    let Some((row, seats)) = found else { return Err(conflict(&deal)) };
    let answer = Versioned::of(jobs::status(&row, &seats)?, &row, &seats);
    if let Some(key) = &idempotency {
        key.keep(&service, code, &answer).await?;
    }
    Ok((code, Json(answer)).into_response())
}

/// Receives a body; its memory is reserved until the caller is done with it.
async fn reserve(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    what: &'static str,
) -> Result<(Held, Bytes), ApiError> {
    let claimed = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok())
        .ok_or_else(|| {
            let message = format!("{what} is sent with its Content-Length");
            ApiError::new(StatusCode::LENGTH_REQUIRED, "length_required", Blame::Client, message)
        })?;
    if claimed > limit {
        return Err(ApiError::too_large(what, limit));
    }
    let received = service.intake.receive(&caller.client, body, claimed, what).await;
    service.metrics.upload(Upload::Job, received.as_ref().ok().map(|(_, bytes)| bytes.len() as u64));
    received
}

/// The body of a frame that is small, or as large as one envelope: within the same budget as a submission.
async fn receive<B: tacit_wire::Body>(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    what: &'static str,
) -> Result<(Held, B), ApiError> {
    let limit = service.config.limits.job_bytes.min(B::TYPE.limit()) + HEADER_BYTES;
    let (reserved, bytes) = reserve(service, caller, headers, body, limit, what).await?;
    Ok((reserved, B::from_frame(&bytes, limit)?))
}

/// Another node takes a place: what a submission's delivery must satisfy, this one must.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/reassign",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    request_body(content = Vec<u8>, content_type = "application/vnd.tacit", description = "A `Reassign` frame, signed by the job's client"),
    responses((status = OK, body = Versioned), Refusals),
)]
pub async fn reassign(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Versioned>, ApiError> {
    let id = parse_id("job id", &id)?;
    let row = known(&service, &caller, &id).await?;
    let (_reserved, Reassign { delivery }) =
        receive(&service, &caller, &headers, body, "the replacement").await?;
    let header = row.header.clone();
    let seat = service
        .blocking("checking a replacement", move |s| {
            jobs::check_delivery(s, &jobs::HeaderFacts::read(&header)?, delivery)
        })
        .await?;
    let (place, node) = (seat.index, seat.node);
    match service.store.reassign(&id, &seat, service.clock.now(), shares(&service)).await? {
        Reassigned::Done(before) => {
            tracing::info!(job = %id, place, %before, %node, "a node was replaced");
            service.changed(&id);
            service.registry.wake(&node);
        }
        Reassigned::Same => {}
        Reassigned::Ended => {
            return Err(ApiError::conflict("ended", "the job has ended: nobody is asked any more"));
        }
        Reassigned::Answered => {
            let message =
                format!("place {place} has answered: its answer counts, and its node is not replaced");
            return Err(ApiError::conflict("answered", message));
        }
        Reassigned::HasPlace(held) => {
            let message = format!("node {node} has, or had, place {held} of this job; choose another");
            return Err(ApiError::conflict("duplicate_node", message));
        }
        Reassigned::Full(excess) => return Err(no_room(excess)),
        Reassigned::Unknown => {
            return Err(ApiError::not_found("unknown_place", format!("the job has no place {place}")));
        }
    }
    Ok(Json(versioned(&service, &caller, &id).await?))
}

/// The client needs nothing more: its signature says so.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/cancel",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    request_body(content = Vec<u8>, content_type = "application/vnd.tacit", description = "A `Cancel` frame, signed by the job's client"),
    responses((status = OK, body = Versioned), Refusals),
)]
pub async fn cancel(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Versioned>, ApiError> {
    let id = parse_id("job id", &id)?;
    let row = known(&service, &caller, &id).await?;
    let (_reserved, cancel): (_, Cancel) =
        receive(&service, &caller, &headers, body, "the cancellation").await?;
    if cancel.deal != id {
        return Err(PeerMisbehaved::WrongDeal { expected: id, got: cancel.deal }.into());
    }
    cancel.verify(&jobs::HeaderFacts::read(&row.header)?.client)?;
    let gave_up = jobs::failure("cancelled", Blame::Nobody, "its client needs no proof any more");
    if let Some(state) = service.store.cancel(&id, &gave_up, service.clock.now()).await? {
        tracing::info!(job = %id, "its client needs nothing more");
        let enough = state == JobState::Done;
        service.metrics.job_ended(&id, if enough { Ended::Answered } else { Ended::Failed });
        service.changed(&id);
    }
    Ok(Json(versioned(&service, &caller, &id).await?))
}

/// The newest 200 jobs of the caller; for operators, of all.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    responses((status = OK, body = Vec<Versioned>), Refusals),
)]
pub async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<Versioned>>, ApiError> {
    let mut listed = Vec::new();
    for (row, seats) in service.store.jobs(LISTED, caller.sees_only()).await? {
        listed.push(Versioned::of(jobs::status(&row, &seats)?, &row, &seats));
    }
    Ok(Json(listed))
}

/// A job; waits until its version exceeds `seen`, for `wait` seconds at most. With `answers`, changes that are nothing but an answer do not count
/// before there are so many: whoever needs three is not told of the first two.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job"), ("wait" = Option<u64>, Query, description = "Seconds to wait for a change"), ("seen" = Option<u64>, Query, description = "The version that is known"), ("answers" = Option<usize>, Query, description = "Answers that are waited for; a refusal, a contradiction or the end is told at once"), ("bring" = Option<bool>, Query, description = "Whether the answers come with it: `brought`, unless they are large")),
    responses((status = OK, body = Versioned), Refusals),
)]
pub async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<Wait>, QueryRejection>,
) -> Result<Json<Versioned>, ApiError> {
    let id = parse_id("job id", &id)?;
    let Query(Wait { wait, seen, answers, bring }) =
        query.map_err(|e| ApiError::bad_request("bad_query", e.body_text()))?;
    let wait = Duration::from_secs(wait.min(service.config.limits.poll_seconds));
    let deadline = tokio::time::Instant::now() + wait;
    let mut changes = service.polls.subscribe(id);
    loop {
        let before = *changes.borrow_and_update();
        let looked = Looked::at(&service, &caller, &id, bring).await?;
        let missing = looked.now.missing(answers);
        if (looked.now.version > seen && missing == 0) || looked.now.has_ended() || wait.is_zero() {
            return looked.told().map(Json);
        }
        // Those who wait hold nothing.
        drop(looked);
        // So many answers later it is worth looking again, and whenever something else happens.
        let worth = |turns: &Turns| {
            turns.offers != before.offers || turns.answers.wrapping_sub(before.answers) >= missing.max(1)
        };
        let over = tokio::select! {
            gone = async { changes.wait_for(worth).await.is_err() } => gone,
            () = tokio::time::sleep_until(deadline) => true,
            () = service.shutdown.cancelled() => true,
        };
        // A key may be revoked while its holder waits.
        caller.still_may(&service).await?;
        if over {
            return Looked::at(&service, &caller, &id, bring).await?.told().map(Json);
        }
    }
}

/// A job as it was at one moment, with its answers where they are to be brought and are small.
struct Looked {
    now: Versioned,
    answered: Option<Answered>,
}

impl Looked {
    async fn at(service: &Service, caller: &Caller, id: &Digest32, bring: bool) -> Result<Self, ApiError> {
        if !bring {
            return Ok(Self { now: versioned(service, caller, id).await?, answered: None });
        }
        let found = answered(service, caller, id, BROUGHT_BYTES).await?;
        let now = Versioned::of(jobs::status(&found.job, &found.seats)?, &found.job, &found.seats);
        let answered = Some(found).filter(|found| !found.answers.is_empty());
        Ok(Self { now, answered })
    }

    fn told(self) -> Result<Versioned, ApiError> {
        let brought = self.answered.map(frame_of).transpose()?.map(hex::encode);
        Ok(Versioned { brought, ..self.now })
    }
}

/// A job with its nodes' answers, unless they have more bytes than that together; it must be there, and be the caller's to see.
async fn answered(
    service: &Service,
    caller: &Caller,
    id: &Digest32,
    most: u64,
) -> Result<Answered, ApiError> {
    let found = service.metrics.timed("read_job", service.store.job_with_answers(id, most)).await?;
    found.filter(|found| caller.may_see(&found.job)).ok_or_else(|| unknown_job(id))
}

/// What a job's nodes said.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/answers",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    responses((status = OK, content_type = "application/vnd.tacit", body = Vec<u8>, description = "A `JobAnswers` frame"), Refusals),
)]
pub async fn answers(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = parse_id("job id", &id)?;
    let frame = frame_of(answered(&service, &caller, &id, u64::MAX).await?)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], frame).into_response())
}

/// A `JobAnswers` frame.
fn frame_of(Answered { job: row, seats, answers }: Answered) -> Result<Vec<u8>, ApiError> {
    let mut given: HashMap<u8, Vec<u8>> = answers.into_iter().map(|a| (a.index, a.answer)).collect();
    let mut answers = Vec::new();
    for seat in seats {
        let outcome = match seat.state {
            SeatState::Answered => Outcome::Answered(stored_answer(given.remove(&seat.index).as_deref())?),
            SeatState::Refused => Outcome::Refused(stored_refusal(seat.refusal.as_deref())?),
            SeatState::Waiting if row.state.has_ended() => Outcome::Lost,
            SeatState::Waiting => match seat.delivery {
                DeliveryState::Lost => Outcome::Lost,
                _ => Outcome::Pending,
            },
        };
        answers.push(NodeAnswer { index: seat.index, outcome });
    }
    Ok(JobAnswers { deal: row.deal, answers }.to_frame())
}

/// A job's proof, where this coordinator assembled it.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/proof",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    responses((status = OK, body = JobProof), Refusals),
)]
pub async fn proof(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<JobProof>, ApiError> {
    let id = parse_id("job id", &id)?;
    let row = known_head(&service, &caller, &id).await?;
    if !row.coordinator_assembles {
        let message = "the client assembles this job: fetch its answers; only the client's key opens them";
        return Err(ApiError::conflict("client_assembles", message));
    }
    match (row.proof, row.failure) {
        (Some(proof), _) => {
            let proof = serde_json::from_str(&proof).map_err(|e| ApiError::internal("reading a proof", e))?;
            Ok(Json(proof))
        }
        (None, Some(failure)) => {
            let body =
                serde_json::from_str(&failure).map_err(|e| ApiError::internal("reading a failure", e))?;
            Err(ApiError { status: StatusCode::CONFLICT, body, retry_after: None })
        }
        (None, None) if row.state == JobState::Expired => Err(ApiError::new(
            StatusCode::GONE,
            "expired",
            Blame::Nobody,
            format!("job {id} expired without a proof"),
        )),
        (None, None) => {
            let message = format!(
                "job {id} has no proof yet; wait with GET /v1/jobs/{id}?wait=30&seen={}",
                row.version
            );
            Err(ApiError::new(StatusCode::CONFLICT, "not_ready", Blame::Nobody, message))
        }
    }
}

/// A job that must be there, and be the caller's to see.
pub async fn known(service: &Service, caller: &Caller, id: &Digest32) -> Result<JobRow, ApiError> {
    let job = service.metrics.timed("read_job", service.store.job(id)).await?;
    seen(job, caller, id)
}

/// As [`known`], for those who want no more than its state: its header is cut off after the dials.
pub async fn known_head(service: &Service, caller: &Caller, id: &Digest32) -> Result<JobRow, ApiError> {
    let job = service.metrics.timed("read_job", service.store.job_head(id)).await?;
    seen(job, caller, id)
}

fn seen(job: Option<JobRow>, caller: &Caller, id: &Digest32) -> Result<JobRow, ApiError> {
    job.filter(|job| caller.may_see(job)).ok_or_else(|| unknown_job(id))
}

fn unknown_job(id: &Digest32) -> ApiError {
    ApiError::not_found("unknown_job", format!("there is no job {id} here"))
}

/// A job as it is answered, which must be there, and be the caller's to see. Those who wait hold no more than this.
pub async fn versioned(service: &Service, caller: &Caller, id: &Digest32) -> Result<Versioned, ApiError> {
    let found = service.metrics.timed("read_job", service.store.job_with_seats(id)).await?;
    let (row, seats) = found.filter(|(job, _)| caller.may_see(job)).ok_or_else(|| unknown_job(id))?;
    Ok(Versioned::of(jobs::status(&row, &seats)?, &row, &seats))
}

fn shares(service: &Service) -> Shares {
    let limits = &service.config.limits;
    Shares {
        jobs: limits.open_jobs,
        jobs_of_one: limits.client_open_jobs,
        bytes: limits.envelope_bytes,
        bytes_of_one: limits.client_envelope_bytes,
    }
}

fn no_room(excess: Excess) -> ApiError {
    match excess {
        Excess::Jobs => ApiError::full("too many jobs are open here; try again later"),
        Excess::Bytes => {
            ApiError::full("the envelopes of open jobs fill what there is for them; try again later")
        }
        Excess::JobsOfOne => {
            ApiError::share("as many jobs of this key are open as one key may have; wait until some end")
        }
        Excess::BytesOfOne => {
            ApiError::share("the envelopes of this key's open jobs fill its share; wait until some end")
        }
    }
}

fn unknown_circuit(id: &Digest32) -> ApiError {
    let message = format!("no circuit {id} is registered here; register its zkey first");
    ApiError::not_found("unknown_circuit", message)
}

fn conflict(deal: &Digest32) -> ApiError {
    let message =
        format!("deal {deal} was submitted before with other contents; every deal needs a fresh nonce");
    ApiError::conflict("conflicting_job", message)
}

fn stored_answer(bytes: Option<&[u8]>) -> Result<Answer, ApiError> {
    let bytes = bytes.ok_or(StoreError::Damaged("an answer"))?;
    Answer::from_body(bytes).map_err(|e| ApiError::internal("reading an answer", e))
}

fn stored_refusal(json: Option<&str>) -> Result<Refusal, ApiError> {
    let json = json.ok_or(StoreError::Damaged("a refusal"))?;
    let info: RefusalInfo =
        serde_json::from_str(json).map_err(|e| ApiError::internal("reading a refusal", e))?;
    Ok(Refusal { code: info.code, blame: info.blame, text: info.text })
}
