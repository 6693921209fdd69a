//! The difference of what is not a point and a point, as snarkjs computes it.
//!
//! Where a `.ptau` file is just large enough for a circuit, snarkjs reads one point beyond the end of a section when it
//! digests the circuit (see [`crate::setup`]). The bytes there are not a point, and not even reduced modulo the field's
//! order, so that the result depends on the arithmetic: Montgomery multiplication with one conditional subtraction at
//! the end, sums and differences corrected at most once, everything cut to whole 64-bit words. This does the same on
//! big integers, once for each key, so that the digest comes out the same.

use num_bigint::BigUint;
use tacit_algebra::{Check, Curve, G1Affine, Point};

/// The base field as such arithmetic knows it.
struct Words {
    q: BigUint,
    /// `2^bits`, with whole 64-bit words.
    modulus: BigUint,
    bits: usize,
    /// `-1/q` modulo `2^bits`.
    negative_inverse: BigUint,
}

impl Words {
    fn new<C: Curve>() -> Option<Self> {
        let q = BigUint::from_bytes_le(&C::ID.base_modulus_le());
        let bits = G1Affine::<C>::LEN * 4;
        let modulus = BigUint::from(1u32) << bits;
        let negative_inverse = &modulus - q.modinv(&modulus)?;
        Some(Self { q, modulus, bits, negative_inverse })
    }

    /// At most one subtraction of the order, and what exceeds the words is lost.
    fn reduce(&self, x: BigUint) -> BigUint {
        if x >= self.q { (x - &self.q) % &self.modulus } else { x }
    }

    fn add(&self, x: &BigUint, y: &BigUint) -> BigUint {
        self.reduce(x + y)
    }

    fn sub(&self, x: &BigUint, y: &BigUint) -> BigUint {
        if x >= y { x - y } else { (x + &self.modulus + &self.q - y) % &self.modulus }
    }

    fn mul(&self, x: &BigUint, y: &BigUint) -> BigUint {
        let product = x * y;
        let factor = ((&product % &self.modulus) * &self.negative_inverse) % &self.modulus;
        self.reduce((product + factor * &self.q) >> self.bits)
    }
}

/// `beyond - point` for bytes in the form of a point of the first group; `None` where the result is not finite (which
/// no file brings about).
pub(crate) fn subtract<C: Curve>(beyond: &[u8], point: &G1Affine<C>) -> Option<G1Affine<C>> {
    let f = Words::new::<C>()?;
    let half = G1Affine::<C>::LEN / 2;
    let coordinates = |bytes: &[u8]| {
        let (x, y) = bytes.split_at_checked(half)?;
        Some((BigUint::from_bytes_le(x), BigUint::from_bytes_le(y)))
    };
    let mut bytes = Vec::new();
    point.write_montgomery_le(&mut bytes);
    let (x1, y1) = coordinates(beyond)?;
    let (x2, y2) = coordinates(&bytes)?;
    let y2 = f.sub(&BigUint::ZERO, &y2);

    // The sum of two points with Z = 1, in Jacobian coordinates:
    // https://hyperelliptic.org/EFD/g1p/auto-shortw-jacobian-0.html#addition-mmadd-2007-bl
    let h = f.sub(&x2, &x1);
    let dy = f.sub(&y2, &y1);
    let hh = f.mul(&h, &h);
    let hh2 = f.add(&hh, &hh);
    let i = f.add(&hh2, &hh2);
    let j = f.mul(&h, &i);
    let r = f.add(&dy, &dy);
    let v = f.mul(&x1, &i);
    let x3 = f.sub(&f.sub(&f.mul(&r, &r), &j), &f.add(&v, &v));
    let yj = f.mul(&y1, &j);
    let y3 = f.sub(&f.mul(&f.sub(&v, &x3), &r), &f.add(&yj, &yj));
    let z3 = f.add(&h, &h);

    // 1/z in Montgomery form, and from here on everything is reduced.
    let z_inverse = (z3 % &f.q).modinv(&f.q)? * &f.modulus % &f.q * &f.modulus % &f.q;
    let z_inverse_2 = f.mul(&z_inverse, &z_inverse);
    let x = f.mul(&z_inverse_2, &x3);
    let y = f.mul(&z_inverse_2, &f.mul(&z_inverse, &y3));
    let mut result = Vec::with_capacity(2 * half);
    for coordinate in [x, y] {
        let mut bytes = coordinate.to_bytes_le();
        bytes.resize(half, 0);
        result.extend(bytes);
    }
    G1Affine::<C>::read_montgomery_le(&result, Check::Trusted).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tacit_algebra::{Bls12_381, Bn254, Group};

    /// For a point, it is ordinary subtraction.
    fn subtracts<C: Curve>() {
        let multiple = |k: u64| C::G1::generator().scale(&C::Scalar::from(k)).to_affine();
        let mut bytes = Vec::new();
        multiple(77).write_montgomery_le(&mut bytes);
        assert_eq!(subtract::<C>(&bytes, &multiple(7)), Some(multiple(70)));
        assert_eq!(subtract::<C>(&bytes, &multiple(77)), None);
    }

    #[test]
    fn points_subtract_as_ever() {
        subtracts::<Bn254>();
        subtracts::<Bls12_381>();
    }
}
