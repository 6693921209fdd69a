use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tacit_wire::status::{HexCertificate, NetworkInfo};
use tacit_wire::{Blame, PROTOCOL_VERSION};

use crate::SOFTWARE;
use crate::error::ApiError;
use crate::service::Service;

pub async fn healthz(State(service): State<Arc<Service>>) -> Result<&'static str, ApiError> {
    service.store.ping().await.map_err(|_| {
        let message = "the database does not answer";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", Blame::Coordinator, message)
    })?;
    Ok("ok\n")
}

/// The longest body that [`line`] takes.
const LINE_BYTES: usize = 1 << 20;

/// Takes a body and drops it, piece by piece: a client that times this knows how fast it can upload.
pub async fn line(State(service): State<Arc<Service>>, body: Body) -> Result<StatusCode, ApiError> {
    let time = Duration::from_secs(service.config.limits.upload_seconds);
    let received = tokio::time::timeout(time, async {
        let mut pieces = body.into_data_stream();
        let mut left = LINE_BYTES;
        while let Some(piece) = pieces.next().await {
            let piece = piece
                .map_err(|e| ApiError::bad_request("broken_body", format!("the upload broke off: {e}")))?;
            left = left
                .checked_sub(piece.len())
                .ok_or_else(|| ApiError::too_large("a measurement of the line", LINE_BYTES))?;
        }
        Ok(StatusCode::NO_CONTENT)
    });
    received.await.map_err(|_| {
        let message = format!("the upload took longer than {} seconds", time.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", Blame::Client, message)
    })?
}

pub async fn info(State(service): State<Arc<Service>>) -> Result<Json<NetworkInfo>, ApiError> {
    Ok(Json(NetworkInfo {
        protocol_version: PROTOCOL_VERSION,
        software: SOFTWARE.to_owned(),
        coordinator: service.identity.key(),
        assembler_certificate: service.assembler_certificate().as_ref().map(HexCertificate::from),
        nodes: service.nodes().await?,
    }))
}
