//! What all encodings of this crate share.
//!
//! Integers are little-endian and of fixed width; a list is preceded by its length; field elements are canonical
//! little-endian of fixed width (32 bytes for both curves); points are uncompressed affine, big-endian, `c1` before
//! `c0`, all zeros for the neutral element (64 and 128 bytes for BN254, 96 and 192 for BLS12-381). Every message begins
//!
//! | bytes | field |
//! |---|---|
//! | 2 | version of the protocol: 1 |
//! | 1 | message: 1 header, 2 package, 3 assignment, 4 acknowledgement, 5 response, 6 record, 7 response with the handover `msm` |
//!
//! A value has one encoding and decoders accept no other: they check every length against the bytes at hand before they
//! allocate, refuse elements that are not below the modulus and points off the curve or outside the subgroup, and
//! accept nothing after the end.

use std::fmt;

use ark_ff::PrimeField;
use tacit_algebra::{DecodeError, Point, field};
use thiserror::Error;

use crate::PROTOCOL_VERSION;
use crate::blame::Culprit;
use crate::dials::DialsError;

/// Which message an encoding is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Message {
    /// A deal's header.
    Header,
    /// What is sealed to one node.
    Package,
    /// Who gets which package.
    Assignment,
    /// That a node opened its package.
    Acknowledgement,
    /// Three group elements.
    Response,
    /// What a node keeps about a deal.
    Record,
    /// Two elements of the first group.
    MsmResponse,
}

impl Message {
    /// The byte that stands for it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Header => 1,
            Self::Package => 2,
            Self::Assignment => 3,
            Self::Acknowledgement => 4,
            Self::Response => 5,
            Self::Record => 6,
            Self::MsmResponse => 7,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "deal header",
            Self::Package => "package",
            Self::Assignment => "assignment",
            Self::Acknowledgement => "acknowledgement",
            Self::Response => "response",
            Self::Record => "record",
            Self::MsmResponse => "response with the handover `msm`",
        })
    }
}

/// Bytes that are no encoding of the message they were taken for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {message} at byte {offset}: {reason}")]
pub struct EncodingError {
    /// The message expected.
    pub message: Message,
    /// Where in it.
    pub offset: usize,
    /// What is wrong.
    pub reason: Malformed,
}

impl EncodingError {
    /// Whom this points at: the client for what came out of an envelope that it sealed, this process for its own
    /// records, else whoever handed over the bytes, which the caller knows.
    pub fn culprits(&self) -> Vec<Culprit> {
        vec![match self.message {
            Message::Package => Culprit::Client,
            Message::Record => Culprit::Nobody,
            Message::Header
            | Message::Assignment
            | Message::Acknowledgement
            | Message::Response
            | Message::MsmResponse => Culprit::Unknown,
        }]
    }
}

/// What is wrong with an encoding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end early.
    #[error("{field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Bytes it has.
        needed: u64,
        /// Bytes left.
        left: usize,
    },
    /// Something follows the end.
    #[error("{extra} bytes follow the end")]
    Trailing {
        /// Bytes too many.
        extra: usize,
    },
    /// Another version of the protocol.
    #[error("protocol version {got}; this program speaks version {PROTOCOL_VERSION}")]
    Version {
        /// The version given.
        got: u16,
    },
    /// Another message.
    #[error("message code {got} is not that of the expected message")]
    Message {
        /// The code given.
        got: u8,
    },
    /// A code that stands for nothing.
    #[error("{got} is no code for {field}")]
    Code {
        /// What was being read.
        field: &'static str,
        /// The code given.
        got: u8,
    },
    /// A list has another length than it must have here.
    #[error("{field} has length {got}, it must be {expected}")]
    Length {
        /// What was being read.
        field: &'static str,
        /// Length it must have.
        expected: u64,
        /// Length given.
        got: u64,
    },
    /// A number is outside its range.
    #[error("{field} {got} is out of range")]
    Range {
        /// What was being read.
        field: &'static str,
        /// The number given.
        got: u64,
    },
    /// The message is about another curve than the one asked for.
    #[error("it is for another curve: its scalar field is not {curve}'s")]
    Curve {
        /// The curve named by the message.
        curve: tacit_algebra::CurveId,
    },
    /// No committee can be so.
    #[error(transparent)]
    Dials(DialsError),
    /// Not a canonical field element, or not a point of the group.
    #[error("{field}: {error}")]
    Element {
        /// What was being read.
        field: &'static str,
        /// Why not.
        error: DecodeError,
    },
}

