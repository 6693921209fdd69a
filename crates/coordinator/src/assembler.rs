//! Assembles the jobs whose clients left that to the coordinator. The key used here opens responses that were sealed
//! to it, and no share.

use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_circom::{VerificationKey, public};
use tacit_delegate::{self as delegate, AssembleError, Culprit, DealHeader, header};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Answer;
use tacit_wire::status::JobProof;
use tacit_wire::{Blame, Digest32, SealingKeyPair, SignedAssignment, envelope};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::error::ApiError;
use crate::jobs;
use crate::metrics::Ended;
use crate::service::Service;
use crate::store::{AnswerRow, Answered, JobRow, JobState, SeatState};

/// Jobs assembled at a time, at most: each takes a core, and its answers' memory.
const AT_A_TIME: usize = 4;
/// For how long a job is one coordinator's to assemble; another may try after that. A proof takes seconds at most.
const LEASE: Duration = Duration::from_secs(60);
/// How often jobs are looked for whose lease has ended.
const LOOK: Duration = Duration::from_secs(30);

/// Assembles what is ready until shutdown. The database is the queue.
pub async fn run(service: Arc<Service>) {
    let places = std::thread::available_parallelism().map_or(1, usize::from).min(AT_A_TIME);
    let mut running = JoinSet::new();
    loop {
        if running.len() < places {
            match service.store.take_to_assemble(places - running.len(), LEASE).await {
                Ok(jobs) => {
                    for deal in jobs {
                        let service = Arc::clone(&service);
                        running.spawn(async move {
                            if let Err(error) = one(&service, deal).await {
                                // Its answers are stored, and its lease ends: then it is tried again, here or elsewhere.
                                let body = error.body;
                                tracing::error!(job = %deal, code = body.code, message = body.message, "assembling failed");
                            }
                        });
                    }
                }
                Err(error) => tracing::error!(%error, "cannot look for jobs to assemble"),
            }
        }
        tokio::select! {
            () = service.shutdown.cancelled() => return,
            Some(_) = running.join_next(), if !running.is_empty() => {}
            () = service.assemble.notified() => {}
            () = sleep(LOOK) => {}
        }
    }
}

async fn one(service: &Arc<Service>, deal: Digest32) -> Result<(), ApiError> {
    let Some(row) = service.store.job(&deal).await? else { return Ok(()) };
    if row.state != JobState::Ready || !row.coordinator_assembles {
        return Ok(());
    }
    // An answer that comes after this makes the version old, and the job is tried again.
    let Some(Answered { job: head, seats, answers }) =
        service.store.job_with_answers(&deal, u64::MAX).await?
    else {
        return Ok(());
    };
    let version = head.version;
    let waiting = seats.iter().any(|s| s.state == SeatState::Waiting);
    let vk = match service.store.verification_key(&row.circuit).await? {
        Some(json) => json.into_bytes(),
        None => service
            .circuits
            .read_verification_key(&row.circuit)
            .map_err(|e| ApiError::internal("reading a verification key", e))?,
    };
    let header = &row.header;
    if service.assembler_key(&jobs::HeaderFacts::read(header)?.assembler_key).is_none() {
        service.reload_assembler_keys().await;
    }
    let result =
        service.blocking("assembling a proof", move |s| Ok(try_assemble(s, &row, &vk, &answers))).await?;
    let now = service.clock.now();
    let how = if result.is_ok() { Ended::Proved } else { Ended::Failed };
    let ended = match result {
        Ok(proof) => service.store.finish(&deal, version, Ok(&proof), now).await?,
        Err(failure) if waiting => {
            tracing::info!(job = %deal, reason = failure.body.message, "no proof yet, waiting for more answers");
            service.store.assembled(&deal, version).await?;
            false
        }
        Err(failure) => {
            let failure = jobs::failure(&failure.body.code, failure.body.blame, failure.body.message);
            let ended = service.store.finish(&deal, version, Err(&failure), now).await?;
            if !ended {
                // Something came in meanwhile: with that it is worth another try.
                service.store.assembled(&deal, version).await?;
                service.assemble.notify_one();
            }
            ended
        }
    };
    if ended {
        service.metrics.job_ended(&deal, how);
        service.changed(&deal);
        tracing::info!(job = %deal, "job assembled");
    }
    Ok(())
}

