//! Checking many proofs of one circuit at the price of little more than one pairing each.

use ark_ff::AdditiveGroup;
use rand_core::CryptoRng;
use tacit_algebra::{Group, Groups};
use tacit_circom::{Proof, VerificationKey};
use thiserror::Error;

use crate::verify::{VerifyError, verify};

/// A proof with what it claims to prove.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a, G: Groups> {
    /// The public inputs.
    pub public: &'a [G::Scalar],
    /// The proof.
    pub proof: &'a Proof<G>,
}

/// Which proofs of a batch were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchVerifyError {
    /// A claim has the wrong number of public inputs; no proof was checked.
    #[error(
        "proof {index} of the batch comes with {got} public inputs, the verification key takes {expected}"
    )]
    PublicInputs {
        /// The claim's position in the batch, counted from 0.
        index: usize,
        /// Public inputs of the key.
        expected: usize,
        /// Public inputs given.
        got: usize,
    },
    /// These proofs are invalid, all others of the batch are valid.
    #[error("these proofs of the batch are not valid for their public inputs: {indices:?}")]
    Invalid {
        /// Positions in the batch, counted from 0, ascending.
        indices: Vec<usize>,
    },
}

/// Checks all claims at once: a random linear combination of their pairing equations,
///
/// ```text
/// sum k_i e(A_i, B_i) = e(sum k_i alpha, beta) + e(sum k_i IC(x_i), gamma) + e(sum k_i C_i, delta)
/// ```
///
/// with coefficients `k_i` of 128 bits. A batch with an invalid proof passes with probability at most `2^-128`, provided
/// that `rng` is not known to whoever made the proofs. When the combination does not hold, every proof is checked by
/// itself so that the error can name the culprits. An empty batch is valid.
///
/// As in [`verify`], the points must lie in their subgroups; every decoder of this workspace sees to that.
///
/// # Errors
/// See [`BatchVerifyError`].
pub fn batch_verify<G: Groups, R: CryptoRng + ?Sized>(
    vk: &VerificationKey<G>,
    claims: &[Claim<'_, G>],
    rng: &mut R,
) -> Result<(), BatchVerifyError> {
    let expected = vk.ic.len().saturating_sub(1);
    for (index, claim) in claims.iter().enumerate() {
        if vk.ic.is_empty() || claim.public.len() != expected {
            return Err(BatchVerifyError::PublicInputs { index, expected, got: claim.public.len() });
        }
    }
    if combination_holds(vk, claims, rng) {
        return Ok(());
    }
    let invalid = |(index, claim): (usize, &Claim<'_, G>)| match verify(vk, claim.public, claim.proof) {
        Ok(()) => None,
        Err(VerifyError::PublicInputs { .. } | VerifyError::Invalid) => Some(index),
    };
    let indices: Vec<usize> = claims.iter().enumerate().filter_map(invalid).collect();
    // A combination of valid equations holds: this is empty only if the arithmetic itself is at fault.
    Err(BatchVerifyError::Invalid { indices })
}

fn combination_holds<G: Groups, R: CryptoRng + ?Sized>(
    vk: &VerificationKey<G>,
    claims: &[Claim<'_, G>],
    rng: &mut R,
) -> bool {
    let coefficients: Vec<G::Scalar> = claims
        .iter()
        .map(|_| {
            let mut bytes = [0u8; 16];
            rng.fill_bytes(&mut bytes);
            G::Scalar::from(u128::from_le_bytes(bytes))
        })
        .collect();
    let sum_of_coefficients: G::Scalar = coefficients.iter().copied().sum();

    let mut inputs = vec![G::Scalar::ZERO; vk.ic.len()];
    for (claim, k) in claims.iter().zip(&coefficients) {
        let one = std::iter::once(G::Scalar::from(1u64));
        for (sum, x) in inputs.iter_mut().zip(one.chain(claim.public.iter().copied())) {
            *sum += x * k;
        }
    }
    let cs: Vec<_> = claims.iter().map(|claim| claim.proof.c).collect();

    let mut pairs: Vec<(G::G1, G::G2)> = claims
        .iter()
        .zip(&coefficients)
        .map(|(claim, k)| {
            let a = G::G1::from_affine(&claim.proof.a).scale(k);
            (-a, G::G2::from_affine(&claim.proof.b))
        })
        .collect();
    pairs.push((
        G::G1::from_affine(&vk.alpha_g1).scale(&sum_of_coefficients),
        G::G2::from_affine(&vk.beta_g2),
    ));
    pairs.push((G::G1::msm(&vk.ic, &inputs), G::G2::from_affine(&vk.gamma_g2)));
    pairs.push((G::G1::msm(&cs, &coefficients), G::G2::from_affine(&vk.delta_g2)));
    G::pairing_sum_is_zero(&pairs)
}
