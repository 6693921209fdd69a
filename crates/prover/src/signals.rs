//! The input signals of each circuit, in the order of `circuits/pool/README.md`. Their names and numbers follow from the circuit
//! and the rules, so that only values travel.

use std::fmt;

use tacit_algebra::field;
use tacit_pool::transaction::CircuitInputs;
use tacit_pool::tree::{DEPTH, POLICY_SET_DEPTH};
use tacit_pool::{Fr, Rules, xmss};
use tacit_wire::codec::{DecodeError, Reader};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::SecretWriter;
use crate::work::AuthCircuit;

/// A signal's name and how many values it has.
pub type Signal = (&'static str, usize);

/// Bytes of a value: a field element, big-endian, below the field's order.
pub const VALUE_BYTES: usize = 32;

/// The private signals of `pool_transact`.
pub fn pool_private(rules: Rules) -> Vec<Signal> {
    let mut signals = vec![("ownerNullifierKey", 1), ("noteSecretSeed", 1), ("authorizingAddress", 1)];
    if rules.bind {
        signals.push(("policyVersion", 1));
    }
    signals.extend([
        ("leafPosition", 1),
        ("authPolicySiblings", DEPTH),
        ("authDataCommitment", 1),
        ("registrationBlinder", 1),
        ("policyIndex", 1),
        ("policySetSiblings", POLICY_SET_DEPTH),
        ("blindingFactor", 1),
        ("tokenAddress", 1),
        ("recipientOwnerNullifierKeyHash", 1),
        ("amount", 1),
        ("feeNoteRecipientOwnerNullifierKeyHash", 1),
        ("feeAmount", 1),
        ("executionConstraintsFlags", 1),
        ("lockedOutputBinding", 3),
        ("nonce", 1),
        ("isPhantom", 2),
        ("inputAmount", 2),
        ("inputNoteSecret", 2),
        ("inputLeafIndex", 2),
        ("inputSiblings", 2 * DEPTH),
    ]);
    signals
}

/// The signals of an auth circuit, all of them private.
pub fn auth(circuit: AuthCircuit, rules: Rules) -> Vec<Signal> {
    let mut signals = vec![
        ("authVerifier", 1),
        ("authorizingAddress", 1),
        ("operationKind", 1),
        ("tokenAddress", 1),
        ("recipientOwnerNullifierKeyHash", 1),
        ("amount", 1),
        ("feeNoteRecipientOwnerNullifierKeyHash", 1),
        ("feeAmount", 1),
        ("publicRecipientAddress", 1),
        ("executionConstraintsFlags", 1),
        ("nonce", 1),
        ("validUntilSeconds", 1),
        ("executionChainId", 1),
    ];
    if rules.bind {
        signals.extend([("policyVersion", 1), ("poolAddress", 1)]);
    }
    signals.extend([("lockedOutputBinding", 3), ("blindingFactor", 1)]);
    match circuit {
        AuthCircuit::Eddsa => signals.extend([("A", 2), ("R", 2), ("S", 1)]),
        AuthCircuit::Xmss => signals.extend([
            ("root", 1),
            ("publicSeed", 1),
            ("index", 1),
            ("randomizer", 1),
            ("chains", xmss::CHAINS),
            ("siblings", xmss::HEIGHT as usize),
        ]),
    }
    signals
}

/// The inputs of a transaction are not those that the circuit takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the transaction has no {expected} value(s) for the circuit's input {signal}: it is of another form than the circuit"
)]
pub struct SignalError {
    /// The signal.
    pub signal: &'static str,
    /// How many values it has.
    pub expected: usize,
}

/// Values of signals in their order. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Values {
    signals: Vec<Signal>,
    values: Zeroizing<Vec<Fr>>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({} signals, hidden)", self.signals.len())
    }
}

fn count(signals: &[Signal]) -> usize {
    signals.iter().map(|(_, count)| count).sum()
}

impl Values {
    /// Takes the signals' values out of a transaction's inputs.
    ///
    /// # Errors
    /// [`SignalError`].
    pub fn take(signals: Vec<Signal>, inputs: &CircuitInputs) -> Result<Self, SignalError> {
        let mut values = Zeroizing::new(Vec::with_capacity(count(&signals)));
        for (signal, expected) in &signals {
            let found = inputs.iter().find(|(name, _)| name == signal).map(|(_, values)| values);
            let found = found.filter(|found| found.len() == *expected);
            values.extend_from_slice(found.ok_or(SignalError { signal, expected: *expected })?);
        }
        Ok(Self { signals, values })
    }

    /// Reads as many values as the signals have.
    ///
    /// # Errors
    /// [`DecodeError`], which never shows a value.
    pub fn read(signals: Vec<Signal>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut values = Zeroizing::new(Vec::with_capacity(count(&signals)));
        for (signal, count) in &signals {
            for _ in 0..*count {
                let bytes = Zeroizing::new(reader.array::<VALUE_BYTES>(signal)?);
                let mut value: Fr = field::read_be(bytes.as_slice())
                    .map_err(|_| reader.invalid(signal, "not below the field's order"))?;
                values.push(value);
                value.zeroize();
            }
        }
        Ok(Self { signals, values })
    }

    /// How many bytes they are in a work.
    pub fn bytes(&self) -> usize {
        VALUE_BYTES * self.values.len()
    }

    pub(crate) fn write(&self, to: &mut SecretWriter) {
        for value in self.values.iter() {
            to.raw(&Zeroizing::new(field::to_be(value)));
        }
    }

    /// The values of one signal.
    pub(crate) fn get(&self, name: &str) -> Option<&[Fr]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, values)| values)
    }

    /// Each signal with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[Fr])> {
        let mut at = 0;
        self.signals.iter().map(move |(name, count)| {
            let values = self.values.get(at..at + count).unwrap_or_default();
            at += count;
            (*name, values)
        })
    }
}
