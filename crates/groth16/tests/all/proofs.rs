//! Proving and verifying, one and many.

use crate::both_curves;
use crate::support::{Circuit, random_circuit, rng};
use ark_ff::{AdditiveGroup, Field};
use proptest::prelude::*;
use tacit_algebra::Curve;
use tacit_groth16::prove::{ProveError, prove};
use tacit_groth16::verify::{VerifyError, verify};
use tacit_groth16::{BatchVerifyError, Claim, Proof, ProvingKey, batch_verify, setup};

both_curves! {
    a_proof_is_accepted_and_a_wrong_one_is_not
    circuits_without_public_inputs_work
    a_batch_names_the_culprits
    random_circuits_prove_and_verify
}

fn key<C: Curve>(circuit: &Circuit<C::Scalar>) -> ProvingKey<C> {
    ProvingKey::from_zkey(setup::dev::<C, _>(&circuit.r1cs, &mut rng(99)).unwrap()).unwrap()
}

fn a_proof_is_accepted_and_a_wrong_one_is_not<C: Curve>() {
    let circuit = random_circuit::<C>(3, 4, 40, 1);
    let key = key::<C>(&circuit);
    let proof = prove(&key, &circuit.witness, &mut rng(2)).unwrap();
    assert_eq!(verify(&key.vk, circuit.public(), &proof), Ok(()));

    let mut public = circuit.public().to_vec();
    public[1] += C::Scalar::ONE;
    assert_eq!(verify(&key.vk, &public, &proof), Err(VerifyError::Invalid));
    let count = verify(&key.vk, &public[..2], &proof);
    assert_eq!(count, Err(VerifyError::PublicInputs { expected: 3, got: 2 }));

    let mut witness = circuit.witness.clone();
    *witness.last_mut().unwrap() += C::Scalar::ONE;
    let wrong = prove(&key, &witness, &mut rng(2)).unwrap();
    assert_eq!(verify(&key.vk, circuit.public(), &wrong), Err(VerifyError::Invalid));
    let short = prove(&key, &witness[1..], &mut rng(2));
    assert!(matches!(short, Err(ProveError::WitnessLength { .. })));
}

fn circuits_without_public_inputs_work<C: Curve>() {
    let circuit = random_circuit::<C>(0, 2, 5, 3);
    let key = key::<C>(&circuit);
    key.check().unwrap();
    let proof = prove(&key, &circuit.witness, &mut rng(2)).unwrap();
    assert_eq!(verify(&key.vk, &[], &proof), Ok(()));
    // One row: the smallest domain.
    let trivial = random_circuit::<C>(0, 1, 0, 3);
    let key = self::key::<C>(&trivial);
    let proof = prove(&key, &trivial.witness, &mut rng(2)).unwrap();
    assert_eq!(verify(&key.vk, &[], &proof), Ok(()));
}

fn a_batch_names_the_culprits<C: Curve>() {
    let circuit = random_circuit::<C>(2, 2, 10, 4);
    let key = key::<C>(&circuit);
    let proofs: Vec<Proof<C>> =
        (0..6).map(|i| prove(&key, &circuit.witness, &mut rng(100 + i)).unwrap()).collect();
    let public = circuit.public();
    let mut claims: Vec<Claim<'_, C>> = proofs.iter().map(|proof| Claim { public, proof }).collect();
    assert_eq!(batch_verify(&key.vk, &claims, &mut rng(5)), Ok(()));
    assert_eq!(batch_verify(&key.vk, &claims[..0], &mut rng(5)), Ok(()));
    assert_eq!(batch_verify(&key.vk, &claims[..1], &mut rng(5)), Ok(()));

    // Swapping parts between valid proofs keeps every sum as it was: only random coefficients tell.
    let (mut first, mut second) = (proofs[1], proofs[4]);
    std::mem::swap(&mut first.c, &mut second.c);
    claims[1].proof = &first;
    claims[4].proof = &second;
    let expected = Err(BatchVerifyError::Invalid { indices: vec![1, 4] });
    assert_eq!(batch_verify(&key.vk, &claims, &mut rng(5)), expected);

    claims[3].public = &public[..1];
    let expected = Err(BatchVerifyError::PublicInputs { index: 3, expected: 2, got: 1 });
    assert_eq!(batch_verify(&key.vk, &claims, &mut rng(5)), expected);
}

fn random_circuits_prove_and_verify<C: Curve>() {
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(n_public in 0u32..4, n_inputs in 0u32..4, n_constraints in 0u32..20, seed: u64)| {
        let circuit = random_circuit::<C>(n_public, n_inputs, n_constraints, seed);
        prop_assert!(circuit.r1cs.check(&circuit.witness).is_ok());
        let key = key::<C>(&circuit);
        key.check().unwrap();
        let proof = prove(&key, &circuit.witness, &mut rng(seed)).unwrap();
        prop_assert_eq!(verify(&key.vk, circuit.public(), &proof), Ok(()));
        if n_public > 0 {
            let mut public = circuit.public().to_vec();
            public[0].double_in_place();
            prop_assert_eq!(verify(&key.vk, &public, &proof), Err(VerifyError::Invalid));
        }
    });
}
