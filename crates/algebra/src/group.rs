//! What a protocol may assume of its groups.
//!
//! Everything above this crate is written against [`Group`], [`Point`] and [`Groups`], never against a curve
//! library: a curve is one instance, a toy group over a small field (for tests that enumerate every outcome) another.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{Fp, Fp2, Fp2Config, MontBackend, MontConfig, PrimeField};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::DecodeError;
use crate::fast::{FastCurve, PARTS, Parts, ScalarField};
use crate::field::{self, Montgomery};

/// How far a decoded point is checked. Coordinates are always checked to be canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// On the curve and in the prime-order subgroup: for everything that comes from outside.
    Full,
    /// Neither: only for bytes whose digest is already known to be that of fully checked bytes.
    Trusted,
}

/// A group element in the form in which it is stored and sent.
pub trait Point: Copy + Debug + PartialEq + Eq + Send + Sync + Zeroize + 'static {
    /// Bytes of an uncompressed encoding.
    const LEN: usize;

    /// The neutral element.
    fn identity() -> Self;

    /// Whether this is the neutral element.
    fn is_identity(&self) -> bool;

    /// Appends snarkjs's in-file form: affine coordinates, little-endian Montgomery, `c0` before `c1`, all zeros for
    /// the neutral element.
    fn write_montgomery_le(&self, out: &mut Vec<u8>);

    /// Reads snarkjs's in-file form.
    ///
    /// # Errors
    /// See [`DecodeError`].
    fn read_montgomery_le(bytes: &[u8], check: Check) -> Result<Self, DecodeError>;

    /// Whether all points (the neutral element is one of them) lie on the curve and in the prime-order subgroup. Much
    /// cheaper than one by one; an answer of `true` may be wrong with a probability of at most 2^-128.
    fn all_are_members(points: &[Self]) -> bool;

    /// Appends Tacit's canonical form: affine coordinates, big-endian, `c1` before `c0` (the order of EIP-197 and of
    /// the ZCash encoding of BLS12-381), all zeros for the neutral element.
    fn write_be(&self, out: &mut Vec<u8>);

    /// Reads Tacit's canonical form, always with full checks.
    ///
    /// # Errors
    /// See [`DecodeError`].
    fn read_be(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// The affine coordinates as canonical little-endian integers, base-field limb by limb (`x, y` or
    /// `x.c0, x.c1, y.c0, y.c1`); `None` for the neutral element.
    fn coordinates_le(&self) -> Option<Vec<Vec<u8>>>;

    /// The inverse of [`Point::coordinates_le`], with full checks.
    ///
    /// # Errors
    /// See [`DecodeError`].
    fn from_coordinates_le(coordinates: &[Vec<u8>]) -> Result<Self, DecodeError>;
}

/// A group of prime order, written additively, with scalars in `F`.
pub trait Group<F: PrimeField>:
    Copy
    + Debug
    + PartialEq
    + Eq
    + Send
    + Sync
    + Zeroize
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + SubAssign
    + Neg<Output = Self>
    + Sum
    + 'static
{
    /// The form in which elements are stored and sent.
    type Affine: Point;

    /// The neutral element.
    fn identity() -> Self;

    /// The conventional generator.
    fn generator() -> Self;

    /// `k * self`, for an element of the prime-order subgroup.
    fn scale(&self, k: &F) -> Self;

    /// To the stored form.
    fn to_affine(&self) -> Self::Affine;

    /// Many at once, sharing the inversion.
    fn batch_to_affine(points: &[Self]) -> Vec<Self::Affine>;

    /// From the stored form.
    fn from_affine(point: &Self::Affine) -> Self;

    /// `sum scalars[i] * bases[i]`; a multi-scalar multiplication. The shorter slice decides. The bases must lie in the
    /// prime-order subgroup, as all that was read with [`Check::Full`] does: of others the result means nothing.
    fn msm(bases: &[Self::Affine], scalars: &[F]) -> Self;

    /// The sum of several multi-scalar multiplications, for less than the price of all of them.
    fn msm_of<const N: usize>(parts: [(&[Self::Affine], &[F]); N]) -> Self {
        parts.into_iter().map(|(bases, scalars)| Self::msm(bases, scalars)).sum()
    }

    /// `scalars[i] * base` for each scalar: what the setup of a key consists of. Not constant-time.
    fn multiples(base: &Self, scalars: &[F]) -> Vec<Self::Affine> {
        let points: Vec<Self> = scalars.iter().map(|k| base.scale(k)).collect();
        Self::batch_to_affine(&points)
    }
}

