//! What a log holds at a time, under the signature of its keeper.
//!
//! | bytes | field |
//! |---|---|
//! | 2 | version: 1 |
//! | 32 | the log's id: the identity of its keeper, which has one log |
//! | 8 | entries |
//! | 32 | root |
//! | 8 | time, Unix seconds |
//!
//! signed with the label `tacit v1 log tree head`. The heads of a log that grows never contradict each other: a larger one is later, and to one
//! size belongs one root ([`crate::evidence`]).

use serde::{Deserialize, Serialize};
use tacit_wire::codec::Writer;
use tacit_wire::identity::{Label, SignatureError};
use tacit_wire::{Digest32, Identity, IdentityKey, Signature};

/// The only version there is.
const VERSION: u16 = 1;

/// What a log holds at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// The log: the identity of its keeper.
    pub log: IdentityKey,
    /// Entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest32,
    /// When it was signed, Unix seconds. No entry is later.
    pub timestamp: u64,
}

/// A tree head under its keeper's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTreeHead {
    /// What was signed.
    #[serde(flatten)]
    pub head: TreeHead,
    /// By the log's keeper.
    pub signature: Signature,
}

/// Why a head does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// It is another log's.
    #[error("the tree head is of the log of {got}, not of {expected}")]
    OtherLog {
        /// Whose log it should be.
        expected: IdentityKey,
        /// Whose it is.
        got: IdentityKey,
    },
    /// The signature.
    #[error("the tree head carries {0}")]
    Signature(#[from] SignatureError),
}

impl TreeHead {
    /// What is signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u16(VERSION).raw(&self.log.0).u64(self.size).raw(&self.root.0).u64(self.timestamp);
        out.finish()
    }

    /// Signs it. The keeper must be the log's own.
    pub fn sign(self, keeper: &Identity) -> SignedTreeHead {
        let signature = keeper.sign(Label::TreeHead, &self.encode());
        SignedTreeHead { head: self, signature }
    }
}

impl SignedTreeHead {
    /// Whether the keeper of this log signed it.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn verify(&self, log: &IdentityKey) -> Result<(), HeadError> {
        if self.head.log != *log {
            return Err(HeadError::OtherLog { expected: *log, got: self.head.log });
        }
        Ok(log.verify(Label::TreeHead, &self.head.encode(), &self.signature)?)
    }
}

impl std::fmt::Display for TreeHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short: String = self.root.to_string().chars().take(16).collect();
        write!(f, "{} entries, root {short}…, signed at {}", self.size, self.timestamp)
    }
}
