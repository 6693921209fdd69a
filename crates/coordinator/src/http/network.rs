use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tacit_wire::PROTOCOL_VERSION;
use tacit_wire::status::{HexCertificate, NetworkInfo};

use super::openapi::Refusals;
use crate::SOFTWARE;
use crate::error::ApiError;
use crate::service::Service;

/// The longest body that [`line`] takes.
const LINE_BYTES: usize = 1 << 20;

/// Takes a body and drops it, piece by piece: a client that times this knows how fast it can upload.
#[utoipa::path(
    post,
    path = "/v1/line",
    tag = "network",
    request_body(content = Option<Vec<u8>>, content_type = "application/octet-stream"),
    responses((status = NO_CONTENT), Refusals),
)]
pub async fn line(State(service): State<Arc<Service>>, body: Body) -> Result<StatusCode, ApiError> {
    let mut pieces = service.intake.pace().keep(body, "a measurement of the line");
    let mut left = LINE_BYTES;
    while let Some(piece) = pieces.next().await {
        left = left
            .checked_sub(piece?.len())
            .ok_or_else(|| ApiError::too_large("a measurement of the line", LINE_BYTES))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The coordinator, its assembler key, its nodes and their sealing keys.
#[utoipa::path(
    get,
    path = "/v1/network",
    tag = "network",
    responses((status = OK, body = NetworkInfo), Refusals),
)]
pub async fn info(State(service): State<Arc<Service>>) -> Result<Json<NetworkInfo>, ApiError> {
    Ok(Json(NetworkInfo {
        protocol_version: PROTOCOL_VERSION,
        software: SOFTWARE.to_owned(),
        coordinator: service.identity.key(),
        assembler_certificate: service.assembler_certificate().as_ref().map(HexCertificate::from),
        nodes: service.nodes().await?,
    }))
}
