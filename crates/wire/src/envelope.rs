//! Packages on their way to nodes and responses on their way back.
//!
//! ```text
//! client                                   coordinator                    node
//!   seal package to the node's key
//!   sign assignment (with envelope digest)
//!   -------- assignment, envelope --------> relays --------------------->
//!                                                     check signature, digest, addressee, key, epoch; open
//!                                                     sign acknowledgement; seal signed response to the assembler
//!   <------- acknowledgement, response ---- relays <---------------------
//! ```
//!
//! | sealed | info | associated data |
//! |---|---|---|
//! | package | [`ENVELOPE_INFO`] and the deal id | [`Seat::associated_data`]: the assignment without the ciphertext digest |
//! | response | [`RESPONSE_INFO`] and the deal id | [`Assignment::response_associated_data`], then the acknowledgement |

use rand_core::CryptoRng;
use tacit_delegate::{Acknowledgement, Assignment, DealId, Dials, Seat, ciphertext_digest};
use zeroize::Zeroizing;

use crate::{
    certificate::SealingKeyCertificate,
    codec::{DecodeError, Reader, Writer},
    digest::Digest32,
    identity::{Identity, IdentityKey, Label, Signature},
    peer::PeerMisbehaved,
    seal::{self, SealError, SealingKeyPair, SealingPublicKey},
};

/// The longest encoding of a response inside its seal.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Bytes of an encoded assignment.
const ASSIGNMENT_BYTES: usize = 3 + 32 + 3 + 32 + 32 + 8 + 32;

/// Bytes of an encoded acknowledgement.
const ACKNOWLEDGEMENT_BYTES: usize = 3 + 32 + 32;

/// First part of the `info` of a package's seal.
pub const ENVELOPE_INFO: &str = "tacit v1 envelope";

/// First part of the `info` of a response's seal.
pub const RESPONSE_INFO: &str = "tacit v1 response to the assembler";

fn info(label: &str, deal: &[u8; 32]) -> Vec<u8> {
    [label.as_bytes(), deal.as_slice()].concat()
}

/// An assignment with the client's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAssignment {
    /// What was signed.
    pub assignment: Assignment,
    /// By the client whose key is in the deal's header.
    pub signature: Signature,
}

/// Bytes of [`SignedAssignment::encode`].
pub const SIGNED_ASSIGNMENT_BYTES: usize = ASSIGNMENT_BYTES + 64;

impl SignedAssignment {
    /// Signs.
    pub fn sign(client: &Identity, assignment: Assignment) -> Self {
        let signature = client.sign(Label::Assignment, &assignment.encode());
        Self { assignment, signature }
    }

    /// Whether `client` signed this.
    pub fn verify(&self, client: &IdentityKey) -> Result<(), PeerMisbehaved> {
        client
            .verify(Label::Assignment, &self.assignment.encode(), &self.signature)
            .map_err(PeerMisbehaved::ForgedAssignment)
    }

    /// Whether `client` signed this and whether `envelope` is the one that it names: what a coordinator can check.
    pub fn verify_envelope(&self, client: &IdentityKey, envelope: &[u8]) -> Result<(), PeerMisbehaved> {
        self.verify(client)?;
        let got = ciphertext_digest(envelope);
        let expected = self.assignment.ciphertext_digest;
        if got != expected {
            return Err(PeerMisbehaved::SwappedEnvelope { expected: Digest32(expected), got: Digest32(got) });
        }
        Ok(())
    }

    /// The node that it is addressed to.
    pub fn node(&self) -> IdentityKey {
        IdentityKey(self.assignment.seat.node)
    }

    /// The deal that it belongs to.
    pub fn deal(&self) -> Digest32 {
        Digest32(self.assignment.seat.deal.0)
    }

    /// The place that it is for, of a deal with these dials; `None` if there is no such place.
    pub fn place(&self, dials: Dials) -> Option<u8> {
        let seat = &self.assignment.seat;
        let exists = seat.group < dials.groups() && seat.slice == seat.group && dials.has_index(seat.index);
        exists.then(|| dials.place(seat.group, seat.index))
    }

    /// The canonical encoding: the assignment, then the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.assignment.encode();
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Reads an encoding; verifies nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("signed assignment", bytes);
        let signed = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let assignment: [u8; ASSIGNMENT_BYTES] = reader.array("assignment")?;
        let assignment =
            Assignment::decode(&assignment).map_err(|error| reader.invalid("assignment", error))?;
        Ok(Self { assignment, signature: Signature(reader.array("assignment signature")?) })
    }
}

