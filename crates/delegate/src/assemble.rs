//! Step 5, the assembler: from answers to a checked proof.
//!
//! `A` and `B` have degree `t` and `C` has degree `d`, which is `2t` with the handover `witness` and `t` with `quotient`, so any `d + 1` answers of
//! a group determine all three at 0, and the groups' values add up to the proof. It is released only if the
//! verifier's equation holds. With spare answers a proof that does not verify is not the end: other subsets are tried, and
//! the answers off the polynomials of the subsets that gave a proof are *suspects*. Suspects, not culprits: `e` liars can lie
//! consistently, and only with `m >= d + 1 + 2e` answers of a group is the polynomial through its honest ones the only candidate.

use std::collections::BTreeSet;

use tacit_algebra::{Group, Groups};
use tacit_groth16::verify::{self, VerifyError};
use tacit_groth16::{Proof, VerificationKey};
use tacit_sharing::{SharingError, interpolate};
use thiserror::Error;

use crate::blame::{self, Culprit};
use crate::dials::{Dials, Handover};
use crate::header::DealHeader;
use crate::response::Answer;

/// So many subsets of the answers are tried at most, with several groups so many of all together and so many choices of one of each. Wherever
/// unique decoding is possible, at least one subset in 28 is honest, and they are tried in an order that nobody chooses.
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
    #[error(
        "{got} answers{}, {needed} are needed: {} missing, of nodes {}",
        group.map_or_else(String::new, |group| format!(" of group {}", group + 1)),
        needed - got,
        blame::list(.silent)
    )]
    TooFew {
        /// The group that has too few, from 0; `None` if there is only one.
        group: Option<u8>,
        /// Answers needed of a group.
        needed: usize,
        /// Answers given.
        got: usize,
        /// Nodes of the group that have not answered.
        silent: Vec<u8>,
    },
    /// An answer from a place that the deal does not have.
    #[error("an answer came from place {place}, the deal has places 1 to {seats}")]
    Place {
        /// The place.
        place: u8,
        /// Nodes of the deal.
        seats: u8,
    },
    /// Two answers from one place.
    #[error("two answers were given for node {place}")]
    Duplicate {
        /// The place.
        place: u8,
    },
    /// The verification key is of another circuit.
    #[error("the deal has {got} public inputs, the verification key takes {expected}")]
    PublicInputs {
        /// Public inputs of the key.
        expected: usize,
        /// Public inputs of the deal.
        got: usize,
    },
    /// The answers agree with one another, as far as there are more than it takes, and their proof does not verify.
    #[error(
        "the proof that the nodes' answers give does not verify: the witness may be wrong, or {}. \
         Check the witness against the constraints (--r1cs), and that witness, proving key and verification key are of one circuit",
        if *.spare == 0 { "some node answered wrongly, which no spare answer is there to tell".to_owned() }
        else { format!("{} or more nodes answered wrongly together", spare + 1) }
    )]
    Invalid {
        /// Answers beyond those needed, in the group with the fewest: with none, agreement says nothing about `C`.
        spare: usize,
        /// Nodes whose answers are off the polynomials that almost all others agree on; ascending, mostly empty.
        suspects: Vec<u8>,
    },
    /// The answers contradict one another and no subset that was tried gives a proof.
    #[error(
        "the nodes' answers contradict one another and none of the {tried} subsets tried gives a proof: \
         some of nodes {} answered wrongly. {}",
        blame::list(.answered), way_out(.silent)
    )]
    Contradiction {
        /// Nodes that answered.
        answered: Vec<u8>,
        /// Nodes that did not.
        silent: Vec<u8>,
        /// Subsets tried.
        tried: usize,
    },
    /// The deal's answers are of another kind.
    #[error("answers with the handover `{handover}` are not assembled so: they give {}", if matches!(.handover, Handover::Msm) { "a sum, not a proof" } else { "a proof, not a sum" })]
    Handover {
        /// The deal's handover.
        handover: Handover,
    },
    /// With the handover `msm`: no sufficient subset of the answers agrees with the MAC that was dealt with the vector.
    #[error(
        "no {needed} of the {} answers give a sum that agrees with its MAC: at least {} of nodes {} answered wrongly. {}",
        .answered.len(), (.answered.len() + 1).saturating_sub(*.needed), blame::list(.answered), way_out(.silent)
    )]
    NoAuthenticSum {
        /// Answers that suffice.
        needed: usize,
        /// Nodes that answered.
        answered: Vec<u8>,
        /// Nodes that did not.
        silent: Vec<u8>,
    },
    /// The field is too small for this committee.
    #[error(transparent)]
    Sharing(#[from] SharingError),
}

