//! Checking a key against its circuit and the powers of tau: `zkey verify`.
//!
//! The initial key is made anew from the circuit. The key must equal it in everything that no contribution changes,
//! its ceremony's record must be a chain of proofs of knowledge from `delta = 1` to the key's `delta`, and its L- and
//! H-queries must be those of the initial key divided by that `delta`.

use rand_core::CryptoRng;
use tacit_algebra::{Check, Curve, G1Affine, G2Affine, Group, Point};
use tacit_circom::ptau::Ptau;
use tacit_circom::zkey::ContributionKind;
use tacit_circom::{Contribution, R1cs, Zkey};
use thiserror::Error;

use crate::contribute::{ContributeError, beacon_draw};
use crate::setup::{SetupError, from_ptau, is_dev};
use crate::transcript::{Digest64, challenge_point, contribution_hash, transcript};

/// Why a key is not what it claims to be. Contributions are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ZkeyVerifyError {
    /// No initial key could be made from the circuit and the powers of tau.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The key was made by a development setup.
    #[error(
        "the key comes from a development setup, not from these powers of tau: whoever made it can forge proofs"
    )]
    DevSetup,
    /// The key belongs to another circuit or to other powers of tau.
    #[error("the key's {part} is not that of this circuit over these powers of tau")]
    Differs {
        /// Which part.
        part: &'static str,
    },
    /// A contribution's transcript is not the digest of what precedes it.
    #[error("contribution {index}: its transcript does not follow from the contributions before it")]
    Transcript {
        /// Which contribution.
        index: usize,
    },
    /// A contribution does not prove knowledge of its secret.
    #[error("contribution {index}: its proof of knowledge is not valid")]
    ProofOfKnowledge {
        /// Which contribution.
        index: usize,
    },
    /// `delta` did not change by a contribution's secret.
    #[error("contribution {index}: delta was not multiplied by the secret that the contribution proves")]
    Delta {
        /// Which contribution.
        index: usize,
    },
    /// A beacon's secret is not the one that its value determines.
    #[error("contribution {index}: its secret is not the one that the beacon determines")]
    Beacon {
        /// Which contribution.
        index: usize,
    },
    /// A beacon asks for more work than is done here.
    #[error("contribution {index}: {why}")]
    BeaconParameters {
        /// Which contribution.
        index: usize,
        /// Why.
        why: ContributeError,
    },
    /// The key's `delta` is not the last contribution's.
    #[error("the key's delta is not the one after the last contribution")]
    FinalDelta,
    /// A query was not divided by `delta`.
    #[error("the key's {query} is not that of the circuit divided by delta")]
    Query {
        /// Which query.
        query: &'static str,
    },
}

/// A contribution that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedContribution {
    /// Its name, as the contributor gave it.
    pub name: Option<String>,
    /// Whether it was a person's or a beacon's.
    pub kind: ContributionKind,
    /// The digest that the contributor published.
    pub hash: Digest64,
}

/// Checks a key as `snarkjs zkey verify R1CS PTAU ZKEY` does, and returns its contributions in order: each contributor
/// should look for the digest of their own. The powers of tau are trusted to be consistent (they have their own
/// verification); a key without contributions is consistent but not safe to use.
///
/// The key's points must have been checked when it was read. Queries are compared as random linear combinations with
/// 128-bit coefficients from `rng`.
///
/// # Errors
/// See [`ZkeyVerifyError`].
pub fn verify<C: Curve, R: CryptoRng + ?Sized>(
    r1cs: &R1cs<C::Scalar>,
    ptau: &Ptau<'_, C>,
    zkey: &Zkey<C>,
    check: Check,
    rng: &mut R,
) -> Result<Vec<VerifiedContribution>, ZkeyVerifyError> {
    if is_dev(zkey) {
        return Err(ZkeyVerifyError::DevSetup);
    }
    let initial = from_ptau(r1cs, ptau, check)?;
    verify_from_initial(&initial, zkey, rng)
}

