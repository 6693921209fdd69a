//! Dealing, interpolation and consistency, over large and tiny fields.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, Fp64, MontBackend, MontConfig, PrimeField};
use proptest::prelude::*;
use tacit_algebra::{Bn254, Group, Groups, field};
use tacit_sharing::interpolate::{disagreeing, disagreeing_in_field, in_field, in_group};
use tacit_sharing::lagrange::{coefficients_at, coefficients_at_zero};
use tacit_sharing::{Extension, Shape, SharingError};

#[derive(MontConfig)]
#[modulus = "5"]
#[generator = "2"]
struct F5Config;
type F5 = Fp64<MontBackend<F5Config, 1>>;

#[derive(MontConfig)]
#[modulus = "17"]
#[generator = "3"]
struct F17Config;
type F17 = Fp64<MontBackend<F17Config, 1>>;

fn element() -> impl Strategy<Value = Fr> {
    any::<[u8; 48]>().prop_map(|bytes| field::from_uniform_bytes(&bytes))
}

/// All shares, `(index, value)`, of a secret with given first shares.
fn deal<F: PrimeField>(n: u8, secret: F, first: &[F]) -> Vec<(u8, F)> {
    let shape = Shape::new::<F>(n, first.len() as u8).unwrap();
    let rest = Extension::new(shape).unwrap().rest(secret, first).unwrap();
    (1..).zip(first.iter().copied().chain(rest)).collect()
}