/// Starts an encoding.
pub(crate) fn start(message: Message) -> Vec<u8> {
    let mut out = PROTOCOL_VERSION.to_le_bytes().to_vec();
    out.push(message.code());
    out
}

/// Appends a list's length and the list.
pub(crate) fn write_elements<F: PrimeField>(elements: &[F], out: &mut Vec<u8>) {
    out.extend_from_slice(&(elements.len() as u32).to_le_bytes());
    for element in elements {
        field::write_le(element, out);
    }
}

/// Reads an encoding from its start to its exact end.
pub(crate) struct Reader<'a> {
    message: Message,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Checks version and message code.
    pub(crate) fn start(message: Message, bytes: &'a [u8]) -> Result<Self, EncodingError> {
        let mut reader = Self { message, bytes, offset: 0 };
        let version = u16::from_le_bytes(reader.array("version")?);
        if version != PROTOCOL_VERSION {
            return Err(reader.error_at(0, Malformed::Version { got: version }));
        }
        let code = reader.u8("message code")?;
        if code != message.code() {
            return Err(reader.error_at(2, Malformed::Message { got: code }));
        }
        Ok(reader)
    }

    fn error_at(&self, offset: usize, reason: Malformed) -> EncodingError {
        EncodingError { message: self.message, offset, reason }
    }

    /// An error about what was just read.
    pub(crate) fn error(&self, reason: Malformed) -> EncodingError {
        self.error_at(self.offset, reason)
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    pub(crate) fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], EncodingError> {
        let end = self.offset.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.offset..end)) {
            Some(bytes) => {
                self.offset += len;
                Ok(bytes)
            }
            None => Err(self.error(Malformed::Truncated { field, needed: len as u64, left: self.left() })),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], EncodingError> {
        let mut array = [0u8; N];
        for (to, from) in array.iter_mut().zip(self.take(field, N)?) {
            *to = *from;
        }
        Ok(array)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, EncodingError> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, EncodingError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, EncodingError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn element<F: PrimeField>(&mut self, field: &'static str) -> Result<F, EncodingError> {
        let offset = self.offset;
        let bytes = self.take(field, field::byte_len::<F>())?;
        field::read_le(bytes).map_err(|error| self.error_at(offset, Malformed::Element { field, error }))
    }

    /// A list of elements; its length must be `expected` where that is given.
    pub(crate) fn elements<F: PrimeField>(
        &mut self,
        field: &'static str,
        expected: Option<usize>,
    ) -> Result<Vec<F>, EncodingError> {
        let mut out = Vec::new();
        self.elements_into(field, expected, &mut out)?;
        Ok(out)
    }

    /// The same into a vector; see [`Reader::counted_into`].
    pub(crate) fn elements_into<F: PrimeField>(
        &mut self,
        field: &'static str,
        expected: Option<usize>,
        out: &mut Vec<F>,
    ) -> Result<(), EncodingError> {
        let offset = self.offset;
        let count = self.u32(field)?;
        if let Some(expected) = expected.filter(|e| *e as u64 != u64::from(count)) {
            let reason = Malformed::Length { field, expected: expected as u64, got: u64::from(count) };
            return Err(self.error_at(offset, reason));
        }
        self.counted_into(field, count, out)
    }

    /// So many elements into a vector, which grows once, and only after the bytes are known to be there.
    pub(crate) fn counted_into<F: PrimeField>(
        &mut self,
        field: &'static str,
        count: u32,
        out: &mut Vec<F>,
    ) -> Result<(), EncodingError> {
        let needed = u64::from(count) * field::byte_len::<F>() as u64;
        if needed > self.left() as u64 {
            return Err(self.error(Malformed::Truncated { field, needed, left: self.left() }));
        }
        out.reserve_exact(count as usize);
        for _ in 0..count {
            out.push(self.element(field)?);
        }
        Ok(())
    }

    pub(crate) fn point<P: Point>(&mut self, field: &'static str) -> Result<P, EncodingError> {
        let offset = self.offset;
        let bytes = self.take(field, P::LEN)?;
        P::read_be(bytes).map_err(|error| self.error_at(offset, Malformed::Element { field, error }))
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), EncodingError> {
        match self.left() {
            0 => Ok(()),
            extra => Err(self.error(Malformed::Trailing { extra })),
        }
    }
}