/// As [`verify`], against an initial key that is known to be right.
///
/// # Errors
/// See [`ZkeyVerifyError`].
pub fn verify_from_initial<C: Curve, R: CryptoRng + ?Sized>(
    initial: &Zkey<C>,
    zkey: &Zkey<C>,
    rng: &mut R,
) -> Result<Vec<VerifiedContribution>, ZkeyVerifyError> {
    let sizes = |z: &Zkey<C>| (z.n_wires, z.n_public, z.log_domain);
    for (part, same) in [
        ("sizes", sizes(initial) == sizes(zkey)),
        ("alpha", initial.vk.alpha_g1 == zkey.vk.alpha_g1),
        ("beta", initial.beta_g1 == zkey.beta_g1 && initial.vk.beta_g2 == zkey.vk.beta_g2),
        ("gamma", initial.vk.gamma_g2 == zkey.vk.gamma_g2),
        ("circuit digest", initial.cs_hash == zkey.cs_hash),
        ("IC", initial.vk.ic == zkey.vk.ic),
        ("list of coefficients", initial.coefficients == zkey.coefficients),
        ("A-query", initial.a_query == zkey.a_query),
        ("B-query in the first group", initial.b_g1_query == zkey.b_g1_query),
        ("B-query in the second group", initial.b_g2_query == zkey.b_g2_query),
        ("number of points in the L-query", initial.l_query.len() == zkey.l_query.len()),
        ("number of points in the H-query", initial.h_query.len() == zkey.h_query.len()),
    ] {
        if !same {
            return Err(ZkeyVerifyError::Differs { part });
        }
    }

    let contributions = verify_chain(initial, zkey)?;

    let generator_g2 = C::G2::generator().to_affine();
    let last = zkey.contributions.last().map_or(initial.delta_g1, |c| c.delta_after);
    if zkey.delta_g1 != last || !same_ratio::<C>(&initial.delta_g1, &last, &generator_g2, &zkey.vk.delta_g2) {
        return Err(ZkeyVerifyError::FinalDelta);
    }
    for (query, before, after) in
        [("L-query", &initial.l_query, &zkey.l_query), ("H-query", &initial.h_query, &zkey.h_query)]
    {
        let coefficients: Vec<C::Scalar> = before
            .iter()
            .map(|_| {
                let mut bytes = [0u8; 16];
                rng.fill_bytes(&mut bytes);
                C::Scalar::from(u128::from_le_bytes(bytes))
            })
            .collect();
        let (before, after) =
            rayon::join(|| C::G1::msm(before, &coefficients), || C::G1::msm(after, &coefficients));
        let delta = C::G2::from_affine(&zkey.vk.delta_g2);
        if !C::pairing_sum_is_zero(&[(after, delta), (-before, C::G2::from_affine(&initial.vk.delta_g2))]) {
            return Err(ZkeyVerifyError::Query { query });
        }
    }
    Ok(contributions)
}

/// Checks the ceremony's record: each transcript, each proof of knowledge, each step of `delta`.
fn verify_chain<C: Curve>(
    initial: &Zkey<C>,
    zkey: &Zkey<C>,
) -> Result<Vec<VerifiedContribution>, ZkeyVerifyError> {
    let mut delta = initial.delta_g1;
    let mut verified = Vec::with_capacity(zkey.contributions.len());
    for (index, contribution) in zkey.contributions.iter().enumerate() {
        let earlier = zkey.contributions.get(..index).unwrap_or_default();
        let Contribution { delta_after, g1_s, g1_sx, g2_spx, .. } = contribution;
        if contribution.transcript != transcript(&zkey.cs_hash, earlier, g1_s, g1_sx) {
            return Err(ZkeyVerifyError::Transcript { index });
        }
        let challenge = challenge_point::<C>(&contribution.transcript);
        if !same_ratio::<C>(g1_s, g1_sx, &challenge, g2_spx) {
            return Err(ZkeyVerifyError::ProofOfKnowledge { index });
        }
        if !same_ratio::<C>(&delta, delta_after, &challenge, g2_spx) {
            return Err(ZkeyVerifyError::Delta { index });
        }
        if let ContributionKind::Beacon { log_iterations, hash } = &contribution.kind {
            let draw = beacon_draw::<C>(hash, *log_iterations)
                .map_err(|why| ZkeyVerifyError::BeaconParameters { index, why })?;
            if draw.g1_s != *g1_s || draw.g1_sx() != *g1_sx {
                return Err(ZkeyVerifyError::Beacon { index });
            }
        }
        verified.push(VerifiedContribution {
            name: contribution.name.clone(),
            kind: contribution.kind.clone(),
            hash: contribution_hash(contribution),
        });
        delta = *delta_after;
    }
    Ok(verified)
}

/// Whether `q` is to `p` as `q2` to `p2`, none of them being the neutral element.
fn same_ratio<C: Curve>(p: &G1Affine<C>, q: &G1Affine<C>, p2: &G2Affine<C>, q2: &G2Affine<C>) -> bool {
    let finite = !(p.is_identity() || q.is_identity() || p2.is_identity() || q2.is_identity());
    finite
        && C::pairing_sum_is_zero(&[
            (C::G1::from_affine(p), C::G2::from_affine(q2)),
            (-C::G1::from_affine(q), C::G2::from_affine(p2)),
        ])
}