fn horner(coefficients: &[Fr], x: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

prop_compose! {
    fn sharing()(n in 1..=16u8)(
        n in Just(n),
        secret in element(),
        first in prop::collection::vec(element(), 0..usize::from(n)),
        order in Just((1..=n).collect::<Vec<u8>>()).prop_shuffle(),
    ) -> (Vec<(u8, Fr)>, Fr, usize, Vec<u8>) {
        let shares = deal(n, secret, &first);
        (shares, secret, first.len(), order)
    }
}

proptest! {
    #[test]
    fn any_degree_plus_one_shares_open(case in sharing()) {
        let (shares, secret, degree, order) = case;
        let chosen: Vec<(u8, Fr)> = order.iter().map(|i| shares[usize::from(*i) - 1]).collect();
        prop_assert_eq!(in_field(Fr::ZERO, &chosen[..=degree]).unwrap(), secret);
        prop_assert_eq!(in_field(Fr::ZERO, &chosen).unwrap(), secret);
        // And give every other share.
        for (index, share) in &shares {
            prop_assert_eq!(in_field(Fr::from(*index), &chosen[..=degree]).unwrap(), *share);
        }
        prop_assert_eq!(disagreeing_in_field(degree as u8, &chosen).unwrap(), Vec::<u8>::new());
        // One share fewer is of another secret, unless the polynomial happens to have a lower degree.
        if degree > 0 {
            prop_assert_ne!(in_field(Fr::ZERO, &chosen[..degree]).unwrap(), secret);
        }
    }

    #[test]
    fn dealing_is_evaluation(coefficients in prop::collection::vec(element(), 1..=8), n in 8..=16u8) {
        let degree = coefficients.len() - 1;
        let first: Vec<Fr> = (1..=degree as u64).map(|i| horner(&coefficients, Fr::from(i))).collect();
        for (index, share) in deal(n, coefficients[0], &first) {
            prop_assert_eq!(share, horner(&coefficients, Fr::from(index)));
        }
    }

    #[test]
    fn coefficients_evaluate_every_polynomial(
        coefficients in prop::collection::vec(element(), 1..=16),
        x in element(),
        order in Just((1..=16u8).collect::<Vec<u8>>()).prop_shuffle(),
    ) {
        let points = &order[..coefficients.len()];
        let at = |x| -> Fr {
            let weights = coefficients_at(x, points).unwrap();
            points.iter().zip(weights).map(|(i, l)| l * horner(&coefficients, Fr::from(*i))).sum()
        };
        prop_assert_eq!(at(x), horner(&coefficients, x));
        prop_assert_eq!(at(Fr::ZERO), coefficients[0]);
        prop_assert_eq!(coefficients_at_zero::<Fr>(points), coefficients_at(Fr::ZERO, points));
    }

    #[test]
    fn whoever_is_off_the_first_ones_polynomial_is_named(case in sharing(), by in element()) {
        let (mut shares, _, degree, order) = case;
        prop_assume!(degree + 1 < shares.len() && by != Fr::ZERO);
        let liar = order.iter().copied().find(|i| usize::from(*i) > degree + 1).unwrap();
        shares[usize::from(liar) - 1].1 += by;
        prop_assert_eq!(disagreeing_in_field(degree as u8, &shares).unwrap(), vec![liar]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn interpolation_in_the_exponent_is_interpolation(case in sharing(), x in element(), by in element()) {
        type G = <Bn254 as Groups>::G1;
        let (mut shares, _, degree, _) = case;
        let raise = |shares: &[(u8, Fr)]| -> Vec<(u8, G)> {
            shares.iter().map(|(i, s)| (*i, G::generator().scale(s))).collect()
        };
        let expected = G::generator().scale(&in_field(x, &shares).unwrap());
        prop_assert_eq!(in_group(x, &raise(&shares)).unwrap(), expected);
        prop_assert!(disagreeing::<Fr, G>(degree as u8, &raise(&shares)).unwrap().is_empty());
        if degree + 1 < shares.len() && by != Fr::ZERO {
            let last = shares.last_mut().unwrap();
            last.1 += by;
            let last = last.0;
            prop_assert_eq!(disagreeing::<Fr, G>(degree as u8, &raise(&shares)).unwrap(), vec![last]);
        }
    }
}

/// Exactly: over all free shares, any `d` shares take every value equally often, for every secret.
#[test]
fn degree_many_shares_are_uniform_exactly() {
    for (n, degree) in [(2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (4, 3)] {
        for secret in 0..5u64 {
            for chosen in (0u32..1 << n).filter(|s| s.count_ones() == degree) {
                let mut counts = vec![0u32; 5usize.pow(degree)];
                for outcome in 0..5u64.pow(degree) {
                    let first: Vec<F5> = (0..degree).map(|k| F5::from(outcome / 5u64.pow(k) % 5)).collect();
                    let shares = deal(n, F5::from(secret), &first);
                    let seen = shares.iter().filter(|(i, _)| chosen >> (i - 1) & 1 == 1);
                    let number = seen.fold(0, |number, (_, s)| number * 5 + s.into_bigint().0[0] as usize);
                    counts[number] += 1;
                }
                assert!(counts.iter().all(|c| *c == 1), "n = {n}, degree {degree}, nodes {chosen:b}");
            }
        }
    }
}

#[test]
fn a_sharing_of_zero_opens_to_zero_at_its_degree_only() {
    let f = |x: u64| Fr::from(x);
    let masks = deal(7, Fr::ZERO, &[f(3), f(1), f(4), f(1), f(5), f(9)]);
    assert_eq!(in_field(Fr::ZERO, &masks).unwrap(), Fr::ZERO);
    assert_ne!(in_field(Fr::ZERO, &masks[..6]).unwrap(), Fr::ZERO);
}

#[test]
fn layouts_that_cannot_be_are_refused() {
    assert_eq!(Shape::new::<Fr>(0, 0), Err(SharingError::Nodes { n: 0 }));
    assert_eq!(Shape::new::<Fr>(17, 1), Err(SharingError::Nodes { n: 17 }));
    assert_eq!(Shape::new::<Fr>(4, 4), Err(SharingError::Degree { n: 4, degree: 4 }));
    assert_eq!(Shape::new::<F5>(5, 1), Err(SharingError::SmallField { n: 5 }));
    assert!(Shape::new::<F5>(4, 3).is_ok());
    assert!(Shape::new::<F17>(16, 15).is_ok());
    let large = Shape::new::<Fr>(6, 2).unwrap();
    assert_eq!(Extension::<F5>::new(large), Err(SharingError::SmallField { n: 6 }));
    let extension = Extension::<Fr>::new(large).unwrap();
    assert_eq!(extension.shape(), large);
    for wrong in [&[][..], &[Fr::ONE], &[Fr::ONE; 3]] {
        let expected = SharingError::Count { expected: 2, got: wrong.len() };
        assert_eq!(extension.rest(Fr::ONE, wrong), Err(expected));
    }
}

#[test]
fn sets_of_shares_that_cannot_be_are_refused() {
    let one = Fr::ONE;
    assert_eq!(in_field(one, &[]), Err(SharingError::Count { expected: 1, got: 0 }));
    assert_eq!(in_field(one, &[(0, one)]), Err(SharingError::Index { index: 0 }));
    assert_eq!(in_field(one, &[(17, one)]), Err(SharingError::Index { index: 17 }));
    assert_eq!(in_field(one, &[(2, one), (3, one), (2, one)]), Err(SharingError::Duplicate { index: 2 }));
    assert_eq!(in_field(F5::ONE, &[(5, F5::ONE)]), Err(SharingError::SmallField { n: 5 }));
    assert_eq!(
        disagreeing_in_field(2, &[(1, one), (2, one)]),
        Err(SharingError::Count { expected: 3, got: 2 })
    );
}
