//! What forgeries of either kind of signature take.

use num_bigint::BigUint;
use tacit_circom::Determination;

use super::*;

/// The wires of a canonical expansion's bits, least significant first: in the sum of 254 of them.
pub fn canonical_bits(r1cs: &R1cs<Fr>) -> Vec<u32> {
    let sum = r1cs.constraints.iter().find(|c| c.a.is_empty() && c.c.len() == 255).unwrap();
    let wire_of = |k: Fr| sum.c.iter().find(|(_, coefficient)| *coefficient == k).map(|(wire, _)| *wire);
    // 1 and -1 are the lowest bit's coefficient and the number's; the sign is that of the next bit.
    let sign = if wire_of(power_of_two(1)).is_some() { Fr::one() } else { -Fr::one() };
    (0..254).map(|i| wire_of(sign * power_of_two(i)).unwrap()).collect()
}

/// The integer of an element plus the order, if it has no more than 254 bits.
pub fn plus_order(x: Fr) -> Option<BigUint> {
    let sum = BigUint::from(x) + BigUint::from(Fr::MODULUS);
    (sum.bits() <= 254).then_some(sum)
}

/// Whether a constraint is a comparator's: two wires whose product is zero.
pub fn is_comparison(circuit: &Circuit, constraint: usize) -> bool {
    let c = &circuit.r1cs.constraints[constraint];
    (c.a.len(), c.b.len(), c.c.len()) == (1, 1, 0)
}

/// The witness in which a canonical expansion is that of another number.
pub fn expanding_to(circuit: &Circuit, inputs: &[Fr], number: &BigUint) -> Vec<Fr> {
    let bits = canonical_bits(&circuit.r1cs);
    let given = circuit.r1cs.input_wires().chain(bits.iter().copied()).collect();
    let values = (0..254).map(|i| Fr::from(number.bit(i)));
    let values: Vec<Fr> = inputs.iter().copied().chain(values).collect();
    circuit.r1cs.determination_by(given).complete(&circuit.r1cs, &values).unwrap()
}

/// An auth circuit, an example's inputs, and what is signed.
pub struct Auth {
    pub circuit: Circuit,
    pub determination: Determination<Fr>,
    pub inputs: Vec<Fr>,
    pub message: Fr,
}

impl Auth {
    pub fn of(circuit: &str, example: &str) -> Self {
        let circuit = Circuit::committed(circuit);
        let witness = circuit.witness(circuit.example(example));
        let blinding = witness[circuit.wires("blindingFactor").start as usize];
        let message = poseidon(&[domain("tacit.auth_message"), witness[2], blinding]);
        let inputs = circuit.r1cs.input_wires().map(|wire| witness[wire as usize]).collect();
        Self { determination: circuit.r1cs.determination(), circuit, inputs, message }
    }

    pub fn with(&self, changes: &[(&str, &[Fr])]) -> Vec<Fr> {
        let mut inputs = self.inputs.clone();
        for (name, values) in changes {
            let at = (self.circuit.wires(name).start - self.circuit.r1cs.input_wires().start) as usize;
            inputs[at..at + values.len()].copy_from_slice(values);
        }
        inputs
    }

    /// The constraints that a change to the inputs breaks.
    pub fn broken_by(&self, changes: &[(&str, &[Fr])]) -> Vec<usize> {
        let inputs = self.with(changes);
        let witness = self.determination.complete(&self.circuit.r1cs, &inputs).unwrap();
        let violated = self.circuit.violated(&witness);
        let calculated = self.circuit.calculator.calculate(&self.circuit.inputs_of(&witness), None);
        assert_eq!(violated.is_empty(), calculated.is_ok());
        violated
    }
}