fn way_out(silent: &[u8]) -> String {
    if silent.is_empty() {
        "Deal afresh, to a disjoint committee".to_owned()
    } else {
        format!("Wait for nodes {}, or deal afresh to a disjoint committee", blame::list(silent))
    }
}

impl AssembleError {
    /// Whom this points at. A proof that does not verify blames no node: the witness may be wrong, and a lie can look consistent.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::TooFew { silent, .. } => silent.iter().map(|place| Culprit::Node(*place)).collect(),
            Self::Place { .. } | Self::Duplicate { .. } => vec![Culprit::Coordinator],
            Self::PublicInputs { .. } | Self::Handover { .. } | Self::Sharing(_) => vec![Culprit::Nobody],
            Self::Invalid { .. } | Self::Contradiction { .. } | Self::NoAuthenticSum { .. } => {
                vec![Culprit::Unknown]
            }
        }
    }
}

/// Assembles and checks a proof from answers of which each group has [enough](Dials::answers_needed); all that there are may be
/// given.
///
/// # Errors
/// [`AssembleError`].
pub fn assemble<G: Groups>(
    vk: &VerificationKey<G>,
    header: &DealHeader<G::Scalar>,
    answers: &[Answer<G>],
) -> Result<Assembled<G>, AssembleError> {
    let dials = header.terms.dials;
    if let handover @ Handover::Msm = dials.handover() {
        return Err(AssembleError::Handover { handover });
    }
    let groups = by_group(dials, answers)?;
    let deal = header.deal_id().0;
    let order = subsets::Order::new(&deal, answers.iter().map(|a| (a.place, a.response.encode())));
    match &groups[..] {
        [only] => of_one_group(vk, header, only, order),
        several => of_groups(vk, header, several, &order),
    }
}

/// The only group: subset after subset until one's proof verifies.
fn of_one_group<G: Groups>(
    vk: &VerificationKey<G>,
    header: &DealHeader<G::Scalar>,
    points: &[Points<G>],
    order: subsets::Order,
) -> Result<Assembled<G>, AssembleError> {
    let dials = header.terms.dials;
    let needed = usize::from(dials.answers_needed());
    let spare = points.len() - needed;

    // Agreement sets of candidates that did not verify; the largest one is kept for what is said at the end.
    let mut failed: Vec<u32> = Vec::new();
    let mut tried = 0;
    for subset in order.subsets(0, points.len(), needed) {
        if tried == MAX_SUBSETS {
            break;
        }
        // The same polynomials as a candidate that failed: the same proof.
        if failed.iter().any(|agreed| subset & !agreed == 0) {
            continue;
        }
        tried += 1;
        let Some(candidate) = Candidate::through(dials, points, subset)? else { continue };
        let proof = proof_of(&[candidate.at_zero()?]);
        match verify::verify(vk, &header.terms.public, &proof) {
            Ok(()) => {
                let agreed = candidate.agreeing(points)?;
                return Ok(Assembled { proof, suspects: off(points, agreed) });
            }
            Err(VerifyError::PublicInputs { expected, got }) => {
                return Err(AssembleError::PublicInputs { expected, got });
            }
            Err(_) => failed.push(candidate.agreeing(points)?),
        }
    }

    let decoded = failed.iter().find(|agreed| decodes_uniquely(**agreed, points.len(), needed));
    match decoded {
        Some(agreed) => Err(AssembleError::Invalid { spare, suspects: off(points, *agreed) }),
        None => {
            let silent = silent(dials, std::slice::from_ref(&points));
            Err(AssembleError::Contradiction { answered: off(points, 0), silent, tried })
        }
    }
}

