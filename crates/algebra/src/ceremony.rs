//! Field elements and points from a stream of random words, the way snarkjs's ceremonies derive them: the proof of
//! knowledge of every contribution is checked against a point derived so.
//!
//! A coordinate is drawn by rejection: 64-bit words, the least significant first (each from two 32-bit draws, the
//! high half first), cut to the modulus's bits and taken as the *Montgomery* integer. For a point, draws of `x` and
//! one more word (whose lowest bit asks for the larger `y`) repeat until `x` belongs to the curve; the cofactor is
//! then multiplied away.

use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ff::{AdditiveGroup, BitIteratorBE, Field, Zero};

use crate::field::{Montgomery, byte_len};

/// A prime-field element from a stream of words.
pub fn field_element<F: Montgomery>(next: &mut dyn FnMut() -> u32) -> F {
    let len = byte_len::<F>();
    let excess = len * 8 - F::MODULUS_BIT_SIZE as usize;
    loop {
        let mut bytes = Vec::with_capacity(len);
        for _ in 0..len / 8 {
            let high = u64::from(next());
            let low = u64::from(next());
            bytes.extend((high << 32 | low).to_le_bytes());
        }
        if let Some(top) = bytes.last_chunk_mut::<8>() {
            *top = (u64::from_le_bytes(*top) & (u64::MAX >> excess)).to_le_bytes();
        }
        if let Ok(x) = F::read_montgomery_le(&bytes) {
            return x;
        }
    }
}

/// A point of the prime-order subgroup from a stream of words; `coordinate` draws a coordinate.
pub(crate) fn point<P: SWCurveConfig>(
    next: &mut dyn FnMut() -> u32,
    coordinate: impl Fn(&mut dyn FnMut() -> u32) -> P::BaseField,
) -> Affine<P> {
    loop {
        let x = coordinate(next);
        let larger = next() & 1 == 1;
        if let Some(point) = Affine::<P>::get_point_from_x_unchecked(x, larger) {
            // Plain doubling and adding: a curve's faster multiplication may assume the subgroup.
            let mut sum = Projective::<P>::zero();
            for bit in BitIteratorBE::without_leading_zeros(P::COFACTOR) {
                sum.double_in_place();
                if bit {
                    sum += point;
                }
            }
            return sum.into();
        }
    }
}

/// The same for a base field of degree one or two over its prime field.
pub(crate) fn extension_element<E>(next: &mut dyn FnMut() -> u32) -> E
where
    E: Field,
    E::BasePrimeField: Montgomery,
{
    let limbs: Vec<E::BasePrimeField> =
        (0..E::extension_degree()).map(|_| field_element(&mut *next)).collect();
    E::from_base_prime_field_elems(limbs).unwrap_or(E::ZERO)
}
