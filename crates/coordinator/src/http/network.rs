use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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

pub async fn info(State(service): State<Arc<Service>>) -> Json<NetworkInfo> {
    Json(NetworkInfo {
        protocol_version: PROTOCOL_VERSION,
        software: SOFTWARE.to_owned(),
        coordinator: service.identity.key(),
        assembler_certificate: service.assembler_certificate().as_ref().map(HexCertificate::from),
        nodes: service.registry.list(),
    })
}
