//! How a job ended, in the coordinator's words and under its signature: what an entry of the coordinator's log holds. Entries are public.
//!
//! | bytes | field |
//! |---|---|
//! | 2 | version: 1 |
//! | 32 | the coordinator's identity |
//! | 32 | the job: its deal's id |
//! | 32 | the circuit's id, or that of the bases |
//! | 1 | curve: 1 BN254, 2 BLS12-381 |
//! | 4 | handover, `n`, `t`, groups, as in the deal's header |
//! | 1 | who assembles: 1 the client, 2 the coordinator |
//! | 8 | when the job was accepted, Unix seconds |
//! | 8 | when it ended, Unix seconds; entries of a log stand in the order of these times |
//! | 1 | outcome: 1 proved, 2 answered, 3 failed, 4 expired |
//! | 4 + that | of a failed job the failure's code (`a-z`, `0-9`, `_`; at most 64); empty otherwise |
//! | 2 | number of seats that follow |
//! | each | place (1), the node's identity (32), what came of it (1): 0 nothing, 1 its acknowledgement, 2 a refusal, 3 it was replaced |
//! | 128 | after a 1: digest of the assignment, salted digest of the package, the node's signature over both |
//! | 2 | after a 2: the refusal's code |
//! | 64 | the coordinator's signature over everything before it |
//!
//! Seats stand in the order of their places; those that were replaced stand after the one that has the place now, in the order of their identities.
//!
//! **What is not in it**: public inputs, the header, envelopes, responses or digests of them, a client's name. The deal's id is a digest over the public
//! inputs, but also over 32 random bytes: it does not help to guess them. The acknowledged digest covers a package, but the package holds a salt of 32 random bytes.

use serde::Serialize;
use tacit_algebra::CurveId;
use tacit_delegate::{Acknowledgement, Dials, Handover};

use crate::codec::{DecodeError, DecodeReason, Reader, Writer};
use crate::digest::Digest32;
use crate::envelope::SignedAcknowledgement;
use crate::identity::{Identity, IdentityKey, Label, Signature, SignatureError};
use crate::messages::{Assembler, RefusalCode};
use crate::status::DialsInfo;

/// The only version there is.
const VERSION: u16 = 1;
/// Seats in one receipt, replaced ones among them.
pub const MAX_RECEIPT_SEATS: usize = 1024;
/// The longest code of a failure.
pub const MAX_FAILURE_CODE: usize = 64;
/// The longest receipt, signature included.
pub const MAX_RECEIPT_BYTES: usize = 256 + MAX_FAILURE_CODE + MAX_RECEIPT_SEATS * (34 + 128);

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "code")]
#[non_exhaustive]
pub enum JobOutcome {
    /// The coordinator assembled and verified its proof.
    Proved,
    /// Enough nodes answered, and its client assembles.
    Answered,
    /// No result comes of it; the failure's code.
    Failed(String),
    /// Its deal expired first.
    Expired,
}

/// What came of a node of a committee.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeatOutcome {
    /// Nothing, until the job ended. It may have its package.
    Silent,
    /// It acknowledged its package and answered.
    Acknowledged(SignedAcknowledgement),
    /// It refused.
    Refused(RefusalCode),
    /// Another node was given its place. It may have its package.
    Replaced,
}

/// A node of a committee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptSeat {
    /// The place in the deal: with one group, the node's index.
    pub place: u8,
    /// Who.
    pub node: IdentityKey,
    /// What came of it.
    pub outcome: SeatOutcome,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Who says so.
    pub coordinator: IdentityKey,
    /// The deal's id.
    pub job: Digest32,
    /// The circuit's id, or that of the bases.
    pub circuit: Digest32,
    /// The curve.
    pub curve: CurveId,
    /// The dials.
    pub dials: Dials,
    /// Who assembles, and so sees the result.
    pub assembler: Assembler,
    /// When it was accepted, Unix seconds.
    pub accepted: u64,
    /// When it ended, Unix seconds.
    pub ended: u64,
    /// How it ended.
    pub outcome: JobOutcome,
    /// The committee, and who was replaced in it: everyone who was ever given a package.
    pub seats: Vec<ReceiptSeat>,
}

