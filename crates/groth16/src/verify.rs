//! Checking a proof.

use tacit_algebra::{Group, Groups};
use tacit_circom::{Proof, VerificationKey};
use thiserror::Error;

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The key belongs to another circuit.
    #[error("{got} public inputs given, the verification key takes {expected}")]
    PublicInputs {
        /// Public inputs of the key.
        expected: usize,
        /// Public inputs given.
        got: usize,
    },
    /// The pairing equation does not hold.
    #[error("the proof is not valid for these public inputs (the pairing equation does not hold)")]
    Invalid,
}

/// Checks `e(A, B) = e(alpha, beta) + e(sum x_i IC_i, gamma) + e(C, delta)`.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify<G: Groups>(
    vk: &VerificationKey<G>,
    public: &[G::Scalar],
    proof: &Proof<G>,
) -> Result<(), VerifyError> {
    let Some((constant, bases)) = vk.ic.split_first().filter(|(_, bases)| bases.len() == public.len()) else {
        return Err(VerifyError::PublicInputs { expected: vk.ic.len().saturating_sub(1), got: public.len() });
    };
    let inputs = G::G1::from_affine(constant) + G::G1::msm(bases, public);
    let holds = G::pairing_sum_is_zero(&[
        (-G::G1::from_affine(&proof.a), G::G2::from_affine(&proof.b)),
        (G::G1::from_affine(&vk.alpha_g1), G::G2::from_affine(&vk.beta_g2)),
        (inputs, G::G2::from_affine(&vk.gamma_g2)),
        (G::G1::from_affine(&proof.c), G::G2::from_affine(&vk.delta_g2)),
    ]);
    if holds { Ok(()) } else { Err(VerifyError::Invalid) }
}
