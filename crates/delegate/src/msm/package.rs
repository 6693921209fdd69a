//! What is dealt to one node with the handover `msm`: the bodies of its [package](crate::package).
//!
//! | bytes | body 6: a seed |
//! |---|---|
//! | 4 | number of scalars |
//! | 32 | seed |
//!
//! | bytes | body 7: shares written out |
//! |---|---|
//! | 4 | number of scalars |
//! | 32 each | shares of the scalars |
//! | 32 each | shares of their MACs |
//!
//! A vector may be shorter than the bases, so a seed comes with how many shares are to be expanded from it; bodies of proofs have no need of that.

use std::fmt;

use ark_ff::PrimeField;
use tacit_algebra::field;
use tacit_sharing::Seed;
use tacit_sharing::expand::SEED_LEN;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::encoding::{EncodingError, Malformed, Reader};
use crate::header::DealId;
use crate::package::{Vector, expander};

/// One node's shares, of degree `t`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MsmShares<F: PrimeField> {
    /// Of the vector.
    pub scalars: Vec<F>,
    /// Of the vector times the MAC key.
    pub macs: Vec<F>,
}

impl<F: PrimeField> MsmShares<F> {
    /// Room for so many: a vector that grows leaves copies of secrets behind.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { scalars: Vec::with_capacity(count), macs: Vec::with_capacity(count) }
    }

    /// From a node's seed.
    pub(crate) fn expand(deal: &DealId, seed: &Seed, count: usize) -> Self {
        let vector = |vector| expander::<F>(deal, seed, 0, vector).take_elements(count);
        Self { scalars: vector(Vector::Scalars), macs: vector(Vector::Macs) }
    }
}

impl<F: PrimeField> fmt::Debug for MsmShares<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MsmShares(..)")
    }
}

/// Shares, or the seed that they are expanded from.
#[derive(Clone, PartialEq, Eq)]
pub enum MsmBody<F: PrimeField> {
    /// For nodes `1..=t`.
    Seed {
        /// Scalars of the vector.
        count: u32,
        /// The seed.
        seed: Seed,
    },
    /// For nodes `t+1..=n`.
    Explicit(MsmShares<F>),
}

impl<F: PrimeField> fmt::Debug for MsmBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed { count, .. } => write!(f, "Seed {{ count: {count}, .. }}"),
            Self::Explicit(shares) => write!(f, "Explicit {{ count: {}, .. }}", shares.scalars.len()),
        }
    }
}

impl<F: PrimeField> Zeroize for MsmBody<F> {
    fn zeroize(&mut self) {
        match self {
            Self::Seed { seed, .. } => seed.zeroize(),
            Self::Explicit(shares) => shares.zeroize(),
        }
    }
}

impl<F: PrimeField> MsmBody<F> {
    /// Scalars of the vector.
    pub fn count(&self) -> usize {
        match self {
            Self::Seed { count, .. } => *count as usize,
            Self::Explicit(shares) => shares.scalars.len(),
        }
    }

    /// Bytes behind the body's code.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Seed { .. } => 4 + SEED_LEN,
            Self::Explicit(shares) => 4 + (shares.scalars.len() + shares.macs.len()) * field::byte_len::<F>(),
        }
    }

    /// Appends code and body. Room was made for it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Seed { .. } => 6,
            Self::Explicit(_) => 7,
        });
        out.extend_from_slice(&(self.count() as u32).to_le_bytes());
        match self {
            Self::Seed { seed, .. } => out.extend_from_slice(&seed.0),
            Self::Explicit(shares) => {
                shares.scalars.iter().chain(&shares.macs).for_each(|share| field::write_le(share, out));
            }
        }
    }

    /// Reads what follows the body's code, for at most `bases` scalars.
    pub(crate) fn read(code: u8, reader: &mut Reader<'_>, bases: usize) -> Result<Self, EncodingError> {
        if !matches!(code, 6 | 7) {
            return Err(reader.error(Malformed::Code { field: "body", got: code }));
        }
        let count = reader.u32("number of scalars")?;
        if count == 0 || u64::from(count) > bases as u64 {
            let got = count.into();
            return Err(reader.error(Malformed::Range { field: "number of scalars", got }));
        }
        if code == 6 {
            return Ok(Self::Seed { count, seed: Seed(reader.array("seed")?) });
        }
        // Filled step by step, so that what was read is zeroised if what follows is malformed.
        let mut shares = MsmShares::with_capacity(0);
        reader.counted_into("shares of the scalars", count, &mut shares.scalars)?;
        reader.counted_into("shares of the MACs", count, &mut shares.macs)?;
        Ok(Self::Explicit(shares))
    }
}