fn try_assemble(service: &Service, row: &JobRow, vk: &[u8], given: &[AnswerRow]) -> Result<String, ApiError> {
    let curve = header::curve_of(&row.header).map_err(|e| ApiError::internal("reading a header", e))?;
    match curve {
        CurveId::Bn254 => try_over::<Bn254>(service, row, vk, given),
        CurveId::Bls12_381 => try_over::<Bls12_381>(service, row, vk, given),
    }
}

fn try_over<C: Curve>(
    service: &Service,
    row: &JobRow,
    vk: &[u8],
    given: &[AnswerRow],
) -> Result<String, ApiError> {
    let header = DealHeader::<C::Scalar>::decode(&row.header)
        .map_err(|e| ApiError::internal("reading a header", e))?;
    let (key, _) = service.assembler_key(&header.terms.assembler_key).ok_or_else(|| {
        let message = "the assembler key of this deal is gone: it expired, or this coordinator was restored from a copy";
        ApiError::unprocessable("assembler_key_gone", message)
    })?;
    let vk = VerificationKey::<C>::from_json(vk)
        .map_err(|e| ApiError::internal("reading a verification key", e))?;

    let mut answers = Vec::new();
    let mut unusable = Vec::new();
    for seat in given {
        match open::<C>(&key, seat) {
            Ok(answer) => answers.push(answer),
            Err(problem) => unusable.push(format!("node {}: {problem}", seat.index)),
        }
    }
    let assembled = delegate::assemble(&vk, &header, &answers).map_err(|e| refused(&e, &unusable))?;
    for index in &assembled.suspects {
        tracing::warn!(job = %row.deal, index, "this node's answer does not agree with those that gave the proof");
    }
    let json =
        |text: String| serde_json::from_str(&text).map_err(|e| ApiError::internal("writing a proof", e));
    let proof = JobProof {
        id: row.deal,
        proof: json(assembled.proof.to_json())?,
        public: json(public::to_json(&header.terms.public))?,
    };
    serde_json::to_string(&proof).map_err(|e| ApiError::internal("writing a proof", e))
}

fn open<C: Curve>(key: &SealingKeyPair, seat: &AnswerRow) -> Result<delegate::Answer<C>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let signed = SignedAssignment::decode(&seat.assignment).map_err(|e| text(&e))?;
    let answer = Answer::from_body(&seat.answer).map_err(|e| text(&e))?;
    let response =
        envelope::open_response(key, &signed.assignment, &answer.acknowledgement, &answer.response)
            .map_err(|e| text(&e))?;
    delegate::Answer::decode(seat.index, &response.response).map_err(|e| text(&e))
}

fn refused(error: &AssembleError, unusable: &[String]) -> ApiError {
    let code = match error {
        AssembleError::TooFew { .. } => "too_few_answers",
        AssembleError::Invalid { .. } => "invalid_proof",
        AssembleError::Contradiction { .. } => "contradicting_answers",
        _ => "not_assembled",
    };
    let culprits = error.culprits();
    let blame = match culprits.first() {
        Some(Culprit::Client) => Blame::Client,
        Some(Culprit::Coordinator) => Blame::Coordinator,
        Some(Culprit::Node(_)) => Blame::Node,
        _ if !unusable.is_empty() => Blame::Node,
        _ => Blame::Nobody,
    };
    let mut message = error.to_string();
    if !unusable.is_empty() {
        message.push_str("; unusable answers: ");
        message.push_str(&unusable.join("; "));
    }
    let mut refusal = ApiError::unprocessable(code, message);
    refusal.body.blame = blame;
    refusal
}
