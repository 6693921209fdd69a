//! arkworks: `ark-groth16` with circom's reduction, `ark-ec`, `ark-poly`.

use std::hint::black_box;

use ark_bn254::{Bn254, Fr, G1Projective, G2Projective};
use ark_ec::scalar_mul::ScalarMul;
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_groth16::Groth16;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};

use super::qap::CircomReduction;
use super::zkey::Circuit;
use crate::Outcome;
use crate::contestant::{Runner, Who, Work};
use crate::cost::measure;
use crate::files::Files;
use crate::inputs::{CHECKED_AT, Msm, Transform, blinders, same, transform_runner};

/// Gets ready for a piece of work.
pub fn runner(work: Work, files: &Files) -> Outcome<Runner> {
    match work {
        Work::Prove => proof(files),
        Work::MsmG1 => Ok(msm::<G1Projective>(files.log_size, Msm::expected_g1)),
        Work::MsmG2 => Ok(msm::<G2Projective>(files.log_size, Msm::expected_g2)),
        Work::Fft => transform(files.log_size),
        Work::Respond | Work::Import | Work::Open => Who::Arkworks.does_not(work),
    }
}

fn proof(files: &Files) -> Outcome<Runner> {
    let mut circuit = Circuit::read(files)?;
    let matrices = [std::mem::take(&mut circuit.matrices.a), std::mem::take(&mut circuit.matrices.b)];
    let [r, s] = blinders()?;
    Ok(Box::new(move || {
        let prove = || {
            Groth16::<Bn254, CircomReduction>::create_proof_with_reduction_and_matrices(
                &circuit.key,
                r,
                s,
                &matrices,
                circuit.matrices.num_instance_variables,
                circuit.matrices.num_constraints,
                &circuit.witness,
            )
        };
        let (proof, cost) = measure(prove)?;
        circuit.verify(&proof?)?;
        Ok(cost)
    }))
}

fn msm<G>(log_size: u32, expected: impl Fn(&Msm) -> G::Affine) -> Runner
where
    G: CurveGroup<ScalarField = Fr> + VariableBaseMSM + ScalarMul<MulBase = <G as CurveGroup>::Affine>,
{
    let msm = Msm::new(log_size);
    let bases = G::generator().batch_mul(&msm.logarithms);
    let expected = expected(&msm);
    Box::new(move || {
        let (sum, cost) = measure(|| G::msm_unchecked(&bases, &msm.scalars))?;
        same(&black_box(sum).into_affine(), &expected)?;
        Ok(cost)
    })
}

fn transform(log_size: u32) -> Outcome<Runner> {
    let transform = Transform::new(log_size)?;
    let domain = Radix2EvaluationDomain::<Fr>::new(1 << log_size).ok_or("the field has no such domain")?;
    let expected = transform.expected();
    let fft = move |values: &mut Vec<Fr>| domain.fft_in_place(values);
    Ok(transform_runner(transform.coefficients, CHECKED_AT, expected, fft))
}
