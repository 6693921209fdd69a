//! Circuits with witnesses, made here, and files that circom and snarkjs wrote.

use ark_ff::{AdditiveGroup, Field};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_algebra::{Curve, field};
use tacit_circom::{Constraint, R1cs};

/// Runs generic tests for both curves.
#[macro_export]
macro_rules! both_curves {
    ($($name:ident)*) => {
        mod bn254 { $(#[test] fn $name() { super::$name::<tacit_algebra::Bn254>() })* }
        mod bls12_381 { $(#[test] fn $name() { super::$name::<tacit_algebra::Bls12_381>() })* }
    };
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A file that circom or snarkjs wrote (see `crates/circom/tests/fixtures/regenerate.sh`).
pub fn fixture<C: Curve>(name: &str) -> Vec<u8> {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../circom/tests/fixtures");
    let path = fixtures.join(C::ID.snarkjs_name()).join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub struct Circuit<F> {
    pub r1cs: R1cs<F>,
    pub witness: Vec<F>,
}

impl<F: ark_ff::PrimeField> Circuit<F> {
    pub fn public(&self) -> &[F] {
        &self.witness[1..=self.r1cs.n_public() as usize]
    }
}

/// A random satisfied circuit: `n_public` public inputs, `n_inputs` private ones, and for each constraint a new wire
/// that is the product of two random combinations of what came before.
pub fn random_circuit<C: Curve>(
    n_public: u32,
    n_inputs: u32,
    n_constraints: u32,
    seed: u64,
) -> Circuit<C::Scalar> {
    let mut rng = rng(seed);
    let mut witness = vec![C::Scalar::ONE];
    for _ in 0..n_public + n_inputs {
        witness.push(field::random(&mut rng));
    }
    let mut constraints = Vec::new();
    for _ in 0..n_constraints {
        let mut combination = || -> Vec<(u32, C::Scalar)> {
            let terms = rng.next_u32() % 4;
            let mut all: Vec<(u32, C::Scalar)> = (0..terms)
                .map(|_| {
                    let wire = rng.next_u32() % witness.len() as u32;
                    let value = match rng.next_u32() % 4 {
                        0 => C::Scalar::ONE,
                        1 => -C::Scalar::ONE,
                        2 => C::Scalar::from(rng.next_u32() % 100),
                        _ => field::random(&mut rng),
                    };
                    (wire, value)
                })
                .collect();
            all.sort_by_key(|(wire, _)| *wire);
            all.dedup_by_key(|(wire, _)| *wire);
            all
        };
        let (a, b) = (combination(), combination());
        let at =
            |lc: &[(u32, C::Scalar)]| lc.iter().map(|(k, v)| witness[*k as usize] * v).sum::<C::Scalar>();
        let product = at(&a) * at(&b);
        let c = vec![(witness.len() as u32, C::Scalar::ONE)];
        witness.push(product);
        constraints.push(Constraint { a, b, c });
    }
    assert_ne!(C::Scalar::ZERO, C::Scalar::ONE);
    let n_wires = witness.len() as u32;
    let r1cs = R1cs {
        curve: C::ID,
        n_wires,
        n_public_outputs: 0,
        n_public_inputs: n_public,
        n_private_inputs: n_inputs,
        n_labels: u64::from(n_wires),
        constraints,
        wire_labels: (0..u64::from(n_wires)).collect(),
    };
    Circuit { r1cs, witness }
}
