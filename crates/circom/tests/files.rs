//! Round trips and meaning of files that circom and snarkjs wrote.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use ark_ff::{AdditiveGroup, Field};
use common::{fixture, text};
use tacit_algebra::{Check, Curve, Group};
use tacit_circom::{
    ContributionKind, FormatError, Inputs, Matrix, Proof, Ptau, PtauPoints, R1cs, Reason, Sym, Unsatisfied,
    VerificationKey, Wtns, Zkey, json, ptau, public, r1cs, wtns, zkey,
};

const KEYS: [&str; 3] = ["initial.zkey", "contributed.zkey", "final.zkey"];

both_curves! {
    zkeys_are_written_back_byte_for_byte
    the_ceremony_is_read
    coefficients_are_those_of_the_constraints
    a_trusted_key_reads_as_the_checked_one
    witnesses_are_written_back_byte_for_byte
    the_witness_satisfies_the_constraints
    a_wrong_witness_names_constraint_and_signals
    symbols_are_found_by_name_and_wire
    proofs_are_written_as_snarkjs_writes_them
    public_signals_are_written_as_snarkjs_writes_them
    verification_keys_are_written_as_snarkjs_writes_them
    the_proof_is_valid
    powers_of_tau_mean_what_they_should
    powers_of_tau_are_written_and_read
    curves_are_told_apart
    secrets_are_not_shown
}

fn zkeys_are_written_back_byte_for_byte<C: Curve>() {
    for name in KEYS {
        let bytes = fixture::<C>(name);
        let key = Zkey::<C>::read(&bytes, Check::Full).unwrap();
        assert!(key.write() == bytes, "{name}");
    }
}

fn a_trusted_key_reads_as_the_checked_one<C: Curve + PartialEq>() {
    let bytes = fixture::<C>("final.zkey");
    assert_eq!(Zkey::<C>::read(&bytes, Check::Full), Zkey::<C>::read(&bytes, Check::Trusted));
}

fn the_ceremony_is_read<C: Curve>() {
    let [initial, contributed, last] =
        KEYS.map(|name| Zkey::<C>::read(&fixture::<C>(name), Check::Full).unwrap());
    assert!(initial.contributions.is_empty());
    assert_eq!(contributed.contributions.len(), 1);
    assert_eq!(contributed.contributions[0].name.as_deref(), Some("first"));
    assert_eq!(contributed.contributions[0].kind, ContributionKind::Entropy);
    assert_eq!(contributed.contributions[0].delta_after, contributed.delta_g1);
    assert_eq!(last.contributions.len(), 2);
    assert_eq!(last.contributions[1].name.as_deref(), Some("beacon"));
    let hash = (1..=16).collect();
    assert_eq!(last.contributions[1].kind, ContributionKind::Beacon { log_iterations: 10, hash });
    assert_eq!(initial.cs_hash, last.cs_hash);
}

/// Fixes what the doubly Montgomery form on disk stands for.
fn coefficients_are_those_of_the_constraints<C: Curve>() {
    let r1cs = R1cs::<C::Scalar>::read(&fixture::<C>("tiny.r1cs")).unwrap();
    let key = Zkey::<C>::read(&fixture::<C>("final.zkey"), Check::Full).unwrap();
    assert_eq!((key.n_wires, key.n_public), (r1cs.n_wires, r1cs.n_public()));
    let mut expected = BTreeMap::new();
    for (row, constraint) in r1cs.constraints.iter().enumerate() {
        for (matrix, combination) in [(Matrix::A, &constraint.a), (Matrix::B, &constraint.b)] {
            for (wire, value) in combination {
                expected.insert((matrix, row as u32, *wire), *value);
            }
        }
    }
    for wire in 0..=key.n_public {
        expected.insert((Matrix::A, r1cs.constraints.len() as u32 + wire, wire), C::Scalar::ONE);
    }
    let got: BTreeMap<_, _> =
        key.coefficients.iter().map(|c| ((c.matrix, c.constraint, c.wire), c.value)).collect();
    assert_eq!(got, expected);
}

