//! A node's response: three group elements, its shares of the proof.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 64 or 96 | `A_i`, in the first group |
//! | 128 or 192 | `B_i`, in the second group |
//! | 64 or 96 | `C_i`, in the first group |

use tacit_algebra::{G1Affine, G2Affine, Groups, Point};
use thiserror::Error;

use crate::acknowledgement::Acknowledgement;
use crate::blame::Culprit;
use crate::encoding::{self, EncodingError, Message, Reader};
use crate::labels;

/// Shares of a proof. There are two ways to have one: to compute it ([`crate::respond()`]), or to decode it, with full checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<G: Groups> {
    pub(crate) a: G1Affine<G>,
    pub(crate) b: G2Affine<G>,
    pub(crate) c: G1Affine<G>,
}

/// A response with the place of the node that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<G: Groups> {
    /// The node.
    pub place: u8,
    /// Its response.
    pub response: Response<G>,
}

/// A node answered with something that is no response.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("node {place} gave no valid response: {error}")]
pub struct AnswerError {
    /// The node.
    pub place: u8,
    /// What is wrong with its bytes.
    pub error: EncodingError,
}

impl AnswerError {
    /// Whom this points at: the node, whose signature and seal the bytes came under.
    pub fn culprits(&self) -> Vec<Culprit> {
        vec![Culprit::Node(self.place)]
    }
}

impl<G: Groups> Response<G> {
    /// Bytes of the encoding.
    pub const LEN: usize = 3 + 2 * <G1Affine<G> as Point>::LEN + <G2Affine<G> as Point>::LEN;

    /// Share of `A`.
    pub fn a(&self) -> &G1Affine<G> {
        &self.a
    }

    /// Share of `B`.
    pub fn b(&self) -> &G2Affine<G> {
        &self.b
    }

    /// Share of `C`.
    pub fn c(&self) -> &G1Affine<G> {
        &self.c
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = encoding::start(Message::Response);
        self.a.write_be(&mut out);
        self.b.write_be(&mut out);
        self.c.write_be(&mut out);
        out
    }

    /// Decodes with all checks: lengths, canonical coordinates, curve, subgroup.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Response, bytes)?;
        let response = Self { a: reader.point("A")?, b: reader.point("B")?, c: reader.point("C")? };
        reader.end()?;
        Ok(response)
    }

    /// What the node signs. It covers the acknowledgement, so that the response can be held against the package that was
    /// acknowledged; two of these under one acknowledgement are guilt by themselves.
    pub fn signing_bytes(&self, acknowledgement: &Acknowledgement) -> Vec<u8> {
        labels::framed(labels::RESPONSE, &[&acknowledgement.encode(), &self.encode()])
    }
}

impl<G: Groups> Answer<G> {
    /// Decodes the response of a node, with all checks.
    ///
    /// # Errors
    /// [`AnswerError`], which names the node.
    pub fn decode(place: u8, bytes: &[u8]) -> Result<Self, AnswerError> {
        match Response::decode(bytes) {
            Ok(response) => Ok(Self { place, response }),
            Err(error) => Err(AnswerError { place, error }),
        }
    }
}
