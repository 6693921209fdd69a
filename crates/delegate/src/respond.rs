//! Step 4, a node: compute its shares of the proof, from its package alone.
//!
//! With `w_i, r_i, s_i, z_i` the node's shares, `x` the public wires (the constant one first) and `h_i` the quotient
//! computed from `x` and `w_i` as a single prover does, with the handover `witness`:
//!
//! ```text
//! A_i = alpha + <x,A>  + <w_i,A>  + r_i*delta                                          degree t
//! B_i = beta  + <x,B2> + <w_i,B2> + s_i*delta                                          degree t
//! C_i = <w_i,L> + <h_i,H> + s_i*A_i + r_i*B1_i - r_i*s_i*delta + z_i*G1                degree 2t
//! ```
//!
//! `B1_i` is `B_i` in the first group. With the handover `quotient`, where `h_i, (sw)_i, (rw)_i, (rs)_i` are shares too, `A_i` and `B_i`
//! are the same and
//!
//! ```text
//! C_i = <w_i,L> + <h_i,H> + <(sw)_i,A> + <(rw)_i,B1>
//!       + s_i*(alpha + <x,A>) + r_i*(beta + <x,B1>) + (rs)_i*delta                     degree t
//! ```
//!
//! of which each of several groups computes the part of its slice, the first with all that has no slice, plus its share of a mask that
//! vanishes in the sum of all groups. With one group there is no mask: everything is a share of degree `t`, and `(rs)_i*delta` randomises `C_i` as `r_i*delta` does `A_i`.
//!
//! The result depends on the package and the header only: a node that computes it again
//! after a crash gets the same three points.

use ark_ff::{AdditiveGroup, PrimeField};
use tacit_algebra::{Domain, DomainError, Group, Groups};
use tacit_groth16::prove::points;
use tacit_groth16::{CircuitId, ProvingKey};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::blame::Culprit;
use crate::circuit::{Layout, Slice};
use crate::dials::Handover;
use crate::header::{DealHeader, DealId};
use crate::package::{Body, Package, QuotientShares, Shares, WhichGroup};
use crate::response::Response;

/// Why a node does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The package is of another deal.
    #[error("the package is of deal {package}, the header's deal is {header}")]
    WrongDeal {
        /// The deal in the package.
        package: DealId,
        /// The deal of the header.
        header: DealId,
    },
    /// The proving key is of another circuit.
    #[error("the deal is for circuit {deal}, the proving key is of circuit {key}")]
    Circuit {
        /// The deal's circuit.
        deal: CircuitId,
        /// The key's circuit.
        key: CircuitId,
    },
    /// Another number of public inputs than the circuit has.
    #[error("the deal has {got} public inputs, the circuit {expected}")]
    PublicInputs {
        /// Public wires of the circuit.
        expected: usize,
        /// Values in the header.
        got: usize,
    },
    /// No node of the deal has this place.
    #[error("the package is for place {place}, the deal has places 1 to {seats}")]
    Place {
        /// The package's place.
        place: u8,
        /// Nodes of the deal.
        seats: u8,
    },
    /// A seed where shares are due, or the reverse.
    #[error("the package for place {place} holds {}", if *.seeded { "shares where a seed is due" } else { "a seed where shares are due" })]
    Body {
        /// The package's place.
        place: u8,
        /// Whether a seed is due.
        seeded: bool,
    },
    /// The package is for another handover.
    #[error("the package's shares are not those of the handover `{handover}`")]
    Handover {
        /// The deal's handover.
        handover: Handover,
    },
    /// Another number of shares than the circuit asks for.
    #[error("the package has {got} shares of the {of}, the circuit asks for {expected}")]
    Shares {
        /// What they are shares of.
        of: &'static str,
        /// Shares that are due.
        expected: usize,
        /// Shares in the package.
        got: usize,
    },
    /// The key's domain does not exist in this field.
    #[error("the proving key is unusable: {0}")]
    Domain(#[from] DomainError),
}

