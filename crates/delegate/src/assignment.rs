//! Who gets which package.
//!
//! A [`Seat`] is a place on a deal's committee with the node that takes it. Its encoding, after a label, is the associated
//! data of the envelope that carries the package, so that an envelope opens for one deal, index, node and key only. An
//! [`Assignment`] is the seat with the digest of that envelope; the client signs it, so that nobody swaps the
//! envelope for another or the node for its own.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | deal id |
//! | 1 | group |
//! | 1 | slice |
//! | 1 | index |
//! | 32 | the node's Ed25519 identity |
//! | 32 | id of the node's sealing key |
//! | 8 | epoch of that key |
//! | 32 | digest of the envelope's ciphertext (in an assignment, not in a seat) |

use crate::encoding::{self, EncodingError, Message, Reader};
use crate::header::DealId;
use crate::labels;

/// A place on a deal's committee, taken by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The deal.
    pub deal: DealId,
    /// The group of nodes, from 0.
    pub group: u8,
    /// The slice of the proving key that the group handles: the group's number.
    pub slice: u8,
    /// The index, `1..=n`.
    pub index: u8,
    /// The node's Ed25519 identity.
    pub node: [u8; 32],
    /// Which of the node's sealing keys the envelope is for.
    pub sealing_key: [u8; 32],
    /// That key's epoch.
    pub epoch: u64,
}

/// A seat with the digest of the envelope for it: what the client signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The seat.
    pub seat: Seat,
    /// [`ciphertext_digest`] of the envelope.
    pub ciphertext_digest: [u8; 32],
}

/// The digest of an envelope, over all its bytes.
pub fn ciphertext_digest(envelope: &[u8]) -> [u8; 32] {
    labels::digest(labels::CIPHERTEXT, &[envelope])
}

impl Seat {
    fn encode(&self) -> Vec<u8> {
        let mut out = encoding::start(Message::Assignment);
        out.extend_from_slice(&self.deal.0);
        out.extend_from_slice(&[self.group, self.slice, self.index]);
        out.extend_from_slice(&self.node);
        out.extend_from_slice(&self.sealing_key);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out
    }

    /// Associated data of the envelope for this seat.
    pub fn associated_data(&self) -> Vec<u8> {
        labels::framed(labels::SEAT, &[&self.encode()])
    }

    /// The assignment of an envelope to this seat.
    pub fn assign(self, envelope: &[u8]) -> Assignment {
        Assignment { seat: self, ciphertext_digest: ciphertext_digest(envelope) }
    }
}

impl Assignment {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.seat.encode();
        out.extend_from_slice(&self.ciphertext_digest);
        out
    }

    /// Decodes with all checks.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Assignment, bytes)?;
        let deal = DealId(reader.array("deal id")?);
        let [group, slice, index] = reader.array("group, slice, index")?;
        let seat = Seat {
            deal,
            group,
            slice,
            index,
            node: reader.array("node")?,
            sealing_key: reader.array("sealing key id")?,
            epoch: reader.u64("epoch")?,
        };
        let ciphertext_digest = reader.array("ciphertext digest")?;
        reader.end()?;
        Ok(Self { seat, ciphertext_digest })
    }

    /// What the client signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        labels::framed(labels::ASSIGNMENT, &[&self.encode()])
    }

    /// The assignment's digest.
    pub fn digest(&self) -> [u8; 32] {
        labels::digest(labels::ASSIGNMENT_DIGEST, &[&self.encode()])
    }

    /// Associated data of the response that the node seals to the assembler.
    pub fn response_associated_data(&self) -> Vec<u8> {
        labels::framed(labels::SEALED_RESPONSE, &[&self.encode()])
    }
}
