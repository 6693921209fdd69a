//! Encodings of prime-field elements and uniform sampling.
//!
//! Three encodings occur: canonical little-endian (`.r1cs`, `.wtns`, Tacit's own messages), canonical big-endian
//! (points on the wire, Solidity) and Montgomery little-endian (`.zkey`, `.ptau`). Every decoder refuses integers
//! that are not below the modulus.

use ark_ff::{BigInt, BigInteger, Fp, MontBackend, MontConfig, PrimeField};
use rand_core::Rng;

use crate::DecodeError;

/// Bytes of the canonical encoding of `F`: whole 64-bit limbs, as circom's file formats have it.
pub const fn byte_len<F: PrimeField>() -> usize {
    (F::MODULUS_BIT_SIZE as usize).div_ceil(64) * 8
}

/// Appends the canonical little-endian encoding of `x` ([`byte_len`] bytes).
pub fn write_le<F: PrimeField>(x: &F, out: &mut Vec<u8>) {
    let bytes = x.into_bigint().to_bytes_le();
    let len = byte_len::<F>();
    out.extend(bytes.iter().copied().chain(std::iter::repeat(0)).take(len));
}

/// The canonical little-endian encoding of `x`.
pub fn to_le<F: PrimeField>(x: &F) -> Vec<u8> {
    let mut out = Vec::with_capacity(byte_len::<F>());
    write_le(x, &mut out);
    out
}

/// Decodes a canonical little-endian field element.
///
/// # Errors
/// [`DecodeError::Length`] unless there are exactly [`byte_len`] bytes, [`DecodeError::NonCanonical`] for an
/// integer that is not below the modulus.
pub fn read_le<F: PrimeField>(bytes: &[u8]) -> Result<F, DecodeError> {
    let expected = byte_len::<F>();
    if bytes.len() != expected {
        return Err(DecodeError::Length { expected, got: bytes.len() });
    }
    let mut int = F::BigInt::default();
    let limbs = int.as_mut();
    for (i, chunk) in bytes.chunks(8).enumerate() {
        let mut limb = [0u8; 8];
        for (to, from) in limb.iter_mut().zip(chunk) {
            *to = *from;
        }
        match limbs.get_mut(i) {
            Some(l) => *l = u64::from_le_bytes(limb),
            None if limb == [0u8; 8] => {}
            None => return Err(DecodeError::NonCanonical),
        }
    }
    F::from_bigint(int).ok_or(DecodeError::NonCanonical)
}

/// The canonical big-endian encoding of `x`.
pub fn to_be<F: PrimeField>(x: &F) -> Vec<u8> {
    let mut bytes = to_le(x);
    bytes.reverse();
    bytes
}

/// Decodes a canonical big-endian field element; errors as [`read_le`].
///
/// # Errors
/// As [`read_le`].
pub fn read_be<F: PrimeField>(bytes: &[u8]) -> Result<F, DecodeError> {
    let mut le = bytes.to_vec();
    le.reverse();
    read_le(&le)
}

/// Reduces bytes (little-endian) modulo the field's order. With at least 16 bytes more than the modulus has, uniform
/// bytes give an element whose distance from uniform is below 2^-128.
pub fn from_uniform_bytes<F: PrimeField>(bytes: &[u8]) -> F {
    F::from_le_bytes_mod_order(bytes)
}

/// A uniform field element from a random number generator that the caller vouches for (statistical distance below
/// 2^-256 for the fields of this crate).
pub fn random<F: PrimeField, R: Rng + ?Sized>(rng: &mut R) -> F {
    let mut wide = [0u8; 80];
    rng.fill_bytes(&mut wide);
    let x = from_uniform_bytes(&wide);
    zeroize::Zeroize::zeroize(&mut wide);
    x
}

/// Fields whose in-memory form is Montgomery's, in the layout that circom's tools write to disk.
pub trait Montgomery: PrimeField {
    /// Appends the little-endian Montgomery representation.
    fn write_montgomery_le(&self, out: &mut Vec<u8>);

    /// Reads a little-endian Montgomery representation.
    ///
    /// # Errors
    /// As [`read_le`]: the Montgomery integer itself must be below the modulus.
    fn read_montgomery_le(bytes: &[u8]) -> Result<Self, DecodeError>;
}

impl<T: MontConfig<N>, const N: usize> Montgomery for Fp<MontBackend<T, N>, N> {
    fn write_montgomery_le(&self, out: &mut Vec<u8>) {
        for limb in self.0.0 {
            out.extend_from_slice(&limb.to_le_bytes());
        }
    }

    fn read_montgomery_le(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != N * 8 {
            return Err(DecodeError::Length { expected: N * 8, got: bytes.len() });
        }
        let mut limbs = [0u64; N];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut b = [0u8; 8];
            b.copy_from_slice(chunk);
            *limb = u64::from_le_bytes(b);
        }
        let int = BigInt::new(limbs);
        if int >= Self::MODULUS {
            return Err(DecodeError::NonCanonical);
        }
        Ok(Self::new_unchecked(int))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, Field};

    type Fr = ark_bn254::Fr;

    #[test]
    fn little_endian_refuses_the_modulus() {
        let modulus = Fr::MODULUS.to_bytes_le();
        assert_eq!(read_le::<Fr>(&modulus), Err(DecodeError::NonCanonical));
        let minus_one = to_le(&-Fr::ONE);
        assert_eq!(read_le::<Fr>(&minus_one), Ok(-Fr::ONE));
        assert_eq!(read_le::<Fr>(&minus_one[..31]), Err(DecodeError::Length { expected: 32, got: 31 }));
    }

    #[test]
    fn montgomery_one_is_r() {
        let mut out = Vec::new();
        Fr::ONE.write_montgomery_le(&mut out);
        assert_eq!(read_le::<Fr>(&out), Ok(Fr::from(2u64).pow([256])));
        assert_eq!(Fr::read_montgomery_le(&out), Ok(Fr::ONE));
        assert_eq!(Fr::read_montgomery_le(&[0xff; 32]), Err(DecodeError::NonCanonical));
        assert_eq!(Fr::read_montgomery_le(&[0; 32]), Ok(Fr::ZERO));
    }
}
