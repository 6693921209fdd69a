//! Many multiples of one point, for the setup of keys: a table of the base's multiples in every window of the scalar
//! turns each multiplication into as many mixed additions as there are windows.
//!
//! Not constant-time: the scalars of a setup are as secret as the machine that runs it.

use ark_ec::CurveGroup;
use ark_ec::scalar_mul::BatchMulPreprocessing;
use rayon::prelude::*;

/// Below this many scalars a table costs more than it saves.
const TABLE_PAYS: usize = 32;
/// Scalars that share an inversion when brought to affine form.
const CHUNK: usize = 1 << 12;

/// `scalars[i] * base` for each scalar, in parallel.
pub(crate) fn multiples<G: CurveGroup>(base: &G, scalars: &[G::ScalarField]) -> Vec<G::Affine> {
    if scalars.len() < TABLE_PAYS {
        let points: Vec<G> = scalars.iter().map(|k| *base * k).collect();
        return G::normalize_batch(&points);
    }
    let table = BatchMulPreprocessing::new(*base, scalars.len());
    let chunks: Vec<Vec<G::Affine>> = scalars.par_chunks(CHUNK).map(|chunk| windows(&table, chunk)).collect();
    chunks.concat()
}

fn windows<G: CurveGroup>(table: &BatchMulPreprocessing<G>, scalars: &[G::ScalarField]) -> Vec<G::Affine> {
    use ark_ff::{BigInteger, PrimeField};
    let points: Vec<G> = scalars
        .iter()
        .map(|k| {
            let bits = k.into_bigint().to_bits_le();
            let mut sum = G::zero();
            for (row, window) in table.table.iter().zip(bits.chunks(table.window)) {
                let index = window.iter().rev().fold(0usize, |acc, bit| 2 * acc + usize::from(*bit));
                if let Some(entry) = row.get(index).filter(|_| index != 0) {
                    sum += entry;
                }
            }
            sum
        })
        .collect();
    G::normalize_batch(&points)
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::{Bls12_381, Bn254, Curve, Group, field};
    use ark_ff::{AdditiveGroup, Field};

    pub(crate) struct Counter(pub(crate) u64);
    impl rand_core::TryRng for Counter {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(self.try_next_u64()? as u32)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            Ok(self.0 ^ (self.0 >> 29))
        }
        fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Self::Error> {
            for b in dest {
                *b = self.try_next_u64()? as u8;
            }
            Ok(())
        }
    }

    fn agrees<C: Curve>() {
        let mut rng = Counter(7);
        let base = C::G1::generator().scale(&C::Scalar::from(11u64));
        for n in [0, 1, 31, 33, 300] {
            let mut scalars: Vec<C::Scalar> = (0..n).map(|_| field::random(&mut rng)).collect();
            scalars.extend([C::Scalar::ZERO, C::Scalar::ONE, -C::Scalar::ONE]);
            let expected: Vec<_> = scalars.iter().map(|k| base.scale(k).to_affine()).collect();
            assert_eq!(C::G1::multiples(&base, &scalars), expected);
        }
        let scalars: Vec<C::Scalar> = (0..40).map(|_| field::random(&mut rng)).collect();
        let g2 = C::G2::generator();
        let expected: Vec<_> = scalars.iter().map(|k| g2.scale(k).to_affine()).collect();
        assert_eq!(C::G2::multiples(&g2, &scalars), expected);
    }

    #[test]
    fn a_table_agrees_with_one_by_one() {
        agrees::<Bn254>();
        agrees::<Bls12_381>();
    }
}