/// Several groups: each one's candidates, those first on which most of its answers lie, and then choices of one of each, the most
/// agreeable first. At first a group has no more candidates after one that decodes uniquely; but liars among whom there are more than can be
/// told may have made that one, so all are tried before giving up.
fn of_groups<G: Groups>(
    vk: &VerificationKey<G>,
    header: &DealHeader<G::Scalar>,
    groups: &[Vec<Points<G>>],
    order: &subsets::Order,
) -> Result<Assembled<G>, AssembleError> {
    let dials = header.terms.dials;
    let needed = usize::from(dials.answers_needed());
    let mut tried = 0;
    let mut before: Vec<usize> = Vec::new();
    let mut best = Vec::new();
    for all in [false, true] {
        let mut candidates = Vec::with_capacity(groups.len());
        for (group, points) in (0u8..).zip(groups) {
            let subsets = order.subsets(group, points.len(), needed);
            let most = MAX_SUBSETS / groups.len().max(1);
            candidates.push(candidates_of(dials, points, subsets.into_iter().take(most), all)?);
        }
        let lens: Vec<usize> = candidates.iter().map(Vec::len).collect();
        if lens == before {
            break;
        }
        for choice in choices(&lens).take(MAX_SUBSETS) {
            tried += 1;
            let chosen: Vec<&(u32, AtZero<G>)> =
                candidates.iter().zip(&choice).filter_map(|(of_group, k)| of_group.get(*k)).collect();
            let proof = proof_of(&chosen.iter().map(|(_, at_zero)| *at_zero).collect::<Vec<_>>());
            match verify::verify(vk, &header.terms.public, &proof) {
                Ok(()) => {
                    let off =
                        groups.iter().zip(&chosen).flat_map(|(points, (agreed, _))| off(points, *agreed));
                    return Ok(Assembled { proof, suspects: off.collect() });
                }
                Err(VerifyError::PublicInputs { expected, got }) => {
                    return Err(AssembleError::PublicInputs { expected, got });
                }
                Err(_) => {}
            }
        }
        best = candidates.iter().map(|of_group| of_group.first().map_or(0, |(agreed, _)| *agreed)).collect();
        before = lens;
    }
    let undecided =
        |(points, agreed): &(&Vec<Points<G>>, &u32)| !decodes_uniquely(**agreed, points.len(), needed);
    let contradicted: Vec<&[Points<G>]> =
        groups.iter().zip(&best).filter(undecided).map(|(points, _)| points.as_slice()).collect();
    if contradicted.is_empty() {
        // Every group's own answers tell which of them are right, and still there is no proof.
        let spare = groups.iter().map(|points| points.len() - needed).min().unwrap_or(0);
        let suspects = groups.iter().zip(best).flat_map(|(points, agreed)| off(points, agreed)).collect();
        return Err(AssembleError::Invalid { spare, suspects });
    }
    let answered: Vec<u8> = contradicted.iter().flat_map(|points| off(points, 0)).collect();
    let of_contradicted = |place: &u8| {
        let group = |place: u8| dials.seat_at(place).map(|(group, _)| group);
        answered.iter().any(|other| group(*other) == group(*place))
    };
    let silent = silent(dials, &groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let silent = silent.into_iter().filter(of_contradicted).collect();
    Err(AssembleError::Contradiction { answered, silent, tried })
}

/// The polynomials through subsets of a group's answers, each once: on which of them they lie, and the values at 0. Those first on which
/// most lie; unless `all` are asked for, none after one that decodes uniquely.
fn candidates_of<G: Groups>(
    dials: Dials,
    points: &[Points<G>],
    subsets: impl Iterator<Item = u32>,
    all: bool,
) -> Result<Vec<(u32, AtZero<G>)>, SharingError> {
    let needed = usize::from(dials.answers_needed());
    let mut candidates: Vec<(u32, AtZero<G>)> = Vec::new();
    for subset in subsets {
        if candidates.iter().any(|(agreed, _)| subset & !agreed == 0) {
            continue;
        }
        if let Some(candidate) = Candidate::through(dials, points, subset)? {
            let agreed = candidate.agreeing(points)?;
            candidates.push((agreed, candidate.at_zero()?));
            if !all && decodes_uniquely(agreed, points.len(), needed) {
                break;
            }
        }
    }
    candidates.sort_by_key(|(agreed, _)| std::cmp::Reverse(agreed.count_ones()));
    Ok(candidates)
}

/// All ways to choose one of each list, by the sum of the positions: the first of each, then all with one second, ...
fn choices(lens: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<'_> {
    let most: usize = lens.iter().map(|len| len.saturating_sub(1)).sum();
    let possible = lens.iter().all(|len| *len > 0);
    (0..=most).filter(move |_| possible).flat_map(|sum| with_sum(lens, sum))
}

/// Those with one sum of positions.
fn with_sum(lens: &[usize], sum: usize) -> Vec<Vec<usize>> {
    let Some((len, rest)) = lens.split_first() else {
        return if sum == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let mut all = Vec::new();
    let most_of_rest: usize = rest.iter().map(|len| len.saturating_sub(1)).sum();
    for first in sum.saturating_sub(most_of_rest)..=sum.min(len - 1) {
        for mut tail in with_sum(rest, sum - first) {
            tail.insert(0, first);
            all.push(tail);
            if all.len() >= MAX_SUBSETS {
                return all;
            }
        }
    }
    all
}

/// Unique decoding: were at most half of the spare answers wrong, the polynomials that all others lie on are the honest ones.
fn decodes_uniquely(agreed: u32, answers: usize, needed: usize) -> bool {
    agreed.count_ones() as usize + (answers - needed) / 2 >= answers
}

/// Every answer has a place of its own, of the deal, and every group has enough. Each group's answers, in the order given.
fn by_group<G: Groups>(dials: Dials, answers: &[Answer<G>]) -> Result<Vec<Vec<Points<G>>>, AssembleError> {
    let mut seen = BTreeSet::new();
    let mut groups: Vec<Vec<Points<G>>> = (0..dials.groups()).map(|_| Vec::new()).collect();
    for answer in answers {
        let place = answer.place;
        let seat = dials.seat_at(place);
        let Some((points, index)) =
            seat.and_then(|(group, index)| Some((groups.get_mut(usize::from(group))?, index)))
        else {
            return Err(AssembleError::Place { place, seats: dials.seats() });
        };
        if !seen.insert(place) {
            return Err(AssembleError::Duplicate { place });
        }
        points.push(Points::of(answer, index));
    }
    let needed = usize::from(dials.answers_needed());
    for (group, points) in (0u8..).zip(&groups) {
        if points.len() < needed {
            let places = (1..=dials.nodes()).map(|index| dials.place(group, index));
            let silent = places.filter(|place| !seen.contains(place)).collect();
            let group = (dials.groups() > 1).then_some(group);
            return Err(AssembleError::TooFew { group, needed, got: points.len(), silent });
        }
    }
    Ok(groups)
}

/// Places without an answer.
fn silent<G: Groups>(dials: Dials, groups: &[&[Points<G>]]) -> Vec<u8> {
    let answered: BTreeSet<u8> = groups.iter().flat_map(|points| points.iter().map(|p| p.place)).collect();
    (1..=dials.seats()).filter(|place| !answered.contains(place)).collect()
}

/// The places of answers outside a set (a bit for each answer, in the order given), ascending.
fn off<G: Groups>(points: &[Points<G>], agreed: u32) -> Vec<u8> {
    let outside = points.iter().enumerate().filter(|(k, _)| agreed >> k & 1 == 0).map(|(_, p)| p.place);
    outside.collect::<BTreeSet<u8>>().into_iter().collect()
}

/// What a group's polynomials are at 0.
type AtZero<G> = (<G as Groups>::G1, <G as Groups>::G2, <G as Groups>::G1);

/// The sum of all groups.
fn proof_of<G: Groups>(groups: &[AtZero<G>]) -> Proof<G> {
    let a: G::G1 = groups.iter().map(|(a, _, _)| *a).sum();
    let b: G::G2 = groups.iter().map(|(_, b, _)| *b).sum();
    let c: G::G1 = groups.iter().map(|(_, _, c)| *c).sum();
    Proof { a: a.to_affine(), b: b.to_affine(), c: c.to_affine() }
}

/// An answer, ready for group operations.
struct Points<G: Groups> {
    place: u8,
    /// In its group: the evaluation point.
    index: u8,
    a: G::G1,
    b: G::G2,
    c: G::G1,
}

impl<G: Groups> Points<G> {
    fn of(answer: &Answer<G>, index: u8) -> Self {
        Self {
            place: answer.place,
            index,
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

    fn at_zero(&self) -> Result<AtZero<G>, SharingError> {
        let zero = <G::Scalar as ark_ff::AdditiveGroup>::ZERO;
        Ok((
            interpolate::in_group(zero, &self.a)?,
            interpolate::in_group(zero, &self.b)?,
            interpolate::in_group(zero, &self.c)?,
        ))
    }
}

pub(crate) mod subsets {
    //! In which order subsets of the answers are tried.

    use crate::labels;

    /// Follows from the answers' digest, so that liars cannot put themselves where most of the search is spent.
    pub(crate) struct Order(blake3::Hasher);

    impl Order {
        /// Of answers given by place and encoding.
        pub(crate) fn new(deal: &[u8; 32], answers: impl Iterator<Item = (u8, Vec<u8>)>) -> Self {
            let mut hasher = blake3::Hasher::new_derive_key(labels::SUBSET_ORDER);
            hasher.update(deal);
            for (place, response) in answers {
                hasher.update(&[place]);
                hasher.update(&response);
            }
            Self(hasher)
        }

        /// All subsets of `size` of a group's `m <= 16` answers, as bits: the first answers first, then the others.
        pub(crate) fn subsets(&self, group: u8, m: usize, size: usize) -> Vec<u32> {
            let first = (1u32 << size) - 1;
            if m == size {
                return vec![first];
            }
            let mut others: Vec<u32> =
                (0..1u32 << m).filter(|s| s.count_ones() as usize == size && *s != first).collect();
            let mut hasher = self.0.clone();
            hasher.update(&[group]);
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
    }
}
