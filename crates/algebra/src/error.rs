use thiserror::Error;

/// Why bytes from outside do not stand for a field element or a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The encoding has the wrong number of bytes.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// Bytes that the encoding has.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// The integer is not below the field's modulus.
    #[error("the field element is not canonical (it is not below the modulus)")]
    NonCanonical,
    /// The coordinates do not satisfy the curve equation.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// The point is on the curve but outside the prime-order subgroup.
    #[error("the point is on the curve but outside the prime-order subgroup")]
    NotInSubgroup,
}
