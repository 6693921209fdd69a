//! A node's response with the handover `msm`: its shares of the sum and of its MAC.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 64 or 96 | `X_i`, in the first group |
//! | 64 or 96 | `Y_i`, in the first group |

use tacit_algebra::{G1Affine, Groups, Point};

use crate::acknowledgement::Acknowledgement;
use crate::encoding::{self, EncodingError, Message, Reader};
use crate::labels;
use crate::response::AnswerError;

/// Shares of a sum and of its MAC. There are two ways to have one: to compute it ([`super::respond_msm`]), or to decode it, with full checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsmResponse<G: Groups> {
    pub(crate) x: G1Affine<G>,
    pub(crate) y: G1Affine<G>,
}

/// A response with the place of the node that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsmAnswer<G: Groups> {
    /// The node.
    pub place: u8,
    /// Its response.
    pub response: MsmResponse<G>,
}

impl<G: Groups> MsmResponse<G> {
    /// Bytes of the encoding.
    pub const LEN: usize = 3 + 2 * <G1Affine<G> as Point>::LEN;

    /// Share of the sum.
    pub fn x(&self) -> &G1Affine<G> {
        &self.x
    }

    /// Share of the sum's MAC.
    pub fn y(&self) -> &G1Affine<G> {
        &self.y
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = encoding::start(Message::MsmResponse);
        self.x.write_be(&mut out);
        self.y.write_be(&mut out);
        out
    }

    /// Decodes with all checks: lengths, canonical coordinates, curve, subgroup.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::MsmResponse, bytes)?;
        let response = Self { x: reader.point("X")?, y: reader.point("Y")? };
        reader.end()?;
        Ok(response)
    }

    /// What the node signs; see [`crate::Response::signing_bytes`].
    pub fn signing_bytes(&self, acknowledgement: &Acknowledgement) -> Vec<u8> {
        labels::framed(labels::RESPONSE, &[&acknowledgement.encode(), &self.encode()])
    }
}

impl<G: Groups> MsmAnswer<G> {
    /// Decodes the response of a node, with all checks.
    ///
    /// # Errors
    /// [`AnswerError`], which names the node.
    pub fn decode(place: u8, bytes: &[u8]) -> Result<Self, AnswerError> {
        match MsmResponse::decode(bytes) {
            Ok(response) => Ok(Self { place, response }),
            Err(error) => Err(AnswerError { place, error }),
        }
    }
}