/// Which part of a deal a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The group, from 0.
    pub group: u8,
    /// The slice of the proving key: the group's number.
    pub slice: u8,
    /// The evaluation point, from 1.
    pub index: u8,
}

impl Slot {
    /// Index `index` of the only group.
    pub const fn index(index: u8) -> Self {
        Self { group: 0, slice: 0, index }
    }

    /// The slot of a place.
    pub const fn at(dials: Dials, place: u8) -> Option<Self> {
        match dials.seat_at(place) {
            Some((group, index)) => Some(Self { group, slice: group, index }),
            None => None,
        }
    }
}

/// Seals an encoded package to the node of `certificate` (verified by the caller) and signs the assignment.
///
/// # Errors
/// None that input from outside can cause.
pub fn seal_package<R: CryptoRng + ?Sized>(
    client: &Identity,
    deal: [u8; 32],
    slot: Slot,
    certificate: &SealingKeyCertificate,
    package: &[u8],
    rng: &mut R,
) -> Result<(SignedAssignment, Vec<u8>), SealError> {
    let seat = Seat {
        deal: DealId(deal),
        group: slot.group,
        slice: slot.slice,
        index: slot.index,
        node: certificate.identity.0,
        sealing_key: certificate.key_id.0,
        epoch: certificate.epoch,
    };
    let envelope = seal::seal(
        &certificate.public_key,
        &info(ENVELOPE_INFO, &deal),
        &seat.associated_data(),
        package,
        rng,
    )?;
    Ok((SignedAssignment::sign(client, seat.assign(&envelope)), envelope))
}

/// What a node compares an assignment with before it opens the envelope.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The node itself.
    pub node: IdentityKey,
    /// One of its sealing keys.
    pub key: &'a SealingKeyPair,
    /// The epoch of that key.
    pub epoch: u64,
}

/// Opens an envelope: `client` and `deal` come from the deal's header, `recipient` from the node itself.
///
/// # Errors
/// The first check that fails, in this order: signature, deal, addressee, sealing key, epoch, digest, seal.
pub fn open_package(
    signed: &SignedAssignment,
    client: &IdentityKey,
    deal: &[u8; 32],
    recipient: Recipient<'_>,
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PeerMisbehaved> {
    signed.verify(client)?;
    let seat = &signed.assignment.seat;
    if seat.deal.0 != *deal {
        return Err(PeerMisbehaved::WrongDeal { expected: Digest32(*deal), got: signed.deal() });
    }
    if signed.node() != recipient.node {
        return Err(PeerMisbehaved::WrongAddressee { expected: recipient.node, got: signed.node() });
    }
    if seat.sealing_key != recipient.key.id().0 {
        return Err(PeerMisbehaved::UnknownSealingKey {
            current: recipient.key.id(),
            got: Digest32(seat.sealing_key),
        });
    }
    if seat.epoch != recipient.epoch {
        return Err(PeerMisbehaved::WrongEpoch { expected: recipient.epoch, got: seat.epoch });
    }
    signed.verify_envelope(client, envelope)?;
    seal::open(recipient.key, &info(ENVELOPE_INFO, deal), &seat.associated_data(), envelope)
        .map_err(PeerMisbehaved::UnopenableEnvelope)
}

/// An acknowledgement with the node's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAcknowledgement {
    /// What was signed.
    pub acknowledgement: Acknowledgement,
    /// By the node of the assignment.
    pub signature: Signature,
}

impl SignedAcknowledgement {
    /// Signs.
    pub fn sign(node: &Identity, acknowledgement: Acknowledgement) -> Self {
        let signature = node.sign(Label::Acknowledgement, &acknowledgement.encode());
        Self { acknowledgement, signature }
    }

    /// Whether the assigned node acknowledges this assignment; which package it opened stays open (a coordinator
    /// cannot know it).
    pub fn verify(&self, assignment: &Assignment) -> Result<(), PeerMisbehaved> {
        IdentityKey(assignment.seat.node)
            .verify(Label::Acknowledgement, &self.acknowledgement.encode(), &self.signature)
            .map_err(PeerMisbehaved::ForgedAcknowledgement)?;
        let expected = assignment.digest();
        if self.acknowledgement.assignment != expected {
            return Err(PeerMisbehaved::AcknowledgedAnotherAssignment {
                node: IdentityKey(assignment.seat.node),
                expected: Digest32(expected),
                got: Digest32(self.acknowledgement.assignment),
            });
        }
        Ok(())
    }

