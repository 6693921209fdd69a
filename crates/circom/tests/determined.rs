//! What the static check sees, in circuits of a few constraints with and without a gap.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, One, PrimeField, Zero};
use num_bigint::BigUint;
use tacit_algebra::CurveId;
use tacit_circom::r1cs::LinearCombination;
use tacit_circom::{Constraint, R1cs};

type Terms<'a> = &'a [(u32, i64)];

fn terms(lc: Terms<'_>) -> LinearCombination<Fr> {
    lc.iter().map(|(wire, k)| (*wire, Fr::from(*k))).collect()
}

/// A circuit whose first wires are private inputs. Wire 0 is one.
fn circuit(inputs: u32, wires: u32, constraints: &[(Terms<'_>, Terms<'_>, Terms<'_>)]) -> R1cs<Fr> {
    let constraints =
        constraints.iter().map(|(a, b, c)| Constraint { a: terms(a), b: terms(b), c: terms(c) });
    R1cs {
        curve: CurveId::Bn254,
        n_wires: wires,
        n_public_outputs: 0,
        n_public_inputs: 0,
        n_private_inputs: inputs,
        n_labels: wires.into(),
        constraints: constraints.collect(),
        wire_labels: (0..wires.into()).collect(),
    }
}

fn free(r1cs: &R1cs<Fr>) -> Vec<u32> {
    r1cs.determination().free
}

#[test]
fn a_product_determines_its_result_and_no_factor() {
    // in1 * in2 = w3, w3 * w3 = w4
    let good = circuit(2, 5, &[(&[(1, 1)], &[(2, 1)], &[(3, 1)]), (&[(3, 1)], &[(3, 1)], &[(4, 2)])]);
    let found = good.determination();
    assert_eq!((found.free, found.unused, found.conditions), (vec![], vec![], vec![]));
    // w2 * w2 = in1: a root has a sign.
    assert_eq!(free(&circuit(1, 3, &[(&[(2, 1)], &[(2, 1)], &[(1, 1)])])), [2]);
    // w2 + w3 = in1
    assert_eq!(free(&circuit(1, 4, &[(&[], &[], &[(1, 1), (2, -1), (3, -1)])])), [2, 3]);
}

#[test]
fn what_no_constraint_mentions_is_unused() {
    let r1cs = circuit(2, 4, &[(&[(1, 1)], &[(1, 1)], &[(3, 1)])]);
    let found = r1cs.determination();
    assert_eq!((found.free, found.unused), (vec![], vec![2]));
    let r1cs = circuit(1, 4, &[(&[(1, 1)], &[(1, 1)], &[(3, 1)])]);
    let found = r1cs.determination();
    assert_eq!((found.free, found.unused), (vec![2], vec![2]));
}

#[test]
fn a_quotient_is_a_condition_unless_the_product_is_not_zero() {
    // in1 * w3 = in2
    let r1cs = circuit(2, 4, &[(&[(1, 1)], &[(3, 1)], &[(2, 1)])]);
    let found = r1cs.determination();
    assert_eq!((&found.free[..], &found.conditions[..]), (&[][..], &[0][..]));
    let three = Fr::from(3u64);
    assert_eq!(found.complete(&r1cs, &[three, Fr::from(12u64)]).unwrap()[3], Fr::from(4u64));
    // in1 * w2 = 7, and the divisor a sum, on the other side: w2 * (in1 + 1) = 7
    let seven = circuit(1, 3, &[(&[(1, 1)], &[(2, 1)], &[(0, 7)])]);
    assert_eq!(seven.determination().conditions, [0u32; 0]);
    let r1cs = circuit(1, 3, &[(&[(2, 1)], &[(1, 1), (0, 1)], &[(0, 8)])]);
    let found = r1cs.determination();
    assert_eq!((&found.free[..], &found.conditions[..]), (&[][..], &[][..]));
    assert_eq!(found.complete(&r1cs, &[three]).unwrap()[2], Fr::from(2u64));
    // (w2 + in1) * in1 = 7 is a quotient too; one that says nothing of w2 alone where in1 = 0, which cannot be.
    let r1cs = circuit(1, 3, &[(&[(2, 1), (1, 1)], &[(1, 1)], &[(0, 12)])]);
    assert_eq!(r1cs.determination().complete(&r1cs, &[three]).unwrap()[2], Fr::one());
}

/// in1; 2 is the inverse, 3 the result.
const ZERO_TEST: [(Terms<'_>, Terms<'_>, Terms<'_>); 3] =
    [(&[(1, 1)], &[(2, 1)], &[(0, 1), (3, -1)]), (&[(1, 1)], &[(3, 1)], &[]), (&[(3, 1)], &[(2, 1)], &[])];

#[test]
fn a_zero_test_needs_all_of_its_constraints() {
    let good = circuit(1, 4, &ZERO_TEST);
    let found = good.determination();
    assert_eq!((&found.free[..], &found.conditions[..]), (&[][..], &[][..]));
    for (input, inverse, result) in [(0u64, 0u64, 1u64), (1, 1, 0)] {
        let witness = found.complete(&good, &[Fr::from(input)]).unwrap();
        assert_eq!(witness[2..], [Fr::from(inverse), Fr::from(result)]);
        assert_eq!(good.check(&witness), Ok(()));
    }
    assert_eq!(found.assertions, [0u32; 0]);
    let witness = found.complete(&good, &[Fr::from(5u64)]).unwrap();
    assert_eq!(good.check(&witness), Ok(()));
    for missing in 0..3 {
        let rest: Vec<_> = (0..3).filter(|i| *i != missing).map(|i| ZERO_TEST[i]).collect();
        let found = circuit(1, 4, &rest).determination();
        let sound = found.free.is_empty() && found.conditions.is_empty();
        assert!(!sound, "without {missing}");
    }
    // `in1 * y = 0` for another input is none.
    let other = [ZERO_TEST[0], (&[(4, 1)][..], &[(3, 1)][..], &[][..]), ZERO_TEST[2]];
    let found = circuit(1, 5, &other).determination();
    assert!(found.free.contains(&3) || !found.conditions.is_empty());
}

/// in1 as bits 2, 3, ...: `places` of them, with `coefficient` before the sum.
fn bits(places: u32, coefficient: Fr, boolean: bool) -> R1cs<Fr> {
    let mut r1cs = circuit(1, 2 + places, &[]);
    let wires = (2..2 + places).map(|wire| (wire, coefficient * Fr::from(2u64).pow([u64::from(wire) - 2])));
    let c = wires.chain([(1, -coefficient)]).collect();
    r1cs.constraints.push(Constraint { a: vec![], b: vec![], c });
    for wire in (2..2 + places).filter(|_| boolean) {
        let (a, b) = (terms(&[(wire, 1)]), terms(&[(wire, 1), (0, -1)]));
        r1cs.constraints.push(Constraint { a, b, c: vec![] });
    }
    r1cs
}

#[test]
fn bits_are_bits_and_fewer_than_the_orders() {
    for (coefficient, places) in [(Fr::one(), 1), (Fr::one(), 8), (-Fr::one(), 8), (Fr::one(), 253)] {
        let r1cs = bits(places, coefficient, true);
        let found = r1cs.determination();
        assert!(found.free.is_empty(), "{places}");
        let witness = found.complete(&r1cs, &[Fr::one()]).unwrap();
        assert_eq!(r1cs.check(&witness), Ok(()));
        // The sum can be wrong, a bit cannot, except for one that is the sum.
        assert_eq!(found.assertions, [u32::from(places == 1)]);
        assert!(places > 8 || r1cs.check(&found.complete(&r1cs, &[Fr::from(300u64)]).unwrap()).is_err());
    }
    assert_eq!(free(&bits(8, Fr::one(), false)).len(), 8);
    // Other multiples than of 1 and -1 might be allowed, and are not needed.
    assert_eq!(free(&bits(8, Fr::from(3u64), true)).len(), 8);
    assert_eq!(free(&bits(254, Fr::one(), true)).len(), 254);
}

/// 254 bits that a comparator keeps from exceeding a number of 254 bits.
fn compared(most: &BigUint) -> R1cs<Fr> {
    let mut r1cs = bits(254, Fr::one(), true);
    let lowest = (0..254).find(|i| !most.bit(*i)).unwrap();
    let mut tied = 2 + 253;
    for place in (lowest..253).rev() {
        let bit = 2 + u32::try_from(place).unwrap();
        let mut c = vec![];
        if most.bit(place) {
            c.push((r1cs.n_wires, Fr::one()));
            r1cs.n_wires += 1;
        }
        r1cs.constraints.push(Constraint { a: terms(&[(tied, 1)]), b: terms(&[(bit, 1)]), c });
        if most.bit(place) {
            tied = r1cs.n_wires - 1;
        }
    }
    r1cs
}

#[test]
fn a_comparator_counts_if_it_compares_with_less_than_the_order() {
    let order = BigUint::from_bytes_be(&Fr::MODULUS.to_bytes_be());
    for (most, sound) in [
        (&order - 1u8, true),
        ((&order >> 128 << 128) - 1u8, true),
        (BigUint::one() << 253, true),
        (order.clone(), false),
        (&order + 1u8, false),
        (&order + (BigUint::one() << 128), false),
        ((BigUint::one() << 254) - 2u8, false),
    ] {
        let r1cs = compared(&most);
        let found = r1cs.determination();
        assert_eq!(found.free.is_empty(), sound, "{most:x}");
        if sound {
            let largest = found.complete(&r1cs, &[Fr::from(most.clone())]).unwrap();
            assert_eq!(r1cs.check(&largest), Ok(()));
            let larger = found.complete(&r1cs, &[Fr::from(most.clone() + 1u8)]).unwrap();
            // The order's successor's predecessor is zero.
            assert_eq!(r1cs.check(&larger).is_ok(), Fr::from(most.clone() + 1u8).is_zero());
        }
    }
    // One constraint less, and there is a gap.
    let mut r1cs = compared(&(&order - 1u8));
    r1cs.constraints.remove(1 + 254 + 3);
    assert!(!free(&r1cs).is_empty());
}
