//! Scalars cut into two of half the length, by the endomorphism `(x, y) -> (beta x, y)` that curves `y^2 = x^3 + b` have:
//! Gallant, Lambert and Vanstone, "Faster Point Multiplication on Elliptic Curves with Efficient Endomorphisms",
//! CRYPTO 2001, section 4.
//!
//! On the prime-order subgroup the endomorphism multiplies by a constant `lambda`, so that `k P = k1 P + k2 phi(P)` where
//! `k = k1 + lambda k2`. The pair is `(k, 0)` minus the nearest point of the lattice of pairs that stand for 0, which has
//! a short basis.

use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::short_weierstrass::Projective;
use ark_ff::{AdditiveGroup, BigInteger, PrimeField, Zero};
use num_bigint::BigUint;
use zeroize::Zeroize;

/// Limbs of a scalar of either curve.
const LIMBS: usize = 4;
/// Quotients by the group's order are multiplications by numbers with so many bits behind the point.
const SHIFT: u64 = 320;

/// A whole number by sign and magnitude.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Half {
    pub(crate) negative: bool,
    pub(crate) magnitude: u128,
}

impl Zeroize for Half {
    fn zeroize(&mut self) {
        self.negative.zeroize();
        self.magnitude.zeroize();
    }
}

/// What cuts a curve's scalars.
pub(crate) struct Glv {
    /// The basis `(n11, n12), (n21, n22)` modulo `2^128`.
    basis: [[u128; 2]; 2],
    /// `n22` and `-n12` over the group's order: sign, and magnitude with [`SHIFT`] bits behind the point.
    shares: [(bool, [u64; LIMBS]); 2],
    /// Bits of a half's magnitude at most.
    pub(crate) bits: u32,
}

impl Glv {
    /// From the basis that arkworks gives for the curve; `None` if halves would not fit 127 bits.
    pub(crate) fn of<P: GLVConfig>() -> Option<Self> {
        let number = |n: &<P::ScalarField as PrimeField>::BigInt| BigUint::from_bytes_le(&n.to_bytes_le());
        let order = number(&<P::ScalarField as PrimeField>::MODULUS);
        // In each entry `true` stands for a positive number.
        let [n11, n12, n21, n22] = P::SCALAR_DECOMP_COEFFS.map(|(positive, n)| (positive, number(&n)));
        let share = |(negative, n): (bool, &BigUint)| {
            let quotient = ((n << SHIFT) + (&order >> 1u8)) / &order;
            let mut limbs = quotient.to_u64_digits();
            limbs.resize(LIMBS.max(limbs.len()), 0);
            Some((negative, <[u64; LIMBS]>::try_from(limbs).ok()?))
        };
        let shares = [share((!n22.0, &n22.1))?, share((n12.0, &n12.1))?];
        // Each coordinate is off by half a basis vector of either kind. A share is off by at most 2^-321, times a scalar below
        // 2^256 by at most 2^-65 of a basis vector.
        let bits =
            [&n11.1 + &n21.1, &n12.1 + &n22.1].map(|sum| ((&sum >> 1u8) + (&sum >> 64u8) + 2u8).bits());
        let bits =
            bits.into_iter().max().and_then(|bits| u32::try_from(bits).ok()).filter(|bits| *bits <= 127)?;
        let modulo = |(positive, n): (bool, BigUint)| {
            let n = u128::try_from(n).ok()?;
            Some(if positive { n } else { n.wrapping_neg() })
        };
        Some(Self { basis: [[modulo(n11)?, modulo(n12)?], [modulo(n21)?, modulo(n22)?]], shares, bits })
    }

    /// The halves of a scalar. A scalar of small magnitude is its own first half.
    #[inline(always)]
    pub(crate) fn halves(&self, scalar: &[u64; LIMBS]) -> [Half; 2] {
        let [first, second] = &self.shares;
        let (first, second) = (nearest(scalar, first), nearest(scalar, second));
        let [[n11, n12], [n21, n22]] = self.basis;
        let [low, high, ..] = scalar;
        let low = u128::from(*low) | u128::from(*high) << 64;
        // Of results that fit 127 bits and a sign, the lower 128 bits are enough.
        let k1 = low.wrapping_sub(first.wrapping_mul(n11)).wrapping_sub(second.wrapping_mul(n21));
        let k2 = first.wrapping_mul(n12).wrapping_add(second.wrapping_mul(n22)).wrapping_neg();
        [k1, k2].map(|k| Half { negative: (k as i128) < 0, magnitude: (k as i128).unsigned_abs() })
    }
}

/// `scalar * point` for a point of the prime-order subgroup. Not constant-time; leaves nothing on the heap.
pub(crate) fn scale<P: GLVConfig>(point: &Projective<P>, scalar: &P::ScalarField) -> Projective<P> {
    let mut words = scalar.into_bigint();
    let (Some(glv), Some(limbs)) = (Glv::of::<P>(), words.as_ref().first_chunk()) else {
        return *point * scalar;
    };
    let mut halves = glv.halves(limbs);
    let [first, second] = &halves;
    let signed = |point: Projective<P>, half: &Half| if half.negative { -point } else { point };
    let first_point = signed(*point, first);
    let second_point = signed(P::endomorphism(point), second);
    let both = first_point + second_point;
    let mut sum = Projective::zero();
    for bit in (0..glv.bits).rev() {
        sum.double_in_place();
        match (first.magnitude >> bit & 1, second.magnitude >> bit & 1) {
            (0, 0) => {}
            (_, 0) => sum += first_point,
            (0, _) => sum += second_point,
            _ => sum += both,
        }
    }
    halves.zeroize();
    words.as_mut().zeroize();
    sum
}

/// The whole number nearest to `scalar` times a share, modulo `2^128`.
#[inline(always)]
fn nearest(scalar: &[u64; LIMBS], (negative, share): &(bool, [u64; LIMBS])) -> u128 {
    let mut product = [0u64; 2 * LIMBS];
    for (i, a) in scalar.iter().enumerate() {
        let mut carry = 0u128;
        for (to, b) in product.iter_mut().skip(i).zip(share) {
            carry += u128::from(*a) * u128::from(*b) + u128::from(*to);
            *to = carry as u64;
            carry >>= 64;
        }
        if let Some(to) = product.get_mut(i + LIMBS) {
            *to = carry as u64;
        }
    }
    // What is behind the point fills five limbs; the first bit there says where to round to.
    let [.., behind, low, high, _] = product;
    let nearest = (u128::from(low) | u128::from(high) << 64).wrapping_add(u128::from(behind >> 63));
    if *negative { nearest.wrapping_neg() } else { nearest }
}
