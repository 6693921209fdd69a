//! The curves that Tacit knows, under the names that circom's tools give them.

use ark_ec::pairing::Pairing;
use ark_ff::{BigInteger, Field, PrimeField, Zero};

use crate::ceremony;
use crate::field::Montgomery;
use crate::group::{G1Affine, G2Affine, Groups};

/// Names a curve where code is not generic over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CurveId {
    /// BN254, also called alt_bn128 or bn128: the curve of EIP-196 and EIP-197.
    Bn254,
    /// BLS12-381.
    Bls12_381,
}

impl CurveId {
    /// The name in snarkjs's JSON files.
    pub const fn snarkjs_name(self) -> &'static str {
        match self {
            Self::Bn254 => "bn128",
            Self::Bls12_381 => "bls12381",
        }
    }

    /// The byte that stands for the curve in Tacit's own encodings.
    pub const fn code(self) -> u8 {
        match self {
            Self::Bn254 => 1,
            Self::Bls12_381 => 2,
        }
    }

    /// The inverse of [`CurveId::code`].
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Bn254),
            2 => Some(Self::Bls12_381),
            _ => None,
        }
    }

    /// The curve whose scalar field has this order, given little-endian.
    pub fn from_scalar_modulus_le(order: &[u8]) -> Option<Self> {
        [Self::Bn254, Self::Bls12_381].into_iter().find(|id| id.scalar_modulus_le() == order)
    }

    /// The curve whose base field has this order, given little-endian.
    pub fn from_base_modulus_le(order: &[u8]) -> Option<Self> {
        [Self::Bn254, Self::Bls12_381].into_iter().find(|id| id.base_modulus_le() == order)
    }

    /// The order of the scalar field, little-endian, 32 bytes.
    pub fn scalar_modulus_le(self) -> Vec<u8> {
        match self {
            Self::Bn254 => ark_bn254::Fr::MODULUS.to_bytes_le(),
            Self::Bls12_381 => ark_bls12_381::Fr::MODULUS.to_bytes_le(),
        }
    }

    /// The order of the base field, little-endian, 32 or 48 bytes.
    pub fn base_modulus_le(self) -> Vec<u8> {
        match self {
            Self::Bn254 => ark_bn254::Fq::MODULUS.to_bytes_le(),
            Self::Bls12_381 => ark_bls12_381::Fq::MODULUS.to_bytes_le(),
        }
    }
}

impl std::fmt::Display for CurveId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bn254 => "BN254",
            Self::Bls12_381 => "BLS12-381",
        })
    }
}

/// A pairing-friendly curve as circom's file formats use it.
pub trait Curve: Groups<Scalar: Montgomery> {
    /// Which curve this is.
    const ID: CurveId;

    /// A point of the first group from a stream of words, as snarkjs's ceremonies draw it (see [`ceremony`]).
    fn g1_from_words(next: &mut dyn FnMut() -> u32) -> G1Affine<Self>;

    /// A point of the second group from a stream of words, as snarkjs's ceremonies draw it (see [`ceremony`]).
    fn g2_from_words(next: &mut dyn FnMut() -> u32) -> G2Affine<Self>;

    /// `e(p, q)`, as the twelve coordinates of the target field over the base field, canonical little-endian, in the
    /// order of the tower `(Fq2)^3)^2`: `c0.c0.c0, c0.c0.c1, c0.c1.c0, ..., c1.c2.c1`. The exponent of the final
    /// exponentiation is the one that ffjavascript uses, so that the value is the one in snarkjs's files.
    fn pairing_coordinates_le(p: &Self::G1, q: &Self::G2) -> Vec<Vec<u8>>;
}

/// BN254.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bn254;

/// BLS12-381.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bls12_381;

