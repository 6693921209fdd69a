//! What the protocol needs to know of a circuit where the proving key is not at hand.

use tacit_algebra::{Groups, Point};
use tacit_groth16::{CircuitId, ProvingKey};

use crate::dials::Handover;

/// A circuit's name and the numbers of its wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitShape {
    /// The name.
    pub id: CircuitId,
    /// Public wires, the constant one not included.
    pub n_public: usize,
    /// Private wires.
    pub n_private: usize,
}

impl CircuitShape {
    /// Of a proving key.
    pub fn of<G: Groups>(key: &ProvingKey<G>) -> Self {
        Self { id: key.circuit_id, n_public: key.n_public, n_private: key.n_private() }
    }
}

/// What is dealt for a circuit with a handover. Follows from the proving key alone, so that client and node agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) circuit: CircuitShape,
    pub(crate) handover: Handover,
    /// Values of the quotient; 0 with the handover `witness`.
    pub(crate) quotient: usize,
    /// With the handover `quotient`: the private wires, counted from 0 and ascending, whose base in the A-query is not
    /// neutral. Only their products with the blinder `s` matter, so only those are dealt.
    pub(crate) times_s: Vec<u32>,
    /// The same for the B-query and the blinder `r`.
    pub(crate) times_r: Vec<u32>,
}

impl Layout {
    /// For the handover `witness`, which needs no proving key.
    pub fn witness(circuit: CircuitShape) -> Self {
        let handover = Handover::Witness;
        Self { circuit, handover, quotient: 0, times_s: Vec::new(), times_r: Vec::new() }
    }

    /// For the handover `quotient`: how many values the quotient has, and which private wires, counted from 0 and ascending,
    /// have a base in the A-query and in the B-query.
    pub fn quotient(circuit: CircuitShape, quotient: usize, in_a: Vec<u32>, in_b: Vec<u32>) -> Self {
        Self { circuit, handover: Handover::Quotient, quotient, times_s: in_a, times_r: in_b }
    }

    /// For a proving key and a handover.
    pub fn of<G: Groups>(key: &ProvingKey<G>, handover: Handover) -> Self {
        let circuit = CircuitShape::of(key);
        match handover {
            Handover::Witness => Self::witness(circuit),
            Handover::Quotient => {
                let finite_of = |query| finite(query, key.n_public);
                Self::quotient(
                    circuit,
                    key.h_query.len(),
                    finite_of(&key.a_query),
                    finite_of(&key.b_g1_query),
                )
            }
        }
    }

    /// The handover.
    pub fn handover(&self) -> Handover {
        self.handover
    }

    /// The circuit.
    pub fn circuit(&self) -> &CircuitShape {
        &self.circuit
    }
}

/// The private wires whose base is not neutral.
fn finite<P: Point>(query: &[P], n_public: usize) -> Vec<u32> {
    let private = query.iter().skip(n_public + 1).zip(0u32..);
    private.filter(|(base, _)| !base.is_identity()).map(|(_, wire)| wire).collect()
}
