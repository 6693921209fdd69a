//! What a prover service answers, as JSON.

use std::fmt;

use serde::{Deserialize, Serialize};
use tacit_wire::Digest32;

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted, on disk, waiting for its turn.
    Queued,
    /// The proofs are being made.
    Proving,
    /// The proofs are made; the transaction is being tried and signed.
    Submitting,
    /// The transaction was given to the chain's node.
    Submitted,
    /// The transaction is in a block, and so many blocks are above it as the service waits for.
    Confirmed,
    /// Nothing more will be done.
    Failed,
}

impl Phase {
    /// Whether it is the last one.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Confirmed | Self::Failed)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Proving => "proving",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who has to do something so that it goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Whoever sent the request.
    Wallet,
    /// The service.
    Prover,
    /// The chain, or the node through which the service sees it.
    Chain,
}

/// Why something was refused, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Problem {
    /// A stable word for programs: the table of docs/src/provers.md.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Who is to blame.
    pub blame: Blame,
}

/// A request as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendStatus {
    /// Its name.
    pub id: Digest32,
    /// How far it is.
    pub phase: Phase,
    /// Hash of the transaction, once it is signed: `0x` and 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The block that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the prover's answer is not valid: {0}")]
pub struct StatusError(pub String);

impl Problem {
    /// Reads a refusal, so that it can be shown.
    ///
    /// # Errors
    /// [`StatusError`].
    pub fn decode(json: &[u8]) -> Result<Self, StatusError> {
        serde_json::from_slice(json)
            .map(Self::printable)
            .map_err(|_| StatusError("neither a status nor a refusal".to_owned()))
    }

    /// No control characters, not too long.
    fn printable(self) -> Self {
        let clean = |text: String, limit| text.chars().filter(|c| !c.is_control()).take(limit).collect();
        Self { code: clean(self.code, 64), message: clean(self.message, 1000), blame: self.blame }
    }
}

impl SpendStatus {
    /// Reads a status, so that it can be shown.
    ///
    /// # Errors
    /// [`StatusError`].
    pub fn decode(json: &[u8]) -> Result<Self, StatusError> {
        let mut status: Self =
            serde_json::from_slice(json).map_err(|error| StatusError(error.to_string()))?;
        let is_hash =
            |text: &String| text.strip_prefix("0x").is_some_and(|digits| digits.parse::<Digest32>().is_ok());
        if !status.transaction.iter().all(is_hash) {
            return Err(StatusError("its transaction is no hash".to_owned()));
        }
        status.error = status.error.map(Problem::printable);
        Ok(status)
    }
}
