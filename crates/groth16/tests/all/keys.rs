//! The circuit id, and what is checked when a key is pinned.

use crate::both_curves;
use crate::support::{fixture, random_circuit, rng};
use ark_ff::{AdditiveGroup, Field};
use tacit_algebra::{Check, Curve, G1Affine, G2Affine, Group, Point};
use tacit_circom::{Coefficient, Matrix, Zkey};
use tacit_groth16::{KeyError, ProvingKey, contribute, setup};

both_curves! {
    the_circuit_id_knows_the_key_and_not_its_record
    keys_made_elsewhere_pass_the_check
    a_damaged_key_is_refused
    a_malicious_key_is_refused
}

fn key<C: Curve>() -> Zkey<C> {
    let circuit = random_circuit::<C>(2, 3, 12, 7);
    setup::dev(&circuit.r1cs, &mut rng(8)).unwrap()
}

/// A change that makes another key, given a point to put in.
type Change<C> = fn(&mut Zkey<C>, G1Affine<C>);

fn id<C: Curve>(zkey: &Zkey<C>) -> tacit_groth16::CircuitId {
    ProvingKey::from_zkey(zkey.clone()).unwrap().circuit_id
}

fn the_circuit_id_knows_the_key_and_not_its_record<C: Curve>() {
    let zkey = key::<C>();
    let own = id(&zkey);

    let mut same = zkey.clone();
    same.coefficients.reverse();
    // Two entries of one place add up, and zeros are nothing.
    let Coefficient { matrix, constraint, wire, .. } = same.coefficients[0];
    same.coefficients[0].value -= C::Scalar::ONE;
    same.coefficients.push(Coefficient { matrix, constraint, wire, value: C::Scalar::ONE });
    same.coefficients.push(Coefficient { matrix: Matrix::B, constraint: 3, wire: 1, value: C::Scalar::ZERO });
    same.contributions.clear();
    same.cs_hash = [7; 64];
    assert_eq!(id(&same), own);

    let generator = C::G1::generator().to_affine();
    let changes: [Change<C>; 8] = [
        |z, _| z.coefficients[0].value += C::Scalar::ONE,
        |z, _| z.coefficients[0].matrix = Matrix::B,
        |z, g| z.vk.alpha_g1 = g,
        |z, g| z.vk.ic[1] = g,
        |z, g| z.a_query[0] = g,
        |z, g| z.b_g1_query[2] = g,
        |z, g| z.l_query[0] = g,
        |z, g| z.h_query[1] = g,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut other = zkey.clone();
        change(&mut other, generator);
        assert_ne!(id(&other), own, "change {i}");
    }

    let mut contributed = zkey.clone();
    contribute::contribute(&mut contributed, Some("x"), &mut rng(1)).unwrap();
    assert_ne!(id(&contributed), own, "another delta is another key");
}

fn keys_made_elsewhere_pass_the_check<C: Curve>() {
    for name in ["initial.zkey", "contributed.zkey", "final.zkey"] {
        let zkey = Zkey::<C>::read(&fixture::<C>(name), Check::Full).unwrap();
        assert_eq!(ProvingKey::from_zkey(zkey).unwrap().check(), Ok(()), "{name}");
    }
}

fn a_damaged_key_is_refused<C: Curve>() {
    let zkey = key::<C>();
    let refused = |change: fn(&mut Zkey<C>)| {
        let mut other = zkey.clone();
        change(&mut other);
        ProvingKey::from_zkey(other).unwrap_err()
    };
    let lengths: [fn(&mut Zkey<C>); 6] = [
        |z| {
            z.vk.ic.pop();
        },
        |z| {
            z.a_query.pop();
        },
        |z| {
            z.b_g1_query.pop();
        },
        |z| {
            z.b_g2_query.pop();
        },
        |z| {
            z.l_query.pop();
        },
        |z| {
            z.h_query.pop();
        },
    ];
    for change in lengths {
        let KeyError::Size { expected, got, .. } = refused(change) else { panic!() };
        assert_eq!(expected, got + 1);
    }
    assert!(matches!(refused(|z| z.n_public = z.n_wires), KeyError::PublicWires { .. }));
    assert!(matches!(refused(|z| z.log_domain = 60), KeyError::Domain(_)));
    let wire = refused(|z| z.coefficients[5].wire = z.n_wires);
    assert!(matches!(wire, KeyError::Coefficient { index: 5, .. }));
    let row = refused(|z| z.coefficients[5].constraint = 1 << z.log_domain);
    assert!(matches!(row, KeyError::Coefficient { index: 5, .. }));
}

fn a_malicious_key_is_refused<C: Curve>() {
    let zkey = key::<C>();
    let checked = |change: fn(&mut Zkey<C>)| {
        let mut other = zkey.clone();
        change(&mut other);
        ProvingKey::from_zkey(other).unwrap().check()
    };
    assert_eq!(checked(|_| {}), Ok(()));
    let delta = checked(|z| {
        z.vk.delta_g2 = G2Affine::<C>::identity();
        z.delta_g1 = G1Affine::<C>::identity();
    });
    assert_eq!(delta, Err(KeyError::Identity { element: "delta" }));
    let gamma = checked(|z| z.vk.gamma_g2 = G2Affine::<C>::identity());
    assert_eq!(gamma, Err(KeyError::Identity { element: "gamma" }));
    let delta = checked(|z| z.delta_g1 = C::G1::generator().to_affine());
    assert_eq!(delta, Err(KeyError::Inconsistent { element: "delta" }));
    let beta = checked(|z| z.beta_g1 = C::G1::generator().to_affine());
    assert_eq!(beta, Err(KeyError::Inconsistent { element: "beta" }));
    // Acceptance of a proof would tell whether wire 4 is zero.
    let query = checked(|z| z.b_g2_query[4] = C::G2::generator().to_affine());
    assert_eq!(query, Err(KeyError::Inconsistent { element: "B-query" }));
}
