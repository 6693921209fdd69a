//! A job's entry with what is needed to check it away from the network: a file that a client keeps.
//!
//! As JSON: `version` (1), `entry` (the signed receipt in hexadecimal), `inclusion` ([`InclusionProof`]), `head` ([`SignedTreeHead`]).

use serde::{Deserialize, Serialize};
use tacit_wire::codec::DecodeError;
use tacit_wire::receipt::{MAX_RECEIPT_BYTES, ReceiptInvalid};
use tacit_wire::{IdentityKey, SignedReceipt};

use crate::hash::leaf_hash;
use crate::head::{HeadError, SignedTreeHead};
use crate::{InclusionProof, ProofError};

/// The only version of the file there is.
pub const RECEIPT_FILE_VERSION: u32 = 1;

/// A receipt, that it is in its coordinator's log, and the log's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenReceipt {
    /// The entry's bytes: an encoded [`SignedReceipt`].
    pub entry: Vec<u8>,
    /// That it is in the log.
    pub inclusion: InclusionProof,
    /// The log's head.
    pub head: SignedTreeHead,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Not such a file.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// The entry is no receipt.
    #[error("not a receipt: {0}")]
    Decode(#[from] DecodeError),
    /// A signature.
    #[error(transparent)]
    Invalid(#[from] ReceiptInvalid),
    /// The tree head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The proof is of another size than the head.
    #[error("the inclusion proof is for a log of {proof} entries, the tree head for one of {head}")]
    Sizes {
        /// The proof's.
        proof: u64,
        /// The head's.
        head: u64,
    },
    /// It is not in the log.
    #[error("the receipt is not entry {leaf} of the log that the tree head is of: {error}")]
    NotIncluded {
        /// Where it should be.
        leaf: u64,
        /// Why the proof does not show it.
        error: ProofError,
    },
    /// Its times cannot be.
    #[error(
        "the receipt is backdated: the job was accepted at {accepted}, ended at {ended}, and its log was signed at {signed}"
    )]
    Backdated {
        /// When the job was accepted.
        accepted: u64,
        /// When it ended.
        ended: u64,
        /// When the head was signed.
        signed: u64,
    },
}

// What else a coordinator says of a receipt, for people, is not read.
#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    entry: String,
    inclusion: InclusionProof,
    head: SignedTreeHead,
}

impl ProvenReceipt {
    /// Checks everything against the coordinator's identity, and gives what was signed.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, coordinator: &IdentityKey) -> Result<SignedReceipt, ReceiptError> {
        let signed = SignedReceipt::decode(&self.entry)?;
        signed.verify(coordinator)?;
        self.head.verify(coordinator)?;
        let head = &self.head.head;
        if self.inclusion.size != head.size {
            return Err(ReceiptError::Sizes { proof: self.inclusion.size, head: head.size });
        }
        self.inclusion
            .verify(&leaf_hash(&self.entry), &head.root)
            .map_err(|error| ReceiptError::NotIncluded { leaf: self.inclusion.leaf, error })?;
        let (accepted, ended) = (signed.receipt.accepted, signed.receipt.ended);
        if accepted > ended || ended > head.timestamp {
            return Err(ReceiptError::Backdated { accepted, ended, signed: head.timestamp });
        }
        Ok(signed)
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let raw = Raw {
            version: RECEIPT_FILE_VERSION,
            entry: hex::encode(&self.entry),
            inclusion: self.inclusion.clone(),
            head: self.head,
        };
        // A structure of strings, numbers and lists: there is nothing that could not be written.
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads what [`ProvenReceipt::to_json`] wrote; verifies nothing.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let malformed = |text: String| ReceiptError::Malformed(text);
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if raw.version != RECEIPT_FILE_VERSION {
            let got = raw.version;
            return Err(malformed(format!(
                "version {got} is not known, this program reads {RECEIPT_FILE_VERSION}"
            )));
        }
        if raw.entry.len() > 2 * MAX_RECEIPT_BYTES {
            return Err(malformed(format!("the entry has more than {MAX_RECEIPT_BYTES} bytes")));
        }
        let entry = hex::decode(&raw.entry).map_err(|e| malformed(format!("entry: {e}")))?;
        Ok(Self { entry, inclusion: raw.inclusion, head: raw.head })
    }
}
