//! Step 4, a node: two multi-scalar multiplications over its shares, from its package alone.
//!
//! ```text
//! X_i = <v_i, P>              degree t
//! Y_i = <(rho v)_i, P>        degree t
//! ```
//!
//! Both are linear in the package, so that a node multiplies nothing by anything that was not public.

use tacit_algebra::{Group, Groups};
use zeroize::Zeroize;

use super::bases::Bases;
use super::package::{MsmBody, MsmShares};
use super::response::MsmResponse;
use crate::dials::Handover;
use crate::header::DealHeader;
use crate::package::{Body, Package};
use crate::respond::RespondError;

/// Computes a node's response. Call it only after [`crate::decide`] said so and its record is on disk.
///
/// # Errors
/// [`RespondError`].
pub fn respond_msm<G: Groups>(
    bases: &Bases<G>,
    header: &DealHeader<G::Scalar>,
    package: &Package<G::Scalar>,
) -> Result<MsmResponse<G>, RespondError> {
    let terms = &header.terms;
    let id = header.deal_id();
    if package.deal != id {
        return Err(RespondError::WrongDeal { package: package.deal, header: id });
    }
    if terms.circuit != bases.id().into() {
        return Err(RespondError::Bases { deal: terms.circuit, held: bases.id() });
    }
    if !terms.public.is_empty() {
        return Err(RespondError::PublicInputs { expected: 0, got: terms.public.len() });
    }
    let (dials, place) = (terms.dials, package.place);
    let (Handover::Msm, Body::Msm(body)) = (dials.handover(), &package.body) else {
        return Err(RespondError::Handover { handover: dials.handover() });
    };
    let Some((_, index)) = dials.seat_at(place) else {
        return Err(RespondError::Place { place, seats: dials.seats() });
    };
    let seeded = dials.is_seeded(index);
    if seeded != matches!(body, MsmBody::Seed { .. }) {
        return Err(RespondError::Body { place, seeded });
    }
    let scalars = body.count();
    if scalars > bases.points().len() {
        return Err(RespondError::TooManyScalars { scalars, bases: bases.points().len() });
    }
    match body {
        MsmBody::Seed { seed, .. } => Ok(on_shares(bases, &MsmShares::expand(&id, seed, scalars))),
        MsmBody::Explicit(shares) if shares.macs.len() == scalars => Ok(on_shares(bases, shares)),
        MsmBody::Explicit(shares) => {
            Err(RespondError::Shares { of: "MACs", expected: scalars, got: shares.macs.len() })
        }
    }
}

/// The formulas. With fewer scalars than bases the first bases count.
pub(crate) fn on_shares<G: Groups>(bases: &Bases<G>, shares: &MsmShares<G::Scalar>) -> MsmResponse<G> {
    let sum = |scalars: &[G::Scalar]| {
        let mut sum = G::G1::msm(bases.points().get(..scalars.len()).unwrap_or_default(), scalars);
        let affine = sum.to_affine();
        sum.zeroize();
        affine
    };
    let (x, y) = rayon::join(|| sum(&shares.scalars), || sum(&shares.macs));
    MsmResponse { x, y }
}
