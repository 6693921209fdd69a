//! Step 5, the client: from answers to a sum whose MAC is right.
//!
//! Any `t + 1` answers determine `X` and `Y` at 0, and the sum `X` is released only if `Y = rho X`. A subset with shifted answers gives `X + d` and `Y + e`,
//! where `d` and `e` are what the liars make them, and passes exactly if `e = rho d`: with `d = e = 0`, which changes nothing, or by guessing `rho`. The vector
//! does not occur in this.
//!
//! Subsets are tried in an order that follows from `rho` and from who answered. Were it a digest of the answers, as for proofs, it would be a function of the
//! sum, hence of the vector, and liars whose shifts cancel out in some subsets could tell from the suspects which of those came first. So acceptance, suspects
//! and the time that the search takes are functions of the shifts, `rho` and who answered.
//!
//! With `Z_i = Y_i - rho X_i` the check of a subset is that `Z` vanishes at 0, so that each further subset costs one interpolation. All subsets are
//! tried if need be (at most 12870): `t + 1` honest answers suffice, however many others there are.

use std::collections::BTreeSet;

use ark_ff::AdditiveGroup;
use tacit_algebra::{G1Affine, Group, Groups, field};
use tacit_sharing::{SharingError, interpolate};
use zeroize::Zeroizing;

use super::deal::MacKey;
use super::response::MsmAnswer;
use crate::assemble::{AssembleError, subsets::Order};
use crate::dials::{Dials, Handover};
use crate::header::{DealHeader, DealId};
use crate::labels;

/// A sum whose MAC is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembledSum<G: Groups> {
    /// `sum v_k P_k`.
    pub sum: G1Affine<G>,
    /// Nodes whose answers do not agree with those that gave the sum; ascending. Suspects only.
    pub suspects: Vec<u8>,
}

/// An answer, ready for group operations.
struct Points<G: Groups> {
    place: u8,
    x: G::G1,
    y: G::G1,
    /// `y - rho x`.
    z: G::G1,
}

/// Assembles and checks a sum from [enough](Dials::answers_needed) answers; all that there are may be given.
///
/// # Errors
/// [`AssembleError`].
pub fn assemble_msm<G: Groups>(
    key: &MacKey<G::Scalar>,
    header: &DealHeader<G::Scalar>,
    answers: &[MsmAnswer<G>],
) -> Result<AssembledSum<G>, AssembleError> {
    let dials = header.terms.dials;
    if dials.handover() != Handover::Msm {
        return Err(AssembleError::Handover { handover: dials.handover() });
    }
    let points = points(dials, key, answers)?;
    let needed = usize::from(dials.answers_needed());
    let silent = || {
        let answered = |place: &u8| points.iter().any(|p| p.place == *place);
        (1..=dials.nodes()).filter(|place| !answered(place)).collect::<Vec<u8>>()
    };
    if points.len() < needed {
        return Err(AssembleError::TooFew { group: None, needed, got: points.len(), silent: silent() });
    }
    let order = order(&header.deal_id(), key, &points);
    let zero = G::Scalar::ZERO;
    let mut best: Option<AssembledSum<G>> = None;
    for subset in order.subsets(0, points.len(), needed) {
        let chosen: Vec<&Points<G>> =
            points.iter().enumerate().filter(|(k, _)| subset >> k & 1 == 1).map(|(_, p)| p).collect();
        let values =
            |of: fn(&Points<G>) -> G::G1| chosen.iter().map(|p| (p.place, of(p))).collect::<Vec<_>>();
        if interpolate::in_group(zero, &values(|p| p.z))? != G::G1::identity() {
            continue;
        }
        let (x, y) = (values(|p| p.x), values(|p| p.y));
        let sum = interpolate::in_group(zero, &x)?.to_affine();
        let found = AssembledSum { sum, suspects: off(&points, &x, &y)? };
        // Were at most half of the spare answers wrong, these are they. Else another subset may suspect fewer; the sum is the same.
        let decoded = found.suspects.len() <= (points.len() - needed) / 2;
        if best.as_ref().is_none_or(|best| found.suspects.len() < best.suspects.len()) {
            best = Some(found);
        }
        if decoded {
            break;
        }
    }
    if let Some(best) = best {
        return Ok(best);
    }
    let mut answered: Vec<u8> = points.iter().map(|p| p.place).collect();
    answered.sort_unstable();
    Err(AssembleError::NoAuthenticSum { needed, answered, silent: silent() })
}

/// The order of subsets: nobody but the client knows it, and it tells nothing of the answers.
fn order<G: Groups>(deal: &DealId, key: &MacKey<G::Scalar>, points: &[Points<G>]) -> Order {
    let mut rho = Zeroizing::new(Vec::with_capacity(field::byte_len::<G::Scalar>()));
    field::write_le(&key.0, &mut rho);
    let secret = Zeroizing::new(labels::digest(labels::SUBSET_ORDER, &[&deal.0, &rho]));
    Order::new(&secret, points.iter().map(|point| (point.place, Vec::new())))
}

/// The places whose answers are off the polynomials through the given values.
fn off<G: Groups>(
    points: &[Points<G>],
    x: &[(u8, G::G1)],
    y: &[(u8, G::G1)],
) -> Result<Vec<u8>, SharingError> {
    let mut off = Vec::new();
    for point in points {
        let at = G::Scalar::from(point.place);
        if interpolate::in_group(at, x)? != point.x || interpolate::in_group(at, y)? != point.y {
            off.push(point.place);
        }
    }
    off.sort_unstable();
    Ok(off)
}

/// Every answer has a place of its own, of the deal.
fn points<G: Groups>(
    dials: Dials,
    key: &MacKey<G::Scalar>,
    answers: &[MsmAnswer<G>],
) -> Result<Vec<Points<G>>, AssembleError> {
    let mut seen = BTreeSet::new();
    let mut points = Vec::with_capacity(answers.len());
    for MsmAnswer { place, response } in answers {
        // There is one group: a place is an index.
        if !dials.has_index(*place) {
            return Err(AssembleError::Place { place: *place, seats: dials.seats() });
        }
        if !seen.insert(*place) {
            return Err(AssembleError::Duplicate { place: *place });
        }
        let (x, y) = (G::G1::from_affine(&response.x), G::G1::from_affine(&response.y));
        points.push(Points { place: *place, x, y, z: y - x.scale(&key.0) });
    }
    Ok(points)
}