impl RespondError {
    /// Whom this points at. A package came out of an envelope that only the client can have sealed for this seat;
    /// that the header is the deal's was checked when the offer was accepted.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::WrongDeal { .. }
            | Self::Place { .. }
            | Self::Body { .. }
            | Self::Handover { .. }
            | Self::Shares { .. } => vec![Culprit::Client],
            Self::PublicInputs { .. } => vec![Culprit::Client],
            Self::Circuit { .. } | Self::Domain(_) => vec![Culprit::Nobody],
        }
    }
}

/// Computes a node's response. Call it only after [`crate::decide`] said so and its record is on disk.
///
/// # Errors
/// [`RespondError`].
pub fn respond<G: Groups>(
    key: &ProvingKey<G>,
    header: &DealHeader<G::Scalar>,
    package: &Package<G::Scalar>,
) -> Result<Response<G>, RespondError> {
    let terms = &header.terms;
    let id = header.deal_id();
    if package.deal != id {
        return Err(RespondError::WrongDeal { package: package.deal, header: id });
    }
    if terms.circuit != key.circuit_id {
        return Err(RespondError::Circuit { deal: terms.circuit, key: key.circuit_id });
    }
    if terms.public.len() != key.n_public {
        return Err(RespondError::PublicInputs { expected: key.n_public, got: terms.public.len() });
    }
    let dials = terms.dials;
    let Some((group, index)) = dials.seat_at(package.place) else {
        return Err(RespondError::Place { place: package.place, seats: dials.seats() });
    };
    let seeded = dials.is_seeded(index);
    if seeded != matches!(package.body, Body::Seed(_)) {
        return Err(RespondError::Body { place: package.place, seeded });
    }
    let handover = dials.handover();
    let wrong_handover = RespondError::Handover { handover };
    match handover {
        Handover::Witness => {
            let shares = package.shares(key.n_private()).ok_or(wrong_handover)?;
            check_len("private wires", key.n_private(), &shares.wires)?;
            Ok(on_shares(key, &key.domain()?, &terms.public, &shares))
        }
        Handover::Quotient => {
            let layout = Layout::of(key, handover);
            let slice = layout.slice(group, dials.groups());
            let group = WhichGroup { number: group, of: dials.groups() };
            let shares = package.quotient_shares(&slice, group).ok_or(wrong_handover)?;
            check_len("private wires", slice.wires.len(), &shares.wires)?;
            check_len("quotient", slice.quotient.len(), &shares.quotient)?;
            check_len("products with s", slice.times_s.len(), &shares.times_s)?;
            check_len("products with r", slice.times_r.len(), &shares.times_r)?;
            let single = |shares: &Option<[G::Scalar; 3]>| shares.iter().flatten().count();
            for (of, due, got) in [
                ("blinders", group.has_blinders(), single(&shares.blinders)),
                ("masks", group.has_masks(), single(&shares.masks)),
            ] {
                let expected = if due { 3 } else { 0 };
                if got != expected {
                    return Err(RespondError::Shares { of, expected, got });
                }
            }
            Ok(on_quotient_shares(key, &layout, &slice, &terms.public, &shares))
        }
    }
}

fn check_len<F>(of: &'static str, expected: usize, shares: &[F]) -> Result<(), RespondError> {
    if shares.len() == expected {
        Ok(())
    } else {
        Err(RespondError::Shares { of, expected, got: shares.len() })
    }
}

/// All wires: the constant one, the public ones, shares of the private ones.
fn all_wires<F: PrimeField>(public: &[F], private: &[F]) -> Zeroizing<Vec<F>> {
    let mut wires = Zeroizing::new(Vec::with_capacity(1 + public.len() + private.len()));
    wires.push(F::ONE);
    wires.extend_from_slice(public);
    wires.extend_from_slice(private);
    wires
}

