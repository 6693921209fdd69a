//! A package: what is sealed to one node.
//!
//! | bytes | field |
//! |---|---|
//! | 3 | version, message code ([`crate::encoding`]) |
//! | 32 | deal id |
//! | 1 | place: with one group the index, else see [`Dials::place`](crate::Dials::place) |
//! | 32 | salt, so that the acknowledged digest of a package tells nothing about it |
//! | 1 | body: 1 a seed; shares written out, 2 for the handover `witness`; for `quotient` 3 in the only group, 4 in the first of several, 5 in another; for `msm` 6 a seed, 7 shares ([`crate::msm`]) |
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
//! and for shares with the handover `quotient` (which wires' products are dealt, and what a slice is: [`Layout`])
//!
//! | bytes | field |
//! |---|---|
//! | 4, 32 each | number of private wires in the slice, their shares |
//! | 4, 32 each | number of values of the quotient in the slice, their shares |
//! | 4, 32 each | number of products with `s` in the slice, their shares |
//! | 4, 32 each | number of products with `r` in the slice, their shares |
//! | 32, 32, 32 | (bodies 3 and 4) shares of the blinders `r` and `s` and of the product `r s` |
//! | 32, 32, 32 | (bodies 4 and 5) shares of the group's masks of `A`, `B` and `C` |
//!
//! The envelope's associated data already binds it to deal and index; that both are inside as well lets a node tell an
//! envelope that a client sealed wrongly from one that someone tampered with.

use std::borrow::Cow;
use std::fmt;

use ark_ff::PrimeField;
use tacit_algebra::field;
use tacit_sharing::expand::{SEED_LEN, Stream};
use tacit_sharing::{Expander, Seed};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::circuit::{Layout, ShareCounts};
use crate::dials::{Dials, Handover};
use crate::encoding::{self, EncodingError, Malformed, Message, Reader};
use crate::header::DealId;
use crate::labels;
use crate::msm::MsmBody;

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
    /// Of the slice's private wires.
    pub wires: Vec<F>,
    /// Of the slice's values of the quotient.
    pub quotient: Vec<F>,
    /// Of the products of `s` with the slice's private wires that have a base in the A-query.
    pub times_s: Vec<F>,
    /// Of the products of `r` with the slice's private wires that have a base in the B-query.
    pub times_r: Vec<F>,
    /// Of the blinders `r` and `s` and of their product; in the first group only.
    pub blinders: Option<[F; 3]>,
    /// Of the group's masks of `A`, `B` and `C`, which add up to zero over all groups; where there are several.
    pub masks: Option<[F; 3]>,
}

/// Which of how many groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WhichGroup {
    pub(crate) number: u8,
    pub(crate) of: u8,
}

impl WhichGroup {
    /// The first group has what there is once: blinders, constants, public wires.
    pub(crate) fn has_blinders(self) -> bool {
        self.number == 0
    }

    /// Where there are several, none's sum may be seen.
    pub(crate) fn has_masks(self) -> bool {
        self.of > 1
    }

    /// The code of a body written out.
    fn body_code(self) -> u8 {
        match (self.has_blinders(), self.has_masks()) {
            (true, false) => 3,
            (true, true) => 4,
            _ => 5,
        }
    }
}

impl<F: PrimeField> QuotientShares<F> {
    /// No vectors and zeros.
    fn empty() -> Self {
        let [wires, quotient, times_s, times_r] = [const { Vec::new() }; 4];
        Self { wires, quotient, times_s, times_r, blinders: None, masks: None }
    }

    /// Room for all that a slice has; zeros for the single shares that its group has.
    pub(crate) fn with_capacity(counts: &ShareCounts) -> Self {
        let group = counts.group;
        let mut shares = Self::empty();
        shares.wires.reserve_exact(counts.wires);
        shares.quotient.reserve_exact(counts.quotient);
        shares.times_s.reserve_exact(counts.times_s);
        shares.times_r.reserve_exact(counts.times_r);
        shares.blinders = group.has_blinders().then_some([F::ZERO; 3]);
        shares.masks = group.has_masks().then_some([F::ZERO; 3]);
        shares
    }

    /// The vectors, in the order of the encoding.
    fn vectors(&self) -> [&Vec<F>; 4] {
        [&self.wires, &self.quotient, &self.times_s, &self.times_r]
    }

    /// The single shares, in the order of the encoding.
    fn single(&self) -> impl Iterator<Item = &F> {
        self.blinders.iter().chain(&self.masks).flatten()
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
    /// With the handover `msm`, for any node.
    Msm(MsmBody<F>),
}

impl<F: PrimeField> fmt::Debug for Body<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(_) => f.write_str("Seed(..)"),
            Self::Explicit(_) => f.write_str("Explicit(..)"),
            Self::ExplicitQuotient(_) => f.write_str("ExplicitQuotient(..)"),
            Self::Msm(body) => body.fmt(f),
        }
    }
}

