//! What a submission must hold, and how a job looks from outside.

use std::collections::HashSet;

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_delegate::encoding::Malformed;
use tacit_delegate::{DealHeader, EncodingError, Handover, header};
use tacit_wire::messages::{Assembler, Delivery, SubmitJob};
use tacit_wire::status::{
    CircuitKind, DeliveryInfo, DeliveryState, DialsInfo, ErrorBody, JobState as PublicState, JobStatus,
    RefusalInfo,
};
use tacit_wire::{Digest32, IdentityKey, PeerMisbehaved};

use crate::error::ApiError;
use crate::service::Service;
use crate::store::{CircuitRow, JobRow, JobState, NewJob, NewSeat, SeatRow, SeatState};

/// What a coordinator needs to know of a deal's header, whatever its curve.
#[derive(Debug, Clone)]
pub struct HeaderFacts {
    /// The deal's name.
    pub deal: Digest32,
    /// The curve.
    pub curve: CurveId,
    /// The circuit.
    pub circuit: Digest32,
    /// The handover's name.
    pub handover: &'static str,
    /// The dials.
    pub dials: tacit_delegate::Dials,
    /// Seats of all groups.
    pub n: u8,
    /// Privacy threshold.
    pub t: u8,
    /// Answers that make a proof.
    pub needed: u8,
    /// Who signs the assignments.
    pub client: IdentityKey,
    /// To which key responses are sealed.
    pub assembler_key: Vec<u8>,
    /// Unix seconds.
    pub expiry: u64,
    /// Public inputs.
    pub n_public: usize,
}

impl HeaderFacts {
    /// Decodes a header with all checks.
    ///
    /// # Errors
    /// A refusal that names the byte.
    pub fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        match header::curve_of(bytes).map_err(bad_header)? {
            CurveId::Bn254 => Self::read_over::<Bn254>(bytes),
            CurveId::Bls12_381 => Self::read_over::<Bls12_381>(bytes),
        }
    }

    fn read_over<C: Curve>(bytes: &[u8]) -> Result<Self, ApiError> {
        let header = DealHeader::<C::Scalar>::decode(bytes).map_err(bad_header)?;
        let deal = Digest32(header.deal_id().0);
        let terms = header.terms;
        Ok(Self {
            deal,
            curve: terms.curve,
            circuit: Digest32(terms.circuit.0),
            handover: terms.dials.handover().name(),
            dials: terms.dials,
            n: terms.dials.seats(),
            t: terms.dials.threshold(),
            needed: terms.dials.answers_needed() * terms.dials.groups(),
            client: IdentityKey(terms.client_key),
            assembler_key: terms.assembler_key,
            expiry: terms.expiry,
            n_public: terms.public.len(),
        })
    }
}

fn bad_header(error: EncodingError) -> ApiError {
    let code = match &error.reason {
        Malformed::Version { .. } => "unsupported_version",
        Malformed::Dials(tacit_delegate::DialsError::NotSupported { .. }) => "unsupported_handover",
        Malformed::Dials(_) => "bad_dials",
        _ => "malformed_header",
    };
    ApiError::unprocessable(code, error)
}

/// Checks a submission against its header, its circuit, the clock and the configured nodes. Takes time with large
/// envelopes: their digests are computed.
///
/// # Errors
/// The first rule that it breaks.
pub fn validate(
    service: &Service,
    header: &HeaderFacts,
    circuit: &CircuitRow,
    submission: Digest32,
    message: SubmitJob,
) -> Result<NewJob, ApiError> {
    let now = service.clock.now();
    check_time(header, now, service.config.limits.deal_seconds)?;
    check_circuit(header, circuit)?;
    let coordinator_assembles = match message.assembler {
        Assembler::Coordinator => true,
        Assembler::Client => false,
        _ => {
            return Err(ApiError::unprocessable("unsupported_assembler", "this assembler is not known here"));
        }
    };
    check_assembler(service, header, coordinator_assembles)?;
    let seats = check_deliveries(service, header, message.deliveries)?;
    Ok(NewJob {
        deal: header.deal,
        submission,
        header: message.header,
        circuit: circuit.id,
        n: header.n,
        t: header.t,
        needed: header.needed,
        handover: header.handover.to_owned(),
        coordinator_assembles,
        expiry: header.expiry,
        seats,
        owner: None,
    })
}

