//! Between a client and a coordinator: frames in HTTPS bodies.

use crate::{
    codec::{DecodeError, DecodeReason, Reader, Writer},
    digest::Digest32,
    envelope::{SIGNED_ASSIGNMENT_BYTES, SignedAssignment},
    frame::{Body, HEADER_BYTES, MAX_ENVELOPE_BYTES, MAX_HEADER_BYTES, MessageType},
    identity::{Identity, IdentityKey, Label, Signature},
    messages::{Answer, MAX_NODES, Refusal},
    peer::PeerMisbehaved,
};

/// Who interpolates the responses, and therefore sees the proof first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Assembler {
    /// The client: responses are sealed to its key.
    Client,
    /// The coordinator, because the user goes away: responses are sealed to its key.
    Coordinator,
}

impl Assembler {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Coordinator => 2,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("assembler")? {
            1 => Ok(Self::Client),
            2 => Ok(Self::Coordinator),
            got => Err(reader.error(DecodeReason::UnknownCode { field: "assembler", got: got.into() })),
        }
    }
}

/// `signed assignment | envelope: bytes`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who gets the envelope, signed by the client.
    pub assignment: SignedAssignment,
    /// The sealed package.
    pub envelope: Vec<u8>,
}

/// `header: bytes | assembler u8 | deliveries: list`
///
/// The job's name is the deal's: submitting the same bytes again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitJob {
    /// The deal's header.
    pub header: Vec<u8>,
    /// Who assembles.
    pub assembler: Assembler,
    /// One delivery per node, at most [`MAX_NODES`].
    pub deliveries: Vec<Delivery>,
}

impl SubmitJob {
    /// Bytes of the frame of a job whose header and envelopes have so many bytes each.
    pub fn frame_bytes(header: usize, envelopes: impl IntoIterator<Item = usize>) -> usize {
        let deliveries: usize =
            envelopes.into_iter().map(|envelope| SIGNED_ASSIGNMENT_BYTES + 4 + envelope).sum();
        HEADER_BYTES + 4 + header + 1 + 2 + deliveries
    }
}

impl Body for SubmitJob {
    const TYPE: MessageType = MessageType::SubmitJob;

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.header).u8(self.assembler.code()).count(self.deliveries.len());
        for delivery in &self.deliveries {
            writer.raw(&delivery.assignment.encode()).bytes(&delivery.envelope);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = reader.bytes("header", MAX_HEADER_BYTES)?.to_vec();
        let assembler = Assembler::read(reader)?;
        let mut deliveries = Vec::new();
        for _ in 0..reader.count("deliveries", MAX_NODES)? {
            let assignment = SignedAssignment::read(reader)?;
            let envelope = reader.bytes("envelope", MAX_ENVELOPE_BYTES)?.to_vec();
            deliveries.push(Delivery { assignment, envelope });
        }
        Ok(Self { header, assembler, deliveries })
    }
}

/// `signed assignment | envelope: bytes`
///
/// Another node takes the place of one that has not answered: the same package, sealed anew. The assignment names deal and place, and
/// its signature is the deal's client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassign {
    /// Who gets the envelope.
    pub delivery: Delivery,
}

impl Body for Reassign {
    const TYPE: MessageType = MessageType::Reassign;

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.delivery.assignment.encode()).bytes(&self.delivery.envelope);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let assignment = SignedAssignment::read(reader)?;
        let envelope = reader.bytes("envelope", MAX_ENVELOPE_BYTES)?.to_vec();
        Ok(Self { delivery: Delivery { assignment, envelope } })
    }
}

/// `deal [32] | signature [64]`
///
/// The client has its proof, or gives the deal up: what has not been offered is not, and who computes may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel {
    /// The deal.
    pub deal: Digest32,
    /// By the client whose key is in the deal's header, over the deal id.
    pub signature: Signature,
}

impl Cancel {
    /// Signs.
    pub fn sign(client: &Identity, deal: Digest32) -> Self {
        Self { deal, signature: client.sign(Label::Cancellation, &deal.0) }
    }

    /// Whether `client` signed this.
    ///
    /// # Errors
    /// [`PeerMisbehaved::ForgedCancellation`].
    pub fn verify(&self, client: &IdentityKey) -> Result<(), PeerMisbehaved> {
        client
            .verify(Label::Cancellation, &self.deal.0, &self.signature)
            .map_err(PeerMisbehaved::ForgedCancellation)
    }
}

impl Body for Cancel {
    const TYPE: MessageType = MessageType::Cancel;

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.deal.0).raw(&self.signature.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { deal: Digest32(reader.array("deal")?), signature: Signature(reader.array("signature")?) })
    }
}

/// What came of one delivery: `0`, `1 | answer`, `2 | refusal`, `3`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// An answer.
    Answered(Answer),
    /// No.
    Refused(Refusal),
    /// The node went away and has not come back.
    Lost,
}

/// `index u8 | outcome`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAnswer {
    /// The node's place in the deal, from 1: with one group of nodes, its index.
    pub index: u8,
    /// What came of it.
    pub outcome: Outcome,
}

/// `deal [32] | answers: list`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobAnswers {
    /// The deal.
    pub deal: Digest32,
    /// One per delivery, in ascending order of the index.
    pub answers: Vec<NodeAnswer>,
}

impl Body for JobAnswers {
    const TYPE: MessageType = MessageType::JobAnswers;

    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.deal.0).count(self.answers.len());
        for NodeAnswer { index, outcome } in &self.answers {
            writer.u8(*index);
            match outcome {
                Outcome::Pending => {
                    writer.u8(0);
                }
                Outcome::Answered(answer) => {
                    writer.u8(1);
                    answer.write_fields(writer);
                }
                Outcome::Refused(refusal) => {
                    writer.u8(2);
                    refusal.write_fields(writer);
                }
                Outcome::Lost => {
                    writer.u8(3);
                }
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let deal = Digest32(reader.array("deal")?);
        let mut answers: Vec<NodeAnswer> = Vec::new();
        for _ in 0..reader.count("answers", MAX_NODES)? {
            let index = reader.u8("index")?;
            if answers.last().is_some_and(|last| last.index >= index) {
                return Err(reader.invalid("index", "answers are not in ascending order"));
            }
            let outcome = match reader.u8("outcome")? {
                0 => Outcome::Pending,
                1 => Outcome::Answered(Answer::read_fields(reader)?),
                2 => Outcome::Refused(Refusal::read_fields(reader)?),
                3 => Outcome::Lost,
                got => {
                    return Err(reader.error(DecodeReason::UnknownCode { field: "outcome", got: got.into() }));
                }
            };
            answers.push(NodeAnswer { index, outcome });
        }
        Ok(Self { deal, answers })
    }
}