/// Two groups with a bilinear map into a third: what Groth16 lives in.
pub trait Groups: Copy + Debug + Send + Sync + 'static {
    /// The scalar field.
    type Scalar: ScalarField;
    /// The first group.
    type G1: Group<Self::Scalar>;
    /// The second group.
    type G2: Group<Self::Scalar>;

    /// Whether `sum e(p_i, q_i)` is the neutral element of the target group.
    fn pairing_sum_is_zero(pairs: &[(Self::G1, Self::G2)]) -> bool;
}

/// The stored form of an element of the first group.
pub type G1Affine<G> = <<G as Groups>::G1 as Group<<G as Groups>::Scalar>>::Affine;
/// The stored form of an element of the second group.
pub type G2Affine<G> = <<G as Groups>::G2 as Group<<G as Groups>::Scalar>>::Affine;

impl<P: FastCurve> Group<P::ScalarField> for Projective<P>
where
    Affine<P>: Point,
{
    type Affine = Affine<P>;

    fn identity() -> Self {
        <Self as ark_ff::AdditiveGroup>::ZERO
    }

    fn generator() -> Self {
        <Self as ark_ec::PrimeGroup>::generator()
    }

    fn scale(&self, k: &P::ScalarField) -> Self {
        P::scale(self, k)
    }

    fn to_affine(&self) -> Self::Affine {
        self.into_affine()
    }

    fn batch_to_affine(points: &[Self]) -> Vec<Self::Affine> {
        Self::normalize_batch(points)
    }

    fn from_affine(point: &Self::Affine) -> Self {
        (*point).into()
    }

    fn msm(bases: &[Self::Affine], scalars: &[P::ScalarField]) -> Self {
        Self::msm_of([(bases, scalars)])
    }

    fn msm_of<const N: usize>(parts: [(&[Self::Affine], &[P::ScalarField]); N]) -> Self {
        let at_once = parts.chunks(PARTS).map(|some| {
            let mut padded: Parts<'_, P> = [(&[], &[]); PARTS];
            padded.iter_mut().zip(some).for_each(|(to, part)| *to = *part);
            P::multi_scalar(padded)
        });
        at_once.sum()
    }

    fn multiples(base: &Self, scalars: &[P::ScalarField]) -> Vec<Self::Affine> {
        P::fixed_base(base, scalars)
    }
}

/// A field over which points have coordinates: the base field or its quadratic extension.
trait Coordinate: Sized + Copy {
    /// Base-field limbs.
    const LIMBS: usize;
    /// Bytes of one limb.
    const LIMB_LEN: usize;
    fn write_montgomery_le(&self, out: &mut Vec<u8>);
    fn read_montgomery_le(bytes: &[u8]) -> Result<Self, DecodeError>;
    fn limbs_le(&self) -> Vec<Vec<u8>>;
    fn from_limbs_le(limbs: &[Vec<u8>]) -> Result<Self, DecodeError>;
}

impl<T: MontConfig<N>, const N: usize> Coordinate for Fp<MontBackend<T, N>, N> {
    const LIMBS: usize = 1;
    const LIMB_LEN: usize = N * 8;

    fn write_montgomery_le(&self, out: &mut Vec<u8>) {
        Montgomery::write_montgomery_le(self, out);
    }

    fn read_montgomery_le(bytes: &[u8]) -> Result<Self, DecodeError> {
        Montgomery::read_montgomery_le(bytes)
    }

    fn limbs_le(&self) -> Vec<Vec<u8>> {
        vec![field::to_le(self)]
    }

    fn from_limbs_le(limbs: &[Vec<u8>]) -> Result<Self, DecodeError> {
        match limbs {
            [x] => field::read_le(x),
            _ => Err(DecodeError::Length { expected: 1, got: limbs.len() }),
        }
    }
}

