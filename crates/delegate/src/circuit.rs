//! What the protocol needs to know of a circuit where the proving key is not at hand.

use tacit_algebra::Groups;
use tacit_groth16::{CircuitId, ProvingKey};

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
