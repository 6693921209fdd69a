//! What goes into the database and what comes out of it.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::status::{CircuitKind, DeliveryState};
use tacit_wire::{Digest32, IdentityKey};

use super::{Excess, Result, StoreError};

/// Of a header what has the curve and the dials.
const HEAD_BYTES: usize = 512;

/// How far a job is. The codes are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum JobState {
    /// Fewer answers than make a proof.
    Open = 0,
    /// Enough answers; the seats that are left may still answer.
    Ready = 1,
    /// Nothing more will come, and there is enough: every seat has spoken, or the proof is made.
    Done = 2,
    /// No proof can come of it.
    Failed = 3,
    /// The deal expired first.
    Expired = 4,
}

impl JobState {
    pub(super) fn from_code(code: i64) -> Result<Self> {
        [Self::Open, Self::Ready, Self::Done, Self::Failed, Self::Expired]
            .into_iter()
            .find(|s| *s as i64 == code)
            .ok_or(StoreError::Damaged("a job's state"))
    }

    /// Whether nothing changes any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Expired)
    }
}

/// How far a seat of a committee is. The codes are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum SeatState {
    /// Its node has not spoken.
    Waiting = 0,
    /// Its node answered.
    Answered = 1,
    /// Its node refused for good.
    Refused = 2,
}

impl SeatState {
    pub(super) fn from_code(code: i64) -> Result<Self> {
        [Self::Waiting, Self::Answered, Self::Refused]
            .into_iter()
            .find(|s| *s as i64 == code)
            .ok_or(StoreError::Damaged("a seat's state"))
    }
}

/// A circuit, or bases, as they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitRow {
    /// Digest of the key's proving sections, or of the file of bases.
    pub id: Digest32,
    /// Which of the two.
    pub kind: CircuitKind,
    /// Code of the curve.
    pub curve: u8,
    /// All wires, the constant one included; or the number of bases.
    pub n_wires: u64,
    /// Public wires, the constant one not included.
    pub n_public: u64,
    /// `log2` of the domain's size.
    pub log_domain: u32,
    /// Bytes of the file.
    pub zkey_bytes: u64,
    /// BLAKE3 of the file; `None` for what was registered by an earlier version.
    pub file: Option<Digest32>,
    /// BLAKE3 digest and bytes of the constraint system, where one was registered.
    pub r1cs: Option<(Digest32, u64)>,
    /// Unix seconds.
    pub added_at: u64,
}

/// A deal as it is accepted.
#[derive(Debug)]
pub struct NewJob {
    /// The job's name.
    pub deal: Digest32,
    /// Digest of what the client sent.
    pub submission: Digest32,
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// Which circuit.
    pub circuit: Digest32,
    /// Seats of all groups.
    pub n: u8,
    /// Privacy threshold.
    pub t: u8,
    /// Answers that make a proof, of all groups.
    pub needed: u8,
    /// The handover's name.
    pub handover: String,
    /// Whether this coordinator assembles.
    pub coordinator_assembles: bool,
    /// Unix seconds.
    pub expiry: u64,
    /// The committee.
    pub seats: Vec<NewSeat>,
    /// The API key that submits it.
    pub owner: Option<i64>,
}

impl NewJob {
    /// The job as [`Store::job_with_seats`](super::Store::job_with_seats) reads it when it was accepted a moment ago.
    pub fn accepted(&self, created_at: u64) -> (JobRow, Vec<SeatRow>) {
        let job = JobRow {
            deal: self.deal,
            header: self.header.iter().take(HEAD_BYTES).copied().collect(),
            circuit: self.circuit,
            n: self.n,
            t: self.t,
            needed: self.needed,
            handover: self.handover.clone(),
            coordinator_assembles: self.coordinator_assembles,
            state: JobState::Open,
            version: 1,
            failure: None,
            proof: None,
            expiry: self.expiry,
            created_at,
            ended_at: None,
            owner: self.owner,
        };
        let seat = |seat: &NewSeat| SeatRow {
            index: seat.index,
            node: seat.node,
            envelope_bytes: seat.envelope.len() as u64,
            state: SeatState::Waiting,
            delivery: DeliveryState::Waiting,
            answer_bytes: 0,
            refusal: None,
            answered_at: None,
            contradicted: false,
        };
        (job, self.seats.iter().map(seat).collect())
    }
}

