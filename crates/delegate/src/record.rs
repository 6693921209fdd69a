//! What a node keeps about a deal, so that it answers once and identically ever after: a state machine without storage.
//!
//! ```text
//!            decide: Answer(record)          record.answered(sealed)            record.retired(now), after expiry
//!   nothing ------------------------> begun --------------------------> answered --------------------> tombstone
//!              write it durably,              write it durably,                    refuses everything; kept until the
//!              then open and respond          then send                            sealing key is destroyed
//! ```
//!
//! A node that crashes after the first write finds `begun`, and computes the same response again; after the second, it sends the stored
//! bytes. Were it not for the record, an envelope offered again could be answered again, and two answers with one mask tell what the
//! mask hides. A node restored from a backup has lost records: it must destroy its sealing keys first.
//!
//! A node has one record for a deal and group: it never takes a second index of one group.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | deal id |
//! | 1 | group |
//! | 1 | index |
//! | 32 | digest of the envelope |
//! | 32 | id of the sealing key that opens it |
//! | 8 | the deal's expiry, seconds since 1970 |
//! | 1 | state: 1 begun, 2 answered, 3 tombstone |
//! | 4 | length of the sealed response (only if answered) |
//! | that | the sealed response (only if answered) |

use thiserror::Error;

use crate::blame::Culprit;
use crate::encoding::{self, EncodingError, Malformed, Message, Reader};
use crate::header::DealId;

pub use crate::accept::Request;

/// How far a node is with a deal.
#[derive(Clone, PartialEq, Eq)]
enum State {
    Begun,
    Answered { sealed: Vec<u8> },
    Tombstone,
}

/// What a node keeps about a deal.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    deal: DealId,
    group: u8,
    index: u8,
    ciphertext_digest: [u8; 32],
    sealing_key: [u8; 32],
    expiry: u64,
    state: State,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Begun => "begun",
            State::Answered { .. } => "answered",
            State::Tombstone => "tombstone",
        };
        write!(
            f,
            "Record {{ deal: {:?}, group: {}, index: {}, {state}, .. }}",
            self.deal, self.group, self.index
        )
    }
}

/// What a node does with an accepted offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write this record durably; only then open the envelope and respond.
    Answer(Record),
    /// Send these bytes again: the sealed response of the first time.
    Repeat(Vec<u8>),
    /// Say no.
    Refuse(Refusal),
}

/// Why a node does not answer (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another envelope was already taken for this deal and index.
    #[error("another envelope was already taken for this deal and index {index}; deal afresh")]
    OtherEnvelope {
        /// The index.
        index: u8,
    },
    /// This node already holds another index of this deal.
    #[error(
        "this node already holds index {held} of this deal and takes no second one (index {asked}); deal afresh"
    )]
    OtherIndex {
        /// The index it holds.
        held: u8,
        /// The index offered.
        asked: u8,
    },
    /// The deal is over: only its tombstone is left.
    #[error("the deal is over at this node; deal afresh")]
    Over,
    /// The caller looked up the record of another deal.
    #[error("the record is of another deal or group")]
    WrongRecord,
}

impl Refusal {
    /// Whom this points at. Both assignments carry the client's signature, so two envelopes for one seat are the client's doing: nobody
    /// else can have made the second. A caller that has not checked that signature must blame the coordinator instead.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::OtherEnvelope { .. } | Self::OtherIndex { .. } => vec![Culprit::Client],
            Self::Over | Self::WrongRecord => vec![Culprit::Nobody],
        }
    }
}

/// Decides about an accepted offer, given the record that the node holds of this deal and group, if any.
pub fn decide(held: Option<&Record>, request: &Request) -> Decision {
    let seat = request.seat();
    let Some(held) = held else {
        return Decision::Answer(Record {
            deal: seat.deal,
            group: seat.group,
            index: seat.index,
            ciphertext_digest: *request.ciphertext_digest(),
            sealing_key: seat.sealing_key,
            expiry: request.expiry(),
            state: State::Begun,
        });
    };
    if (held.deal, held.group) != (seat.deal, seat.group) {
        return Decision::Refuse(Refusal::WrongRecord);
    }
    if held.index != seat.index {
        return Decision::Refuse(Refusal::OtherIndex { held: held.index, asked: seat.index });
    }
    if held.ciphertext_digest != *request.ciphertext_digest() {
        return Decision::Refuse(Refusal::OtherEnvelope { index: seat.index });
    }
    match &held.state {
        State::Begun => Decision::Answer(held.clone()),
        State::Answered { sealed } => Decision::Repeat(sealed.clone()),
        State::Tombstone => Decision::Refuse(Refusal::Over),
    }
}

impl Record {
    /// The deal: with the group, the record's key in storage.
    pub fn deal(&self) -> DealId {
        self.deal
    }

    /// The group.
    pub fn group(&self) -> u8 {
        self.group
    }

    /// The index held.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// The sealed response, once there is one.
    pub fn sealed_response(&self) -> Option<&[u8]> {
        match &self.state {
            State::Answered { sealed } => Some(sealed),
            State::Begun | State::Tombstone => None,
        }
    }

    /// With the sealed response: write it durably, only then send it. A response that is there already stays, and so
    /// does a tombstone: send [`Record::sealed_response`], not what was passed in.
    #[must_use]
    pub fn answered(mut self, sealed: Vec<u8>) -> Self {
        if self.state == State::Begun {
            self.state = State::Answered { sealed };
        }
        self
    }

    /// After the deal's expiry a tombstone, before it the record unchanged. A tombstone stays one even if the clock goes back.
    #[must_use]
    pub fn retired(mut self, now: u64) -> Self {
        if now > self.expiry {
            self.state = State::Tombstone;
        }
        self
    }

    /// Whether this is a tombstone.
    pub fn is_tombstone(&self) -> bool {
        self.state == State::Tombstone
    }

    /// Whether the record may be deleted: only a tombstone whose envelope can no longer be opened by anyone, because
    /// the sealing key is destroyed.
    pub fn may_be_forgotten(&self, is_destroyed: impl FnOnce(&[u8; 32]) -> bool) -> bool {
        self.is_tombstone() && is_destroyed(&self.sealing_key)
    }

    /// The canonical encoding, for storage.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = encoding::start(Message::Record);
        out.extend_from_slice(&self.deal.0);
        out.extend_from_slice(&[self.group, self.index]);
        out.extend_from_slice(&self.ciphertext_digest);
        out.extend_from_slice(&self.sealing_key);
        out.extend_from_slice(&self.expiry.to_le_bytes());
        match &self.state {
            State::Begun => out.push(1),
            State::Answered { sealed } => {
                out.push(2);
                out.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
                out.extend_from_slice(sealed);
            }
            State::Tombstone => out.push(3),
        }
        out
    }

    /// Decodes with all checks.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Record, bytes)?;
        let deal = DealId(reader.array("deal id")?);
        let [group, index] = reader.array("group, index")?;
        let ciphertext_digest = reader.array("ciphertext digest")?;
        let sealing_key = reader.array("sealing key id")?;
        let expiry = reader.u64("expiry")?;
        let state = match reader.u8("state")? {
            1 => State::Begun,
            2 => {
                let len = reader.u32("length of the sealed response")?;
                State::Answered { sealed: reader.take("sealed response", len as usize)?.to_vec() }
            }
            3 => State::Tombstone,
            got => return Err(reader.error(Malformed::Code { field: "state", got })),
        };
        reader.end()?;
        Ok(Self { deal, group, index, ciphertext_digest, sealing_key, expiry, state })
    }
}