fn witnesses_are_written_back_byte_for_byte<C: Curve>() {
    let bytes = fixture::<C>("tiny.wtns");
    let wtns = Wtns::<C::Scalar>::read(&bytes).unwrap();
    assert_eq!(*wtns.write(), bytes);
    let values = wtns.clone().into_values();
    assert_eq!(Wtns::new(values.to_vec()), wtns);
}

fn the_witness_satisfies_the_constraints<C: Curve>() {
    let r1cs = R1cs::<C::Scalar>::read(&fixture::<C>("tiny.r1cs")).unwrap();
    let wtns = Wtns::<C::Scalar>::read(&fixture::<C>("tiny.wtns")).unwrap();
    assert_eq!(r1cs.curve, C::ID);
    assert_eq!((r1cs.n_public_outputs, r1cs.n_public_inputs), (1, 1));
    assert_eq!(r1cs.wire_labels[..2], [0, 1]);
    assert_eq!(r1cs.check(&wtns.values), Ok(()));
    assert_eq!(
        r1cs.check(&wtns.values[1..]),
        Err(Unsatisfied::Length { expected: r1cs.n_wires, got: r1cs.n_wires as usize - 1 })
    );
    let mut values = wtns.values.clone();
    values[0] = C::Scalar::ZERO;
    assert_eq!(r1cs.check(&values), Err(Unsatisfied::ConstantWire));
}

fn a_wrong_witness_names_constraint_and_signals<C: Curve>() {
    let r1cs = R1cs::<C::Scalar>::read(&fixture::<C>("tiny.r1cs")).unwrap();
    let sym = Sym::read(&fixture::<C>("tiny.sym")).unwrap();
    let mut wtns = Wtns::<C::Scalar>::read(&fixture::<C>("tiny.wtns")).unwrap();
    let a = sym.by_name("main.a").unwrap().wire.unwrap();
    wtns.values[a as usize] += C::Scalar::from(3u64);
    let unsatisfied = r1cs.check(&wtns.values).unwrap_err();
    let Unsatisfied::Constraint { constraint } = unsatisfied else { panic!("{unsatisfied}") };
    assert!(r1cs.signals_of(constraint, &sym).contains(&"main.a".to_owned()));
    let sentence = r1cs.explain(&unsatisfied, &sym);
    assert!(sentence.contains("main.a"), "{sentence}");
    // Without names, wires.
    let sentence = r1cs.explain(&unsatisfied, &Sym::default());
    assert!(sentence.contains(&format!("wire {a}")), "{sentence}");
    assert!(r1cs.signals_of(u32::MAX, &sym).is_empty());
}

fn symbols_are_found_by_name_and_wire<C: Curve>() {
    let sym = Sym::read(&fixture::<C>("tiny.sym")).unwrap();
    let product = sym.by_name("main.product").unwrap();
    assert_eq!((product.label, product.wire, product.component), (1, Some(1), 0));
    let a = sym.by_name("main.a").unwrap();
    let names: Vec<_> = sym.by_wire(a.wire.unwrap()).map(|s| s.name.as_str()).collect();
    assert!(names.contains(&"main.a"), "{names:?}");
    for signal in sym.signals() {
        assert_eq!(sym.by_name(&signal.name), Some(signal));
        if let Some(wire) = signal.wire {
            assert!(sym.by_wire(wire).any(|s| s == signal));
        }
    }
    assert_eq!(sym.by_name("main"), None);
    assert_eq!(sym.by_wire(u32::MAX).count(), 0);
    // The labels in both files are the same.
    let r1cs = R1cs::<C::Scalar>::read(&fixture::<C>("tiny.r1cs")).unwrap();
    assert_eq!(r1cs.wire_labels[a.wire.unwrap() as usize], a.label);
}

fn proofs_are_written_as_snarkjs_writes_them<C: Curve>() {
    let json = text::<C>("proof.json");
    assert_eq!(Proof::<C>::from_json(&json).unwrap().to_json(), json);
}

fn public_signals_are_written_as_snarkjs_writes_them<C: Curve>() {
    let json = text::<C>("public.json");
    let signals = public::from_json::<C::Scalar>(&json).unwrap();
    assert_eq!(public::to_json(&signals), json);
    let wtns = Wtns::<C::Scalar>::read(&fixture::<C>("tiny.wtns")).unwrap();
    assert_eq!(signals, wtns.values[1..3]);
}

