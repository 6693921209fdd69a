//! Setup over powers of tau, contributions and their verification; against files that snarkjs wrote.

use crate::both_curves;
use crate::support::{fixture, random_circuit, rng};
use ark_ff::Field;
use tacit_algebra::{Check, Curve, G1Affine, Group};
use tacit_circom::{ContributionKind, Ptau, R1cs, Wtns, Zkey};
use tacit_groth16::contribute::{ContributeError, beacon, contribute};
use tacit_groth16::powersoftau::{self, PowersError};
use tacit_groth16::prove::prove;
use tacit_groth16::setup::{self, SetupError, from_ptau, is_dev};
use tacit_groth16::transcript::contribution_hash;
use tacit_groth16::verify::verify;
use tacit_groth16::zkey_verify::{self, ZkeyVerifyError};
use tacit_groth16::{Proof, ProvingKey};

both_curves! {
    the_initial_key_is_that_of_snarkjs
    contributions_made_elsewhere_are_verified
    a_beacon_gives_the_same_bytes_as_snarkjs
    our_ceremony_is_verified_and_proves
    a_forged_ceremony_is_refused
    a_dev_key_says_so
    names_and_beacons_have_bounds
    a_circuit_that_does_not_fit_is_refused
    our_powers_are_consistent
}

struct Files {
    r1cs: Vec<u8>,
    ptau: Vec<u8>,
}

fn files<C: Curve>() -> Files {
    Files { r1cs: fixture::<C>("tiny.r1cs"), ptau: fixture::<C>("pot.ptau") }
}

fn the_initial_key_is_that_of_snarkjs<C: Curve>() {
    let files = files::<C>();
    let r1cs = R1cs::<C::Scalar>::read(&files.r1cs).unwrap();
    let ptau = Ptau::<C>::open(&files.ptau).unwrap();
    let zkey = from_ptau(&r1cs, &ptau, Check::Full).unwrap();
    assert!(zkey.write() == fixture::<C>("initial.zkey"));
}

fn contributions_made_elsewhere_are_verified<C: Curve>() {
    let files = files::<C>();
    let r1cs = R1cs::<C::Scalar>::read(&files.r1cs).unwrap();
    let ptau = Ptau::<C>::open(&files.ptau).unwrap();
    let zkey = Zkey::<C>::read(&fixture::<C>("final.zkey"), Check::Full).unwrap();
    let verified = zkey_verify::verify(&r1cs, &ptau, &zkey, Check::Full, &mut rng(1)).unwrap();
    assert_eq!(verified.len(), 2);
    assert_eq!(verified[0].name.as_deref(), Some("first"));
    assert!(matches!(verified[1].kind, ContributionKind::Beacon { log_iterations: 10, .. }));
}

/// A beacon leaves nothing to chance: the file must be the same to the last byte.
fn a_beacon_gives_the_same_bytes_as_snarkjs<C: Curve>() {
    let mut zkey = Zkey::<C>::read(&fixture::<C>("contributed.zkey"), Check::Full).unwrap();
    let value: Vec<u8> = (1..=16).collect();
    beacon(&mut zkey, Some("beacon"), &value, 10).unwrap();
    assert!(zkey.write() == fixture::<C>("final.zkey"));
}

fn our_ceremony_is_verified_and_proves<C: Curve>() {
    let circuit = random_circuit::<C>(2, 3, 20, 21);
    let bytes = powersoftau::dev::<C, _>(6, &mut rng(22)).unwrap();
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    let initial = from_ptau(&circuit.r1cs, &ptau, Check::Full).unwrap();
    let mut zkey = initial.clone();
    let first = contribute(&mut zkey, Some("first"), &mut rng(23)).unwrap();
    contribute(&mut zkey, None, &mut rng(24)).unwrap();
    beacon(&mut zkey, Some("last"), &[1, 2, 3], 10).unwrap();
    let zkey = Zkey::<C>::read(&zkey.write(), Check::Full).unwrap();
    let verified = zkey_verify::verify(&circuit.r1cs, &ptau, &zkey, Check::Trusted, &mut rng(25)).unwrap();
    assert_eq!(verified.len(), 3);
    assert_eq!(verified[0].hash, first);
    assert_eq!(verified[1].name, None);

    for zkey in [initial, zkey] {
        let key = ProvingKey::from_zkey(zkey).unwrap();
        key.check().unwrap();
        let proof = prove(&key, &circuit.witness, &mut rng(26)).unwrap();
        assert_eq!(verify(&key.vk, circuit.public(), &proof), Ok(()));
    }
}

