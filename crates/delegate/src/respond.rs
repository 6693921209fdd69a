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
//! vanishes in the sum of all groups. A node needs the slice of its group alone ([`KeySlice`]). With one group there is no mask: everything is a share of degree `t`, and `(rs)_i*delta` randomises `C_i` as `r_i*delta` does `A_i`.
//!
//! The result depends on the package and the header only: a node that computes it again
//! after a crash gets the same three points.

use ark_ff::PrimeField;
use tacit_algebra::{Domain, DomainError, Group, Groups};
use tacit_groth16::prove::points;
use tacit_groth16::{CircuitId, KeyError, KeySlice, ProvingKey};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::blame::Culprit;
use crate::circuit::ShareCounts;
use crate::dials::Handover;
use crate::header::{DealHeader, DealId};
use crate::msm::BasesId;
use crate::node_key::{KeyPart, NodeKey, key_slice};
use crate::package::{Body, Package, QuotientShares, Shares};
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
    /// A slice of the proving key where the seat needs another one, or the whole key.
    #[error("the seat needs {needed}, at hand is {held}")]
    Part {
        /// What the seat needs.
        needed: KeyPart,
        /// What is there.
        held: KeyPart,
    },
    /// The bases are others.
    #[error("the deal is for bases {deal}, these are bases {held}")]
    Bases {
        /// The deal's bases.
        deal: CircuitId,
        /// The bases at hand.
        held: BasesId,
    },
    /// More scalars than bases.
    #[error("the package has shares of {scalars} scalars, there are {bases} bases")]
    TooManyScalars {
        /// Scalars.
        scalars: usize,
        /// Bases.
        bases: usize,
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
    /// The key cannot be cut.
    #[error("the proving key is unusable: {0}")]
    Key(#[from] KeyError),
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
            | Self::TooManyScalars { .. }
            | Self::Shares { .. } => vec![Culprit::Client],
            Self::PublicInputs { .. } => vec![Culprit::Client],
            Self::Circuit { .. }
            | Self::Bases { .. }
            | Self::Part { .. }
            | Self::Domain(_)
            | Self::Key(_) => vec![Culprit::Nobody],
        }
    }
}

/// Computes a node's response from the whole proving key or from its group's slice: see [`NodeKey`]. The package's shares are
/// borrowed, so that they are in memory once. Call it only after [`crate::decide`] said so and its record is on disk.
///
/// # Errors
/// [`RespondError`].
pub fn respond<'k, G: Groups>(
    key: impl Into<NodeKey<'k, G>>,
    header: &DealHeader<G::Scalar>,
    package: &Package<G::Scalar>,
) -> Result<Response<G>, RespondError> {
    let key: NodeKey<'k, G> = key.into();
    let terms = &header.terms;
    let id = header.deal_id();
    if package.deal != id {
        return Err(RespondError::WrongDeal { package: package.deal, header: id });
    }
    let circuit = key.circuit();
    if terms.circuit != circuit.id {
        return Err(RespondError::Circuit { deal: terms.circuit, key: circuit.id });
    }
    if terms.public.len() != circuit.n_public {
        return Err(RespondError::PublicInputs { expected: circuit.n_public, got: terms.public.len() });
    }
    let dials = terms.dials;
    let wrong_place = RespondError::Place { place: package.place, seats: dials.seats() };
    let Some((group, index)) = dials.seat_at(package.place) else { return Err(wrong_place) };
    let Some(needed) = KeyPart::of(dials, group) else { return Err(wrong_place) };
    let seeded = dials.is_seeded(index);
    if seeded != matches!(package.body, Body::Seed(_)) {
        return Err(RespondError::Body { place: package.place, seeded });
    }
    let wrong_handover = RespondError::Handover { handover: dials.handover() };
    match (needed, key) {
        // Answered by `respond_msm`.
        (KeyPart::Bases, _) => Err(wrong_handover),
        (KeyPart::Whole, NodeKey::Whole(key)) => {
            let shares = package.shares(key.n_private()).ok_or(wrong_handover)?;
            check_len("private wires", key.n_private(), &shares.wires)?;
            Ok(on_shares(key, &key.domain()?, &terms.public, &shares))
        }
        (KeyPart::Slice { group, groups }, NodeKey::Whole(key)) => {
            from_slice(&key_slice(key, group, groups)?, &terms.public, package, wrong_handover)
        }
        (KeyPart::Slice { group, groups }, NodeKey::Slice(slice))
            if (group, groups) == (slice.group, slice.groups) =>
        {
            from_slice(slice, &terms.public, package, wrong_handover)
        }
        (needed, NodeKey::Slice(slice)) => {
            let held = KeyPart::Slice { group: slice.group, groups: slice.groups };
            Err(RespondError::Part { needed, held })
        }
    }
}

