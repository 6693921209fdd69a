use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tacit_algebra::CurveId;
use tacit_wire::status::CircuitInfo;
use tacit_wire::{Blame, Digest32};
use tokio_util::io::ReaderStream;

use super::auth::Caller;
use super::openapi::Refusals;
use super::parse_id;
use crate::circuits::Incoming;
use crate::error::ApiError;
use crate::limits::{NoPlace, Place, too_many};
use crate::metrics::Upload;
use crate::service::Service;
use crate::store::{CircuitRow, CircuitShare, CircuitShares, Registration, Removal};

/// How often a file is put into the database that is removed there at the same time.
const PUBLISH: usize = 3;

/// Registered circuits and bases.
#[utoipa::path(
    get,
    path = "/v1/circuits",
    tag = "circuits",
    responses((status = OK, body = Vec<CircuitInfo>), Refusals),
)]
pub async fn list(State(service): State<Arc<Service>>) -> Result<Json<Vec<CircuitInfo>>, ApiError> {
    let circuits = service.store.circuits().await?;
    Ok(Json(circuits.iter().map(info).collect()))
}

/// One of them.
#[utoipa::path(
    get,
    path = "/v1/circuits/{id}",
    tag = "circuits",
    params(("id" = Digest32, Path, description = "The circuit, or the bases")),
    responses((status = OK, body = CircuitInfo), Refusals),
)]
pub async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<CircuitInfo>, ApiError> {
    Ok(Json(info(&known(&service, &id).await?)))
}

/// Registers a proving key, or bases: the id is computed again from the file.
#[utoipa::path(
    put,
    path = "/v1/circuits/{id}",
    tag = "circuits",
    params(("id" = Digest32, Path, description = "The circuit, or the bases")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = CREATED, body = CircuitInfo), (status = OK, body = CircuitInfo, description = "It was registered before"), Refusals),
)]
pub async fn put(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<CircuitInfo>), ApiError> {
    let id = parse_id("circuit id", &id)?;
    if let Some(circuit) = service.store.circuit(&id).await? {
        // The name is the content's digest, so there is nothing to compare.
        return Ok((StatusCode::OK, Json(info(&circuit))));
    }
    let shares = shares(&service, &caller)?;
    let announced = announced(&headers).unwrap_or(0);
    admitted(service.store.room_for_circuit(caller.key, shares, announced).await?)?;
    let _place = upload_place(&service, &caller)?;
    let incoming =
        receive(&service, Upload::Circuit, &headers, body, service.config.limits.zkey_bytes).await?;
    let _turn = turn(&service).await?;
    // Registered meanwhile: its file stays. Another one of the same name, with other contributions, would take its place.
    if let Some(circuit) = service.store.circuit(&id).await? {
        return Ok((StatusCode::OK, Json(info(&circuit))));
    }
    let file = incoming.digest;
    let checked = service
        .blocking("checking an upload", move |s| {
            let checked = s.circuits.check(&incoming, &id, s.clock.now())?;
            s.circuits.keep(incoming, &checked)?;
            Ok(checked)
        })
        .await?;
    // What is registered is at hand: its bytes before its row.
    let path = service.circuits.path_of(&id, checked.row.kind);
    let key = checked.verification_key.as_deref();
    let mut registered = Registration::Incomplete;
    for _ in 0..PUBLISH {
        service.circuits.publish(&service.store, &path, &file, service.clock.now()).await?;
        registered = service.store.register_circuit(&checked.row, key, caller.key, shares).await?;
        if registered != Registration::Incomplete {
            break;
        }
    }
    if !matches!(registered, Registration::New | Registration::Known) {
        service.circuits.forget(&id).await;
    }
    let new = admitted(registered)?;
    if !new {
        service.circuits.yield_to(&known(&service, &id.to_string()).await?, &file)?;
    }
    let row = checked.row;
    tracing::info!(circuit = %id, kind = ?row.kind, bytes = row.zkey_bytes, n_wires = row.n_wires, "circuit registered");
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(info(&row))))
}