impl<C: Fp2Config> Coordinate for Fp2<C>
where
    C::Fp: Coordinate + PrimeField,
{
    const LIMBS: usize = 2;
    const LIMB_LEN: usize = <C::Fp as Coordinate>::LIMB_LEN;

    fn write_montgomery_le(&self, out: &mut Vec<u8>) {
        self.c0.write_montgomery_le(out);
        self.c1.write_montgomery_le(out);
    }

    fn read_montgomery_le(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_at_checked(Self::LIMB_LEN) {
            Some((c0, c1)) => Ok(Self::new(
                <C::Fp as Coordinate>::read_montgomery_le(c0)?,
                <C::Fp as Coordinate>::read_montgomery_le(c1)?,
            )),
            None => Err(DecodeError::Length { expected: 2 * Self::LIMB_LEN, got: bytes.len() }),
        }
    }

    fn limbs_le(&self) -> Vec<Vec<u8>> {
        vec![field::to_le(&self.c0), field::to_le(&self.c1)]
    }

    fn from_limbs_le(limbs: &[Vec<u8>]) -> Result<Self, DecodeError> {
        match limbs {
            [c0, c1] => Ok(Self::new(field::read_le(c0)?, field::read_le(c1)?)),
            _ => Err(DecodeError::Length { expected: 2, got: limbs.len() }),
        }
    }
}

fn check_membership<P: SWCurveConfig>(point: Affine<P>) -> Result<Affine<P>, DecodeError> {
    if !point.is_on_curve() {
        Err(DecodeError::NotOnCurve)
    } else if !point.is_in_correct_subgroup_assuming_on_curve() {
        Err(DecodeError::NotInSubgroup)
    } else {
        Ok(point)
    }
}

impl<P: FastCurve> Point for Affine<P>
where
    P::BaseField: Coordinate,
{
    const LEN: usize = 2 * P::BaseField::LIMBS * P::BaseField::LIMB_LEN;

    fn identity() -> Self {
        Affine::identity()
    }

    fn is_identity(&self) -> bool {
        self.is_zero()
    }

    fn write_montgomery_le(&self, out: &mut Vec<u8>) {
        match self.xy() {
            Some((x, y)) => {
                x.write_montgomery_le(out);
                y.write_montgomery_le(out);
            }
            None => out.resize(out.len() + Self::LEN, 0),
        }
    }

    fn read_montgomery_le(bytes: &[u8], check: Check) -> Result<Self, DecodeError> {
        if bytes.len() != Self::LEN {
            return Err(DecodeError::Length { expected: Self::LEN, got: bytes.len() });
        }
        if bytes.iter().all(|b| *b == 0) {
            return Ok(Affine::identity());
        }
        let (x, y) = bytes.split_at(Self::LEN / 2);
        let point =
            Affine::new_unchecked(P::BaseField::read_montgomery_le(x)?, P::BaseField::read_montgomery_le(y)?);
        match check {
            Check::Full => check_membership(point),
            Check::Trusted => Ok(point),
        }
    }

    fn all_are_members(points: &[Self]) -> bool {
        points.par_iter().with_min_len(1 << 8).all(Affine::is_on_curve) && P::all_in_subgroup(points)
    }

    fn write_be(&self, out: &mut Vec<u8>) {
        match self.xy() {
            Some((x, y)) => {
                for coordinate in [x, y] {
                    for limb in coordinate.limbs_le().iter().rev() {
                        out.extend(limb.iter().rev());
                    }
                }
            }
            None => out.resize(out.len() + Self::LEN, 0),
        }
    }

    fn read_be(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != Self::LEN {
            return Err(DecodeError::Length { expected: Self::LEN, got: bytes.len() });
        }
        if bytes.iter().all(|b| *b == 0) {
            return Ok(Affine::identity());
        }
        // Big-endian limbs stand in the order x.c1, x.c0, y.c1, y.c0. Reversing the bytes of each half
        // gives that half's limbs little-endian, c0 first.
        let mut limbs = Vec::with_capacity(2 * P::BaseField::LIMBS);
        for half in bytes.chunks(Self::LEN / 2) {
            let mut le = half.to_vec();
            le.reverse();
            limbs.extend(le.chunks(P::BaseField::LIMB_LEN).map(<[u8]>::to_vec));
        }
        Self::from_coordinates_le(&limbs)
    }

    fn coordinates_le(&self) -> Option<Vec<Vec<u8>>> {
        let (x, y) = self.xy()?;
        let mut limbs = x.limbs_le();
        limbs.extend(y.limbs_le());
        Some(limbs)
    }

    fn from_coordinates_le(coordinates: &[Vec<u8>]) -> Result<Self, DecodeError> {
        let limbs = P::BaseField::LIMBS;
        if coordinates.len() != 2 * limbs {
            return Err(DecodeError::Length { expected: 2 * limbs, got: coordinates.len() });
        }
        let (x, y) = coordinates.split_at(limbs);
        check_membership(Affine::new_unchecked(
            P::BaseField::from_limbs_le(x)?,
            P::BaseField::from_limbs_le(y)?,
        ))
    }
}