/// The formulas for the handover `witness`.
pub(crate) fn on_shares<G: Groups>(
    key: &ProvingKey<G>,
    domain: &Domain<G::Scalar>,
    public: &[G::Scalar],
    shares: &Shares<G::Scalar>,
) -> Response<G> {
    let wires = all_wires(public, &shares.wires);
    let points = points(key, domain, &wires, &shares.r, &shares.s);
    // What leaves the node is masked; what it was computed from is wiped.
    let c = points.c + G::G1::generator().scale(&shares.mask);
    Response { a: points.a.to_affine(), b: points.b.to_affine(), c: c.to_affine() }
}

/// The formulas for the handover `quotient`, of one slice. What there is once (constants, public wires, blinders) is the first
/// group's part.
pub(crate) fn on_quotient_shares<G: Groups>(
    key: &ProvingKey<G>,
    layout: &Layout,
    slice: &Slice,
    public: &[G::Scalar],
    shares: &QuotientShares<G::Scalar>,
) -> Response<G> {
    let zero = G::Scalar::ZERO;
    let [r, s, rs] = shares.blinders.unwrap_or([zero; 3]);
    let [mask_a, mask_b, mask_c] = shares.masks.unwrap_or([zero; 3]);
    let once = if shares.blinders.is_some() { G::Scalar::from(1u64) } else { zero };
    // For each wire a value: a multiple of the public ones, of private ones what is dealt, else zero, which costs nothing.
    let on_wires = |multiple: G::Scalar, dealt: &mut dyn Iterator<Item = (usize, &G::Scalar)>| {
        let mut values = Zeroizing::new(Vec::with_capacity(key.n_wires));
        values.push(multiple);
        values.extend(public.iter().map(|x| multiple * x));
        values.resize(key.n_wires, zero);
        for (wire, value) in dealt {
            if let Some(slot) = values.get_mut(key.n_public + 1 + wire) {
                *slot = *value;
            }
        }
        values
    };
    let [with_s, with_r] = layout.wires_of_products(slice);
    let index = |wire: &u32| *wire as usize;
    let wires = on_wires(once, &mut slice.wires.clone().zip(&shares.wires));
    let times_s = on_wires(s, &mut with_s.iter().map(index).zip(&shares.times_s));
    let times_r = on_wires(r, &mut with_r.iter().map(index).zip(&shares.times_r));
    let l_query = key.l_query.get(slice.wires.clone()).unwrap_or_default();
    let h_query = key.h_query.get(slice.quotient.clone()).unwrap_or_default();
    let ((mut a, mut b), (mut l_and_h, mut blinded)) = rayon::join(
        || rayon::join(|| G::G1::msm(&key.a_query, &wires), || G::G2::msm(&key.b_g2_query, &wires)),
        || {
            rayon::join(
                || G::G1::msm_of_two([(l_query, &shares.wires), (h_query, &shares.quotient)]),
                || G::G1::msm_of_two([(&key.a_query, &times_s), (&key.b_g1_query, &times_r)]),
            )
        },
    );
    let mut c = l_and_h + blinded;
    if shares.blinders.is_some() {
        let (alpha, delta) = (G::G1::from_affine(&key.vk.alpha_g1), G::G1::from_affine(&key.delta_g1));
        a += alpha + delta.scale(&r);
        b += G::G2::from_affine(&key.vk.beta_g2) + G::G2::from_affine(&key.vk.delta_g2).scale(&s);
        c += alpha.scale(&s) + G::G1::from_affine(&key.beta_g1).scale(&r) + delta.scale(&rs);
    }
    if shares.masks.is_some() {
        a += G::G1::generator().scale(&mask_a);
        b += G::G2::generator().scale(&mask_b);
        c += G::G1::generator().scale(&mask_c);
    }
    let response = Response { a: a.to_affine(), b: b.to_affine(), c: c.to_affine() };
    for sum in [&mut a, &mut c, &mut l_and_h, &mut blinded] {
        sum.zeroize();
    }
    b.zeroize();
    response
}
