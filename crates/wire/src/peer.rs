//! Everything a peer can do wrong, and whose fault it is.

use std::fmt;

use crate::{
    certificate::CertificateError,
    codec::{DecodeError, DecodeReason, Reader, Writer},
    digest::Digest32,
    frame::{FrameError, MessageType},
    identity::{IdentityKey, SignatureError},
    seal::OpenError,
};
use serde::{Deserialize, Serialize};
use tacit_delegate::Culprit;

/// Whose fault something is, as it travels in refusals and error bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Blame {
    /// Nobody's, or it cannot be told.
    Nobody,
    /// The client's.
    Client,
    /// The node's.
    Node,
    /// The coordinator's.
    Coordinator,
}

impl Blame {
    const fn code(self) -> u8 {
        match self {
            Self::Nobody => 0,
            Self::Client => 1,
            Self::Node => 2,
            Self::Coordinator => 3,
        }
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u8(self.code());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("blame")? {
            0 => Ok(Self::Nobody),
            1 => Ok(Self::Client),
            2 => Ok(Self::Node),
            3 => Ok(Self::Coordinator),
            got => Err(reader.error(DecodeReason::UnknownCode { field: "blame", got: got.into() })),
        }
    }
}

impl From<Culprit> for Blame {
    fn from(culprit: Culprit) -> Self {
        match culprit {
            Culprit::Client => Self::Client,
            Culprit::Node(_) => Self::Node,
            Culprit::Coordinator => Self::Coordinator,
            // `Nobody`, `Unknown` and whatever comes later: not one party for certain.
            _ => Self::Nobody,
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Client => "the client",
            Self::Node => "the node",
            Self::Coordinator => "the coordinator",
        })
    }
}

/// What a peer did wrong. [`culprits`](Self::culprits) says who can have done it, given that whoever reports it is
/// honest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A frame that is none: garbage, a version or type that is not spoken, too long, cut short.
    #[error("{by} sent a bad frame: {error}")]
    BadFrame {
        /// Who sent it.
        by: Blame,
        /// What is wrong with it.
        error: FrameError,
    },
    /// A well-formed message at the wrong time.
    #[error("{by} sent {got:?} where {expected} was due")]
    UnexpectedMessage {
        /// Who sent it.
        by: Blame,
        /// What came.
        got: MessageType,
        /// What should have come.
        expected: &'static str,
    },
    /// A stream or body that ended where more was due.
    #[error("{by} ended the stream where {expected} was due")]
    Truncated {
        /// Who ended it.
        by: Blame,
        /// What should have come.
        expected: &'static str,
    },
    /// Nothing came in time.
    #[error("{by} was silent for {milliseconds} ms while {waiting_for} was due")]
    Silent {
        /// Who should have spoken.
        by: Blame,
        /// What was waited for.
        waiting_for: &'static str,
        /// For how long.
        milliseconds: u64,
    },
    /// A sealing key certificate that is not acceptable.
    #[error("{by} presented a bad certificate: {error}")]
    BadCertificate {
        /// Who presented it.
        by: Blame,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The assignment does not carry the signature of the deal's client.
    #[error("assignment: {0}")]
    ForgedAssignment(SignatureError),
    /// The assignment belongs to another deal than the header that came with it.
    #[error("the assignment belongs to deal {got}, the header is that of deal {expected}")]
    WrongDeal {
        /// The header's deal.
        expected: Digest32,
        /// The assignment's deal.
        got: Digest32,
    },
    /// The assignment is for another node.
    #[error("the assignment is addressed to node {got}, this is node {expected}")]
    WrongAddressee {
        /// The node that received it.
        expected: IdentityKey,
        /// The node that it names.
        got: IdentityKey,
    },
    /// The envelope is sealed to a key that the node does not have, perhaps no longer.
    #[error(
        "the envelope is sealed to key {got}, the node's current key is {current}: deal again with the current one"
    )]
    UnknownSealingKey {
        /// The node's key.
        current: Digest32,
        /// The key that the assignment names.
        got: Digest32,
    },
    /// The right key under the wrong epoch.
    #[error("the assignment names epoch {got}, the sealing key is of epoch {expected}")]
    WrongEpoch {
        /// The key's epoch.
        expected: u64,
        /// The assignment's epoch.
        got: u64,
    },
    /// The envelope is not the one that the client signed for.
    #[error(
        "the envelope has digest {got}, the client signed {expected}: it was swapped or changed on the way"
    )]
    SwappedEnvelope {
        /// What the client signed.
        expected: Digest32,
        /// What came.
        got: Digest32,
    },
    /// The envelope is the one that the client signed for, but does not open.
    #[error("envelope: {0}")]
    UnopenableEnvelope(OpenError),
    /// A package that opens and is nonsense.
    #[error("package: {0}")]
    MalformedPackage(String),
    /// A deal whose header breaks the protocol's rules.
    #[error("deal header: {0}")]
    MalformedHeader(String),
    /// The acknowledgement does not carry the assigned node's signature.
    #[error("acknowledgement: {0}")]
    ForgedAcknowledgement(SignatureError),
    /// A signed acknowledgement of something else.
    #[error("node {node} acknowledged assignment {got} in place of {expected}")]
    AcknowledgedAnotherAssignment {
        /// The node.
        node: IdentityKey,
        /// The assignment that it was given.
        expected: Digest32,
        /// The assignment that it acknowledged.
        got: Digest32,
    },
    /// The node signed for another package than the client dealt.
    #[error("node {node} acknowledged another package than the one it was dealt")]
    AcknowledgedAnotherPackage {
        /// The node.
        node: IdentityKey,
    },
    /// The sealed response does not open: the node sealed it wrongly or the coordinator changed it.
    #[error("response of node {node}: {error}")]
    UnopenableResponse {
        /// The node.
        node: IdentityKey,
        /// Why it does not open.
        error: OpenError,
    },
    /// What was sealed is no signed response.
    #[error("response of node {node}: {error}")]
    MalformedResponse {
        /// The node.
        node: IdentityKey,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The sealed response does not carry the assigned node's signature. Only the assembler's public key is needed to
    /// seal one, so it may come from the coordinator.
    #[error("response: {0}")]
    ForgedResponse(SignatureError),
    /// Two different signed responses for one acknowledgement: guilt by itself.
    #[error("node {node} signed two different responses to one package")]
    ContradictoryResponses {
        /// The node.
        node: IdentityKey,
    },
    /// Two different signed acknowledgements under one assignment: guilt by itself.
    #[error("node {node} signed for two different packages under one assignment")]
    ContradictoryAcknowledgements {
        /// The node.
        node: IdentityKey,
    },
    /// The cancellation does not carry the signature of the deal's client.
    #[error("cancellation: {0}")]
    ForgedCancellation(SignatureError),
    /// Another client job under the name of one that exists.
    #[error("deal {deal} exists with other contents")]
    ConflictingJob {
        /// The deal.
        deal: Digest32,
    },
}

