//! Step 4, a node: compute its shares of the proof, from its package alone.
//!
//! With `w_i, r_i, s_i, z_i` the node's shares, `x` the public wires (the constant one first) and `h_i` the quotient
//! computed from `x` and `w_i` as a single prover does:
//!
//! ```text
//! A_i = alpha + <x,A>  + <w_i,A>  + r_i*delta                                          degree t
//! B_i = beta  + <x,B2> + <w_i,B2> + s_i*delta                                          degree t
//! C_i = <w_i,L> + <h_i,H> + s_i*A_i + r_i*B1_i - r_i*s_i*delta + z_i*G1                degree 2t
//! ```
//!
//! `B1_i` is `B_i` in the first group. The result depends on the package and the header only: a node that computes it again
//! after a crash gets the same three points.

use tacit_algebra::{Domain, DomainError, Group, Groups};
use tacit_groth16::prove::points;
use tacit_groth16::{CircuitId, ProvingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::blame::Culprit;
use crate::header::{DealHeader, DealId};
use crate::package::{Body, Package, Shares};
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
    /// No node of the deal has this index.
    #[error("the package is for index {index}, the deal has indices 1 to {n}")]
    Index {
        /// The package's index.
        index: u8,
        /// Nodes of the deal.
        n: u8,
    },
    /// A seed where shares are due, or the reverse.
    #[error("the package for index {index} holds {}", if *.seeded { "shares where a seed is due" } else { "a seed where shares are due" })]
    Body {
        /// The package's index.
        index: u8,
        /// Whether a seed is due.
        seeded: bool,
    },
    /// Another number of shares than the circuit has private wires.
    #[error("the package has shares of {got} private wires, the circuit has {expected}")]
    Wires {
        /// Private wires of the circuit.
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
            Self::WrongDeal { .. } | Self::Index { .. } | Self::Body { .. } | Self::Wires { .. } => {
                vec![Culprit::Client]
            }
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
    if !terms.dials.has_index(package.index) {
        return Err(RespondError::Index { index: package.index, n: terms.dials.nodes() });
    }
    let seeded = terms.dials.is_seeded(package.index);
    if seeded != matches!(package.body, Body::Seed(_)) {
        return Err(RespondError::Body { index: package.index, seeded });
    }
    let shares = package.shares(key.n_private());
    if shares.wires.len() != key.n_private() {
        return Err(RespondError::Wires { expected: key.n_private(), got: shares.wires.len() });
    }
    let domain = key.domain()?;
    Ok(on_shares(key, &domain, &terms.public, &shares))
}

/// The formulas of this module's head.
pub(crate) fn on_shares<G: Groups>(
    key: &ProvingKey<G>,
    domain: &Domain<G::Scalar>,
    public: &[G::Scalar],
    shares: &Shares<G::Scalar>,
) -> Response<G> {
    let mut wires = Zeroizing::new(Vec::with_capacity(1 + public.len() + shares.wires.len()));
    wires.push(G::Scalar::from(1u64));
    wires.extend_from_slice(public);
    wires.extend_from_slice(&shares.wires);
    let wires: &[G::Scalar] = &wires;

    let points = points(key, domain, wires, &shares.r, &shares.s);
    // What leaves the node is masked; what it was computed from is wiped.
    let c = points.c + G::G1::generator().scale(&shares.mask);
    Response { a: points.a.to_affine(), b: points.b.to_affine(), c: c.to_affine() }
}
