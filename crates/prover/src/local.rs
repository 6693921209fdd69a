//! Proving on this machine: nobody else sees anything.

use rand_core::CryptoRng;
use tacit_pool::Rules;

use crate::circuits::{CircuitError, CircuitKind, PoolCircuits};
use crate::proved::{Proved, evm_proof};
use crate::work::{Auth, Work};

/// What a prover is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Reads a circuit, and checks its key if that was not done before.
    Loading(CircuitKind),
    /// Calculates the witness and proves.
    Proving(CircuitKind),
    /// The proof is made and verifies.
    Proved(CircuitKind),
}

/// Why work was not proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// Circuits of another form.
    #[error("the work is for a pool with {work:?}, the circuits are for {circuits:?}")]
    Rules {
        /// The work's.
        work: Rules,
        /// The circuits'.
        circuits: Rules,
    },
    /// A circuit is unusable, or has no witness for this.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// A valid proof of something else.
    #[error(
        "the proof for {0} is about other public inputs than the transaction's: the authorisation is for another intent, or the circuit is not the pool's"
    )]
    OtherStatement(CircuitKind),
}

impl ProveError {
    /// Whether whoever made the work is to blame, not whoever proves.
    pub const fn is_of_work(&self) -> bool {
        match self {
            Self::Circuit(error) => error.is_of_inputs(),
            Self::OtherStatement(_) => true,
            Self::Rules { .. } => false,
        }
    }
}

/// Proves on this machine, one circuit after the other with every core. Both proofs are verified, and that they are about the
/// statement, before they are given away.
///
/// # Errors
/// [`ProveError`].
pub fn prove<R: CryptoRng + ?Sized>(
    circuits: &PoolCircuits,
    work: &Work,
    rng: &mut R,
    progress: &dyn Fn(Step),
) -> Result<Proved, ProveError> {
    check_rules(circuits, work)?;
    let mut one = |kind: CircuitKind, inputs, expected: &[_]| -> Result<_, ProveError> {
        progress(Step::Loading(kind));
        let circuit = circuits.load(kind)?;
        progress(Step::Proving(kind));
        let (proof, publics) = circuit.prove(&inputs, rng)?;
        if publics != expected {
            return Err(ProveError::OtherStatement(kind));
        }
        progress(Step::Proved(kind));
        Ok(evm_proof(&proof))
    };
    let statement = work.statement();
    // The authorisation first: where it is not the owner's, the larger circuit need not be proved.
    let auth_proof = match work.auth() {
        Auth::Ready(proof) => proof.clone(),
        auth => match auth.inputs() {
            Some((circuit, inputs)) => one(circuit.into(), inputs, &statement.auth_publics())?.to_vec(),
            None => Vec::new(),
        },
    };
    let pool_proof = one(CircuitKind::Pool, work.pool_inputs(), &statement.pool_publics())?;
    Ok(Proved { pool_proof, auth_proof })
}

pub(crate) fn check_rules(circuits: &PoolCircuits, work: &Work) -> Result<(), ProveError> {
    let (work, circuits) = (work.rules(), circuits.rules());
    if work == circuits { Ok(()) } else { Err(ProveError::Rules { work, circuits }) }
}