impl PeerMisbehaved {
    /// Who can have done it: one party when that is certain, several when it is one of them.
    pub const fn culprits(&self) -> &'static [Blame] {
        match self {
            Self::BadFrame { by, .. }
            | Self::UnexpectedMessage { by, .. }
            | Self::Truncated { by, .. }
            | Self::Silent { by, .. }
            | Self::BadCertificate { by, .. } => match by {
                Blame::Nobody => &[],
                Blame::Client => &[Blame::Client],
                Blame::Node => &[Blame::Node],
                Blame::Coordinator => &[Blame::Coordinator],
            },
            // A coordinator checks this before it relays, so one that relays it is at fault too.
            Self::ForgedAssignment(_) => &[Blame::Client, Blame::Coordinator],
            // Signed by the client; brought to the wrong place, with another header or other bytes by the coordinator.
            Self::WrongDeal { .. } | Self::WrongAddressee { .. } | Self::SwappedEnvelope { .. } => {
                &[Blame::Coordinator]
            }
            // The key may have been rotated after the client read the list.
            Self::UnknownSealingKey { .. } | Self::WrongEpoch { .. } => &[],
            Self::UnopenableEnvelope(_)
            | Self::MalformedPackage(_)
            | Self::MalformedHeader(_)
            | Self::ForgedCancellation(_)
            | Self::ConflictingJob { .. } => &[Blame::Client],
            // Signed by the node, or checkable by the coordinator that relayed it.
            Self::ForgedAcknowledgement(_) | Self::UnopenableResponse { .. } | Self::ForgedResponse(_) => {
                &[Blame::Node, Blame::Coordinator]
            }
            // Sealed, so changed by nobody on the way, but not yet shown to be signed.
            Self::MalformedResponse { .. } => &[Blame::Node, Blame::Coordinator],
            // The node signed it, but perhaps for another deal, and the coordinator brought it here.
            Self::AcknowledgedAnotherAssignment { .. } => &[Blame::Node, Blame::Coordinator],
            Self::AcknowledgedAnotherPackage { .. }
            | Self::ContradictoryResponses { .. }
            | Self::ContradictoryAcknowledgements { .. } => &[Blame::Node],
        }
    }

    /// The one culprit, or [`Blame::Nobody`] when it cannot be told.
    pub const fn blame(&self) -> Blame {
        match self.culprits() {
            [one] => *one,
            _ => Blame::Nobody,
        }
    }

    /// The identity of the culprit where the error carries it.
    pub const fn culprit_identity(&self) -> Option<IdentityKey> {
        match self {
            Self::BadCertificate { error, .. } => Some(error.identity()),
            Self::ForgedAssignment(_)
            | Self::BadFrame { .. }
            | Self::UnexpectedMessage { .. }
            | Self::Truncated { .. }
            | Self::Silent { .. }
            | Self::WrongDeal { .. }
            | Self::WrongAddressee { .. }
            | Self::UnknownSealingKey { .. }
            | Self::WrongEpoch { .. }
            | Self::SwappedEnvelope { .. }
            | Self::UnopenableEnvelope(_)
            | Self::MalformedPackage(_)
            | Self::MalformedHeader(_)
            | Self::ConflictingJob { .. }
            // A signature that does not verify was made by nobody in particular.
            | Self::ForgedAcknowledgement(_)
            | Self::ForgedResponse(_)
            | Self::ForgedCancellation(_)
            | Self::UnopenableResponse { .. }
            | Self::MalformedResponse { .. }
            // An honest node's acknowledgement of another deal, put here by somebody else, looks the same.
            | Self::AcknowledgedAnotherAssignment { .. } => None,
            Self::AcknowledgedAnotherPackage { node }
            | Self::ContradictoryResponses { node }
            | Self::ContradictoryAcknowledgements { node } => Some(*node),
        }
    }
}
