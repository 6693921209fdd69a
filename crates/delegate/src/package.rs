//! A package: what is sealed to one node.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | deal id |
//! | 1 | index |
//! | 32 | salt, so that the acknowledged digest of a package tells nothing about it |
//! | 1 | body: 1 a seed, 2 shares written out |
//!
//! then for a seed
//!
//! | bytes | field |
//! |---|---|
//! | 32 | seed |
//!
//! and for shares
//!
//! | bytes | field |
//! |---|---|
//! | 4 | number of private wires |
//! | 32 each | shares of the private wires |
//! | 32 | share of the blinder `r` |
//! | 32 | share of the blinder `s` |
//! | 32 | share `z` of zero, of degree `2t`: the mask |
//!
//! The envelope's associated data already binds it to deal and index; that both are inside as well lets a node tell an
//! envelope that a client sealed wrongly from one that someone tampered with.

use std::fmt;

use ark_ff::PrimeField;
use tacit_algebra::field;
use tacit_sharing::expand::{SEED_LEN, Stream};
use tacit_sharing::{Expander, Seed};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::encoding::{self, EncodingError, Malformed, Message, Reader};
use crate::header::DealId;
use crate::labels;

/// One node's shares.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Shares<F: PrimeField> {
    /// Of the private wires.
    pub wires: Vec<F>,
    /// Of the blinder `r`.
    pub r: F,
    /// Of the blinder `s`.
    pub s: F,
    /// Of zero, of degree `2t`.
    pub mask: F,
}

impl<F: PrimeField> Shares<F> {
    /// Zeros, and room for so many wires: a vector that grows leaves copies of secrets behind.
    pub(crate) fn with_capacity(n_private: usize) -> Self {
        Self { wires: Vec::with_capacity(n_private), r: F::ZERO, s: F::ZERO, mask: F::ZERO }
    }
}

impl<F: PrimeField> fmt::Debug for Shares<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shares(..)")
    }
}

/// Shares, or the seed that they are expanded from.
#[derive(Clone, PartialEq, Eq)]
pub enum Body<F: PrimeField> {
    /// For nodes `1..=t`.
    Seed(Seed),
    /// For nodes `t+1..=n`.
    Explicit(Shares<F>),
}

impl<F: PrimeField> fmt::Debug for Body<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(_) => f.write_str("Seed(..)"),
            Self::Explicit(_) => f.write_str("Explicit(..)"),
        }
    }
}

/// What one node is dealt. Its contents are zeroised when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Package<F: PrimeField> {
    /// The deal.
    pub deal: DealId,
    /// The node's index, which is its evaluation point.
    pub index: u8,
    /// Uniform.
    pub salt: [u8; 32],
    /// The shares.
    pub body: Body<F>,
}

impl<F: PrimeField> fmt::Debug for Package<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package {{ deal: {:?}, index: {}, body: {:?}, .. }}", self.deal, self.index, self.body)
    }
}

impl<F: PrimeField> Zeroize for Package<F> {
    fn zeroize(&mut self) {
        self.salt.zeroize();
        match &mut self.body {
            Body::Seed(seed) => seed.zeroize(),
            Body::Explicit(shares) => shares.zeroize(),
        }
    }
}

impl<F: PrimeField> Drop for Package<F> {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl<F: PrimeField> ZeroizeOnDrop for Package<F> {}

/// Which vector of a deal a stream of shares is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Vector {
    /// The private wires.
    Wires = 1,
    /// The blinder `r`.
    BlinderR = 2,
    /// The blinder `s`.
    BlinderS = 3,
    /// The mask `z`.
    Mask = 4,
}

/// The only slice of this version: the whole key.
pub(crate) const WHOLE_KEY: u32 = 0;

/// The start of one vector's stream.
pub(crate) fn expander<F: PrimeField>(deal: &DealId, seed: &Seed, vector: Vector) -> Expander<F> {
    let stream = Stream { label: labels::SHARES, deal: &deal.0, vector: vector as u32, slice: WHOLE_KEY };
    Expander::new(&stream, seed)
}

impl<F: PrimeField> Package<F> {
    /// The shares, expanded if need be. A deal of another number of wires is the caller's to refuse; the number
    /// matters here only for a seed.
    pub(crate) fn shares(&self, n_private: usize) -> Shares<F> {
        match &self.body {
            Body::Explicit(shares) => shares.clone(),
            Body::Seed(seed) => {
                let start = |vector| expander::<F>(&self.deal, seed, vector);
                Shares {
                    wires: start(Vector::Wires).take_elements(n_private),
                    r: start(Vector::BlinderR).next_element(),
                    s: start(Vector::BlinderS).next_element(),
                    mask: start(Vector::Mask).next_element(),
                }
            }
        }
    }

    /// The canonical encoding: what is sealed.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let element = field::byte_len::<F>();
        let body_len = match &self.body {
            Body::Seed(_) => SEED_LEN,
            Body::Explicit(shares) => 4 + (shares.wires.len() + 3) * element,
        };
        // Reserved in one piece: a vector that grows leaves copies of secrets behind.
        let mut out = Zeroizing::new(Vec::with_capacity(3 + 32 + 1 + 32 + 1 + body_len));
        out.extend_from_slice(&encoding::start(Message::Package));
        out.extend_from_slice(&self.deal.0);
        out.push(self.index);
        out.extend_from_slice(&self.salt);
        match &self.body {
            Body::Seed(seed) => {
                out.push(1);
                out.extend_from_slice(&seed.0);
            }
            Body::Explicit(shares) => {
                out.push(2);
                encoding::write_elements(&shares.wires, &mut out);
                for blinder in [&shares.r, &shares.s, &shares.mask] {
                    field::write_le(blinder, &mut out);
                }
            }
        }
        out
    }

    /// Decodes with all checks; shares written out must be of `n_private` wires.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8], n_private: usize) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Package, bytes)?;
        let deal = DealId(reader.array("deal id")?);
        let index = reader.u8("index")?;
        let salt = reader.array("salt")?;
        let body = match reader.u8("body")? {
            1 => Body::Seed(Seed(reader.array("seed")?)),
            2 => {
                // Filled step by step, so that what was read is zeroised if what follows is malformed.
                let mut shares = Shares::with_capacity(0);
                reader.elements_into("shares of the private wires", Some(n_private), &mut shares.wires)?;
                shares.r = reader.element("share of r")?;
                shares.s = reader.element("share of s")?;
                shares.mask = reader.element("share of the mask")?;
                Body::Explicit(shares)
            }
            got => return Err(reader.error(Malformed::Code { field: "body", got })),
        };
        let package = Self { deal, index, salt, body };
        reader.end()?;
        Ok(package)
    }
}
