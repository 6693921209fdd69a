//! A package: what is sealed to one node.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | deal id |
//! | 1 | index |
//! | 32 | salt, so that the acknowledged digest of a package tells nothing about it |
//! | 1 | body: 1 a seed; shares written out, 2 for the handover `witness`, 3 for `quotient` |
//!
//! then for a seed
//!
//! | bytes | field |
//! |---|---|
//! | 32 | seed |
//!
//! for shares with the handover `witness`
//!
//! | bytes | field |
//! |---|---|
//! | 4 | number of private wires |
//! | 32 each | shares of the private wires |
//! | 32 | share of the blinder `r` |
//! | 32 | share of the blinder `s` |
//! | 32 | share `z` of zero, of degree `2t`: the mask |
//!
//! and for shares with the handover `quotient` (which wires' products are dealt: [`Layout`])
//!
//! | bytes | field |
//! |---|---|
//! | 4, 32 each | number of private wires, their shares |
//! | 4, 32 each | number of values of the quotient, their shares |
//! | 4, 32 each | number of products with `s`, their shares |
//! | 4, 32 each | number of products with `r`, their shares |
//! | 32 | share of the blinder `r` |
//! | 32 | share of the blinder `s` |
//! | 32 | share of the product `r s` |
//!
//! The envelope's associated data already binds it to deal and index; that both are inside as well lets a node tell an
//! envelope that a client sealed wrongly from one that someone tampered with.

use std::fmt;

use ark_ff::PrimeField;
use tacit_algebra::field;
use tacit_sharing::expand::{SEED_LEN, Stream};
use tacit_sharing::{Expander, Seed};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::circuit::Layout;
use crate::dials::Handover;
use crate::encoding::{self, EncodingError, Malformed, Message, Reader};
use crate::header::DealId;
use crate::labels;

/// One node's shares with the handover `witness`.
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

/// One node's shares with the handover `quotient`, all of degree `t`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct QuotientShares<F: PrimeField> {
    /// Of the private wires.
    pub wires: Vec<F>,
    /// Of the quotient's values.
    pub quotient: Vec<F>,
    /// Of the products of `s` with the private wires that have a base in the A-query.
    pub times_s: Vec<F>,
    /// Of the products of `r` with the private wires that have a base in the B-query.
    pub times_r: Vec<F>,
    /// Of the blinder `r`.
    pub r: F,
    /// Of the blinder `s`.
    pub s: F,
    /// Of the product `r s`.
    pub rs: F,
}

impl<F: PrimeField> QuotientShares<F> {
    /// No vectors and zeros.
    fn empty() -> Self {
        let [wires, quotient, times_s, times_r] = [const { Vec::new() }; 4];
        Self { wires, quotient, times_s, times_r, r: F::ZERO, s: F::ZERO, rs: F::ZERO }
    }

    /// Zeros, and room for all that a layout has.
    pub(crate) fn with_capacity(layout: &Layout) -> Self {
        let mut shares = Self::empty();
        shares.wires.reserve_exact(layout.circuit.n_private);
        shares.quotient.reserve_exact(layout.quotient);
        shares.times_s.reserve_exact(layout.times_s.len());
        shares.times_r.reserve_exact(layout.times_r.len());
        shares
    }

    /// The vectors, in the order of the encoding.
    fn vectors(&self) -> [&Vec<F>; 4] {
        [&self.wires, &self.quotient, &self.times_s, &self.times_r]
    }

    /// The single shares, in the order of the encoding.
    fn single(&self) -> [&F; 3] {
        [&self.r, &self.s, &self.rs]
    }
}

impl<F: PrimeField> fmt::Debug for QuotientShares<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuotientShares(..)")
    }
}

/// Shares, or the seed that they are expanded from.
#[derive(Clone, PartialEq, Eq)]
pub enum Body<F: PrimeField> {
    /// For nodes `1..=t`, with either handover.
    Seed(Seed),
    /// For nodes `t+1..=n`, with the handover `witness`.
    Explicit(Shares<F>),
    /// For nodes `t+1..=n`, with the handover `quotient`.
    ExplicitQuotient(QuotientShares<F>),
}

impl<F: PrimeField> fmt::Debug for Body<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(_) => f.write_str("Seed(..)"),
            Self::Explicit(_) => f.write_str("Explicit(..)"),
            Self::ExplicitQuotient(_) => f.write_str("ExplicitQuotient(..)"),
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
            Body::ExplicitQuotient(shares) => shares.zeroize(),
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
    /// The quotient's values.
    Quotient = 5,
    /// Products of private wires with the blinder `s`.
    TimesS = 6,
    /// Products of private wires with the blinder `r`.
    TimesR = 7,
    /// The product of the blinders.
    BlinderRs = 8,
}

