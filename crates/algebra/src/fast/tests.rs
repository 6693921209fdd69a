//! Every fast path against the simple one.

#![allow(clippy::unwrap_used)]

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveConfig, CurveGroup, PrimeGroup, VariableBaseMSM};
use ark_ff::{
    AdditiveGroup, BigInt, BitIteratorBE, Field, Fp, MontBackend, MontConfig, PrimeField, UniformRand, Zero,
};
use ark_std::rand::Rng;
use num_bigint::BigUint;

use super::FastCurve;
use super::arithmetic::Arithmetic;
use super::backend::{Backend, Portable, with_backend};
use super::batch::{Adder, OneByOne};
use super::glv::Glv;
#[cfg(target_arch = "x86_64")]
use super::lanes::{self, Lanes};
use super::msm::{self, Windows};
use super::subgroup;
use crate::{Group, Point};

fn edges<F: Field>() -> Vec<F> {
    vec![F::ZERO, F::ONE, -F::ONE, F::ONE.double(), -F::ONE.double()]
}

fn multiplication<T: MontConfig<N>, const N: usize>() {
    with_backend!(B => field_operations::<B, T, N>());
    field_operations::<Portable, T, N>();
}

fn field_operations<B: Backend, T: MontConfig<N>, const N: usize>() {
    type F<T, const N: usize> = Fp<MontBackend<T, N>, N>;
    let mut rng = ark_std::test_rng();
    let mut values: Vec<F<T, N>> = edges();
    // All ones in the limbs that may be, and limbs of zero.
    values.push(F::new_unchecked(BigInt::new([0; N])));
    let mut low = [0; N];
    low[0] = u64::MAX;
    values.push(F::new_unchecked(BigInt::new(low)));
    let mut high = T::MODULUS.0;
    high[0] -= 1;
    values.push(F::new_unchecked(BigInt::new(high)));
    values.extend((0..200).map(|_| F::rand(&mut rng)));
    for a in &values {
        for b in &values {
            assert_eq!(B::mul(a, b), *a * b);
            assert_eq!(a.plus::<B>(b), *a + b);
            assert_eq!(a.minus::<B>(b), *a - b);
        }
        assert_eq!(a.inverted(), a.inverse());
        assert_eq!(a.negated_if(true), -*a);
        assert_eq!(a.negated_if(false), *a);
        assert_eq!(a.doubled::<B>(), a.double());
    }
}

#[test]
fn products_and_sums_are_those_of_arkworks() {
    multiplication::<ark_bn254::FqConfig, 4>();
    multiplication::<ark_bn254::FrConfig, 4>();
    multiplication::<ark_bls12_381::FqConfig, 6>();
    multiplication::<ark_bls12_381::FrConfig, 4>();
}

/// Inverses of small numbers and their inverses, of powers of two and of much else.
#[test]
fn inverses_are_those_of_arkworks() {
    fn check<T: MontConfig<4>>() {
        type F<T> = Fp<MontBackend<T, 4>, 4>;
        let mut rng = ark_std::test_rng();
        let mut values: Vec<F<T>> = (0..400u64).map(F::from).collect();
        values.extend((0..400u64).map(|k| F::<T>::from(2u64).pow([k])));
        values.extend((0..20_000).map(|_| F::rand(&mut rng)));
        for value in values {
            assert_eq!(value.inverted(), value.inverse());
            assert_eq!((-value).inverted(), (-value).inverse());
            // The same, of the limbs as they are.
            let integer = F::<T>::new_unchecked(BigInt::new(value.into_bigint().0));
            assert_eq!(integer.inverted(), integer.inverse());
        }
    }
    check::<ark_bn254::FqConfig>();
    check::<ark_bn254::FrConfig>();
    check::<ark_bls12_381::FrConfig>();
}