fn a_forged_ceremony_is_refused<C: Curve>() {
    let initial = Zkey::<C>::read(&fixture::<C>("initial.zkey"), Check::Full).unwrap();
    let valid = Zkey::<C>::read(&fixture::<C>("final.zkey"), Check::Full).unwrap();
    let refused = |change: &dyn Fn(&mut Zkey<C>)| {
        let mut zkey = valid.clone();
        change(&mut zkey);
        zkey_verify::verify_from_initial(&initial, &zkey, &mut rng(3)).unwrap_err()
    };
    let generator = C::G1::generator().to_affine();
    let twice = |p: &G1Affine<C>| C::G1::from_affine(p).scale(&C::Scalar::from(2u64)).to_affine();
    use ZkeyVerifyError as E;
    assert_eq!(refused(&|z| z.contributions[1].transcript[0] ^= 1), E::Transcript { index: 1 });
    assert_eq!(refused(&|z| z.contributions[0].g1_sx = generator), E::Transcript { index: 0 });
    assert_eq!(refused(&|z| z.contributions[0].g2_spx = z.vk.gamma_g2), E::ProofOfKnowledge { index: 0 });
    assert_eq!(refused(&|z| z.contributions[0].delta_after = generator), E::Delta { index: 0 });
    let beacon_value = |z: &mut Zkey<C>| {
        z.contributions[1].kind = ContributionKind::Beacon { log_iterations: 10, hash: vec![9] };
    };
    assert_eq!(refused(&beacon_value), E::Beacon { index: 1 });
    let years = |z: &mut Zkey<C>| {
        z.contributions[1].kind = ContributionKind::Beacon { log_iterations: 63, hash: vec![9] };
    };
    assert!(matches!(refused(&years), E::BeaconParameters { index: 1, .. }));
    assert_eq!(refused(&|z| drop(z.contributions.pop())), E::FinalDelta);
    assert_eq!(refused(&|z| z.delta_g1 = twice(&z.delta_g1)), E::FinalDelta);
    assert_eq!(refused(&|z| z.vk.delta_g2 = z.vk.gamma_g2), E::FinalDelta);
    assert_eq!(refused(&|z| z.l_query[0] = twice(&z.l_query[0])), E::Query { query: "L-query" });
    assert_eq!(refused(&|z| z.h_query[1] = twice(&z.h_query[1])), E::Query { query: "H-query" });
    assert_eq!(refused(&|z| z.vk.alpha_g1 = generator), E::Differs { part: "alpha" });
    assert_eq!(refused(&|z| z.vk.ic[0] = generator), E::Differs { part: "IC" });
    assert_eq!(refused(&|z| z.cs_hash[5] ^= 1), E::Differs { part: "circuit digest" });
    let coefficient = refused(&|z| z.coefficients[0].value += C::Scalar::ONE);
    assert_eq!(coefficient, E::Differs { part: "list of coefficients" });
}

fn a_dev_key_says_so<C: Curve>() {
    let files = files::<C>();
    let r1cs = R1cs::<C::Scalar>::read(&files.r1cs).unwrap();
    let ptau = Ptau::<C>::open(&files.ptau).unwrap();
    let mut zkey = setup::dev::<C, _>(&r1cs, &mut rng(4)).unwrap();
    contribute(&mut zkey, Some("honest"), &mut rng(5)).unwrap();
    let zkey = Zkey::<C>::read(&zkey.write(), Check::Full).unwrap();
    assert!(is_dev(&zkey));
    assert_eq!(zkey.contributions[0].name.as_deref(), Some(setup::DEV_NAME));
    assert_ne!(contribution_hash(&zkey.contributions[0]), contribution_hash(&zkey.contributions[1]));
    let verdict = zkey_verify::verify(&r1cs, &ptau, &zkey, Check::Full, &mut rng(6));
    assert_eq!(verdict, Err(ZkeyVerifyError::DevSetup));
    assert!(!is_dev(&Zkey::<C>::read(&fixture::<C>("final.zkey"), Check::Full).unwrap()));

    // It proves what snarkjs's key for the circuit proves.
    let witness = Wtns::<C::Scalar>::read(&fixture::<C>("tiny.wtns")).unwrap();
    let key = ProvingKey::from_zkey(zkey).unwrap();
    key.check().unwrap();
    let proof: Proof<C> = prove(&key, &witness.values, &mut rng(7)).unwrap();
    assert_eq!(verify(&key.vk, &witness.values[1..=key.n_public], &proof), Ok(()));
}