/// A receipt under its coordinator's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// What was signed.
    pub receipt: Receipt,
    /// By the coordinator that it names.
    pub signature: Signature,
}

/// Why a receipt does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptInvalid {
    /// The coordinator's signature.
    #[error("the receipt carries {0}")]
    Coordinator(SignatureError),
    /// It is another coordinator's.
    #[error("the receipt is by coordinator {got}, not by {expected}")]
    OtherCoordinator {
        /// Whose it should be.
        expected: IdentityKey,
        /// Whose it is.
        got: IdentityKey,
    },
    /// A node's acknowledgement: the coordinator checks them before it says that a node answered.
    #[error("the receipt says that node {place} acknowledged its package, with {error}")]
    Acknowledgement {
        /// The node's place.
        place: u8,
        /// What is wrong with the signature.
        error: SignatureError,
    },
}

impl Receipt {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let Self { coordinator, job, circuit, curve, dials, assembler, accepted, ended, outcome, seats } =
            self;
        out.u16(VERSION).raw(&coordinator.0).raw(&job.0).raw(&circuit.0).u8(curve.code());
        out.u8(dials.handover().code()).u8(dials.nodes()).u8(dials.threshold()).u8(dials.groups());
        out.u8(assembler.code()).u64(*accepted).u64(*ended);
        let (code, failure) = match outcome {
            JobOutcome::Proved => (1, ""),
            JobOutcome::Answered => (2, ""),
            JobOutcome::Failed(failure) => (3, failure.as_str()),
            JobOutcome::Expired => (4, ""),
        };
        out.u8(code).bytes(failure.as_bytes()).count(seats.len());
        for ReceiptSeat { place, node, outcome } in seats {
            out.u8(*place).raw(&node.0).u8(outcome.code());
            match outcome {
                SeatOutcome::Acknowledged(SignedAcknowledgement { acknowledgement, signature }) => {
                    out.raw(&acknowledgement.assignment).raw(&acknowledgement.package).raw(&signature.0);
                }
                SeatOutcome::Refused(code) => {
                    out.u16(code.code());
                }
                SeatOutcome::Silent | SeatOutcome::Replaced => {}
            }
        }
        out.finish()
    }

    /// Signs it. Puts the seats into their order first.
    pub fn sign(mut self, coordinator: &Identity) -> SignedReceipt {
        self.seats.sort_by_key(ReceiptSeat::order);
        let signature = coordinator.sign(Label::Receipt, &self.encode());
        SignedReceipt { receipt: self, signature }
    }

    /// A committee's seats as they are now, by place.
    pub fn committee(&self) -> impl Iterator<Item = &ReceiptSeat> {
        self.seats.iter().filter(|seat| seat.outcome != SeatOutcome::Replaced)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.u16("version")?;
        if version != VERSION {
            return Err(reader.error(DecodeReason::UnknownCode { field: "version", got: version.into() }));
        }
        let coordinator = IdentityKey(reader.array("coordinator")?);
        let job = Digest32(reader.array("job")?);
        let circuit = Digest32(reader.array("circuit")?);
        let curve = reader.u8("curve")?;
        let curve = CurveId::from_code(curve)
            .ok_or_else(|| reader.error(DecodeReason::UnknownCode { field: "curve", got: curve.into() }))?;
        let [handover, n, t, groups] = reader.array("dials")?;
        let dials = Handover::from_code(handover)
            .and_then(|handover| Dials::new(handover, n, t)?.with_groups(groups))
            .map_err(|e| reader.invalid("dials", e))?;
        let assembler = Assembler::read(reader)?;
        let (accepted, ended) = (reader.u64("time of acceptance")?, reader.u64("time of the end")?);
        let outcome = read_outcome(reader)?;
        let count = reader.count("seats", MAX_RECEIPT_SEATS)?;
        let mut seats: Vec<ReceiptSeat> = Vec::new();
        for _ in 0..count {
            let place = reader.u8("place")?;
            if dials.seat_at(place).is_none() {
                return Err(reader.invalid("place", format!("the dials have no place {place}")));
            }
            let node = IdentityKey(reader.array("node")?);
            let seat = ReceiptSeat { place, node, outcome: SeatOutcome::read(reader)? };
            if seats.last().is_some_and(|before| before.order() >= seat.order()) {
                return Err(reader.invalid("seats", "they are not in their order"));
            }
            seats.push(seat);
        }
        let receipt =
            Self { coordinator, job, circuit, curve, dials, assembler, accepted, ended, outcome, seats };
        if !receipt.committee().map(|seat| seat.place).eq(1..=dials.seats()) {
            return Err(reader.invalid("seats", "not every place has one node"));
        }
        Ok(receipt)
    }
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<JobOutcome, DecodeError> {
    let code = reader.u8("outcome")?;
    let wrong = reader.error(DecodeReason::UnknownCode { field: "outcome", got: code.into() });
    let failure = reader.bytes("failure", MAX_FAILURE_CODE)?;
    let of_code = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    if (code == 3) == failure.is_empty() || !failure.iter().all(of_code) {
        return Err(
            reader.invalid("failure", "a failed job has a code of a-z, 0-9 and _, no other job has one")
        );
    }
    match code {
        1 => Ok(JobOutcome::Proved),
        2 => Ok(JobOutcome::Answered),
        3 => Ok(JobOutcome::Failed(String::from_utf8_lossy(failure).into_owned())),
        4 => Ok(JobOutcome::Expired),
        _ => Err(wrong),
    }
}

