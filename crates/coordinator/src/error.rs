//! What the HTTP API says when it refuses, and why a coordinator does not start.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tacit_vault::VaultError;
use tacit_wire::status::ErrorBody;
use tacit_wire::{Blame, FrameError, PeerMisbehaved};
use thiserror::Error;

use crate::store::StoreError;

/// Every code of a refusal, and of a job's failure, in alphabetical order.
pub const CODES: &[(&str, &str)] = &[
    ("answered", "the place's node has answered: it is not replaced"),
    ("assembler_key_expires", "the coordinator's assembler key expires before the deal does"),
    ("assembler_key_gone", "the assembler key of the deal is gone"),
    ("assembler_mismatch", "the client is to assemble, but the deal names the coordinator's key"),
    ("bad_dials", "the dials contradict each other"),
    ("bad_event_id", "`Last-Event-ID` is no number"),
    ("bad_id", "a name in the path is not 64 hexadecimal digits"),
    ("bad_idempotency_key", "`Idempotency-Key` is no plain word"),
    ("bad_key", "the API key is unknown or was revoked"),
    ("bad_query", "the query does not parse"),
    ("broken_body", "the body broke off, or is not as long as it says"),
    ("cancelled", "its client needs no proof any more"),
    ("circuit_id_mismatch", "the file is not what its name says"),
    ("circuit_in_use", "open jobs need the circuit: it is not removed"),
    ("circuit_kind", "a circuit where bases are needed, or the reverse"),
    ("client_assembles", "the client assembles this job: there is no proof here"),
    ("committee_order", "deliveries do not stand in the order of their places"),
    ("committee_size", "not as many envelopes as places"),
    ("conflicting_job", "another job has this deal's id"),
    ("contradicting_answers", "answers contradict each other"),
    ("curve_mismatch", "deal and circuit are over different curves"),
    ("duplicate_node", "a node has, or had, another place of the job"),
    ("ended", "the job has ended"),
    ("envelope_digest", "an envelope is not the one that the client signed for"),
    ("expired", "the deal has expired"),
    ("expiry_too_far", "the deal expires later than this coordinator keeps envelopes"),
    ("forged_assignment", "the client's signature of an assignment does not hold"),
    ("forged_cancellation", "the client's signature of a cancellation does not hold"),
    ("full", "no room at the moment; try again"),
    ("idempotency_key_reused", "the `Idempotency-Key` was used with another request"),
    ("internal", "the coordinator failed; its log says why"),
    ("invalid", "a message breaks a rule of the protocol"),
    ("invalid_proof", "the answers give no valid proof"),
    ("key_required", "an API key is needed"),
    ("length_required", "the body needs a Content-Length"),
    ("malformed", "the body is no frame of the protocol"),
    ("malformed_bases", "the file holds no bases"),
    ("malformed_header", "the deal's header does not parse"),
    ("malformed_r1cs", "the file is no constraint system"),
    ("malformed_zkey", "the file is no proving key"),
    ("no_r1cs", "no constraint system is registered with the circuit"),
    ("no_receipt", "the job ended before there was a log"),
    ("no_such_place", "the deal has no such place"),
    ("not_assembled", "no proof could be assembled"),
    ("not_ended", "the job goes on: its receipt is made when it ends"),
    ("not_enough_nodes", "so many nodes refused that the rest cannot make a proof"),
    ("not_ready", "there is no proof yet"),
    ("not_signed", "the log's head is not signed yet; try again"),
    ("not_yours", "another key registered the circuit"),
    ("operators_only", "this is for keys of the role operator"),
    ("outside_log", "the log does not have that"),
    ("public_inputs", "the deal has another number of public inputs than the circuit"),
    ("r1cs_conflict", "the circuit has another constraint system already"),
    ("r1cs_mismatch", "the constraint system is not the circuit's"),
    ("share_used_up", "the key has as much as one key may have; wait until some of it ends, or remove some"),
    ("too_few_answers", "too few answers are usable"),
    ("too_large", "larger than this coordinator accepts"),
    ("too_many_requests", "too many requests of one client; see Retry-After"),
    ("too_many_streams", "too many event streams of one key, or from one address"),
    ("too_many_uploads", "the client uploads other circuits at the moment"),
    ("too_slow", "the body came too slowly"),
    ("unknown_assembler_key", "the deal's assembler key is none of this coordinator's"),
    ("unknown_circuit", "no such circuit is registered"),
    ("unknown_job", "there is no such job, or it is another key's"),
    ("unknown_method", "the path has no such method"),
    ("unknown_node", "the node is none of this coordinator's"),
    ("unknown_path", "there is no such path"),
    ("unknown_place", "the job has no such place"),
    ("unsound_zkey", "the proving key is not sound"),
    ("unsupported_assembler", "nobody assembles so"),
    ("unsupported_handover", "the handover is not supported"),
    ("unsupported_version", "the protocol's version is not supported"),
    ("wrong_deal", "the message is of another deal"),
];

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
    /// A part of the coordinator ended that should have gone on; the others were stopped.
    #[error("{0}; the coordinator has stopped, start it again and report this with its log")]
    Part(String),
    /// An API key cannot be made or revoked.
    #[error("{0}")]
    Key(String),
    /// The database is another coordinator's.
    #[error(
        "database {database} belongs to the coordinator with identity {expected}; this one is {got}. Coordinators that share \
         a database share one identity: copy its identity.pem with `tacit coordinator init --identity FILE`, or use another \
         database"
    )]
    OtherIdentity {
        /// Which database, without its password.
        database: String,
        /// Whose it is.
        expected: tacit_wire::IdentityKey,
        /// Who this is.
        got: tacit_wire::IdentityKey,
    },
    /// The directory's coordinator serves another database.
    #[error(
        "the coordinator in {} serves the database \"{served}\", and this names \"{given}\": set TACIT_DATABASE, or `database` in its coordinator.toml, as its \
         service does. Only if the database was moved with everything that it holds, delete {}",
        path.display(), path.join("database").display()
    )]
    OtherDatabase {
        /// The directory.
        path: std::path::PathBuf,
        /// What it serves, without a password.
        served: String,
        /// What was named, without a password.
        given: String,
    },
    /// The data directory has another identity already.
    #[error("{} has the identity {found} already, {given} is given: use another directory", path.display())]
    HasIdentity {
        /// The directory.
        path: std::path::PathBuf,
        /// What it has.
        found: tacit_wire::IdentityKey,
        /// What it was to get.
        given: tacit_wire::IdentityKey,
    },
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

    /// A client has its share of something that others have room for.
    pub fn share(message: impl ToString) -> Self {
        let mut share = Self::new(StatusCode::TOO_MANY_REQUESTS, "share_used_up", Blame::Client, message);
        share.retry_after = Some(std::time::Duration::from_secs(5));
        share
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::CODES;

    /// What follows one of `starts`, up to its first text: that text, if it is a word.
    fn words<'a>(source: &'a str, starts: &[&str]) -> Vec<&'a str> {
        let mut found = Vec::new();
        for start in starts {
            for (at, _) in source.match_indices(start) {
                let rest = &source[at + start.len()..];
                let Some((before, rest)) = rest.split_once('"') else { continue };
                let Some((word, _)) = rest.split_once('"') else { continue };
                let plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                if plain && !word.is_empty() && before.len() < 80 && !before.contains(';') {
                    found.push(word);
                }
            }
        }
        found
    }

    #[test]
    fn every_code_in_the_source_is_in_the_table() {
        fn collect(folder: &std::path::Path, out: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, out);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    out.push_str(text.split("#[cfg(test)]\nmod tests").next().unwrap());
                }
            }
        }
        let mut source = String::new();
        collect(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
        let starts = [
            "bad_request(",
            "unprocessable(",
            "not_found(",
            "conflict(",
            "ApiError::new(",
            "jobs::failure(",
            "unauthorised(",
            "too_many(",
        ];
        let mut used = words(&source, &starts);
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 40, "the search finds too little: {used:?}");
        let missing: Vec<_> = used.iter().filter(|u| !CODES.iter().any(|(code, _)| code == *u)).collect();
        assert!(missing.is_empty(), "these codes are not in CODES (error.rs): {missing:?}");
        assert!(CODES.windows(2).all(|w| w[0].0 < w[1].0), "CODES is in alphabetical order");
    }
}
