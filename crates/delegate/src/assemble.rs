//! Step 5, the assembler: from answers to a checked proof.
//!
//! `A` and `B` have degree `t` and `C` has degree `2t`, so any `2t + 1` answers determine all three at 0. The proof is released only if the
//! verifier's equation holds. With spare answers a proof that does not verify is not the end: other subsets are tried, and
//! the answers off the polynomials of the subset that gave a proof are *suspects*. Suspects, not culprits: `e` liars can lie
//! consistently, and only with `m >= 2t + 1 + 2e` answers is the polynomial through the honest ones the only candidate.

use std::collections::BTreeSet;

use tacit_algebra::{Group, Groups};
use tacit_groth16::verify::{self, VerifyError};
use tacit_groth16::{Proof, VerificationKey};
use tacit_sharing::{SharingError, interpolate};
use thiserror::Error;

use crate::blame::{self, Culprit};
use crate::dials::Dials;
use crate::header::DealHeader;
use crate::labels;
use crate::response::Answer;

/// So many subsets of the answers are tried at most. Wherever unique decoding is possible, at least one subset in 23 is
/// honest, and they are tried in an order that nobody chooses.
pub const MAX_SUBSETS: usize = 4096;

/// A proof that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled<G: Groups> {
    /// The proof.
    pub proof: Proof<G>,
    /// Nodes whose answers do not agree with those that gave the proof; ascending. Suspects only.
    pub suspects: Vec<u8>,
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// Not enough answers yet.
    #[error("{got} answers, {needed} are needed: {} missing, of nodes {}", needed - got, blame::list(.silent))]
    TooFew {
        /// Answers needed.
        needed: usize,
        /// Answers given.
        got: usize,
        /// Nodes that have not answered.
        silent: Vec<u8>,
    },
    /// An answer from an index that the deal does not have.
    #[error("an answer came from index {index}, the deal has indices 1 to {n}")]
    Index {
        /// The index.
        index: u8,
        /// Nodes of the deal.
        n: u8,
    },
    /// Two answers from one index.
    #[error("two answers were given for node {index}")]
    Duplicate {
        /// The index.
        index: u8,
    },
    /// The verification key is of another circuit.
    #[error("the deal has {got} public inputs, the verification key takes {expected}")]
    PublicInputs {
        /// Public inputs of the key.
        expected: usize,
        /// Public inputs of the deal.
        got: usize,
    },
    /// The answers agree with one another and their proof does not verify.
    #[error(
        "the nodes' answers agree with one another, but the proof they give does not verify: the witness may be wrong{}. \
         Check the witness against the constraints (--r1cs), and that witness, proving key and verification key are of one circuit",
        if *.spare == 0 { ", or, as there is no spare answer to tell, some node answered wrongly" } else { "" }
    )]
    Invalid {
        /// Answers beyond those needed: with none, agreement says nothing about `C`.
        spare: usize,
        /// Nodes whose answers are off the polynomials that almost all others agree on; ascending, mostly empty.
        suspects: Vec<u8>,
    },
    /// The answers contradict one another and no subset that was tried gives a proof.
    #[error(
        "the nodes' answers contradict one another and none of the {tried} subsets tried gives a proof: \
         some of nodes {} answered wrongly. {}",
        blame::list(.answered),
        if .silent.is_empty() { "Deal afresh, to a disjoint committee".to_owned() }
        else { format!("Wait for nodes {}, or deal afresh to a disjoint committee", blame::list(.silent)) }
    )]
    Contradiction {
        /// Nodes that answered.
        answered: Vec<u8>,
        /// Nodes that did not.
        silent: Vec<u8>,
        /// Subsets tried.
        tried: usize,
    },
    /// The field is too small for this committee.
    #[error(transparent)]
    Sharing(#[from] SharingError),
}

impl AssembleError {
    /// Whom this points at. A proof that does not verify blames no node: the witness may be wrong, and a lie can look consistent.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::TooFew { silent, .. } => silent.iter().map(|index| Culprit::Node(*index)).collect(),
            Self::Index { .. } | Self::Duplicate { .. } => vec![Culprit::Coordinator],
            Self::PublicInputs { .. } | Self::Sharing(_) => vec![Culprit::Nobody],
            Self::Invalid { .. } | Self::Contradiction { .. } => vec![Culprit::Unknown],
        }
    }
}

/// Assembles and checks a proof from at least `2t + 1` answers; all that there are may be given.
///
/// # Errors
/// [`AssembleError`].
pub fn assemble<G: Groups>(
    vk: &VerificationKey<G>,
    header: &DealHeader<G::Scalar>,
    answers: &[Answer<G>],
) -> Result<Assembled<G>, AssembleError> {
    let dials = header.terms.dials;
    let silent = check_indices(dials, answers)?;
    let needed = usize::from(dials.answers_needed());
    if answers.len() < needed {
        return Err(AssembleError::TooFew { needed, got: answers.len(), silent });
    }
    let points: Vec<Points<G>> = answers.iter().map(Points::of).collect();
    let spare = points.len() - needed;

    // Agreement sets of candidates that did not verify; the largest one is kept for what is said at the end.
    let mut failed: Vec<u32> = Vec::new();
    let mut tried = 0;
    for subset in subsets(points.len(), needed, &header.deal_id().0, answers) {
        if tried == MAX_SUBSETS {
            break;
        }
        // The same polynomials as a candidate that failed: the same proof.
        if failed.iter().any(|agreed| subset & !agreed == 0) {
            continue;
        }
        tried += 1;
        let Some(candidate) = Candidate::through(dials, &points, subset)? else { continue };
        match verify::verify(vk, &header.terms.public, &candidate.proof()?) {
            Ok(()) => {
                let agreed = candidate.agreeing(&points)?;
                return Ok(Assembled { proof: candidate.proof()?, suspects: off(&points, agreed) });
            }
            Err(VerifyError::PublicInputs { expected, got }) => {
                return Err(AssembleError::PublicInputs { expected, got });
            }
            Err(_) => failed.push(candidate.agreeing(&points)?),
        }
    }

    // Unique decoding: were at most spare/2 answers wrong, the polynomials that all others lie on are the honest ones.
    let tolerated = spare / 2;
    let decoded = failed.iter().find(|agreed| agreed.count_ones() as usize + tolerated >= points.len());
    match decoded {
        Some(agreed) => Err(AssembleError::Invalid { spare, suspects: off(&points, *agreed) }),
        None => Err(AssembleError::Contradiction { answered: off(&points, 0), silent, tried }),
    }
}