    /// [`verify`](Self::verify), and that it is the package that the client dealt: otherwise the client must not go on.
    pub fn verify_package(&self, assignment: &Assignment, package: &[u8]) -> Result<(), PeerMisbehaved> {
        self.verify(assignment)?;
        if self.acknowledgement != Acknowledgement::new(assignment, package) {
            return Err(PeerMisbehaved::AcknowledgedAnotherPackage {
                node: IdentityKey(assignment.seat.node),
            });
        }
        Ok(())
    }

    /// The canonical encoding: the acknowledgement, then the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.acknowledgement.encode();
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Reads an encoding; verifies nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("signed acknowledgement", bytes);
        let signed = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let acknowledgement: [u8; ACKNOWLEDGEMENT_BYTES] = reader.array("acknowledgement")?;
        let acknowledgement = Acknowledgement::decode(&acknowledgement)
            .map_err(|error| reader.invalid("acknowledgement", error))?;
        Ok(Self { acknowledgement, signature: Signature(reader.array("acknowledgement signature")?) })
    }
}

/// A response with the node's signature over the acknowledgement and the response.
///
/// Keep both out of public logs: a digest or signature over a response lets anyone test guesses about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedResponse {
    /// The response's encoding.
    pub response: Vec<u8>,
    /// By the node of the assignment.
    pub signature: Signature,
}

impl SignedResponse {
    fn signed_bytes(acknowledgement: &Acknowledgement, response: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&acknowledgement.encode()).raw(response);
        writer.finish()
    }

    /// Signs.
    pub fn sign(node: &Identity, acknowledgement: &Acknowledgement, response: &[u8]) -> Self {
        Self {
            response: response.to_vec(),
            signature: node.sign(Label::Response, &Self::signed_bytes(acknowledgement, response)),
        }
    }

    /// Whether the assigned node signed this response for that acknowledgement.
    pub fn verify(
        &self,
        assignment: &Assignment,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), PeerMisbehaved> {
        IdentityKey(assignment.seat.node)
            .verify(Label::Response, &Self::signed_bytes(acknowledgement, &self.response), &self.signature)
            .map_err(PeerMisbehaved::ForgedResponse)
    }

    /// The canonical encoding: the response behind its 32-bit length, then the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&self.response).raw(&self.signature.0);
        writer.finish()
    }

    /// Reads an encoding; verifies nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("signed response", bytes);
        let signed = Self {
            response: reader.bytes("response", MAX_RESPONSE_BYTES)?.to_vec(),
            signature: Signature(reader.array("response signature")?),
        };
        reader.finish()?;
        Ok(signed)
    }
}

fn response_aad(assignment: &Assignment, acknowledgement: &Acknowledgement) -> Vec<u8> {
    let mut aad = assignment.response_associated_data();
    aad.extend_from_slice(&acknowledgement.encode());
    aad
}

/// Signs an encoded response and seals it to the assembler's key.
///
/// # Errors
/// None that input from outside can cause.
pub fn seal_response<R: CryptoRng + ?Sized>(
    node: &Identity,
    assignment: &Assignment,
    acknowledgement: &Acknowledgement,
    response: &[u8],
    assembler: &SealingPublicKey,
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    let signed = SignedResponse::sign(node, acknowledgement, response);
    let aad = response_aad(assignment, acknowledgement);
    seal::seal(assembler, &info(RESPONSE_INFO, &assignment.seat.deal.0), &aad, &signed.encode(), rng)
}

/// Opens a response with the assembler's key, checks the acknowledgement's and the response's signature.
pub fn open_response(
    assembler: &SealingKeyPair,
    assignment: &Assignment,
    acknowledgement: &SignedAcknowledgement,
    sealed: &[u8],
) -> Result<SignedResponse, PeerMisbehaved> {
    acknowledgement.verify(assignment)?;
    let node = IdentityKey(assignment.seat.node);
    let acknowledgement = &acknowledgement.acknowledgement;
    let aad = response_aad(assignment, acknowledgement);
    let plain = seal::open(assembler, &info(RESPONSE_INFO, &assignment.seat.deal.0), &aad, sealed)
        .map_err(|error| PeerMisbehaved::UnopenableResponse { node, error })?;
    let signed =
        SignedResponse::decode(&plain).map_err(|error| PeerMisbehaved::MalformedResponse { node, error })?;
    signed.verify(assignment, acknowledgement)?;
    Ok(signed)
}
