//! Random scalars, bases and vectors, the same in every contestant, and what must come of them.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::PrimeField;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Outcome;
use crate::contestant::Runner;
use crate::cost::measure;

/// Field elements from a seed, uniform.
pub fn scalars(seed: u64, count: usize) -> Vec<Fr> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut wide = [0; 64];
    let mut one = || {
        rng.fill_bytes(&mut wide);
        Fr::from_le_bytes_mod_order(&wide)
    };
    (0..count).map(|_| one()).collect()
}

/// Blinders `r, s` for provers that take them from outside.
pub fn blinders() -> Outcome<[Fr; 2]> {
    <[Fr; 2]>::try_from(scalars(4, 2)).map_err(|_| "there are no blinders".into())
}

/// A multi-scalar multiplication: `bases[i] = logarithms[i] * generator`.
pub struct Msm {
    /// Discrete logarithms of the bases.
    pub logarithms: Vec<Fr>,
    /// The scalars.
    pub scalars: Vec<Fr>,
}

impl Msm {
    /// The one of `2^log_size` terms.
    pub fn new(log_size: u32) -> Self {
        Self { logarithms: scalars(1, 1 << log_size), scalars: scalars(2, 1 << log_size) }
    }

    /// The discrete logarithm of its result.
    pub fn logarithm(&self) -> Fr {
        self.logarithms.iter().zip(&self.scalars).map(|(k, s)| *k * s).sum()
    }

    /// Its result in the first group.
    pub fn expected_g1(&self) -> G1Affine {
        (G1Projective::generator() * self.logarithm()).into_affine()
    }

    /// Its result in the second group.
    pub fn expected_g2(&self) -> G2Affine {
        (G2Projective::generator() * self.logarithm()).into_affine()
    }
}

/// A transform: coefficients in, values over the subgroup out.
pub struct Transform {
    /// The coefficients.
    pub coefficients: Vec<Fr>,
    /// The subgroup's generator.
    pub generator: Fr,
}

/// Where a transform's result is checked.
pub const CHECKED_AT: usize = 5;

impl Transform {
    /// The one of size `2^log_size`.
    pub fn new(log_size: u32) -> Outcome<Self> {
        let domain =
            Radix2EvaluationDomain::<Fr>::new(1 << log_size).ok_or("the field has no such domain")?;
        Ok(Self { coefficients: scalars(3, 1 << log_size), generator: domain.group_gen() })
    }

    /// The value at `generator^CHECKED_AT`, by Horner's rule.
    pub fn expected(&self) -> Fr {
        let x = ark_ff::Field::pow(&self.generator, [CHECKED_AT as u64]);
        self.coefficients.iter().rev().fold(Fr::from(0u64), |sum, c| sum * x + c)
    }
}

/// Measures a transform of fresh copies of `coefficients`, whose value at index `at` must become `expected`.
pub fn transform_runner<F: Clone + PartialEq + 'static>(
    coefficients: Vec<F>,
    at: usize,
    expected: F,
    transform: impl Fn(&mut Vec<F>) + 'static,
) -> Runner {
    Box::new(move || {
        let mut values = coefficients.clone();
        let ((), cost) = measure(|| transform(&mut values))?;
        same(&values.get(at), &Some(&expected))?;
        Ok(cost)
    })
}

/// Refuses a result that is not the expected one: a contestant that computes something else is not compared.
pub fn same<T: PartialEq>(got: &T, expected: &T) -> Outcome {
    if got == expected { Ok(()) } else { Err("the result is wrong".into()) }
}