fn check_time(header: &HeaderFacts, now: u64, longest: u64) -> Result<(), ApiError> {
    if header.expiry < now {
        let ago = now - header.expiry;
        let message =
            format!("the deal expired {ago} s ago by this coordinator's clock ({now}); deal afresh");
        return Err(ApiError::unprocessable("expired", message));
    }
    if header.expiry - now > longest {
        let message = format!(
            "the deal expires at {}, more than {longest} s from now ({now}): envelopes are not kept that long",
            header.expiry
        );
        return Err(ApiError::unprocessable("expiry_too_far", message));
    }
    Ok(())
}

fn check_circuit(header: &HeaderFacts, circuit: &CircuitRow) -> Result<(), ApiError> {
    let (is_msm, is_bases) = (header.dials.handover() == Handover::Msm, circuit.kind == CircuitKind::Bases);
    if is_msm != is_bases {
        let message = format!(
            "the handover `{}` is for {}, {} {}",
            header.handover,
            if is_msm { "bases" } else { "circuits" },
            circuit.id,
            if is_bases { "are bases" } else { "is a circuit" },
        );
        return Err(ApiError::unprocessable("circuit_kind", message));
    }
    if header.curve.code() != circuit.curve {
        let message = format!("the deal is over {}, circuit {} over another curve", header.curve, circuit.id);
        return Err(ApiError::unprocessable("curve_mismatch", message));
    }
    if header.n_public as u64 != circuit.n_public {
        let message = format!(
            "the deal has {} public inputs, circuit {} has {}",
            header.n_public, circuit.id, circuit.n_public
        );
        return Err(ApiError::unprocessable("public_inputs", message));
    }
    Ok(())
}

fn check_assembler(service: &Service, header: &HeaderFacts, coordinator: bool) -> Result<(), ApiError> {
    if coordinator && header.dials.handover() == Handover::Msm {
        let message = "with the handover `msm` the client assembles: nobody else can tell a right sum, and the sum is secret";
        return Err(ApiError::unprocessable("unsupported_assembler", message));
    }
    match (coordinator, service.assembler_key(&header.assembler_key)) {
        (true, None) => Err(ApiError::unprocessable(
            "unknown_assembler_key",
            "the coordinator is to assemble, but the deal's assembler key is none of its own: ask GET /v1/network again",
        )),
        (true, Some((_, until))) if until < header.expiry => Err(ApiError::unprocessable(
            "assembler_key_expires",
            format!(
                "the coordinator's assembler key expires at {until}, before the deal does: ask for the current one"
            ),
        )),
        (false, Some(_)) => Err(ApiError::unprocessable(
            "assembler_mismatch",
            "the client is to assemble, but the deal's assembler key is the coordinator's",
        )),
        _ => Ok(()),
    }
}

fn check_deliveries(
    service: &Service,
    header: &HeaderFacts,
    deliveries: Vec<Delivery>,
) -> Result<Vec<NewSeat>, ApiError> {
    if deliveries.len() != usize::from(header.n) {
        let message = format!("the deal is for {} nodes, {} envelopes came", header.n, deliveries.len());
        return Err(ApiError::unprocessable("committee_size", message));
    }
    let mut nodes = HashSet::new();
    let mut seats = Vec::with_capacity(deliveries.len());
    for (place, delivery) in (1..=header.n).zip(deliveries) {
        let seat = check_delivery(service, header, delivery)?;
        if seat.index != place {
            let message = format!("delivery {place} is for place {}: places stand in order", seat.index);
            return Err(ApiError::unprocessable("committee_order", message));
        }
        if !nodes.insert(seat.node) {
            let node = seat.node;
            let message = format!("node {node} has two seats: together their shares are worth two nodes'");
            return Err(ApiError::unprocessable("duplicate_node", message));
        }
        seats.push(seat);
    }
    Ok(seats)
}

