//! Every fast path against the simple one.

#![allow(clippy::unwrap_used)]

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, BigInt, Field, Fp, MontBackend, MontConfig, PrimeField, UniformRand};
use ark_std::rand::Rng;

use super::FastCurve;
use super::arithmetic::Arithmetic;
use super::backend::{Backend, Portable, with_backend};
use super::batch::{self, Xy};
use super::msm::{self, PAYS};

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

fn additions<P: FastCurve>()
where
    P::BaseField: Arithmetic,
{
    fn with<P: FastCurve, B: Backend>()
    where
        P::BaseField: Arithmetic,
    {
        let xy = |p: &Affine<P>| p.xy().map_or(Xy::IDENTITY, |(x, y)| Xy { x, y });
        let left = points::<P>(300);
        let mut right = points::<P>(300);
        right.reverse();
        for (l, r) in left.iter().zip(&mut right).step_by(7) {
            *r = *l;
        }
        for (l, r) in left.iter().zip(&mut right).skip(3).step_by(7) {
            *r = -*l;
        }
        let mut sums = vec![Xy::IDENTITY; left.len()];
        let (l, r): (Vec<_>, Vec<_>) = (left.iter().map(xy).collect(), right.iter().map(xy).collect());
        batch::add::<_, B>(300, &mut Vec::new(), |i| (&l[i], &r[i]), |i, sum| sums[i] = sum);
        for ((l, r), sum) in left.iter().zip(&right).zip(&sums) {
            assert_eq!(xy(&(*l + r).into_affine()), *sum);
        }
    }
    with_backend!(B => with::<P, B>());
    with::<P, Portable>();
}

#[test]
fn batched_additions_are_additions() {
    additions::<ark_bn254::g1::Config>();
    additions::<ark_bn254::g2::Config>();
    additions::<ark_bls12_381::g1::Config>();
    additions::<ark_bls12_381::g2::Config>();
}

fn sum<P: FastCurve>(bases: &[Affine<P>], scalars: &[P::ScalarField]) -> Projective<P> {
    P::multi_scalar([(bases, scalars), (&[], &[])])
}

fn sums<P: FastCurve>()
where
    P::BaseField: Arithmetic,
{
    let mut rng = ark_std::test_rng();
    let special: Vec<P::ScalarField> = {
        let half = P::ScalarField::from_bigint(P::ScalarField::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
        let mut all: Vec<P::ScalarField> = edges();
        all.extend([half, half + P::ScalarField::ONE, half - P::ScalarField::ONE]);
        all.extend((0..253).step_by(7).map(|k| P::ScalarField::ONE.double().pow([k])));
        all
    };
    for n in [0, 1, PAYS - 1, PAYS + 40, 400, 3000] {
        let bases = points::<P>(n);
        let random: Vec<P::ScalarField> = (0..n).map(|_| P::ScalarField::rand(&mut rng)).collect();
        let edge: Vec<P::ScalarField> = (0..n).map(|i| special[i % special.len()]).collect();
        let bits: Vec<P::ScalarField> = (0..n).map(|_| P::ScalarField::from(rng.r#gen::<bool>())).collect();
        let same = vec![random.first().copied().unwrap_or_default(); n];
        for scalars in [random, edge, bits, same] {
            let expected = Projective::<P>::msm_unchecked(&bases, &scalars);
            assert_eq!(sum::<P>(&bases, &scalars), expected, "{n}");
            assert_eq!(msm::msm::<P, Portable>([(&bases, &scalars), (&[], &[])]), expected, "{n}");
            let (left, right) = (bases.split_at(n / 3), scalars.split_at(n / 3));
            assert_eq!(P::multi_scalar([(left.0, right.0), (left.1, right.1)]), expected, "{n}");
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
