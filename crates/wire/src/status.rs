//! JSON bodies of the HTTP API: what there is to list and to watch. Unknown fields are ignored, so that a later
//! coordinator may say more; times are Unix seconds, byte strings hexadecimal.

use serde::{Deserialize, Serialize};

use crate::{
    certificate::SealingKeyCertificate,
    codec::DecodeError,
    digest::{Digest32, HexError},
    identity::IdentityKey,
    messages::{Assembler, HeldSlice, RefusalCode},
    peer::Blame,
};

/// An encoded [`SealingKeyCertificate`] in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct HexCertificate(pub String);

/// Why a [`HexCertificate`] cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexCertificateError {
    /// Not hexadecimal.
    #[error("sealing key certificate: {0}")]
    Hex(#[from] HexError),
    /// Not a certificate.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl HexCertificate {
    /// Reads the certificate; verifies nothing.
    pub fn decode(&self) -> Result<SealingKeyCertificate, HexCertificateError> {
        let bytes = hex::decode(&self.0)
            .map_err(|_| HexError::new(2 * crate::certificate::CERTIFICATE_BYTES, &self.0))?;
        Ok(SealingKeyCertificate::decode(&bytes)?)
    }
}

impl From<&SealingKeyCertificate> for HexCertificate {
    fn from(certificate: &SealingKeyCertificate) -> Self {
        Self(hex::encode(certificate.encode()))
    }
}

/// The network as a coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkInfo {
    /// The protocol version that the coordinator speaks.
    pub protocol_version: u16,
    /// Program and version.
    pub software: String,
    /// The coordinator's identity.
    pub coordinator: IdentityKey,
    /// The key that responses are sealed to when the coordinator assembles, purpose `Assembler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assembler_certificate: Option<HexCertificate>,
    /// The nodes that it knows.
    pub nodes: Vec<NodeInfo>,
}

/// A node as its coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// The node's identity. Pin it: the coordinator's word is not enough.
    pub identity: IdentityKey,
    /// The node's current sealing key, purpose `NodeEnvelope`; none before the node's first hello.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key_certificate: Option<HexCertificate>,
    /// Whether it is connected now.
    pub connected: bool,
    /// Program and version; empty before the node's first hello.
    #[serde(default)]
    pub software: String,
    /// Circuits whose proving keys it has ready.
    pub circuits: Vec<Digest32>,
    /// Slices of proving keys that it has ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<HeldSlice>,
    /// How fast it says it is, as in its hello: bases of BN254's first group added up in a second, 0 if it has not said. A
    /// claim that nobody has checked, for advice only.
    #[serde(default)]
    pub bases_per_second: u64,
    /// How many offers it works on at a time, as in its hello; 0 if it has not said. A claim, for people to look at: who is seated does not depend on it.
    #[serde(default)]
    pub capacity: u16,
    /// How many offers it has in hand now.
    #[serde(default)]
    pub in_hand: u32,
}

/// What is registered under a circuit id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CircuitKind {
    /// A proving key: proofs of a circuit.
    #[default]
    Circuit,
    /// Bases of multi-scalar multiplications: the handover `msm`.
    Bases,
}

/// A registered circuit, or registered bases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CircuitInfo {
    /// The circuit id, a hash over the proving key's canonical sections; or the id of the bases.
    pub id: Digest32,
    /// Which of the two; where it is left out, a circuit.
    #[serde(default)]
    pub kind: CircuitKind,
    /// The curve under snarkjs's name: `bn128` or `bls12381`.
    pub curve: String,
    /// Wires, the constant one included; or the number of bases.
    pub n_wires: u64,
    /// Public inputs and outputs; 0 for bases.
    pub n_public: u64,
    /// Base-2 logarithm of the domain; 0 for bases.
    pub log_domain: u32,
    /// Bytes of the proving key's file, or of the file of bases.
    pub bytes: u64,
    /// Whether the constraints are registered too, so that a wrong witness can be named.
    pub has_r1cs: bool,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobState {
    /// Accepted.
    Queued,
    /// At least one node has it.
    Running,
    /// Enough nodes have answered.
    Answered,
    /// The coordinator has assembled and verified the proof.
    Proved,
    /// It cannot finish any more.
    Failed,
    /// Its time is over.
    Expired,
}