/// One delivery: of this deal, for a place that it has, to a node that is known here, with the envelope that the client signed for.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_delivery(
    service: &Service,
    header: &HeaderFacts,
    Delivery { assignment, envelope }: Delivery,
) -> Result<NewSeat, ApiError> {
    let Some(place) = assignment.place(header.dials) else {
        let seat = &assignment.assignment.seat;
        let message = format!(
            "the deal has no place for group {}, slice {}, index {}",
            seat.group, seat.slice, seat.index
        );
        return Err(ApiError::unprocessable("no_such_place", message));
    };
    let node = assignment.node();
    if assignment.deal() != header.deal {
        return Err(PeerMisbehaved::WrongDeal { expected: header.deal, got: assignment.deal() }.into());
    }
    if service.registry.name_of(&node).is_none() {
        let message = format!("place {place} is assigned to {node}, which is no node of this coordinator");
        return Err(ApiError::unprocessable("unknown_node", message));
    }
    assignment.verify_envelope(&header.client, &envelope)?;
    Ok(NewSeat { index: place, node, assignment: assignment.encode(), envelope })
}

/// A job as clients see it.
///
/// # Errors
/// When a stored text does not parse.
pub fn status(row: &JobRow, seats: &[SeatRow]) -> Result<JobStatus, ApiError> {
    let nodes = seats.iter().map(|s| delivery(row, s)).collect::<Result<Vec<_>, _>>()?;
    let begun = nodes.iter().any(|n| n.state != DeliveryState::Waiting);
    let state = match row.state {
        JobState::Open if begun => PublicState::Running,
        JobState::Open => PublicState::Queued,
        JobState::Ready => PublicState::Answered,
        JobState::Done if row.coordinator_assembles => PublicState::Proved,
        JobState::Done => PublicState::Answered,
        JobState::Failed => PublicState::Failed,
        JobState::Expired => PublicState::Expired,
    };
    let error = row.failure.as_deref().map(parse::<ErrorBody>).transpose()?;
    let dials = header::dials_of(&row.header).map_err(|e| ApiError::internal("reading its database", e))?;
    Ok(JobStatus {
        id: row.deal,
        state,
        circuit: row.circuit,
        dials: DialsInfo {
            n: dials.nodes(),
            t: dials.threshold(),
            groups: dials.groups(),
            handover: row.handover.clone(),
        },
        created: row.created_at,
        expires: row.expiry,
        nodes,
        assembler: if row.coordinator_assembles { Assembler::Coordinator } else { Assembler::Client },
        error,
    })
}

fn delivery(row: &JobRow, seat: &SeatRow) -> Result<DeliveryInfo, ApiError> {
    let state = match seat.state {
        SeatState::Answered => DeliveryState::Answered,
        SeatState::Refused => DeliveryState::Refused,
        SeatState::Waiting if row.state.has_ended() => DeliveryState::Lost,
        SeatState::Waiting => seat.delivery,
    };
    Ok(DeliveryInfo {
        index: seat.index,
        identity: seat.node,
        state,
        envelope_bytes: seat.envelope_bytes,
        response_bytes: seat.answer_bytes,
        refusal: seat.refusal.as_deref().map(parse::<RefusalInfo>).transpose()?,
        contradicted: seat.contradicted,
    })
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    serde_json::from_str(json).map_err(|e| ApiError::internal("reading its database", e))
}

/// JSON of a failure, as the database keeps it.
pub fn failure(code: &str, blame: tacit_wire::Blame, message: impl ToString) -> String {
    let body = ErrorBody { code: code.to_owned(), message: message.to_string(), blame };
    serde_json::to_string(&body).unwrap_or_default()
}