/// What one node is dealt. Its contents are zeroised when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Package<F: PrimeField> {
    /// The deal.
    pub deal: DealId,
    /// The node's place; with one group its index, which is its evaluation point.
    pub place: u8,
    /// Uniform.
    pub salt: [u8; 32],
    /// The shares.
    pub body: Body<F>,
}

impl<F: PrimeField> fmt::Debug for Package<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package {{ deal: {:?}, place: {}, body: {:?}, .. }}", self.deal, self.place, self.body)
    }
}

impl<F: PrimeField> Zeroize for Package<F> {
    fn zeroize(&mut self) {
        self.salt.zeroize();
        match &mut self.body {
            Body::Seed(seed) => seed.zeroize(),
            Body::Explicit(shares) => shares.zeroize(),
            Body::ExplicitQuotient(shares) => shares.zeroize(),
            Body::Msm(body) => body.zeroize(),
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
    /// A group's mask of `A`.
    MaskA = 9,
    /// A group's mask of `B`.
    MaskB = 10,
    /// A group's mask of `C`.
    MaskC = 11,
    /// The vector of a multi-scalar multiplication.
    Scalars = 12,
    /// The same times the MAC key.
    Macs = 13,
}

/// The single shares of the first group.
pub(crate) const BLINDERS: [Vector; 3] = [Vector::BlinderR, Vector::BlinderS, Vector::BlinderRs];
/// The single shares of one group of several.
pub(crate) const MASKS: [Vector; 3] = [Vector::MaskA, Vector::MaskB, Vector::MaskC];

/// The start of one vector's stream; `slice` is the group's.
pub(crate) fn expander<F: PrimeField>(deal: &DealId, seed: &Seed, slice: u8, vector: Vector) -> Expander<F> {
    let stream = Stream { label: labels::SHARES, deal: &deal.0, vector: vector as u32, slice: slice.into() };
    Expander::new(&stream, seed)
}

impl<F: PrimeField> Package<F> {
    /// The shares with the handover `witness`: the package's own, or expanded from its seed; `None` if it has others. That a seed
    /// is due at this index, and that shares written out are as many as they must be, is the caller's to check.
    pub(crate) fn shares(&self, n_private: usize) -> Option<Cow<'_, Shares<F>>> {
        match &self.body {
            Body::Explicit(shares) => Some(Cow::Borrowed(shares)),
            Body::Seed(seed) => {
                let start = |vector| expander::<F>(&self.deal, seed, 0, vector);
                Some(Cow::Owned(Shares {
                    wires: start(Vector::Wires).take_elements(n_private),
                    r: start(Vector::BlinderR).next_element(),
                    s: start(Vector::BlinderS).next_element(),
                    mask: start(Vector::Mask).next_element(),
                }))
            }
            Body::ExplicitQuotient(_) | Body::Msm(_) => None,
        }
    }

    /// [`Package::shares`] with the handover `quotient`.
    pub(crate) fn quotient_shares(&self, counts: &ShareCounts) -> Option<Cow<'_, QuotientShares<F>>> {
        let group = counts.group;
        match &self.body {
            Body::ExplicitQuotient(shares) => Some(Cow::Borrowed(shares)),
            Body::Seed(seed) => {
                let start = |vector| expander::<F>(&self.deal, seed, group.number, vector);
                let first = |vectors: [Vector; 3]| vectors.map(|vector| start(vector).next_element());
                Some(Cow::Owned(QuotientShares {
                    wires: start(Vector::Wires).take_elements(counts.wires),
                    quotient: start(Vector::Quotient).take_elements(counts.quotient),
                    times_s: start(Vector::TimesS).take_elements(counts.times_s),
                    times_r: start(Vector::TimesR).take_elements(counts.times_r),
                    blinders: group.has_blinders().then(|| first(BLINDERS)),
                    masks: group.has_masks().then(|| first(MASKS)),
                }))
            }
            Body::Explicit(_) | Body::Msm(_) => None,
        }
    }

    /// Bytes of the packages of places `1..`, in order, that are dealt by this layout with these dials.
    pub fn sizes(layout: &Layout, dials: Dials) -> Vec<usize> {
        let element = field::byte_len::<F>();
        let head = 3 + 32 + 1 + 32 + 1;
        let sizes = layout.share_counts_of_all(dials.groups()).into_iter().flat_map(|slice| {
            let group = slice.group;
            let single = 3 * (usize::from(group.has_blinders()) + usize::from(group.has_masks()));
            let written_out = match layout.handover {
                Handover::Witness => 4 + (slice.wires + 3) * element,
                Handover::Quotient => 4 * 4 + (slice.in_vectors() + single) * element,
                Handover::Msm => 4 + 2 * slice.wires * element,
            };
            (1..=dials.nodes())
                .map(move |index| head + if dials.is_seeded(index) { SEED_LEN } else { written_out })
        });
        sizes.collect()
    }

