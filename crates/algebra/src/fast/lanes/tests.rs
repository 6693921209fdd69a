//! Limbs and multiplication against whole numbers, at their bounds.

#![allow(clippy::unwrap_used)]

use ark_ff::{BigInt, Fp, MontBackend, MontConfig, PrimeField, UniformRand};
use ark_std::rand::Rng;
use num_bigint::{BigInt as Integer, BigUint, Sign};

use super::add::{LANES, gather, scatter};
use super::constants::{BITS, Constants, LIMBS, Limbs};
use super::multiply::{BLOCK, Block, Multiplier};

type Field = MontBackend<ark_bn254::FqConfig, 4>;
const CONSTANTS: &Constants = &Constants::of::<ark_bn254::FqConfig>();

fn modulus() -> Integer {
    BigUint::from(<Fp<Field, 4> as PrimeField>::MODULUS).into()
}

fn integer(limbs: &Limbs) -> Integer {
    limbs.iter().rev().fold(Integer::default(), |n, limb| {
        assert_eq!(limb.fract(), 0.0);
        (n << BITS) + *limb as i64
    })
}

fn words(value: &Integer) -> [u64; 4] {
    let (sign, mut words) = value.to_u64_digits();
    assert_ne!(sign, Sign::Minus);
    words.resize(4, 0);
    words.try_into().unwrap()
}

fn is_balanced(limbs: &Limbs) -> bool {
    limbs.iter().all(|limb| limb.abs() <= (1u64 << (BITS - 1)) as f64)
}

fn edges() -> Vec<Integer> {
    let q = modulus();
    let half = &q >> 1;
    let mut edges: Vec<Integer> = (0..3).map(Integer::from).collect();
    edges.extend((1..3).map(|k| &q - k));
    edges.extend((-2..3).map(|k: i32| &half + k));
    // Close to where the last word of half the modulus decides.
    let decides = (&half >> 192) << 192;
    edges.extend((-2..3).map(|k: i32| &decides + k));
    for bit in (0..254).step_by(17).chain((1..5).map(|i| 51 * i)).chain((1..5).map(|i| 51 * i - 1)) {
        edges.push(Integer::from(1) << bit);
        edges.push((Integer::from(1) << bit) - 1);
    }
    edges
}

#[test]
fn limbs_are_balanced_and_stand_for_the_value() {
    let q = modulus();
    let mut rng = ark_std::test_rng();
    let random = (0..500).map(|_| Integer::from(BigUint::from(Fp::<Field, 4>::rand(&mut rng).into_bigint())));
    for value in edges().into_iter().chain(random.collect::<Vec<_>>()).filter(|value| *value < q) {
        let limbs = CONSTANTS.split(&words(&value));
        assert!(is_balanced(&limbs), "{value}");
        let difference = &value - integer(&limbs);
        assert!(difference == Integer::default() || difference == q, "{value}");
        assert!(integer(&limbs).magnitude() << 1 <= (q.magnitude() + (q.magnitude() >> 50)), "{value}");
        assert_eq!(CONSTANTS.join(&limbs), words(&value));
        // Limbs beyond their range are taken, too.
        let twice = limbs.map(|limb| 2.0 * limb);
        let residue = (integer(&twice) % &q + &q) % &q;
        if integer(&twice).magnitude() < q.magnitude() {
            assert_eq!(CONSTANTS.join(&twice), words(&residue));
        }
    }
}

/// What addition takes for a factor: a result, or the difference of two.
fn factors(differences: bool) -> Vec<Limbs> {
    let q = modulus();
    let mut rng = ark_std::test_rng();
    let mut results: Vec<Limbs> =
        edges().iter().map(|value| CONSTANTS.split(&words(&(value % &q)))).collect();
    // The largest limbs that there are.
    let most = (1u64 << (BITS - 1)) as f64;
    let last = (CONSTANTS.modulus[LIMBS - 1].0[0] / 2.0).floor() - 1.0;
    for signs in 0..32 {
        let sign = |i: u32| if signs >> i & 1 == 1 { -1.0 } else { 1.0 };
        results.push([most * sign(0), most * sign(1), most * sign(2), most * sign(3), last * sign(4)]);
    }
    results.extend((0..200).map(|_| CONSTANTS.split(&Fp::<Field, 4>::rand(&mut rng).0.0)));
    if !differences {
        return results;
    }
    let minus = |a: &Limbs, b: &Limbs| std::array::from_fn(|i| a[i] - b[i]);
    let mut differences: Vec<Limbs> =
        results.iter().zip(results.iter().rev()).map(|(a, b)| minus(a, b)).collect();
    differences.extend(results.iter().map(|a| minus(a, &a.map(|limb| -limb))));
    differences
}