impl JobOutcome {
    /// A failure by its code; what does not belong into one is left out.
    pub fn failed(code: &str) -> Self {
        let of_code = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
        let clean: String = code.chars().filter(of_code).take(MAX_FAILURE_CODE).collect();
        Self::Failed(if clean.is_empty() { "failed".to_owned() } else { clean })
    }

    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Answered => "answered",
            Self::Failed(_) => "failed",
            Self::Expired => "expired",
        }
    }
}

impl SeatOutcome {
    const fn code(&self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::Acknowledged(_) => 1,
            Self::Refused(_) => 2,
            Self::Replaced => 3,
        }
    }

    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Acknowledged(_) => "acknowledged",
            Self::Refused(_) => "refused",
            Self::Replaced => "replaced",
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8("what came of a node")? {
            0 => Self::Silent,
            1 => Self::Acknowledged(SignedAcknowledgement {
                acknowledgement: Acknowledgement {
                    assignment: reader.array("assignment's digest")?,
                    package: reader.array("package's digest")?,
                },
                signature: Signature(reader.array("node's signature")?),
            }),
            2 => {
                let code = reader.u16("refusal code")?;
                Self::Refused(RefusalCode::from_code(code).ok_or_else(|| {
                    reader.error(DecodeReason::UnknownCode { field: "refusal code", got: code.into() })
                })?)
            }
            3 => Self::Replaced,
            got => {
                let field = "what came of a node";
                return Err(reader.error(DecodeReason::UnknownCode { field, got: got.into() }));
            }
        })
    }
}

impl ReceiptSeat {
    /// Where it stands: the node that has the place now before those that had it, and those by their identities, each once.
    fn order(&self) -> (u8, Option<IdentityKey>) {
        (self.place, (self.outcome == SeatOutcome::Replaced).then_some(self.node))
    }
}