fn names_and_beacons_have_bounds<C: Curve + PartialEq>() {
    let mut zkey = Zkey::<C>::read(&fixture::<C>("initial.zkey"), Check::Trusted).unwrap();
    let before = zkey.clone();
    let long = "n".repeat(65);
    let name = contribute(&mut zkey, Some(&long), &mut rng(1));
    assert_eq!(name, Err(ContributeError::NameTooLong { chars: 65, bytes: 65 }));
    assert_eq!(beacon(&mut zkey, None, &[], 10), Err(ContributeError::BeaconSize { bytes: 0 }));
    assert_eq!(beacon(&mut zkey, None, &[0; 256], 10), Err(ContributeError::BeaconSize { bytes: 256 }));
    for log_iterations in [0, 9, 33, 255] {
        let verdict = beacon(&mut zkey, None, &[1], log_iterations);
        assert_eq!(verdict, Err(ContributeError::BeaconIterations { log_iterations }));
    }
    assert!(zkey == before);
}

fn a_circuit_that_does_not_fit_is_refused<C: Curve>() {
    let bytes = powersoftau::dev::<C, _>(3, &mut rng(2)).unwrap();
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    let fits = random_circuit::<C>(1, 1, 6, 3).r1cs;
    from_ptau(&fits, &ptau, Check::Full).unwrap();
    let mut too_large = random_circuit::<C>(1, 1, 7, 3).r1cs;
    let verdict = from_ptau(&too_large, &ptau, Check::Full).unwrap_err();
    assert_eq!(verdict, SetupError::TooLarge { rows: 9, needed: 4, has: 3 });
    too_large.constraints[5].b.push((1000, C::Scalar::ONE));
    let verdict = setup::dev::<C, _>(&too_large, &mut rng(1)).unwrap_err();
    assert!(matches!(verdict, SetupError::Wire { constraint: 5, wire: 1000, .. }));
    assert_eq!(powersoftau::dev::<C, _>(0, &mut rng(1)), Err(PowersError::Power { power: 0 }));
    assert_eq!(powersoftau::dev::<C, _>(23, &mut rng(1)), Err(PowersError::Power { power: 23 }));
}

fn our_powers_are_consistent<C: Curve>() {
    let bytes = powersoftau::dev::<C, _>(3, &mut rng(11)).unwrap();
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    assert!(ptau.is_prepared());
    assert_eq!((ptau.power(), ptau.n_contributions()), (3, 1));
    let tau = ptau.tau_g1().unwrap().read_all(Check::Full).unwrap();
    let tau_g2 = ptau.tau_g2().unwrap().read_all(Check::Full).unwrap();
    let g1 = |p: &G1Affine<C>| C::G1::from_affine(p);
    for pair in tau.windows(2) {
        let tau_in_g2 = C::G2::from_affine(&tau_g2[1]);
        assert!(C::pairing_sum_is_zero(&[(g1(&pair[0]), tau_in_g2), (-g1(&pair[1]), C::G2::generator())]));
    }
    // The Lagrange polynomials of each domain add up to one.
    for log_size in 0..=3 {
        let forms = ptau.lagrange_tau_g1(log_size).unwrap().read_all(Check::Full).unwrap();
        assert_eq!(forms.iter().map(g1).sum::<C::G1>(), C::G1::generator());
        let forms = ptau.lagrange_tau_g2(log_size).unwrap().read_all(Check::Full).unwrap();
        assert_eq!(forms.iter().map(C::G2::from_affine).sum::<C::G2>(), C::G2::generator());
    }
}
