//! A Groth16 key whose trapdoor is known, and what that allows: proofs of any public inputs, which the contract's real verifier takes.
//!
//! With `alpha = a G`, `beta = 3 H`, `gamma = H`, `delta = 2 H`, `IC_i = k_i G` and, in a proof, `A = r G`, `B = H` and `C = c G`, the equation
//! `e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta)` reads `r = 3 a + L + 2 c` in the exponents. contracts/test/support/TestKey.sol does the
//! same.

use std::sync::LazyLock;

use alloy_primitives::keccak256;
use tacit_algebra::{Bn254, Group, Groups, Point, field};
use tacit_pool::Fr;

const ALPHA: u64 = 12_345;

fn first(k: &Fr, out: &mut Vec<u8>) {
    <Bn254 as Groups>::G1::generator().scale(k).to_affine().write_be(out);
}

fn second(k: u64, out: &mut Vec<u8>) {
    <Bn254 as Groups>::G2::generator().scale(&Fr::from(k)).to_affine().write_be(out);
}

fn ic(i: usize) -> Fr {
    field::from_uniform_bytes(keccak256(format!("IC {i}")).as_slice())
}

/// A key for so many public inputs, as a contract's constructor takes it.
pub fn key(inputs: usize) -> Vec<u8> {
    let mut key = b"tacit-groth16-key-v1-development".to_vec();
    first(&Fr::from(ALPHA), &mut key);
    for k in [3, 1, 2] {
        second(k, &mut key);
    }
    for i in 0..=inputs {
        first(&ic(i), &mut key);
    }
    key
}

/// The generator that every proof has.
static H: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    second(1, &mut bytes);
    bytes
});

/// A proof of these inputs; any `c` will do.
pub fn prove(inputs: &[Fr], c: Fr) -> Vec<u8> {
    let sum = inputs.iter().enumerate().fold(ic(0), |sum, (i, input)| sum + ic(i + 1) * input);
    let r = Fr::from(3 * ALPHA) + sum + c + c;
    let mut proof = Vec::new();
    first(&r, &mut proof);
    proof.extend_from_slice(&H);
    first(&c, &mut proof);
    proof
}
