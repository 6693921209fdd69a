//! TACEO's plain Groth16, its algebra, and its reader of keys.

use std::hint::black_box;

use ark_bn254::{Bn254, G1Projective, G2Projective};
use ark_ec::scalar_mul::ScalarMul;
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ec::{CurveGroup, PrimeGroup};
use taceo_ark_algebra::fft::Domain;
use taceo_ark_algebra::msm::msm_unchecked;
use taceo_circom_types::CheckElement;
use taceo_groth16::{CircomReduction, Groth16};

use super::zkey::{self, Circuit};
use crate::Outcome;
use crate::contestant::{Runner, Who, Work};
use crate::cost::measure;
use crate::files::{Files, Fr};
use crate::inputs::{CHECKED_AT, Msm, Transform, blinders, same, transform_runner};

/// Gets ready for a piece of work.
pub fn runner(work: Work, files: &Files) -> Outcome<Runner> {
    match work {
        Work::Prove => proof(files),
        Work::MsmG1 => Ok(msm(files.log_size, G1Projective::generator(), Msm::expected_g1)),
        Work::MsmG2 => Ok(msm(files.log_size, G2Projective::generator(), Msm::expected_g2)),
        Work::Fft => transform(files.log_size),
        Work::Import => import(files),
        Work::Respond | Work::Open => Who::Taceo.does_not(work),
    }
}

fn proof(files: &Files) -> Outcome<Runner> {
    let circuit = Circuit::read(files)?;
    let [r, s] = blinders()?;
    Ok(Box::new(move || {
        let prove = || {
            Groth16::<Bn254>::prove::<CircomReduction>(
                &circuit.key,
                r,
                s,
                &circuit.matrices,
                &circuit.witness,
            )
        };
        let (proof, cost) = measure(prove)?;
        circuit.verify(&proof.map_err(|e| e.to_string())?)?;
        Ok(cost)
    }))
}

fn msm<P: SWCurveConfig<ScalarField = Fr>>(
    log_size: u32,
    generator: Projective<P>,
    expected: impl Fn(&Msm) -> Affine<P>,
) -> Runner {
    let msm = Msm::new(log_size);
    let bases = generator.batch_mul(&msm.logarithms);
    let expected = expected(&msm);
    Box::new(move || {
        let (sum, cost) = measure(|| msm_unchecked(&bases, &msm.scalars))?;
        same(&sum.into_affine(), &expected)?;
        Ok(cost)
    })
}

/// Leaves the values in bit-reversed order, as its prover uses them.
fn transform(log_size: u32) -> Outcome<Runner> {
    let transform = Transform::new(log_size)?;
    let domain = Domain::<Fr>::new(1 << log_size).ok_or("the field has no such domain")?;
    let expected = transform.expected();
    let at = CHECKED_AT.reverse_bits() >> (usize::BITS - log_size);
    let fft = move |values: &mut Vec<Fr>| domain.fft_in_to_out(values);
    Ok(transform_runner(transform.coefficients, at, expected, fft))
}

fn import(files: &Files) -> Outcome<Runner> {
    let bytes = files.zkey()?;
    Ok(Box::new(move || {
        let (key, cost) = measure(|| zkey::read(&bytes, CheckElement::Yes))?;
        black_box(key?);
        Ok(cost)
    }))
}