/// The only slice of this version: the whole key.
pub(crate) const WHOLE_KEY: u32 = 0;

/// The start of one vector's stream.
pub(crate) fn expander<F: PrimeField>(deal: &DealId, seed: &Seed, vector: Vector) -> Expander<F> {
    let stream = Stream { label: labels::SHARES, deal: &deal.0, vector: vector as u32, slice: WHOLE_KEY };
    Expander::new(&stream, seed)
}

impl<F: PrimeField> Package<F> {
    /// The shares with the handover `witness`, expanded if need be; `None` if the package has others. That a seed is due at this
    /// index, and that shares written out are as many as they must be, is the caller's to check.
    pub(crate) fn shares(&self, n_private: usize) -> Option<Shares<F>> {
        match &self.body {
            Body::Explicit(shares) => Some(shares.clone()),
            Body::Seed(seed) => {
                let start = |vector| expander::<F>(&self.deal, seed, vector);
                Some(Shares {
                    wires: start(Vector::Wires).take_elements(n_private),
                    r: start(Vector::BlinderR).next_element(),
                    s: start(Vector::BlinderS).next_element(),
                    mask: start(Vector::Mask).next_element(),
                })
            }
            Body::ExplicitQuotient(_) => None,
        }
    }

    /// [`Package::shares`] with the handover `quotient`.
    pub(crate) fn quotient_shares(&self, layout: &Layout) -> Option<QuotientShares<F>> {
        match &self.body {
            Body::ExplicitQuotient(shares) => Some(shares.clone()),
            Body::Seed(seed) => {
                let start = |vector| expander::<F>(&self.deal, seed, vector);
                Some(QuotientShares {
                    wires: start(Vector::Wires).take_elements(layout.circuit.n_private),
                    quotient: start(Vector::Quotient).take_elements(layout.quotient),
                    times_s: start(Vector::TimesS).take_elements(layout.times_s.len()),
                    times_r: start(Vector::TimesR).take_elements(layout.times_r.len()),
                    r: start(Vector::BlinderR).next_element(),
                    s: start(Vector::BlinderS).next_element(),
                    rs: start(Vector::BlinderRs).next_element(),
                })
            }
            Body::Explicit(_) => None,
        }
    }

    /// The canonical encoding: what is sealed.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let element = field::byte_len::<F>();
        let body_len = match &self.body {
            Body::Seed(_) => SEED_LEN,
            Body::Explicit(shares) => 4 + (shares.wires.len() + 3) * element,
            Body::ExplicitQuotient(shares) => {
                let vectors: usize = shares.vectors().iter().map(|vector| 4 + vector.len() * element).sum();
                vectors + 3 * element
            }
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
            Body::ExplicitQuotient(shares) => {
                out.push(3);
                shares.vectors().iter().for_each(|vector| encoding::write_elements(vector, &mut out));
                shares.single().iter().for_each(|share| field::write_le(*share, &mut out));
            }
        }
        out
    }

    /// Decodes with all checks; shares written out must be as many as the layout has.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8], layout: &Layout) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Package, bytes)?;
        let deal = DealId(reader.array("deal id")?);
        let index = reader.u8("index")?;
        let salt = reader.array("salt")?;
        let wires = Some(layout.circuit.n_private);
        // Filled step by step, so that what was read is zeroised if what follows is malformed.
        let body = match (reader.u8("body")?, layout.handover) {
            (1, _) => Body::Seed(Seed(reader.array("seed")?)),
            (2, Handover::Witness) => {
                let mut shares = Shares::with_capacity(0);
                reader.elements_into("shares of the private wires", wires, &mut shares.wires)?;
                shares.r = reader.element("share of r")?;
                shares.s = reader.element("share of s")?;
                shares.mask = reader.element("share of the mask")?;
                Body::Explicit(shares)
            }
            (3, Handover::Quotient) => {
                let mut shares = QuotientShares::empty();
                reader.elements_into("shares of the private wires", wires, &mut shares.wires)?;
                for (field, count, to) in [
                    ("shares of the quotient", layout.quotient, &mut shares.quotient),
                    ("shares of the products with s", layout.times_s.len(), &mut shares.times_s),
                    ("shares of the products with r", layout.times_r.len(), &mut shares.times_r),
                ] {
                    reader.elements_into(field, Some(count), to)?;
                }
                shares.r = reader.element("share of r")?;
                shares.s = reader.element("share of s")?;
                shares.rs = reader.element("share of r s")?;
                Body::ExplicitQuotient(shares)
            }
            (got, _) => return Err(reader.error(Malformed::Code { field: "body", got })),
        };
        let package = Self { deal, index, salt, body };
        reader.end()?;
        Ok(package)
    }
}
