//! The commitments and openings of `ark-poly-commit`'s KZG10, with the group elements computed by a network.
//!
//! What its prover computes beyond field arithmetic are multi-scalar multiplications over its structured reference string:
//!
//! | element | scalars over the powers of `g` | scalars over the powers of `gamma g` |
//! |---|---|---|
//! | commitment to `p`, hidden by `b` | coefficients of `p` | coefficients of `b` |
//! | opening at `z` | of `(p - p(z)) / (X - z)` | of `(b - b(z)) / (X - z)` |
//!
//! All of them are secret: the commitment is hiding, and the quotients determine the polynomials. So both powers are registered as one list of bases, and a
//! vector is the coefficients of the first, filled up with zeros, and then those of the second. Its length, which the network sees, tells no degree.

use std::sync::Arc;

use ark_bn254::{Fr, G1Affine};
use ark_ff::{AdditiveGroup, UniformRand};
use ark_poly::univariate::DensePolynomial;
use ark_poly::{DenseUVPolynomial, Polynomial};
use ark_poly_commit::PCCommitmentState;
use ark_poly_commit::kzg10::{Commitment, KZG10, Powers, Proof, Randomness, UniversalParams, VerifierKey};
use ark_std::borrow::Cow;
use ark_std::rand::RngCore;
use tacit_algebra::Bn254;
use tacit_client::{Bases, Client, ClientError, Options, Progress, Silent, Summed};

/// The other crate's scheme.
pub type Kzg = KZG10<ark_bn254::Bn254, DensePolynomial<Fr>>;
/// What hides a polynomial.
pub type Hiding = Randomness<Fr, DensePolynomial<Fr>>;

/// The other crate's reference string, in its form and as bases.
pub struct Srs {
    /// For its prover.
    pub powers: Powers<'static, ark_bn254::Bn254>,
    /// For its verifier.
    pub vk: VerifierKey<ark_bn254::Bn254>,
    /// For the network.
    pub bases: Bases<Bn254>,
}

/// How many evaluations an adversary may see beside the commitment.
pub const HIDING_BOUND: usize = 1;

impl Srs {
    /// From the other crate's parameters, for polynomials below `size`.
    pub fn new(
        params: &UniversalParams<ark_bn254::Bn254>,
        size: usize,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let powers_of_g = params.powers_of_g.get(..size).ok_or("the parameters are too small")?.to_vec();
        // One more than the hiding bound: a polynomial of degree `HIDING_BOUND + 1`.
        let powers_of_gamma_g: Vec<G1Affine> =
            params.powers_of_gamma_g.values().take(HIDING_BOUND + 2).copied().collect();
        let vk = VerifierKey {
            g: *params.powers_of_g.first().ok_or("the parameters are empty")?,
            gamma_g: *powers_of_gamma_g.first().ok_or("the parameters are empty")?,
            h: params.h,
            beta_h: params.beta_h,
            prepared_h: params.prepared_h.clone(),
            prepared_beta_h: params.prepared_beta_h.clone(),
        };
        let bases = Bases::new([&powers_of_g[..], &powers_of_gamma_g].concat())?;
        let powers =
            Powers { powers_of_g: Cow::Owned(powers_of_g), powers_of_gamma_g: Cow::Owned(powers_of_gamma_g) };
        Ok(Self { powers, vk, bases })
    }

    /// The scalars of a polynomial and of what hides it.
    fn scalars(&self, polynomial: &DensePolynomial<Fr>, hiding: &DensePolynomial<Fr>) -> Vec<Fr> {
        let mut scalars = Vec::with_capacity(self.bases.points().len());
        scalars.extend_from_slice(polynomial.coeffs());
        scalars.resize(self.powers.powers_of_g.len(), Fr::ZERO);
        scalars.extend_from_slice(hiding.coeffs());
        scalars.resize(self.bases.points().len(), Fr::ZERO);
        scalars
    }
}

/// A network with the reference string registered.
pub struct Delegate<'a> {
    pub client: &'a Client,
    pub srs: &'a Srs,
    pub options: Options,
    pub progress: Arc<dyn Progress>,
}

impl<'a> Delegate<'a> {
    /// Registers the reference string, if the network does not have it yet.
    pub async fn new(client: &'a Client, srs: &'a Srs, options: Options) -> Result<Self, ClientError> {
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        client.register_bases(&srs.bases, Arc::clone(&progress)).await?;
        Ok(Self { client, srs, options, progress })
    }

    async fn sum(
        &self,
        polynomial: &DensePolynomial<Fr>,
        hiding: &DensePolynomial<Fr>,
    ) -> Result<Summed<Bn254>, ClientError> {
        let scalars = self.srs.scalars(polynomial, hiding);
        self.client.msm(self.srs.bases.id(), &scalars, &self.options, Arc::clone(&self.progress)).await
    }

    /// The commitment that [`KZG10::commit`] makes with this randomness.
    pub async fn commit(
        &self,
        polynomial: &DensePolynomial<Fr>,
        hiding: &Hiding,
    ) -> Result<Commitment<ark_bn254::Bn254>, ClientError> {
        Ok(Commitment(self.sum(polynomial, &hiding.blinding_polynomial).await?.sum))
    }

    /// The proof that [`KZG10::open`] makes.
    pub async fn open(
        &self,
        polynomial: &DensePolynomial<Fr>,
        point: Fr,
        hiding: &Hiding,
    ) -> Result<Proof<ark_bn254::Bn254>, Box<dyn std::error::Error + Send + Sync>> {
        let (witness, hiding_witness) = Kzg::compute_witness_polynomial(polynomial, point, hiding)
            .map_err(|e| format!("the opening cannot be made: {e:?}"))?;
        let hiding_witness = hiding_witness.ok_or("the polynomial is not hidden")?;
        let w = self.sum(&witness, &hiding_witness).await?.sum;
        Ok(Proof { w, random_v: Some(hiding.blinding_polynomial.evaluate(&point)) })
    }
}

/// A polynomial below `size` and what hides it.
pub fn secrets(size: usize, rng: &mut impl RngCore) -> (DensePolynomial<Fr>, Hiding) {
    let polynomial = DensePolynomial::from_coefficients_vec((0..size).map(|_| Fr::rand(rng)).collect());
    (polynomial, Hiding::rand(HIDING_BOUND, false, None, rng))
}