fn multiplication<const D: usize>() {
    let q = modulus();
    // The inverse of 2^255.
    let unit = Integer::from(2).modpow(&(&q - 2), &q).modpow(&Integer::from(255), &q);
    let (results, differences) = (factors(false), factors(true));
    let mut rng = ark_std::test_rng();
    let mut pick = |from: &[Limbs]| -> [[[Limbs; D]; LANES]; BLOCK] {
        std::array::from_fn(|_| {
            std::array::from_fn(|_| std::array::from_fn(|_| from[rng.gen_range(0..from.len())]))
        })
    };
    #[target_feature(enable = "avx2,fma")]
    fn pack<const D: usize>(lanes: &[[[Limbs; D]; LANES]; BLOCK]) -> Block<D> {
        let [a, b, c, d] = lanes;
        let one = |[a, b, c, d]: &[[Limbs; D]; LANES]| gather([a, b, c, d]);
        [one(a), one(b), one(c), one(d)]
    }
    let unpack = |block: &Block<D>| {
        let mut lanes = [[[[0.0; LIMBS]; D]; LANES]; BLOCK];
        for (element, [a, b, c, d]) in block.iter().zip(&mut lanes) {
            // SAFETY: the test asked for AVX2 and FMA.
            unsafe { scatter(element, [a, b, c, d]) };
        }
        lanes
    };
    // (a0 + a1 i)(b0 + b1 i)
    let product = |a: &[Limbs; D], b: &[Limbs; D]| -> Vec<Integer> {
        match (a.as_slice(), b.as_slice()) {
            ([a], [b]) => vec![integer(a) * integer(b)],
            ([a0, a1], [b0, b1]) => {
                let [a0, a1, b0, b1] = [a0, a1, b0, b1].map(integer);
                vec![&a0 * &b0 - &a1 * &b1, a0 * b1 + a1 * b0]
            }
            _ => vec![],
        }
    };
    let check = |got: &[[[Limbs; D]; LANES]; BLOCK], expected: &dyn Fn(usize, usize) -> Vec<Integer>| {
        for (i, lanes) in got.iter().enumerate() {
            for (j, got) in lanes.iter().enumerate() {
                for (got, expected) in got.iter().zip(expected(i, j)) {
                    assert!(is_balanced(got));
                    assert_eq!((integer(got) - expected) % &q, Integer::default());
                    assert!(integer(got).magnitude() << 1 <= q.magnitude() + (q.magnitude() >> 39));
                }
            }
        }
    };
    let mut multiplier = Multiplier::new(CONSTANTS);
    for _ in 0..300 {
        let (a, b, c, d) = (pick(&results), pick(&differences), pick(&differences), pick(&results));
        let product_of = |a: &[Limbs; D], b: &[Limbs; D], times: i32| -> Vec<Integer> {
            product(a, b).into_iter().map(|n| n * &unit * times).collect()
        };
        // SAFETY: the test asked for AVX2 and FMA.
        unsafe {
            let mut out = pack(&c);
            multiplier.multiply(&pack(&a), &pack(&b), &mut out);
            check(&unpack(&out), &|i, j| product_of(&a[i][j], &b[i][j], 1));
            let mut out = pack(&a);
            multiplier.multiply_in_place(&mut out, &pack(&b));
            check(&unpack(&out), &|i, j| product_of(&a[i][j], &b[i][j], 1));
            let mut out = pack(&d);
            multiplier.multiply_minus(&pack(&a), &pack(&b), &mut out);
            let minus =
                |n: Vec<Integer>, c: &[Limbs; D]| n.into_iter().zip(c).map(|(n, c)| n - integer(c)).collect();
            check(&unpack(&out), &|i, j| minus(product_of(&a[i][j], &b[i][j], 1), &d[i][j]));
            let mut out = pack(&c);
            multiplier.double_square_minus(&pack(&a), &mut out);
            check(&unpack(&out), &|i, j| minus(product_of(&a[i][j], &a[i][j], 2), &c[i][j]));
        }
    }
}

#[test]
fn products_are_those_of_whole_numbers() {
    if super::are_available() {
        multiplication::<1>();
        multiplication::<2>();
    }
}

/// Whatever the modulus, the constants are what they are called.
#[test]
fn constants_are_what_they_are_called() {
    fn check<T: MontConfig<4>>() {
        let constants = Constants::of::<T>();
        let q: Integer = BigUint::from(BigInt::<4>(T::MODULUS.0)).into();
        let value = |lanes: &[super::constants::Lane4; LIMBS]| integer(&lanes.map(|lane| lane.0[0]));
        assert_eq!(value(&constants.modulus), q);
        for (up, places) in constants.up.iter().zip([4u32, 3, 2, 1]) {
            assert_eq!(((value(up) << (BITS * places)) - 1) % &q, Integer::default());
        }
        assert_eq!((integer(&constants.one) - (Integer::from(1) << 255)) % &q, Integer::default());
        let quarter: Integer = BigUint::from(BigInt::<4>(constants.quarter)).into();
        assert_eq!((quarter - (Integer::from(1) << 254)) % &q, Integer::default());
        let inverse = Integer::from(constants.negated_inverse as i64);
        assert_eq!((inverse * &q + 1) % (Integer::from(1) << BITS), Integer::default());
    }
    check::<ark_bn254::FqConfig>();
}