/// A seat as it is accepted.
#[derive(Debug)]
pub struct NewSeat {
    /// Its place in the deal: with one group, the evaluation point.
    pub index: u8,
    /// Whose.
    pub node: IdentityKey,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// The sealed package.
    pub envelope: Vec<u8>,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It is stored.
    New,
    /// The same bytes were stored before.
    Same,
    /// Another submission has this deal's name.
    Conflict,
    /// There is no room for it.
    Full(Excess),
    /// Its circuit is not, or no longer, registered.
    NoCircuit,
}

/// What became of a circuit's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It is registered.
    New,
    /// It was registered before.
    Known,
    /// There are too many circuits.
    Full,
    /// There are too many of this key.
    Share,
    /// Pieces of its file are not in the database any more: it was removed while they were put there. They are to be put there again.
    Incomplete,
}

/// What became of a circuit's removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is removed; whose jobs had ended keep its name.
    Done,
    /// So many jobs that have not ended need it.
    Needed(u64),
    /// Another key registered it.
    NotYours,
    /// There is no such circuit.
    Unknown,
}

/// What became of a node's replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reassigned {
    /// The place is the new node's; whose it was.
    Done(IdentityKey),
    /// It was so already.
    Same,
    /// The job has ended, or is over.
    Ended,
    /// The place's node has answered.
    Answered,
    /// The node has, or had, a place of this job.
    HasPlace(u8),
    /// There is no room for its envelope.
    Full(Excess),
    /// There is no such job or place.
    Unknown,
}

/// A job without its envelopes and answers.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its name.
    pub deal: Digest32,
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// Which circuit.
    pub circuit: Digest32,
    /// Committee size.
    pub n: u8,
    /// Privacy threshold.
    pub t: u8,
    /// Answers that make a proof.
    pub needed: u8,
    /// The handover's name.
    pub handover: String,
    /// Whether this coordinator assembles.
    pub coordinator_assembles: bool,
    /// How far it is.
    pub state: JobState,
    /// Counts the changes that a poller can see.
    pub version: u64,
    /// JSON of the failure.
    pub failure: Option<String>,
    /// JSON of the proof.
    pub proof: Option<String>,
    /// Unix seconds.
    pub expiry: u64,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub ended_at: Option<u64>,
    /// The API key that submitted it.
    pub owner: Option<i64>,
}

/// A seat without its envelope and answer.
#[derive(Debug, Clone)]
pub struct SeatRow {
    /// Its place in the deal: with one group, the evaluation point.
    pub index: u8,
    /// Whose.
    pub node: IdentityKey,
    /// Bytes of the envelope.
    pub envelope_bytes: u64,
    /// How far it is.
    pub state: SeatState,
    /// How far the delivery is while the seat waits.
    pub delivery: DeliveryState,
    /// Bytes of the node's answer; 0 where there is none.
    pub answer_bytes: u64,
    /// JSON of the refusal.
    pub refusal: Option<String>,
    /// When it answered or refused.
    pub answered_at: Option<u64>,
    /// Whether it signed two different answers.
    pub contradicted: bool,
}

/// What a node answered.
#[derive(Debug, Clone)]
pub struct AnswerRow {
    /// The place in the deal.
    pub index: u8,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// Acknowledgement and sealed response, as the node signed them.
    pub answer: Vec<u8>,
}

/// A job with what its nodes answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The job; its header is cut off after the dials, and its proof is left out.
    pub job: JobRow,
    /// Its committee, by index.
    pub seats: Vec<SeatRow>,
    /// What its nodes answered, by index.
    pub answers: Vec<AnswerRow>,
}

/// What a node is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferRow {
    /// The deal header, canonical.
    pub header: Vec<u8>,
    /// The client's signed assignment.
    pub assignment: Vec<u8>,
    /// The sealed package.
    pub envelope: Vec<u8>,
}

