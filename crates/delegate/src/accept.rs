//! Step 3, a node: check an offer before opening its envelope.
//!
//! The client's signature over the assignment, under the header's `client_key`, is checked by the caller (`tacit-wire` has
//! signatures) over [`Assignment::signing_bytes`].

use ark_ff::PrimeField;
use tacit_groth16::CircuitId;
use thiserror::Error;

use crate::assignment::{self, Assignment, Seat};
use crate::blame::Culprit;
use crate::circuit::CircuitShape;
use crate::header::{DealHeader, DealId, Expired};

/// The node's own side of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its Ed25519 identity.
    pub node: [u8; 32],
    /// The id of the sealing key that the assignment names and that it holds.
    pub sealing_key: [u8; 32],
    /// That key's epoch.
    pub epoch: u64,
}

/// An offer that was accepted: what the node's record decides about. There is no other way to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    seat: Seat,
    ciphertext_digest: [u8; 32],
    expiry: u64,
}

impl Request {
    /// The seat that the node takes.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Digest of the envelope.
    pub fn ciphertext_digest(&self) -> &[u8; 32] {
        &self.ciphertext_digest
    }

    /// The deal's expiry, in seconds since 1970.
    pub fn expiry(&self) -> u64 {
        self.expiry
    }
}

/// Why a node does not take an offer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The assignment is of another deal than the header.
    #[error("the assignment is of deal {assignment}, the header's deal is {header}")]
    WrongDeal {
        /// The assignment's deal.
        assignment: DealId,
        /// The header's deal.
        header: DealId,
    },
    /// The deal's time is over.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The circuit is another than the one looked up.
    #[error("the deal is for circuit {deal}, not for circuit {circuit}")]
    Circuit {
        /// The deal's circuit.
        deal: CircuitId,
        /// The circuit looked up.
        circuit: CircuitId,
    },
    /// Another number of public inputs than the circuit has.
    #[error("the deal has {got} public inputs, the circuit {expected}")]
    PublicInputs {
        /// Public wires of the circuit.
        expected: usize,
        /// Values in the header.
        got: usize,
    },
    /// No node of the deal has this group, slice and index.
    #[error("the deal has no seat with group {group}, slice {slice}, index {index}")]
    NoSuchSeat {
        /// The assignment's group.
        group: u8,
        /// The assignment's slice.
        slice: u8,
        /// The assignment's index.
        index: u8,
    },
    /// The assignment is another node's.
    #[error("the assignment is another node's")]
    WrongNode,
    /// The assignment names a sealing key that this node does not hold, or another epoch of it.
    #[error(
        "the envelope is for sealing key epoch {assigned}, not for the key of epoch {held} that this node holds; deal again with the node's present key"
    )]
    WrongSealingKey {
        /// The assignment's epoch.
        assigned: u64,
        /// The epoch held.
        held: u64,
    },
    /// The envelope is not the one that was assigned.
    #[error("the envelope is not the one that the client assigned: its digest differs")]
    WrongEnvelope,
}

impl AcceptError {
    /// Whom this points at. The assignment is signed by the client; that it reached the right node with the right
    /// header and envelope is the coordinator's part, who can check all three.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::WrongDeal { .. } | Self::WrongNode | Self::WrongEnvelope | Self::Circuit { .. } => {
                vec![Culprit::Coordinator]
            }
            Self::PublicInputs { .. } | Self::NoSuchSeat { .. } => vec![Culprit::Client],
            // The key may have been rotated while the offer was on its way.
            Self::WrongSealingKey { .. } => vec![Culprit::Nobody],
            Self::Expired(expired) => expired.culprits(),
        }
    }
}

/// Checks an offer. `circuit` is the node's own, looked up by the header's circuit id; `now` is in seconds since 1970.
///
/// # Errors
/// [`AcceptError`].
pub fn accept<F: PrimeField>(
    header: &DealHeader<F>,
    assignment: &Assignment,
    envelope: &[u8],
    holder: &Holder,
    circuit: &CircuitShape,
    now: u64,
) -> Result<Request, AcceptError> {
    let (terms, seat) = (&header.terms, &assignment.seat);
    let id = header.deal_id();
    if seat.deal != id {
        return Err(AcceptError::WrongDeal { assignment: seat.deal, header: id });
    }
    header.check_expiry(now)?;
    if terms.circuit != circuit.id {
        return Err(AcceptError::Circuit { deal: terms.circuit, circuit: circuit.id });
    }
    if terms.public.len() != circuit.n_public {
        return Err(AcceptError::PublicInputs { expected: circuit.n_public, got: terms.public.len() });
    }
    let Seat { group, slice, index, .. } = *seat;
    // Group g handles slice g.
    if group >= terms.dials.groups() || slice != group || !terms.dials.has_index(index) {
        return Err(AcceptError::NoSuchSeat { group, slice, index });
    }
    if seat.node != holder.node {
        return Err(AcceptError::WrongNode);
    }
    if seat.sealing_key != holder.sealing_key || seat.epoch != holder.epoch {
        return Err(AcceptError::WrongSealingKey { assigned: seat.epoch, held: holder.epoch });
    }
    if assignment::ciphertext_digest(envelope) != assignment.ciphertext_digest {
        return Err(AcceptError::WrongEnvelope);
    }
    Ok(Request { seat: *seat, ciphertext_digest: assignment.ciphertext_digest, expiry: terms.expiry })
}
