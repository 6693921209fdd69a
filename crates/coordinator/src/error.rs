//! What the HTTP API says when it refuses, and why a coordinator does not start.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tacit_vault::VaultError;
use tacit_wire::status::ErrorBody;
use tacit_wire::{Blame, FrameError, PeerMisbehaved};
use thiserror::Error;

use crate::store::StoreError;

/// Why a coordinator cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoordinatorError {
    /// The data directory.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listening address.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Clients or nodes.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The QUIC endpoint or the TLS configuration.
    #[error("{what}: {problem}")]
    Transport {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An API key cannot be made or revoked.
    #[error("{0}")]
    Key(String),
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(String),
}

/// A refusal of the HTTP API.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The status code.
    pub status: StatusCode,
    /// The body.
    pub body: ErrorBody,
    /// When to try again, where that is known.
    pub retry_after: Option<std::time::Duration>,
}

/// A refusal's code, beside a response: what is counted.
#[derive(Debug, Clone)]
pub struct RefusalCode(pub String);

impl ApiError {
    /// Any refusal.
    pub fn new(status: StatusCode, code: &str, blame: Blame, message: impl ToString) -> Self {
        let body = ErrorBody { code: code.to_owned(), message: message.to_string(), blame };
        Self { status, body, retry_after: None }
    }

    /// The client sent something that cannot be accepted as it is.
    pub fn bad_request(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, Blame::Client, message)
    }

    /// Well-formed, but against the rules.
    pub fn unprocessable(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, Blame::Client, message)
    }

    /// There is no such thing.
    pub fn not_found(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, Blame::Client, message)
    }

    /// It is there already, and it is different.
    pub fn conflict(code: &str, message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, Blame::Client, message)
    }

    /// More than is accepted.
    pub fn too_large(what: &str, limit: impl std::fmt::Display) -> Self {
        let message = format!("{what} is larger than the {limit} bytes that this coordinator accepts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", Blame::Client, message)
    }

    /// No room at the moment.
    pub fn full(message: impl ToString) -> Self {
        let mut full = Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", Blame::Nobody, message);
        full.retry_after = Some(std::time::Duration::from_secs(5));
        full
    }

    /// This program's or machine's fault. The details go to the log: they may name paths.
    pub fn internal(context: &'static str, error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, context, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Blame::Coordinator,
            format!("the coordinator failed while {context}; its log says why, try again"),
        )
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal("using its database", error)
    }
}

impl From<FrameError> for ApiError {
    fn from(error: FrameError) -> Self {
        let code = match &error {
            FrameError::UnsupportedVersion { .. } => "unsupported_version",
            FrameError::TooLarge { limit, .. } => return Self::too_large("the message", limit),
            _ => "malformed",
        };
        Self::bad_request(code, error)
    }
}

impl From<PeerMisbehaved> for ApiError {
    fn from(error: PeerMisbehaved) -> Self {
        let code = match &error {
            PeerMisbehaved::ForgedAssignment(_) => "forged_assignment",
            PeerMisbehaved::WrongDeal { .. } => "wrong_deal",
            PeerMisbehaved::SwappedEnvelope { .. } => "envelope_digest",
            PeerMisbehaved::ForgedCancellation(_) => "forged_cancellation",
            PeerMisbehaved::MalformedHeader(_) => "malformed_header",
            _ => "invalid",
        };
        // Whatever a client submits is the client's doing: there is nobody else between it and this API.
        Self::unprocessable(code, error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = RefusalCode(self.body.code.clone());
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, wait.as_secs().into());
        }
        response.extensions_mut().insert(code);
        response
    }
}
