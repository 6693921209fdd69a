//! The statement that is proved: `y = x^(n + 1)`, one constraint for each multiplication. Small on purpose: what is measured is
//! the network.

use tacit_algebra::{Bn254, CurveId, Groups};
use tacit_circom::{Constraint, R1cs};
use tacit_groth16::setup;

use crate::Outcome;

/// Elements of the witness.
pub type F = <Bn254 as Groups>::Scalar;

/// A proving key by a development setup, as a zkey file. `constraints` is at least 2.
pub fn zkey(constraints: u32) -> Outcome<Vec<u8>> {
    let one = F::from(1u64);
    let last = constraints + 1;
    // Wires: 1, y, x, x^2, ..., x^constraints.
    let power = |k: u32| if k == last { 1 } else { k + 1 };
    let r1cs = R1cs {
        curve: CurveId::Bn254,
        n_wires: last + 1,
        n_public_outputs: 1,
        n_public_inputs: 0,
        n_private_inputs: 1,
        n_labels: u64::from(last + 1),
        constraints: (1..=constraints)
            .map(|k| Constraint { a: vec![(power(k), one)], b: vec![(2, one)], c: vec![(power(k + 1), one)] })
            .collect(),
        wire_labels: (0..=u64::from(last)).collect(),
    };
    Ok(setup::dev::<Bn254, _>(&r1cs, &mut rand::rng())?.write())
}

/// All wires for a given `x`, for a key with so many wires.
pub fn witness(n_wires: usize, x: u64) -> Vec<F> {
    let x = F::from(x);
    let mut powers = Vec::with_capacity(n_wires);
    let mut power = x;
    for _ in 2..n_wires {
        powers.push(power);
        power *= x;
    }
    [vec![F::from(1u64), power], powers].concat()
}
