//! That a node opened its package: what evidence against it, or against the client, starts from.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | digest of the assignment |
//! | 32 | digest of the envelope's associated data and the package (length of the former first, 8 bytes) |
//!
//! The package holds a salt, so the digest tells nothing about the shares to whoever does not hold the package. The client compares it with the
//! package that it dealt and goes on only if they match.

use thiserror::Error;

use crate::assignment::Assignment;
use crate::blame::Culprit;
use crate::dials::Dials;
use crate::encoding::{self, EncodingError, Message, Reader};
use crate::labels;

/// A node's statement that it opened this package under this assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Acknowledgement {
    /// Digest of the assignment.
    pub assignment: [u8; 32],
    /// Digest of associated data and package.
    pub package: [u8; 32],
}

/// A node acknowledged something else than it was dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcknowledgementError {
    /// It is about another assignment.
    #[error("node {place} acknowledged another assignment than the one it was given")]
    Assignment {
        /// The node's place.
        place: u8,
    },
    /// It is about another package.
    #[error(
        "node {place} acknowledged another package than the one dealt to it; do not go on with this deal"
    )]
    Package {
        /// The node's place.
        place: u8,
    },
}

impl AcknowledgementError {
    /// Whom this points at. Only the node can have opened the envelope and signed for another package under this
    /// assignment; an acknowledgement of another assignment may be an honest node's, brought here by the coordinator.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::Assignment { place } => vec![Culprit::Node(*place), Culprit::Coordinator],
            Self::Package { place } => vec![Culprit::Node(*place)],
        }
    }
}

impl Acknowledgement {
    /// The acknowledgement of a package, given as the bytes that were sealed.
    pub fn new(assignment: &Assignment, package: &[u8]) -> Self {
        let associated_data = assignment.seat.associated_data();
        let len = (associated_data.len() as u64).to_le_bytes();
        Self {
            assignment: assignment.digest(),
            package: labels::digest(labels::PACKAGE, &[&len, &associated_data, package]),
        }
    }

    /// Whether this is the acknowledgement of what was dealt, with these dials.
    ///
    /// # Errors
    /// [`AcknowledgementError`].
    pub fn check(
        &self,
        assignment: &Assignment,
        package: &[u8],
        dials: Dials,
    ) -> Result<(), AcknowledgementError> {
        let dealt = Self::new(assignment, package);
        let place = dials.place(assignment.seat.group, assignment.seat.index);
        if self.assignment != dealt.assignment {
            return Err(AcknowledgementError::Assignment { place });
        }
        if self.package != dealt.package {
            return Err(AcknowledgementError::Package { place });
        }
        Ok(())
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = encoding::start(Message::Acknowledgement);
        out.extend_from_slice(&self.assignment);
        out.extend_from_slice(&self.package);
        out
    }

    /// Decodes with all checks.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Acknowledgement, bytes)?;
        let acknowledgement =
            Self { assignment: reader.array("assignment digest")?, package: reader.array("package digest")? };
        reader.end()?;
        Ok(acknowledgement)
    }

    /// What the node signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        labels::framed(labels::ACKNOWLEDGEMENT, &[&self.encode()])
    }
}
