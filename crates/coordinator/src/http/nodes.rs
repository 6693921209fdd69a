//! The nodes with their health and load, for operators.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use tacit_wire::{Digest32, IdentityKey};

use super::auth::Caller;
use super::openapi::Refusals;
use crate::error::ApiError;
use crate::service::Service;

/// A node as its coordinator's operator sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NodeView {
    /// What the configuration calls it.
    name: String,
    /// Who runs it, as the configuration says.
    operator: String,
    /// Its identity.
    identity: IdentityKey,
    /// Whether it is connected now.
    connected: bool,
    /// Program and version; empty before its first hello.
    software: String,
    /// Circuits whose proving keys it has ready.
    circuits: Vec<Digest32>,
    /// Slices of proving keys that it has ready.
    slices: usize,
    /// Bases of BN254's first group that it says it adds up in a second; 0 if it has not said.
    bases_per_second: u64,
    /// Offers that it takes at once.
    capacity: u16,
    /// Offers that it has in hand.
    in_hand: u32,
    /// When its sealing key expires, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_expires: Option<u64>,
    /// Places of open jobs that it has not replied to.
    waiting: u64,
}

/// Every node of the configuration.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    tag = "operators",
    responses((status = OK, body = Vec<NodeView>), Refusals),
)]
pub async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<NodeView>>, ApiError> {
    caller.must_be_operator()?;
    Ok(Json(node_views(&service).await?))
}

/// [`list`] without its request.
pub async fn node_views(service: &Service) -> Result<Vec<NodeView>, ApiError> {
    let waiting = service.store.waiting_by_node().await?;
    let allowed = &service.config.nodes;
    let view = |node: tacit_wire::status::NodeInfo| {
        let known = allowed.iter().find(|a| a.identity == node.identity);
        let certificate = node.sealing_key_certificate.as_ref().and_then(|c| c.decode().ok());
        NodeView {
            name: known.map(|a| a.name.clone()).unwrap_or_default(),
            operator: known.map(|a| a.operator.clone()).unwrap_or_default(),
            identity: node.identity,
            connected: node.connected,
            software: node.software,
            circuits: node.circuits,
            slices: node.slices.len(),
            bases_per_second: node.bases_per_second,
            capacity: node.capacity,
            in_hand: node.in_hand,
            key_expires: certificate.map(|c| c.expiry),
            waiting: waiting.get(&node.identity).copied().unwrap_or(0),
        }
    };
    Ok(service.nodes().await?.into_iter().map(view).collect())
}