/// Factors and terms beyond the modulus, as far as [`Backend`] allows them.
fn loose_bounds<B: Backend, T: MontConfig<4>>() {
    type Limbs = [u64; 4];
    let number = |limbs: &Limbs| limbs.iter().rev().fold(BigUint::default(), |n, l| (n << 64) + *l);
    let limbs = |n: &BigUint| -> Limbs {
        let mut limbs = n.to_u64_digits();
        limbs.resize(4, 0);
        limbs.try_into().unwrap()
    };
    let q = number(&T::MODULUS.0);
    let mut rng = ark_std::test_rng();
    let below = |k: u32, rng: &mut _| {
        let n = number(&Fp::<MontBackend<T, 4>, 4>::rand(rng).0.0);
        // Close to the bound half of the time.
        if UniformRand::rand(rng) { &q * k - 1u8 - (n >> 190) } else { n * k }
    };
    let r = BigUint::from(1u8) << 256;
    for _ in 0..2000 {
        for (a, b) in [(below(2, &mut rng), below(2, &mut rng)), (below(1, &mut rng), below(4, &mut rng))] {
            let [x, y] = [&a, &b].map(|n| Fp::<MontBackend<T, 4>, 4>::new_unchecked(BigInt::new(limbs(n))));
            let product = number(&B::mul(&x, &y).0.0);
            assert!(product < q);
            assert_eq!(product * &r % &q, &a * &b % &q);
        }
        let (a, b) = (below(3, &mut rng), below(1, &mut rng));
        let (sum, difference) = B::sum_and_difference::<T, 4>(&limbs(&a), &limbs(&b), false);
        assert_eq!((number(&sum), number(&difference)), (&a + &b, &a + &q - &b));
        let (a, b) = (below(2, &mut rng), below(2, &mut rng));
        let (sum, difference) = B::sum_and_difference::<T, 4>(&limbs(&a), &limbs(&b), true);
        assert_eq!((number(&sum), number(&difference)), (&a + &b, &a + &q * 2u8 - &b));
        let a = below(4, &mut rng);
        let reduced = if a >= &q * 2u8 { &a - &q * 2u8 } else { a.clone() };
        assert_eq!(number(&B::reduce_once::<T, 4>(&limbs(&a))), reduced);
    }
    for (a, reduced) in [(&q * 2u8 - 1u8, &q * 2u8 - 1u8), (&q * 2u8, BigUint::default())] {
        assert_eq!(number(&B::reduce_once::<T, 4>(&limbs(&a))), reduced);
    }
}

#[test]
fn values_beyond_the_modulus_are_taken_as_far_as_promised() {
    with_backend!(B => loose_bounds::<B, ark_bn254::FrConfig>());
    with_backend!(B => loose_bounds::<B, ark_bn254::FqConfig>());
    loose_bounds::<Portable, ark_bn254::FrConfig>();
    loose_bounds::<Portable, ark_bn254::FqConfig>();
}

fn extension<F: Arithmetic>() {
    fn with<F: Arithmetic, B: Backend>() {
        let mut rng = ark_std::test_rng();
        let mut values: Vec<F> = edges();
        values.extend((0..100).map(|_| F::rand(&mut rng)));
        // -1 in either part: the largest sums.
        let minus_one = -F::BasePrimeField::ONE;
        values.extend(F::from_base_prime_field_elems([minus_one, minus_one]));
        for a in &values {
            for b in &values {
                assert_eq!(a.times::<B>(b), *a * b);
                assert_eq!(a.plus::<B>(b), *a + b);
                assert_eq!(a.minus::<B>(b), *a - b);
            }
            assert_eq!(a.squared::<B>(), a.square());
            assert_eq!(a.inverted(), a.inverse());
            assert_eq!(a.negated_if(true), -*a);
        }
    }
    with_backend!(B => with::<F, B>());
    with::<F, Portable>();
}

#[test]
fn the_extension_is_by_a_root_of_minus_one() {
    extension::<ark_bn254::Fq2>();
    extension::<ark_bls12_381::Fq2>();
}

/// Random points with what is special among them: neutral, equal, opposite.
fn points<P: FastCurve>(n: usize) -> Vec<Affine<P>> {
    let mut rng = ark_std::test_rng();
    let some: Vec<Projective<P>> = (0..n.min(64)).map(|_| Projective::<P>::rand(&mut rng)).collect();
    let mut all = Vec::with_capacity(n);
    let mut last = Projective::<P>::generator();
    for i in 0..n {
        last += some[i % some.len()];
        all.push(match rng.gen_range(0..10) {
            0 => Projective::ZERO,
            1 => some[0],
            2 => -some[0],
            _ => last,
        });
    }
    Projective::normalize_batch(&all)
}