fn verification_keys_are_written_as_snarkjs_writes_them<C: Curve + PartialEq>() {
    let json = text::<C>("verification_key.json");
    let vk = VerificationKey::<C>::from_json(&json).unwrap();
    assert_eq!(vk, Zkey::<C>::read(&fixture::<C>("final.zkey"), Check::Full).unwrap().vk);
    assert_eq!(vk.to_json(), json);
}

/// The points mean what the verifier's equation takes them for.
fn the_proof_is_valid<C: Curve>() {
    let vk = VerificationKey::<C>::from_json(text::<C>("verification_key.json")).unwrap();
    let proof = Proof::<C>::from_json(text::<C>("proof.json")).unwrap();
    let inputs = public::from_json::<C::Scalar>(text::<C>("public.json")).unwrap();
    let scalars: Vec<_> = [C::Scalar::ONE].into_iter().chain(inputs).collect();
    let x = C::G1::msm(&vk.ic, &scalars);
    assert!(C::pairing_sum_is_zero(&[
        (C::G1::from_affine(&proof.a), C::G2::from_affine(&proof.b)),
        (-C::G1::from_affine(&vk.alpha_g1), C::G2::from_affine(&vk.beta_g2)),
        (-x, C::G2::from_affine(&vk.gamma_g2)),
        (-C::G1::from_affine(&proof.c), C::G2::from_affine(&vk.delta_g2)),
    ]));
}

fn powers_of_tau_mean_what_they_should<C: Curve>() {
    let bytes = fixture::<C>("pot.ptau");
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    assert_eq!((ptau.power(), ptau.ceremony_power(), ptau.n_contributions()), (3, 3, 2));
    assert!(ptau.is_prepared());
    let tau_g1 = ptau.tau_g1().unwrap().read_all(Check::Full).unwrap();
    let tau_g2 = ptau.tau_g2().unwrap().read_all(Check::Full).unwrap();
    let alpha = ptau.alpha_tau_g1().unwrap().read(0..1, Check::Full).unwrap()[0];
    let beta = ptau.beta_tau_g1().unwrap().read(0..1, Check::Full).unwrap()[0];
    let beta_g2 = ptau.beta_g2(Check::Full).unwrap();
    assert_eq!((tau_g1.len(), tau_g2.len()), (15, 8));
    let g1 = C::G1::from_affine;
    let g2 = C::G2::from_affine;
    assert_eq!((g1(&tau_g1[0]), g2(&tau_g2[0])), (C::G1::generator(), C::G2::generator()));
    assert!(C::pairing_sum_is_zero(&[(g1(&tau_g1[1]), g2(&tau_g2[0])), (-g1(&tau_g1[0]), g2(&tau_g2[1]))]));
    assert!(C::pairing_sum_is_zero(&[(g1(&beta), g2(&tau_g2[0])), (-g1(&tau_g1[0]), g2(&beta_g2))]));
    // The Lagrange polynomials of a domain add up to one.
    for log_size in 0..=3 {
        let sum_g1 = |points: Vec<_>| points.iter().map(g1).sum::<C::G1>();
        let read = |points: ptau::Points<'_, _>| points.read_all(Check::Full).unwrap();
        let tau = read(ptau.lagrange_tau_g1(log_size).unwrap());
        assert_eq!(tau.len(), 1 << log_size);
        assert_eq!(sum_g1(tau), C::G1::generator());
        assert_eq!(sum_g1(read(ptau.lagrange_alpha_tau_g1(log_size).unwrap())), g1(&alpha));
        assert_eq!(sum_g1(read(ptau.lagrange_beta_tau_g1(log_size).unwrap())), g1(&beta));
        let tau_g2 = ptau.lagrange_tau_g2(log_size).unwrap().read_all(Check::Full).unwrap();
        assert_eq!(tau_g2.iter().map(g2).sum::<C::G2>(), C::G2::generator());
    }
    assert_eq!(ptau.lagrange_tau_g1(4).unwrap().len(), 16);
    let reason = |e: FormatError| e.reason;
    assert!(matches!(
        ptau.lagrange_tau_g1(5).err().map(reason),
        Some(Reason::Count { got: 5, limit: 4, .. })
    ));
    assert!(matches!(ptau.lagrange_tau_g2(4).err().map(reason), Some(Reason::Count { .. })));
    assert!(matches!(
        ptau.tau_g1().unwrap().read(0..16, Check::Full).err().map(reason),
        Some(Reason::Count { .. })
    ));
}