    /// Bytes of the largest package that is dealt by this layout with these dials.
    pub fn largest(layout: &Layout, dials: Dials) -> usize {
        Self::sizes(layout, dials).into_iter().max().unwrap_or_default()
    }

    /// The canonical encoding: what is sealed.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let element = field::byte_len::<F>();
        let body_len = match &self.body {
            Body::Seed(_) => SEED_LEN,
            Body::Explicit(shares) => 4 + (shares.wires.len() + 3) * element,
            Body::ExplicitQuotient(shares) => {
                let vectors: usize = shares.vectors().iter().map(|vector| 4 + vector.len() * element).sum();
                vectors + shares.single().count() * element
            }
            Body::Msm(body) => body.encoded_len(),
        };
        // Reserved in one piece: a vector that grows leaves copies of secrets behind.
        let mut out = Zeroizing::new(Vec::with_capacity(3 + 32 + 1 + 32 + 1 + body_len));
        out.extend_from_slice(&encoding::start(Message::Package));
        out.extend_from_slice(&self.deal.0);
        out.push(self.place);
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
                // The single shares that it has tell which group it is for.
                out.push(match (&shares.blinders, &shares.masks) {
                    (Some(_), None) => 3,
                    (Some(_), Some(_)) => 4,
                    (None, _) => 5,
                });
                shares.vectors().iter().for_each(|vector| encoding::write_elements(vector, &mut out));
                shares.single().for_each(|share| field::write_le(share, &mut out));
            }
            Body::Msm(body) => body.write(&mut out),
        }
        out
    }

    /// Decodes with all checks, for one of the places of a deal with these dials; shares written out must be as many as the
    /// layout has (at most so many with the handover `msm`).
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode(bytes: &[u8], layout: &Layout, dials: Dials) -> Result<Self, EncodingError> {
        Self::decode_with(bytes, dials, |group| Some(layout.share_counts(group, dials.groups())))
    }

    /// [`Package::decode`] for a place of one group, by a node that knows what its group is dealt. A place of another group is
    /// out of range.
    ///
    /// # Errors
    /// [`EncodingError`].
    pub fn decode_for(bytes: &[u8], counts: &ShareCounts, dials: Dials) -> Result<Self, EncodingError> {
        Self::decode_with(bytes, dials, |group| (group == counts.group.number).then_some(*counts))
    }

    fn decode_with(
        bytes: &[u8],
        dials: Dials,
        counts_of: impl FnOnce(u8) -> Option<ShareCounts>,
    ) -> Result<Self, EncodingError> {
        let mut reader = Reader::start(Message::Package, bytes)?;
        let deal = DealId(reader.array("deal id")?);
        let place = reader.u8("place")?;
        let Some(counts) = dials.seat_at(place).and_then(|(group, _)| counts_of(group)) else {
            return Err(reader.error(Malformed::Range { field: "place", got: place.into() }));
        };
        let group = counts.group;
        let salt = reader.array("salt")?;
        // Filled step by step, so that what was read is zeroised if what follows is malformed.
        let body = match (reader.u8("body")?, counts.handover) {
            (1, Handover::Witness | Handover::Quotient) => Body::Seed(Seed(reader.array("seed")?)),
            (2, Handover::Witness) => {
                let mut shares = Shares::with_capacity(0);
                reader.elements_into("shares of the private wires", Some(counts.wires), &mut shares.wires)?;
                shares.r = reader.element("share of r")?;
                shares.s = reader.element("share of s")?;
                shares.mask = reader.element("share of the mask")?;
                Body::Explicit(shares)
            }
            (code, Handover::Quotient) if code == group.body_code() => {
                let mut shares = QuotientShares::empty();
                for (field, count, to) in [
                    ("shares of the private wires", counts.wires, &mut shares.wires),
                    ("shares of the quotient", counts.quotient, &mut shares.quotient),
                    ("shares of the products with s", counts.times_s, &mut shares.times_s),
                    ("shares of the products with r", counts.times_r, &mut shares.times_r),
                ] {
                    reader.elements_into(field, Some(count), to)?;
                }
                if group.has_blinders() {
                    let [r, s, rs] = shares.blinders.insert([F::ZERO; 3]);
                    *r = reader.element("share of r")?;
                    *s = reader.element("share of s")?;
                    *rs = reader.element("share of r s")?;
                }
                if group.has_masks() {
                    for mask in shares.masks.insert([F::ZERO; 3]) {
                        *mask = reader.element("share of a mask")?;
                    }
                }
                Body::ExplicitQuotient(shares)
            }
            (code, Handover::Msm) => MsmBody::read(code, &mut reader, counts.wires).map(Body::Msm)?,
            (got, _) => return Err(reader.error(Malformed::Code { field: "body", got })),
        };
        let package = Self { deal, place, salt, body };
        reader.end()?;
        Ok(package)
    }
}