/// Every answer has an index of its own, of the deal. Returns the indices without an answer.
fn check_indices<G: Groups>(dials: Dials, answers: &[Answer<G>]) -> Result<Vec<u8>, AssembleError> {
    let mut silent: BTreeSet<u8> = (1..=dials.nodes()).collect();
    for answer in answers {
        let index = answer.index;
        if !dials.has_index(index) {
            return Err(AssembleError::Index { index, n: dials.nodes() });
        }
        if !silent.remove(&index) {
            return Err(AssembleError::Duplicate { index });
        }
    }
    Ok(silent.into_iter().collect())
}

/// The indices of answers outside a set (a bit for each answer, in the order given), ascending.
fn off<G: Groups>(points: &[Points<G>], agreed: u32) -> Vec<u8> {
    let outside = points.iter().enumerate().filter(|(k, _)| agreed >> k & 1 == 0).map(|(_, p)| p.index);
    outside.collect::<BTreeSet<u8>>().into_iter().collect()
}

/// An answer, ready for group operations.
struct Points<G: Groups> {
    index: u8,
    a: G::G1,
    b: G::G2,
    c: G::G1,
}

impl<G: Groups> Points<G> {
    fn of(answer: &Answer<G>) -> Self {
        Self {
            index: answer.index,
            a: G::G1::from_affine(&answer.response.a),
            b: G::G2::from_affine(&answer.response.b),
            c: G::G1::from_affine(&answer.response.c),
        }
    }
}

/// Polynomials through a subset of the answers, given by their values there.
struct Candidate<G: Groups> {
    a: Vec<(u8, G::G1)>,
    b: Vec<(u8, G::G2)>,
    c: Vec<(u8, G::G1)>,
}

impl<G: Groups> Candidate<G> {
    /// `None` if the subset's own `A` or `B` are on no polynomial of degree `t`.
    fn through(dials: Dials, points: &[Points<G>], subset: u32) -> Result<Option<Self>, SharingError> {
        let chosen: Vec<&Points<G>> =
            points.iter().enumerate().filter(|(k, _)| subset >> k & 1 == 1).map(|(_, p)| p).collect();
        let low = usize::from(dials.threshold()) + 1;
        let candidate = Self {
            a: chosen.iter().take(low).map(|p| (p.index, p.a)).collect(),
            b: chosen.iter().take(low).map(|p| (p.index, p.b)).collect(),
            c: chosen.iter().map(|p| (p.index, p.c)).collect(),
        };
        for point in chosen.iter().skip(low) {
            if !candidate.has_ab(point)? {
                return Ok(None);
            }
        }
        Ok(Some(candidate))
    }

    fn has_ab(&self, point: &Points<G>) -> Result<bool, SharingError> {
        let x = G::Scalar::from(point.index);
        Ok(interpolate::in_group(x, &self.a)? == point.a && interpolate::in_group(x, &self.b)? == point.b)
    }

    /// Which answers lie on all three polynomials.
    fn agreeing(&self, points: &[Points<G>]) -> Result<u32, SharingError> {
        let mut agreed = 0u32;
        for (k, point) in points.iter().enumerate() {
            let x = G::Scalar::from(point.index);
            if self.has_ab(point)? && interpolate::in_group(x, &self.c)? == point.c {
                agreed |= 1 << k;
            }
        }
        Ok(agreed)
    }

    /// The values at 0.
    fn proof(&self) -> Result<Proof<G>, SharingError> {
        let zero = <G::Scalar as ark_ff::AdditiveGroup>::ZERO;
        Ok(Proof {
            a: interpolate::in_group(zero, &self.a)?.to_affine(),
            b: interpolate::in_group(zero, &self.b)?.to_affine(),
            c: interpolate::in_group(zero, &self.c)?.to_affine(),
        })
    }
}

/// All subsets of `size` of `m <= 16` answers, as bits: the first answers first, the others in an order that follows from the
/// answers' digest, so that liars cannot put themselves where most of the search is spent.
fn subsets<G: Groups>(m: usize, size: usize, deal: &[u8; 32], answers: &[Answer<G>]) -> Vec<u32> {
    let first = (1u32 << size) - 1;
    if m == size {
        return vec![first];
    }
    let mut others: Vec<u32> =
        (0..1u32 << m).filter(|s| s.count_ones() as usize == size && *s != first).collect();
    let mut hasher = blake3::Hasher::new_derive_key(labels::SUBSET_ORDER);
    hasher.update(deal);
    for answer in answers {
        hasher.update(&[answer.index]);
        hasher.update(&answer.response.encode());
    }
    let mut order = hasher.finalize_xof();
    for last in (1..others.len()).rev() {
        let mut word = [0u8; 8];
        order.fill(&mut word);
        let pick = u64::from_le_bytes(word) % (last as u64 + 1);
        others.swap(last, pick as usize);
    }
    others.insert(0, first);
    others
}