impl JobState {
    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Proved | Self::Failed | Self::Expired => true,
            Self::Queued | Self::Running | Self::Answered => false,
        }
    }
}

/// How far one delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeliveryState {
    /// The node is away or busy.
    Waiting,
    /// The node has the envelope.
    Offered,
    /// The node has acknowledged the package.
    Acknowledged,
    /// The node has answered.
    Answered,
    /// The node has refused.
    Refused,
    /// The node went away and has not come back.
    Lost,
}

/// The dials of a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialsInfo {
    /// Nodes of a group.
    pub n: u8,
    /// Threshold: any `t` nodes of each group learn nothing.
    pub t: u8,
    /// Groups, each with a slice of the proving key.
    pub groups: u8,
    /// `witness`, `quotient` or `msm`, later also `inputs`.
    pub handover: String,
}

/// A refusal in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusalInfo {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Whose fault it is, in the refuser's opinion.
    pub blame: Blame,
    /// Why, for people.
    pub text: String,
}

impl From<&crate::messages::Refusal> for RefusalInfo {
    fn from(refusal: &crate::messages::Refusal) -> Self {
        Self { code: refusal.code, blame: refusal.blame, text: refusal.text.clone() }
    }
}

/// One delivery of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryInfo {
    /// The evaluation point, from 1.
    pub index: u8,
    /// The node.
    pub identity: IdentityKey,
    /// How far it is.
    pub state: DeliveryState,
    /// Bytes of the envelope.
    pub envelope_bytes: u64,
    /// Bytes of the sealed response, 0 before it came.
    pub response_bytes: u64,
    /// The node's refusal, if it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalInfo>,
    /// Whether the node gave another, different answer: both are at `/v1/jobs/{id}/contradictions`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
}

/// Nodes that gave two different answers to one assignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contradictions {
    /// The deal id.
    pub id: Digest32,
    /// One for each of these nodes, in ascending order of the index.
    pub contradictions: Vec<Contradiction>,
}

/// A node's two different answers to one assignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contradiction {
    /// The node's place.
    pub index: u8,
    /// The node.
    pub identity: IdentityKey,
    /// The answers as the node sent them, the one that counts first: bodies of `Answer` in hexadecimal. Where the client assembles, only its key opens the
    /// responses.
    pub answers: [String; 2],
    /// The file that shows it to others (`tacit audit`), where the coordinator can tell: it signed for two packages, or, where the coordinator assembles, two
    /// responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<serde_json::Value>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobStatus {
    /// The deal id.
    pub id: Digest32,
    /// How far it is.
    pub state: JobState,
    /// The circuit id.
    pub circuit: Digest32,
    /// The dials.
    #[serde(flatten)]
    pub dials: DialsInfo,
    /// When it was submitted.
    pub created: u64,
    /// When it expires.
    pub expires: u64,
    /// Its deliveries, in ascending order of the index.
    pub nodes: Vec<DeliveryInfo>,
    /// Who assembles.
    pub assembler: Assembler,
    /// Why it failed, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// A proof that the coordinator assembled, in snarkjs's JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobProof {
    /// The deal id.
    pub id: Digest32,
    /// `proof.json`.
    pub proof: serde_json::Value,
    /// `public.json`.
    pub public: serde_json::Value,
}

/// Every error of the HTTP API, and why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A stable word for programs, such as `unknown_circuit`.
    pub code: String,
    /// A sentence for people: what, where, and the way out.
    pub message: String,
    /// Whose fault it is.
    pub blame: Blame,
}
