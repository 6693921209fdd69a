//! Nodes that gave two different answers to one assignment: both, and the evidence where it can be made here.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use tacit_wire::envelope::open_response;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Answer;
use tacit_wire::status::{Contradiction, Contradictions};
use tacit_wire::{Digest32, Evidence, SealingKeyPair, SignedAssignment};

use super::auth::Caller;
use super::jobs::known;
use super::openapi::Refusals;
use super::parse_id;
use crate::error::ApiError;
use crate::jobs::HeaderFacts;
use crate::service::Service;
use crate::store::StoreError;

/// A job's nodes that gave two different answers.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/contradictions",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    responses((status = OK, body = Contradictions), Refusals),
)]
pub async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Contradictions>, ApiError> {
    let id = parse_id("job id", &id)?;
    let row = known(&service, &caller, &id).await?;
    let found = service.store.contradictions(&id).await?;
    if found.is_empty() {
        return Ok(Json(Contradictions { id, contradictions: Vec::new() }));
    }
    // Gone with its expiry: then the answers speak for themselves to whoever can open them.
    let opener = HeaderFacts::read(&row.header).ok().filter(|_| row.coordinator_assembles);
    let opener = opener.and_then(|header| service.assembler_key(&header.assembler_key)).map(|(key, _)| key);
    let mut contradictions = Vec::with_capacity(found.len());
    for (first, identity, second) in found {
        let assignment =
            SignedAssignment::decode(&first.assignment).map_err(|_| StoreError::Damaged("an assignment"))?;
        let answers = [&first.answer, &second];
        let evidence = match answers.map(|bytes| Answer::from_body(bytes)) {
            [Ok(one), Ok(other)] => evidence(&row.header, &assignment, [one, other], opener.as_ref()),
            _ => return Err(StoreError::Damaged("an answer").into()),
        };
        let evidence = evidence.and_then(|evidence| serde_json::from_str(&evidence.to_json()).ok());
        let answers = answers.map(hex::encode);
        contradictions.push(Contradiction { index: first.index, identity, answers, evidence });
    }
    Ok(Json(Contradictions { id, contradictions }))
}

/// What the two answers show to others; nothing if that is hidden under a seal.
fn evidence(
    header: &[u8],
    assignment: &SignedAssignment,
    [one, other]: [Answer; 2],
    opener: Option<&SealingKeyPair>,
) -> Option<Evidence> {
    if one.acknowledgement.acknowledgement != other.acknowledgement.acknowledgement {
        return Some(Evidence::contradicting_acknowledgements(
            header.to_vec(),
            assignment.clone(),
            [one.acknowledgement, other.acknowledgement],
        ));
    }
    let open = |answer: &Answer| {
        open_response(opener?, &assignment.assignment, &answer.acknowledgement, &answer.response).ok()
    };
    let (first, second) = (open(&one)?, open(&other)?);
    // The same response sealed twice is none.
    (first.response != second.response).then(|| {
        Evidence::contradicting_responses(
            header.to_vec(),
            assignment.clone(),
            one.acknowledgement,
            [first, second],
        )
    })
}