macro_rules! curve {
    ($name:ident, $engine:ty) => {
        impl Groups for $name {
            type Scalar = <$engine as Pairing>::ScalarField;
            type G1 = <$engine as Pairing>::G1;
            type G2 = <$engine as Pairing>::G2;

            fn pairing_sum_is_zero(pairs: &[(Self::G1, Self::G2)]) -> bool {
                let (g1, g2): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
                <$engine as Pairing>::multi_pairing(g1, g2).is_zero()
            }
        }

        impl Curve for $name {
            const ID: CurveId = CurveId::$name;

            fn g1_from_words(next: &mut dyn FnMut() -> u32) -> G1Affine<Self> {
                ceremony::point(next, ceremony::extension_element)
            }

            fn g2_from_words(next: &mut dyn FnMut() -> u32) -> G2Affine<Self> {
                ceremony::point(next, ceremony::extension_element)
            }

            fn pairing_coordinates_le(p: &Self::G1, q: &Self::G2) -> Vec<Vec<u8>> {
                let value = <$engine as Pairing>::pairing(*p, *q).0;
                value.to_base_prime_field_elements().map(|x| crate::field::to_le(&x)).collect()
            }
        }
    };
}

curve!(Bn254, ark_bn254::Bn254);
curve!(Bls12_381, ark_bls12_381::Bls12_381);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Check, DecodeError, Group, Point};
    use ark_ff::{AdditiveGroup, UniformRand};

    fn encodings<C: Curve>() {
        let g1 = C::G1::generator().scale(&C::Scalar::from(7u64)).to_affine();
        let g2 = C::G2::generator().scale(&C::Scalar::from(9u64)).to_affine();
        fn round<P: Point>(p: P) {
            let mut lem = Vec::new();
            p.write_montgomery_le(&mut lem);
            assert_eq!(lem.len(), P::LEN);
            assert_eq!(P::read_montgomery_le(&lem, Check::Full), Ok(p));
            let mut be = Vec::new();
            p.write_be(&mut be);
            assert_eq!(P::read_be(&be), Ok(p));
            assert!(matches!(P::read_be(&be[1..]), Err(DecodeError::Length { .. })));
            assert_eq!(P::read_be(&vec![0xff; P::LEN]), Err(DecodeError::NonCanonical));
            let last = be.len() - 1;
            be[last] ^= 1;
            assert_eq!(P::read_be(&be), Err(DecodeError::NotOnCurve));
            assert_eq!(P::read_be(&vec![0; P::LEN]), Ok(P::identity()));
        }
        round(g1);
        round(g2);
    }

    #[test]
    fn points_round_trip_and_bad_ones_are_refused() {
        encodings::<Bn254>();
        encodings::<Bls12_381>();
    }

    #[test]
    fn generator_bytes_are_those_of_eip_197() {
        // The second group's generator as EIP-197 prints it: imaginary part first.
        let mut be = Vec::new();
        <Bn254 as Groups>::G2::generator().to_affine().write_be(&mut be);
        assert_eq!(&be[..4], &[0x19, 0x8e, 0x93, 0x93]);
        assert_eq!(&be[32..36], &[0x18, 0x00, 0xde, 0xef]);
    }

    #[test]
    fn points_outside_the_subgroup_are_refused() {
        let mut rng = ark_std::test_rng();
        loop {
            let x = ark_bn254::Fq2::rand(&mut rng);
            if let Some(p) = ark_bn254::G2Affine::get_point_from_x_unchecked(x, false) {
                let mut be = Vec::new();
                p.write_be(&mut be);
                assert_eq!(ark_bn254::G2Affine::read_be(&be), Err(DecodeError::NotInSubgroup));
                break;
            }
        }
    }

    #[test]
    fn the_pairing_is_bilinear() {
        fn check<C: Curve>() {
            let k = C::Scalar::from(5u64);
            let (p, q) = (C::G1::generator(), C::G2::generator());
            assert!(C::pairing_sum_is_zero(&[(p.scale(&k), q), (-p, q.scale(&k))]));
            assert!(!C::pairing_sum_is_zero(&[(p.scale(&k), q), (p, q.scale(&k))]));
            assert_ne!(C::Scalar::ONE, C::Scalar::ZERO);
        }
        check::<Bn254>();
        check::<Bls12_381>();
    }
}
