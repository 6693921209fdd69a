//! How a sharing is laid out: how many nodes, which degree.

use ark_ff::{BigInteger, PrimeField};
use thiserror::Error;

/// The largest committee.
pub const MAX_NODES: u8 = 16;

/// Why a sharing, or a set of shares to combine, makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SharingError {
    /// A committee has between 1 and [`MAX_NODES`] nodes.
    #[error("a sharing among {n} nodes was asked for; between 1 and {MAX_NODES} are possible")]
    Nodes {
        /// Nodes asked for.
        n: u8,
    },
    /// A polynomial of degree `n` or more cannot be recovered from `n` shares.
    #[error("a sharing of degree {degree} among {n} nodes could never be opened; take a degree below {n}")]
    Degree {
        /// Nodes asked for.
        n: u8,
        /// Degree asked for.
        degree: u8,
    },
    /// The evaluation points `0..=n` must be distinct in the field.
    #[error("the field has too few elements for evaluation points 0..={n}")]
    SmallField {
        /// Nodes asked for.
        n: u8,
    },
    /// An index is not an evaluation point of a node.
    #[error("{index} is no node's index: indices run from 1 to {MAX_NODES}")]
    Index {
        /// The index.
        index: u8,
    },
    /// One node's share was given twice.
    #[error("the share of node {index} was given twice")]
    Duplicate {
        /// The index.
        index: u8,
    },
    /// Too few shares for the degree, or another number of values than the layout has.
    #[error("{expected} values are needed, {got} were given")]
    Count {
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
}

/// A checked layout: `n` nodes at points `1..=n`, polynomials of degree `degree < n`, all points distinct and non-zero
/// in the field it was checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    n: u8,
    degree: u8,
}

impl Shape {
    /// Checks a layout for the field `F`.
    ///
    /// # Errors
    /// [`SharingError::Nodes`], [`SharingError::Degree`], [`SharingError::SmallField`].
    pub fn new<F: PrimeField>(n: u8, degree: u8) -> Result<Self, SharingError> {
        if n == 0 || n > MAX_NODES {
            return Err(SharingError::Nodes { n });
        }
        if degree >= n {
            return Err(SharingError::Degree { n, degree });
        }
        if F::MODULUS.num_bits() <= 8 && F::MODULUS <= F::BigInt::from(n) {
            return Err(SharingError::SmallField { n });
        }
        Ok(Self { n, degree })
    }

    /// The number of nodes.
    pub const fn nodes(self) -> u8 {
        self.n
    }

    /// The degree: so many shares are uniform, one more opens.
    pub const fn degree(self) -> u8 {
        self.degree
    }
}
