//! `halo2curves`: the multi-scalar multiplication and the transform of the halo2 provers.

use ark_bn254::G1Projective;
use ark_ec::scalar_mul::ScalarMul;
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::{BigInteger, PrimeField};
use halo2curves::CurveAffine;
use halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use halo2curves::ff::PrimeField as _;
use halo2curves::fft::best_fft;
use halo2curves::group::Curve;
use halo2curves::msm::msm_best;

use crate::Outcome;
use crate::contestant::{Runner, Who, Work};
use crate::cost::measure;
use crate::files::Files;
use crate::inputs::{CHECKED_AT, Msm, Transform, same, transform_runner};

/// Gets ready for a piece of work.
pub fn runner(work: Work, files: &Files) -> Outcome<Runner> {
    match work {
        Work::MsmG1 => msm(files.log_size),
        Work::Fft => transform(files.log_size),
        Work::Prove | Work::Respond | Work::MsmG2 | Work::Import | Work::Open => {
            Who::Halo2curves.does_not(work)
        }
    }
}

fn msm(log_size: u32) -> Outcome<Runner> {
    let msm = Msm::new(log_size);
    let bases = G1Projective::generator().batch_mul(&msm.logarithms);
    let bases: Vec<G1Affine> = bases.iter().map(point).collect::<Outcome<_>>()?;
    let scalars: Vec<Fr> = msm.scalars.iter().map(scalar).collect::<Outcome<_>>()?;
    let expected = point(&msm.expected_g1())?;
    Ok(Box::new(move || {
        let (sum, cost) = measure(|| -> G1 { msm_best(&scalars, &bases) })?;
        same(&sum.to_affine(), &expected)?;
        Ok(cost)
    }))
}

fn transform(log_size: u32) -> Outcome<Runner> {
    let transform = Transform::new(log_size)?;
    let coefficients: Vec<Fr> = transform.coefficients.iter().map(scalar).collect::<Outcome<_>>()?;
    let generator = scalar(&transform.generator)?;
    let expected = scalar(&transform.expected())?;
    let fft = move |values: &mut Vec<Fr>| best_fft(values, generator, log_size);
    Ok(transform_runner(coefficients, CHECKED_AT, expected, fft))
}

fn bytes<F: PrimeField>(x: &F) -> Outcome<[u8; 32]> {
    let bytes = x.into_bigint().to_bytes_le();
    <[u8; 32]>::try_from(bytes).map_err(|_| "not an element of 32 bytes".into())
}

fn scalar(x: &ark_bn254::Fr) -> Outcome<Fr> {
    Fr::from_repr(bytes(x)?.into()).into_option().ok_or_else(|| "not canonical".into())
}

fn point(p: &ark_bn254::G1Affine) -> Outcome<G1Affine> {
    let (x, y) = p.xy().ok_or("a point at infinity")?;
    let coordinate = |x: &ark_bn254::Fq| -> Outcome<Fq> {
        Fq::from_repr(bytes(x)?.into()).into_option().ok_or_else(|| "not canonical".into())
    };
    G1Affine::from_xy(coordinate(&x)?, coordinate(&y)?).into_option().ok_or_else(|| "not on the curve".into())
}
