//! Why a service refuses a request, or ends one without a transaction: stable words, whose fault it is, the HTTP status.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::status::{Blame, Problem};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $blame:ident;)*) => {
        /// What went wrong. The table of docs/src/provers.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word that programs see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of an answer that refuses a request for this reason.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// Who is to blame.
            pub const fn blame(self) -> Blame {
                match self { $(Self::$name => Blame::$blame,)* }
            }
        }
    };
}

codes! {
    /// Longer than any envelope is.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, Wallet;
    /// The body did not arrive in time, or broke off.
    Incomplete = "incomplete", REQUEST_TIMEOUT, Wallet;
    /// No envelope, or one that does not open.
    BadEnvelope = "bad_envelope", BAD_REQUEST, Wallet;
    /// What is inside is no request.
    BadRequest = "bad_request", BAD_REQUEST, Wallet;
    /// A name or a number in the path is none.
    BadPath = "bad_path", BAD_REQUEST, Wallet;
    /// Sealed under a registration that this service has not made.
    UnknownRegistration = "unknown_registration", CONFLICT, Wallet;
    /// For another pool.
    WrongPlace = "wrong_place", UNPROCESSABLE_ENTITY, Wallet;
    /// For a pool of another form.
    WrongRules = "wrong_rules", UNPROCESSABLE_ENTITY, Wallet;
    /// The auth circuit is not one that this service has.
    CircuitNotServed = "circuit_not_served", UNPROCESSABLE_ENTITY, Wallet;
    /// The intent's auth verifier is not one that this service runs, or takes other proofs.
    VerifierNotServed = "verifier_not_served", UNPROCESSABLE_ENTITY, Wallet;
    /// A token whose contract this service does not run.
    TokenNotServed = "token_not_served", UNPROCESSABLE_ENTITY, Wallet;
    /// Ether for a contract, whose code this service does not run.
    RecipientIsContract = "recipient_is_contract", UNPROCESSABLE_ENTITY, Wallet;
    /// The transaction takes more gas than this service pays.
    TooMuchGas = "too_much_gas", UNPROCESSABLE_ENTITY, Wallet;
    /// Too little time is left.
    ExpiresTooSoon = "expires_too_soon", UNPROCESSABLE_ENTITY, Wallet;
    /// The contract does not take it yet.
    TooEarly = "too_early", UNPROCESSABLE_ENTITY, Wallet;
    /// The third output is no note to this service.
    NoFee = "no_fee", UNPROCESSABLE_ENTITY, Wallet;
    /// A fee of a token that this service does not take.
    FeeToken = "fee_token", UNPROCESSABLE_ENTITY, Wallet;
    /// Less than this service asks.
    FeeTooLow = "fee_too_low", UNPROCESSABLE_ENTITY, Wallet;
    /// A proof that was handed in and does not hold.
    BadProof = "bad_proof", UNPROCESSABLE_ENTITY, Wallet;
    /// There is no witness for what is to be proved.
    NoWitness = "no_witness", UNPROCESSABLE_ENTITY, Wallet;
    /// A note was spent before.
    AlreadySpent = "already_spent", CONFLICT, Wallet;
    /// The intent was executed before.
    AlreadyExecuted = "already_executed", CONFLICT, Wallet;
    /// A root that the contract does not accept (any more): prove against a newer one.
    StaleRoot = "stale_root", CONFLICT, Wallet;
    /// Another request for the same intent, or of the same note, is on its way.
    InProgress = "in_progress", CONFLICT, Wallet;
    /// Another request has this id.
    IdTaken = "id_taken", CONFLICT, Wallet;
    /// No such request.
    UnknownSpend = "unknown_spend", NOT_FOUND, Wallet;
    /// Nothing is there.
    UnknownPath = "unknown_path", NOT_FOUND, Wallet;
    /// Not with this method.
    UnknownMethod = "unknown_method", METHOD_NOT_ALLOWED, Wallet;
    /// Of one address: in a second, or on their way.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, Wallet;
    /// Of everybody.
    Busy = "busy", SERVICE_UNAVAILABLE, Prover;
    /// No place in the queue.
    QueueFull = "queue_full", SERVICE_UNAVAILABLE, Prover;
    /// The service ends.
    Draining = "draining", SERVICE_UNAVAILABLE, Prover;
    /// The service's circuits are unusable.
    Circuits = "circuits", INTERNAL_SERVER_ERROR, Prover;
    /// The service's disk fails.
    Storage = "storage", INTERNAL_SERVER_ERROR, Prover;
    /// Anything else of the service's.
    Internal = "internal", INTERNAL_SERVER_ERROR, Prover;
    /// The service's account cannot send, or gas costs more than the service pays: take another prover.
    Account = "account", INTERNAL_SERVER_ERROR, Prover;
    /// The service cannot reach the chain.
    ChainUnreachable = "chain_unreachable", SERVICE_UNAVAILABLE, Chain;
    /// The contract refuses the transaction.
    Reverted = "reverted", UNPROCESSABLE_ENTITY, Chain;
    /// The intent's time was over before the transaction was in a block.
    Expired = "expired", UNPROCESSABLE_ENTITY, Chain;
}

/// A refusal, or a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({})", code.name())]
pub struct Refusal {
    /// What went wrong.
    pub code: Code,
    /// A sentence for people, without anything secret.
    pub message: String,
    /// When to come again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal for good.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// A refusal for now.
    pub fn later(code: Code, message: impl Into<String>, seconds: u64) -> Self {
        Self { code, message: message.into(), retry_after: Some(Duration::from_secs(seconds)) }
    }

    /// The service's circuits are unusable, as its log says.
    pub(super) fn circuits(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "the service's circuits are unusable");
        Self::new(Code::Circuits, "this service's circuits are unusable; tell its operator")
    }

    /// As JSON has it.
    pub fn problem(&self) -> Problem {
        Problem { code: self.code.name().to_owned(), message: self.message.clone(), blame: self.code.blame() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(self.problem())).into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response.extensions_mut().insert(self.code);
        response
    }
}