impl SignedReceipt {
    /// The entry of the log.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.receipt.encode();
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Decodes with all checks but those of the signatures.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("receipt", bytes);
        let receipt = Receipt::read(&mut reader)?;
        let signature = Signature(reader.array("signature")?);
        reader.finish()?;
        Ok(Self { receipt, signature })
    }

    /// Whether the coordinator signed it, and every node's acknowledgement is that node's.
    ///
    /// # Errors
    /// [`ReceiptInvalid`].
    pub fn verify(&self, coordinator: &IdentityKey) -> Result<(), ReceiptInvalid> {
        let Self { receipt, signature } = self;
        if receipt.coordinator != *coordinator {
            let (expected, got) = (*coordinator, receipt.coordinator);
            return Err(ReceiptInvalid::OtherCoordinator { expected, got });
        }
        coordinator
            .verify(Label::Receipt, &receipt.encode(), signature)
            .map_err(ReceiptInvalid::Coordinator)?;
        for ReceiptSeat { place, node, outcome } in &receipt.seats {
            if let SeatOutcome::Acknowledged(SignedAcknowledgement { acknowledgement, signature }) = outcome {
                node.verify(Label::Acknowledgement, &acknowledgement.encode(), signature)
                    .map_err(|error| ReceiptInvalid::Acknowledgement { place: *place, error })?;
            }
        }
        Ok(())
    }

    /// What people and pages read of it.
    pub fn view(&self) -> ReceiptView {
        let Receipt { coordinator, job, circuit, curve, dials, assembler, accepted, ended, outcome, seats } =
            &self.receipt;
        ReceiptView {
            coordinator: *coordinator,
            job: *job,
            circuit: *circuit,
            curve: curve.snarkjs_name().to_owned(),
            dials: DialsInfo {
                n: dials.nodes(),
                t: dials.threshold(),
                groups: dials.groups(),
                handover: dials.handover().name().to_owned(),
            },
            assembler: *assembler,
            accepted: *accepted,
            ended: *ended,
            outcome: outcome.clone(),
            seats: seats.iter().map(SeatView::of).collect(),
            signature: self.signature,
        }
    }
}

/// A receipt in JSON, for people and pages. Whoever checks it decodes the entry's bytes instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptView {
    /// Who says so.
    pub coordinator: IdentityKey,
    /// The deal's id.
    pub job: Digest32,
    /// The circuit's id, or that of the bases.
    pub circuit: Digest32,
    /// The curve under snarkjs's name.
    pub curve: String,
    /// The dials.
    #[serde(flatten)]
    pub dials: DialsInfo,
    /// Who assembles.
    pub assembler: Assembler,
    /// When it was accepted, Unix seconds.
    pub accepted: u64,
    /// When it ended, Unix seconds.
    pub ended: u64,
    /// `outcome`, and of a failure its `code`.
    #[serde(flatten)]
    pub outcome: JobOutcome,
    /// The committee, and who was replaced in it.
    pub seats: Vec<SeatView>,
    /// The coordinator's signature.
    pub signature: Signature,
}

/// A seat of a [`ReceiptView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeatView {
    /// The place in the deal.
    pub place: u8,
    /// Who.
    pub node: IdentityKey,
    /// `silent`, `acknowledged`, `refused` or `replaced`.
    pub outcome: &'static str,
    /// Of an acknowledged package: digest of the assignment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Digest32>,
    /// Of an acknowledged package: its salted digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest32>,
    /// Of an acknowledged package: the node's signature over both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Of a refusal: its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalCode>,
}

impl SeatView {
    fn of(seat: &ReceiptSeat) -> Self {
        let (acknowledged, refusal) = match &seat.outcome {
            SeatOutcome::Acknowledged(signed) => (Some(signed), None),
            SeatOutcome::Refused(code) => (None, Some(*code)),
            SeatOutcome::Silent | SeatOutcome::Replaced => (None, None),
        };
        Self {
            place: seat.place,
            node: seat.node,
            outcome: seat.outcome.name(),
            assignment: acknowledged.map(|a| Digest32(a.acknowledgement.assignment)),
            package: acknowledged.map(|a| Digest32(a.acknowledgement.package)),
            signature: acknowledged.map(|a| a.signature),
            refusal,
        }
    }
}