fn powers_of_tau_are_written_and_read<C: Curve>() {
    let bytes = fixture::<C>("pot.ptau");
    let ptau = Ptau::<C>::open(&bytes).unwrap();
    fn all<P: tacit_algebra::Point>(points: Result<ptau::Points<'_, P>, FormatError>) -> Vec<P> {
        points.unwrap().read_all(Check::Full).unwrap()
    }
    let mut points = PtauPoints::<C> {
        power: 3,
        tau_g1: all(ptau.tau_g1()),
        tau_g2: all(ptau.tau_g2()),
        alpha_tau_g1: all(ptau.alpha_tau_g1()),
        beta_tau_g1: all(ptau.beta_tau_g1()),
        beta_g2: ptau.beta_g2(Check::Full).unwrap(),
        lagrange: Some(ptau::LagrangePoints {
            tau_g1: (0..=4).flat_map(|p| all(ptau.lagrange_tau_g1(p))).collect(),
            tau_g2: (0..=3).flat_map(|p| all(ptau.lagrange_tau_g2(p))).collect(),
            alpha_tau_g1: (0..=3).flat_map(|p| all(ptau.lagrange_alpha_tau_g1(p))).collect(),
            beta_tau_g1: (0..=3).flat_map(|p| all(ptau.lagrange_beta_tau_g1(p))).collect(),
        }),
    };
    let written = points.write();
    let again = Ptau::<C>::open(&written).unwrap();
    assert_eq!((again.power(), again.n_contributions(), again.is_prepared()), (3, 0, true));
    // The same bytes as snarkjs's, but for the contributions (section 7 holds a count, then theirs).
    let at = |needle: &[u8], hay: &[u8]| hay.windows(needle.len()).position(|w| w == needle).unwrap();
    let (mine, theirs) = (at(&[7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0], &written), at_contributions(&bytes));
    assert_eq!(mine, theirs);
    assert!(written[..mine] == bytes[..theirs]);
    assert!(bytes.ends_with(&written[mine + 16..]));
    points.lagrange = None;
    let written = points.write();
    let again = Ptau::<C>::open(&written).unwrap();
    assert!(!again.is_prepared());
    assert!(matches!(again.lagrange_tau_g1(0), Err(FormatError { reason: Reason::NotPrepared, .. })));
    points.tau_g2.pop();
    assert!(matches!(
        Ptau::<C>::open(&points.write()).map(|_| ()).map_err(|e| e.reason),
        Err(Reason::SectionSize { .. })
    ));
}

/// Where section 7 begins, walking over the container.
fn at_contributions(bytes: &[u8]) -> usize {
    let mut at = 12;
    while bytes[at] != 7 {
        at += 12 + u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
    }
    at
}

fn curves_are_told_apart<C: Curve>() {
    assert_eq!(r1cs::curve_of(&fixture::<C>("tiny.r1cs")), Ok(C::ID));
    assert_eq!(wtns::curve_of(&fixture::<C>("tiny.wtns")), Ok(C::ID));
    assert_eq!(zkey::curve_of(&fixture::<C>("final.zkey")), Ok(C::ID));
    assert_eq!(ptau::curve_of(&fixture::<C>("pot.ptau")), Ok(C::ID));
    assert_eq!(json::curve_of(text::<C>("verification_key.json")), Ok(C::ID));
    assert_eq!(json::curve_of(text::<C>("proof.json")), Ok(C::ID));
}

fn secrets_are_not_shown<C: Curve>() {
    let wtns = Wtns::<C::Scalar>::read(&fixture::<C>("tiny.wtns")).unwrap();
    assert_eq!(format!("{wtns:?}"), format!("Wtns({} values)", wtns.values.len()));
    let inputs = Inputs::<C::Scalar>::from_json(r#"{"a":[1234567,2],"b":3}"#).unwrap();
    assert_eq!(format!("{inputs:?}"), r#"Inputs {"a": 2, "b": 1}"#);
}
