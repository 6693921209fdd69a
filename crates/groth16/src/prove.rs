//! Making a proof on one machine.

use rand_core::CryptoRng;
use tacit_algebra::{DomainError, Group, Groups, field};
use tacit_circom::Proof;
use thiserror::Error;
use zeroize::Zeroize;

use crate::key::ProvingKey;
use crate::qap;

/// Why no proof could be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The witness belongs to another circuit.
    #[error("the witness has {got} wires, the proving key {expected}: they belong to different circuits")]
    WitnessLength {
        /// Wires of the key.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Wire 0 is the constant one.
    #[error("wire 0 of the witness is not 1")]
    ConstantWire,
    /// The field has no such domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// Proves, with blinders drawn from `rng`. The witness is not checked against the constraints: a wrong one gives a
/// proof that does not verify.
///
/// # Errors
/// See [`ProveError`].
pub fn prove<G: Groups, R: CryptoRng + ?Sized>(
    key: &ProvingKey<G>,
    witness: &[G::Scalar],
    rng: &mut R,
) -> Result<Proof<G>, ProveError> {
    let mut r = field::random(rng);
    let mut s = field::random(rng);
    let proof = prove_with_blinders(key, witness, r, s);
    r.zeroize();
    s.zeroize();
    proof
}

/// Proves with given blinders `r, s`; for tests and for protocols that draw them jointly.
///
/// # Errors
/// See [`ProveError`].
pub fn prove_with_blinders<G: Groups>(
    key: &ProvingKey<G>,
    witness: &[G::Scalar],
    r: G::Scalar,
    s: G::Scalar,
) -> Result<Proof<G>, ProveError> {
    if witness.len() != key.n_wires {
        return Err(ProveError::WitnessLength { expected: key.n_wires, got: witness.len() });
    }
    if witness.first() != Some(&G::Scalar::from(1u64)) {
        return Err(ProveError::ConstantWire);
    }
    let domain = key.domain()?;
    let private = witness.get(key.n_public + 1..).unwrap_or_default();
    let h = &mut Vec::new();
    let ((a, b1), (b, c)) = rayon::join(
        || rayon::join(|| G::G1::msm(&key.a_query, witness), || G::G1::msm(&key.b_g1_query, witness)),
        || {
            rayon::join(
                || G::G2::msm(&key.b_g2_query, witness),
                || {
                    *h = qap::quotient(key, &domain, witness);
                    G::G1::msm_of_two([(&key.l_query, private), (&key.h_query, h)])
                },
            )
        },
    );
    let delta = G::G1::from_affine(&key.delta_g1);
    let a = G::G1::from_affine(&key.vk.alpha_g1) + a + delta.scale(&r);
    let b1 = G::G1::from_affine(&key.beta_g1) + b1 + delta.scale(&s);
    let b = G::G2::from_affine(&key.vk.beta_g2) + b + G::G2::from_affine(&key.vk.delta_g2).scale(&s);
    let c = c + a.scale(&s) + b1.scale(&r) - delta.scale(&(r * s));
    h.zeroize();
    Ok(Proof { a: a.to_affine(), b: b.to_affine(), c: c.to_affine() })
}
