//! The verifier contract, as far as it can be seen without an EVM (see `snarkjs.rs` for the rest).

use crate::support::{random_circuit, rng};
use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId, Group};
use tacit_groth16::solidity::{Provenance, SolidityError, contract_key, export};
use tacit_groth16::{KeyError, VerificationKey, setup};

fn vk<C: Curve>(n_public: u32) -> VerificationKey<C> {
    let circuit = random_circuit::<C>(n_public, 3, 12, 7);
    setup::dev(&circuit.r1cs, &mut rng(8)).unwrap().vk
}

#[test]
fn the_contract_has_a_bound_check_for_each_public_signal() {
    let source = export(&vk::<Bn254>(3)).unwrap();
    assert!(source.starts_with("// SPDX-License-Identifier: MIT OR Apache-2.0\n"));
    assert!(source.contains("uint256[3] calldata _pubSignals"));
    assert_eq!(source.matches("_accumulate(inputs").count(), 3);
    assert!(source.contains("if (signal >= R) return false;"));
    assert!(!source.contains('@'), "every placeholder is filled in");
    // The orders as EIP-196 and EIP-197 print them.
    assert!(source.contains("R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;"));
    assert!(source.contains("Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;"));
    let gamma = "GAMMA_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;";
    assert!(source.contains(gamma));
}

#[test]
fn a_circuit_without_public_signals_has_a_contract_too() {
    let source = export(&vk::<Bn254>(0)).unwrap();
    assert!(!source.contains("_pubSignals") && !source.contains("_accumulate"));
    assert_eq!(source.matches('{').count(), source.matches('}').count());
}

#[test]
fn other_curves_and_worthless_keys_are_refused() {
    let error = export(&vk::<Bls12_381>(1)).unwrap_err();
    assert_eq!(error, SolidityError::Curve { curve: CurveId::Bls12_381 });
    assert!(error.to_string().contains("EIP-2537"));
    let mut worthless = vk::<Bn254>(1);
    worthless.gamma_g2 = tacit_algebra::G2Affine::<Bn254>::identity();
    assert_eq!(export(&worthless), Err(SolidityError::Key(KeyError::Identity { element: "gamma" })));
}

#[test]
fn a_contracts_key_is_its_provenance_and_the_points() {
    let vk = vk::<Bn254>(2);
    let key = contract_key(&vk, Provenance::Development).unwrap();
    assert_eq!(key.len(), 32 + 64 + 3 * 128 + 3 * 64);
    assert_eq!(&key[..32], b"tacit-groth16-key-v1-development");
    // gamma is the second group's generator, imaginary part first.
    let gamma = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2";
    let words: Vec<String> =
        key.chunks(32).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    assert_eq!(words[7], gamma);

    let real = contract_key(&vk, Provenance::Ceremony).unwrap();
    assert_eq!(&real[..32], b"tacit-groth16-key-v1-ceremony\0\0\0");
    assert_eq!(real[32..], key[32..]);

    let error = contract_key(&self::vk::<Bls12_381>(1), Provenance::Development).unwrap_err();
    assert_eq!(error, SolidityError::Curve { curve: CurveId::Bls12_381 });
}

/// With any two of the three points equal or opposite anyone can forge: such a key is not called a ceremony's.
#[test]
fn an_unfinished_key_is_no_ceremonys() {
    type G2 = <Bn254 as tacit_algebra::Groups>::G2;
    let good = vk::<Bn254>(2);
    let generator = <G2 as Group<_>>::generator().to_affine();
    assert_eq!(good.gamma_g2, generator, "as every setup has it");
    let other = good.delta_g2;
    let opposite = (-<G2 as Group<_>>::from_affine(&good.delta_g2)).to_affine();
    let key = |beta, gamma, delta| {
        let vk = VerificationKey { beta_g2: beta, gamma_g2: gamma, delta_g2: delta, ..good.clone() };
        assert!(contract_key(&vk, Provenance::Development).is_ok());
        contract_key(&vk, Provenance::Ceremony).map(|_| ())
    };
    let unfinished = |names| Err(SolidityError::Unfinished(names));
    assert_eq!(key(good.beta_g2, generator, other), Ok(()));
    assert_eq!(key(good.beta_g2, generator, opposite), Ok(()));
    assert_eq!(key(generator, generator, other), unfinished("beta and gamma"));
    assert_eq!(key(other, generator, opposite), unfinished("beta and delta"));
    assert_eq!(key(good.beta_g2, generator, generator), unfinished("gamma and delta"));
    assert_eq!(key(good.beta_g2, opposite, other), unfinished("gamma and delta"));
    assert_eq!(key(generator, good.beta_g2, other), unfinished("beta and the generator"));
    assert_eq!(key(good.beta_g2, other, generator), unfinished("delta and the generator"));
}
