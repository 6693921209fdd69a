//! From a 32-byte seed to a stream of shares.
//!
//! The stream is SHAKE-256 over the concatenation of five strings, each preceded by its length in bytes as a
//! little-endian `u64` (so that no two lists of strings give the same input):
//!
//! | string | bytes |
//! |---|---|
//! | label | what the stream is for, a constant of the protocol |
//! | deal | the deal's identifier: a seed used under another deal gives an unrelated stream |
//! | vector | little-endian `u32`: which vector of the deal |
//! | slice | little-endian `u32`: which slice of the proving key |
//! | seed | 32 |
//!
//! Element `k` is the output's bytes `64k .. 64k+64`, a little-endian integer reduced modulo the field's order. 512
//! bits for a 255-bit field leave a statistical distance from uniform below `2^-256` for each element; 32 bytes, which
//! would suffice to name one, leave several per cent for BN254.

use std::fmt;
use std::marker::PhantomData;

use ark_ff::PrimeField;
use shake::{ExtendableOutput, Shake256, Shake256Reader, Update, XofReader};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of expanded output behind each field element.
pub const BYTES_PER_ELEMENT: usize = 64;

/// Bytes of a seed.
pub const SEED_LEN: usize = 32;

/// A seed that stands for one node's shares. Every node's is drawn by itself: nodes that share one, or whose seeds
/// one can compute from another, count as one node that holds two indices.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed(pub [u8; SEED_LEN]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Which stream of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream<'a> {
    /// What the stream is for: a constant of the protocol.
    pub label: &'a [u8],
    /// The deal's identifier.
    pub deal: &'a [u8],
    /// Which vector of the deal.
    pub vector: u32,
    /// Which slice of the proving key.
    pub slice: u32,
}

/// The field elements of one stream, one after the other; it never ends.
pub struct Expander<F> {
    reader: Shake256Reader,
    field: PhantomData<F>,
}

impl<F: PrimeField> Expander<F> {
    /// The start of a seed's stream.
    pub fn new(stream: &Stream<'_>, seed: &Seed) -> Self {
        let mut hasher = Shake256::default();
        for part in
            [stream.label, stream.deal, &stream.vector.to_le_bytes(), &stream.slice.to_le_bytes(), &seed.0]
        {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self { reader: hasher.finalize_xof(), field: PhantomData }
    }

    /// The next element.
    pub fn next_element(&mut self) -> F {
        let mut block = [0u8; BYTES_PER_ELEMENT];
        self.reader.read(&mut block);
        let element = reduce(&block);
        block.zeroize();
        element
    }

    /// The next `count` elements.
    pub fn take_elements(&mut self, count: usize) -> Vec<F> {
        (0..count).map(|_| self.next_element()).collect()
    }
}

impl<F> fmt::Debug for Expander<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expander(..)")
    }
}

/// A little-endian integer modulo the field's order. As [`tacit_algebra::field::from_uniform_bytes`], but in steps of
/// as many bytes as surely stay below the modulus rather than of one.
fn reduce<F: PrimeField>(bytes: &[u8]) -> F {
    let step = (F::MODULUS_BIT_SIZE as usize - 1) / 8;
    if step < 8 {
        return tacit_algebra::field::from_uniform_bytes(bytes);
    }
    let radix = F::from(2u64).pow([8 * step as u64]);
    let mut int = F::BigInt::default();
    let mut sum = F::ZERO;
    for chunk in bytes.chunks(step).rev() {
        int.as_mut().fill(0);
        for (limb, limb_bytes) in int.as_mut().iter_mut().zip(chunk.chunks(8)) {
            let mut le = [0u8; 8];
            for (to, from) in le.iter_mut().zip(limb_bytes) {
                *to = *from;
            }
            *limb = u64::from_le_bytes(le);
        }
        // Fewer bits than the modulus has: always canonical.
        sum = sum * radix + F::from_bigint(int).unwrap_or(F::ZERO);
    }
    int.zeroize();
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reduction_in_steps_is_reduction(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(
                reduce::<ark_bn254::Fr>(&bytes),
                tacit_algebra::field::from_uniform_bytes(&bytes)
            );
            prop_assert_eq!(
                reduce::<ark_bls12_381::Fr>(&bytes),
                tacit_algebra::field::from_uniform_bytes(&bytes)
            );
        }
    }
}
