//! Making a proof on one machine, or a node's share of one.

use rand_core::CryptoRng;
use tacit_algebra::{Domain, DomainError, Group, Groups, field};
use tacit_circom::Proof;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

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
    let points = points(key, &domain, witness, &r, &s);
    Ok(Proof { a: points.a.to_affine(), b: points.b.to_affine(), c: points.c.to_affine() })
}

/// A proof's three points, wiped when dropped: of shares, they are as secret as the shares until they are masked, so
/// that they are neither printed nor copied.
pub struct Points<G: Groups> {
    /// `A`.
    pub a: G::G1,
    /// `B`.
    pub b: G::G2,
    /// `C`.
    pub c: G::G1,
}

impl<G: Groups> Drop for Points<G> {
    fn drop(&mut self) {
        self.a.zeroize();
        self.b.zeroize();
        self.c.zeroize();
    }
}

/// The three points from the values of all wires, the constant one first, and the blinders `r, s`. On degree-`t` shares of
/// the private wires and of the blinders, `a` and `b` are degree-`t` shares of a proof's points and `c` is a
/// degree-`2t` share, not masked: this is why one function serves the local prover and a node.
pub fn points<G: Groups>(
    key: &ProvingKey<G>,
    domain: &Domain<G::Scalar>,
    wires: &[G::Scalar],
    r: &G::Scalar,
    s: &G::Scalar,
) -> Points<G> {
    let private = wires.get(key.n_public + 1..).unwrap_or_default();
    let ((mut a, mut b1), (mut b, mut l_and_h)) = rayon::join(
        || rayon::join(|| G::G1::msm(&key.a_query, wires), || G::G1::msm(&key.b_g1_query, wires)),
        || {
            rayon::join(
                || G::G2::msm(&key.b_g2_query, wires),
                || {
                    let h = Zeroizing::new(qap::quotient(key, domain, wires));
                    G::G1::msm_of([(&key.l_query, private), (&key.h_query, &h)])
                },
            )
        },
    );
    let delta = G::G1::from_affine(&key.delta_g1);
    a += G::G1::from_affine(&key.vk.alpha_g1) + delta.scale(r);
    b1 += G::G1::from_affine(&key.beta_g1) + delta.scale(s);
    b += G::G2::from_affine(&key.vk.beta_g2) + G::G2::from_affine(&key.vk.delta_g2).scale(s);
    let c = l_and_h + a.scale(s) + b1.scale(r) - delta.scale(&(*r * s));
    l_and_h.zeroize();
    b1.zeroize();
    Points { a, b, c }
}