fn additions<P: FastCurve, A: Adder<P>>() {
    let left = points::<P>(300);
    let mut right = points::<P>(300);
    right.reverse();
    for (l, r) in left.iter().zip(&mut right).step_by(7) {
        *r = *l;
    }
    for (l, r) in left.iter().zip(&mut right).skip(3).step_by(7) {
        *r = -*l;
    }
    let kept = |p: &Affine<P>| if p.is_zero() { A::IDENTITY } else { A::point(p, false) };
    let (l, r): (Vec<_>, Vec<_>) = (left.iter().map(kept).collect(), right.iter().map(kept).collect());
    let mut scratch = A::Scratch::default();
    for n in [0, 1, 15, 16, 17, 300] {
        let mut sums = vec![A::IDENTITY; n];
        A::add(n, &mut scratch, |i| (&l[i], &r[i]), |i, sum| sums[i] = sum);
        for ((l, r), sum) in left.iter().zip(&right).zip(&sums) {
            let expected = (*l + r).into_affine();
            let (x, y) = expected.xy().unwrap_or_default();
            let sum = A::xy(sum);
            assert_eq!((x, y), (sum.x, sum.y));
        }
    }
    for p in left.iter().filter(|p| !p.is_zero()) {
        let negative = A::xy(&A::point(p, true));
        assert_eq!((p.x, -p.y), (negative.x, negative.y));
    }
}

fn additions_one_by_one<P: FastCurve>()
where
    P::BaseField: Arithmetic,
{
    with_backend!(B => additions::<P, OneByOne<B>>());
    additions::<P, OneByOne<Portable>>();
}

#[test]
fn batched_additions_are_additions() {
    additions_one_by_one::<ark_bn254::g1::Config>();
    additions_one_by_one::<ark_bn254::g2::Config>();
    additions_one_by_one::<ark_bls12_381::g1::Config>();
    additions_one_by_one::<ark_bls12_381::g2::Config>();
    #[cfg(target_arch = "x86_64")]
    if lanes::are_available() {
        additions::<ark_bn254::g1::Config, Lanes<1>>();
        additions::<ark_bn254::g2::Config, Lanes<2>>();
    }
}

#[test]
fn a_factor_of_the_first_coordinate() {
    fn with<P: FastCurve, A: Adder<P>>() {
        let factor = P::ENDO_COEFFS[0];
        for n in [0, 1, 16, 37] {
            let some = points::<P>(n);
            let mut kept: Vec<_> =
                some.iter().map(|p| if p.is_zero() { A::IDENTITY } else { A::point(p, false) }).collect();
            A::multiply_x(&mut kept, &factor);
            for (p, q) in some.iter().zip(&kept) {
                let (x, y) = p.xy().unwrap_or_default();
                assert_eq!((x * factor, y), (A::xy(q).x, A::xy(q).y));
            }
            // What was neutral still is.
            let mut scratch = A::Scratch::default();
            let mut sums = vec![A::IDENTITY; n];
            A::add(n, &mut scratch, |i| (&kept[i], &kept[i]), |i, sum| sums[i] = sum);
            for (p, sum) in some.iter().zip(&sums) {
                assert_eq!(p.is_zero(), A::xy(sum).x.is_zero() && A::xy(sum).y.is_zero());
            }
        }
    }
    with_backend!(B => with::<ark_bls12_381::g1::Config, OneByOne<B>>());
    with_backend!(B => with::<ark_bn254::g2::Config, OneByOne<B>>());
    #[cfg(target_arch = "x86_64")]
    if lanes::are_available() {
        with::<ark_bn254::g1::Config, Lanes<1>>();
        with::<ark_bn254::g2::Config, Lanes<2>>();
    }
}