/// What a node says to an offer.
#[derive(Debug)]
pub enum Reply<'a> {
    /// It answered; the bytes as it signed them.
    Answer(&'a [u8]),
    /// It refuses for good; JSON of the reason.
    Refusal(&'a str),
}

impl<'a> Reply<'a> {
    /// The answer's bytes, or the refusal's text.
    pub(super) fn parts(&self) -> (Option<&'a [u8]>, Option<&'a str>) {
        match *self {
            Self::Answer(bytes) => (Some(bytes), None),
            Self::Refusal(reason) => (None, Some(reason)),
        }
    }
}

/// What became of a node's reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored; this is how the job stands now.
    New {
        /// Its state.
        state: JobState,
        /// Seats that answered.
        answered: u8,
        /// Seats that have not spoken.
        waiting: u8,
        /// Whether this coordinator can try to assemble it now.
        assemble: bool,
    },
    /// It was stored before.
    Same,
    /// The node gave another answer before. Both are kept.
    Contradiction,
    /// There is no such seat, or the job has ended.
    Unwanted,
}

pub(super) fn circuit_row(row: &AnyRow) -> Result<CircuitRow> {
    let r1cs_bytes: Option<i64> = row.try_get("r1cs_bytes")?;
    let r1cs = match r1cs_bytes {
        Some(bytes) => Some((digest(row, "r1cs_digest")?, unsigned(bytes)?)),
        None => None,
    };
    Ok(CircuitRow {
        id: digest(row, "id")?,
        kind: match small(row, "kind")? {
            0 => CircuitKind::Circuit,
            1 => CircuitKind::Bases,
            _ => return Err(StoreError::Damaged("a circuit's kind")),
        },
        curve: small(row, "curve")?,
        n_wires: unsigned(row.try_get("n_wires")?)?,
        n_public: unsigned(row.try_get("n_public")?)?,
        log_domain: u32::from(small(row, "log_domain")?),
        zkey_bytes: unsigned(row.try_get("zkey_bytes")?)?,
        file: match row.try_get::<Option<Vec<u8>>, _>("file_digest")? {
            Some(_) => Some(digest(row, "file_digest")?),
            None => None,
        },
        r1cs,
        added_at: unsigned(row.try_get("added_at")?)?,
    })
}

pub(super) fn job_row(row: &AnyRow) -> Result<JobRow> {
    Ok(JobRow {
        deal: digest(row, "deal")?,
        header: row.try_get("header")?,
        circuit: digest(row, "circuit")?,
        n: small(row, "n")?,
        t: small(row, "t")?,
        needed: small(row, "needed")?,
        handover: row.try_get("handover")?,
        coordinator_assembles: small(row, "assembler")? == 1,
        state: JobState::from_code(row.try_get("state")?)?,
        version: unsigned(row.try_get("version")?)?,
        failure: row.try_get("failure")?,
        proof: row.try_get("proof")?,
        expiry: unsigned(row.try_get("expiry")?)?,
        created_at: unsigned(row.try_get("created_at")?)?,
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(unsigned).transpose()?,
        owner: row.try_get("owner")?,
    })
}

pub(super) fn seat_row(row: &AnyRow) -> Result<SeatRow> {
    Ok(SeatRow {
        index: small(row, "idx")?,
        node: IdentityKey(digest(row, "node")?.0),
        envelope_bytes: unsigned(row.try_get("envelope_bytes")?)?,
        state: SeatState::from_code(row.try_get("seat_state")?)?,
        delivery: match (small(row, "in_hand")?, small(row, "connected")? != 0) {
            (1, _) => DeliveryState::Offered,
            // A node that is back is offered it again.
            (2, false) => DeliveryState::Lost,
            _ => DeliveryState::Waiting,
        },
        answer_bytes: unsigned(row.try_get("answer_bytes")?)?,
        refusal: row.try_get("refusal")?,
        answered_at: row.try_get::<Option<i64>, _>("answered_at")?.map(unsigned).transpose()?,
        contradicted: row.try_get::<i64, _>("contradicted")? != 0,
    })
}

pub(super) fn digest(row: &AnyRow, column: &'static str) -> Result<Digest32> {
    let bytes: Vec<u8> = row.try_get(column)?;
    <[u8; 32]>::try_from(bytes).map(Digest32).map_err(|_| StoreError::Damaged("a digest"))
}

pub(super) fn small(row: &AnyRow, column: &'static str) -> Result<u8> {
    u8::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Damaged("a small number"))
}

// SQL's integers are signed. Times and sizes beyond 2^63 saturate: they mean "never" and "too large" as well.
pub(super) fn signed(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(x: i64) -> Result<u64> {
    u64::try_from(x).map_err(|_| StoreError::Damaged("a size or time"))
}
