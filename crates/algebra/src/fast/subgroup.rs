//! Whether many points lie in the prime-order subgroup.
//!
//! One by one this costs a multiplication by a short scalar for each point. Where the curve's cofactor has no small
//! divisor, random combinations are cheaper: let `d` be the least divisor above 1 of the cofactor, and let a
//! combination `sum c_i P_i` have independent coefficients from a range of at most `d` values. If some `P_j` is outside,
//! its part outside the subgroup has an order of at least `d`, so that for any choice of the others at most one value
//! of `c_j` brings the combination into the subgroup. `k` combinations with ranges of `m` values that all lie in the
//! subgroup therefore leave a doubt of `m^-k`; here `k` is chosen such that it is at most `2^-128`. The coefficients
//! are drawn from a digest of all the points.

use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use rayon::prelude::*;

use super::batch::Adder;
use super::msm;
use crate::Point;

/// Separates the coefficients from every other digest (BLAKE3's key-derivation mode).
const CONTEXT: &str = "tacit algebra subgroup check, version 1";
/// Bits of the remaining doubt.
const SECURITY: u32 = 128;
/// Coefficients have at most so many bits: the least divisor of the cofactor of BN254's second group is 10069.
pub(crate) const MAX_BITS: u32 = 13;
/// Fewer points are checked one by one.
pub(crate) const PAYS: usize = 256;

/// The curve's own check, for each point.
pub(crate) fn one_by_one<P: SWCurveConfig, A: Adder<P>>(points: &[Affine<P>]) -> bool {
    points.par_iter().all(Affine::is_in_correct_subgroup_assuming_on_curve)
}

/// Random combinations, for a curve whose cofactor has no divisor from 2 to `2^MAX_BITS`.
pub(crate) fn by_combinations<P: SWCurveConfig, A: Adder<P>>(points: &[Affine<P>]) -> bool
where
    Affine<P>: Point,
{
    let finite = points.iter().filter(|p| !p.is_zero()).count();
    if finite < PAYS || points.len() > u32::MAX as usize >> 1 {
        return one_by_one::<P, A>(points);
    }
    // An addition for every point, two for every bucket.
    let cost = |bits: &u32| SECURITY.div_ceil(*bits) as usize * (finite + (1 << bits));
    let bits = (4..=MAX_BITS).min_by_key(cost).unwrap_or(MAX_BITS);
    combinations_are_inside::<P, A>(points, bits)
}

/// Whether as many combinations as it takes, with coefficients of `bits` bits, lie in the subgroup.
pub(crate) fn combinations_are_inside<P: SWCurveConfig, A: Adder<P>>(points: &[Affine<P>], bits: u32) -> bool
where
    Affine<P>: Point,
{
    let seed = digest(points);
    (0..SECURITY.div_ceil(bits)).into_par_iter().with_max_len(1).all(|combination| {
        let coefficients = coefficients(&seed, combination, bits, points.len());
        let digits = coefficients
            .iter()
            .zip(points)
            .zip(0u32..)
            .filter(|((_, point), _)| !point.is_zero())
            .map(|((coefficient, _), i)| (i32::from(*coefficient), i));
        let sum = msm::small_msm::<P, A>([points, &[], &[], &[]], digits, 1 << (bits - 1));
        Affine::from(sum).is_in_correct_subgroup_assuming_on_curve()
    })
}

fn digest<P: Point>(points: &[P]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    let mut bytes = Vec::new();
    for chunk in points.chunks(1 << 10) {
        bytes.clear();
        chunk.iter().for_each(|point| point.write_montgomery_le(&mut bytes));
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

/// `n` coefficients of a combination: all values from `-2^(bits - 1)` to `2^(bits - 1) - 1` are equally likely.
fn coefficients(seed: &[u8; 32], combination: u32, bits: u32, n: usize) -> Vec<i16> {
    let mut hasher = blake3::Hasher::new_keyed(seed);
    hasher.update(&combination.to_le_bytes());
    let mut bytes = vec![0; 2 * n];
    hasher.finalize_xof().fill(&mut bytes);
    let coefficient = |pair: &[u8; 2]| {
        let value = u16::from_le_bytes(*pair) & ((1 << bits) - 1);
        i16::try_from(i32::from(value) - (1 << (bits - 1))).unwrap_or(0)
    };
    bytes.as_chunks::<2>().0.iter().map(coefficient).collect()
}