/// Scalars at bounds, and powers of two.
fn special<F: PrimeField>() -> Vec<F> {
    let half = F::from_bigint(F::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
    let mut all: Vec<F> = edges();
    all.extend([half, half + F::ONE, half - F::ONE]);
    all.extend((0..253).step_by(7).map(|k| F::ONE.double().pow([k])));
    all
}

fn halves<P: FastCurve>() {
    let glv = Glv::of::<P>().unwrap();
    let mut rng = ark_std::test_rng();
    let mut scalars = special::<P::ScalarField>();
    scalars.extend((0..5000).map(|_| P::ScalarField::rand(&mut rng)));
    // Where rounding is closest: halves of the basis' vectors, which are furthest from the lattice.
    let [a, b, c, d] = P::SCALAR_DECOMP_COEFFS.map(|(positive, n)| {
        let n = P::ScalarField::from_bigint(n).unwrap();
        if positive { n } else { -n }
    });
    let two = P::ScalarField::ONE.double().inverse().unwrap();
    for (x, y) in [(a + c, b + d), (a, b), (c, d), (a - c, b - d)] {
        let corner = (x + P::LAMBDA * y) * two;
        scalars.extend((0..9u64).map(|i| corner + P::ScalarField::from(i) - P::ScalarField::from(4u64)));
    }
    let (mut longest, beta) = (0, P::ENDO_COEFFS[0]);
    for k in &scalars {
        let [first, second] = glv.halves(k.into_bigint().as_ref().first_chunk().unwrap());
        let value = |half: super::glv::Half| {
            let magnitude = P::ScalarField::from(half.magnitude);
            if half.negative { -magnitude } else { magnitude }
        };
        assert_eq!(value(first) + P::LAMBDA * value(second), *k);
        longest = longest.max(128 - first.magnitude.max(second.magnitude).leading_zeros());
    }
    assert!(longest <= glv.bits && longest + 3 > glv.bits, "{longest} {}", glv.bits);
    for small in [1u64, 2, 1 << 20] {
        let k = P::ScalarField::from(small);
        for (k, negative) in [(k, false), (-k, true)] {
            let [first, second] = glv.halves(k.into_bigint().as_ref().first_chunk().unwrap());
            assert_eq!((first.negative, first.magnitude, second.magnitude), (negative, small.into(), 0));
        }
    }
    // By doubling and adding: the curve's own multiplication may use the endomorphism.
    let p = Projective::<P>::rand(&mut rng);
    let plainly = |k: &P::ScalarField| {
        let bits = BitIteratorBE::new(k.into_bigint());
        bits.fold(Projective::<P>::ZERO, |sum, bit| if bit { sum.double() + p } else { sum.double() })
    };
    let affine = p.into_affine();
    assert_eq!(plainly(&P::LAMBDA), Affine::<P>::new_unchecked(affine.x * beta, affine.y));
    for k in special::<P::ScalarField>().iter().chain(&scalars[scalars.len() - 10..]) {
        assert_eq!(P::scale(&p, k), plainly(k));
        assert_eq!(P::scale(&Projective::ZERO, k), Projective::ZERO);
    }
}

#[test]
fn halves_of_scalars_make_up_the_scalars() {
    halves::<ark_bn254::g1::Config>();
    halves::<ark_bn254::g2::Config>();
    halves::<ark_bls12_381::g1::Config>();
    halves::<ark_bls12_381::g2::Config>();
}

/// One part and no others.
fn alone<'a, P: FastCurve>(bases: &'a [Affine<P>], scalars: &'a [P::ScalarField]) -> msm::Parts<'a, P> {
    [(bases, scalars), (&[], &[]), (&[], &[]), (&[], &[])]
}

fn sum<P: FastCurve>(bases: &[Affine<P>], scalars: &[P::ScalarField]) -> Projective<P> {
    P::multi_scalar(alone(bases, scalars))
}

fn sums<P: FastCurve>()
where
    P::BaseField: Arithmetic,
    Affine<P>: Point,
{
    let mut rng = ark_std::test_rng();
    let special = special::<P::ScalarField>();
    for n in [0, 1, 2, 100, 400, 3000] {
        let bases = points::<P>(n);
        let random: Vec<P::ScalarField> = (0..n).map(|_| P::ScalarField::rand(&mut rng)).collect();
        let edge: Vec<P::ScalarField> = (0..n).map(|i| special[i % special.len()]).collect();
        let bits: Vec<P::ScalarField> = (0..n).map(|_| P::ScalarField::from(rng.r#gen::<bool>())).collect();
        let same = vec![random.first().copied().unwrap_or_default(); n];
        for scalars in [random, edge, bits, same] {
            let expected = Projective::<P>::msm_unchecked(&bases, &scalars);
            assert_eq!(sum::<P>(&bases, &scalars), expected, "{n}");
            with_backend!(B => {
                assert_eq!(msm::msm::<P, OneByOne<B>>(alone(&bases, &scalars)), expected, "{n}");
            });
            assert_eq!(msm::msm::<P, OneByOne<Portable>>(alone(&bases, &scalars)), expected, "{n}");
            let (left, right) = (bases.split_at(n / 3), scalars.split_at(n / 3));
            let halves = [(left.0, right.0), (&[][..], &[][..]), (left.1, right.1), (&[], &[])];
            assert_eq!(P::multi_scalar(halves), expected, "{n}");
            // Any number of parts, equal or not, longer or shorter than their scalars.
            let parts: [_; 7] = std::array::from_fn(|k| {
                let part = n * k / 7..n * (k + 1) / 7;
                (&bases[part.clone()], &scalars[part])
            });
            assert_eq!(<Projective<P> as Group<P::ScalarField>>::msm_of(parts), expected, "{n}");
            let parts = [(&bases[..n / 2], &scalars[..]), (&bases[n / 2..], &scalars[n / 2..])];
            assert_eq!(<Projective<P> as Group<P::ScalarField>>::msm_of(parts), expected, "{n}");
        }
    }
    // The shorter slice decides.
    let bases = points::<P>(500);
    let scalars = vec![P::ScalarField::from(3u64); 400];
    let expected = sum::<P>(&bases[..400], &scalars);
    assert_eq!(sum::<P>(&bases, &scalars), expected);
    assert_eq!(sum::<P>(&bases[..200], &scalars), sum::<P>(&bases[..200], &scalars[..200]));
}

#[test]
fn multi_scalar_multiplications_are_those_of_arkworks() {
    sums::<ark_bn254::g1::Config>();
    sums::<ark_bn254::g2::Config>();
    sums::<ark_bls12_381::g1::Config>();
    sums::<ark_bls12_381::g2::Config>();
}

/// Every width of a digit, with random scalars and those furthest from the lattice that cuts them.
#[test]
fn every_window_gives_the_sum() {
    fn with<P: FastCurve, A: Adder<P>>() {
        let mut rng = ark_std::test_rng();
        let n = 300;
        let bases = points::<P>(n);
        let special = special::<P::ScalarField>();
        let scalars: Vec<_> = (0..n)
            .map(|i| if i % 3 == 0 { special[i / 3 % special.len()] } else { P::ScalarField::rand(&mut rng) })
            .collect();
        let expected = Projective::<P>::msm_unchecked(&bases, &scalars);
        for bits in 4..=15 {
            let windows = |_, half_bits| Windows::of_bits(bits, half_bits);
            assert_eq!(msm::msm_with::<P, A>(alone(&bases, &scalars), windows), expected, "{bits}");
        }
    }
    with_backend!(B => with::<ark_bls12_381::g1::Config, OneByOne<B>>());
    with_backend!(B => with::<ark_bls12_381::g2::Config, OneByOne<B>>());
    with_backend!(B => with::<ark_bn254::g1::Config, OneByOne<B>>());
    #[cfg(target_arch = "x86_64")]
    if lanes::are_available() {
        with::<ark_bn254::g1::Config, Lanes<1>>();
        with::<ark_bn254::g2::Config, Lanes<2>>();
    }
}

/// One bucket with more points than are added up at a time, and one between two others.
#[test]
fn a_crowded_bucket_is_added_up_in_parts() {
    type P = ark_bn254::g1::Config;
    let n = 20_000;
    let bases = points::<P>(n);
    let mut scalars = vec![ark_bn254::Fr::ONE; n];
    for (i, scalar) in scalars.iter_mut().enumerate().step_by(100) {
        *scalar = ark_bn254::Fr::from(i as u64 % 5);
    }
    assert_eq!(sum::<P>(&bases, &scalars), Projective::<P>::msm_unchecked(&bases, &scalars));
}

/// Where buckets are weighed over several levels of lanes.
#[test]
fn many_buckets_are_weighed_by_their_index() {
    type P = ark_bn254::g1::Config;
    for log_buckets in [3, 7, 12, 14] {
        let bases = points::<P>(1 << log_buckets);
        let digits = (1..).zip(0..1u32 << log_buckets);
        let scalars: Vec<_> = (1..=1u64 << log_buckets).map(ark_bn254::Fr::from).collect();
        let expected = Projective::<P>::msm_unchecked(&bases, &scalars);
        let buckets = 1 << log_buckets;
        #[cfg(target_arch = "x86_64")]
        if lanes::are_available() {
            assert_eq!(
                msm::small_msm::<P, Lanes<1>>([&bases, &[], &[], &[]], digits.clone(), buckets),
                expected
            );
        }
        with_backend!(B => {
            assert_eq!(msm::small_msm::<P, OneByOne<B>>([&bases, &[], &[], &[]], digits.clone(), buckets), expected);
        });
        assert_eq!(
            msm::small_msm::<P, OneByOne<Portable>>([&bases, &[], &[], &[]], digits, buckets),
            expected
        );
    }
}

/// What [`subgroup::by_combinations`] rests on.
#[test]
fn the_cofactor_has_no_small_divisor() {
    let cofactor = <ark_bn254::g2::Config as CurveConfig>::COFACTOR;
    let remainder =
        |d: u64| cofactor.iter().rev().fold(0u128, |r, limb| (r << 64 | u128::from(*limb)) % u128::from(d));
    assert!((2..=1 << subgroup::MAX_BITS).all(|d| remainder(d) != 0));
    assert_eq!(remainder(10069), 0);
}

/// A point of the least order that there is outside the subgroup, and one outside it with a part inside.
fn outsiders() -> [ark_bn254::G2Affine; 2] {
    let mut rng = ark_std::test_rng();
    let any = loop {
        let x = ark_bn254::Fq2::rand(&mut rng);
        if let Some(p) = ark_bn254::G2Affine::get_point_from_x_unchecked(x, false) {
            break p;
        }
    };
    // The group's order is the subgroup's times the cofactor; what is left of the cofactor is divided by 10069.
    let order = BigUint::from(ark_bn254::Fr::MODULUS);
    let limbs = <ark_bn254::g2::Config as CurveConfig>::COFACTOR;
    let cofactor = limbs.iter().rev().fold(BigUint::default(), |n, l| (n << 64) + *l);
    let rest = (order * cofactor / 10069u32).to_u64_digits();
    let least = any.mul_bigint(rest);
    let least = least.into_affine();
    assert!(!least.is_zero() && least.mul_bigint([10069]).into_affine().is_zero());
    [any, least]
}

#[test]
fn one_point_outside_the_subgroup_is_found_among_many() {
    type P = ark_bn254::g2::Config;
    for n in [10, subgroup::PAYS + 100, 3000] {
        let mut all = points::<P>(n);
        assert!(P::all_in_subgroup(&all));
        assert!(subgroup::by_combinations::<P, OneByOne<Portable>>(&all));
        assert!(subgroup::combinations_are_inside::<P, OneByOne<Portable>>(&all, subgroup::MAX_BITS));
        for outsider in outsiders() {
            for at in [0, n / 2, n - 1] {
                let insider = std::mem::replace(&mut all[at], outsider);
                assert!(!P::all_in_subgroup(&all), "{n} {at}");
                assert!(!subgroup::combinations_are_inside::<P, OneByOne<Portable>>(
                    &all,
                    subgroup::MAX_BITS
                ));
                all[at] = insider;
            }
            // Two that cancel out when they are simply added.
            let (first, last) = (all[1], all[n - 2]);
            (all[1], all[n - 2]) = (outsider, -outsider);
            assert!(!P::all_in_subgroup(&all), "{n}");
            (all[1], all[n - 2]) = (first, last);
        }
    }
}

#[test]
fn points_off_the_curve_are_no_members() {
    let mut all = points::<ark_bn254::g1::Config>(400);
    assert!(Point::all_are_members(&all));
    all[300].x += ark_bn254::Fq::ONE;
    assert!(!Point::all_are_members(&all));
}