/// Forgets a circuit, or bases, that no open job needs: whoever registered it may, and operators. Jobs that have ended keep its
/// name.
#[utoipa::path(
    delete,
    path = "/v1/circuits/{id}",
    tag = "circuits",
    params(("id" = Digest32, Path, description = "The circuit, or the bases")),
    responses((status = NO_CONTENT), Refusals),
)]
pub async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = parse_id("circuit id", &id)?;
    // A key of the role client without a number there is not: -1 is nobody's.
    let by = (!caller.sees_all).then(|| caller.key.unwrap_or(-1));
    match service.store.remove_circuit(&id, by, service.clock.now()).await? {
        Removal::Done => {
            tracing::info!(circuit = %id, "circuit removed");
            service.forget_circuit(id);
            Ok(StatusCode::NO_CONTENT)
        }
        Removal::Needed(jobs) => {
            let message = format!(
                "circuit {id} is needed by {jobs} jobs that have not ended; remove it when they have, or cancel them"
            );
            Err(ApiError::conflict("circuit_in_use", message))
        }
        Removal::NotYours => {
            let message =
                format!("circuit {id} was registered by another key, which may remove it, as operators may");
            Err(ApiError::new(StatusCode::FORBIDDEN, "not_yours", Blame::Client, message))
        }
        Removal::Unknown => Err(unknown(&id)),
    }
}

/// Registers a circuit's constraint system. The first one stays.
#[utoipa::path(
    put,
    path = "/v1/circuits/{id}/r1cs",
    tag = "circuits",
    params(("id" = Digest32, Path, description = "The circuit, or the bases")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = CREATED), (status = OK, description = "It was registered before"), Refusals),
)]
pub async fn put_r1cs(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let circuit = known(&service, &id).await?;
    let shares = shares(&service, &caller)?;
    let _place = upload_place(&service, &caller)?;
    let incoming = receive(&service, Upload::R1cs, &headers, body, service.config.limits.r1cs_bytes).await?;
    let (digest, bytes) = (incoming.digest, incoming.bytes);
    let _turn = turn(&service).await?;
    // Under the turn: two uploads cannot interleave between this look and the rename.
    match known(&service, &circuit.id.to_string()).await?.r1cs {
        Some((known, _)) if known == digest => return Ok(StatusCode::OK),
        Some(_) => {
            let message = format!("circuit {} has another constraint system already", circuit.id);
            return Err(ApiError::conflict("r1cs_conflict", message));
        }
        None => {}
    }
    let id = circuit.id;
    service
        .blocking("checking a constraint system", move |s| {
            s.circuits.check_r1cs(&incoming, &circuit)?;
            s.circuits.keep_r1cs(incoming, &circuit.id)
        })
        .await?;
    let path = service.circuits.r1cs_path(&id);
    let mut set = Registration::Incomplete;
    for _ in 0..PUBLISH {
        service.circuits.publish(&service.store, &path, &digest, service.clock.now()).await?;
        set = service.store.set_r1cs(&id, &digest, bytes, shares).await?;
        if set != Registration::Incomplete {
            break;
        }
    }
    if set != Registration::Known {
        if set != Registration::New {
            service.circuits.forget_r1cs(&id)?;
        }
        admitted(set)?;
    } else if known(&service, &id.to_string()).await?.r1cs.is_none_or(|(known, _)| known != digest) {
        // Another coordinator registered another one in the meantime: that one stays.
        service.circuits.forget_r1cs(&id)?;
        let message = format!("circuit {id} has another constraint system already");
        return Err(ApiError::conflict("r1cs_conflict", message));
    }
    tracing::info!(circuit = %id, bytes, "constraint system registered");
    Ok(StatusCode::CREATED)
}

/// A circuit's constraint system.
#[utoipa::path(
    get,
    path = "/v1/circuits/{id}/r1cs",
    tag = "circuits",
    params(("id" = Digest32, Path, description = "The circuit, or the bases")),
    responses((status = OK, content_type = "application/octet-stream", body = Vec<u8>), Refusals),
)]
pub async fn show_r1cs(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let circuit = known(&service, &id).await?;
    let Some((digest, bytes)) = circuit.r1cs else {
        let message = format!("no constraint system is registered with circuit {}", circuit.id);
        return Err(ApiError::not_found("no_r1cs", message));
    };
    service.circuits.ensure_r1cs(&service.store, &circuit.id, &digest, bytes).await?;
    let file = service.circuits.open_r1cs(&circuit.id).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(file, 1 << 16))).into_response())
}