/// With the handover `quotient`.
fn from_slice<G: Groups>(
    slice: &KeySlice<G>,
    public: &[G::Scalar],
    package: &Package<G::Scalar>,
    wrong_handover: RespondError,
) -> Result<Response<G>, RespondError> {
    let counts = ShareCounts::of_slice(slice);
    let shares = package.quotient_shares(&counts).ok_or(wrong_handover)?;
    check_len("private wires", counts.wires, &shares.wires)?;
    check_len("quotient", counts.quotient, &shares.quotient)?;
    check_len("products with s", counts.times_s, &shares.times_s)?;
    check_len("products with r", counts.times_r, &shares.times_r)?;
    let single = |shares: &Option<[G::Scalar; 3]>| shares.iter().flatten().count();
    for (of, due, got) in [
        ("blinders", counts.group.has_blinders(), single(&shares.blinders)),
        ("masks", counts.group.has_masks(), single(&shares.masks)),
    ] {
        let expected = if due { 3 } else { 0 };
        if got != expected {
            return Err(RespondError::Shares { of, expected, got });
        }
    }
    Ok(on_slice(slice, public, &shares))
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

/// Shares of these of the slice's wires, in order.
fn of_wires<F: PrimeField>(shares: &[F], wires: &[u32]) -> Zeroizing<Vec<F>> {
    let mut chosen = Zeroizing::new(Vec::with_capacity(wires.len()));
    chosen.extend(wires.iter().filter_map(|wire| shares.get(*wire as usize)));
    chosen
}

/// The formulas for the handover `quotient`, of one slice. What there is once (constants, public wires, blinders) is the first
/// group's part.
pub(crate) fn on_slice<G: Groups>(
    slice: &KeySlice<G>,
    public: &[G::Scalar],
    shares: &QuotientShares<G::Scalar>,
) -> Response<G> {
    let in_a = of_wires(&shares.wires, &slice.wires_in_a);
    let in_b = of_wires(&shares.wires, &slice.wires_in_b);
    let ((mut a, mut b), mut c) = rayon::join(
        || rayon::join(|| G::G1::msm(&slice.a_query, &in_a), || G::G2::msm(&slice.b_g2_query, &in_b)),
        || {
            G::G1::msm_of([
                (&slice.l_query, &shares.wires),
                (&slice.h_query, &shares.quotient),
                (&slice.a_query, &shares.times_s),
                (&slice.b_g1_query, &shares.times_r),
            ])
        },
    );
    if let (Some(once), Some([r, s, rs])) = (&slice.once, &shares.blinders) {
        // alpha + <x,A>, beta + <x,B1>, beta + <x,B2>: the same for every node, so nothing here is secret yet.
        let x = all_wires(public, &[]);
        let of_a = G::G1::from_affine(&once.alpha_g1) + G::G1::msm(&once.a_query, &x);
        let of_b1 = G::G1::from_affine(&once.beta_g1) + G::G1::msm(&once.b_g1_query, &x);
        let of_b2 = G::G2::from_affine(&once.beta_g2) + G::G2::msm(&once.b_g2_query, &x);
        let delta = G::G1::from_affine(&once.delta_g1);
        a += of_a + delta.scale(r);
        b += of_b2 + G::G2::from_affine(&once.delta_g2).scale(s);
        c += of_a.scale(s) + of_b1.scale(r) + delta.scale(rs);
    }
    if let Some([mask_a, mask_b, mask_c]) = &shares.masks {
        a += G::G1::generator().scale(mask_a);
        b += G::G2::generator().scale(mask_b);
        c += G::G1::generator().scale(mask_c);
    }
    let response = Response { a: a.to_affine(), b: b.to_affine(), c: c.to_affine() };
    a.zeroize();
    b.zeroize();
    c.zeroize();
    response
}
