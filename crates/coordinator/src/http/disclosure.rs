//! Who saw what of one job: the table of the page `what-each-party-sees`, with this job's parties and sizes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use tacit_wire::status::DeliveryState;
use tacit_wire::{Digest32, IdentityKey};

use super::auth::Caller;
use super::jobs::known;
use super::openapi::Refusals;
use super::parse_id;
use crate::error::ApiError;
use crate::jobs::{self, HeaderFacts};
use crate::service::Service;
use crate::store::{JobState, SeatState};

/// Who saw what of a job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Disclosure {
    /// The job.
    id: Digest32,
    /// What is shared: `witness`, `quotient` or `msm`.
    handover: String,
    /// So many nodes of each group learn nothing together.
    threshold: u8,
    /// Public inputs and outputs.
    public_inputs: usize,
    /// Every party.
    parties: Vec<Party>,
}

/// One party of a job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Party {
    /// What it is in the job.
    role: PartyRole,
    /// What it is called.
    name: String,
    /// Who runs it, where the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    /// Its identity, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityKey>,
    /// Its place in the deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u8>,
    /// Whether its place was given to another node.
    replaced: bool,
    /// What it saw, or holds sealed.
    sees: Vec<Seen>,
}

/// What a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartyRole {
    /// Dealt the witness.
    Client,
    /// Relays.
    Coordinator,
    /// Answers for one share.
    Node,
}

/// One thing that a party saw.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Seen {
    /// Which thing.
    what: Thing,
    /// Whether in the clear, sealed so that the party cannot open it, or not at all.
    how: How,
    /// How large it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// Things that parties see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// All private wires.
    Witness,
    /// Public inputs, circuit, dials, committee.
    PublicInputs,
    /// One share of the witness, in the package of one place.
    WitnessShare,
    /// What a node answered.
    Response,
    /// The proof, or with `msm` the sum.
    Proof,
}

/// How a party saw a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// In the clear.
    Clear,
    /// Sealed to somebody else.
    Sealed,
    /// Not yet, and perhaps never.
    Pending,
    /// Never.
    Never,
}

/// Answers from the database: the coordinator says what the protocol lets each party see, not what happened elsewhere.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/disclosure",
    tag = "jobs",
    params(("id" = Digest32, Path, description = "The job")),
    responses((status = OK, body = Disclosure), Refusals),
)]
pub async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Disclosure>, ApiError> {
    let id = parse_id("job id", &id)?;
    let row = known(&service, &caller, &id).await?;
    let seats = service.store.seats(&id).await?;
    let header = HeaderFacts::read(&row.header)?;
    let status = jobs::status(&row, &seats)?;
    let is_sum = row.handover == "msm";
    let enough = matches!(row.state, JobState::Ready | JobState::Done);
    let sum = |bytes: &mut dyn Iterator<Item = u64>| bytes.fold(0u64, u64::saturating_add);
    let envelopes = sum(&mut seats.iter().map(|s| s.envelope_bytes));
    let answers = sum(&mut seats.iter().map(|s| s.answer_bytes));
    let inputs = Seen { what: Thing::PublicInputs, how: How::Clear, bytes: Some(row.header.len() as u64) };
    let seen = |what, how, bytes| Seen { what, how, bytes };
    let proof = |how| if enough { how } else { How::Pending };
    let assembles = row.coordinator_assembles;
    let clear_if = |condition| if condition { How::Clear } else { How::Sealed };

    let mut parties = vec![
        Party {
            role: PartyRole::Client,
            name: "client".to_owned(),
            operator: None,
            identity: Some(header.client),
            place: None,
            replaced: false,
            sees: vec![
                seen(Thing::Witness, How::Clear, None),
                Seen { ..inputs },
                seen(Thing::WitnessShare, How::Clear, Some(envelopes)),
                seen(Thing::Response, if answers == 0 { How::Pending } else { clear_if(!assembles) }, None),
                seen(Thing::Proof, proof(How::Clear), None),
            ],
        },
        Party {
            role: PartyRole::Coordinator,
            name: "coordinator".to_owned(),
            operator: None,
            identity: Some(service.identity.key()),
            place: None,
            replaced: false,
            sees: vec![
                seen(Thing::Witness, How::Never, None),
                seen(Thing::PublicInputs, How::Clear, inputs.bytes),
                seen(Thing::WitnessShare, How::Sealed, Some(envelopes)),
                seen(
                    Thing::Response,
                    if answers == 0 { How::Pending } else { clear_if(assembles) },
                    Some(answers),
                ),
                seen(
                    Thing::Proof,
                    if assembles && !is_sum { proof(How::Clear) } else { How::Never },
                    row.proof.as_ref().map(|p| p.len() as u64),
                ),
            ],
        },
    ];
    let held = service.store.holders(&id).await?;
    let replaced = held.iter().filter(|h| !seats.iter().any(|s| s.node == h.node)).map(|h| (h.node, h.place));
    let current = seats.iter().map(|s| (s.node, s.index));
    for (node, place) in current.chain(replaced) {
        let seat = seats.iter().find(|s| s.node == node);
        let known = service.config.nodes.iter().find(|n| n.identity == node);
        let delivery = status.nodes.iter().find(|d| d.identity == node).map(|d| d.state);
        // Whoever was ever offered a package, or may have been, counts as having seen it, whatever became of the offer.
        let offered = held.iter().any(|h| h.node == node && h.offered);
        let got = offered || !matches!(delivery, Some(DeliveryState::Waiting));
        let answered = seat.is_some_and(|s| s.state == SeatState::Answered);
        let on_its_way = |is| {
            if is {
                How::Clear
            } else if row.state.has_ended() {
                How::Never
            } else {
                How::Pending
            }
        };
        parties.push(Party {
            role: PartyRole::Node,
            name: known.map_or_else(|| node.to_string(), |n| n.name.clone()),
            operator: known.map(|n| n.operator.clone()),
            identity: Some(node),
            place: Some(place),
            replaced: seat.is_none(),
            sees: vec![
                seen(Thing::Witness, How::Never, None),
                seen(Thing::PublicInputs, on_its_way(got), inputs.bytes),
                seen(Thing::WitnessShare, on_its_way(got), seat.map(|s| s.envelope_bytes)),
                seen(Thing::Response, on_its_way(answered), seat.map(|s| s.answer_bytes).filter(|b| *b > 0)),
                seen(Thing::Proof, How::Never, None),
            ],
        });
    }
    Ok(Json(Disclosure {
        id,
        handover: row.handover.clone(),
        threshold: row.t,
        public_inputs: header.n_public,
        parties,
    }))
}
