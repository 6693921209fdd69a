//! Before anything is dealt: does the witness belong to the circuit, and does it satisfy it?

use std::sync::Arc;

use tacit_algebra::{Curve, DomainError, Groups};
use tacit_circom::r1cs::Unsatisfied;
use tacit_circom::{R1cs, VerificationKey};
use tacit_delegate::{Handover, Layout, Secrets};
use tacit_groth16::{CircuitId, ProvingKey, qap};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::kept::KeySource;

/// A witness that is ready to be dealt with one handover. Its secrets are wiped when this is dropped.
pub struct Prepared<C: Curve> {
    pub(crate) layout: Layout,
    pub(crate) vk: Arc<VerificationKey<C>>,
    pub(crate) public: Vec<C::Scalar>,
    private: Zeroizing<Vec<C::Scalar>>,
    /// With the handover `quotient`.
    quotient: Zeroizing<Vec<C::Scalar>>,
    /// Constraints that were checked, if they were.
    pub(crate) checked: Option<usize>,
    /// For judging answers.
    pub(crate) key_source: Option<KeySource<C>>,
}

/// Why a witness is not dealt. All of it is found before anything leaves this process.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// Another number of values than the circuit has wires.
    #[error(
        "the witness has {got} values, the proving key is of a circuit with {expected} wires: they belong to different circuits"
    )]
    Length {
        /// Wires of the circuit.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Wire 0 is not one.
    #[error("wire 0 of the witness is not 1: this is no witness that circom's calculator wrote")]
    ConstantWire,
    /// The constraint system is of another circuit than the key.
    #[error(
        "the constraint system has {r1cs} {what}, the proving key {key}: they belong to different circuits"
    )]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// In the constraint system.
        r1cs: usize,
        /// In the key.
        key: usize,
    },
    /// The handover hands over no witness.
    #[error("the handover `{handover}` hands over no witness; for a proof take `witness` or `quotient`")]
    Handover {
        /// The handover.
        handover: Handover,
    },
    /// The key's domain does not exist in this field.
    #[error("the proving key is unusable: {0}")]
    Domain(#[from] DomainError),
    /// The witness does not satisfy the constraints.
    #[error("the witness is wrong: {0}. Nothing was sent to anybody")]
    Unsatisfied(#[from] Unsatisfied),
}

impl<C: Curve> Prepared<C> {
    /// Checks a witness (all wires, as in a `.wtns` file) against the key and, if given, the constraints, and computes the
    /// quotient if that is handed over, too. Copies the witness; wiping the caller's copy is the caller's affair.
    ///
    /// # Errors
    /// [`WitnessError`]; [`WitnessError::Unsatisfied`] names the constraint.
    pub fn new(
        key: &ProvingKey<C>,
        witness: &[<C as Groups>::Scalar],
        constraints: Option<&R1cs<<C as Groups>::Scalar>>,
        handover: Handover,
    ) -> Result<Self, WitnessError> {
        if handover == Handover::Msm {
            return Err(WitnessError::Handover { handover });
        }
        let length = WitnessError::Length { expected: key.n_wires, got: witness.len() };
        if witness.len() != key.n_wires {
            return Err(length);
        }
        if let Some(r1cs) = constraints {
            for (what, r1cs, key) in [
                ("wires", r1cs.n_wires as usize, key.n_wires),
                ("public wires", r1cs.n_public() as usize, key.n_public),
            ] {
                if r1cs != key {
                    return Err(WitnessError::Mismatch { what, r1cs, key });
                }
            }
            r1cs.check(witness)?;
        }
        let (one, rest) = witness.split_first().ok_or_else(|| length.clone())?;
        if *one != C::Scalar::from(1u64) {
            return Err(WitnessError::ConstantWire);
        }
        let (public, private) = rest.split_at_checked(key.n_public).ok_or(length)?;
        let quotient = Zeroizing::new(match handover {
            Handover::Quotient => qap::quotient(key, &key.domain()?, witness),
            _ => Vec::new(),
        });
        Ok(Self {
            layout: Layout::of(key, handover),
            vk: Arc::new(key.vk.clone()),
            public: public.to_vec(),
            private: Zeroizing::new(private.to_vec()),
            quotient,
            checked: constraints.map(|r1cs| r1cs.constraints.len()),
            key_source: None,
        })
    }

    /// With this, answers that do not agree are computed again, so that whoever answered wrongly is known; without it there
    /// are only suspects. It is called when there is something to judge, and gives the key that this was prepared with.
    #[must_use]
    pub fn judging_with(self, key_source: KeySource<C>) -> Self {
        Self { key_source: Some(key_source), ..self }
    }

    /// The circuit's name on the network.
    pub fn circuit(&self) -> CircuitId {
        self.layout.circuit().id
    }

    /// What is handed over.
    pub fn handover(&self) -> Handover {
        self.layout.handover()
    }

    pub(crate) fn secrets(&self) -> Secrets<'_, C::Scalar> {
        Secrets { private: &self.private, quotient: &self.quotient }
    }

    /// The public wires, the constant one not among them: what everybody will see.
    pub fn public(&self) -> &[C::Scalar] {
        &self.public
    }
}

impl<C: Curve> std::fmt::Debug for Prepared<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({}, {} private wires hidden)", self.circuit(), self.private.len())
    }
}