/// A circuit that must be there.
async fn known(service: &Service, id: &str) -> Result<CircuitRow, ApiError> {
    let id: Digest32 = parse_id("circuit id", id)?;
    let circuit = service.store.circuit(&id).await?;
    circuit.ok_or_else(|| unknown(&id))
}

fn unknown(id: &Digest32) -> ApiError {
    ApiError::not_found("unknown_circuit", format!("no circuit {id} is registered here"))
}

/// How many circuits there may be, and of the caller.
fn shares(service: &Service, caller: &Caller) -> Result<CircuitShares, ApiError> {
    let limits = &service.config.limits;
    let all = CircuitShare { circuits: limits.circuits, bytes: limits.circuit_bytes };
    if caller.sees_all {
        return Ok(CircuitShares { all, of_one: None });
    }
    if limits.client_circuits == 0 {
        let message = "circuits are registered by this coordinator's operators alone: ask one of them";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "operators_only", Blame::Client, message));
    }
    let of_one = CircuitShare { circuits: limits.client_circuits, bytes: limits.client_circuit_bytes };
    Ok(CircuitShares { all, of_one: Some(of_one) })
}

/// Whether it is new.
fn admitted(registration: Registration) -> Result<bool, ApiError> {
    match registration {
        Registration::New => Ok(true),
        Registration::Known => Ok(false),
        Registration::Full => Err(ApiError::full(
            "this coordinator keeps no more circuits, or none so large; its operator can remove some, or raise limits.circuits and limits.circuit_bytes",
        )),
        Registration::Incomplete => Err(ApiError::full(
            "the circuit was removed again and again while it was registered; try again later",
        )),
        Registration::Share => Err(ApiError::share(
            "this key has registered as many circuits as one key may, or as large ones; remove one, or ask the operator to raise \
             limits.client_circuits and limits.client_circuit_bytes",
        )),
    }
}

async fn turn(service: &Service) -> Result<tokio::sync::SemaphorePermit<'_>, ApiError> {
    service.checking.acquire().await.map_err(|e| ApiError::internal("waiting to check an upload", e))
}

async fn receive(
    service: &Service,
    kind: Upload,
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<Incoming, ApiError> {
    let what = if kind == Upload::R1cs { "the constraint system" } else { "the file" };
    // A claimed length saves both sides an upload that would be refused; it is not trusted otherwise.
    if announced(headers).is_some_and(|c| c > limit) {
        return Err(ApiError::too_large(what, limit));
    }
    let pieces = service.intake.pace().keep(body, what);
    let received = service.circuits.receive(what, pieces, limit).await;
    service.metrics.upload(kind, received.as_ref().ok().map(|i| i.bytes));
    received
}

/// How long a body is, as its sender says.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok())
}

/// A place among those that upload: what is uploaded is on disk before it is checked.
fn upload_place(service: &Service, caller: &Caller) -> Result<Place, ApiError> {
    service.usage.uploads.take(std::slice::from_ref(&caller.client)).map_err(|problem| match problem {
        NoPlace::Full => {
            ApiError::full("too many circuits are being uploaded at the moment; try again later")
        }
        NoPlace::Share => too_many(
            "too_many_uploads",
            "this client uploads other circuits at the moment; one after the other",
        ),
    })
}

fn info(row: &CircuitRow) -> CircuitInfo {
    CircuitInfo {
        id: row.id,
        kind: row.kind,
        curve: CurveId::from_code(row.curve).map_or("unknown", CurveId::snarkjs_name).to_owned(),
        n_wires: row.n_wires,
        n_public: row.n_public,
        log_domain: row.log_domain,
        bytes: row.zkey_bytes,
        has_r1cs: row.r1cs.is_some(),
    }
}
